"""Which model a tenant is searched with, by the settings: the one of its space, with what belongs to it."""

from typing import Any

import pytest

from f.core.ai_settings import AiSettings, parse_ai_settings
from f.core.errors import Misconfigured

OFFLINE: dict[str, Any] = {"provider": "offline", "embed": {"model": "a"}, "chat": {"model": "c"}}


def settings(**more: object) -> AiSettings:
    return parse_ai_settings({**OFFLINE, **more})


def test_a_tenant_is_in_the_first_space_until_it_was_moved() -> None:
    known = settings(minimum_similarity=0.2, next_embed={"model": "b", "minimum_similarity": 0.4, "vector_weight": 2})

    for model in (None, "a", "long ago"):
        assert known.in_space(model) is known
    there = known.in_space("b")
    assert (there.embed.model, there.minimum_similarity, there.vector_weight) == ("b", 0.4, 2)
    assert (there.chat, there.provider) == (known.chat, known.provider)


def test_what_belongs_to_a_model_is_not_taken_over_from_the_other() -> None:
    known = settings(minimum_similarity=0.2, vector_weight=3, next_embed={"model": "b", "provider": "cloud"})

    there = known.in_space("b")
    assert (there.minimum_similarity, there.vector_weight) == (None, 1.0)


def test_usage_of_both_models_has_its_price() -> None:
    known = settings(next_embed={"model": "b", "usd_per_million_input_tokens": 7})

    for space in (known, known.in_space("b")):
        assert [space.prices_of(model) is not None for model in ("a", "b", "c", "d")] == [True, True, True, False]


@pytest.mark.parametrize(
    "entry",
    [
        {"model": "a"}, {"model": ""}, {}, "b", {"model": "b", "provider": "elsewhere"},
        {"model": "b", "vector_weight": -1}, {"model": "b", "minimum_similarity": "0.2"},
        {"model": "b", "requests_per_minute": 3},
    ],
)  # fmt: skip
def test_a_next_model_that_is_none_is_refused(entry: object) -> None:
    with pytest.raises(Misconfigured, match="ai_settings"):
        settings(next_embed=entry)


def test_only_models_that_embed_have_a_provider_of_their_own() -> None:
    assert settings(embed={"model": "a", "provider": "openai_compatible"}).vector_weight == 1.0
    with pytest.raises(Misconfigured, match=r"chat\.provider"):
        settings(chat={"model": "c", "provider": "cloud"})
