"""Who may do what: the tokens of the server, and the scopes of a token.

Module of the stand-in for Windmill. There is one user. A token without scopes may do everything; a scoped one only
what its scopes name: ``<domain>:<action>[:<kind>]:<path>``, where a path may end in ``*``, for example
``jobs:run:scripts:f/chatbot/chat``. As on Windmill, whoever may run something may also read jobs and their results.
"""

import fnmatch
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from starlette.requests import Request

from local.server.errors import Forbidden, Unauthorized
from local.server.jobs import JobStore

_ACTIONS_INCLUDING_READ = ("read", "write", "run")


@dataclass(slots=True)
class Tokens:
    """The tokens that are taken.

    Attributes:
        admin: Taken always, without limits.
        store: Knows the tokens of running jobs; each is taken as long as its job runs.
        scoped: The tokens that were made over the API, with their scopes; None is without limits.
    """

    admin: str
    store: JobStore
    scoped: dict[str, tuple[str, ...] | None] = field(default_factory=dict)

    def create(self, scopes: Sequence[str] | None) -> str:
        """Make a token."""
        token = secrets.token_urlsafe(24)
        self.scoped[token] = tuple(scopes) if scopes is not None else None
        return token

    def check(self, request: Request, needed: str) -> None:
        """Let a request pass.

        Args:
            request: With the token as a bearer, a cookie ``token`` or the query parameter ``token``.
            needed: The scope that covers it, for example ``jobs:run:scripts:f/chatbot/chat`` or ``resources:read``.

        Raises:
            Unauthorized: Without a token, or with an unknown one.
            Forbidden: When none of the token's scopes covers it.
        """
        token = _token_of(request)
        if token and secrets.compare_digest(token.encode(), self.admin.encode()):
            return
        if token in self.scoped:
            scopes = self.scoped[token]
            if scopes is None or covers(scopes, needed):
                return
            raise Forbidden(f"Required scope: {needed}")
        if not token or not self.store.knows_token(token):
            raise Unauthorized("invalid or missing token")


def covers(scopes: Iterable[str], needed: str) -> bool:
    """Tell whether one of the scopes covers what is needed.

    Args:
        scopes: For example ``("jobs:run:scripts:f/chatbot/*",)``.
        needed: For example ``jobs:run:scripts:f/chatbot/chat``, or ``jobs:read``, which every scope for jobs covers.
    """
    return any(_covers(scope.split(":"), needed.split(":")) for scope in scopes)


def _covers(scope: list[str], needed: list[str]) -> bool:
    if scope == ["*"]:
        return True
    if scope[0] != needed[0]:
        return False
    if needed[1] == "read" and len(needed) == 2:
        return len(scope) > 1 and scope[1] in _ACTIONS_INCLUDING_READ
    for position, part in enumerate(scope[1:], start=1):
        if position >= len(needed):
            return False
        if position == 1 and part == "write" and needed[1] == "read":
            continue
        if not fnmatch.fnmatchcase(needed[position], part):
            return False
    return True


def _token_of(request: Request) -> str:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    return request.cookies.get("token") or request.query_params.get("token") or ""
