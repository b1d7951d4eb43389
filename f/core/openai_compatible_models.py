"""Models behind any server that speaks OpenAI's protocol (Ollama, vLLM, ...): embedding and chat, each asked once.

Shared module: one provider behind the faces ``embedding`` and ``answering``; plain REST, so that only the address
differs. Token counts are optional, an empty key sends no ``Authorization``, and of the parameters only those are sent
that all such servers know: the dimension is a property of the model that is chosen, not of the request.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from f.core.ai_settings import ModelSettings
from f.core.errors import Misconfigured
from f.core.provider_calls import Unusable, Usage, http_client, reading_answer
from f.core.provider_rest import ask, ask_for_stream, authorization


@reading_answer()
def embed(texts: list[str], model: ModelSettings, key: str) -> tuple[list[list[float]], int | None]:
    """Return a vector for each text, and the tokens if the server counts them."""
    answer = _post("embeddings", {"input": texts, "encoding_format": "float"}, model, key)
    entries = sorted(answer["data"], key=lambda entry: int(entry["index"]))
    vectors = [[float(number) for number in entry["embedding"]] for entry in entries]
    return vectors, _usage(answer.get("usage")).input_tokens


@reading_answer()
def chat(messages: list[dict[str, str]], model: ModelSettings, key: str, max_tokens: int) -> tuple[str, Usage]:
    """Return the answer to a conversation, and its tokens if the server counts them."""
    body = {"messages": messages, "max_tokens": max_tokens, "temperature": 0.0}
    answer = _post("chat/completions", body, model, key)
    text = str(answer["choices"][0]["message"]["content"] or "")
    if not text.strip():
        raise Unusable("it sent an empty answer")
    return text, _usage(answer.get("usage"))


def chat_stream(
    messages: list[dict[str, str]], model: ModelSettings, key: str, max_tokens: int
) -> Iterator[str | Usage]:
    """Yield the pieces of the answer's text as they come, and its tokens at the end if the server counts them."""
    body = {"model": model.model, "messages": messages, "max_tokens": max_tokens, "temperature": 0.0}
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    usage, finished = Usage(), False
    url = _url("chat/completions", model)
    with reading_answer(), closing(ask_for_stream(url, key, body)) as events:
        for event in events:
            choice = (event.get("choices") or [{}])[0]
            if text := (choice.get("delta") or {}).get("content"):
                yield str(text)
            finished = finished or choice.get("finish_reason") is not None
            usage = _usage(event.get("usage")) if event.get("usage") else usage
    if not finished:
        raise Unusable("its answer broke off")
    yield usage


def model_check(model: ModelSettings, key: str) -> Callable[[], None]:
    """Return what lists the models, at no cost, and looks for this one; Ollama adds ``:latest`` to bare names."""

    @reading_answer()
    def check() -> None:
        response = http_client().get(_url("models", model), headers=authorization(key))
        response.raise_for_status()
        names = {entry["id"] for entry in response.json()["data"]}
        if not names & {model.model, f"{model.model}:latest"}:
            raise Unusable("it does not list this model")

    return check


def _post(path: str, body: dict[str, Any], model: ModelSettings, key: str) -> dict[str, Any]:
    """Send a request and return the object that comes back."""
    return ask(_url(path, model), key, {"model": model.model, **body})


def _url(path: str, model: ModelSettings) -> str:
    """Return the address of an endpoint."""
    if not model.base_url:
        raise Misconfigured(f"f/chatbot/ai_settings: the model {model.model} needs a base_url.")
    return f"{model.base_url.rstrip('/')}/{path}"


def _usage(usage: Any) -> Usage:
    """Read the tokens, if they are there."""
    if not isinstance(usage, dict):
        return Usage()
    tokens_in, tokens_out = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return Usage(None if tokens_in is None else int(tokens_in), None if tokens_out is None else int(tokens_out))
