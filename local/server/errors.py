"""Errors that end a request, with the status and the text that Windmill answers with.

Module of the stand-in for Windmill. Windmill sends a plain sentence as the body, never JSON.
"""


class ApiError(Exception):
    """Something is wrong with the server."""

    status = 500
    prefix = "Internal"

    def __init__(self, text: str) -> None:
        """Take what follows the prefix in the body."""
        super().__init__(text)

    @property
    def body(self) -> str:
        """The text of the answer."""
        return f"{self.prefix}: {self}" if self.prefix else str(self)


class BadRequest(ApiError):
    """The request cannot be understood."""

    status = 400
    prefix = "Bad request"


class Unauthorized(ApiError):
    """There is no token, or a wrong one."""

    status = 401
    prefix = "Unauthorized"


class Forbidden(ApiError):
    """The token's scopes do not cover the request."""

    status = 403
    prefix = "Permission denied"


class NotFound(ApiError):
    """There is no such item or job."""

    status = 404
    prefix = "Not found"


class UnsupportedMediaType(ApiError):
    """The body has a content type that is not taken."""

    status = 415
    prefix = ""


class WaitedTooLong(ApiError):
    """The job was not finished in the time that a caller may wait."""

    status = 500
    prefix = "Execution error"


class NotInTheStandIn(ApiError):
    """Windmill can do this, and the stand-in cannot."""

    status = 501
    prefix = "Not in the local stand-in"
