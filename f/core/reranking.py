"""How well texts answer a question, from the provider that the settings choose.

Shared module: the face for reranking. It reads and writes nothing. It promises one score in [0, 1] for each text.
"""

from dataclasses import dataclass
from functools import partial
from math import ceil

from f.core.ai_settings import AiSettings, ModelSettings, ProviderKeys
from f.core.errors import Misconfigured, ProviderRejected
from f.core.provider_calls import Deadline, Target, run_with_fallback, usable_key

TEXTS_PER_SEARCH = 100
"""What Cohere bills as one search."""


@dataclass(frozen=True, slots=True)
class Reranking:
    """What reranking some texts came to.

    Attributes:
        scores: Relevance in [0, 1], more is better, aligned with the texts. Scores of two questions or two models are
            not comparable.
        searches: What is billed.
        model: The model that scored.
    """

    scores: list[float]
    searches: int
    model: str


def rerank(question: str, texts: list[str], settings: AiSettings, keys: ProviderKeys) -> Reranking:
    """Score texts by how well they answer a question.

    One call, which has ``settings.deadline_seconds`` for all its tries. A repeat is safe, and costs again. No texts
    give no scores and no call.

    Raises:
        ProviderUnavailable: When the provider does not answer.
        ProviderRejected: When it refuses the request or the key, or sends scores that cannot be used.
        Misconfigured: When the settings name no model for this, or the key is missing.
    """
    model = settings.rerank
    if model is None:
        raise Misconfigured("f/chatbot/ai_settings: rerank names no model.")
    if not texts:
        return Reranking([], 0, model.model)
    target = _target(question, texts, model, settings, keys)
    results, searches = run_with_fallback([target], Deadline(settings.deadline_seconds))
    scores = dict(results)
    usable = all(0.0 <= score <= 1.0 for score in scores.values())  # false for a NaN, too
    if len(results) != len(texts) or scores.keys() != set(range(len(texts))) or not usable:
        raise ProviderRejected(f"The model {model.model} did not send one score in [0, 1] for each text.")
    return Reranking(
        scores=[scores[index] for index in range(len(texts))],
        searches=ceil(len(texts) / TEXTS_PER_SEARCH) if searches is None else searches,
        model=model.model,
    )


def _target(
    question: str, texts: list[str], model: ModelSettings, settings: AiSettings, keys: ProviderKeys
) -> Target[tuple[list[tuple[int, float]], int | None]]:
    """Choose the provider; only its module is imported, because each costs a job one request."""
    if settings.provider == "cloud":
        from f.core.cohere_models import rerank as score  # noqa: PLC0415

        key = usable_key("cohere", keys.cohere)
        return Target("cohere", model.model, partial(score, question, texts, model, key))
    if settings.provider == "openai_compatible":
        raise Misconfigured("f/chatbot/ai_settings: the provider openai_compatible cannot rerank; set rerank to null.")
    from f.core.offline_models import rerank as score_here  # noqa: PLC0415

    return Target("offline", model.model, lambda: (list(enumerate(score_here(question, texts))), None))
