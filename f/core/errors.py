"""The one tree of errors, and what a caller is told about each.

Shared module. A class's docstring is its default message; ``status`` is the HTTP status that a caller sees and
``code`` the stable word that a program can test. Messages never hold SQL, a secret, a document's text, or a hint that
something exists which the caller may not see.

Windmill runs a shared module as a script when somebody names its path, and then any function of it, with arguments in
which secrets may have been put. Every shared module imports this one, and here that ends.
"""

import os

if os.environ.get("WM_JOB_PATH", "").startswith("f/core/"):
    raise SystemExit("f/core holds shared modules; none of them is a script.")


class KnowledgeError(Exception):
    """Something went wrong."""

    status = 500
    code = "internal_error"

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after_seconds: int | None = None,
        about: tuple[str, object] | None = None,
        code: str | None = None,
    ) -> None:
        """Take the sentence for the caller; without one, the class's own docstring is used.

        Args:
            message: A sentence that a person can act on.
            retry_after_seconds: When a repeat may succeed, in whole seconds, where that is known.
            about: What was asked for, as its kind and id; for the audit log.
            code: A more exact stable word than the class has.
        """
        super().__init__(message or (type(self).__doc__ or "").strip())
        if code:
            self.code = code
        # Windmill hands an exception's attributes on as ``extra``: a flow's failure step reads these.
        self.http_status = self.status
        self.error_code = self.code
        self.retry_after_seconds = retry_after_seconds
        self.about = about


class CallerMistake(KnowledgeError):
    """The request cannot be carried out as it was made."""

    status = 400
    code = "bad_request"


class InvalidArgument(CallerMistake):
    """An argument has a wrong type or value."""

    status = 422
    code = "invalid_argument"


class Unauthorized(CallerMistake):
    """The session token is missing, wrong or expired."""

    status = 401
    code = "unauthorized"


class Forbidden(CallerMistake):
    """The caller may not do this."""

    status = 403
    code = "forbidden"


class NotFound(CallerMistake):
    """There is nothing of this kind that the caller may see."""

    status = 404
    code = "not_found"


class Conflict(CallerMistake):
    """The request contradicts what is stored."""

    status = 409
    code = "conflict"


class TooLarge(CallerMistake):
    """An argument is longer than is allowed."""

    status = 413
    code = "too_large"


class TooManyRequests(CallerMistake):
    """Too many requests; try again later."""

    status = 429
    code = "too_many_requests"


class Misconfigured(KnowledgeError):
    """A resource or variable of this installation is missing or malformed."""

    status = 500
    code = "misconfigured"


class DatabaseUnavailable(KnowledgeError):
    """The database does not answer; try again later."""

    status = 503
    code = "database_unavailable"


class StatementRefused(KnowledgeError):
    """The database refused a statement."""

    def __init__(self, sqlstate: str | None) -> None:
        """Take PostgreSQL's code of the reason, which says no values."""
        super().__init__(f"The database refused a statement ({sqlstate}).")
        self.sqlstate = sqlstate or ""


class ParsingInterrupted(KnowledgeError):
    """The file could not be parsed at the moment; it waits for another try."""

    status = 503
    code = "parsing_interrupted"


class SourceUnavailable(KnowledgeError):
    """The file cannot be fetched at the moment; try again later."""

    status = 503
    code = "source_unavailable"


class ProviderUnavailable(KnowledgeError):
    """The model provider does not answer; try again later."""

    status = 503
    code = "provider_unavailable"


class ProviderBusy(ProviderUnavailable):
    """The model provider is asked too much at the moment; try again later."""

    status = 429
    code = "too_many_requests"


class ChannelUnavailable(KnowledgeError):
    """What notices are sent by does not answer; what is due waits."""

    status = 503
    code = "channel_unavailable"


class ProviderRejected(KnowledgeError):
    """The model provider refused the request or sent something unusable; a repeat would not help."""

    status = 502
    code = "provider_rejected"
