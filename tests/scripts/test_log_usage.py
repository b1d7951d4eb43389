"""Counting usage over HTTP: once for each event, at exact prices, never for a model without one."""

from functools import partial

import pytest

from tests.support.cloud import Cloud, in_parallel, insert_documents, row_counts, usage
from tests.support.installation import Installation, Json, Tenant

LOG = "f/chatbot/log_usage"


def event(event_id: str = "call-1", **more: object) -> Json:
    return {"event_id": event_id, "operation": "chat", "model": "openai/gpt-oss-120b", "input_tokens": 1, **more}


@pytest.fixture
def tenant(cloud: Cloud) -> Tenant:
    return cloud.installation.new_tenant()


def test_an_event_is_counted_once_however_often_it_is_told(cloud: Cloud, tenant: Tenant) -> None:
    told: Json = {
        "tenant_id": tenant.id,
        "user_member_id": tenant.teen,
        **event(input_tokens=10_000, output_tokens=200),
    }

    answers = [reply.data for reply in in_parallel([partial(cloud.installation.run, LOG, **told)] * 4)]

    assert sorted(answer["recorded"] for answer in answers) == [0, 0, 0, 1]
    assert sorted(answer["already_recorded"] for answer in answers) == [0, 1, 1, 1]
    assert {answer["cost_microusd"] for answer in answers} == {1_650}
    [row] = usage(cloud.installation, tenant)
    assert (row["event_id"], row["operation"], row["model"]) == ("call-1", "chat", "openai/gpt-oss-120b")
    assert (row["input_tokens"], row["output_tokens"], row["searches"]) == (10_000, 200, 0)
    assert (row["cost_microusd"], row["member_id"]) == (1_650, tenant.teen)
    later = cloud.installation.run(LOG, **(told | {"input_tokens": 99})).data
    assert (later["recorded"], later["already_recorded"]) == (0, 1)
    assert usage(cloud.installation, tenant) == [row]
    assert later["document_id"] is None


def test_two_tenants_may_use_the_same_event_id(cloud: Cloud, tenant: Tenant) -> None:
    other = cloud.installation.new_tenant()
    for one in (tenant, other):
        assert cloud.installation.run(LOG, tenant_id=one.id, **event()).data["recorded"] == 1


def test_costs_are_exact_and_rounded_up_to_a_whole_microdollar(cloud: Cloud, tenant: Tenant) -> None:
    prices = {
        "usd_per_million_input_tokens": 0.1,
        "usd_per_million_output_tokens": 0.7,
        "usd_per_thousand_searches": 0.3,
    }
    cloud.use(other_prices={"other": prices})
    expected = [
        (event("a", input_tokens=1), 1),
        (event("b", input_tokens=20), 3),
        (event("c", input_tokens=21), 4),
        (event("d", input_tokens=0), 0),
        (event("e", model="embed-v4.0", operation="embed", input_tokens=1_000_000), 120_000),
        (event("f", model="rerank-v3.5", operation="rerank", input_tokens=0, searches=3), 6_000),
        (event("g", model="command-a-03-2025", output_tokens=1), 13),
        (event("h", model="other", input_tokens=3, output_tokens=1), 1),
        (event("i", model="other", input_tokens=30, output_tokens=10, searches=1), 310),
        (event("j", input_tokens=1_000_000_000, output_tokens=1_000_000_000), 900_000_000),
    ]

    data = cloud.installation.run(LOG, tenant_id=tenant.id, events=[given for given, _ in expected]).data

    assert (data["recorded"], data["cost_microusd"]) == (len(expected), sum(cost for _, cost in expected))
    counted = {row["event_id"]: row["cost_microusd"] for row in usage(cloud.installation, tenant)}
    assert counted == {given["event_id"]: cost for given, cost in expected}


def test_a_list_of_events_is_counted_whole_or_not_at_all(cloud: Cloud, tenant: Tenant) -> None:
    events = [event("a"), event("b"), event("a")]
    first = cloud.installation.run(LOG, tenant_id=tenant.id, events=events).data
    both = cloud.installation.run(LOG, tenant_id=tenant.id, events=[event("b"), event("c")], **event("d")).data
    before = row_counts(cloud.installation, tenant.id)

    assert (first["recorded"], first["already_recorded"]) == (2, 0)
    assert (both["recorded"], both["already_recorded"]) == (2, 1)
    for bad in (event("f", model="unheard-of"), event("f", operation="guess"), event("")):
        cloud.installation.run(LOG, tenant_id=tenant.id, events=[event("e"), bad]).refused(422, "invalid_argument")
    assert row_counts(cloud.installation, tenant.id) == before


def test_no_events_are_nothing_to_count(cloud: Cloud, tenant: Tenant) -> None:
    data = cloud.installation.run(LOG, tenant_id=tenant.id, events=[]).data

    assert (data["recorded"], data["already_recorded"], data["cost_microusd"]) == (0, 0, 0)


def test_an_unknown_model_is_an_error_that_says_where_prices_stand(cloud: Cloud, tenant: Tenant) -> None:
    sentence = cloud.installation.run(LOG, tenant_id=tenant.id, **event(model="gpt-9")).refused(422, "invalid_argument")

    assert "f/chatbot/ai_settings" in sentence
    assert usage(cloud.installation, tenant) == []


def test_the_document_of_a_flow_is_told_with_its_state(cloud: Cloud, tenant: Tenant) -> None:
    [stored] = insert_documents(cloud.installation, tenant, ["The roof was mended."])
    told = {"document_id": stored, "chunks": 99, "status": "made up", "duplicate_of": None}

    data = cloud.installation.run(LOG, tenant_id=tenant.id, events=[event()], document=told).data

    assert (data["document_id"], data["chunks"], data["status"], data["duplicate_of"]) == (stored, 1, "queued", None)
    [row] = usage(cloud.installation, tenant)
    assert row["document_id"] == stored
    again = cloud.installation.run(LOG, tenant_id=tenant.id, events=[], document=told | {"duplicate_of": stored}).data
    assert again["duplicate_of"] == stored


def test_a_document_that_the_caller_may_not_see_is_not_found(cloud: Cloud, tenant: Tenant) -> None:
    other = cloud.installation.new_tenant()
    [stored] = insert_documents(cloud.installation, tenant, ["The roof was mended."])
    cloud.installation.query("UPDATE documents SET visibility = 'adults_only' WHERE id = %s", (stored,))
    callers: list[Json] = [
        {"tenant_id": tenant.id, "user_member_id": tenant.teen},
        {"tenant_id": tenant.id, "user_member_id": tenant.admin, "user_member_type": "child"},
        {"tenant_id": other.id, "user_member_id": other.admin},
        {"tenant_id": other.id},
    ]

    for caller in callers:
        cloud.installation.run(LOG, events=[event()], document={"document_id": stored}, **caller).refused(404)
    assert usage(cloud.installation, tenant) == usage(cloud.installation, other) == []


def test_offline_models_have_a_price_of_nothing(installation: Installation) -> None:
    tenant = installation.new_tenant()

    data = installation.run(LOG, tenant_id=tenant.id, **event(model="offline-sentences", input_tokens=500)).data
    assert (data["recorded"], data["cost_microusd"]) == (1, 0)
