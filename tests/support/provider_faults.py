"""What can go wrong with a request to a model provider, for the servers of ``provider_servers``.

Each function here makes a ``Fault``; a server commits it when it is told to: ``server.fail(status(503), times=2)``.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate

Vectors = list[list[float]]
HTML_PAGE = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request; made by the functions below."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    hang_seconds: float = 0.0
    drip_seconds: float = 0.0
    cut_before_body: bool = False
    pieces: int | None = None
    then: str = "cut"
    vectors: Callable[[Vectors], Vectors] | None = None
    answer: str | None = None
    ends_badly: bool = False


def status(code: int, retry_after: str | None = None) -> Fault:
    """Answer with an error in the provider's own form; ``retry_after`` is the header's value."""
    return Fault(status=code, headers={} if retry_after is None else {"Retry-After": retry_after})


def rate_limit(seconds: float, *, as_date: bool = False) -> Fault:
    """Answer 429 with a Retry-After of so many seconds, or of the date that they lead to (in whole seconds)."""
    return status(429, formatdate(time.time() + seconds, usegmt=True) if as_date else f"{seconds:g}")


def html(code: int = 502) -> Fault:
    """Answer with a proxy's error page."""
    return Fault(status=code, headers={"Content-Type": "text/html"}, raw=HTML_PAGE)


def unparseable() -> Fault:
    """Answer 200 with a body that claims to be JSON and is not."""
    return Fault(status=200, headers={"Content-Type": "application/json"}, raw=b'{"id": "1", "embeddi')


def other_json(body: object) -> Fault:
    """Answer 200 with JSON of another shape."""
    return Fault(status=200, headers={"Content-Type": "application/json"}, raw=json.dumps(body).encode())


def hang(seconds: float = 60.0) -> Fault:
    """Say nothing for so long, or until the server is stopped."""
    return Fault(hang_seconds=seconds)


def drip(seconds: float = 0.05) -> Fault:
    """Send a status and then a space, again and again with this pause, and never an end."""
    return Fault(drip_seconds=seconds)


def cut() -> Fault:
    """Close the connection before anything is answered."""
    return Fault(cut_before_body=True)


def cut_stream(after: int = 2) -> Fault:
    """Close the connection after so many pieces of a stream's text."""
    return Fault(pieces=after)


def end_stream(after: int = 2) -> Fault:
    """End the response properly after so many pieces of a stream's text, without what should follow."""
    return Fault(pieces=after, then="end")


def stall_stream(after: int = 2) -> Fault:
    """Fall silent after so many pieces of a stream's text."""
    return Fault(pieces=after, then="stall")


def garble_stream(after: int = 2) -> Fault:
    """Send an event that is not JSON after so many pieces of a stream's text, and go on."""
    return Fault(pieces=after, then="garble")


def unknown_event(after: int = 2) -> Fault:
    """Send an event of a kind that nobody knows after so many pieces of a stream's text, and go on."""
    return Fault(pieces=after, then="unknown")


def wrong_dimension(dimension: int = 768) -> Fault:
    """Send vectors of another length."""
    return Fault(vectors=lambda vectors: [resized(vector, dimension) for vector in vectors])


def wrong_count(difference: int = -1) -> Fault:
    """Send fewer vectors than texts, or more."""
    return Fault(vectors=lambda vectors: (vectors + vectors)[: len(vectors) + difference])


def not_a_number(value: float = float("nan")) -> Fault:
    """Put a NaN or an infinity into the last vector."""
    return Fault(vectors=lambda vectors: [*vectors[:-1], [*vectors[-1][:-1], value]])


def bad_end() -> Fault:
    """Say at the end of the answer that something went wrong with it."""
    return Fault(ends_badly=True)


def empty_answer() -> Fault:
    """Answer with no text at all."""
    return Fault(answer="")


def resized(vector: list[float], dimension: int) -> list[float]:
    """Cut a vector, or fill it up with zeros, which changes no cosine."""
    return [*vector[:dimension], *[0.0] * (dimension - len(vector))]
