"""The ways of answering that ``load`` compares: ours, and the usual job, each in an installation of its own."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
import psycopg2
from psycopg2.extensions import parse_dsn

from local.stack import REPOSITORY, Stack, local_stack
from tests.benchmarks.filling import MODEL, fill_tenant, random_question
from tests.benchmarks.limited_provider import Providers
from tests.support.installation import cloud_settings

TENANTS, MEMBERS = 10, 23
"""In each installation; who asks is chosen among them."""
CHUNKS = 20
SLOTS = 80
"""Scripts that run at once: a question that waits holds a worker, so there must be one for each."""
_ANSWER_SECONDS = 600
_USUAL = {
    "f/usual/chat": """
def main(question: str, tenant_id: str):
    from tests.benchmarks.usual.chat import main as chat

    return chat(question, tenant_id)
""",
    "f/usual/warm": """
def main():
    import tests.benchmarks.usual.chat
    import f.core.provider_turns, f.core.asking, f.core.answering, f.core.groq_models, f.core.cohere_models
""",
}
"""The usual job as scripts of the server, and one that has all modules compiled."""

Member = tuple[str, int]
"""Tenant and member."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one job.

    Attributes:
        kind: ``answered``; ``told`` when it was refused with the time to come back; ``failed``.
        is_limit: Whether the provider's limit was the reason.
        retry_after_seconds: When to come back, if that was told.
        words: What was said, where it failed for another reason.
    """

    kind: Literal["answered", "told", "failed"]
    is_limit: bool = False
    retry_after_seconds: float | None = None
    words: str = ""


@dataclass(slots=True)
class Way:
    """An installation, and how it is asked.

    Attributes:
        name: As it stands in the results; also the key with which its provider knows it.
        members: By tenant, in the tenants' order.
    """

    name: str
    stack: Stack
    home: Path
    providers: Providers
    members: list[list[Member]] = field(default_factory=list)

    def ask(self, member: Member) -> Reply:
        """Ask a question in a member's name."""
        tenant, number = member
        answer = self._run(
            "f/chatbot/chat",
            {"question": random_question(), "tenant_id": tenant, "user_member_id": number, "stream": True},
        )
        body = answer.json()
        if answer.status_code == 200 and body["data"]["answered"]:
            return Reply("answered")
        after = body.get("retry_after_seconds") if isinstance(body, dict) else None
        if answer.status_code == 429 and after is not None:
            return Reply("told", is_limit=True, retry_after_seconds=float(after))
        return Reply("failed", is_limit=answer.status_code == 429, words=answer.text[:300])

    def _run(self, path: str, arguments: dict[str, object]) -> httpx.Response:
        """Run a script and wait for it."""
        return httpx.post(
            self.stack.url(f"jobs/run_wait_result/p/{path}"), json=arguments, headers=self.stack.headers,
            timeout=_ANSWER_SECONDS,
        )  # fmt: skip

    def warm(self) -> None:
        """Have the modules of its jobs compiled; no model is asked, which would count."""
        self._run("f/chatbot/search", {"query": "word1", "tenant_id": self.members[0][0][0]}).raise_for_status()
        self._run("f/usual/warm", {}).raise_for_status()

    def refusals(self) -> tuple[int, int]:
        """Return how many requests its provider has taken, and how many refused."""
        return self.providers.counts().get(self.name, (0, 0))


class UsualWay(Way):
    """The job as it is usually written, as a script of the same server: the SDK retries as its defaults say."""

    def ask(self, member: Member) -> Reply:
        """Ask a question in a tenant's name; the usual job knows no members."""
        answer = self._run("f/usual/chat", {"question": random_question(), "tenant_id": member[0]})
        body = answer.json()
        if answer.status_code == 200 and body.get("answer"):
            return Reply("answered")
        error = body.get("error") or {}
        words = f"{error.get('name')}: {str(error.get('message'))[:200]}"
        return Reply("failed", is_limit=error.get("name") == "RateLimitError", words=words)


@contextmanager
def ways(providers: Providers, chosen: dict[str, dict[str, Any] | None]) -> Iterator[list[Way]]:
    """Start an installation for each way.

    Args:
        providers: What they ask.
        chosen: By the way's name, the settings of ours that differ; None for the usual way.
    """
    with tempfile.TemporaryDirectory() as home, ExitStack() as started:
        yield [
            _started(started, Path(home) / str(number), name, providers, settings)
            for number, (name, settings) in enumerate(chosen.items())
        ]


def _started(started: ExitStack, home: Path, name: str, providers: Providers, settings: dict[str, Any] | None) -> Way:
    """Start one installation, with its tenants and members, and a job before time is taken."""
    addresses = {"CO_API_URL": providers.cohere_url, "GROQ_BASE_URL": providers.chat_url, "PYTHONPATH": str(REPOSITORY)}
    stack = started.enter_context(
        local_stack(home, environment={}, durable=False, slots=SLOTS, extra_environment=addresses)
    )
    for path, content in _USUAL.items():
        script = {"path": path, "content": content, "language": "python3", "summary": "", "description": ""}
        httpx.post(stack.url("scripts/create"), json=script, headers=stack.headers).raise_for_status()
    workspace = stack.server.workspace
    workspace.set_variable("f/chatbot/groq_key", name)
    workspace.set_variable("f/chatbot/cohere_key", name)
    workspace.set_resource("f/chatbot/ai_settings", _ai_settings(providers, settings or {}))
    workspace.set_resource("f/usual/postgres_db", parse_dsn(stack.admin_dsn))
    way = (Way if settings is not None else UsualWay)(name, stack, home, providers)
    tenants = [fill_tenant(stack.admin_dsn, CHUNKS, ("everyone",)) for _ in range(TENANTS)]
    way.members = _with_members(stack.admin_dsn, tenants)
    way.warm()
    return way


def _ai_settings(providers: Providers, more: dict[str, Any]) -> dict[str, Any]:
    """Give settings without reranking and without a fallback: the limit is what is measured."""
    settings = cloud_settings(providers.cohere_url, providers.chat_url, deadline_seconds=40, rerank=None)
    settings["embed"]["model"] = MODEL
    chat = {**settings["chat"], **more.pop("chat", {})}
    return {**settings, "fallback_chat": None, **more, "chat": chat}


def _with_members(dsn: str, tenants: list[str]) -> list[list[Member]]:
    """Give each tenant members, and no limit of its own that would be met before the provider's."""
    connection = psycopg2.connect(dsn)
    members = []
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE tenants SET concurrent_chats = %s", (SLOTS,))
        for tenant in tenants:
            cursor.execute(
                "INSERT INTO family_members (tenant_id, name, member_type)"
                " SELECT %s, 'Member ' || number, 'adult' FROM generate_series(1, %s) AS number RETURNING id",
                (tenant, MEMBERS),
            )
            members.append([(tenant, int(row[0])) for row in cursor.fetchall()])
    connection.close()
    return members
