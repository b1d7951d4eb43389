"""Embedding, with the real SDK against Cohere on loopback, and with REST against a server of one's own."""

import threading
import time
from dataclasses import replace

import pytest

from f.core.ai_settings import AiSettings, ModelSettings, ProviderKeys
from f.core.embedding import BATCH_SIZE, EMBEDDING_DIMENSION, embed_texts
from f.core.errors import Misconfigured, ProviderRejected, ProviderUnavailable
from tests.providers.conftest import KEYS, OFFLINE
from tests.support import provider_faults as faults
from tests.support.patience import PROMPTLY_SECONDS
from tests.support.provider_faults import Fault, Vectors
from tests.support.provider_servers import CohereServer, OpenAiServer


def numbered(texts: list[str]) -> Vectors:
    """Put the number that a text holds into its vector, so that order can be seen."""
    return [[float(text.split()[-1]), *[0.5] * (EMBEDDING_DIMENSION - 1)] for text in texts]


@pytest.mark.parametrize(("purpose", "input_type"), [("document", "search_document"), ("query", "search_query")])
def test_cohere_is_asked_for_1024_dimensions_as_base64(
    cloud: AiSettings, cohere: CohereServer, purpose: str, input_type: str
) -> None:
    embed_texts(["a text"], purpose, cloud, KEYS)  # type: ignore[arg-type]
    (request,) = cohere.requests
    assert (request.method, request.path) == ("POST", "/v2/embed")
    assert request.body == {
        "model": "embed-v4.0",
        "texts": ["a text"],
        "input_type": input_type,
        "output_dimension": 1024,
        "embedding_types": ["base64"],
    }


def test_vectors_and_billed_tokens_are_understood(cloud: AiSettings, cohere: CohereServer) -> None:
    vector = [1.5, -0.25, *[0.125] * 1022]
    cohere.embed = lambda texts: [vector for _ in texts]
    result = embed_texts(["ασφάλεια", "insurance"], "document", cloud, KEYS)
    assert result.vectors == [vector, vector]
    assert (result.input_tokens, result.model, result.estimated) == (6 + 3, "embed-v4.0", False)


def test_many_texts_go_in_batches_and_come_back_in_order(cloud: AiSettings, cohere: CohereServer) -> None:
    cohere.embed = numbered
    result = embed_texts([f"text {n}" for n in range(500)], "document", cloud, KEYS)
    assert [vector[0] for vector in result.vectors] == list(range(500))
    assert sorted(len(request.body["texts"]) for request in cohere.requests) == [20, *[BATCH_SIZE] * 5]


def test_several_batches_are_in_flight_but_not_more_than_four(cloud: AiSettings, cohere: CohereServer) -> None:
    running, most, lock, four = 0, 0, threading.Lock(), threading.Barrier(4)

    def slow(texts: list[str]) -> Vectors:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        four.wait(PROMPTLY_SECONDS)  # nobody is answered before four have asked
        time.sleep(0.1)  # a fifth would ask by now
        with lock:
            running -= 1
        return numbered(texts)

    cohere.embed = slow
    embed_texts([f"text {n}" for n in range(8 * BATCH_SIZE)], "document", cloud, KEYS)
    assert most == 4


@pytest.mark.parametrize("provider", ["cloud", "openai_compatible", "offline"])
def test_no_texts_give_no_vectors_and_no_call(cloud: AiSettings, cohere: CohereServer, provider: str) -> None:
    result = embed_texts([], "document", replace(cloud, provider=provider), KEYS)  # type: ignore[arg-type]
    assert (result.vectors, result.input_tokens) == ([], 0)
    assert cohere.requests == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (faults.wrong_dimension(768), "768"),
        (faults.wrong_dimension(1536), "1536"),
        (faults.wrong_count(-1), "2 vectors for 3 texts"),
        (faults.wrong_count(1), "4 vectors for 3 texts"),
        (faults.not_a_number(float("nan")), "not finite"),
        (faults.not_a_number(float("-inf")), "not finite"),
    ],
)
@pytest.mark.parametrize("provider", ["cloud", "local"])
def test_vectors_that_cannot_be_used_are_rejected(
    request: pytest.FixtureRequest, provider: str, fault: Fault, words: str
) -> None:
    settings: AiSettings = request.getfixturevalue(provider)
    server = request.getfixturevalue("cohere" if provider == "cloud" else "ollama")
    server.fail(fault)
    with pytest.raises(ProviderRejected, match=words):
        embed_texts(["a", "b", "c"], "document", settings, KEYS)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(404),
        faults.status(429),
        faults.status(500),
        faults.status(503),
        faults.html(502),
        faults.html(200),
        faults.unparseable(),
        faults.other_json({"id": "1"}),
        faults.other_json([1, 2]),
        faults.other_json({"embeddings": {"base64": ["!!"]}, "data": [{"index": 0, "embedding": "!!"}]}),
        faults.cut(),
        faults.hang(),
    ],
)
@pytest.mark.parametrize("provider", ["cloud", "local"])
def test_what_may_pass_is_tried_again(request: pytest.FixtureRequest, provider: str, fault: Fault) -> None:
    settings: AiSettings = request.getfixturevalue(provider)
    settings = replace(settings, deadline_seconds=3) if fault.hang_seconds else settings
    server = request.getfixturevalue("cohere" if provider == "cloud" else "ollama")
    server.fail(fault)
    assert len(embed_texts(["a text"], "query", settings, KEYS).vectors) == 1
    assert len(server.requests) == 2


@pytest.mark.parametrize("code", [400, 401, 403, 422])
def test_what_cannot_pass_is_not_tried_again(cloud: AiSettings, cohere: CohereServer, code: int) -> None:
    cohere.fail(faults.status(code), times=None)
    with pytest.raises(ProviderRejected) as caught:
        embed_texts(["a text"], "query", cloud, KEYS)
    assert len(cohere.requests) == 1
    assert ("refuses the key in f/chatbot/cohere_api_key" in str(caught.value)) == (code in {401, 403})


def test_a_retired_model_is_asked_for_once_more_and_not_again(cloud: AiSettings, cohere: CohereServer) -> None:
    cohere.models = ["embed-v9.0"]
    with pytest.raises(ProviderUnavailable, match=r"embed-v4.0.*does not serve this model \(HTTP 404\)"):
        embed_texts(["a text"], "query", cloud, KEYS)
    assert len(cohere.requests) == 2


def test_retry_after_is_kept_and_does_not_count_as_a_try(cloud: AiSettings, cohere: CohereServer) -> None:
    cohere.fail(faults.rate_limit(0.1), times=7)
    embed_texts(["a text"], "query", cloud, KEYS)
    gaps = [later.at - earlier.at for earlier, later in zip(cohere.requests, cohere.requests[1:], strict=False)]
    assert len(gaps) == 7
    assert min(gaps) >= 0.1


def test_a_pause_that_outlasts_the_deadline_is_not_begun(cloud: AiSettings, cohere: CohereServer) -> None:
    cohere.fail(faults.rate_limit(3600, as_date=True), times=None)
    started = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="HTTP 429") as caught:
        embed_texts(["a text"], "query", cloud, KEYS)
    assert time.monotonic() - started < PROMPTLY_SECONDS
    assert 3590 <= (caught.value.retry_after_seconds or 0) <= 3600


@pytest.mark.parametrize("fault", [faults.hang(), faults.drip(), faults.status(429)])
def test_all_tries_together_keep_the_deadline(cloud: AiSettings, cohere: CohereServer, fault: Fault) -> None:
    cohere.fail(fault, times=None)
    started = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        embed_texts(["a text"], "query", replace(cloud, deadline_seconds=0.5), KEYS)
    assert time.monotonic() - started < PROMPTLY_SECONDS


def test_a_failing_batch_fails_all_and_stops_the_rest(cloud: AiSettings, cohere: CohereServer) -> None:
    def slow(texts: list[str]) -> Vectors:
        time.sleep(0.5)  # nobody else is done before the failure is noticed
        return numbered(texts)

    cohere.fail(faults.status(400))
    cohere.embed = slow
    with pytest.raises(ProviderRejected):
        embed_texts(["text 1"] * BATCH_SIZE * 40, "document", cloud, KEYS)
    assert len(cohere.requests) < 20


@pytest.mark.parametrize("key", ["", "  \n"])
def test_a_missing_key_is_said_before_anything_is_sent(cloud: AiSettings, cohere: CohereServer, key: str) -> None:
    with pytest.raises(Misconfigured, match="f/chatbot/cohere_api_key is empty"):
        embed_texts(["a text"], "query", cloud, ProviderKeys(cohere=key, groq="gsk"))
    assert cohere.requests == []


def test_white_space_around_a_key_does_no_harm(cloud: AiSettings) -> None:
    keys = ProviderKeys(cohere=f" {KEYS.cohere}\n", groq="")
    assert len(embed_texts(["a text"], "query", cloud, keys).vectors) == 1


def test_a_server_of_ones_own_needs_no_key_and_counts_no_tokens(local: AiSettings, ollama: OpenAiServer) -> None:
    ollama.embed = numbered
    ollama.counts_tokens = False
    result = embed_texts(["text 1", "text 2", "text 3"], "document", local, ProviderKeys(cohere="", groq=""))
    assert [vector[0] for vector in result.vectors] == [1, 2, 3]
    assert (result.input_tokens, result.model, result.estimated) == (6, "bge-m3", True)
    (request,) = ollama.requests
    assert request.path == "/v1/embeddings"
    assert request.body == {"model": "bge-m3", "input": ["text 1", "text 2", "text 3"], "encoding_format": "float"}
    assert "authorization" not in request.headers


def test_a_server_of_ones_own_gets_the_key_there_is(local: AiSettings, ollama: OpenAiServer) -> None:
    ollama.key = KEYS.groq
    result = embed_texts(["text"], "document", local, KEYS)
    assert (result.input_tokens, result.estimated) == (2, False)


def test_a_server_of_ones_own_needs_an_address(local: AiSettings) -> None:
    with pytest.raises(Misconfigured, match="base_url"):
        embed_texts(["text"], "document", replace(local, embed=ModelSettings("bge-m3")), KEYS)


@pytest.mark.parametrize("address", ["http://", "http://127.0.0.1:port", "http://127.0.0.1:1/v1"])
@pytest.mark.parametrize("provider", ["cloud", "local"])
def test_a_wrong_address_is_an_error_of_ours(request: pytest.FixtureRequest, provider: str, address: str) -> None:
    settings: AiSettings = request.getfixturevalue(provider)
    settings = replace(settings, embed=ModelSettings("m", address))
    expected: type[Exception] = ProviderUnavailable if address.endswith(":1/v1") else ProviderRejected
    with pytest.raises(expected):
        embed_texts(["text"], "document", settings, KEYS)


def test_a_redirect_is_not_followed(cloud: AiSettings, cohere: CohereServer, groq: OpenAiServer) -> None:
    cohere.fail(Fault(status=307, headers={"Location": f"{groq.base_url}/v2/embed"}), times=None)
    with pytest.raises(ProviderRejected, match="HTTP 307"):
        embed_texts(["text"], "document", cloud, KEYS)
    assert groq.requests == []


def test_half_a_character_is_rejected_in_words(cloud: AiSettings) -> None:
    with pytest.raises(ProviderRejected, match="not valid Unicode"):
        embed_texts(["confidential \ud800"], "document", cloud, KEYS)


def test_offline_embeds_without_a_server() -> None:
    result = embed_texts(["the policy", "the recipe"], "document", OFFLINE, ProviderKeys(cohere="", groq=""))
    assert [len(vector) for vector in result.vectors] == [1024, 1024]
    assert (result.model, result.estimated) == ("offline-hashing-1024", True)
