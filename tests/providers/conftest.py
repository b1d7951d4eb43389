"""Providers on loopback, settings that lead to them, and pauses short enough for tests."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import cohere as _cohere  # noqa: F401 - loaded here, so that no test's deadline has to bear it
import groq as _groq  # noqa: F401 - the same
import pytest

from f.core import provider_calls
from f.core.ai_settings import AiSettings, ModelSettings, ProviderKeys
from f.core.prompts import AnswerRequest, Passage
from tests.support.provider_servers import (
    CohereServer,
    OpenAiServer,
    cohere_server,
    groq_server,
    openai_server,
)

KEYS = ProviderKeys(cohere="co-SECRET-cohere-key", groq="gsk-SECRET-groq-key")
SECRETS = ("SECRET", "Bearer", "confidential", "uthorization", "equest-Id", "req_429")
"""What no error may show: the keys, and the words that the tests put into texts, questions and headers."""

REQUEST = AnswerRequest(
    question="What does the confidential policy exclude?",
    passages=[Passage(1, "Policy", "Exclusions", 3, "The confidential policy excludes floods.")],
    history=[],
    language="english",
)

MakeSettings = Callable[..., AiSettings]

PATIENT_SECONDS = 60
"""The deadline of what is answered, on any machine; a test in which something hangs sets a shorter one."""


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back off in milliseconds."""
    monkeypatch.setattr(provider_calls, "FIRST_PAUSE_SECONDS", 0.005)


@pytest.fixture
def cohere() -> Iterator[CohereServer]:
    with cohere_server() as server:
        server.key = KEYS.cohere
        yield server


@pytest.fixture
def groq() -> Iterator[OpenAiServer]:
    with groq_server() as server:
        server.key = KEYS.groq
        yield server


@pytest.fixture
def ollama() -> Iterator[OpenAiServer]:
    with openai_server() as server:
        yield server


@pytest.fixture
def cloud(cohere: CohereServer, groq: OpenAiServer) -> AiSettings:
    """Groq with Cohere behind it."""
    return AiSettings(
        provider="cloud",
        embed=ModelSettings("embed-v4.0", cohere.base_url),
        rerank=ModelSettings("rerank-v3.5", cohere.base_url),
        chat=ModelSettings("openai/gpt-oss-120b", groq.base_url),
        fallback_chat=ModelSettings("command-a-03-2025", cohere.base_url),
        deadline_seconds=PATIENT_SECONDS,
    )


@pytest.fixture
def groq_alone(cloud: AiSettings) -> AiSettings:
    """Groq with nothing behind it."""
    return replace(cloud, fallback_chat=None)


@pytest.fixture
def cohere_alone(cloud: AiSettings, groq: OpenAiServer) -> AiSettings:
    """Cohere answers, since Groq does not serve the model."""
    groq.models = []
    return cloud


@pytest.fixture
def local(ollama: OpenAiServer) -> AiSettings:
    """One server of one's own."""
    return AiSettings(
        provider="openai_compatible",
        embed=ModelSettings("bge-m3", f"{ollama.base_url}/v1"),
        chat=ModelSettings("llama3.1:8b", f"{ollama.base_url}/v1"),
        deadline_seconds=PATIENT_SECONDS,
    )


OFFLINE = AiSettings(
    provider="offline",
    embed=ModelSettings("offline-hashing-1024"),
    rerank=ModelSettings("offline-overlap"),
    chat=ModelSettings("offline-sentences"),
)
