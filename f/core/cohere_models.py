"""Cohere's models: embedding, reranking and chat, each asked once.

Shared module: one provider behind the faces ``embedding``, ``reranking`` and ``answering``. The SDK is kept from
retrying, since ``provider_calls`` does that for everybody.
"""

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from f.core.ai_settings import ModelSettings
from f.core.provider_calls import Unusable, Usage, http_client, reading_answer

if TYPE_CHECKING:
    import logging

    from cohere import ClientV2

DIMENSION = 1024
_INPUT_TYPES = {"document": "search_document", "query": "search_query"}
_UNKNOWN_KIND = "Skipping SSE event due to model construction error"
_SKIPPED = ("Skipping SSE event", "Failed to parse SSE", "Unexpected error processing SSE")
_GOOD_ENDS = frozenset({"COMPLETE", "STOP_SEQUENCE", "MAX_TOKENS"})


@reading_answer()
def embed(
    texts: list[str], purpose: Literal["document", "query"], model: ModelSettings, key: str
) -> tuple[list[list[float]], int | None]:
    """Return a vector for each of at most 96 texts, and the tokens that are billed.

    The dimension is asked for, because the newer models have another one of their own. Vectors come as base64: less
    than half the bytes, and 4.5 ms instead of 172 to read 96 of them.
    """
    answer = _client(model, key).embed(
        texts=texts,
        model=model.model,
        input_type=_INPUT_TYPES[purpose],
        output_dimension=DIMENSION,
        embedding_types=["base64"],
    )
    vectors = [_floats(encoded) for encoded in answer.embeddings.base64 or []]
    return vectors, _units(answer.meta, "input_tokens")


@reading_answer()
def rerank(
    question: str, texts: list[str], model: ModelSettings, key: str
) -> tuple[list[tuple[int, float]], int | None]:
    """Return (index, score in [0, 1]) for the texts, best first, and the searches that are billed."""
    answer = _client(model, key).rerank(model=model.model, query=question, documents=texts, top_n=len(texts))
    results = [(int(result.index), float(result.relevance_score)) for result in answer.results]
    return results, _units(answer.meta, "search_units")


@reading_answer()
def chat(messages: list[dict[str, str]], model: ModelSettings, key: str, max_tokens: int) -> tuple[str, Usage]:
    """Return the answer to a conversation, and its tokens."""
    client: Any = _client(model, key)
    answer = client.chat(model=model.model, messages=messages, max_tokens=max_tokens, temperature=0.0)
    text = "".join(item.text for item in answer.message.content or [] if item.type == "text")
    if answer.finish_reason not in _GOOD_ENDS or not text.strip():
        raise Unusable("it sent an empty answer")
    return text, _usage(answer.usage)


def chat_stream(
    messages: list[dict[str, str]], model: ModelSettings, key: str, max_tokens: int
) -> Iterator[str | Usage]:
    """Yield the pieces of the answer's text as they come, and its tokens at the end."""
    client: Any = _client(model, key)
    with reading_answer():
        events = client.chat_stream(model=model.model, messages=messages, max_tokens=max_tokens, temperature=0.0)
        for event in events:
            if event.type == "content-delta" and (text := event.delta.message.content.text):
                yield text
            elif event.type == "message-end":
                if event.delta.finish_reason not in _GOOD_ENDS:
                    break
                yield _usage(event.delta.usage)
                return
    raise Unusable("its answer broke off")


@reading_answer()
def check_model(model: ModelSettings, key: str) -> None:
    """Ask for the model's description, which costs nothing and needs a good key."""
    _client(model, key).models.get(model.model)


def _client(model: ModelSettings, key: str) -> "ClientV2":
    """Make a client on the shared connections; it costs 0.1 ms."""
    import logging  # noqa: PLC0415 - comes with the SDK

    from cohere import ClientV2  # noqa: PLC0415 - costs 313 ms, so only where Cohere is called

    for name in (None, "cohere.core.pydantic_utilities"):
        logging.getLogger(name).addFilter(_refuse_skipped_event)
    arguments: dict[str, Any] = {"httpx_client": http_client(), "max_retries": 0}
    if model.base_url:
        arguments["base_url"] = model.base_url
    return ClientV2(key, **arguments)


def _refuse_skipped_event(record: "logging.LogRecord") -> bool:
    """Make an unreadable event of a stream an error, and let one of a kind that the SDK does not know pass in silence.

    The SDK writes both, text and all, to these two loggers and goes on: the answer would lack a piece, and the job's
    log would hold it.
    """
    message = str(record.msg)
    if not message.startswith(_SKIPPED):
        return True
    if message.startswith(_UNKNOWN_KIND) and '"content-delta"' not in message:
        return False
    raise Unusable("it sent something that is not an answer")


def _floats(encoded: str) -> list[float]:
    """Decode a vector: base64 of little-endian 32-bit floats."""
    from base64 import b64decode  # noqa: PLC0415 - only here

    data = b64decode(encoded, validate=True)
    try:
        return list(struct.unpack(f"<{len(data) // 4}f", data))
    except struct.error:
        raise Unusable("it sent a vector that cannot be read") from None


def _units(meta: Any, name: str) -> int | None:
    """Read what is billed, if it is there."""
    units = getattr(getattr(meta, "billed_units", None), name, None)
    return None if units is None else int(units)


def _usage(usage: Any) -> Usage:
    """Read what is billed for a chat; where that is missing, what was counted."""
    for counts in (getattr(usage, "billed_units", None), getattr(usage, "tokens", None)):
        tokens_in, tokens_out = getattr(counts, "input_tokens", None), getattr(counts, "output_tokens", None)
        if tokens_in is not None and tokens_out is not None:
            return Usage(int(tokens_in), int(tokens_out))
    return Usage()
