"""Groq's models: chat, asked once.

Shared module: one provider behind the face ``answering``. The SDK is kept from retrying, since ``provider_calls`` does
that for everybody.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from f.core.ai_settings import ModelSettings
from f.core.provider_calls import Unusable, Usage, http_client, reading_answer

if TYPE_CHECKING:
    from groq import Groq


@reading_answer()
def chat(messages: list[dict[str, str]], model: ModelSettings, key: str, max_tokens: int) -> tuple[str, Usage]:
    """Return the answer to a conversation, and its tokens."""
    completions: Any = _client(model, key).chat.completions
    answer = completions.create(model=model.model, messages=messages, max_completion_tokens=max_tokens, temperature=0.0)
    text = answer.choices[0].message.content or ""
    if not text.strip():
        raise Unusable("it sent an empty answer")
    return text, _usage(answer.usage)


def chat_stream(
    messages: list[dict[str, str]], model: ModelSettings, key: str, max_tokens: int
) -> Iterator[str | Usage]:
    """Yield the pieces of the answer's text as they come, and its tokens at the end."""
    completions: Any = _client(model, key).chat.completions
    stream = completions.create(
        model=model.model, messages=messages, max_completion_tokens=max_tokens, temperature=0.0, stream=True
    )
    usage, finished = Usage(), False
    with reading_answer(), stream:
        for chunk in stream:
            choice = chunk.choices[0] if chunk.choices else None
            if choice is not None and choice.delta.content:
                yield choice.delta.content
            finished = finished or (choice is not None and choice.finish_reason is not None)
            if chunk.x_groq is not None:
                if chunk.x_groq.error:
                    raise Unusable("its answer broke off")
                usage = _usage(chunk.x_groq.usage) if chunk.x_groq.usage else usage
    if not finished:
        raise Unusable("its answer broke off")
    yield usage


@reading_answer()
def check_model(model: ModelSettings, key: str) -> None:
    """List the models, which costs nothing and needs a good key, and look for this one.

    Asking for the one model is not possible: its id may hold a slash, which does not survive in the address.
    """
    listed = _client(model, key).models.list()
    if model.model not in {entry.id for entry in listed.data}:
        raise Unusable("it does not list this model")


def _client(model: ModelSettings, key: str) -> "Groq":
    """Make a client on the shared connections; it costs 0.1 ms."""
    from groq import Groq  # noqa: PLC0415 - costs 187 ms, so only where Groq is called

    return Groq(api_key=key, base_url=model.base_url, http_client=http_client(), max_retries=0)


def _usage(usage: Any) -> Usage:
    """Read the tokens, if they are there."""
    return Usage() if usage is None else Usage(int(usage.prompt_tokens), int(usage.completion_tokens))
