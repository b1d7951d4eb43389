"""Embedding over HTTP: the backlog, two runs at once, leases, and what a provider that fails leaves behind."""

import math
import time
from collections.abc import Callable
from functools import partial
from threading import Barrier, Event
from typing import Any

import pytest

from tests.conftest import InstallationMaker
from tests.support.cloud import Cloud, chunks, document, in_parallel, insert_documents, usage
from tests.support.installation import Installation, Json, Tenant
from tests.support.patience import PROMPTLY_SECONDS, wait_until
from tests.support.provider_faults import (
    Fault,
    hang,
    html,
    not_a_number,
    rate_limit,
    status,
    wrong_count,
    wrong_dimension,
)

EMBED = "f/chatbot/embed"
MODEL = "embed-v4.0"


def letters(number: int, about: str = "letter") -> list[str]:
    return [f"The {about} number {n} is about the roof and the garden." for n in range(number)]


Embedding = Callable[[list[str]], list[list[float]]]


def cheap(pause_seconds: float = 0.0) -> Embedding:
    """Make vectors without thinking, after a pause."""

    def embed(texts: list[str]) -> list[list[float]]:
        time.sleep(pause_seconds)
        return [[float(n == len(text) % 1024) for n in range(1024)] for text in texts]

    return embed


def together(calls: int) -> Embedding:
    """Make vectors as soon as so many calls are in flight; until then none of them is answered."""
    barrier = Barrier(calls, timeout=PROMPTLY_SECONDS)

    def embed(texts: list[str]) -> list[list[float]]:
        barrier.wait()
        return cheap()(texts)

    return embed


def embedded_whole(installation: Installation, tenant: Tenant, model: str = MODEL) -> bool:
    """Tell whether every chunk has a vector of the right length and model, and every document is completed."""
    [row] = installation.query(
        """
        SELECT (SELECT count(*) FROM document_chunks
                WHERE tenant_id = %(tenant)s AND (embedding IS NULL OR embedding_model IS DISTINCT FROM %(model)s
                                                  OR vector_dims(embedding) <> 1024)) AS chunks,
               (SELECT count(*) FROM documents
                WHERE tenant_id = %(tenant)s AND (status <> 'completed' OR embedding_model IS DISTINCT FROM %(model)s
                                                  OR embedding IS NULL OR lease_holder IS NOT NULL)) AS documents
        """,
        {"tenant": tenant.id, "model": model},
    )
    return row == {"chunks": 0, "documents": 0}


def tokens(installation: Installation, tenant: Tenant) -> int:
    return sum(row["input_tokens"] for row in usage(installation, tenant, "embed"))


def test_a_tenants_backlog_is_embedded_and_a_repeat_finds_nothing(installation: Installation) -> None:
    tenant, other = installation.new_tenant(), installation.new_tenant()
    insert_documents(installation, tenant, letters(7))
    waiting = insert_documents(installation, other, letters(1))

    first = installation.run(EMBED, tenant_id=tenant.id).data
    again = installation.run(EMBED, tenant_id=tenant.id).data

    assert {**first, "usage": []} == {
        "documents": 7, "chunks": 7, "failed": 0, "remaining": 0, "document_id": None, "status": None, "usage": [],
    }  # fmt: skip
    assert again == {**first, "documents": 0, "chunks": 0, "usage": []}
    [call] = first["usage"]
    assert call["operation"] == "embed"
    assert (call["model"], call["output_tokens"], call["searches"]) == ("offline-hashing-1024", 0, 0)
    [row] = usage(installation, tenant)
    assert (row["event_id"], row["input_tokens"]) == (call["event_id"], call["input_tokens"])
    assert embedded_whole(installation, tenant, "offline-hashing-1024")
    assert document(installation, waiting[0])["status"] == "queued"


def test_a_documents_own_vector_is_the_normalised_mean_of_its_chunks(installation: Installation) -> None:
    tenant = installation.new_tenant()
    text = "\n\n".join(f"# Part {n}\n\n" + f"Word{n} of the part. " * 80 for n in range(4))
    stored = installation.add_document(tenant, text)

    [row] = installation.query("SELECT vector_norm(embedding) AS norm FROM documents WHERE id = %s", (stored,))
    [cosine] = installation.query(
        "SELECT 1 - (d.embedding <=> (SELECT avg(embedding)::vector FROM document_chunks WHERE document_id = d.id)) AS "
        "cosine FROM documents AS d WHERE id = %s",
        (stored,),
    )
    assert math.isclose(row["norm"], 1, abs_tol=1e-3)
    assert math.isclose(cosine["cosine"], 1, abs_tol=1e-3)


def test_one_document_is_embedded_and_the_others_wait(installation: Installation) -> None:
    tenant = installation.new_tenant()
    one, two = insert_documents(installation, tenant, letters(2))

    data = installation.run(EMBED, tenant_id=tenant.id, document_id=two).data
    again = installation.run(EMBED, tenant_id=tenant.id, document_id=two).data

    assert (data["documents"], data["status"], data["remaining"]) == (1, "completed", 1)
    assert data["document_id"] == two
    assert (again["documents"], again["status"], again["usage"]) == (0, "completed", [])
    assert document(installation, one)["status"] == "queued"


def test_the_limit_is_the_most_documents_that_a_run_takes(installation: Installation) -> None:
    tenant = installation.new_tenant()
    insert_documents(installation, tenant, letters(5))

    assert installation.run(EMBED, tenant_id=tenant.id, limit=3).data["documents"] == 3
    data = installation.run(EMBED, tenant_id=tenant.id, limit=100_000).data
    assert (data["documents"], data["remaining"]) == (2, 0)


def test_a_tenant_without_documents_has_nothing_to_embed(installation: Installation) -> None:
    data = installation.run(EMBED, tenant_id=installation.new_tenant().id).data

    assert (data["documents"], data["chunks"], data["remaining"], data["usage"]) == (0, 0, 0, [])


def test_a_member_embeds_what_they_may_see_and_no_backlog(installation: Installation) -> None:
    tenant, other = installation.new_tenant(), installation.new_tenant()
    [hidden] = insert_documents(installation, tenant, letters(1))
    [foreign] = insert_documents(installation, other, letters(1))
    installation.query("UPDATE documents SET visibility = 'admins_only' WHERE id = %s", (hidden,))

    installation.run(EMBED, tenant_id=tenant.id, user_member_id=tenant.adult).refused(422, "invalid_argument")
    for member, wanted in ((tenant.adult, hidden), (tenant.admin, foreign)):
        installation.run(EMBED, tenant_id=tenant.id, user_member_id=member, document_id=wanted).refused(404)
    assert {document(installation, wanted)["status"] for wanted in (hidden, foreign)} == {"queued"}
    data = installation.run(EMBED, tenant_id=tenant.id, user_member_id=tenant.admin, document_id=hidden).data
    assert data["status"] == "completed"


def test_everybodys_backlog_is_embedded_each_tenant_with_its_own_usage(make_installation: InstallationMaker) -> None:
    installation = make_installation()
    tenants = [installation.new_tenant() for _ in range(3)]
    for tenant in tenants[:2]:
        insert_documents(installation, tenant, letters(3, tenant.id))

    assert installation.run(EMBED, all_tenants=True, limit=4).data["documents"] == 4
    rest = installation.run(EMBED, all_tenants=True).data

    assert (rest["documents"], rest["remaining"], rest["document_id"], rest["status"]) == (2, 0, None, None)
    for tenant in tenants:
        assert embedded_whole(installation, tenant, "offline-hashing-1024")
    assert [bool(usage(installation, tenant)) for tenant in tenants] == [True, True, False]
    installation.set_variable("f/chatbot/identity_mode", "signed")
    assert installation.run(EMBED, all_tenants=True).data["documents"] == 0
    installation.run(EMBED, tenant_id=tenants[0].id).refused(401, "unauthorized")


def test_batches_have_96_texts_at_most_and_several_are_in_flight(cloud: Cloud) -> None:
    tenant = cloud.installation.new_tenant()
    text = "\n\n".join(f"Paragraph {n}. " + "It is about the garden and the roof. " * 36 for n in range(250))
    stored = cloud.installation.run("f/chatbot/ingest", tenant_id=tenant.id, title="Long", content=text).data
    assert stored["chunks"] > 2 * 96
    cloud.use(deadline_seconds=3 * PROMPTLY_SECONDS)  # of which the first try may take half
    cloud.cohere.embed = together(3)

    data = cloud.installation.run(EMBED, tenant_id=tenant.id, document_id=stored["document_id"]).data

    requests = cloud.cohere.requests_to("/embed")
    sizes = [len(request.body["texts"]) for request in requests]
    assert sum(sizes) == stored["chunks"] == data["chunks"]
    assert max(sizes) == 96
    assert len(requests) == -(-stored["chunks"] // 96) == 3
    assert all(request.body["output_dimension"] == 1024 for request in requests)
    assert embedded_whole(cloud.installation, tenant)
    assert len(usage(cloud.installation, tenant)) == len(requests)


def test_the_cost_of_a_batch_is_exact_in_microdollars_rounded_up(cloud: Cloud) -> None:
    tenant = cloud.installation.new_tenant()
    insert_documents(cloud.installation, tenant, letters(3))

    [event] = cloud.installation.run(EMBED, tenant_id=tenant.id).data["usage"]

    [row] = usage(cloud.installation, tenant)
    assert row["input_tokens"] == event["input_tokens"] > 0
    assert row["cost_microusd"] == -(-event["input_tokens"] * 12 // 100)


def test_small_documents_share_a_call(cloud: Cloud) -> None:
    tenant = cloud.installation.new_tenant()
    insert_documents(cloud.installation, tenant, letters(40))

    cloud.installation.run(EMBED, tenant_id=tenant.id)

    assert [len(request.body["texts"]) for request in cloud.cohere.requests_to("/embed")] == [40]


def test_calls_are_full_and_several_at_once_although_documents_are_small(cloud: Cloud) -> None:
    tenant = cloud.installation.new_tenant()
    insert_documents(cloud.installation, tenant, letters(3 * 96 + 7))
    cloud.use(deadline_seconds=3 * PROMPTLY_SECONDS)  # of which the first try may take half
    cloud.cohere.embed = together(4)

    data = cloud.installation.run(EMBED, tenant_id=tenant.id).data

    assert sorted(len(request.body["texts"]) for request in cloud.cohere.requests_to("/embed")) == [7, 96, 96, 96]
    assert data["documents"] == 3 * 96 + 7


def test_a_pause_longer_than_a_calls_deadline_costs_the_pause_and_nothing_else(cloud: Cloud) -> None:
    cloud.use(deadline_seconds=5)  # much more than a call takes
    tenant = cloud.installation.new_tenant()
    insert_documents(cloud.installation, tenant, letters(3 * 96))
    cloud.cohere.embed = cheap()
    cloud.cohere.fail(rate_limit(6), on="/embed", times=1)

    data = cloud.installation.run(EMBED, tenant_id=tenant.id).data

    requests = cloud.cohere.requests_to("/embed")
    sent = [tuple(request.body["texts"]) for request in requests]
    assert (data["documents"], data["failed"], len(data["usage"])) == (3 * 96, 0, 3)
    assert len(sent) == 4
    assert len(set(sent)) == 3
    refused = next(place for place, texts in enumerate(sent) if sent.count(texts) == 2)
    again = len(sent) - 1
    assert sent[again] == sent[refused]
    assert requests[again].at - requests[refused].at >= 6
    assert all(request.at < requests[again].at for request in requests[:again])
    assert {row["attempts"] for row in _rows(cloud, tenant)} == {1}
    assert embedded_whole(cloud.installation, tenant)


def _rows(cloud: Cloud, tenant: Tenant) -> list[Json]:
    return cloud.installation.query("SELECT attempts FROM documents WHERE tenant_id = %s", (tenant.id,))


def test_two_runs_at_once_embed_each_chunk_once_and_count_it_once(cloud: Cloud) -> None:
    tenant = cloud.installation.new_tenant()
    insert_documents(cloud.installation, tenant, letters(130))
    cloud.cohere.embed = cheap(0.4)

    answers = in_parallel([partial(cloud.installation.run, EMBED, tenant_id=tenant.id) for _ in range(3)])

    sent = [text for request in cloud.cohere.requests_to("/embed") for text in request.body["texts"]]
    assert len(sent) == len(set(sent)) == 130
    assert sum(answer.data["documents"] for answer in answers) == 130
    assert embedded_whole(cloud.installation, tenant)
    counted = [call["event_id"] for answer in answers for call in answer.data["usage"]]
    assert len(counted) == len(set(counted)) == len(usage(cloud.installation, tenant))


def test_two_runs_for_one_document_wait_for_each_other(cloud: Cloud) -> None:
    tenant = cloud.installation.new_tenant()
    [wanted] = insert_documents(cloud.installation, tenant, letters(1))
    cloud.cohere.embed = cheap(0.8)
    call = partial(cloud.installation.run, EMBED, tenant_id=tenant.id, document_id=wanted)

    answers = [reply.data for reply in in_parallel([call, call])]

    assert [answer["status"] for answer in answers] == ["completed", "completed"]
    assert len(cloud.cohere.requests_to("/embed")) == 1
    assert sorted(answer["chunks"] for answer in answers) == [0, 1]


def test_a_lease_is_respected_until_it_ends_and_then_taken_over(cloud: Cloud) -> None:
    installation = cloud.installation
    tenant = installation.new_tenant()
    [held] = insert_documents(installation, tenant, letters(1))
    cloud.cohere.fail(hang(), on="/embed")
    job = installation.start(EMBED, tenant_id=tenant.id)
    wait_until(lambda: bool(cloud.cohere.requests_to("/embed")))
    installation.cancel(job)
    installation.wait(job)

    assert document(installation, held)["status"] == "processing"
    respected = installation.run(EMBED, tenant_id=tenant.id).data
    assert (respected["documents"], respected["remaining"]) == (0, 1)
    installation.query("UPDATE documents SET lease_until = now() - interval '1 second' WHERE id = %s", (held,))
    taken = installation.run(EMBED, tenant_id=tenant.id).data

    assert (taken["documents"], taken["remaining"]) == (1, 0)
    assert document(installation, held)["attempts"] == 2
    assert embedded_whole(installation, tenant)
    assert len(usage(installation, tenant)) == 1


def test_a_run_that_was_overtaken_does_no_harm_and_the_batch_is_counted_once(cloud: Cloud) -> None:
    installation = cloud.installation
    tenant = installation.new_tenant()
    [held] = insert_documents(installation, tenant, letters(1))
    overtaken = Event()
    slow = iter([True])

    def embed(texts: list[str]) -> list[list[float]]:
        if next(slow, False):
            overtaken.wait(PROMPTLY_SECONDS)
        return cheap()(texts)

    cloud.use(deadline_seconds=3 * PROMPTLY_SECONDS)  # of which the first try may take half
    cloud.cohere.embed = embed
    job = installation.start(EMBED, tenant_id=tenant.id)
    wait_until(lambda: bool(cloud.cohere.requests_to("/embed")))
    installation.query("UPDATE documents SET lease_until = now() - interval '1 second' WHERE id = %s", (held,))

    assert installation.run(EMBED, tenant_id=tenant.id).data["documents"] == 1
    overtaken.set()
    assert installation.wait(job)["success"] is True
    assert len(cloud.cohere.requests_to("/embed")) == 2
    assert document(installation, held)["status"] == "completed"
    assert embedded_whole(installation, tenant)
    assert len(usage(installation, tenant)) == 1


def fails(cloud: Cloud, tenant: Tenant, document_id: int) -> Json:
    """Let a document's embedding fail, and return the document."""
    cloud.installation.run(EMBED, tenant_id=tenant.id, document_id=document_id).crashed()
    return document(cloud.installation, document_id)


@pytest.mark.parametrize("fault", [status(503), html(502), hang()], ids=["503", "a proxy's page", "silence"])
def test_a_provider_that_is_down_lets_documents_wait_three_times_and_then_fail(cloud: Cloud, fault: Fault) -> None:
    cloud.use(deadline_seconds=0.7)
    tenant = cloud.installation.new_tenant()
    [wanted] = insert_documents(cloud.installation, tenant, letters(1))
    cloud.cohere.fail(fault, on="/embed", times=None)

    states = [fails(cloud, tenant, wanted) for _ in range(3)]

    assert [state["status"] for state in states] == ["queued", "queued", "failed"]
    assert [state["attempts"] for state in states] == [1, 2, 3]
    assert all("does not answer" in state["failure_reason"] for state in states)
    assert all("roof" not in state["failure_reason"] for state in states)
    assert states[-1]["lease_holder"] is None
    assert chunks(cloud.installation, wanted)[0]["embedding"] is None
    assert usage(cloud.installation, tenant) == []
    cloud.reset()
    assert cloud.installation.run(EMBED, tenant_id=tenant.id).data["documents"] == 0
    again = cloud.installation.run(EMBED, tenant_id=tenant.id, document_id=wanted).data
    assert again["status"] == "completed"
    assert document(cloud.installation, wanted)["failure_reason"] is None


@pytest.mark.parametrize(
    "fault",
    [
        status(401), status(400), wrong_dimension(), wrong_count(-1), wrong_count(1), not_a_number(),
        not_a_number(math.inf),
    ],
    ids=["401", "400", "dimension", "too few", "too many", "NaN", "infinity"],
)  # fmt: skip
def test_what_a_repeat_cannot_mend_fails_at_once_and_stores_nothing(cloud: Cloud, fault: Fault) -> None:
    tenant = cloud.installation.new_tenant()
    wanted = insert_documents(cloud.installation, tenant, letters(2))
    cloud.cohere.fail(fault, on="/embed", times=None)

    message = cloud.installation.run(EMBED, tenant_id=tenant.id).crashed()

    stored = [document(cloud.installation, one) for one in wanted]
    assert {state["status"] for state in stored} == {"failed"}
    assert {state["failure_reason"] for state in stored} == {message}
    assert "SECRET" not in message
    assert "roof" not in message
    assert all(chunk["embedding"] is None for one in wanted for chunk in chunks(cloud.installation, one))
    assert len(cloud.cohere.requests_to("/embed")) == 1
    assert usage(cloud.installation, tenant) == []


def test_a_429_is_a_pause_of_the_length_that_is_asked_for(cloud: Cloud) -> None:
    tenant = cloud.installation.new_tenant()
    [wanted] = insert_documents(cloud.installation, tenant, letters(1))
    cloud.cohere.fail(rate_limit(1), on="/embed", times=2)

    data = cloud.installation.run(EMBED, tenant_id=tenant.id).data

    first, second, third = (request.at for request in cloud.cohere.requests_to("/embed"))
    assert data["documents"] == 1
    assert second - first >= 1
    assert third - second >= 1
    assert document(cloud.installation, wanted)["attempts"] == 1


def test_however_often_a_provider_asks_to_wait_a_document_does_not_fail(cloud: Cloud) -> None:
    tenant = cloud.installation.new_tenant()
    [wanted] = insert_documents(cloud.installation, tenant, letters(1))
    cloud.cohere.fail(rate_limit(60), on="/embed", times=None)

    states = [fails(cloud, tenant, wanted)["status"] for _ in range(4)]

    assert states == ["queued"] * 4
    cloud.reset()
    assert cloud.installation.run(EMBED, tenant_id=tenant.id).data["documents"] == 1


def test_what_was_paid_before_a_failure_is_kept_and_not_asked_for_again(cloud: Cloud) -> None:
    tenant = cloud.installation.new_tenant()
    text = "\n\n".join(f"Paragraph {n}. " + "It is about the garden and the roof. " * 36 for n in range(120))
    stored = cloud.installation.run("f/chatbot/ingest", tenant_id=tenant.id, title="Long", content=text).data
    refused: Any = None

    def embed(texts: list[str]) -> list[list[float]]:
        nonlocal refused
        if len(texts) < 96 and refused is None:
            refused = len(texts)
            return []
        return cheap()(texts)

    cloud.cohere.embed = embed
    cloud.installation.run(EMBED, tenant_id=tenant.id, document_id=stored["document_id"]).crashed()
    pieces = chunks(cloud.installation, stored["document_id"])
    assert sum(piece["embedding"] is not None for piece in pieces) == 96
    data = cloud.installation.run(EMBED, tenant_id=tenant.id, document_id=stored["document_id"]).data

    assert data["chunks"] == refused == stored["chunks"] - 96
    assert embedded_whole(cloud.installation, tenant)
    assert len(usage(cloud.installation, tenant)) == 2


def test_after_a_change_of_model_only_vectors_of_the_new_one_are_compared(cloud: Cloud) -> None:
    installation = cloud.installation
    tenant = installation.new_tenant()
    before, *_ = insert_documents(installation, tenant, ["An old paper about gardening."])
    installation.run(EMBED, tenant_id=tenant.id)
    changed = cloud.settings()
    changed["embed"]["model"] = "embed-v5.0-fast"
    changed["rerank"] = None
    installation.set_ai_settings(changed)
    after, *_ = insert_documents(installation, tenant, ["A new paper about gardening."])
    installation.run(EMBED, tenant_id=tenant.id)

    models = {one: chunks(installation, one)[0]["embedding_model"] for one in (before, after)}
    assert models == {before: MODEL, after: "embed-v5.0-fast"}
    # The fruit is in neither text: only vectors can find a paper, and any vector does.
    found = installation.run("f/chatbot/search", tenant_id=tenant.id, query="pineapple").data
    assert [hit["document_id"] for hit in found["documents"]] == [after]
