# ruff: noqa: RUF001 -- Greek letters are meant here
"""What plain REST sends and understands is what the SDKs send and understand.

Each request is made twice, by the SDK and by us, over HTTP clients of the real ``httpx`` whose transport records what
would be sent and answers with the bytes of a case. What comes of it is compared: the values, or how
``provider_calls`` judges the error.
"""

import base64
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import cohere
import groq
import httpx
import pytest

from f.core import cohere_models, groq_models, provider_calls, provider_rest
from f.core.ai_settings import ModelSettings
from f.core.provider_calls import Target, Unusable, Usage, reading_answer

KEY, TOKENS = "a-key", 77
MESSAGES = [{"role": "system", "content": "Answer."}, {"role": "user", "content": 'Τι εξαιρείται; \u2028 "<>\\'}]
Json = dict[str, Any]
Outcome = tuple[list[str], object]


@dataclass
class Case:
    """A provider's answer: a status, headers, and a body that comes in pieces and may break off."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    pieces: list[bytes | Exception] = field(default_factory=list)
    sent: list[httpx.Request] = field(default_factory=list)

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.sent.append(request)
        if len(self.pieces) == 1 and isinstance(self.pieces[0], Exception):
            raise self.pieces[0]
        return httpx.Response(self.status, headers=self.headers, stream=_Pieces(self.pieces))


class _Pieces(httpx.SyncByteStream):
    def __init__(self, pieces: list[bytes | Exception]) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


Call = Callable[[httpx.Client, ModelSettings], Iterator[object]]
"""Yields what a call gives, piece by piece; ours, or the SDK's in the same form."""


def cohere_sdk(client: httpx.Client, model: ModelSettings) -> Any:
    address = {"base_url": model.base_url} if model.base_url else {}
    return cohere.ClientV2(KEY, httpx_client=client, max_retries=0, **address)  # type: ignore[arg-type]


def groq_sdk(client: httpx.Client, model: ModelSettings) -> Any:
    return groq.Groq(api_key=KEY, base_url=model.base_url, http_client=client, max_retries=0)


def cohere_usage(usage: Any) -> Usage:
    for counts in (getattr(usage, "billed_units", None), getattr(usage, "tokens", None)):
        if counts is not None and counts.input_tokens is not None and counts.output_tokens is not None:
            return Usage(int(counts.input_tokens), int(counts.output_tokens))
    return Usage()


def sdk_embed(client: httpx.Client, model: ModelSettings) -> Iterator[object]:
    with reading_answer():
        answer = cohere_sdk(client, model).embed(
            texts=["ερώτηση"], model=model.model, input_type="search_query", output_dimension=1024,
            embedding_types=["base64"],
        )  # fmt: skip
        numbers = [base64.b64decode(encoded, validate=True) for encoded in answer.embeddings.base64 or []]
        units = getattr(answer.meta and answer.meta.billed_units, "input_tokens", None)
        vectors = [list(struct.unpack(f"<{len(data) // 4}f", data)) for data in numbers]
        yield vectors, None if units is None else int(units)


def sdk_rerank(client: httpx.Client, model: ModelSettings) -> Iterator[object]:
    with reading_answer():
        answer = cohere_sdk(client, model).rerank(model=model.model, query="τι;", documents=["a", "b"], top_n=2)
        units = getattr(answer.meta and answer.meta.billed_units, "search_units", None)
        results = [(one.index, float(one.relevance_score)) for one in answer.results]
        yield results, None if units is None else int(units)


def sdk_cohere_chat(client: httpx.Client, model: ModelSettings) -> Iterator[object]:
    with reading_answer():
        answer = cohere_sdk(client, model).chat(
            model=model.model, messages=MESSAGES, max_tokens=TOKENS, temperature=0.0
        )
        text = "".join(item.text for item in answer.message.content or [] if item.type == "text")
        if answer.finish_reason not in ("COMPLETE", "STOP_SEQUENCE", "MAX_TOKENS") or not text.strip():
            raise Unusable("it sent an empty answer")
        yield text, cohere_usage(answer.usage)


def sdk_cohere_stream(client: httpx.Client, model: ModelSettings) -> Iterator[object]:
    with reading_answer():
        for event in cohere_sdk(client, model).chat_stream(
            model=model.model, messages=MESSAGES, max_tokens=TOKENS, temperature=0.0
        ):
            if event.type == "content-delta" and event.delta.message.content.text:
                yield event.delta.message.content.text
            elif event.type == "message-end":
                if event.delta.finish_reason not in ("COMPLETE", "STOP_SEQUENCE", "MAX_TOKENS"):
                    break
                yield cohere_usage(event.delta.usage)
                return
    raise Unusable("its answer broke off")


def sdk_groq_chat(client: httpx.Client, model: ModelSettings) -> Iterator[object]:
    with reading_answer():
        answer = groq_sdk(client, model).chat.completions.create(
            model=model.model, messages=MESSAGES, max_completion_tokens=TOKENS, temperature=0.0
        )
        text = answer.choices[0].message.content or ""
        if not text.strip():
            raise Unusable("it sent an empty answer")
        used = answer.usage
        yield text, Usage(used.prompt_tokens, used.completion_tokens) if used else Usage()


def sdk_groq_stream(client: httpx.Client, model: ModelSettings) -> Iterator[object]:
    usage, finished = Usage(), False
    with reading_answer():
        for chunk in groq_sdk(client, model).chat.completions.create(
            model=model.model, messages=MESSAGES, max_completion_tokens=TOKENS, temperature=0.0, stream=True
        ):
            choice = chunk.choices[0] if chunk.choices else None
            if choice is not None and choice.delta.content:
                yield choice.delta.content
            finished = finished or (choice is not None and choice.finish_reason is not None)
            if chunk.x_groq is not None:
                if chunk.x_groq.error:
                    raise Unusable("its answer broke off")
                used = chunk.x_groq.usage
                usage = Usage(used.prompt_tokens, used.completion_tokens) if used else usage
    if not finished:
        raise Unusable("its answer broke off")
    yield usage


SDK: dict[str, Call] = {
    "embed": sdk_embed,
    "rerank": sdk_rerank,
    "cohere chat": sdk_cohere_chat,
    "cohere stream": sdk_cohere_stream,
    "groq chat": sdk_groq_chat,
    "groq stream": sdk_groq_stream,
}
OURS: dict[str, Callable[[ModelSettings], Iterator[object]]] = {
    "embed": lambda model: iter([cohere_models.embed(["ερώτηση"], "query", model, KEY)]),
    "rerank": lambda model: iter([cohere_models.rerank("τι;", ["a", "b"], model, KEY)]),
    "cohere chat": lambda model: iter([cohere_models.chat(MESSAGES, model, KEY, TOKENS)]),
    "cohere stream": lambda model: cohere_models.chat_stream(MESSAGES, model, KEY, TOKENS),
    "groq chat": lambda model: iter([groq_models.chat(MESSAGES, model, KEY, TOKENS)]),
    "groq stream": lambda model: groq_models.chat_stream(MESSAGES, model, KEY, TOKENS),
}


def both(
    name: str, case: Case, monkeypatch: pytest.MonkeyPatch, address: str | None = "http://provider"
) -> tuple[Outcome, Outcome]:
    """Make a call by the SDK and by us, and return what came of each."""
    model = ModelSettings("a-model", address)
    with case.client() as client:
        monkeypatch.setattr(provider_rest, "http_client", lambda: client)
        return _outcome(lambda: SDK[name](client, model)), _outcome(lambda: OURS[name](model))


def _outcome(call: Callable[[], Iterator[object]]) -> Outcome:
    """Collect what a call gives, and at its end what its error is judged to be."""
    given: list[str] = []
    try:
        for piece in call():
            given.append(repr(piece))
    except provider_calls._foreign_errors() as error:
        failure = provider_calls._judge(error, Target("cohere", "a-model", lambda: None))
        # Of what has no status the words may differ: an SDK says of some timeouts that the connection broke.
        return given, failure if "HTTP" in failure.reason else failure._replace(reason="")
    return given, None


def body(value: object, status: int = 200, **headers: str) -> Case:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Case(status, {"Content-Type": "application/json", **headers}, [text])


def stream(
    *events: object, end: bytes | Exception = b"", cut: int = 10_000, line: str = "\n", unended: bool = False
) -> Case:
    """Write events as server-sent events, in pieces of so many bytes; ``unended`` lacks the last one's empty line."""
    written = ""
    for event in events:
        data = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
        kind = f"event: {event['type']}{line}" if isinstance(event, dict) and "type" in event else ""
        written += data if data.startswith(":") else f"{kind}data: {data}{line}{line}"
    raw = written.removesuffix(line).encode() if unended else written.encode()
    pieces: list[bytes | Exception] = [raw[start : start + cut] for start in range(0, len(raw), cut)]
    return Case(200, {"Content-Type": "text/event-stream"}, [*pieces, end])


def floats(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def delta(text: object, **more: object) -> Json:
    return {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": text, **more}}}}


def chunk(text: object = None, finish: str | None = None, **more: object) -> Json:
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def billed(**units: float) -> Json:
    return {"api_version": {"version": "2"}, "billed_units": units}


def scored(index: int, score: float) -> Json:
    return {"index": index, "relevance_score": score}


COUNTED = {
    "billed_units": {"input_tokens": 3.0, "output_tokens": 4.0},
    "tokens": {"input_tokens": 9, "output_tokens": 9},
}
ONLY_TOKENS: Json = {"tokens": {"input_tokens": 1, "output_tokens": 2}}
COHERE_USAGES: list[Json | None] = [COUNTED, ONLY_TOKENS, {"billed_units": {}}, None]
GROQ_USED = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
START = {"type": "message-start", "id": "1", "delta": {"message": {"role": "assistant"}}}
END = {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": COUNTED}}
GROQ_USAGES: list[Json | None] = [GROQ_USED, None]
GROQ_END = chunk(finish="stop", x_groq={"id": "1", "usage": GROQ_USED})
CUT = httpx.RemoteProtocolError("peer closed connection")
TEXT = 'Ώρα \u2028\u0085 "[1]"\n'

ERRORS = [
    *(body({"message": "no", "error": {"message": "no"}}, code) for code in
      (301, 307, *range(400, 406), 408, 409, 410, 413, 418, 422, 425, 451, 499, *range(500, 505), 529)),
    *(body({"message": "wait"}, code, **{"Retry-After": after}) for code in (429, 503)
      for after in ("7", "0.5", "soon", "-1", "Wed, 21 Oct 2099 07:28:00 GMT")),
    body(b"<html>502</html>", 502, **{"Content-Type": "text/html"}),
    Case(pieces=[httpx.ConnectError("no")]),
    Case(pieces=[httpx.ConnectTimeout("no")]),
    Case(pieces=[httpx.ReadTimeout("no")]),
    Case(pieces=[b'{"id"', CUT]),
    Case(pieces=[b'{"id"', httpx.ReadTimeout("no")]),
]  # fmt: skip
ODD = [
    body(b""), body(b"<html></html>"), body(b'{"id": "1'), body([1]), body(1), body("text"), body({}), body(None),
]  # fmt: skip
RESULTS = {
    "embed": [
        body({"id": "1", "embeddings": {"base64": [floats(1.5, -0.25)]}, "meta": billed(input_tokens=3.0)}),
        body({"id": "1", "embeddings": {"base64": [floats(1.5), floats(2.5)]}, "meta": None, "new": {"a": 1}}),
        body({"id": "1", "embeddings": {"base64": []}}),
        body({"id": "1", "embeddings": {"base64": ["!!"]}}),
        body({"id": "1", "embeddings": {"base64": None}, "meta": {"billed_units": None}}),
    ],
    "rerank": [
        body({"id": "1", "results": [scored(1, 0.9), scored(0, 0.1)], "meta": billed(search_units=1.0)}),
        body({"results": [{**scored(0, 0.5), "document": {"text": "a"}, "new": 1}], "meta": {}}),
        body({"results": []}),
        body({"results": None}),
        body({"results": [{"index": 0}]}),
    ],
    "cohere chat": [
        body({"id": "1", "finish_reason": reason, "message": {"role": "assistant", "content": content}, "usage": usage})
        for reason in ("COMPLETE", "MAX_TOKENS", "STOP_SEQUENCE", "ERROR", "TOOL_CALL")
        for content in ([{"type": "text", "text": TEXT}, {"type": "text", "text": "."}], [])
        for usage in COHERE_USAGES
    ],
    "groq chat": [
        body({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
              "choices": [{"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": content}}]})
        for reason in ("stop", "length") for content in (TEXT, "", None) for usage in GROQ_USAGES
    ],
    "cohere stream": [
        stream(START, delta(TEXT), delta("b"), END),
        stream(START, delta(TEXT), delta("b"), END, cut=1),
        stream(START, delta(TEXT), delta("b"), END, line="\r\n"),
        stream(START, delta("a"), {"type": "citation-start", "index": 0, "delta": {"message": {"citations": {}}}}, END),
        stream(START, delta("a"), {"type": "brand-new", "anything": 1}, delta(""), delta("b"), END),
        stream(START, delta("a"), ": a comment\n\n", delta("b"), END),
        stream(START, delta("a"), {**END, "delta": {"finish_reason": "ERROR"}}),
        stream(START, delta("a"), {**END, "delta": {"finish_reason": "COMPLETE"}}),
        stream(START, delta("a"), END, unended=True),
        stream(START, delta("a")),
        stream(START, delta("a"), end=CUT),
        stream(START, delta("a"), end=httpx.ReadTimeout("no")),
        stream(),
    ],
    "groq stream": [
        stream(chunk(""), chunk(TEXT), chunk("b"), GROQ_END, "[DONE]"),
        stream(chunk(TEXT), GROQ_END, "[DONE]", cut=1),
        stream(chunk(TEXT), GROQ_END, "[DONE]", line="\r\n"),
        stream(chunk("a"), chunk(finish="length"), "[DONE]"),
        stream(chunk("a"), ": a comment\n\n", {**chunk("b"), "new": {"a": 1}}, chunk(finish="stop"), "[DONE]"),
        stream({**chunk("a"), "choices": []}, chunk("a", "stop")),
        stream(chunk("a"), chunk(finish="stop", x_groq={"id": "1", "error": "over_capacity"}), "[DONE]"),
        stream(chunk("a"), {"error": {"message": "over capacity", "type": "server_error"}}),
        stream(chunk("a"), GROQ_END, {"error": {"message": "over capacity", "type": "server_error"}}, "[DONE]"),
        stream(chunk("a"), GROQ_END, unended=True),
        stream(chunk("a"), "not json"),
        stream(chunk("a"), "[DONE]", chunk("never")),
        stream(chunk("a"), end=CUT),
        stream(chunk("a"), end=httpx.ReadTimeout("no")),
        stream(),
    ],
}  # fmt: skip


@pytest.mark.parametrize("address", [None, "http://provider/some/path", "http://provider/"])
@pytest.mark.parametrize("name", SDK)
def test_the_same_is_sent(name: str, address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    case = body({})
    both(name, case, monkeypatch, address)
    theirs, ours = case.sent
    assert (ours.method, str(ours.url)) == (theirs.method, str(theirs.url))
    assert json.loads(ours.content) == json.loads(theirs.content)
    for header in ("authorization", "content-type", "accept-encoding"):
        assert ours.headers[header] == theirs.headers[header], header


@pytest.mark.parametrize("address", ["https://api.cohere.com/v1", "https://api.cohere.ai/v1"])
def test_the_version_in_an_address_of_coheres_is_taken_away(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = body({})
    both("rerank", case, monkeypatch, address)
    theirs, ours = case.sent
    assert str(ours.url) == str(theirs.url)


@pytest.mark.parametrize("name", SDK)
def test_errors_are_judged_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_790_000_000.0)
    for case in ERRORS:
        theirs, ours = both(name, case, monkeypatch)
        assert ours == theirs, (case.status, case.pieces)
        assert ours[1] is not None


@pytest.mark.parametrize("name", SDK)
def test_results_are_read_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for case in RESULTS[name]:
        theirs, ours = both(name, case, monkeypatch)
        assert ours == theirs, case.pieces


@pytest.mark.parametrize("name", [name for name in SDK if "stream" not in name])
def test_what_is_no_answer_is_none_to_either(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for case in ODD:
        theirs, ours = both(name, case, monkeypatch)
        assert ours == theirs, case.pieces
