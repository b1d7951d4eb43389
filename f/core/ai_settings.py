"""Which provider and which models are used, and what they cost.

Shared module. It reads the resources ``f/chatbot/ai_settings``, ``f/chatbot/cohere_api_key`` and
``f/chatbot/groq_api_key``. Model ids and prices are data, because providers retire the one and change the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, cast, get_args

from f.core.errors import Misconfigured

Provider = Literal["cloud", "openai_compatible", "offline"]
AI_SETTINGS = "f/chatbot/ai_settings"
COHERE_KEY, GROQ_KEY = "f/chatbot/cohere_api_key", "f/chatbot/groq_api_key"
LONGEST_ANSWER_CACHE_SECONDS = 86_400.0
VECTOR_WEIGHTS: dict[Provider, float] = {"cloud": 1.0, "openai_compatible": 1.0, "offline": 0.01}
"""What ``vector_weight`` is where the settings do not say. Vectors of ``offline`` know words and parts of words alone:
counted like the words' own order they would make it worse (evaluation/README.md, the part ``hybrid``). So they decide
between neighbours, and add what no word finds."""

_KEYS: dict[Provider, str] = {"cloud": "cohere", "openai_compatible": "groq"}
"""Whose key a provider that embeds is asked with; the cloud is asked for answers with Groq's too."""


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """A model, where it is served, and its prices in US dollars.

    Attributes:
        model: The provider's id of the model.
        base_url: Where it is served; None is the provider's own address.
        usd_per_million_input_tokens: Price of what goes in.
        usd_per_million_output_tokens: Price of what comes out.
        usd_per_thousand_searches: Price of reranking; one search is one question with at most 100 passages.
        requests_per_minute: How often the provider lets this installation ask it; jobs then take turns
            (``f.core.provider_turns``). None where it need not be heeded. For models that chat.
        provider: Of a model that embeds: who serves it, where that is another than of the other models.
    """

    model: str
    base_url: str | None = None
    usd_per_million_input_tokens: float = 0.0
    usd_per_million_output_tokens: float = 0.0
    usd_per_thousand_searches: float = 0.0
    requests_per_minute: int | None = None
    provider: Provider | None = None


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """The vectors of one embedding model, which are compared with each other alone, and what belongs to the model.

    Attributes:
        embed: The model.
        minimum_similarity: As in ``AiSettings``.
        vector_weight: As in ``AiSettings``.
    """

    embed: ModelSettings
    minimum_similarity: float | None
    vector_weight: float


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
        answers_rerank_in_doubt: Whether ``chat`` leaves out reranking that would hardly change what its model is given:
            when it is given all passages anyway, or words and vectors name the same one first.
        deadline_seconds: The time for all tries of one call together.
        queue_seconds: How much longer an answer may take because the provider asks to wait, or other questions are
            before it.
        search_deadline_seconds: The same for embedding a question and for reranking, while a member waits.
        minimum_similarity: The least cosine similarity, in [-1, 1], at which a vector counts as found; it depends on
            the embedding model. None counts all.
        vector_weight: How much a place among the vectors counts in the order of what is found, where a place among the
            words counts 1.
        answer_cache_seconds: How long an answer may be given again while nothing that its asker may see has changed
            (``f.core.answer_cache``), up to a day; 0 never.
        next_space: The embedding model to which tenants are being moved, one after the other, by
            ``f/operations/reembed``; None while nothing is being changed.
        other_prices: Models that are not in use here but whose usage may be logged, by id.
    """

    provider: Provider
    embed: ModelSettings
    chat: ModelSettings
    rerank: ModelSettings | None = None
    fallback_chat: ModelSettings | None = None
    rerank_by_default: bool = False
    answers_rerank_in_doubt: bool = False
    deadline_seconds: float = 40.0
    search_deadline_seconds: float = 6.0
    queue_seconds: float = 120.0
    minimum_similarity: float | None = None
    vector_weight: float = 1.0
    answer_cache_seconds: float = 0.0
    next_space: EmbeddingSpace | None = None
    other_prices: dict[str, ModelSettings] = field(default_factory=dict)

    def in_space(self, model: str | None) -> "AiSettings":
        """Return the settings for a tenant whose vectors are searched in a model's space: these, or the next space's.

        Args:
            model: What ``tenants.embedding_model`` says.
        """
        following = self.next_space
        if following is None or model != following.embed.model:
            return self
        return replace(
            self,
            embed=following.embed,
            minimum_similarity=following.minimum_similarity,
            vector_weight=following.vector_weight,
            other_prices={**self.other_prices, self.embed.model: self.embed},  # what was asked of it is still to count
        )

    def prices_of(self, model: str) -> ModelSettings | None:
        """Return the settings that price ``model``, or None when this installation does not know it."""
        following = self.next_space.embed if self.next_space else None
        for known in (self.embed, self.chat, self.rerank, self.fallback_chat, following):
            if known is not None and known.model == model:
                return known
        return self.other_prices.get(model)


def read_ai_settings(*, chats: bool = True) -> tuple[AiSettings, ProviderKeys]:
    """Read which models this installation uses, and the keys that they need. Only inside a running job.

    Args:
        chats: False where no model is asked for an answer: a key that is needed for that alone is not read.

    Raises:
        Misconfigured: When a resource is missing or malformed.
    """
    from f.core.job import read_resource  # noqa: PLC0415 -- so that what is pure here does not need wmill

    settings = parse_ai_settings(read_resource(AI_SETTINGS))
    keys = {"cohere": "", "groq": ""}
    models = [settings.embed, *([settings.next_space.embed] if settings.next_space else [])]
    providers = {settings.provider, *(model.provider for model in models)}
    needed = {key for provider, key in _KEYS.items() if provider in providers}
    if chats and settings.provider == "cloud":
        needed.add("groq")
    for name in sorted(needed):
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
    rerank, fallback, following = settings.get("rerank"), settings.get("fallback_chat"), settings.get("next_embed")
    space = _space(settings, settings.get("embed"), "embed", cast("Provider", provider))
    return AiSettings(
        provider=cast("Provider", provider),
        embed=space.embed,
        chat=_model(settings.get("chat"), "chat"),
        rerank=None if rerank is None else _model(rerank, "rerank"),
        fallback_chat=None if fallback is None else _model(fallback, "fallback_chat"),
        rerank_by_default=rerank is not None and _mapping(rerank, "rerank").get("by_default") is True,
        answers_rerank_in_doubt=rerank is not None and _mapping(rerank, "rerank").get("answers_only_in_doubt") is True,
        deadline_seconds=_number(settings.get("deadline_seconds", 40), "deadline_seconds"),
        search_deadline_seconds=_number(settings.get("search_deadline_seconds", 6), "search_deadline_seconds"),
        queue_seconds=_number(settings.get("queue_seconds", 120), "queue_seconds"),
        minimum_similarity=space.minimum_similarity,
        vector_weight=space.vector_weight,
        answer_cache_seconds=min(
            _number(settings.get("answer_cache_seconds", 0), "answer_cache_seconds"), LONGEST_ANSWER_CACHE_SECONDS
        ),
        next_space=_next_space(following, space.embed.model, cast("Provider", provider)),
        other_prices={
            model: _model({**_mapping(prices, "other_prices"), "model": model}, "other_prices")
            for model, prices in _mapping(settings.get("other_prices") or {}, "other_prices").items()
        },
    )


def _space(where: Mapping[str, object], entry: object, key: str, provider: Provider) -> EmbeddingSpace:
    """Check an embedding model's entry, and what stands beside it and belongs to it.

    Args:
        where: The object in which minimum_similarity and vector_weight stand.
        entry: The model's entry.
        key: What it is called.
        provider: Who serves it where the entry does not say.
    """
    embed = _model(entry, key)
    minimum, weight = where.get("minimum_similarity"), where.get("vector_weight")
    return EmbeddingSpace(
        embed,
        None if minimum is None else _number(minimum, "minimum_similarity", least=-1.0),
        VECTOR_WEIGHTS[embed.provider or provider] if weight is None else _number(weight, "vector_weight"),
    )


def _next_space(entry: object, model: str, provider: Provider) -> EmbeddingSpace | None:
    """Check the entry of the model to which tenants are being moved, if there is one."""
    if entry is None:
        return None
    following = _space(_mapping(entry, "next_embed"), entry, "next_embed", provider)
    if following.embed.model == model:
        raise Misconfigured("f/chatbot/ai_settings: next_embed.model must be another than embed.model, or null.")
    return following


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
        _requests_per_minute(entry.get("requests_per_minute"), key),
        _provider(entry.get("provider"), key),
    )


def _provider(value: object, key: str) -> Provider | None:
    """Check who serves a model, which only those that embed say for themselves."""
    if value is None:
        return None
    if key not in ("embed", "next_embed") or value not in get_args(Provider):
        known = ", ".join(get_args(Provider))
        raise Misconfigured(f"f/chatbot/ai_settings: {key}.provider is for models that embed, and one of {known}.")
    return cast("Provider", value)


def _requests_per_minute(value: object, key: str) -> int | None:
    """Check a limit, which only models that chat can have: searching and embedding have ways of their own to wait."""
    if value is None:
        return None
    if key not in ("chat", "fallback_chat"):
        raise Misconfigured(f"f/chatbot/ai_settings: {key} takes no requests_per_minute; chat and fallback_chat do.")
    return int(_number(value, f"{key}.requests_per_minute", least=1.0))


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
