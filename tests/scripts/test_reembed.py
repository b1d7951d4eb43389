"""Changing the embedding model over HTTP: both models side by side, one space searched at a time, one switch."""

import json
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from threading import Event

import pytest

from tests.conftest import InstallationMaker
from tests.support.cloud import Cloud, cloud_of, in_parallel, usage
from tests.support.installation import Installation, Json, Tenant
from tests.support.patience import wait_until
from tests.support.provider_faults import hang, status

REEMBED, EMBED, SEARCH = "f/operations/reembed", "f/chatbot/embed", "f/chatbot/search"
OLD, NEXT = "embed-v4.0", "next-model"
KILLS = 8
SUBJECTS = ("harbour", "orchard", "railway", "library")


def space(shift: int) -> Callable[[list[str]], list[list[float]]]:
    """Make vectors by the first subject that a text names; in each space a question's word names another subject."""

    def embed(texts: list[str]) -> list[list[float]]:
        return [vector_of(text.casefold(), shift) for text in texts]

    return embed


def vector_of(text: str, shift: int) -> list[float]:
    vector = [0.0] * 1024
    named = [number for number, subject in enumerate(SUBJECTS) if subject in text]
    vector[named[0] if named else shift] = 1.0
    vector[-1] = 0.01
    return vector


def next_embed(cloud: Cloud, **more: object) -> Json:
    """Return the entry of the next model, which another provider serves."""
    served = {"provider": "openai_compatible", "base_url": f"{cloud.groq.base_url}/v1"}
    return {"model": NEXT, **served, "usd_per_million_input_tokens": 0.02, "vector_weight": 1, **more}


@pytest.fixture(scope="module")
def running(make_installation: InstallationMaker) -> Iterator[Cloud]:
    """An installation of its own: moving can be for all of its tenants."""
    with cloud_of(make_installation()) as cloud:
        yield cloud


@pytest.fixture
def cloud(running: Cloud) -> Cloud:
    running.reset()
    running.use(rerank=None)
    running.cohere.embed, running.groq.embed = space(0), space(1)
    return running


def with_documents(cloud: Cloud, number: int = 4) -> Tenant:
    tenant = cloud.installation.new_tenant()
    for count in range(number):
        subject = SUBJECTS[count % len(SUBJECTS)]
        cloud.installation.add_document(tenant, f"Number {count} is about the {subject}.", f"Paper {count}")
    return tenant


def first_found(installation: Installation, tenant: Tenant) -> str:
    """Ask for what no document holds a word of: only vectors find it. The harbour is near to it in the old space."""
    found = installation.run(SEARCH, tenant_id=tenant.id, query="quayside", limit=1).data
    assert found["degraded"] is False, found
    return str(found["documents"][0]["snippet"])


def models(installation: Installation, tenant: Tenant) -> Json:
    [row] = installation.query(
        """
        SELECT t.embedding_model AS tenant,
               ARRAY(SELECT DISTINCT embedding_model FROM document_chunks WHERE tenant_id = t.id) AS chunks,
               ARRAY(SELECT DISTINCT embedding_model FROM documents WHERE tenant_id = t.id) AS documents,
               (SELECT count(*) FROM next_embeddings WHERE tenant_id = t.id) AS beside
        FROM tenants AS t WHERE t.id = %s
        """,
        (tenant.id,),
    )
    return row


def moved(beside: int = 0) -> Json:
    return {"tenant": NEXT, "chunks": [NEXT], "documents": [NEXT], "beside": beside}


def tokens_by_model(installation: Installation, tenant: Tenant) -> dict[str, int]:
    """Add up what was paid for embedding, by the model."""
    totals: dict[str, int] = {}
    for event in usage(installation, tenant, "embed"):
        totals[event["model"]] = totals.get(event["model"], 0) + event["input_tokens"]
    return totals


def test_a_tenant_is_searched_in_the_old_space_until_all_of_it_is_in_the_next(cloud: Cloud) -> None:
    installation, tenant = cloud.installation, with_documents(cloud)
    assert "harbour" in first_found(installation, tenant)
    cloud.use(rerank=None, next_embed=next_embed(cloud))

    part = installation.run(REEMBED, tenant_id=tenant.id, limit=3).data
    assert (part["chunks"], part["moved"], part["remaining"]) == (3, 0, 1)
    assert models(installation, tenant) == {"tenant": None, "chunks": [OLD], "documents": [OLD], "beside": 3}
    assert "harbour" in first_found(installation, tenant)

    rest = installation.run(REEMBED, tenant_id=tenant.id).data
    assert (rest["chunks"], rest["moved"], rest["remaining"], rest["model"]) == (1, 1, 0, NEXT)
    assert models(installation, tenant) == moved()
    assert "orchard" in first_found(installation, tenant)
    assert "orchard" in first_found(installation, tenant), "and what is remembered of the question is of this space"


def test_a_repeat_asks_no_provider_and_changes_nothing(cloud: Cloud) -> None:
    installation, tenant = cloud.installation, with_documents(cloud)
    cloud.use(rerank=None, next_embed=next_embed(cloud))
    installation.run(REEMBED, tenant_id=tenant.id).done()
    counted = usage(installation, tenant)
    cloud.groq.requests.clear()
    cloud.cohere.requests.clear()

    data = installation.run(REEMBED, tenant_id=tenant.id).data

    assert (data["chunks"], data["moved"], data["remaining"], data["cost_microusd"]) == (0, 0, 0, 0)
    assert (cloud.groq.requests, cloud.cohere.requests) == ([], [])
    assert usage(installation, tenant) == counted


def test_what_is_stored_in_a_tenant_that_was_moved_is_embedded_by_the_next_model(cloud: Cloud) -> None:
    installation, tenant = cloud.installation, with_documents(cloud)
    other = with_documents(cloud)
    cloud.use(rerank=None, next_embed=next_embed(cloud))
    installation.run(REEMBED, tenant_id=tenant.id).done()

    for each in (tenant, other):
        installation.add_document(each, "One more is about the library.", "One more")

    assert models(installation, tenant) == moved()
    assert models(installation, other) == {"tenant": None, "chunks": [OLD], "documents": [OLD], "beside": 0}
    assert "orchard" in first_found(installation, tenant)
    assert "harbour" in first_found(installation, other)


def test_when_all_are_moved_the_next_model_can_take_the_first_ones_place_in_the_settings(cloud: Cloud) -> None:
    installation, tenant = cloud.installation, with_documents(cloud)
    cloud.use(rerank=None, next_embed=next_embed(cloud))
    installation.run(REEMBED, tenant_id=tenant.id).done()

    cloud.use(rerank=None, embed={k: v for k, v in next_embed(cloud).items() if k != "vector_weight"})

    assert "orchard" in first_found(installation, tenant)
    assert installation.run(REEMBED, tenant_id=tenant.id).data["chunks"] == 0


def test_a_model_that_was_changed_at_once_is_caught_up_with(cloud: Cloud) -> None:
    installation, tenant = cloud.installation, with_documents(cloud)
    cloud.use(rerank=None, embed={k: v for k, v in next_embed(cloud).items() if k != "vector_weight"})
    assert installation.run(SEARCH, tenant_id=tenant.id, query="quayside").data["documents"] == []

    assert installation.run(REEMBED, tenant_id=tenant.id).data["chunks"] == 4

    assert models(installation, tenant) == moved()
    assert "orchard" in first_found(installation, tenant)


def test_a_document_that_was_deleted_is_moved_too_and_a_removed_passage_is_not_waited_for(cloud: Cloud) -> None:
    installation, tenant = cloud.installation, with_documents(cloud)
    cloud.use(rerank=None, next_embed=next_embed(cloud))
    installation.run(REEMBED, tenant_id=tenant.id, limit=2).done()
    installation.query(
        "UPDATE documents SET deleted_at = now() WHERE tenant_id = %s AND title = 'Paper 0'", (tenant.id,)
    )
    installation.query("DELETE FROM documents WHERE tenant_id = %s AND title = 'Paper 1'", (tenant.id,))

    installation.run(REEMBED, tenant_id=tenant.id).done()

    assert models(installation, tenant) == moved()
    [row] = installation.query("SELECT count(*) AS n FROM document_chunks WHERE tenant_id = %s", (tenant.id,))
    assert row["n"] == 3


def test_a_search_during_which_its_tenant_is_moved_finds_what_is_near_in_the_next_space(cloud: Cloud) -> None:
    installation, tenant = cloud.installation, with_documents(cloud)
    cloud.use(rerank=None, next_embed=next_embed(cloud), deadline_seconds=60, search_deadline_seconds=60)
    asked, go_on = Event(), Event()

    def slowly(texts: list[str]) -> list[list[float]]:
        asked.set()
        assert go_on.wait(30)
        return space(0)(texts)

    cloud.cohere.embed = slowly
    job = installation.start(SEARCH, tenant_id=tenant.id, query="quayside", limit=1)
    assert asked.wait(30)
    installation.run(REEMBED, tenant_id=tenant.id).done()
    go_on.set()

    result = installation.wait(job)["result"]
    found = result.get("data") or pytest.fail(str(result))
    assert "orchard" in found["documents"][0]["snippet"]
    assert found["degraded"] is False
    asked_of = [event["model"] for event in usage(installation, tenant, "embed") if event["document_id"] is None]
    assert sorted(set(asked_of)) == [OLD, NEXT], "both questions were paid for"


def test_two_runs_at_once_do_not_pay_twice(cloud: Cloud) -> None:
    installation, tenant = cloud.installation, with_documents(cloud)
    cloud.use(rerank=None, next_embed=next_embed(cloud), deadline_seconds=60, search_deadline_seconds=60)
    asked, go_on = Event(), Event()

    def slowly(texts: list[str]) -> list[list[float]]:
        asked.set()
        assert go_on.wait(30)
        return space(1)(texts)

    cloud.groq.embed = slowly
    job = installation.start(REEMBED, tenant_id=tenant.id)
    assert asked.wait(30)
    refused = installation.run(REEMBED, tenant_id=tenant.id)
    go_on.set()

    refused.refused(409, "conflict")
    assert installation.wait(job)["result"]["data"]["chunks"] == 4
    assert models(installation, tenant) == moved()


def test_a_provider_that_fails_leaves_the_old_space_as_it_was(cloud: Cloud) -> None:
    installation, tenant = cloud.installation, with_documents(cloud)
    cloud.use(rerank=None, next_embed=next_embed(cloud))
    cloud.groq.fail(status(500), on="/embeddings", times=None)

    assert "provider" in installation.run(REEMBED, tenant_id=tenant.id).crashed().casefold()
    assert models(installation, tenant)["tenant"] is None
    assert "harbour" in first_found(installation, tenant)

    cloud.groq.recover()
    installation.run(REEMBED, tenant_id=tenant.id).done()
    assert models(installation, tenant) == moved()


def test_a_move_killed_again_and_again_ends_whole_and_each_vector_is_paid_for_once(cloud: Cloud) -> None:
    installation = cloud.installation
    undisturbed, tenant = installation.new_tenant(), installation.new_tenant()
    text = "\n\n".join(f"# Part {n}\n\n" + f"Number {n} is about the {SUBJECTS[n % 4]}. " * 30 for n in range(500))
    for each in (undisturbed, tenant):
        installation.add_document(each, text, "Parts")
    cloud.use(rerank=None, next_embed=next_embed(cloud))
    installation.run(REEMBED, tenant_id=undisturbed.id).done()
    chance = random.Random(11)
    ends = Event()

    def slowly(texts: list[str]) -> list[list[float]]:
        ends.wait(chance.uniform(0.05, 0.6))
        return space(1)(texts)

    cloud.groq.embed = slowly
    for _ in range(KILLS):
        cloud.groq.requests.clear()
        job = installation.start(REEMBED, tenant_id=tenant.id)
        wait_until(lambda job=job: bool(cloud.groq.requests) or "success" in installation.job(job))  # type: ignore[misc]
        time.sleep(chance.uniform(0, 0.7))
        installation.cancel(job)
        installation.wait(job)
        state = models(installation, tenant)
        assert state == moved() or (state["tenant"], state["chunks"]) == (None, [OLD])
    ends.set()
    wait_until(lambda: installation.run(REEMBED, tenant_id=tenant.id).status == 200)

    assert models(installation, tenant) == moved()
    assert tokens_by_model(installation, tenant)[NEXT] == tokens_by_model(installation, undisturbed)[NEXT]


def test_the_vector_index_of_a_small_tenant_goes_and_a_tenant_without_documents_is_moved(cloud: Cloud) -> None:
    installation, tenant = cloud.installation, with_documents(cloud)
    empty = installation.new_tenant()
    index = f"document_chunks_nearest_{tenant.id.replace('-', '')}"
    installation.query(
        f"CREATE INDEX {index} ON document_chunks USING hnsw (embedding halfvec_cosine_ops)"
        f" WHERE tenant_id = '{tenant.id}'"
    )
    cloud.use(rerank=None, next_embed=next_embed(cloud))

    assert installation.run(REEMBED).data["moved"] >= 2

    assert models(installation, empty)["tenant"] == NEXT
    assert installation.query("SELECT 1 FROM pg_class WHERE relname = %s", (index,)) == []
    assert "orchard" in first_found(installation, tenant)


def test_several_searches_while_a_tenant_is_moved_all_find_something(cloud: Cloud) -> None:
    installation, tenant = cloud.installation, with_documents(cloud)
    cloud.use(rerank=None, next_embed=next_embed(cloud))
    calls: list[Callable[[], str]] = [partial(first_found, installation, tenant) for _ in range(8)]
    calls.insert(4, lambda: str(installation.run(REEMBED, tenant_id=tenant.id).data["moved"]))

    found = in_parallel(calls)

    assert found.pop(4) == "1"
    assert all("harbour" in text or "orchard" in text for text in found), found
    cloud.groq.fail(hang(), on="/embeddings", times=None)


def test_a_passage_that_the_next_model_refuses_keeps_its_own_tenant_alone_from_being_moved(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation, first, second = cloud.installation, with_documents(cloud), with_documents(cloud)
    installation.add_document(first, "A text that a provider refuses to read.", "Refused")
    cloud.use(rerank=None, next_embed=next_embed(cloud))
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(
            cloud.groq, "refusal", lambda request: 400 if "refuses to read" in json.dumps(request.body) else None
        )
        answer = installation.run(REEMBED)

    assert answer.body["error"]["extra"]["error_code"] == "provider_rejected"
    assert first.id in answer.text
    assert second.id not in answer.text
    assert (models(installation, first)["tenant"], models(installation, second)["tenant"]) == (None, NEXT)
    installation.run(REEMBED).done()
    assert models(installation, first) == moved()


def test_a_tenant_whose_model_the_settings_no_longer_name_is_told_that_words_alone_were_searched(cloud: Cloud) -> None:
    installation, tenant = cloud.installation, with_documents(cloud)
    cloud.use(rerank=None, next_embed=next_embed(cloud))
    installation.run(REEMBED, tenant_id=tenant.id).done()
    cloud.use(rerank=None)

    found = installation.run(SEARCH, tenant_id=tenant.id, query="harbour").data
    answer = installation.run("f/chatbot/chat", tenant_id=tenant.id, question="Where is the harbour?").data

    assert (found["total"], found["degraded"], answer["degraded"]) == (1, True, True)
    assert "only words were searched" in found["notice"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"tenant_id": "x"}, "invalid_argument"),
        ({"limit": 0}, "invalid_argument"),
        ({"limit": "9"}, "invalid_argument"),
    ],
)
def test_wrong_arguments_are_refused(cloud: Cloud, arguments: Json, code: str) -> None:
    cloud.installation.run(REEMBED, **arguments).refused(422, code)


def test_a_tenant_that_is_not_there_is_not_moved(cloud: Cloud) -> None:
    cloud.installation.run(REEMBED, tenant_id="00000000-0000-4000-8000-000000000000").refused(404, "not_found")
