"""A job pays only for the provider that it calls, and a member only for what they wait for."""

import json
import subprocess
import sys

import pytest

from f.core.ai_settings import AiSettings
from tests.providers.conftest import KEYS

FACES = "import f.core.embedding, f.core.reranking, f.core.answering, f.core.provider_health"
COSTLY = {"cohere", "groq", "httpx", "pydantic", "ssl", "asyncio", "concurrent.futures"}


def modules_after(code: str) -> set[str]:
    """Run code in a process of its own and return the modules that it has loaded."""
    ask = f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, timeout=30)
    return set(json.loads(done.stdout))


def test_the_faces_load_no_package_and_no_provider() -> None:
    loaded = modules_after(FACES)
    assert not loaded & COSTLY
    assert not {name for name in loaded if name.startswith("f.core.") and name.endswith("_models")}


def test_offline_loads_no_package() -> None:
    code = f"""{FACES}
from f.core.ai_settings import AiSettings, ModelSettings, ProviderKeys
model = ModelSettings("offline")
settings = AiSettings("offline", model, model, rerank=model)
f.core.embedding.embed_texts(["text"], "query", settings, ProviderKeys("", ""))
f.core.reranking.rerank("what", ["text"], settings, ProviderKeys("", ""))"""
    assert not modules_after(code) & COSTLY


@pytest.mark.parametrize(
    ("module", "loads", "leaves"),
    [
        ("groq_models", "groq", "cohere"),
        ("cohere_models", "cohere", "groq"),
        ("openai_compatible_models", "httpx", "groq"),
    ],
)
def test_a_provider_loads_its_own_sdk_only(module: str, loads: str, leaves: str) -> None:
    code = f"""from f.core.{module} import model_check
from f.core.provider_calls import Deadline, Target, run_with_fallback
from f.core.ai_settings import ModelSettings
from f.core.errors import ProviderUnavailable
call = lambda: model_check(ModelSettings("m", "http://127.0.0.1:1"), "key")()
try:
    run_with_fallback([Target("cohere", "m", call)], Deadline(0.2), tries=1)
except ProviderUnavailable:
    pass"""
    loaded = modules_after(code)
    assert loads in loaded
    assert leaves not in loaded


def test_what_a_member_waits_for_loads_no_sdk() -> None:
    code = """
from f.core import cohere_models, groq_models
from f.core.ai_settings import ModelSettings
from f.core.provider_calls import Deadline, Target, run_with_fallback
from f.core.errors import ProviderUnavailable
model = ModelSettings("m", "http://127.0.0.1:1")
for call in (
    lambda: cohere_models.embed(["text"], "query", model, "key"),
    lambda: cohere_models.rerank("what", ["text"], model, "key"),
    lambda: cohere_models.chat([], model, "key", 1),
    lambda: next(cohere_models.chat_stream([], model, "key", 1)),
    lambda: groq_models.chat([], model, "key", 1),
    lambda: next(groq_models.chat_stream([], model, "key", 1)),
):
    try:
        run_with_fallback([Target("cohere", "m", call)], Deadline(0.2), tries=1)
    except ProviderUnavailable:
        continue
    raise SystemExit("something answers")"""
    assert not modules_after(code) & {"cohere", "groq", "pydantic", "asyncio", "click", "concurrent.futures"}


def test_a_members_job_loads_nothing_that_only_other_jobs_need() -> None:
    loaded = modules_after("import f.chatbot.chat, f.chatbot.search")
    assert not loaded & {"cohere", "groq", "pydantic", "asyncio", "anyio", "click", "pgvector", "numpy", "fractions"}
    assert not {name for name in loaded if name.startswith("f.core.") and name.endswith("_models")}


@pytest.mark.parametrize(
    "asks",
    [
        "from f.core import provider_health; provider_health.CHECK_SECONDS = 3\n"
        "print([one['problem'] for one in provider_health.check_providers(settings, keys)], end=' ')",
        "from f.core.embedding import embed_texts; embed_texts(['a text'], 'document', settings, keys)",
    ],
    ids=["health", "documents"],
)
def test_an_import_that_takes_long_takes_none_of_the_providers_time(cloud: AiSettings, asks: str) -> None:
    models = {name: (getattr(cloud, name).model, getattr(cloud, name).base_url) for name in ("embed", "chat")}
    code = f"""
import sys, time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name in ("cohere", "groq"):
            time.sleep(4)  # longer than a provider has for a check, or for all tries
sys.meta_path.insert(0, Slow())
from f.core.ai_settings import AiSettings, ModelSettings, ProviderKeys
embed, chat = (ModelSettings(*{models!r}[name]) for name in ("embed", "chat"))
settings = AiSettings("cloud", embed, chat, deadline_seconds=3)
keys = ProviderKeys({KEYS.cohere!r}, {KEYS.groq!r})
{asks}"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() in ("", "[None, None]")
