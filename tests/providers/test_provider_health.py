"""Checking the providers: every role, nothing that costs, nothing that raises."""

import time
from dataclasses import replace

import pytest

from f.core.ai_settings import AiSettings, ModelSettings, ProviderKeys
from f.core.provider_health import check_providers
from tests.providers.conftest import KEYS, OFFLINE
from tests.support import provider_faults as faults
from tests.support.patience import PROMPTLY_SECONDS
from tests.support.provider_faults import Fault
from tests.support.provider_servers import CohereServer, OpenAiServer

ROLES = ["embed", "rerank", "chat", "fallback_chat"]


def test_all_roles_are_well_and_nothing_was_paid_for(
    cloud: AiSettings, cohere: CohereServer, groq: OpenAiServer
) -> None:
    health = check_providers(cloud, KEYS)
    assert [(entry["role"], entry["ok"], entry["problem"]) for entry in health] == [
        (role, True, None) for role in ROLES
    ]
    assert [entry["model"] for entry in health][2] == "openai/gpt-oss-120b"
    assert all(0 <= entry["latency_ms"] < 5000 for entry in health)
    requests = [*cohere.requests, *groq.requests]
    assert {request.method for request in requests} == {"GET"}
    assert all("/models" in request.path for request in requests)


def test_a_refused_key_and_a_retired_model_are_told(
    cloud: AiSettings, cohere: CohereServer, groq: OpenAiServer
) -> None:
    groq.key = "another"
    cohere.models = ["embed-v4.0", "rerank-v3.5"]
    problems = {entry["role"]: entry["problem"] or "" for entry in check_providers(cloud, KEYS)}
    assert problems["embed"] == problems["rerank"] == ""
    assert "refuses the key in f/chatbot/groq_api_key (HTTP 401)" in problems["chat"]
    assert "does not serve this model (HTTP 404)" in problems["fallback_chat"]


def test_a_model_that_is_not_listed_is_told(groq_alone: AiSettings, groq: OpenAiServer) -> None:
    groq.models = ["openai/gpt-oss-20b"]
    problems = {entry["role"]: entry["problem"] or "" for entry in check_providers(groq_alone, KEYS)}
    assert "does not list this model" in problems["chat"]
    assert len(groq.requests) == 1


@pytest.mark.parametrize("fault", [faults.status(500), faults.html(200), faults.other_json([1]), faults.cut()])
def test_what_is_broken_is_told_after_one_try(
    cloud: AiSettings, cohere: CohereServer, groq: OpenAiServer, fault: Fault
) -> None:
    for server in (cohere, groq):
        server.fail(fault, times=None)
    health = check_providers(cloud, KEYS)
    assert [entry["ok"] for entry in health] == [False] * 4
    assert all(entry["problem"] for entry in health)
    assert (len(cohere.requests), len(groq.requests)) == (3, 1)


def test_hanging_providers_are_waited_for_together(
    cloud: AiSettings, cohere: CohereServer, groq: OpenAiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("f.core.provider_health.CHECK_SECONDS", 0.4)
    for server in (cohere, groq):
        server.fail(faults.hang(), times=None)
    started = time.monotonic()
    assert not any(entry["ok"] for entry in check_providers(cloud, KEYS))
    assert time.monotonic() - started < PROMPTLY_SECONDS


def test_missing_keys_are_told(cloud: AiSettings) -> None:
    problems = [entry["problem"] or "" for entry in check_providers(cloud, ProviderKeys(cohere="", groq=""))]
    assert ["is empty" in problem for problem in problems] == [True] * 4


def test_a_server_of_ones_own_is_asked_for_its_list(local: AiSettings, ollama: OpenAiServer) -> None:
    health = check_providers(replace(local, rerank=None, fallback_chat=None), ProviderKeys(cohere="", groq=""))
    assert [(entry["role"], entry["ok"]) for entry in health] == [("embed", True), ("chat", True)]
    assert {request.path for request in ollama.requests} == {"/v1/models"}


def test_an_address_that_is_missing_is_told(local: AiSettings) -> None:
    (embed, chat) = check_providers(replace(local, embed=ModelSettings("bge-m3")), KEYS)
    assert "base_url" in (embed["problem"] or "")
    assert chat["ok"]


def test_even_an_error_of_ours_is_told_without_its_text(cloud: AiSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise FileNotFoundError("/secret/path")

    monkeypatch.setattr("f.core.cohere_models.http_client", broken)
    problems = [entry["problem"] for entry in check_providers(cloud, KEYS)]
    assert problems == ["The check itself failed: FileNotFoundError."] * 2 + [None] + [problems[0]]


def test_offline_models_are_always_there() -> None:
    assert [(entry["role"], entry["ok"]) for entry in check_providers(OFFLINE, ProviderKeys(cohere="", groq=""))] == [
        ("embed", True),
        ("rerank", True),
        ("chat", True),
    ]
