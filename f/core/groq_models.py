"""Groq's models: chat, asked once.

Shared module: one provider behind the face ``answering``. Chat is plain REST, which spares a member the import of the
SDK; tests/providers/test_contracts.py holds it to what the SDK sends and understands. The SDK itself is asked where
nobody waits, and is kept from retrying, since ``provider_calls`` does that for everybody.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from f.core.ai_settings import ModelSettings
from f.core.provider_calls import Unusable, Usage, http_client, reading_answer
from f.core.provider_rest import ask, ask_for_stream

ADDRESS = "https://api.groq.com"
"""Where Groq is, when the settings do not say."""


@reading_answer()
def chat(messages: list[dict[str, str]], model: ModelSettings, key: str, max_tokens: int) -> tuple[str, Usage]:
    """Return the answer to a conversation, and its tokens."""
    answer = ask(_url(model), key, _request(messages, model, max_tokens))
    text = str(answer["choices"][0]["message"]["content"] or "")
    if not text.strip():
        raise Unusable("it sent an empty answer")
    return text, _usage(answer.get("usage"))


def chat_stream(
    messages: list[dict[str, str]], model: ModelSettings, key: str, max_tokens: int
) -> Iterator[str | Usage]:
    """Yield the pieces of the answer's text as they come, and its tokens at the end."""
    request = _request(messages, model, max_tokens) | {"stream": True}
    usage, finished = Usage(), False
    with reading_answer(), closing(ask_for_stream(_url(model), key, request)) as events:
        for event in events:
            choice = (event.get("choices") or [{}])[0]
            if text := (choice.get("delta") or {}).get("content"):
                yield str(text)
            finished = finished or choice.get("finish_reason") is not None
            additions = event.get("x_groq") or {}
            if additions.get("error"):
                raise Unusable("its answer broke off")
            usage = _usage(additions["usage"]) if additions.get("usage") else usage
    if not finished:
        raise Unusable("its answer broke off")
    yield usage


def model_check(model: ModelSettings, key: str) -> Callable[[], None]:
    """Import the SDK, and return what lists the models, at no cost but with a good key, and looks for this one.

    Asking for the one model is not possible: its id may hold a slash, which does not survive in the address.
    """
    from groq import Groq  # noqa: PLC0415 - costs 187 ms, which only a health check may

    @reading_answer()
    def check() -> None:
        client = Groq(api_key=key, base_url=model.base_url, http_client=http_client(), max_retries=0)
        if model.model not in {entry.id for entry in client.models.list().data}:
            raise Unusable("it does not list this model")

    return check


def _url(model: ModelSettings) -> str:
    """Return the address of the chat."""
    return f"{(model.base_url or ADDRESS).rstrip('/')}/openai/v1/chat/completions"


def _request(messages: list[dict[str, str]], model: ModelSettings, max_tokens: int) -> dict[str, Any]:
    """Return the body of a request."""
    return {"messages": messages, "model": model.model, "max_completion_tokens": max_tokens, "temperature": 0.0}


def _usage(usage: Any) -> Usage:
    """Read the tokens, if they are there."""
    return Usage() if usage is None else Usage(int(usage["prompt_tokens"]), int(usage["completion_tokens"]))
