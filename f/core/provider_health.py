"""Whether the models that the settings name can be used.

Shared module, for ``f/operations/check_health``. It asks for lists and descriptions of models, which costs nothing,
needs a good key and tells of a retired model before a member notices.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Literal, TypedDict

from f.core.ai_settings import AiSettings, ModelSettings, ProviderKeys
from f.core.errors import KnowledgeError
from f.core.provider_calls import Deadline, ProviderName, Target, run_with_fallback, usable_key

CHECK_SECONDS = 5.0
"""The time for one check; all run at once."""

Role = Literal["embed", "next_embed", "rerank", "chat", "fallback_chat"]
_Use = tuple[Role, ProviderName, ModelSettings]


class ProviderHealth(TypedDict):
    """Whether the model of one role can be used, how long it took to find out, and what is wrong if it cannot."""

    role: Role
    model: str
    ok: bool
    latency_ms: int
    problem: str | None


def check_providers(settings: AiSettings, keys: ProviderKeys) -> list[ProviderHealth]:
    """Check each role that the settings name, all at once, for nothing; no provider has more than ``CHECK_SECONDS``.

    What is wrong is told in the result and never raised. No key is shown. The ``offline`` models are always there.
    """
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - 10 ms that only this check needs

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(partial(_check, keys), _roles(settings)))


def _roles(settings: AiSettings) -> list[_Use]:
    """List what the settings use, each with its provider."""
    cloud: dict[Role, ProviderName] = {
        "embed": "cohere", "next_embed": "cohere", "rerank": "cohere", "chat": "groq", "fallback_chat": "cohere",
    }  # fmt: skip
    models: dict[Role, ModelSettings | None] = {
        "embed": settings.embed,
        "next_embed": settings.next_space.embed if settings.next_space else None,
        "rerank": settings.rerank,
        "chat": settings.chat,
        "fallback_chat": settings.fallback_chat,
    }
    return [
        (role, cloud[role] if served == "cloud" else served, model)
        for role, model in models.items()
        if model is not None
        for served in [model.provider or settings.provider]
    ]


def _check(keys: ProviderKeys, use: _Use) -> ProviderHealth:
    """Check one role, and turn what it raises into a sentence."""
    role, provider, model = use
    started = time.monotonic()
    problem: str | None = None
    try:
        key = usable_key(provider, keys.cohere if provider == "cohere" else keys.groq) if provider != "offline" else ""
        target = Target(provider, model.model, _made_ready(provider, model, key))
        started = time.monotonic()  # what is imported first takes seconds on a slow worker, which no provider can help
        run_with_fallback([target], Deadline(CHECK_SECONDS), first_try_share=1.0, tries=1)
    except KnowledgeError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - a check tells what is wrong, whatever it is; texts may hold secrets
        problem = f"The check itself failed: {type(error).__name__}."
    return {
        "role": role,
        "model": model.model,
        "ok": problem is None,
        "latency_ms": round((time.monotonic() - started) * 1000),
        "problem": problem,
    }


def _made_ready(provider: ProviderName, model: ModelSettings, key: str) -> Callable[[], object]:
    """Import what it takes, and return what asks a provider for a model, once."""
    if provider == "cohere":
        from f.core.cohere_models import model_check  # noqa: PLC0415
    elif provider == "groq":
        from f.core.groq_models import model_check  # noqa: PLC0415
    elif provider == "openai_compatible":
        from f.core.openai_compatible_models import model_check  # noqa: PLC0415
    else:
        return lambda: None
    return model_check(model, key)
