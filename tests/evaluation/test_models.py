"""The models that can be evaluated, and what is said of those that cannot."""

import importlib.util
from pathlib import Path

import pytest

from evaluation.models import ModelError, chosen_models
from f.core.ai_settings import parse_ai_settings
from f.core.errors import Misconfigured
from f.core.offline_models import embed
from local.settings import OFFLINE_SETTINGS
from tests.support.provider_servers import openai_server


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        ("cohere", "COHERE_API_KEY"),
        ("openai_compatible", "--model"),
        ("unknown", "must be one of offline, cohere"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, provider: str, said: str
) -> None:
    monkeypatch.delenv("COHERE_API_KEY", raising=False)
    with pytest.raises(ModelError, match=said):
        chosen_models(provider)


def test_a_server_needs_its_address() -> None:
    with pytest.raises(ModelError, match="--base-url"):
        chosen_models("openai_compatible", "some-model")


@pytest.mark.skipif(importlib.util.find_spec("sentence_transformers") is not None, reason="it is installed here")
def test_a_local_model_says_what_to_install() -> None:
    with pytest.raises(ModelError, match=r"installed separately: .*pip install .* sentence-transformers"):
        chosen_models("sentence_transformers", "some-model")


def test_a_server_is_asked_once_for_each_text_when_vectors_are_kept(tmp_path: Path) -> None:
    with openai_server() as server:
        models = chosen_models("openai_compatible", "some-model", f"{server.base_url}/v1", tmp_path)
        first = models.embed_documents(["one text", "another text", "one text"])
        assert first[0] == first[2]
        assert first[0] == pytest.approx(embed(["one text"])[0], abs=1e-6)
        assert server.requests_to("/embeddings")[0].body["input"] == ["one text", "another text"]
        assert models.embed_documents(["another text"]) == [first[1]]
        assert len(server.requests_to("/embeddings")) == 1
        models.embed_questions(["one text"])  # asked is not found: some models treat the two differently
        assert len(server.requests_to("/embeddings")) == 2


def test_what_vectors_count_belongs_to_the_model() -> None:
    offline = chosen_models("offline").settings
    assert offline == parse_ai_settings(dict(OFFLINE_SETTINGS))
    assert offline.vector_weight < parse_ai_settings({**OFFLINE_SETTINGS, "provider": "cloud"}).vector_weight == 1.0
    assert parse_ai_settings({**OFFLINE_SETTINGS, "vector_weight": 0.5}).vector_weight == 0.5
    with pytest.raises(Misconfigured, match="vector_weight"):
        parse_ai_settings({**OFFLINE_SETTINGS, "vector_weight": -1})
