"""Which provider and which models are used, and what they cost.

Shared module. It reads the resources ``f/chatbot/ai_settings``, ``f/chatbot/cohere_api_key`` and
``f/chatbot/groq_api_key``. Model ids and prices are data, because providers retire the one and change the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from f.core.errors import Misconfigured

Provider = Literal["cloud", "openai_compatible", "offline"]


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """A model, where it is served, and its prices in US dollars.

    Attributes:
        model: The provider's id of the model.
        base_url: Where it is served; None is the provider's own address.
        usd_per_million_input_tokens: Price of what goes in.
        usd_per_million_output_tokens: Price of what comes out.
        usd_per_thousand_searches: Price of reranking; one search is one question with at most 100 passages.
    """

    model: str
    base_url: str | None = None
    usd_per_million_input_tokens: float = 0.0
    usd_per_million_output_tokens: float = 0.0
    usd_per_thousand_searches: float = 0.0


@dataclass(frozen=True, slots=True)
class ProviderKeys:
    """The keys of the providers; an empty string where there is none."""

    cohere: str = field(default="", repr=False)
    groq: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class AiSettings:
    """The content of ``f/chatbot/ai_settings``.

    Attributes:
        provider: ``cloud`` (Cohere and Groq), ``openai_compatible`` (Ollama, vLLM, ...) or ``offline``.
        embed: The model that makes vectors of 1024 dimensions.
        chat: The model that answers.
        rerank: The model that sorts passages by a question; None where there is none.
        fallback_chat: The model that answers when ``chat`` cannot; None where there is none.
        rerank_by_default: Whether a search reranks when its caller does not say.
        deadline_seconds: The time for all tries of one call together.
        search_deadline_seconds: The same for embedding a question and for reranking, while a member waits.
        minimum_similarity: The least cosine similarity, in [-1, 1], at which a vector counts as found; it depends on
            the embedding model. None counts all.
        other_prices: Models that are not in use here but whose usage may be logged, by id.
    """

    provider: Provider
    embed: ModelSettings
    chat: ModelSettings
    rerank: ModelSettings | None = None
    fallback_chat: ModelSettings | None = None
    rerank_by_default: bool = False
    deadline_seconds: float = 40.0
    search_deadline_seconds: float = 6.0
    minimum_similarity: float | None = None
    other_prices: dict[str, ModelSettings] = field(default_factory=dict)

    def prices_of(self, model: str) -> ModelSettings | None:
        """Return the settings that price ``model``, or None when this installation does not know it."""
        for known in (self.embed, self.chat, self.rerank, self.fallback_chat):
            if known is not None and known.model == model:
                return known
        return self.other_prices.get(model)


def read_ai_settings() -> tuple[AiSettings, ProviderKeys]:
    """Read which models this installation uses, and the keys that they need. Only inside a running job.

    Raises:
        Misconfigured: When a resource is missing or malformed.
    """
    from f.core.job import read_resource  # noqa: PLC0415 -- so that what is pure here does not need wmill

    settings = parse_ai_settings(read_resource("f/chatbot/ai_settings"))
    keys = {"cohere": "", "groq": ""}
    needed = {"cloud": ("cohere", "groq"), "openai_compatible": ("groq",), "offline": ()}
    for name in needed[settings.provider]:
        value = read_resource(f"f/chatbot/{name}_api_key")
        if not isinstance(value, str):
            raise Misconfigured(f"The value of the resource f/chatbot/{name}_api_key must be a text.")
        keys[name] = value.strip()
    return settings, ProviderKeys(**keys)


def parse_ai_settings(value: object) -> AiSettings:
    """Check the value of ``f/chatbot/ai_settings`` and give it types.

    Raises:
        Misconfigured: When it is malformed; the message names the key, never the value.
    """
    settings = _mapping(value, "it")
    provider = settings.get("provider")
    if provider not in get_args(Provider):
        raise Misconfigured(f"f/chatbot/ai_settings: provider must be one of {', '.join(get_args(Provider))}.")
    rerank, fallback = settings.get("rerank"), settings.get("fallback_chat")
    minimum = settings.get("minimum_similarity")
    return AiSettings(
        provider=cast("Provider", provider),
        embed=_model(settings.get("embed"), "embed"),
        chat=_model(settings.get("chat"), "chat"),
        rerank=None if rerank is None else _model(rerank, "rerank"),
        fallback_chat=None if fallback is None else _model(fallback, "fallback_chat"),
        rerank_by_default=rerank is not None and _mapping(rerank, "rerank").get("by_default") is True,
        deadline_seconds=_number(settings.get("deadline_seconds", 40), "deadline_seconds"),
        search_deadline_seconds=_number(settings.get("search_deadline_seconds", 6), "search_deadline_seconds"),
        minimum_similarity=None if minimum is None else _number(minimum, "minimum_similarity", least=-1.0),
        other_prices={
            model: _model({**_mapping(prices, "other_prices"), "model": model}, "other_prices")
            for model, prices in _mapping(settings.get("other_prices") or {}, "other_prices").items()
        },
    )


def _model(value: object, key: str) -> ModelSettings:
    """Check one model's entry."""
    entry = _mapping(value, key)
    model, base_url = entry.get("model"), entry.get("base_url")
    if not isinstance(model, str) or not model:
        raise Misconfigured(f"f/chatbot/ai_settings: {key}.model must be the id of a model.")
    if base_url is not None and (not isinstance(base_url, str) or not base_url.startswith(("http://", "https://"))):
        raise Misconfigured(f"f/chatbot/ai_settings: {key}.base_url must be an http address or null.")
    return ModelSettings(
        model,
        base_url,
        _number(entry.get("usd_per_million_input_tokens", 0), f"{key}.usd_per_million_input_tokens"),
        _number(entry.get("usd_per_million_output_tokens", 0), f"{key}.usd_per_million_output_tokens"),
        _number(entry.get("usd_per_thousand_searches", 0), f"{key}.usd_per_thousand_searches"),
    )


def _mapping(value: object, key: str) -> Mapping[str, object]:
    """Check that a value is an object with named fields."""
    if not isinstance(value, dict):
        raise Misconfigured(f"f/chatbot/ai_settings: {key} must be an object.")
    return cast("Mapping[str, object]", value)


def _number(value: object, key: str, least: float = 0.0) -> float:
    """Check that a value is a number that is not below ``least``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
        raise Misconfigured(f"f/chatbot/ai_settings: {key} must be a number of at least {least:g}.")
    return float(value)
