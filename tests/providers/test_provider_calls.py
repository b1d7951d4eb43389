"""Retries, pauses and deadlines on a clock that the tests move, and what is told of a failure."""

from collections.abc import Callable
from email.utils import formatdate
from types import SimpleNamespace

import httpx
import pytest

from f.core import provider_calls
from f.core.errors import Misconfigured, ProviderBusy, ProviderRejected, ProviderUnavailable
from f.core.provider_calls import Deadline, Target, Unusable, run_with_fallback, usable_key


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture(autouse=True)
def long_pauses(short_pauses: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Back off as in production; the clock is not real here."""
    monkeypatch.setattr(provider_calls, "FIRST_PAUSE_SECONDS", 0.5)


def answered(status: int, **headers: str) -> httpx.HTTPStatusError:
    """Return the exception of an HTTP status."""
    request = httpx.Request("POST", "http://provider/")
    response = httpx.Response(status, headers=headers, request=request)
    return httpx.HTTPStatusError("confidential", request=request, response=response)


def scripted(*script: Exception | str) -> Callable[[], str]:
    """Return a call that comes to these things one after the other, and to the last one from then on."""
    left = list(script)

    def call() -> str:
        result = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(result, str):
            return result
        raise result

    return call


def run(clock: Clock, *calls: Callable[[], str], seconds: float = 40, jitter: float = 1.0) -> str:
    """Run calls as targets named m1, m2, ..."""
    targets = [Target("groq", f"m{number}", call) for number, call in enumerate(calls, 1)]
    return run_with_fallback(targets, Deadline(seconds, clock), sleep=clock.sleep, jitter=lambda: jitter)


def test_pauses_double() -> None:
    clock = Clock()
    down = answered(503)
    assert run(clock, scripted(down, down, down, down, "ok")) == "ok"
    assert clock.slept == [0.5, 1.0, 2.0, 4.0]


def test_jitter_takes_away_up_to_half_of_a_pause() -> None:
    clock = Clock()
    run(clock, scripted(answered(503), answered(503), "ok"), jitter=0.0)
    assert clock.slept == [0.25, 0.5]


def test_a_call_is_given_up_after_its_tries() -> None:
    clock = Clock()
    with pytest.raises(ProviderUnavailable):
        run(clock, scripted(answered(500)))
    assert len(clock.slept) == provider_calls.TRIES - 1


def test_a_call_is_given_up_before_a_pause_that_outlasts_the_deadline() -> None:
    clock = Clock()
    with pytest.raises(ProviderUnavailable):
        run(clock, scripted(answered(500)), seconds=2)
    assert clock.slept == [0.5, 1.0]


@pytest.mark.parametrize("value", ["7", "7.0", formatdate(1_000_007, usegmt=True)])
def test_retry_after_is_waited_for(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setattr("time.time", lambda: 1_000_000.0)
    clock = Clock()
    assert run(clock, scripted(answered(429, **{"Retry-After": value}), "ok")) == "ok"
    assert clock.slept == [7.0]


@pytest.mark.parametrize("value", ["", "soon", "-5", "nan", "inf", "0", formatdate(1_000, usegmt=True)])
def test_a_retry_after_without_sense_is_an_ordinary_pause(value: str) -> None:
    clock = Clock()
    assert run(clock, scripted(answered(429, **{"Retry-After": value}), "ok")) == "ok"
    assert clock.slept == [0.5]


def test_a_429_is_not_a_failure_and_pauses_have_a_longest() -> None:
    clock = Clock()
    limited = [answered(429)] * 12
    assert run(clock, scripted(*limited, "ok"), seconds=100) == "ok"
    assert clock.slept[-1] == provider_calls.LONGEST_PAUSE_SECONDS
    with pytest.raises(ProviderUnavailable, match="asks to wait"):
        run(clock, scripted(answered(429)), seconds=40)


def test_pauses_put_the_deadline_off_as_far_as_they_may() -> None:
    clock = Clock()
    limited = answered(429, **{"Retry-After": "30"})
    deadline = Deadline(40, clock, pause_seconds=50)
    with pytest.raises(ProviderBusy) as caught:
        run_with_fallback([Target("groq", "m", scripted(limited))], deadline, sleep=clock.sleep, jitter=lambda: 1.0)
    assert sum(clock.slept) <= 40 + 50
    assert len(clock.slept) == 2
    assert caught.value.retry_after_seconds == 32
    with pytest.raises(ProviderUnavailable) as down:
        run(clock, scripted(answered(503, **{"Retry-After": "45"})))
    assert not isinstance(down.value, ProviderBusy)


def test_who_is_asked_to_wait_again_does_not_come_back_with_all_the_others() -> None:
    clock = Clock()
    limited = answered(429, **{"Retry-After": "2"})
    assert run(clock, scripted(limited, limited, limited, "ok")) == "ok"
    assert clock.slept == [2.0, 3.0, 4.0]


def test_a_long_retry_after_is_told_and_not_waited_for() -> None:
    clock = Clock()
    with pytest.raises(ProviderUnavailable) as caught:
        run(clock, scripted(answered(503, **{"Retry-After": "60"})), seconds=40)
    assert clock.slept == []
    assert caught.value.retry_after_seconds == 60


def test_without_retry_after_no_time_is_promised() -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        run(Clock(), scripted(answered(503)))
    assert caught.value.retry_after_seconds is None


def test_the_next_target_is_asked_without_a_pause() -> None:
    clock = Clock()
    assert run(clock, scripted(answered(429, **{"Retry-After": "5"})), scripted("second")) == "second"
    assert clock.slept == []


def test_targets_take_turns_as_they_become_ready() -> None:
    clock = Clock()
    first = scripted(answered(429, **{"Retry-After": "5"}), "first")
    second = scripted(answered(429, **{"Retry-After": "3"}), answered(429, **{"Retry-After": "3"}), "second")
    assert run(clock, first, second) == "first"
    assert clock.slept == [3.0, 2.0]


def test_an_error_of_ours_is_no_failure_of_the_provider() -> None:
    for error in (TypeError("ours"), Misconfigured(), KeyError("ours")):
        with pytest.raises(type(error)):
            run(Clock(), scripted(error), scripted("second"))


def test_the_first_try_has_half_of_the_time_and_the_next_ones_the_rest() -> None:
    clock = Clock()
    limits: list[float] = []

    def call() -> str:
        attempt = provider_calls._attempt.get()
        assert attempt is not None
        limits.append(attempt.remaining_seconds())
        clock.now += 10
        raise httpx.ReadTimeout("")

    with pytest.raises(ProviderUnavailable, match="in time"):
        run(clock, call, call)
    assert limits[:2] == [20, 30]
    assert provider_calls._attempt.get() is None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (answered(404), "does not serve this model (HTTP 404)"),
        (answered(410), "does not serve this model (HTTP 410)"),
        (answered(413), "too large for it (HTTP 413)"),
        (answered(502), "HTTP 502"),
        (httpx.ConnectError("confidential"), "the connection to it broke"),
        (httpx.RemoteProtocolError("confidential"), "the connection to it broke"),
        (httpx.ConnectTimeout("confidential"), "in time"),
        (httpx.PoolTimeout("confidential"), "in time"),
        (httpx.DecodingError("confidential"), "not an answer"),
        (Unusable("it sent an empty answer"), "it sent an empty answer"),
    ],
)
def test_what_may_pass_is_told_in_words(error: Exception, reason: str) -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        run(Clock(), scripted(error))
    assert reason in str(caught.value)
    assert "confidential" not in str(caught.value)


@pytest.mark.parametrize("status", [300, 308, 400, 401, 402, 403, 405, 422, 451])
def test_what_cannot_pass_is_rejected_at_once(status: int) -> None:
    clock = Clock()
    with pytest.raises(ProviderRejected, match=f"HTTP {status}"):
        run(clock, scripted(answered(status)), scripted("second"))
    assert clock.slept == []


def test_a_429_in_a_text_is_no_429() -> None:
    error = answered(500)
    error.args = ("429 Too Many Requests",)
    with pytest.raises(ProviderUnavailable) as caught:
        run(Clock(), scripted(error))
    assert "429" not in str(caught.value)


@pytest.mark.parametrize("key", ["ключ", "two\nlines", "\x00", "a\x7f"])
def test_a_key_that_cannot_stand_in_a_header_is_never_shown(key: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        usable_key("groq", key)
    assert str(caught.value) == "f/chatbot/groq_api_key holds characters that no key has."


def test_there_is_one_client_with_no_redirects() -> None:
    client = provider_calls.http_client()
    assert client is provider_calls.http_client()
    assert client.follow_redirects is False


def test_production_jitter_spreads() -> None:
    pauses = set()
    for _ in range(5):
        clock = Clock()
        call = scripted(answered(500), "ok")
        run_with_fallback([Target("groq", "m", call)], Deadline(40, clock), sleep=clock.sleep)
        pauses.add(clock.slept[0])
    assert len(pauses) > 1
    assert all(0.25 <= pause <= 0.5 for pause in pauses)


def test_an_error_without_headers_has_no_retry_after() -> None:
    error = answered(429)
    error.response = SimpleNamespace(status_code=429)  # type: ignore[assignment]
    clock = Clock()
    assert run(clock, scripted(error, "ok")) == "ok"
    assert clock.slept == [0.5]
