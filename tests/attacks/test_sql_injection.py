"""SQL in every text: it is stored and found as text, and nothing else happens."""

from functools import partial

import pytest

from tests.attacks.hostile import leaks, nothing_changes
from tests.support.cloud import in_parallel, row_counts
from tests.support.installation import Installation, Json, Tenant

STRINGS = (
    "'; DROP TABLE documents; --",
    "' OR '1'='1' --",
    '" OR ""="',
    "\\'; SELECT pg_sleep(9); --",
    "$$; DELETE FROM documents; $$",
    "%(tenant)s %s %% {0} {tenant}",
    "a'||(SELECT current_user)||'",
    "x' & !y | (z <-> :* \\ '",
    "1) OR TRUE; --",
)


@pytest.fixture(scope="module")
def tenants(installation: Installation) -> tuple[Tenant, Tenant]:
    """A tenant that is attacked from inside, and another whose things must not show."""
    mine, other = installation.new_tenant(), installation.new_tenant()
    installation.add_document(
        other, "The other family's secret is KX-4711.", "Other", category="insurance", tags=["car"]
    )
    installation.add_document(mine, "An ordinary text about a car.", "Ordinary", category="insurance", tags=["car"])
    return mine, other


def everywhere(text: str) -> Json:
    """Put a text into every argument of ingest that takes any."""
    return {
        "title": f"T {text}", "content": f"Text: {text}\n\nThe end of {text}", "category": text, "tags": [text],
        "source": text, "source_url": f"https://example.org/?q={text.replace(' ', '+')}", "metadata": {text: [text]},
        "idempotency_key": text,
    }  # fmt: skip


def store_and_find(installation: Installation, tenant: Tenant, text: str) -> None:
    """Store a document with a text everywhere, look at what was stored, and find it by the text."""
    given = everywhere(text)

    document = installation.run("f/chatbot/ingest", tenant_id=tenant.id, **given).data["document_id"]

    [row] = installation.query("SELECT * FROM documents WHERE id = %s", (document,))
    for name in ("title", "content", "category", "source", "source_url", "metadata", "idempotency_key"):
        assert row[name] == given[name], name
    assert row["tags"] == [text.strip().lower()]
    chosen = {"category": text, "source": text, "tags": [text], "tags_match": "all" if "'" in text else "any"}
    found = installation.run("f/chatbot/search", tenant_id=tenant.id, query=f"text {text}", **chosen).data["documents"]
    assert [(hit["document_id"], hit["title"]) for hit in found] == [(document, given["title"])]


def test_a_statement_in_a_documents_texts_is_kept_to_the_letter_and_found_by_them(
    installation: Installation, tenants: tuple[Tenant, Tenant]
) -> None:
    mine, other = tenants
    counts = row_counts(installation, other.id)

    in_parallel([partial(store_and_find, installation, mine, text) for text in STRINGS])

    assert row_counts(installation, other.id) == counts


def test_a_statement_in_a_question_is_a_question(installation: Installation, tenants: tuple[Tenant, Tenant]) -> None:
    mine, other = tenants
    counts = row_counts(installation)
    calls = [partial(installation.run, "f/chatbot/search", tenant_id=mine.id, query=text) for text in STRINGS]
    calls += [partial(installation.run, "f/chatbot/chat", tenant_id=mine.id, question=text) for text in STRINGS]

    for reply in in_parallel(calls):
        assert reply.data is not None
        assert "KX-4711" not in reply.text
        assert leaks(installation, reply.text) == []
    # The questions and their answers were kept, and what the calls took; nothing else.
    changed = {table for table, count in row_counts(installation).items() if count != counts[table]}
    assert changed == {"conversation_sessions", "conversation_messages", "api_usage"}
    kept = installation.query(
        "SELECT content FROM conversation_messages WHERE tenant_id = %s AND role = 'user'", (mine.id,)
    )
    assert sorted(row["content"] for row in kept) == sorted(STRINGS)
    assert row_counts(installation, other.id)["conversation_messages"] == 0


def test_a_statement_in_an_id_a_date_or_a_choice_is_refused(
    installation: Installation, tenants: tuple[Tenant, Tenant]
) -> None:
    text, mine = STRINGS[0], tenants[0]
    calls: list[tuple[str, Json]] = [
        ("search", {"query": "a", "tenant_id": f"{mine.id}{text}"}),
        ("search", {"query": "a", "user_member_id": f"{mine.adult}{text}"}),
        ("search", {"query": "a", "user_member_type": text}),
        ("search", {"query": "a", "document_ids": [text]}),
        ("search", {"query": "a", "created_from": f"2026-01-01{text}"}),
        ("search", {"query": "a", "tags_match": text}),
        ("search", {"query": "a", "limit": text}),
        ("chat", {"question": "a", "session_id": text}),
        ("chat", {"question": "a", "chunk_ids": [text]}),
        ("ingest", {"title": "a", "content": "a", "language": f"english{text}"}),
        ("ingest", {"title": "a", "content": "a", "visibility": text}),
        ("ingest", {"title": "a", "content": "a", "expires_at": text}),
        ("embed", {"document_id": text}),
        ("log_usage", {"event_id": "a", "operation": text, "model": "offline-sentences"}),
        ("log_usage", {"event_id": "a", "operation": "chat", "model": text}),
    ]
    with nothing_changes(installation):
        replies = in_parallel(
            [partial(installation.run, f"f/chatbot/{name}", **{"tenant_id": mine.id, **given}) for name, given in calls]
        )
    for reply in replies:
        sentence = reply.refused(422, "invalid_argument")
        assert text not in sentence


def test_a_statement_in_an_event_or_a_name_is_kept_to_the_letter(
    installation: Installation, tenants: tuple[Tenant, Tenant]
) -> None:
    mine = tenants[0]
    for text in STRINGS[:2]:
        usage = {"event_id": text, "operation": "chat", "model": "offline-sentences"}
        assert installation.run("f/chatbot/log_usage", tenant_id=mine.id, **usage).data["recorded"] == 1
        assert installation.run("f/chatbot/log_usage", tenant_id=mine.id, **usage).data["already_recorded"] == 1
        member = installation.run("f/operations/add_member", tenant_id=mine.id, name=text, member_type="child").data[
            "user_member_id"
        ]
        [row] = installation.query("SELECT name FROM family_members WHERE id = %s", (member,))
        assert row["name"] == text
    for slug in STRINGS[:3]:
        installation.run("f/operations/create_tenant", name="Name", slug=slug).refused(422, "invalid_argument")
