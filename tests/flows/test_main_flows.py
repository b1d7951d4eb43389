"""The two flows of the main job over HTTP: their envelope, their stops, their failures, their stream."""

from collections.abc import Iterator

import pytest

from local.database import Server
from local.settings import Credentials
from local.stack import local_stack
from tests.support.cloud import Cloud, chunks, cloud_of, document, messages, row_counts, send, usage
from tests.support.installation import Installation, Json, Tenant
from tests.support.provider_faults import hang, status

INGEST, ANSWER = "f/chatbot/ingest_document", "f/chatbot/answer_question"
POLICY = "# Car policy\n\nThe excess for theft is 400 euros. The excess for confidential damage is 75 euros.\n"


@pytest.fixture(scope="module")
def running_cloud(
    postgres: Server, credentials: Credentials, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """An installation whose flows hardly pause before they repeat a step."""
    home = tmp_path_factory.mktemp("flows")
    database = postgres.create_database(template=template)
    with (
        local_stack(
            home, postgres=postgres, dbname=database, installs=False, credentials=credentials, environment={},
            delay_factor=0.004,
        ) as stack,
        cloud_of(Installation(stack)) as cloud,
    ):  # fmt: skip
        yield cloud


@pytest.fixture
def cloud(running_cloud: Cloud) -> Cloud:
    running_cloud.reset()
    running_cloud.groq.answer = lambda _: "The excess for theft is 400 euros [1]."
    return running_cloud


@pytest.fixture
def tenant(cloud: Cloud) -> Tenant:
    return cloud.installation.new_tenant()


def ingest(tenant: Tenant, content: str = POLICY, **more: object) -> Json:
    return {"tenant_id": tenant.id, "title": "Car policy", "content": content, **more}


def test_a_document_goes_in_whole_and_the_answer_is_that_of_ingestion(cloud: Cloud, tenant: Tenant) -> None:
    given = ingest(tenant, visibility="adults_only", user_member_id=tenant.adult, tags=["Car"], metadata={"a": 1})
    data = cloud.installation.flow(INGEST, **given).data

    stored = document(cloud.installation, data["document_id"])
    assert {key: data[key] for key in ("chunks", "status", "duplicate_of")} == {
        "chunks": stored["chunk_count"], "status": "completed", "duplicate_of": None,
    }  # fmt: skip
    assert (stored["status"], stored["tags"], stored["created_by"]) == ("completed", ["car"], tenant.adult)
    assert stored["metadata"] == {"a": 1}
    [counted] = usage(cloud.installation, tenant)
    assert (counted["operation"], counted["document_id"]) == ("embed", data["document_id"])
    assert len(cloud.cohere.requests_to("/embed")) == 1


def test_a_duplicate_ends_the_flow_after_its_first_step(cloud: Cloud, tenant: Tenant) -> None:
    first = cloud.installation.flow(INGEST, **ingest(tenant)).data
    before = row_counts(cloud.installation, tenant.id)
    cloud.cohere.requests.clear()
    job = cloud.installation.start(INGEST, "f", **ingest(tenant, title="Again"))

    again = cloud.installation.wait(job)["result"]

    assert again["success"] is True
    assert (again["data"]["document_id"], again["data"]["duplicate_of"]) == (first["document_id"],) * 2
    assert again["data"]["status"] == "completed"
    steps = [module["id"] for module in cloud.installation.job(job)["flow_status"]["modules"] if module.get("job")]
    assert steps == ["ingest"]
    assert cloud.cohere.requests == []
    assert row_counts(cloud.installation, tenant.id) == before


def test_a_duplicate_that_was_never_embedded_is_embedded_now(cloud: Cloud, tenant: Tenant) -> None:
    waiting = cloud.installation.run("f/chatbot/ingest", **ingest(tenant)).data

    data = cloud.installation.flow(INGEST, **ingest(tenant)).data

    assert (data["document_id"], data["status"]) == (waiting["document_id"], "completed")
    assert data["duplicate_of"] == waiting["document_id"]


def test_an_embedding_that_is_retried_is_counted_once(cloud: Cloud, tenant: Tenant) -> None:
    cloud.use(deadline_seconds=2)
    cloud.cohere.fail(hang(), on="/embed", times=3)
    job = cloud.installation.start(INGEST, "f", **ingest(tenant))

    result = cloud.installation.wait(job)["result"]

    assert result["success"] is True, result
    assert result["data"]["status"] == "completed"
    modules = {module["id"]: module for module in cloud.installation.job(job)["flow_status"]["modules"]}
    assert modules["embed"]["failed_retries"], "the step was not retried"
    assert len(usage(cloud.installation, tenant)) == 1
    assert result["data"]["recorded"] == 0


def test_with_the_provider_down_the_document_stays_and_the_failure_names_the_step_alone(
    cloud: Cloud, tenant: Tenant
) -> None:
    cloud.use(deadline_seconds=0.4)
    cloud.cohere.fail(status(503), times=None)

    reply = cloud.installation.flow(INGEST, **ingest(tenant))

    sentence = reply.refused(503, "provider_unavailable")
    assert reply.body["step"] == "embed"
    assert "try again" in sentence
    for secret in ("confidential", "Car policy", "SECRET", "Traceback"):
        assert secret not in reply.text
    [stored] = cloud.installation.query("SELECT id, status FROM documents WHERE tenant_id = %s", (tenant.id,))
    assert stored["status"] in ("queued", "failed")
    assert usage(cloud.installation, tenant) == []
    found = cloud.installation.run("f/chatbot/search", tenant_id=tenant.id, query="excess for theft").data
    assert [hit["document_id"] for hit in found["documents"]] == [stored["id"]]
    cloud.reset()
    again = cloud.installation.flow(INGEST, **ingest(tenant)).data
    assert (again["document_id"], again["status"]) == (stored["id"], "completed")
    assert all(chunk["embedding"] is not None for chunk in chunks(cloud.installation, stored["id"]))


def test_a_refusing_provider_is_not_asked_again(cloud: Cloud, tenant: Tenant) -> None:
    cloud.cohere.fail(status(401), times=None)

    reply = cloud.installation.flow(INGEST, **ingest(tenant))

    reply.refused(502, "provider_rejected")
    assert len(cloud.cohere.requests_to("/embed")) == 1
    [stored] = cloud.installation.query("SELECT status FROM documents WHERE tenant_id = %s", (tenant.id,))
    assert stored["status"] == "failed"


@pytest.mark.parametrize(
    ("changes", "http_status", "code"),
    [
        ({"title": None}, 422, "invalid_argument"),
        ({"content": 7}, 422, "invalid_argument"),
        ({"content": "a\0b"}, 422, "invalid_argument"),
        ({"tenant_id": "00000000-0000-4000-8000-000000000000"}, 404, "not_found"),
        ({"visibility": "admins_only", "user_member_type": "teen"}, 403, "forbidden"),
        ({"session_token": "a.b"}, 401, "unauthorized"),
        ({"title": "x" * 501}, 413, "too_large"),
    ],
)
def test_a_mistake_of_the_caller_has_its_status_and_is_not_retried(
    cloud: Cloud, tenant: Tenant, changes: Json, http_status: int, code: str
) -> None:
    reply = send(cloud.installation, INGEST, ingest(tenant) | changes, "f")

    reply.refused(http_status, code)
    assert reply.body["step"] == "ingest"
    assert "confidential" not in reply.text
    assert set(row_counts(cloud.installation, tenant.id).values()) == {0, 4}  # the members


def ask(tenant: Tenant, **more: object) -> Json:
    return {
        "tenant_id": tenant.id, "user_member_id": tenant.adult, "question": "What is the excess for theft?", **more,
    }  # fmt: skip


def test_a_question_is_answered_from_the_passages_that_search_found(cloud: Cloud, tenant: Tenant) -> None:
    cloud.installation.flow(INGEST, **ingest(tenant, visibility="adults_only"))
    cloud.cohere.requests.clear()

    answer = cloud.installation.flow(ANSWER, **ask(tenant)).data

    assert "400 euros" in answer["answer"]
    [citation] = answer["citations"]
    assert POLICY[citation["start"] : citation["end"]] == citation["quote"]
    assert len(cloud.cohere.requests_to("/embed")) == 1
    assert len(cloud.cohere.requests_to("/rerank")) == 1
    teen = cloud.installation.flow(ANSWER, **ask(tenant, user_member_id=tenant.teen)).data
    assert (teen["answered"], teen["citations"]) == (False, [])
    other = cloud.installation.new_tenant()
    theirs = cloud.installation.flow(ANSWER, **ask(other)).data
    assert (theirs["answered"], theirs["citations"]) == (False, [])
    followed = cloud.installation.flow(ANSWER, **ask(tenant, session_id=answer["session_id"])).data
    assert followed["session_id"] == answer["session_id"]
    assert len(messages(cloud.installation, tenant)) == 6


def test_the_answer_streams_through_the_flow(cloud: Cloud, tenant: Tenant) -> None:
    said = 'The excess for theft\nis "400" euros \\n 🚗 [1].'
    cloud.installation.flow(INGEST, **ingest(tenant))
    cloud.groq.answer = lambda _: said
    job = cloud.installation.start(ANSWER, "f", **ask(tenant, stream=True))

    events = cloud.installation.events(job)
    data = cloud.installation.wait(job)["result"]["data"]

    assert [event["type"] for event in events][:2] == ["thinking", "search"]
    assert "".join(event["text"] for event in events if event["type"] == "answer") == said
    assert {key: value for key, value in events[-1].items() if key != "type"} == data
    assert data["answer"] == said


def test_a_search_that_fails_ends_the_flow_before_any_model_is_asked(cloud: Cloud, tenant: Tenant) -> None:
    for changes, http_status in (
        ({"tenant_id": "x"}, 422), ({"question": " "}, 422), ({"question": None}, 422), ({"limit": 0}, 422),
        ({"user_member_id": 2_147_483_647}, 404), ({"question": "x" * 4_001}, 413),
    ):  # fmt: skip
        reply = cloud.installation.flow(ANSWER, **(ask(tenant) | changes))
        reply.refused(http_status)
        assert reply.body["step"] == "search"
    assert cloud.groq.requests == []
    assert messages(cloud.installation, tenant) == []


def test_with_all_models_down_the_flow_says_503_and_keeps_no_message(cloud: Cloud, tenant: Tenant) -> None:
    cloud.installation.flow(INGEST, **ingest(tenant))
    cloud.use(deadline_seconds=0.5)
    cloud.groq.fail(status(503), times=None)
    cloud.cohere.fail(status(503), on="/chat", times=None)

    reply = cloud.installation.flow(ANSWER, **ask(tenant))

    reply.refused(503, "provider_unavailable")
    assert reply.body["step"] == "chat"
    assert "confidential" not in reply.text
    assert messages(cloud.installation, tenant) == []
    session = cloud.installation.flow(ANSWER, **ask(tenant, session_id="00000000-0000-4000-8000-000000000000"))
    session.refused(404, "not_found")


SECRETS = ("f/chatbot/session_signing_keys", "f/chatbot/cohere_key", "f/chatbot/postgres_password")


def logs_of(cloud: Cloud, job: str) -> str:
    """Return what a job and its steps have written and returned."""
    record = cloud.installation.job(job)
    status_of = record.get("flow_status") or {}
    modules = [*(status_of.get("modules") or []), *filter(None, [status_of.get("failure_module")])]
    parts = [str(record.get("logs")), str(record.get("result"))]
    return "\n".join([*parts, *(logs_of(cloud, module["job"]) for module in modules if module.get("job"))])


def test_a_secret_that_is_named_as_an_argument_is_shown_nowhere(cloud: Cloud, tenant: Tenant) -> None:
    workspace = cloud.installation.stack.server.workspace
    for path in SECRETS:
        secret = workspace.variables[path]["value"]
        assert secret
        for flow, arguments in ((INGEST, ingest(tenant)), (ANSWER, ask(tenant))):
            job = cloud.installation.start(flow, "f", **(arguments | {"tenant_id": f"$var:{path}"}))
            result = cloud.installation.wait(job)

            assert result["result"]["result"]["success"] is False
            assert secret not in str(result)
            assert secret not in logs_of(cloud, job)


@pytest.mark.parametrize("argument", ["flow", "tenant_id", "step", "name", "message", "extra"])
def test_report_failure_shows_no_secret_in_whatever_argument_it_is_named(cloud: Cloud, argument: str) -> None:
    secret = cloud.installation.stack.credentials.session_signing_key
    reference: object = f"$var:{SECRETS[0]}"
    known: Json = {"http_status": 404, "error_code": "not_found"}
    if argument == "extra":
        reference, known = {**known, "error_code": reference}, {}
    given: Json = {"flow": INGEST, "step": "embed", "name": "NotFound", "message": "Gone.", "extra": known}
    for extra in (known, {}):
        job = cloud.installation.start("f/chatbot/report_failure", **(given | {"extra": extra} | {argument: reference}))
        result = cloud.installation.wait(job)

        assert secret not in str(result)
        assert secret not in logs_of(cloud, job)


def test_report_failure_tells_our_sentences_and_keeps_foreign_ones_to_itself(cloud: Cloud, tenant: Tenant) -> None:
    base: Json = {"flow": INGEST, "tenant_id": tenant.id, "step": "embed", "name": "NotFound"}
    ours = cloud.installation.run(
        "f/chatbot/report_failure", **base, message="There is no such tenant.",
        extra={"http_status": 404, "error_code": "not_found", "retry_after_seconds": 7},
    )  # fmt: skip
    foreign = [
        cloud.installation.run("f/chatbot/report_failure", **base, message="the text of a document", extra=extra)
        for extra in (None, {}, {"http_status": "404"}, {"http_status": 200, "error_code": "a"}, {"http_status": 999})
    ]

    assert ours.refused(404, "not_found") == "There is no such tenant."
    assert (ours.body["step"], ours.body["retry_after_seconds"]) == ("embed", 7)
    for reply in foreign:
        sentence = reply.refused(500, "flow_failed")
        assert "embed" in sentence
        assert "the text of a document" not in reply.text
