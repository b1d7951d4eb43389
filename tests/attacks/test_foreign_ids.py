"""Ids of another tenant: the answer is the same, to the letter, as for an id that does not exist.

Were it not, a caller could find out what other tenants have, one number after the other.
"""

import re
import uuid
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tests.attacks.hostile import nothing_changes
from tests.support.cloud import in_parallel, row_counts
from tests.support.installation import Installation, Json, Tenant

NOBODYS = 2_000_000_000
_ANY_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Pair:
    """Two tenants; the other one's things."""

    mine: Tenant
    other: Tenant
    document: int
    chunk: int
    session: str


@pytest.fixture(scope="module")
def pair(installation: Installation) -> Pair:
    mine, other = installation.new_tenant(), installation.new_tenant()
    installation.add_document(mine, "The bicycle is in the cellar.", "Bicycle")
    document = installation.add_document(
        other, "The excess for theft is 400 euros.", "Policy", idempotency_key="key-1", user_member_id=other.adult
    )
    chunk = installation.query("SELECT id FROM document_chunks WHERE document_id = %s", (document,))[0]["id"]
    data = installation.run(
        "f/chatbot/chat", question="The excess for theft?", tenant_id=other.id, user_member_id=other.adult
    ).data
    installation.run(
        "f/chatbot/log_usage", tenant_id=other.id, event_id="event-1", operation="chat", model="offline-sentences"
    )
    return Pair(mine, other, document, chunk, data["session_id"])


# A script, the arguments that name something, and how an id stands in them.
NAMING: list[tuple[str, str, Json]] = [
    ("p", "f/chatbot/search", {"query": "theft", "document_ids": ["<document>"]}),
    ("p", "f/chatbot/search", {"query": "theft", "assigned_to": "<member>"}),
    ("p", "f/chatbot/search", {"query": "theft", "user_member_id": "<member>"}),
    ("p", "f/chatbot/chat", {"question": "theft?", "document_ids": ["<document>"]}),
    ("p", "f/chatbot/chat", {"question": "theft?", "chunk_ids": ["<chunk>"]}),
    ("p", "f/chatbot/chat", {"question": "theft?", "session_id": "<session>"}),
    ("p", "f/chatbot/chat", {"question": "theft?", "user_member_id": "<member>"}),
    ("p", "f/chatbot/embed", {"document_id": "<document>"}),
    ("p", "f/chatbot/embed", {"document_id": "<document>", "user_member_id": "<member>"}),
    ("p", "f/chatbot/ingest", {"title": "T", "content": "New.", "assigned_to": "<member>"}),
    ("p", "f/chatbot/ingest", {"title": "T", "content": "New.", "visibility": "private", "assigned_to": "<member>"}),
    ("p", "f/chatbot/ingest", {"title": "T", "content": "New.", "user_member_id": "<member>"}),
    ("p", "f/chatbot/log_usage", {"events": [], "document": {"document_id": "<document>"}}),
    ("p", "f/chatbot/log_usage", {"events": [], "user_member_id": "<member>"}),
    ("p", "f/operations/issue_session_token", {"user_member_id": "<member>"}),
    ("f", "f/chatbot/ingest_document", {"title": "T", "content": "New.", "assigned_to": "<member>"}),
    ("f", "f/chatbot/answer_question", {"question": "theft?", "session_id": "<session>"}),
    ("f", "f/chatbot/answer_question", {"question": "theft?", "document_ids": ["<document>"]}),
]


def filled(value: Any, ids: Json) -> Any:
    """Put ids into their places."""
    if isinstance(value, dict):
        return {name: filled(item, ids) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, ids) for item in value]
    return ids.get(value, value) if isinstance(value, str) else value


def answered(installation: Installation, kind: str, path: str, arguments: Json, ids: Json) -> tuple[int, str]:
    """Call, and return the status and the answer without its ids."""
    run = installation.flow if kind == "f" else installation.run
    reply = run(path, **filled(arguments, ids))
    text = _ANY_UUID.sub("#", reply.text)
    for value in ids.values():
        text = text.replace(str(value), "#")
    return reply.status, text


@pytest.mark.parametrize(("kind", "path", "arguments"), NAMING, ids=lambda value: str(value).removeprefix("f/"))
def test_anothers_id_is_answered_as_one_that_does_not_exist(
    installation: Installation, pair: Pair, kind: str, path: str, arguments: Json
) -> None:
    others = {
        "<document>": pair.document, "<chunk>": pair.chunk, "<session>": pair.session, "<member>": pair.other.adult,
    }  # fmt: skip
    nobodys = {
        "<document>": NOBODYS, "<chunk>": NOBODYS, "<session>": str(uuid.uuid4()), "<member>": NOBODYS,
    }  # fmt: skip
    named = {**arguments, "tenant_id": pair.mine.id}
    rows = row_counts(installation, pair.other.id)

    answers = in_parallel([partial(answered, installation, kind, path, named, ids) for ids in (others, nobodys)])

    assert answers[0] == answers[1]
    assert answers[0][0] in (200, 404)
    assert "400" not in answers[0][1]
    assert "Policy" not in answers[0][1]
    assert row_counts(installation, pair.other.id) == rows


def test_a_key_that_another_tenant_has_used_is_a_new_key(installation: Installation, pair: Pair) -> None:
    arguments = {"title": "Mine", "content": "Quite another text.", "idempotency_key": "key-1"}

    data = installation.run(
        "f/chatbot/ingest", tenant_id=pair.mine.id, user_member_id=pair.mine.adult, **arguments
    ).data

    assert data["duplicate_of"] is None
    assert data["status"] == "queued"


def test_a_text_that_another_tenant_has_is_a_new_text(installation: Installation, pair: Pair) -> None:
    content = "The excess for theft is 400 euros."

    data = installation.run("f/chatbot/ingest", title="Policy", content=content, tenant_id=pair.mine.id).data

    assert data["duplicate_of"] is None
    assert data["document_id"] != pair.document


def test_an_event_that_another_tenant_has_counted_is_counted_here_too(installation: Installation, pair: Pair) -> None:
    arguments = {"event_id": "event-1", "operation": "chat", "model": "offline-sentences"}

    data = installation.run("f/chatbot/log_usage", tenant_id=pair.mine.id, **arguments).data

    assert (data["recorded"], data["already_recorded"]) == (1, 0)


def test_a_tenant_that_does_not_exist_is_not_found_by_any_script(installation: Installation) -> None:
    nobody = str(uuid.uuid4())
    calls: dict[str, Json] = {
        "f/chatbot/search": {"query": "a"},
        "f/chatbot/chat": {"question": "a"},
        "f/chatbot/embed": {},
        "f/chatbot/ingest": {"title": "a", "content": "a"},
        "f/chatbot/log_usage": {"events": []},
        "f/operations/add_member": {"name": "a", "member_type": "adult"},
        "f/operations/issue_session_token": {"user_member_id": 1},
    }
    with nothing_changes(installation):
        for path, arguments in calls.items():
            assert installation.run(path, tenant_id=nobody, **arguments).refused(404, "not_found") == (
                "There is no such tenant."
            ), path


def test_a_conversation_of_another_member_is_answered_as_one_that_does_not_exist(
    installation: Installation, pair: Pair
) -> None:
    arguments = {"question": "theft?", "session_id": "<session>"}
    answers = [
        answered(
            installation,
            "p",
            "f/chatbot/chat",
            {**arguments, "tenant_id": pair.other.id, **who},
            {"<session>": session},
        )
        for who in ({"user_member_id": pair.other.admin}, {"user_member_id": pair.other.teen}, {})
        for session in (pair.session, str(uuid.uuid4()))
    ]

    assert len(set(answers)) == 1
    assert answers[0][0] == 404
