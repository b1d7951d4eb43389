"""The servers on loopback are understood by the real SDKs, also where the product does not use them yet."""

import json
from typing import Any

import pytest
from cohere import ClientV2
from groq import Groq

from tests.providers.conftest import KEYS
from tests.support import provider_faults as faults
from tests.support.provider_servers import CohereServer, OpenAiServer, cohere_server

TOOL = {"type": "function", "function": {"name": "search", "parameters": {"type": "object", "properties": {}}}}
HELLO: list[Any] = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def cohere_client(cohere: CohereServer) -> ClientV2:
    return ClientV2(KEYS.cohere, base_url=cohere.base_url, max_retries=0)


@pytest.fixture
def groq_client(groq: OpenAiServer) -> Groq:
    return Groq(api_key=KEYS.groq, base_url=groq.base_url, max_retries=0)


def test_embed_v4_has_1536_dimensions_of_its_own(cohere_client: ClientV2) -> None:
    answer = cohere_client.embed(
        texts=["a text"], model="embed-v4.0", input_type="search_query", embedding_types=["float"]
    )
    assert [len(vector) for vector in answer.embeddings.float_ or []] == [1536]


def test_the_same_text_has_the_same_vector_and_like_texts_are_near(cohere: CohereServer) -> None:
    with cohere_server() as another:
        assert another.embed(["the car insurance"]) == cohere.embed(["the car insurance"])
    car, cars, cake = cohere.embed(["the car insurance", "insurance of cars", "apple cake with cinnamon"])
    assert sum(a * b for a, b in zip(car, cars, strict=True)) > sum(a * b for a, b in zip(car, cake, strict=True))


def test_cohere_cites_documents(cohere: CohereServer, cohere_client: ClientV2) -> None:
    cohere.answer = lambda messages: "As it says: The excess is 300 euros."
    documents: list[Any] = [{"id": "d1", "data": {"text": "The excess is 300 euros. More."}}, {"id": "d2", "data": {}}]
    answer = cohere_client.chat(model="command-a-03-2025", messages=HELLO, documents=documents)
    (citation,) = answer.message.citations or []
    assert (citation.start, citation.end, citation.text) == (12, 36, "The excess is 300 euros.")
    assert citation.sources is not None
    assert citation.sources[0].id == "d1"


def test_cohere_streams_citations_and_usage(cohere: CohereServer, cohere_client: ClientV2) -> None:
    cohere.answer = lambda messages: "The excess is 300 euros."
    documents: list[Any] = [{"id": "d1", "data": {"text": "The excess is 300 euros."}}]
    events = list(cohere_client.chat_stream(model="command-a-03-2025", messages=HELLO, documents=documents))
    kinds = [event.type for event in events]
    assert kinds[0] == "message-start"
    assert kinds.count("content-delta") == 5
    assert kinds[-3:] == ["citation-start", "citation-end", "message-end"]
    assert events[-1].delta.usage.billed_units.output_tokens == 8  # type: ignore[union-attr]


def test_cohere_calls_tools(cohere: CohereServer, cohere_client: ClientV2) -> None:
    cohere.tool_calls = lambda messages, tools: [("search", {"query": "excess"})]
    answer = cohere_client.chat(model="command-a-03-2025", messages=HELLO, tools=[TOOL])  # type: ignore[list-item]
    (call,) = answer.message.tool_calls or []
    assert call.function is not None
    assert (call.function.name, json.loads(call.function.arguments or "")) == ("search", {"query": "excess"})
    assert answer.finish_reason == "TOOL_CALL"
    stream = cohere_client.chat_stream(model="command-a-03-2025", messages=HELLO, tools=[TOOL])  # type: ignore[list-item]
    assert [event.type for event in stream][1:5] == [
        "tool-plan-delta",
        "tool-call-start",
        "tool-call-delta",
        "tool-call-end",
    ]


def test_cohere_reranks_the_best_first(cohere: CohereServer, cohere_client: ClientV2) -> None:
    cohere.rerank = lambda question, texts: [0.1, 0.9, 0.5]
    answer = cohere_client.rerank(model="rerank-v3.5", query="what?", documents=["a", "b", "c"], top_n=2)
    assert [(result.index, result.relevance_score) for result in answer.results] == [(1, 0.9), (2, 0.5)]


def test_groq_calls_tools(groq: OpenAiServer, groq_client: Groq) -> None:
    groq.tool_calls = lambda messages, tools: [("search", {"query": "excess"})]
    answer = groq_client.chat.completions.create(model="m", messages=HELLO, tools=[TOOL])  # type: ignore[list-item]
    (call,) = answer.choices[0].message.tool_calls or []
    assert (call.function.name, json.loads(call.function.arguments)) == ("search", {"query": "excess"})
    tools: Any = [TOOL]
    chunks = list(groq_client.chat.completions.create(model="m", messages=HELLO, tools=tools, stream=True))
    assert [bool(chunk.choices[0].delta.tool_calls) for chunk in chunks] == [False, True, False]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_groq_streams_its_usage_in_the_last_chunk(groq: OpenAiServer, groq_client: Groq) -> None:
    groq.answer = lambda messages: "Hello there"
    chunks = list(groq_client.chat.completions.create(model="m", messages=HELLO, stream=True))
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "Hello", " there", None]
    assert [chunk.x_groq is not None for chunk in chunks] == [False, False, False, True]
    assert chunks[-1].x_groq is not None
    assert chunks[-1].x_groq.usage is not None
    assert chunks[-1].x_groq.usage.completion_tokens == 4


def test_faults_happen_where_and_as_often_as_told(cohere: CohereServer, cohere_client: ClientV2) -> None:
    cohere.fail(faults.status(500), on="/rerank", times=2)
    cohere_client.models.get("command-a-03-2025")
    for _ in range(2):
        with pytest.raises(Exception, match="status_code: 500"):
            cohere_client.rerank(model="rerank-v3.5", query="what?", documents=["a"])
    cohere_client.rerank(model="rerank-v3.5", query="what?", documents=["a"])
    assert len(cohere.requests_to("/rerank")) == 3
    cohere.fail(faults.cut(), times=None)
    cohere.recover()
    cohere_client.models.get("command-a-03-2025")
