"""Questions that wait for their turn at a model with a limit: who waits is answered, and who cannot is told."""

import time

import pytest

from tests.support.cloud import Cloud
from tests.support.installation import Json, Reply, Tenant
from tests.support.patience import wait_until
from tests.support.provider_faults import rate_limit, status

CHAT = "f/chatbot/chat"
QUEUE = "groq:openai/gpt-oss-120b"
QUESTION = {"question": "What does the garden need?"}


@pytest.fixture
def tenant(cloud: Cloud) -> Tenant:
    """A tenant with a document, and nobody in line."""
    made = cloud.installation.new_tenant()
    cloud.installation.add_document(made, "The garden needs water every evening.", "Garden")
    cloud.installation.query("TRUNCATE provider_queues, provider_turns")
    cloud.groq.requests.clear()
    return made


def limited(cloud: Cloud, requests_per_minute: int, *, fallback: bool = False, **more: object) -> None:
    """Let the model have a limit, and no fallback unless it is asked for."""
    settings = cloud.settings(**more)
    settings["chat"]["requests_per_minute"] = requests_per_minute
    settings["fallback_chat"] = settings["fallback_chat"] if fallback else None
    cloud.installation.set_ai_settings(settings)


def ask(cloud: Cloud, tenant: Tenant, **more: object) -> Reply:
    return cloud.installation.run(CHAT, **QUESTION, tenant_id=tenant.id, **more)


def turns(cloud: Cloud) -> list[Json]:
    return cloud.installation.query("SELECT * FROM provider_turns WHERE queue = %s", (QUEUE,))


def test_who_would_wait_too_long_is_told_when_to_come_back_and_the_provider_is_not_asked(
    cloud: Cloud, tenant: Tenant
) -> None:
    limited(cloud, 1, queue_seconds=5)
    assert ask(cloud, tenant).data["answered"]

    refused = ask(cloud, tenant)

    refused.refused(429, "too_many_requests")
    assert 30 <= refused.body["retry_after_seconds"] <= 61
    assert len(cloud.groq.requests) == 1
    assert len(turns(cloud)) == 1, "who was refused is out of the line"
    assert cloud.installation.query("SELECT 1 FROM chat_slots WHERE tenant_id = %s", (tenant.id,)) == []


def test_a_question_waits_for_its_turn_and_is_answered(cloud: Cloud, tenant: Tenant) -> None:
    limited(cloud, 6000)
    began = time.monotonic()
    cloud.installation.query("INSERT INTO provider_queues VALUES (%s, now() + interval '2 seconds')", (QUEUE,))

    assert ask(cloud, tenant).data["provider"] == "groq"

    assert cloud.groq.requests[0].at - began >= 1.5
    assert [row["taken_at"] is not None for row in turns(cloud)] == [True]


def test_when_the_provider_refuses_all_the_same_the_whole_line_waits(cloud: Cloud, tenant: Tenant) -> None:
    limited(cloud, 6000)
    cloud.groq.fail(rate_limit(1))

    assert ask(cloud, tenant).data["answered"]

    first, second = cloud.groq.requests
    assert second.at - first.at >= 1
    [queue] = cloud.installation.query("SELECT paused_until < now() AS over FROM provider_queues")
    assert queue["over"] is True
    assert len(turns(cloud)) == 1, "it took one turn, twice"


def test_a_fallback_answers_who_would_have_to_wait(cloud: Cloud, tenant: Tenant) -> None:
    limited(cloud, 1, fallback=True)

    answers = [ask(cloud, tenant).data for _ in range(2)]

    assert [answer["provider"] for answer in answers] == ["groq", "cohere"]


def test_a_follow_up_is_searched_for_as_it_is_rather_than_waiting_twice(cloud: Cloud, tenant: Tenant) -> None:
    limited(cloud, 6000, queue_seconds=300)
    session = ask(cloud, tenant).data["session_id"]
    cloud.installation.query("INSERT INTO provider_queues VALUES (%s, now() + interval '2 minutes')", (QUEUE,))

    job = cloud.installation.start(CHAT, **QUESTION, tenant_id=tenant.id, session_id=session)
    wait_until(lambda: any(turn["taken_at"] is None for turn in turns(cloud)))  # the answer is in line
    cloud.installation.query("UPDATE provider_queues SET paused_until = now() WHERE queue = %s", (QUEUE,))
    answer = cloud.installation.wait(job)["result"]["data"]

    assert "together with the one before" in answer["notice"]
    assert len(cloud.groq.requests) == 2, "an answer each, and no request to rewrite the question"


def test_without_a_limit_nobody_takes_a_turn_and_a_long_pause_is_waited_for(cloud: Cloud, tenant: Tenant) -> None:
    """A pause of the provider's own is no failure, even where it is longer than all tries may take."""
    cloud.use(deadline_seconds=2, fallback_chat=None)
    cloud.groq.fail(rate_limit(3))

    assert ask(cloud, tenant).data["answered"]

    first, second = cloud.groq.requests
    assert second.at - first.at >= 3
    assert turns(cloud) == []


def test_a_pause_that_is_longer_than_anybody_may_wait_is_told(cloud: Cloud, tenant: Tenant) -> None:
    cloud.use(deadline_seconds=2, queue_seconds=3, fallback_chat=None)
    cloud.groq.fail(rate_limit(300), times=None)

    told = ask(cloud, tenant)

    told.refused(429, "too_many_requests")
    assert 290 <= told.body["retry_after_seconds"] <= 300
    cloud.groq.recover()
    cloud.groq.fail(status(503), times=None)
    ask(cloud, tenant).refused(503, "provider_unavailable")
