"""Answers and rewritten questions, with the real SDKs against Groq and Cohere on loopback, and with REST."""

import logging
import time
from dataclasses import replace

import pytest

from f.core import provider_calls
from f.core.ai_settings import AiSettings, ProviderKeys
from f.core.answering import ANSWER_TOKENS, Completion, rewrite_question, write_answer
from f.core.errors import Misconfigured, ProviderRejected, ProviderUnavailable
from f.core.prompts import Turn, render_answer_messages
from tests.providers.conftest import KEYS, OFFLINE, REQUEST
from tests.support import provider_faults as faults
from tests.support.patience import PROMPTLY_SECONDS
from tests.support.provider_faults import Fault
from tests.support.provider_listener import ProviderServer
from tests.support.provider_servers import CohereServer, OpenAiServer

ANSWER = "Floods are excluded [1].\nΤίποτα άλλο [1].\u2028Nothing else."  # noqa: RUF001 - Greek is meant
LATER = [Turn("user", "What is insured?"), Turn("assistant", "The house [1].")]
WHAT_REACHES_THE_FALLBACK = [
    faults.status(404),
    faults.status(408),
    faults.status(410),
    faults.status(413),
    faults.status(429),
    faults.rate_limit(1),
    faults.status(500),
    faults.status(503),
    faults.html(502),
    faults.html(200),
    faults.unparseable(),
    faults.other_json({"id": "1"}),
    faults.other_json([1]),
    faults.empty_answer(),
    faults.cut(),
    faults.hang(),
    faults.drip(),
]


def ask(settings: AiSettings, *, stream: bool) -> tuple[Completion, list[str]]:
    """Return the completion and the pieces that were given out."""
    pieces: list[str] = []
    return write_answer(REQUEST, settings, KEYS, pieces.append if stream else None), pieces


@pytest.fixture(params=["groq", "cohere", "ollama"])
def asked(request: pytest.FixtureRequest) -> tuple[AiSettings, ProviderServer]:
    """Return each chat provider in turn, with the settings in which it is the one that answers."""
    name = {"groq": "groq_alone", "cohere": "cohere_alone", "ollama": "local"}[request.param]
    settings: AiSettings = request.getfixturevalue(name)
    server: ProviderServer = request.getfixturevalue(request.param)
    server.answer = lambda messages: ANSWER
    return settings, server


@pytest.mark.parametrize("stream", [False, True])
def test_text_and_tokens_are_understood(asked: tuple[AiSettings, ProviderServer], stream: bool) -> None:
    settings, server = asked
    completion, pieces = ask(settings, stream=stream)
    messages = render_answer_messages(REQUEST)
    read = sum(-(-len(message["content"].encode()) // 3) for message in messages)
    assert completion.text == ANSWER
    assert (completion.input_tokens, completion.output_tokens) == (read, -(-len(ANSWER.encode()) // 3))
    assert not completion.estimated
    assert "".join(pieces) == (ANSWER if stream else "")
    assert len(pieces) > 5 or not stream
    assert [m["content"] for m in server.requests[-1].body["messages"]] == [m["content"] for m in messages]


@pytest.mark.parametrize("stream", [False, True])
def test_tokens_that_nobody_counts_are_estimated(asked: tuple[AiSettings, ProviderServer], stream: bool) -> None:
    settings, server = asked
    server.counts_tokens = False
    completion, _ = ask(settings, stream=stream)
    assert completion.estimated
    assert completion.output_tokens == -(-len(ANSWER.encode()) // 4)
    assert completion.input_tokens > 100


@pytest.mark.parametrize("stream", [False, True])
def test_groq_is_asked_with_max_completion_tokens(groq_alone: AiSettings, groq: OpenAiServer, stream: bool) -> None:
    completion, _ = ask(groq_alone, stream=stream)
    (request,) = groq.requests
    assert (request.method, request.path) == ("POST", "/openai/v1/chat/completions")
    assert request.body["max_completion_tokens"] == ANSWER_TOKENS
    assert "max_tokens" not in request.body
    assert request.body.get("stream", False) is stream
    assert (completion.provider, completion.model, request.body["model"]) == ("groq", *["openai/gpt-oss-120b"] * 2)


@pytest.mark.parametrize("stream", [False, True])
def test_cohere_is_asked_in_its_own_words(cohere_alone: AiSettings, cohere: CohereServer, stream: bool) -> None:
    completion, _ = ask(cohere_alone, stream=stream)
    (request,) = cohere.requests
    assert (request.method, request.path) == ("POST", "/v2/chat")
    assert request.body["max_tokens"] == ANSWER_TOKENS
    assert request.body["stream"] is stream
    assert (completion.provider, completion.model, request.body["model"]) == ("cohere", *["command-a-03-2025"] * 2)


def test_a_server_of_ones_own_is_asked_for_usage_in_streams(local: AiSettings, ollama: OpenAiServer) -> None:
    completion, _ = ask(local, stream=True)
    (request,) = ollama.requests
    assert request.path == "/v1/chat/completions"
    assert request.body["stream_options"] == {"include_usage": True}
    assert (completion.provider, completion.model) == ("openai_compatible", "llama3.1:8b")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", WHAT_REACHES_THE_FALLBACK)
def test_the_fallback_stands_in(cloud: AiSettings, groq: OpenAiServer, fault: Fault, stream: bool) -> None:
    groq.fail(fault, times=None)
    started = time.monotonic()
    settings = replace(cloud, deadline_seconds=3) if fault.hang_seconds or fault.drip_seconds else cloud
    completion, pieces = ask(settings, stream=stream)
    assert (completion.provider, completion.model) == ("cohere", "command-a-03-2025")
    assert "".join(pieces) == (completion.text if stream else "")
    assert len(groq.requests) == 1
    assert time.monotonic() - started < PROMPTLY_SECONDS


@pytest.mark.parametrize("fault", [faults.cut_stream(0), faults.end_stream(0), faults.garble_stream(0)])
@pytest.mark.parametrize("pair", ["cloud", "local"])
def test_a_stream_that_breaks_before_its_first_text_reaches_the_fallback(
    request: pytest.FixtureRequest, cohere: CohereServer, pair: str, fault: Fault
) -> None:
    settings: AiSettings = request.getfixturevalue(pair)
    server = request.getfixturevalue("groq" if pair == "cloud" else "ollama")
    settings = replace(settings, fallback_chat=settings.fallback_chat or replace(settings.chat, model="another"))
    server.fail(fault)
    completion, pieces = ask(settings, stream=True)
    assert completion.model in {"command-a-03-2025", "another"}
    assert "".join(pieces) == completion.text


@pytest.mark.parametrize(
    "fault", [faults.cut_stream(), faults.end_stream(), faults.garble_stream(), faults.stall_stream(), faults.bad_end()]
)
def test_a_stream_that_breaks_after_its_first_text_is_an_error(
    asked: tuple[AiSettings, ProviderServer], fault: Fault
) -> None:
    settings, server = asked
    settings = replace(settings, deadline_seconds=2) if fault.then == "stall" else settings
    server.fail(fault)
    pieces: list[str] = []
    started = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="broke off in the middle"):
        write_answer(REQUEST, settings, KEYS, pieces.append)
    assert pieces[:2] == ["Floods", " are"]
    assert len(pieces) == 2 or fault == faults.bad_end()
    assert len(server.requests) == 1
    assert time.monotonic() - started < PROMPTLY_SECONDS


def test_a_streamed_answer_of_nothing_but_space_is_an_error(asked: tuple[AiSettings, ProviderServer]) -> None:
    settings, server = asked
    server.answer = lambda messages: "\n"
    with pytest.raises(ProviderUnavailable):
        ask(settings, stream=True)


def test_no_other_model_goes_on_with_what_one_began(
    cloud: AiSettings, groq: OpenAiServer, cohere: CohereServer
) -> None:
    groq.fail(faults.cut_stream(1))
    with pytest.raises(ProviderUnavailable):
        ask(cloud, stream=True)
    assert cohere.requests == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("code", [400, 401, 403, 422])
def test_a_refusal_does_not_reach_the_fallback(
    cloud: AiSettings, groq: OpenAiServer, cohere: CohereServer, code: int, stream: bool
) -> None:
    groq.fail(faults.status(code), times=None)
    with pytest.raises(ProviderRejected) as caught:
        ask(cloud, stream=stream)
    assert (len(groq.requests), len(cohere.requests)) == (1, 0)
    assert ("refuses the key in f/chatbot/groq_api_key" in str(caught.value)) == (code in {401, 403})


@pytest.mark.parametrize("stream", [False, True])
def test_a_429_of_both_is_a_pause(cloud: AiSettings, groq: OpenAiServer, cohere: CohereServer, stream: bool) -> None:
    groq.fail(faults.rate_limit(0.3))
    cohere.fail(faults.rate_limit(3600))
    completion, _ = ask(cloud, stream=stream)
    assert completion.provider == "groq"
    assert groq.requests[1].at - groq.requests[0].at >= 0.3
    assert len(cohere.requests) == 1


def test_a_refusing_fallback_leaves_the_first_its_chance(
    cloud: AiSettings, groq: OpenAiServer, cohere: CohereServer
) -> None:
    groq.fail(faults.status(503))
    cohere.fail(faults.status(401), times=None)
    assert ask(cloud, stream=False)[0].provider == "groq"
    assert len(cohere.requests) == 1


def test_when_both_are_down_it_says_so_of_both(cloud: AiSettings, groq: OpenAiServer, cohere: CohereServer) -> None:
    groq.fail(faults.status(503), times=None)
    cohere.fail(faults.cut(), times=None)
    with pytest.raises(ProviderUnavailable) as caught:
        ask(cloud, stream=True)
    assert str(caught.value) == (
        "The model provider does not answer; try again later. Groq (openai/gpt-oss-120b): HTTP 503; "
        "Cohere (command-a-03-2025): the connection to it broke."
    )
    assert caught.value.status == 503


@pytest.mark.parametrize("stream", [False, True])
def test_both_hanging_keep_the_one_deadline(
    cloud: AiSettings, groq: OpenAiServer, cohere: CohereServer, stream: bool
) -> None:
    groq.fail(faults.hang(), times=None)
    cohere.fail(faults.drip(), times=None)
    started = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="in time"):
        ask(replace(cloud, deadline_seconds=2), stream=stream)
    assert 1.9 < time.monotonic() - started < PROMPTLY_SECONDS
    assert len(cohere.requests) == 1


def test_a_long_stream_ends_at_the_deadline(groq_alone: AiSettings, groq: OpenAiServer) -> None:
    groq.answer = lambda messages: "word " * 1000
    groq.pace_seconds = 0.02
    started = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="broke off"):
        ask(replace(groq_alone, deadline_seconds=2), stream=True)
    assert time.monotonic() - started < PROMPTLY_SECONDS


def test_a_stream_that_has_begun_has_the_whole_deadline(cloud: AiSettings, groq: OpenAiServer) -> None:
    groq.answer = lambda messages: "word " * 4
    groq.pace_seconds = 0.7
    assert ask(replace(cloud, deadline_seconds=5), stream=True)[0].provider == "groq"


def test_text_is_given_out_while_it_comes(groq_alone: AiSettings, groq: OpenAiServer) -> None:
    class Enough(Exception):
        pass

    def read(text: str) -> None:
        pieces.append(text)
        if len(pieces) == 2:
            raise Enough

    groq.fail(faults.stall_stream(2))  # no more comes, and no end
    pieces: list[str] = []
    started = time.monotonic()
    with pytest.raises(Enough):
        write_answer(REQUEST, groq_alone, KEYS, read)
    assert time.monotonic() - started < PROMPTLY_SECONDS


def test_what_the_listener_raises_is_not_taken_for_the_providers_failure(
    cloud: AiSettings, groq: OpenAiServer, cohere: CohereServer
) -> None:
    def hang_up(text: str) -> None:
        raise ConnectionResetError("the reader is gone")

    with pytest.raises(ConnectionResetError, match="the reader is gone"):
        write_answer(REQUEST, cloud, KEYS, hang_up)
    assert cohere.requests == []


def test_an_answer_that_is_not_streamed_is_tried_again(asked: tuple[AiSettings, ProviderServer]) -> None:
    settings, server = asked
    server.fail(faults.cut())
    server.fail(faults.unparseable())
    server.fail(faults.empty_answer())
    assert ask(settings, stream=False)[0].text == ANSWER
    assert len(server.requests) == 4


def test_an_unreadable_event_is_not_written_to_the_log(
    cohere_alone: AiSettings, cohere: CohereServer, caplog: pytest.LogCaptureFixture
) -> None:
    cohere.fail(faults.garble_stream())
    with caplog.at_level(logging.INFO), pytest.raises(ProviderUnavailable):
        ask(cohere_alone, stream=True)
    assert "secret text" not in caplog.text
    assert "Skipping" not in caplog.text


def test_an_event_of_a_new_kind_does_no_harm(
    asked: tuple[AiSettings, ProviderServer], caplog: pytest.LogCaptureFixture
) -> None:
    settings, server = asked
    server.fail(faults.unknown_event())
    assert ask(settings, stream=True)[0].text == ANSWER
    assert "secret text" not in caplog.text


@pytest.mark.parametrize("stream", [False, True])
def test_the_second_key_is_needed_when_there_is_a_second_model(
    cloud: AiSettings, groq: OpenAiServer, stream: bool
) -> None:
    with pytest.raises(Misconfigured, match="f/chatbot/cohere_api_key"):
        write_answer(REQUEST, cloud, ProviderKeys(cohere="", groq=KEYS.groq), print if stream else None)
    assert groq.requests == []


def test_a_follow_up_question_is_rewritten(asked: tuple[AiSettings, ProviderServer]) -> None:
    settings, server = asked
    server.answer = lambda messages: "Is the garden insured?\n"
    completion = rewrite_question("And the garden?", LATER, settings, KEYS)
    assert completion.text == "Is the garden insured?"
    assert completion.output_tokens > 0
    assert "And the garden?" in server.requests[-1].body["messages"][1]["content"]


def test_a_first_question_is_not_rewritten(cloud: AiSettings, groq: OpenAiServer) -> None:
    completion = rewrite_question("Is the garden insured?", [], cloud, KEYS)
    assert (completion.text, completion.input_tokens, completion.output_tokens) == ("Is the garden insured?", 0, 0)
    assert groq.requests == []


def test_rewriting_falls_back_like_answering(cloud: AiSettings, groq: OpenAiServer) -> None:
    groq.fail(faults.status(404), times=None)
    assert rewrite_question("And the garden?", LATER, cloud, KEYS).provider == "cohere"


def test_offline_answers_without_a_server() -> None:
    pieces: list[str] = []
    completion = write_answer(REQUEST, OFFLINE, ProviderKeys(cohere="", groq=""), pieces.append)
    assert (completion.provider, completion.model, completion.estimated) == ("offline", "offline-sentences", True)
    assert "".join(pieces) == completion.text
    assert completion.text
    assert rewrite_question("And the garden?", LATER, OFFLINE, ProviderKeys(cohere="", groq="")).provider == "offline"


def test_nothing_falls_back_to_offline(groq_alone: AiSettings, groq: OpenAiServer) -> None:
    groq.fail(faults.status(500), times=None)
    with pytest.raises(ProviderUnavailable):
        ask(groq_alone, stream=False)
    assert len(groq.requests) == provider_calls.TRIES
