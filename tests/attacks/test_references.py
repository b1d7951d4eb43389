"""``$var:`` and its kin: Windmill puts a secret where a caller wrote a reference, and nobody may get or store it."""

import json
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.attacks.every_script import ENOUGH, FLOWS, SCRIPTS, taking_arguments
from tests.attacks.hostile import jobs_of, leaks, logs, nothing_changes, rows_that_hold, secrets_of
from tests.support.cloud import in_parallel
from tests.support.installation import Installation, Tenant

CANARY = "canary-0f8d2c71-secret"
REFERENCES = (
    "$var:f/chatbot/postgres_password",
    "$var:f/chatbot/session_signing_keys",
    "$res:f/chatbot/postgres_db",
    "$res:f/operations/postgres_db",
    "$jsonvar:f/chatbot/attacked",
    "$encrypted:AAAA",
)
HIDDEN = (
    # What Windmill replaces besides: a text in parts, and the job's own variables beside a word that makes it look.
    {"$interpolate": ["the password is ", {"$var": "f/chatbot/postgres_password"}]},
    {"a": "$WM_TOKEN", "b": "see $var: for more"},
    {"a": {"b": [{"c": "$var:f/chatbot/postgres_password"}]}},
    ["$var:f/chatbot/postgres_password"],
    ["$WM_TOKEN", "a $res: b"],
)


@pytest.fixture(scope="module")
def tenant(installation: Installation) -> Iterator[Tenant]:
    installation.set_variable("f/chatbot/attacked", json.dumps({"secret": CANARY}))
    yield installation.new_tenant()
    installation.stack.server.workspace.variables.pop("f/chatbot/attacked")


def told(installation: Installation, text: str) -> list[str]:
    return [*leaks(installation, text), *(["the canary"] if CANARY in text else [])]


def attack(installation: Installation, tenant: Tenant, path: str, name: str, value: Any, kind: str = "p") -> None:
    """Put a reference into one argument: the call is refused, and its answer and log tell nothing."""
    arguments = {**ENOUGH[path], "tenant_id": tenant.id, name: value}
    job = str(uuid.uuid4())
    answer = installation.client.post(
        installation.stack.url(f"jobs/run_wait_result/{kind}/{path}"), params={"job_id": job}, json=arguments
    )
    status, text = (
        answer.status_code,
        answer.text + "".join(logs(installation, one) for one in jobs_of(installation, job)),
    )
    attempt = f"{path} {name}={value}"
    # What cannot be deciphered Windmill itself refuses, before the script; a flow then knows no more than that.
    refusals = (422, 500) if "$encrypted:" in str(value) and kind == "f" else (422,)
    assert status in refusals, f"{attempt}: {text}"
    assert told(installation, text) == [], attempt


def attacks_on(installation: Installation, tenant: Tenant, path: str, kind: str = "p") -> list[Callable[[], None]]:
    """Attack each argument with a reference, another one each time, in the shape that the argument has."""
    attempts: list[Callable[[], None]] = []
    shapes: dict[str, Callable[[str], Any]] = {"array": lambda text: [text], "object": lambda text: {"a": [text]}}
    for number, (name, schema) in enumerate((FLOWS if kind == "f" else SCRIPTS)[path].items()):
        shape = shapes.get(schema.get("type", ""), str)
        reference = REFERENCES[(number + len(path)) % len(REFERENCES)]
        attempts.append(partial(attack, installation, tenant, path, name, shape(reference), kind))
    return attempts


@pytest.mark.parametrize("path", taking_arguments(SCRIPTS))
def test_a_reference_in_any_argument_of_a_script_is_refused_and_nothing_is_stored_or_told(
    installation: Installation, tenant: Tenant, path: str
) -> None:
    with nothing_changes(installation):
        in_parallel(attacks_on(installation, tenant, path))


@pytest.mark.parametrize("path", taking_arguments(FLOWS))
def test_a_reference_in_any_argument_of_a_flow_is_refused_and_nothing_is_stored_or_told(
    installation: Installation, tenant: Tenant, path: str
) -> None:
    # The first step of answer_question does not get every argument, so it may have counted its own call, and remembered
    # what it asked for.
    with nothing_changes(installation, "api_usage", "query_embeddings"):
        in_parallel(attacks_on(installation, tenant, path, "f"))


def test_a_reference_that_is_nested_or_in_parts_is_refused_too(installation: Installation, tenant: Tenant) -> None:
    attempts = [partial(attack, installation, tenant, "f/chatbot/ingest", "metadata", value) for value in HIDDEN]
    elsewhere = (
        ("f/chatbot/ingest", "title"), ("f/chatbot/ingest", "tags"), ("f/chatbot/search", "query"),
        ("f/chatbot/chat", "question"), ("f/chatbot/log_usage", "events"), ("f/chatbot/log_usage", "document"),
        ("f/chatbot/report_failure", "message"), ("f/chatbot/report_failure", "extra"),
        ("f/operations/report_clean_up", "documents"),
    )  # fmt: skip
    for number, (path, name) in enumerate(elsewhere):
        attempts.append(partial(attack, installation, tenant, path, name, HIDDEN[number % 2]))
    with nothing_changes(installation):
        in_parallel(attempts)


def test_a_reference_beside_a_text_too_large_for_the_jobs_record_is_refused_too(
    installation: Installation, tenant: Tenant
) -> None:
    """Windmill leaves large arguments out of a job's record: padding would hide what stands beside it."""
    padding = "The garden needs water. " * 10_000
    with nothing_changes(installation):
        for run, path in ((installation.run, "f/chatbot/ingest"), (installation.flow, "f/chatbot/ingest_document")):
            reply = run(path, tenant_id=tenant.id, title="$var:f/chatbot/postgres_password", content=padding)
            assert "must not begin with" in reply.refused(422, "invalid_argument")
            assert installation.stack.credentials.app_password not in reply.text


def test_an_argument_that_the_script_does_not_have_is_no_way_round(installation: Installation, tenant: Tenant) -> None:
    with nothing_changes(installation):
        attack(installation, tenant, "f/chatbot/ingest", "no_such_argument", REFERENCES[0])


def test_a_text_that_only_mentions_a_reference_is_a_text(installation: Installation) -> None:
    tenant = installation.new_tenant()
    content = "To read a variable in Windmill write $var:f/chatbot/postgres_password, and {$res:x} for a resource."
    document = installation.add_document(tenant, content, "About $var:", metadata={"a": "x $var: y", "b": "$5"})

    found = installation.run("f/chatbot/search", tenant_id=tenant.id, query=" $var: how to read a variable").data

    assert [hit["document_id"] for hit in found["documents"]] == [document]
    assert "$var:f/chatbot/postgres_password" in found["documents"][0]["snippet"].replace("**", "")


def test_no_row_of_any_table_holds_a_secret(installation: Installation, tenant: Tenant) -> None:
    """After all of the above."""
    assert rows_that_hold(installation, [*secrets_of(installation), CANARY, "job_"]) == []
