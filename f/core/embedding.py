"""Vectors of texts, from the provider that the settings choose.

Shared module: the face for embedding. It reads and writes nothing. It promises that what it returns is complete: as
many vectors as texts, in their order, of 1024 finite numbers each, all from the model it names.
"""

from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Literal

from f.core.ai_settings import AiSettings, ProviderKeys
from f.core.errors import ProviderRejected
from f.core.provider_calls import Deadline, Target, run_with_fallback, usable_key

EMBEDDING_DIMENSION = 1024
"""Numbers in a vector; the database's columns have this length."""

BATCH_SIZE = 96
"""Texts in one call, the most that Cohere takes."""

CALLS_IN_FLIGHT = 4
"""Calls made at once when there are more texts than fit one."""

Vectors = list[list[float]]
Purpose = Literal["document", "query"]


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What embedding some texts came to.

    Attributes:
        vectors: One for each text, in the texts' order.
        input_tokens: What was read, over all calls.
        model: The model that made all of them; vectors of two models are never compared.
        estimated: Whether the provider did not count the tokens, so that they are a quarter of the UTF-8 bytes.
    """

    vectors: Vectors
    input_tokens: int
    model: str
    estimated: bool = False


def embed_texts(texts: list[str], purpose: Purpose, settings: AiSettings, keys: ProviderKeys) -> Embeddings:
    """Embed texts, ``BATCH_SIZE`` a call and several calls at once.

    Each call has ``settings.deadline_seconds`` for all its tries. A repeat is safe, and costs again. No texts give no
    vectors and no call.

    Args:
        texts: What to embed.
        purpose: ``document`` for what is found, ``query`` for what is asked: the models treat them differently.
        settings: Provider and model.
        keys: The providers' keys.

    Raises:
        ProviderUnavailable: When the provider does not answer; nothing is returned then, whatever came before.
        ProviderRejected: When it refuses the texts or the key, or sends vectors that cannot be used.
        Misconfigured: When the key or the address is missing.
    """
    batches = [texts[start : start + BATCH_SIZE] for start in range(0, len(texts), BATCH_SIZE)]
    embed_batch = partial(_embed_batch, purpose=purpose, settings=settings, keys=keys)
    if len(batches) > 1:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - a query has one batch, and 10 ms count

        with ThreadPoolExecutor(CALLS_IN_FLIGHT) as pool:
            answers = list(pool.map(embed_batch, batches))
    else:
        answers = [embed_batch(batch) for batch in batches]
    return Embeddings(
        vectors=[vector for vectors, _ in answers for vector in vectors],
        input_tokens=sum(_tokens(batch, counted) for batch, (_, counted) in zip(batches, answers, strict=True)),
        model=settings.embed.model,
        estimated=any(counted is None for _, counted in answers),
    )


def _embed_batch(
    texts: list[str], purpose: Purpose, settings: AiSettings, keys: ProviderKeys
) -> tuple[Vectors, int | None]:
    """Embed what fits one call, and check what comes back."""
    target = _target(texts, purpose, settings, keys)
    vectors, input_tokens = run_with_fallback([target], Deadline(settings.deadline_seconds))
    name = settings.embed.model
    if len(vectors) != len(texts):
        raise ProviderRejected(f"The model {name} sent {len(vectors)} vectors for {len(texts)} texts.")
    for vector in vectors:
        if len(vector) != EMBEDDING_DIMENSION:
            raise ProviderRejected(
                f"The model {name} makes vectors of {len(vector)} numbers, and {EMBEDDING_DIMENSION} are needed."
            )
        if not isfinite(sum(vector)):  # a NaN or an infinity anywhere makes the sum one, in a third of the time
            raise ProviderRejected(f"The model {name} sent a vector with a number that is not finite.")
    return vectors, input_tokens


def _target(
    texts: list[str], purpose: Purpose, settings: AiSettings, keys: ProviderKeys
) -> Target[tuple[Vectors, int | None]]:
    """Choose the provider; only its module is imported, because each costs a job one request."""
    model = settings.embed
    provider = model.provider or settings.provider
    if provider == "cloud":
        from f.core.cohere_models import embed, load_sdk  # noqa: PLC0415

        key = usable_key("cohere", keys.cohere)
        if purpose == "document":
            load_sdk()
        return Target("cohere", model.model, partial(embed, texts, purpose, model, key))
    if provider == "openai_compatible":
        from f.core.openai_compatible_models import embed as embed_there  # noqa: PLC0415

        key = usable_key("openai_compatible", keys.groq)
        return Target("openai_compatible", model.model, partial(embed_there, texts, model, key))
    from f.core.offline_models import embed as embed_here  # noqa: PLC0415

    return Target("offline", model.model, lambda: (embed_here(texts), None))


def _tokens(texts: list[str], counted: int | None) -> int:
    """Return the tokens that the provider counted, or an estimate."""
    if counted is not None:
        return counted
    from f.core.words import count_tokens  # noqa: PLC0415 - where nobody counts, which is not in production

    return sum(map(count_tokens, texts))
