"""Answers from passages, and questions made to stand alone, from the provider that the settings choose.

Shared module: the face for chat. It reads and writes nothing. Groq answers and Cohere stands in for it (``cloud``), or
one server's model for another's (``openai_compatible``). Nothing falls back to ``offline``.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from f.core.ai_settings import AiSettings, ModelSettings, ProviderKeys
from f.core.errors import ProviderRejected
from f.core.prompts import AnswerRequest, Turn, render_answer_messages, render_rewrite_messages
from f.core.provider_calls import (
    Deadline,
    ProviderName,
    Queue,
    Target,
    Unusable,
    Usage,
    run_stream,
    run_with_fallback,
    usable_key,
)
from f.core.words import count_tokens

if TYPE_CHECKING:
    from f.core.provider_turns import Turns

ANSWER_TOKENS = 2048
"""The most that an answer may have, a model's reasoning included; with the prompt it fits Groq's 12,000 a minute."""

REWRITE_TOKENS = 1024
"""The same for a rewritten question; nearly all of it is room for reasoning."""

Messages = list[dict[str, str]]
_PROVIDERS: dict[str, tuple[ProviderName, ProviderName]] = {
    "cloud": ("groq", "cohere"),
    "openai_compatible": ("openai_compatible", "openai_compatible"),
    "offline": ("offline", "offline"),
}
"""Whose are ``chat`` and ``fallback_chat``, by the settings' provider."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote.

    Attributes:
        text: All of it.
        model: The model that wrote it, by its id in the settings: the fallback's, if that stood in.
        provider: ``groq``, ``cohere``, ``openai_compatible`` or ``offline``.
        input_tokens: What it read.
        output_tokens: What it wrote, reasoning included.
        estimated: Whether the provider did not count the tokens, so that they are a quarter of the UTF-8 bytes.
    """

    text: str
    model: str
    provider: ProviderName
    input_tokens: int
    output_tokens: int
    estimated: bool = False


def write_answer(
    request: AnswerRequest,
    settings: AiSettings,
    keys: ProviderKeys,
    on_text: Callable[[str], None] | None = None,
    turns: "Turns | None" = None,
) -> Completion:
    """Answer a question from its passages.

    ``settings.chat`` answers; ``settings.fallback_chat`` stands in where that does not serve the model, limits
    requests, fails, hangs or sends nothing usable, but only until the first piece of text. All tries together have
    ``settings.deadline_seconds``, and pauses that the providers ask for ``settings.queue_seconds`` besides. A repeat is
    safe, and costs again.

    Args:
        request: The question, the passages and what was said before.
        settings: Provider and models.
        keys: The providers' keys.
        on_text: Is given each piece of the answer as it comes; what it raises ends the answer and is raised here.
            Without it the answer is not streamed, and a connection that breaks in its middle is tried again.
        turns: Where to wait for the turn at a model with a limit; without it, nobody does.

    Raises:
        ProviderBusy: When the models are asked too much.
        ProviderUnavailable: When no model answers, or one broke off after its first piece of text.
        ProviderRejected: When the first model's provider refuses the request or its key.
        Misconfigured: When a key or an address is missing.
    """
    if settings.provider == "offline":
        return _answer_offline(request, settings, on_text)
    models = _models(settings, keys)
    messages = render_answer_messages(request)
    deadline = Deadline(settings.deadline_seconds, pause_seconds=settings.queue_seconds)
    if on_text is None:
        return _complete(models, messages, ANSWER_TOKENS, deadline, turns)
    targets = [
        Target(m.provider, m.settings.model, partial(m.stream, messages, ANSWER_TOKENS), m.queue(turns)) for m in models
    ]
    with closing(run_stream(targets, deadline, first_try_share=_first_try_share(models))) as pieces:
        while isinstance(piece := next(pieces), str):
            on_text(piece)
        return piece  # a stream that ends without a Completion has raised


def rewrite_question(
    question: str, history: list[Turn], settings: AiSettings, keys: ProviderKeys, turns: "Turns | None" = None
) -> Completion:
    """Turn a follow-up question into one that can be searched for without its conversation.

    Works, and fails, as ``write_answer`` without ``on_text``, but no pause puts it off: a question can be searched for
    without it. Without a history the question comes back as it is, with no call and no tokens.

    Args:
        question: What was asked last.
        history: Earlier turns, oldest first.
        settings: Provider and models.
        keys: The providers' keys.
        turns: Where to wait for the turn at a model with a limit.
    """
    if not history:
        return Completion(question, settings.chat.model, _PROVIDERS[settings.provider][0], 0, 0)
    messages = render_rewrite_messages(question, history)
    if settings.provider == "offline":
        from f.core.offline_models import rewrite  # noqa: PLC0415

        return _Model("offline", settings.chat, "").completion(rewrite(question, history), messages)
    deadline = Deadline(settings.deadline_seconds)
    written = _complete(_models(settings, keys), messages, REWRITE_TOKENS, deadline, turns)
    return replace(written, text=" ".join(written.text.split()))  # a question is one line, whatever came


def complete_messages(
    messages: Messages, max_tokens: int, settings: AiSettings, keys: ProviderKeys, turns: "Turns | None" = None
) -> Completion:
    """Ask the models for a whole text, as ``rewrite_question`` does. ``offline`` has no model that could be asked."""
    if settings.provider == "offline":
        raise ProviderRejected("The offline models write no texts of their own.")
    return _complete(_models(settings, keys), messages, max_tokens, Deadline(settings.deadline_seconds), turns)


@dataclass(frozen=True, slots=True)
class _Model:
    """A chat model and what it takes to ask it."""

    provider: ProviderName
    settings: ModelSettings
    key: str = field(repr=False)

    def queue(self, turns: "Turns | None") -> Queue | None:
        """Say where to wait for the turn to ask it."""
        return turns.at(self.provider, self.settings) if turns else None

    def complete(self, messages: Messages, max_tokens: int) -> Completion:
        """Ask once for a whole text."""
        text, usage = self._module().chat(messages, self.settings, self.key, max_tokens)
        return self.completion(text, messages, usage)

    def stream(self, messages: Messages, max_tokens: int) -> Iterator[str | Completion]:
        """Ask once, and yield the text as it comes and all of it at the end."""
        text, usage = "", Usage()
        for piece in self._module().chat_stream(messages, self.settings, self.key, max_tokens):
            if isinstance(piece, Usage):
                usage = piece
            else:
                text += piece
                yield piece
        if not text.strip():
            raise Unusable("it sent an empty answer")
        yield self.completion(text, messages, usage)

    def completion(self, text: str, messages: Messages, usage: Usage = Usage()) -> Completion:  # noqa: B008 - immutable
        """Put a text together with its tokens, estimated where the provider did not count them."""
        counted_in, counted_out = usage
        return Completion(
            text=text,
            model=self.settings.model,
            provider=self.provider,
            input_tokens=sum(count_tokens(m["content"]) for m in messages) if counted_in is None else counted_in,
            output_tokens=count_tokens(text) if counted_out is None else counted_out,
            estimated=counted_in is None or counted_out is None,
        )

    def _module(self) -> Any:
        """Import the provider's module, and no other, because each costs a job one request."""
        if self.provider == "groq":
            import f.core.groq_models as module  # noqa: PLC0415
        elif self.provider == "cohere":
            import f.core.cohere_models as module  # type: ignore[no-redef]  # noqa: PLC0415
        else:
            import f.core.openai_compatible_models as module  # type: ignore[no-redef]  # noqa: PLC0415
        return module


def _models(settings: AiSettings, keys: ProviderKeys) -> list[_Model]:
    """List the models to ask, the preferred first, with their keys."""
    return [
        _Model(provider, model, usable_key(provider, keys.cohere if provider == "cohere" else keys.groq))
        for provider, model in zip(_PROVIDERS[settings.provider], (settings.chat, settings.fallback_chat), strict=True)
        if model is not None
    ]


def _complete(
    models: list[_Model], messages: Messages, max_tokens: int, deadline: Deadline, turns: "Turns | None"
) -> Completion:
    """Ask for a whole text."""
    targets = [
        Target(m.provider, m.settings.model, partial(m.complete, messages, max_tokens), m.queue(turns)) for m in models
    ]
    return run_with_fallback(targets, deadline, first_try_share=_first_try_share(models))


def _first_try_share(models: list[_Model]) -> float:
    """Leave half of the time to the second model; where there is none, a repeat would be as slow again."""
    return 0.5 if len(models) > 1 else 1.0


def _answer_offline(request: AnswerRequest, settings: AiSettings, on_text: Callable[[str], None] | None) -> Completion:
    """Put an answer together from the passages' sentences, and give it out word by word as a model does."""
    from f.core.offline_models import answer  # noqa: PLC0415

    text = answer(request)
    if on_text is not None:
        for word in re.findall(r"\s*\S+(?:\s+\Z)?", text):
            on_text(word)
    return _Model("offline", settings.chat, "").completion(text, render_answer_messages(request))
