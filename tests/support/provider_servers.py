"""Model providers on loopback: HTTP servers that speak Cohere's, Groq's and OpenAI's protocols, for the real SDKs.

They listen on 127.0.0.1 and are reached by their address, also by the jobs of other processes::

    with cohere_server() as cohere, groq_server() as groq, openai_server() as ollama:
        ai_settings = {
            "provider": "cloud",
            "embed": {"model": "embed-v4.0", "base_url": cohere.base_url},
            "rerank": {"model": "rerank-v3.5", "base_url": cohere.base_url},
            "chat": {"model": "openai/gpt-oss-120b", "base_url": groq.base_url},
            "fallback_chat": {"model": "command-a-03-2025", "base_url": cohere.base_url},
        }                                   # for openai_compatible: f"{ollama.base_url}/v1"

        groq.answer = lambda messages: "The excess is 300 euros [1]."     # an obedient model; it may read the prompt
        cohere.rerank = lambda question, texts: [0.9 for _ in texts]
        groq.tool_calls = lambda messages, tools: [("search", {"query": "excess"})]

        from tests.support.provider_faults import cut_stream, hang, status
        groq.fail(status(503))                                  # the next request, once
        groq.fail(status(429, retry_after="1"), times=2)        # the next two
        cohere.fail(hang(), on="/embed", times=None)            # from now on, whatever has /embed in its path
        groq.fail(cut_stream(after=2))                          # two pieces of text, then the connection is gone
        groq.recover()                                          # forget the faults that are left

        groq.requests[0].body["max_completion_tokens"]          # method, path, headers (lower case), body
        cohere.requests_to("/embed")

Vectors and rerank scores come from the offline models, so that what is alike is found; any text gets the same vector in
every server. ``key`` makes a server refuse every other key, ``models`` every other model, ``pace_seconds`` is waited
before each piece of a stream, ``counts_tokens = False`` leaves usage out as some servers do.
"""

import base64
import json
import re
import struct
from collections.abc import Callable
from typing import Any

from tests.support.provider_faults import Fault, resized
from tests.support.provider_listener import Answer, Json, ProviderServer, RecordedRequest

OWN_DIMENSION = 1536
"""The dimension that Cohere's embed-v4.0 has when none is asked for."""


class CohereServer(ProviderServer):
    """Cohere's API: ``/v2/embed``, ``/v2/rerank``, ``/v2/chat``, ``/v1/models``."""

    def respond(self, request: RecordedRequest, fault: Fault) -> Answer:
        """Answer as Cohere does."""
        body = request.body
        if request.path == "/v2/embed":
            return self._embed(body, fault)
        if request.path == "/v2/rerank":
            scores = self.rerank(body["query"], body["documents"])
            ranked = sorted(enumerate(scores), key=lambda entry: -entry[1])[: body.get("top_n")]
            results = [{"index": index, "relevance_score": score} for index, score in ranked]
            return {"id": "1", "results": results, "meta": self._meta(search_units=-(-len(scores) // 100))}
        if request.path == "/v2/chat":
            events = self._chat_events(body, fault)
            return _sse(events, named=True) if body.get("stream") else _message_of(events)
        if request.path.startswith("/v1/models/"):
            return {"name": request.path.removeprefix("/v1/models/"), "endpoints": ["chat"], "context_length": 128000}
        if request.path.startswith("/v1/models"):
            return {"models": [{"name": name} for name in self.listed_models()]}
        return None

    def error_body(self, message: str) -> Json:
        """Return an error as Cohere words it."""
        return {"id": "429-is-part-of-this-id", "message": message}

    def _embed(self, body: Json, fault: Fault) -> Json:
        texts = body["texts"]
        vectors = self.vectors_for(texts, fault)
        if fault.vectors is None:
            vectors = [resized(vector, body.get("output_dimension") or OWN_DIMENSION) for vector in vectors]
        kinds: dict[str, Callable[[list[float]], object]] = {"float": list, "base64": _encoded}
        made = {kind: [kinds[kind](vector) for vector in vectors] for kind in body.get("embedding_types") or ["float"]}
        meta = self._meta(input_tokens=sum(map(_tokens, texts)))
        return {"id": "1", "response_type": "embeddings_by_type", "embeddings": made, "texts": texts, "meta": meta}

    def _meta(self, **billed: int) -> Json:
        return {"api_version": {"version": "2"}, **({"billed_units": billed} if self.counts_tokens else {})}

    def _chat_events(self, body: Json, fault: Fault) -> list[Json]:
        """Make the events of an answer: its text and what it cites of the request's documents, or tool calls."""
        events: list[Json] = [{"type": "message-start", "id": "1", "delta": {"message": {"role": "assistant"}}}]
        calls = self.calls_for(body)
        text = "" if calls else self.text_for(body, fault)
        if calls:
            events.append({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I will look it up."}}})
        for index, (name, arguments) in enumerate(calls):
            call = {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": ""}}
            piece = {"function": {"arguments": json.dumps(arguments)}}
            events.append({"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": call}}})
            events.append({"type": "tool-call-delta", "index": index, "delta": {"message": {"tool_calls": piece}}})
            events.append({"type": "tool-call-end", "index": index})
        if not calls:
            events += [
                _content("content-start", "", type="text"),
                *(_content("content-delta", p) for p in _pieces(text)),
            ]
            events.append({"type": "content-end", "index": 0})
        for index, citation in enumerate(_citations(text, body.get("documents") or [])):
            delta = {"message": {"citations": citation}}
            events += [
                {"type": "citation-start", "index": index, "delta": delta},
                {"type": "citation-end", "index": index},
            ]
        counts = {
            "input_tokens": sum(_tokens(str(m["content"])) for m in body["messages"]),
            "output_tokens": _tokens(text),
        }
        usage = {"usage": {"billed_units": counts, "tokens": counts}} if self.counts_tokens else {}
        reason = "ERROR" if fault.ends_badly else "TOOL_CALL" if calls else "COMPLETE"
        end = {"finish_reason": reason, **usage}
        return [*events, {"type": "message-end", "delta": end}]


class OpenAiServer(ProviderServer):
    """OpenAI's API under any prefix: ``/chat/completions``, ``/embeddings``, ``/models``; Groq's additions if asked."""

    def __init__(self, *, groq: bool = False) -> None:
        super().__init__()
        self.groq = groq

    def respond(self, request: RecordedRequest, fault: Fault) -> Answer:
        """Answer as these servers do."""
        body = request.body
        if request.path.endswith("/chat/completions"):
            chunks = self._chunks(body, fault)
            return _sse([*chunks, "[DONE]"], named=False) if body.get("stream") else self._completion(chunks)
        if request.path.endswith("/embeddings"):
            texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
            vectors = enumerate(self.vectors_for(texts, fault))
            data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in vectors]
            tokens = sum(map(_tokens, texts))
            usage = {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}} if self.counts_tokens else {}
            return {"object": "list", "model": body["model"], "data": data[::-1], **usage}
        if request.path.endswith("/models"):
            return {"object": "list", "data": [{"id": name, "object": "model"} for name in self.listed_models()]}
        return None

    def error_body(self, message: str) -> Json:
        """Return an error as Groq and OpenAI word it."""
        return {"error": {"message": message, "type": "some_error", "code": "some_code"}}

    def _chunks(self, body: Json, fault: Fault) -> list[Json]:
        """Make the chunks of an answer, the usage where it belongs."""
        calls = self.calls_for(body)
        text = "" if calls else self.text_for(body, fault)
        functions = [
            {"index": i, "id": f"call_{i}", "type": "function", "function": {"name": n, "arguments": json.dumps(a)}}
            for i, (n, a) in enumerate(calls)
        ]
        deltas: list[Json] = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in _pieces(text))]
        deltas += [{"tool_calls": functions}] if functions else []
        base = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        chunks = [{**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        end = {"index": 0, "delta": {}, "finish_reason": "tool_calls" if calls else "stop"}
        if fault.ends_badly and body.get("stream"):
            groqs: Json = {**base, "choices": [end], "x_groq": {"id": "1", "error": "over_capacity"}}
            return [*chunks, groqs if self.groq else self.error_body("over capacity")]
        tokens_in, tokens_out = sum(_tokens(str(m["content"])) for m in body["messages"]), _tokens(text)
        usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
        counted = self.counts_tokens
        chunks.append(
            {**base, "choices": [end], **({"x_groq": {"id": "1", "usage": usage}} if self.groq and counted else {})}
        )
        if (
            counted
            and not self.groq
            and (not body.get("stream") or (body.get("stream_options") or {}).get("include_usage"))
        ):
            chunks.append({**base, "choices": [], "usage": usage})
        return chunks

    def _completion(self, chunks: list[Json]) -> Json:
        """Put the chunks together to an answer that is not streamed."""
        choices = [choice for chunk in chunks for choice in chunk["choices"]]
        usage = [u for c in chunks if (u := c.get("usage") or c.get("x_groq", {}).get("usage"))]
        message: Json = {"role": "assistant", "content": "".join(c["delta"].get("content", "") for c in choices)}
        if calls := [call for choice in choices for call in choice["delta"].get("tool_calls", [])]:
            message |= {"content": None, "tool_calls": calls}
        answer = {"index": 0, "message": message, "finish_reason": choices[-1]["finish_reason"]}
        counts = {"usage": usage[0]} if usage else {}
        return {**chunks[0], "object": "chat.completion", "choices": [answer], **counts}


def cohere_server() -> CohereServer:
    """Make a Cohere on loopback; it runs inside ``with``."""
    return CohereServer()


def groq_server() -> OpenAiServer:
    """Make a Groq on loopback; it runs inside ``with``."""
    return OpenAiServer(groq=True)


def openai_server() -> OpenAiServer:
    """Make an Ollama or vLLM on loopback; it runs inside ``with``, and its API is under ``/v1``."""
    return OpenAiServer()


def _sse(events: list[Any], *, named: bool) -> list[bytes]:
    """Write events as a stream has them."""
    lines = []
    for event in events:
        name = f"event: {event['type']}\n" if named else ""
        data = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
        lines.append(f"{name}data: {data}\n\n".encode())
    return lines


def _content(kind: str, text: str, **more: str) -> Json:
    return {"type": kind, "index": 0, "delta": {"message": {"content": {**more, "text": text}}}}


def _message_of(events: list[Json]) -> Json:
    """Put Cohere's events together to an answer that is not streamed."""
    of = {kind: [event for event in events if event["type"] == kind] for kind in {event["type"] for event in events}}
    message: Json = {"role": "assistant"}
    if starts := of.get("tool-call-start"):
        calls = [start["delta"]["message"]["tool_calls"] for start in starts]
        for call, delta in zip(calls, of["tool-call-delta"], strict=True):
            call["function"] |= delta["delta"]["message"]["tool_calls"]["function"]
        message |= {"tool_plan": of["tool-plan-delta"][0]["delta"]["message"]["tool_plan"], "tool_calls": calls}
    elif deltas := of.get("content-delta"):
        text = "".join(delta["delta"]["message"]["content"]["text"] for delta in deltas)
        message["content"] = [{"type": "text", "text": text}]
    if starts := of.get("citation-start"):
        message["citations"] = [start["delta"]["message"]["citations"] for start in starts]
    return {"id": "1", "message": message, **of["message-end"][0]["delta"]}


def _citations(text: str, documents: list[Any]) -> list[Json]:
    """Cite each document of which a whole sentence stands in the answer."""
    found = []
    for number, document in enumerate(documents):
        data = document.get("data", {}) if isinstance(document, dict) else {"text": document}
        name = document.get("id", f"doc:{number}") if isinstance(document, dict) else f"doc:{number}"
        for sentence in re.findall(r"[^.!?;]+[.!?;]", " ".join(map(str, data.values()))):
            start = text.find(sentence.strip())
            if start >= 0:
                span = {"start": start, "end": start + len(sentence.strip()), "text": sentence.strip()}
                found.append({**span, "sources": [{"type": "document", "id": name, "document": data}]})
    return found


def _encoded(vector: list[float]) -> str:
    """Encode a vector as Cohere does: base64 of little-endian 32-bit floats."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _pieces(text: str) -> list[str]:
    """Cut a text as a model writes it: each word with the space before it."""
    return re.findall(r"\s*\S+(?:\s+\Z)?|\s+\Z", text)


def _tokens(text: str) -> int:
    """Count a third of the bytes: not what anybody would estimate, so that a test can tell the two apart."""
    return -(-len(text.encode()) // 3)
