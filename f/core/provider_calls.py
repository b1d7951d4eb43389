# extra_requirements:
# cohere==7.3.1
# groq==1.7.0
# httpx==0.28.1
"""Calls to model providers: retries, time limits, backing off and the translation of foreign errors.

Shared module, and the only place of these four. A call goes to one target, or to several of which the later stand in
for the first. It ends with a result, ``ProviderUnavailable`` (a repeat may help) or ``ProviderRejected`` (it would
not). No error holds a key, a header or a text that was sent: foreign exceptions print all of that, so they are read for
their class, their status and ``Retry-After``, and then dropped with their chain.

The packages above are imported where they are used, because importing them is most of a job's start. The comment names
them for Windmill, which does not see such imports. It is one file because each further one is a request more, in every
job that asks a provider.
"""

import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, partial
from math import ceil
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, Protocol, TypeVar

from f.core.errors import Misconfigured, ProviderBusy, ProviderRejected, ProviderUnavailable

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
ProviderName = Literal["cohere", "groq", "openai_compatible", "offline"]

TRIES = 5
"""How often one target is tried in one call. A 429 is a pause and does not count."""

TRIES_WHEN_NOT_SERVED = 2
"""The same where the answer is 404, 410 or 413: a retired model does not come back, a proxy's mistake may pass."""

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 8.0
LOOKS_EVERY_SECONDS = 2.0
"""How often a request that waits for its turn looks whether it has come sooner than was to be expected."""

CONNECT_SECONDS = 5.0

_NOT_SERVED = frozenset({404, 410, 413})
_PASSING = frozenset({408, 409, 425, 429, 499})
_KEY_REFUSED = frozenset({401, 403})
_NAMES = {"cohere": "Cohere", "groq": "Groq", "openai_compatible": "the model server", "offline": "the offline models"}
_KEYS = {
    "cohere": "f/chatbot/cohere_api_key",
    "groq": "f/chatbot/groq_api_key",
    "openai_compatible": "f/chatbot/groq_api_key",
}


class Unusable(Exception):
    """What the provider sent is not an answer. The message is ours and quotes nothing of it."""


class Usage(NamedTuple):
    """The tokens of one call as the provider counted them; None where it did not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None


class Queue(Protocol):
    """Where requests wait for their turn at a provider that limits them (``f.core.provider_turns``)."""

    def wait_seconds(self, patience_seconds: float) -> float:
        """Return after how long the next request may be made; 0 is now, and takes the turn.

        Who is to wait longer than their patience loses their place.
        """

    def pause(self, seconds: float) -> None:
        """Let nobody's turn come for so long: the provider has refused the request, and asks to wait."""


class Deadline:
    """A moment after which nothing is waited for; pauses that a provider asks for may put it off."""

    def __init__(
        self, seconds: float, clock: Callable[[], float] = time.monotonic, *, pause_seconds: float = 0.0
    ) -> None:
        """Set it ``seconds`` from now, by ``clock``; all pauses together put it off by ``pause_seconds`` at most."""
        self.clock = clock
        self.ends = clock() + seconds
        self.pause_seconds = pause_seconds

    def remaining_seconds(self) -> float:
        """Return what is left; zero or less when it is over."""
        return self.ends - self.clock()

    def part(self, share: float) -> "Deadline":
        """Return an earlier deadline, at this share in (0, 1] of what remains."""
        return Deadline(self.remaining_seconds() * share, self.clock)

    def paused(self, seconds: float) -> None:
        """Put it off by a pause that was made, as far as pauses may."""
        added = min(seconds, self.pause_seconds)
        self.pause_seconds -= added
        self.ends += added


@dataclass(frozen=True, slots=True)
class Target(Generic[T]):
    """A model that can do a task, how it is asked once, and where to wait for that if its provider limits requests."""

    provider: ProviderName
    model: str
    call: Callable[[], T]
    queue: Queue | None = None

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"{_NAMES[self.provider]} ({self.model})"


class _Failure(NamedTuple):
    """What one try came to, in words that may be shown."""

    reason: str
    permanent: bool = False
    not_served: bool = False
    is_pause: bool = False
    retry_after_seconds: float = 0.0


class _Progress(Generic[T]):
    """A target during one call: how often it may still be tried, and from when."""

    def __init__(self, target: Target[T], deadline: Deadline, tries: int) -> None:
        self.target = target
        self.deadline = deadline
        self.tries_left = tries
        self.failures = 0
        self.ready_at = 0.0
        self.is_pausing = False
        self.reason = ""
        self.retry_after_seconds = 0.0

    @property
    def wait_seconds(self) -> float:
        """How long it has to be left alone from now."""
        return max(0.0, self.ready_at - self.deadline.clock())

    @property
    def is_open(self) -> bool:
        """Whether it may be tried again before the deadline."""
        pauses = self.deadline.pause_seconds if self.is_pausing else 0.0
        return self.tries_left > 0 and self.wait_seconds < self.deadline.remaining_seconds() + pauses

    def wait(self, sleep: Callable[[float], None]) -> None:
        """Leave it alone for as long as that has to be."""
        if seconds := self.wait_seconds:
            sleep(seconds)
            if self.is_pausing:
                self.deadline.paused(seconds)

    def takes_turn(self) -> bool:
        """Take the turn to ask it, where turns are taken; if it has not come, it has to be left alone again."""
        if self.target.queue is None:
            return True
        patience = self.deadline.pause_seconds + self.deadline.remaining_seconds() / 2  # it has to answer, too
        seconds = self.target.queue.wait_seconds(patience)
        self.is_pausing = seconds > 0
        if seconds > patience:
            self.tries_left, self.reason = 0, "too many requests wait for it"
            self.retry_after_seconds = seconds - patience
            self.ready_at = self.deadline.clock() + self.retry_after_seconds
        elif seconds > 0:
            self.reason = "its turn did not come in time"
            self.ready_at = self.deadline.clock() + min(seconds, LOOKS_EVERY_SECONDS)
        return not self.is_pausing

    def note(self, failure: _Failure, jitter: float) -> None:
        """Take a failure into account: a try less, and the pause that the provider asks for, or one that doubles.

        Who is asked to wait for a second time waits both: others were told the same, and all would come back at once.
        """
        if failure.permanent:
            self.tries_left = 0
        elif failure.not_served:
            self.tries_left = min(self.tries_left, TRIES_WHEN_NOT_SERVED) - 1
        elif not failure.is_pause:
            self.tries_left -= 1
        pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(self.failures, 10)) * (0.5 + jitter / 2)
        repeated = self.is_pausing and failure.is_pause and self.target.queue is None
        self.failures += 1
        self.is_pausing = failure.is_pause
        self.reason = failure.reason
        self.retry_after_seconds = failure.retry_after_seconds
        asked = failure.retry_after_seconds
        seconds = asked + pause if repeated or not asked else asked
        if failure.is_pause and self.target.queue is not None:
            self.target.queue.pause(seconds)
        self.ready_at = self.deadline.clock() + seconds


def _spread() -> float:
    """Return a random number in [0, 1)."""
    from random import random  # noqa: PLC0415 - 4 ms that only a failure costs

    return random()  # noqa: S311 - spreads pauses, hides nothing


def run_with_fallback(
    targets: Sequence[Target[T]],
    deadline: Deadline,
    *,
    tries: int = TRIES,
    first_try_share: float = 0.5,
    sleep: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = _spread,
) -> T:
    """Ask the targets until one answers; a target that has to be left alone gives way to the next.

    The same target is asked again with exponential pauses, and not before ``Retry-After``. A pause that would outlast
    the deadline is not begun; pauses that a provider asks for, and waiting for a turn, put the deadline off as far as
    it lets them. With a single target this is a plain retry.

    Args:
        targets: The preferred first.
        deadline: For all tries of all targets together.
        tries: How often each target is asked at most, apart from pauses.
        first_try_share: How much of the time the very first try may take, in (0, 1], so that a server that hangs
            leaves some to the next try.
        sleep: Waits for so many seconds.
        jitter: Returns a number in [0, 1) that spreads the pauses of callers who failed together.

    Raises:
        ProviderRejected: When the first target refuses the request or its key: another one would hide that.
        ProviderUnavailable: When none answered in time.
        ProviderBusy: When none did because all have too much to do.
    """
    states = [_Progress(target, deadline, tries) for target in targets]
    is_first = True
    while ready := [state for state in states if state.is_open]:
        state = min(ready, key=lambda candidate: candidate.ready_at)
        state.wait(sleep)
        if not state.takes_turn():
            continue
        attempt, is_first = deadline.part(first_try_share) if is_first else deadline, False
        with _within(attempt):
            try:
                return state.target.call()
            except _foreign_errors() as error:
                failure = _judge(error, state.target)  # raised below, without the foreign error as its context
        if failure.permanent and state is states[0]:
            raise ProviderRejected(_sentence(f"{state.target.name} {failure.reason}."))
        state.note(failure, jitter())
    raise _unavailable(states)


def run_stream(
    targets: Sequence[Target[Iterator[str | T]]], deadline: Deadline, *, first_try_share: float = 0.5
) -> Generator[str | T, None, None]:
    """Stream what the first target yields that begins to answer: pieces of text, and at the end its result.

    Until the first piece of text it works like ``run_with_fallback``. From then on somebody has read it, so a stream
    that breaks is an error and no other target takes over.

    Raises:
        ProviderRejected: As ``run_with_fallback``.
        ProviderUnavailable: When none began to answer in time, or the one that did broke off.
    """
    openings = [
        Target(target.provider, target.model, partial(_open, target, deadline), target.queue) for target in targets
    ]
    target, first, rest = run_with_fallback(openings, deadline, first_try_share=first_try_share)
    broken = False
    try:
        yield first
        yield from rest
    except _foreign_errors():
        broken = True
    if broken:  # raised here, so that the error does not carry the foreign one as its context
        raise ProviderUnavailable(_sentence(f"{target.name} broke off in the middle of its answer; ask again."))


def _open(
    target: Target[Iterator[str | T]], deadline: Deadline
) -> tuple[Target[Iterator[str | T]], str, Iterator[str | T]]:
    """Read a stream up to its first text, and let it have the rest of the time."""
    pieces = target.call()
    first = next(pieces, None)
    if not isinstance(first, str):
        raise Unusable("it sent an empty answer")
    attempt = _attempt.get()
    if attempt is not None:
        attempt.ends = deadline.ends
    return target, first, pieces


def usable_key(provider: ProviderName, key: str) -> str:
    """Return a key without the white space around it, as it can stand in a header.

    An empty key is right for ``openai_compatible`` only. What cannot stand in a header is found here, because the HTTP
    client would print it in its error.

    Raises:
        Misconfigured: It names the resource and says nothing of the key.
    """
    key = key.strip()
    if not key and provider != "openai_compatible":
        raise Misconfigured(f"{_KEYS[provider]} is empty, and f/chatbot/ai_settings needs it.")
    if not (key.isascii() and key.isprintable()):
        raise Misconfigured(f"{_KEYS[provider]} holds characters that no key has.")
    return key


@contextmanager
def reading_answer() -> Iterator[None]:
    """Ask once and take the answer apart, as a context or a decorator: what is missing or misshapen is ``Unusable``.

    It has to stand around the SDK's call as well, which trips over JSON of another shape.
    """
    try:
        yield
    except UnicodeEncodeError:  # a ValueError too, but of what was to be sent
        raise
    except (AttributeError, LookupError, TypeError, ValueError):
        raise Unusable("it sent something that is not an answer") from None


_attempt: ContextVar[Deadline | None] = ContextVar("attempt", default=None)
_client_lock = threading.Lock()


@contextmanager
def _within(attempt: Deadline) -> Iterator[None]:
    """Limit the requests that are begun inside."""
    token = _attempt.set(attempt)
    try:
        yield
    finally:
        _attempt.reset(token)


def http_client() -> "httpx.Client":
    """Return the one HTTP client of the process: one TLS context, connections that are kept, the time limits.

    The limits are set here rather than in each SDK, which know none for a body that comes in drips. Redirects are
    not followed: a request holds the members' texts, and goes nowhere but where the settings say.
    """
    with _client_lock:  # several threads may ask first, and each client costs 16 ms for its certificates
        return _client()


@cache
def _client() -> "httpx.Client":
    """Make the client."""
    from f.core.job import tls_context  # noqa: PLC0415 - which needs wmill

    tls = tls_context()
    import httpx  # noqa: PLC0415 - costs 86 ms, less what f.core.job keeps from it, so only where a provider is called

    class BodyInTime(httpx.SyncByteStream):
        """A body that ends with a timeout when its attempt is over, however often something arrives."""

        def __init__(self, body: httpx.SyncByteStream, attempt: Deadline) -> None:
            self.body = body
            self.attempt = attempt

        def __iter__(self) -> Iterator[bytes]:
            for piece in self.body:
                if self.attempt.remaining_seconds() <= 0:
                    raise httpx.ReadTimeout("the time of this attempt is over")
                yield piece

        def close(self) -> None:
            self.body.close()

    def limit_request(request: httpx.Request) -> None:
        attempt = _attempt.get()
        seconds = max(0.001, attempt.remaining_seconds()) if attempt else CONNECT_SECONDS
        connect = min(seconds, CONNECT_SECONDS)
        request.extensions["timeout"] = {"connect": connect, "read": seconds, "write": seconds, "pool": seconds}

    def limit_body(response: httpx.Response) -> None:
        attempt = _attempt.get()
        if attempt is not None and isinstance(response.stream, httpx.SyncByteStream):
            response.request.extensions["timeout"]["read"] = max(0.001, attempt.remaining_seconds())
            response.stream = BodyInTime(response.stream, attempt)

    hooks: dict[str, list[Callable[..., None]]] = {"request": [limit_request], "response": [limit_body]}
    return httpx.Client(verify=tls, follow_redirects=False, event_hooks=hooks)


def _foreign_errors() -> tuple[type[BaseException], ...]:
    """List the error trees of the packages that are loaded; of another one no error can come."""
    trees = {"httpx": ("HTTPError", "InvalidURL", "StreamError"), "groq": ("GroqError",)}
    trees |= {"cohere.core.api_error": ("ApiError",), "cohere.core.parse_error": ("ParsingError",)}
    loaded = [(sys.modules[module], names) for module, names in trees.items() if module in sys.modules]
    return (Unusable, UnicodeEncodeError, *(getattr(module, name) for module, names in loaded for name in names))


def _judge(error: BaseException, target: Target[T]) -> _Failure:
    """Decide by class and status what a failure means; its text is not looked at and not kept."""
    import httpx  # noqa: PLC0415 - loaded already, since a request has failed

    if isinstance(error, Unusable):
        return _Failure(str(error))
    if isinstance(error, UnicodeEncodeError):
        return _Failure("cannot be sent this text: it is not valid Unicode", permanent=True)
    answer = getattr(error, "response", error)  # Cohere's errors hold status and headers themselves
    status = getattr(answer, "status_code", None)
    if status is not None and status >= 300:
        return _judge_status(status, _retry_after_seconds(getattr(answer, "headers", None)), target)
    # Both SDKs let the HTTP client's exception through as it is, or put one of their own before it.
    cause = error if isinstance(error, httpx.HTTPError | httpx.InvalidURL) else error.__cause__
    if isinstance(cause, httpx.UnsupportedProtocol | httpx.LocalProtocolError | httpx.InvalidURL):
        return _Failure("cannot be reached: its base_url in f/chatbot/ai_settings is no address", permanent=True)
    if isinstance(cause, httpx.TimeoutException):
        return _Failure("it did not answer in time")
    broken = isinstance(cause, httpx.TransportError)
    return _Failure("the connection to it broke" if broken else "it sent something that is not an answer")


def _judge_status(status: int, retry_after_seconds: float, target: Target[T]) -> _Failure:
    """Decide by the HTTP status."""
    if status in _NOT_SERVED:
        reason = "the request is too large for it" if status == 413 else "it does not serve this model"
        return _Failure(f"{reason} (HTTP {status})", not_served=True, retry_after_seconds=retry_after_seconds)
    if status in _PASSING or status >= 500:
        reason = "it asks to wait (HTTP 429)" if status == 429 else f"HTTP {status}"
        return _Failure(reason, is_pause=status == 429, retry_after_seconds=retry_after_seconds)
    if status in _KEY_REFUSED:
        return _Failure(f"refuses the key in {_KEYS[target.provider]} (HTTP {status})", permanent=True)
    return _Failure(f"refuses the request (HTTP {status}); a repeat would not help", permanent=True)


def _retry_after_seconds(headers: object) -> float:
    """Read ``Retry-After`` (RFC 9110, 10.2.3): seconds, or an HTTP date; 0 where there is none that makes sense."""
    value = str(headers.get("retry-after", "")) if isinstance(headers, Mapping) else ""
    if not value:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 - rare, and slow to import

        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return 0.0
    return max(0.0, seconds) if seconds < 1e9 else 0.0


def _unavailable(states: Sequence[_Progress[T]]) -> ProviderUnavailable:
    """Say what came of each target, and when to come back if one of them said so."""
    reasons = "; ".join(f"{state.target.name}: {state.reason or 'no time was left to ask'}" for state in states)
    waits = [state.wait_seconds for state in states if state.retry_after_seconds]
    retry_after_seconds = ceil(max(min(waits), 1.0)) if waits else None
    if all(state.is_pausing for state in states):
        return ProviderBusy(
            f"The model provider is asked too much at the moment; try again later. {_sentence(reasons)}.",
            retry_after_seconds=retry_after_seconds,
        )
    return ProviderUnavailable(
        f"The model provider does not answer; try again later. {_sentence(reasons)}.",
        retry_after_seconds=retry_after_seconds,
    )


def _sentence(text: str) -> str:
    """Begin a text with a capital letter and leave the rest as it is, model ids among it."""
    return text[:1].upper() + text[1:]
