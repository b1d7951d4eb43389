"""No error shows a key, a header or a text: not in its message, its chain, its attributes or its traceback."""

import io
import logging
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from f.core.ai_settings import AiSettings, ProviderKeys
from f.core.answering import write_answer
from f.core.embedding import embed_texts
from f.core.errors import KnowledgeError
from f.core.provider_health import check_providers
from f.core.reranking import rerank
from tests.providers.conftest import KEYS, REQUEST, SECRETS
from tests.support import provider_faults as faults
from tests.support.provider_listener import ProviderServer
from tests.support.provider_servers import CohereServer, OpenAiServer

TEXT = "a confidential text"
Task = Callable[[AiSettings, ProviderKeys], object]
TASKS: dict[str, Task] = {
    "embed": lambda settings, keys: embed_texts([TEXT], "document", settings, keys),
    "embed_many": lambda settings, keys: embed_texts([TEXT] * 200, "document", settings, keys),
    "rerank": lambda settings, keys: rerank(TEXT, [TEXT], settings, keys),
    "answer": lambda settings, keys: write_answer(REQUEST, settings, keys),
    "stream": lambda settings, keys: write_answer(REQUEST, settings, keys, lambda text: None),
}
FAULTS = {
    "400": faults.status(400),
    "401": faults.status(401),
    "404": faults.status(404),
    "422": faults.status(422),
    "429": faults.rate_limit(100),
    "503": faults.status(503),
    "html": faults.html(502),
    "html_200": faults.html(200),
    "unparseable": faults.unparseable(),
    "other": faults.other_json({"confidential": "SECRET"}),
    "cut": faults.cut(),
    "hang": faults.hang(),
    "dimension": faults.wrong_dimension(),
    "count": faults.wrong_count(),
    "cut_stream": faults.cut_stream(),
    "garble_stream": faults.garble_stream(),
}


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Collect what reaches a job's log: what is logged from INFO up."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setLevel(logging.INFO)
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


def everything_shown_of(error: BaseException) -> str:
    """Return all that an error could show, following also what a traceback would leave out."""
    shown = [*traceback.format_exception(error), repr(error), str(error), repr(vars(error))]
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        shown += [repr(link), str(link), repr(vars(link))]
        link = link.__cause__ or link.__context__
    return "\n".join(shown)


def failure_of(task: Task, settings: AiSettings, keys: ProviderKeys) -> KnowledgeError | None:
    """Return what a task fails with."""
    try:
        task(settings, keys)
    except KnowledgeError as error:
        return error
    return None


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
@pytest.mark.parametrize("pair", ["cloud", "local"])
def test_no_error_shows_a_secret(request: pytest.FixtureRequest, logged: io.StringIO, pair: str, task: Task) -> None:
    settings = replace(request.getfixturevalue(pair), deadline_seconds=0.15, queue_seconds=0)
    servers: list[ProviderServer] = [request.getfixturevalue(name) for name in ("cohere", "groq", "ollama")]
    failed = set()
    for name, fault in FAULTS.items():
        for server in servers:
            server.recover()
            server.fail(fault, times=None)
            server.answer = lambda messages: "a confidential answer"
        error = failure_of(task, settings, KEYS)
        shown = "" if error is None else everything_shown_of(error)
        assert not [secret for secret in SECRETS if secret in shown + logged.getvalue()], name
        if error is not None:
            failed.add(name)
            assert vars(error).keys() <= {"retry_after_seconds", "http_status", "error_code", "about"}
            assert (error.__cause__, error.__context__) == (None, None), name
    assert failed >= set(FAULTS) - {"dimension", "count", "cut_stream", "garble_stream"}


@pytest.mark.parametrize("key", ["SECRET\nsecond line", "SECRET-κλειδί"])
@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
def test_a_malformed_key_is_not_shown(cloud: AiSettings, task: Task, key: str) -> None:
    with pytest.raises(KnowledgeError) as caught:
        task(cloud, ProviderKeys(cohere=key, groq=key))
    assert "SECRET" not in everything_shown_of(caught.value)


def test_a_health_check_shows_no_secret(
    cloud: AiSettings, cohere: CohereServer, groq: OpenAiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("f.core.provider_health.CHECK_SECONDS", 0.15)
    for fault in FAULTS.values():
        for server in (cohere, groq):
            server.recover()
            server.fail(fault, times=None)
        shown = repr(check_providers(cloud, KEYS))
        assert not [secret for secret in SECRETS if secret in shown]
