"""An embedding that is killed, again and again: nothing is half done in the end, and nothing is counted twice."""

import random
import time

from tests.scripts.test_embed import EMBED, MODEL, cheap, embedded_whole, tokens
from tests.support.cloud import Cloud, chunks, document, messages, usage
from tests.support.installation import Installation, Tenant
from tests.support.patience import wait_until
from tests.support.provider_faults import hang

KILLS = 10
LONG = "\n\n".join(f"# Report {n}\n\n" + f"The report number {n} deals with roof and garden. " * 28 for n in range(600))


def stored(installation: Installation, tenant: Tenant) -> int:
    data = installation.run("f/chatbot/ingest", tenant_id=tenant.id, title="Reports", content=LONG).data
    assert data["chunks"] == 600
    return int(data["document_id"])


def test_an_embedding_killed_ten_times_completes_whole_and_is_counted_once(cloud: Cloud) -> None:
    installation = cloud.installation
    undisturbed, tenant = installation.new_tenant(), installation.new_tenant()
    stored(installation, undisturbed)
    wanted = stored(installation, tenant)
    cloud.cohere.embed = cheap()
    installation.run(EMBED, tenant_id=undisturbed.id)
    chance = random.Random(7)  # the same moments in every run

    def slowly(texts: list[str]) -> list[list[float]]:
        time.sleep(chance.uniform(0.1, 1.2))
        return cheap()(texts)

    cloud.cohere.embed = slowly
    kills = 0
    while kills < KILLS:
        cloud.cohere.requests.clear()
        job = installation.start(EMBED, tenant_id=tenant.id, document_id=wanted)
        wait_until(lambda job=job: bool(cloud.cohere.requests) or bool(installation.job(job).get("success")))  # type: ignore[misc]
        time.sleep(chance.uniform(0, 0.5))
        installation.cancel(job)
        killed = not installation.wait(job)["success"]
        kills += killed
        status = document(installation, wanted)["status"]
        half = [piece for piece in chunks(installation, wanted) if piece["embedding"] is not None]
        assert all((piece["dimension"], piece["embedding_model"]) == (1024, MODEL) for piece in half)
        # One that is killed between its last transaction and its answer has completed the document.
        assert len(half) == 600 if status == "completed" else killed
        assert len(half) % 96 in (0, 600 % 96)
        if not killed or len(half) > 400:  # begin anew; what was counted stays counted
            installation.query(
                "UPDATE document_chunks SET embedding = NULL, embedding_model = NULL WHERE document_id = %s", (wanted,)
            )
        installation.query("UPDATE documents SET status = 'queued', attempts = 0 WHERE id = %s", (wanted,))
    cloud.cohere.embed = cheap()
    data = installation.run(EMBED, tenant_id=tenant.id, document_id=wanted).data

    assert data["status"] == "completed"
    assert embedded_whole(installation, tenant)
    assert tokens(installation, tenant) == tokens(installation, undisturbed)
    assert len(usage(installation, tenant)) == len(usage(installation, undisturbed)) == 7


def test_a_chat_killed_in_its_middle_leaves_no_message_and_no_usage_of_chat(cloud: Cloud) -> None:
    installation = cloud.installation
    tenant = installation.new_tenant()
    installation.add_document(tenant, "The excess for theft is 400 euros.")
    cloud.groq.answer = lambda _: "The excess for theft is 400 euros [1]. " * 50
    cloud.groq.pace_seconds = 0.2
    for stream in (True, False):
        cloud.groq.requests.clear()
        if not stream:
            cloud.groq.fail(hang())  # an answer in one piece would be over before the kill
        job = installation.start(
            "f/chatbot/chat", tenant_id=tenant.id, question="What is the excess for theft?", stream=stream
        )
        wait_until(lambda: bool(cloud.groq.requests))
        time.sleep(0.3)
        installation.cancel(job)

        assert installation.wait(job)["success"] is False
        assert messages(installation, tenant) == []
        assert usage(installation, tenant, "chat") == []
        assert installation.query("SELECT 1 FROM conversation_sessions WHERE tenant_id = %s", (tenant.id,)) == []
