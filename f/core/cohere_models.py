"""Cohere's models: embedding, reranking and chat, each asked once.

Shared module: one provider behind the faces ``embedding``, ``reranking`` and ``answering``. What a member waits for is
plain REST, which spares the import of the SDK, more than the rest of a job's start; tests/providers/test_contracts.py
holds it to what the SDK sends and understands. Documents are embedded by the SDK, kept from retrying, since
``provider_calls`` does that for everybody.
"""

import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal

from f.core.ai_settings import ModelSettings
from f.core.provider_calls import Unusable, Usage, http_client, reading_answer
from f.core.provider_rest import ask, ask_for_stream

if TYPE_CHECKING:
    from cohere import ClientV2

ADDRESS = "https://api.cohere.com"
"""Where Cohere is, when the settings do not say."""
DIMENSION = 1024
_GOOD_ENDS = frozenset({"COMPLETE", "STOP_SEQUENCE", "MAX_TOKENS"})


@reading_answer()
def embed(
    texts: list[str], purpose: Literal["document", "query"], model: ModelSettings, key: str
) -> tuple[list[list[float]], int | None]:
    """Return a vector for each of at most 96 texts, and the tokens that are billed.

    The dimension is asked for, because the newer models have another one of their own. Vectors come as base64: less
    than half the bytes, and 4.5 ms instead of 172 to read 96 of them.
    """
    if purpose == "document":
        return _embed_documents(texts, model, key)
    answer = ask(_url("v2/embed", model), key, _embedding(texts, "search_query", model))
    vectors = [_floats(encoded) for encoded in answer["embeddings"]["base64"] or []]
    return vectors, _units(answer, "input_tokens")


@reading_answer()
def rerank(
    question: str, texts: list[str], model: ModelSettings, key: str
) -> tuple[list[tuple[int, float]], int | None]:
    """Return (index, score in [0, 1]) for the texts, best first, and the searches that are billed."""
    request = {"model": model.model, "query": question, "documents": texts, "top_n": len(texts)}
    answer = ask(_url("v2/rerank", model), key, request)
    results = [(int(result["index"]), float(result["relevance_score"])) for result in answer["results"]]
    return results, _units(answer, "search_units")


@reading_answer()
def chat(messages: list[dict[str, str]], model: ModelSettings, key: str, max_tokens: int) -> tuple[str, Usage]:
    """Return the answer to a conversation, and its tokens."""
    answer = ask(_url("v2/chat", model), key, _conversation(messages, model, max_tokens, stream=False))
    text = "".join(item["text"] for item in answer["message"].get("content") or [] if item["type"] == "text")
    if answer.get("finish_reason") not in _GOOD_ENDS or not text.strip():
        raise Unusable("it sent an empty answer")
    return text, _usage(answer.get("usage"))


def chat_stream(
    messages: list[dict[str, str]], model: ModelSettings, key: str, max_tokens: int
) -> Iterator[str | Usage]:
    """Yield the pieces of the answer's text as they come, and its tokens at the end; other events are passed over."""
    request = _conversation(messages, model, max_tokens, stream=True)
    with reading_answer(), closing(ask_for_stream(_url("v2/chat", model), key, request)) as events:
        for event in events:
            if event["type"] == "content-delta" and (text := event["delta"]["message"]["content"].get("text")):
                yield str(text)
            elif event["type"] == "message-end":
                if event["delta"]["finish_reason"] not in _GOOD_ENDS:
                    break
                yield _usage(event["delta"].get("usage"))
                return
    raise Unusable("its answer broke off")


def load_sdk() -> None:
    """Import the SDK, before a deadline begins: on a slow worker that takes seconds, which are not the provider's."""
    from cohere import ClientV2  # noqa: F401, PLC0415 - costs 313 ms, so only where nobody waits


def model_check(model: ModelSettings, key: str) -> Callable[[], None]:
    """Import the SDK, and return what asks for the model's description, which costs nothing and needs a good key."""
    load_sdk()

    @reading_answer()
    def check() -> None:
        _sdk(model, key).models.get(model.model)

    return check


def _embed_documents(texts: list[str], model: ModelSettings, key: str) -> tuple[list[list[float]], int | None]:
    """Embed by the SDK."""
    answer = _sdk(model, key).embed(**_embedding(texts, "search_document", model))
    units = getattr(getattr(answer.meta, "billed_units", None), "input_tokens", None)
    return [_floats(encoded) for encoded in answer.embeddings.base64 or []], None if units is None else int(units)


def _embedding(texts: list[str], input_type: str, model: ModelSettings) -> dict[str, Any]:
    """Return what an embedding is asked for with."""
    return {
        "texts": texts,
        "model": model.model,
        "input_type": input_type,
        "output_dimension": DIMENSION,
        "embedding_types": ["base64"],
    }


def _conversation(
    messages: list[dict[str, str]], model: ModelSettings, max_tokens: int, *, stream: bool
) -> dict[str, Any]:
    """Return what an answer is asked for with."""
    return {
        "model": model.model,
        "messages": messages,
        "max_tokens": max_tokens,
        "temperature": 0.0,
        "stream": stream,
    }


def _url(path: str, model: ModelSettings) -> str:
    """Return an address; of Cohere's own the version is taken away that people copy along, as the SDK does."""
    address = model.base_url or ADDRESS
    if "cohere.com" in address or "cohere.ai" in address:
        address = address.replace("/v1", "")
    return f"{address.rstrip('/')}/{path}"


def _sdk(model: ModelSettings, key: str) -> "ClientV2":
    """Make a client of the SDK on the shared connections; it costs 0.1 ms."""
    from cohere import ClientV2  # noqa: PLC0415 - see load_sdk

    arguments: dict[str, Any] = {"httpx_client": http_client(), "max_retries": 0}
    if model.base_url:
        arguments["base_url"] = model.base_url
    return ClientV2(key, **arguments)


def _floats(encoded: str) -> list[float]:
    """Decode a vector: base64 of little-endian 32-bit floats."""
    from base64 import b64decode  # noqa: PLC0415 - only here

    data = b64decode(encoded, validate=True)
    try:
        return list(struct.unpack(f"<{len(data) // 4}f", data))
    except struct.error:
        raise Unusable("it sent a vector that cannot be read") from None


def _units(answer: dict[str, Any], name: str) -> int | None:
    """Read what is billed, if it is there."""
    units = ((answer.get("meta") or {}).get("billed_units") or {}).get(name)
    return None if units is None else int(units)


def _usage(usage: Any) -> Usage:
    """Read what is billed for a chat; where that is missing, what was counted."""
    for kind in ("billed_units", "tokens"):
        counts = (usage or {}).get(kind) or {}
        tokens_in, tokens_out = counts.get("input_tokens"), counts.get("output_tokens")
        if tokens_in is not None and tokens_out is not None:
            return Usage(int(tokens_in), int(tokens_out))
    return Usage()
