"""Limits of calls, of tokens and of questions at once: who is over them waits, and nobody else does."""

import time
from functools import partial

import pytest

from tests.support.cloud import Cloud, in_parallel
from tests.support.installation import Installation, Reply, Tenant
from tests.support.provider_faults import status

SEARCH, CHAT, LIMITS = "f/chatbot/search", "f/chatbot/chat", "f/operations/set_limits"


def set_limits(installation: Installation, tenant: Tenant, **limits: int) -> None:
    installation.run(LIMITS, tenant_id=tenant.id, **limits).done()


def search(installation: Installation, tenant: Tenant, member: int | None = None) -> Reply:
    return installation.run(SEARCH, query="garden", tenant_id=tenant.id, user_member_id=member)


def retry_after(reply: Reply) -> int:
    """Check that a call was refused for being one too many, and return after how long it may be repeated."""
    reply.refused(429, "too_many_requests")
    return int(reply.body["retry_after_seconds"])


def spend(installation: Installation, tenant: Tenant, kind: str, subject: int, ahead: str) -> None:
    """Put a limit where it would be after much use: spent until some time from now."""
    installation.query(
        "INSERT INTO rate_states (tenant_id, subject, kind, spent_until) VALUES (%s, %s, %s, now() + %s::interval)"
        " ON CONFLICT (tenant_id, subject, kind) DO UPDATE SET spent_until = excluded.spent_until",
        (tenant.id, subject, kind, ahead),
    )


def test_a_member_over_the_limit_waits_and_others_do_not(installation: Installation) -> None:
    tenant, other = installation.new_tenant(), installation.new_tenant()
    set_limits(installation, tenant, member_requests_per_minute=2)

    replies = [search(installation, tenant, tenant.adult) for _ in range(3)]

    assert [reply.status for reply in replies] == [200, 200, 429]
    assert 1 <= retry_after(replies[2]) <= 30
    assert search(installation, tenant, tenant.teen).status == 200
    assert search(installation, tenant).status == 200
    assert search(installation, other, other.adult).status == 200


def test_a_tenant_over_the_limit_waits_whoever_calls_and_other_tenants_do_not(installation: Installation) -> None:
    tenant, other = installation.new_tenant(), installation.new_tenant()
    set_limits(installation, tenant, requests_per_minute=2)  # another one in half a minute

    replies = [search(installation, tenant, member) for member in (tenant.adult, None, tenant.teen)]

    assert [reply.status for reply in replies] == [200, 200, 429]
    assert search(installation, other).status == 200


def test_calls_that_are_refused_are_not_counted(installation: Installation) -> None:
    tenant = installation.new_tenant()
    spend(installation, tenant, "requests", 0, "10 minutes")
    spend(installation, tenant, "requests", tenant.adult, "1 second")
    states = "SELECT * FROM rate_states WHERE tenant_id = %s ORDER BY subject"
    before = installation.query(states, (tenant.id,))

    for reply in in_parallel([partial(search, installation, tenant, tenant.adult)] * 6):
        assert 500 < retry_after(reply) <= 541

    assert len(before) == 2
    assert installation.query(states, (tenant.id,)) == before


def test_calls_at_the_same_moment_are_let_in_as_often_as_is_allowed_and_no_more(installation: Installation) -> None:
    """Also the very first calls, for which no row is there yet."""
    tenant = installation.new_tenant()
    set_limits(installation, tenant, member_requests_per_minute=2)  # another one in half a minute

    replies = in_parallel([partial(search, installation, tenant, tenant.adult)] * 8, at_once=8)

    assert sorted(reply.status for reply in replies) == [200] * 2 + [429] * 6


def test_what_was_spent_comes_back_with_time(installation: Installation) -> None:
    tenant = installation.new_tenant()
    began = time.monotonic()
    spend(installation, tenant, "requests", tenant.adult, "10 minutes")
    wait = retry_after(search(installation, tenant, tenant.adult))
    gone = time.monotonic() - began

    spend(installation, tenant, "requests", tenant.adult, "55 seconds")

    assert 540 - gone <= wait <= 541
    assert search(installation, tenant, tenant.adult).status == 200


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("f/chatbot/ingest", {"title": "T", "content": "Text."}),
        ("f/chatbot/embed", {"document_id": 7}),
        ("f/chatbot/search", {"query": "a"}),
        ("f/chatbot/chat", {"question": "a"}),
        ("f/chatbot/log_usage", {"events": []}),
        ("f/chatbot/delete_document", {"document_id": 7}),
        ("f/chatbot/read_session", {"session_id": "6f1c7d52-0c5e-4a53-9d0b-2f4f2a7c8b11"}),
        ("f/chatbot/read_audit_log", {}),
    ],
)
def test_every_script_of_members_is_counted(
    installation: Installation, path: str, arguments: dict[str, object]
) -> None:
    tenant = installation.new_tenant()
    spend(installation, tenant, "requests", tenant.admin, "10 minutes")

    reply = installation.run(path, tenant_id=tenant.id, user_member_id=tenant.admin, **arguments)

    assert retry_after(reply) > 500


def test_who_has_spent_the_tokens_of_the_day_is_not_answered_but_finds_by_words(cloud: Cloud) -> None:
    installation = cloud.installation
    tenant = installation.new_tenant()
    document = installation.add_document(tenant, "The garden needs water every evening.", "Garden")
    spend(installation, tenant, "tokens", tenant.adult, "25 hours")
    cloud.cohere.requests.clear()
    cloud.groq.requests.clear()

    asked = installation.run(CHAT, question="garden?", tenant_id=tenant.id, user_member_id=tenant.adult)
    found = search(installation, tenant, tenant.adult).data

    assert 3_000 < retry_after(asked) <= 3_600
    assert "24 hours" in asked.body["error"]
    assert [hit["document_id"] for hit in found["documents"]] == [document]
    assert found["degraded"] is True
    assert "tokens" in found["notice"]
    assert [request.path for request in [*cloud.cohere.requests, *cloud.groq.requests] if "embed" in request.path] == []
    assert installation.run(CHAT, question="garden?", tenant_id=tenant.id, user_member_id=tenant.teen).status == 200


def test_every_call_of_a_model_is_taken_from_both_budgets_once(cloud: Cloud) -> None:
    installation = cloud.installation
    tenant = installation.new_tenant()
    installation.add_document(tenant, "The garden needs water every evening.", "Garden")
    installation.query("DELETE FROM rate_states WHERE tenant_id = %s AND kind = 'tokens'", (tenant.id,))
    installation.query("DELETE FROM api_usage WHERE tenant_id = %s", (tenant.id,))

    installation.run(CHAT, question="garden?", tenant_id=tenant.id, user_member_id=tenant.adult).done()

    [spent] = installation.query(
        "SELECT sum(input_tokens + output_tokens) AS tokens FROM api_usage WHERE tenant_id = %s", (tenant.id,)
    )
    states = installation.query(
        "SELECT subject, extract(epoch FROM spent_until - now())::float8 AS ahead FROM rate_states"
        " WHERE tenant_id = %s AND kind = 'tokens' ORDER BY subject",
        (tenant.id,),
    )
    [limits] = installation.query("SELECT * FROM tenants WHERE id = %s", (tenant.id,))
    assert [state["subject"] for state in states] == [0, tenant.adult]
    whole_day = 86_400.0
    for state, budget in zip(states, (limits["tokens_per_day"], limits["member_tokens_per_day"]), strict=True):
        charged = state["ahead"] / whole_day * budget
        # Time goes on between the charge and this look: what was charged last comes back a little.
        assert charged <= float(spent["tokens"]) + 1
    assert float(spent["tokens"]) > 0


def test_nobody_uses_up_a_budget_by_saying_so(installation: Installation) -> None:
    tenant = installation.new_tenant()
    event = {"event_id": "e", "operation": "chat", "model": "offline-sentences", "input_tokens": 1_000_000_000}

    installation.run("f/chatbot/log_usage", tenant_id=tenant.id, user_member_id=tenant.teen, **event).done()

    assert installation.query("SELECT 1 FROM rate_states WHERE tenant_id = %s AND kind = 'tokens'", (tenant.id,)) == []


def test_a_tenant_without_tokens_embeds_later_and_loses_nothing(cloud: Cloud) -> None:
    installation = cloud.installation
    tenant = installation.new_tenant()
    spend(installation, tenant, "tokens", 0, "25 hours")

    stored = installation.run("f/chatbot/ingest", title="T", content="The garden.", tenant_id=tenant.id).data
    refused = installation.run("f/chatbot/embed", document_id=stored["document_id"], tenant_id=tenant.id)

    assert retry_after(refused) > 3_000
    spend(installation, tenant, "tokens", 0, "1 hour")
    data = installation.run("f/chatbot/embed", document_id=stored["document_id"], tenant_id=tenant.id).data
    assert (data["status"], data["chunks"]) == ("completed", 1)


def test_as_many_questions_are_answered_at_once_as_are_allowed(cloud: Cloud) -> None:
    installation = cloud.installation
    tenant = installation.new_tenant()
    installation.add_document(tenant, "The garden needs water every evening.", "Garden")
    set_limits(installation, tenant, member_concurrent_chats=1, concurrent_chats=2)
    for member in (tenant.adult, tenant.teen):
        installation.query(
            "INSERT INTO chat_slots (tenant_id, run_id, member_id, ends_at) VALUES (%s, %s, %s, now() + '1 hour')",
            (tenant.id, f"run-{member}", member),
        )
    ask = partial(installation.run, CHAT, question="garden?", tenant_id=tenant.id)

    assert retry_after(ask(user_member_id=tenant.adult)) == 5
    assert retry_after(ask(user_member_id=tenant.admin)) == 5, "the tenant has two"
    installation.query("DELETE FROM chat_slots WHERE tenant_id = %s AND member_id = %s", (tenant.id, tenant.teen))
    assert retry_after(ask(user_member_id=tenant.adult)) == 5, "the adult has one"
    assert ask(user_member_id=tenant.teen).status == 200
    assert ask(user_member_id=tenant.teen).status == 200, "an answer gives its slot back"

    cloud.groq.fail(status(503), times=None)
    cloud.cohere.fail(status(500), on="/chat", times=None)
    ask(user_member_id=tenant.teen).refused(503, "provider_unavailable")
    assert installation.query(
        "SELECT member_id FROM chat_slots WHERE tenant_id = %s", (tenant.id,)
    ) == [{"member_id": tenant.adult}], "a failure gives it back too"  # fmt: skip


def test_the_slot_of_a_run_that_was_killed_is_free_when_it_could_be_over(installation: Installation) -> None:
    tenant = installation.new_tenant()
    set_limits(installation, tenant, concurrent_chats=1)
    installation.query(
        "INSERT INTO chat_slots (tenant_id, run_id, ends_at) VALUES (%s, 'killed', now() - interval '1 second')",
        (tenant.id,),
    )

    assert installation.run(CHAT, question="garden?", tenant_id=tenant.id).status == 200


def test_limits_are_set_one_by_one_and_checked(installation: Installation) -> None:
    tenant = installation.new_tenant()
    run = partial(installation.run, LIMITS, tenant_id=tenant.id)

    first = run(tokens_per_day=5).data
    second = run(concurrent_chats=7).data

    assert (second["tokens_per_day"], second["concurrent_chats"]) == (5, 7)
    assert {**first, "concurrent_chats": 7} == second
    for bad in (0, -1, "5", 1.5, True, 10**18):
        run(requests_per_minute=bad).refused(422, "invalid_argument")
    assert run().data == second
    installation.run(LIMITS, tenant_id="6f1c7d52-0c5e-4a53-9d0b-2f4f2a7c8b11").refused(404, "not_found")


def test_a_question_takes_no_longer_than_its_slot(cloud: Cloud) -> None:
    """The slot ends after all that the provider may take: or two would be answered where one is allowed."""
    installation = cloud.installation
    tenant = installation.new_tenant()
    installation.add_document(tenant, "The garden needs water every evening.", "Garden")
    cloud.groq.pace_seconds = 0.2
    job = installation.start(CHAT, question="garden?", tenant_id=tenant.id)
    until = time.monotonic() + 30
    slots: list[dict[str, float]] = []
    while not slots and time.monotonic() < until:
        slots = installation.query(
            "SELECT extract(epoch FROM ends_at - now())::float8 AS left FROM chat_slots WHERE tenant_id = %s",
            (tenant.id,),
        )
    installation.wait(job)

    deadline = cloud.settings()["deadline_seconds"]
    assert slots[0]["left"] > 2 * deadline
