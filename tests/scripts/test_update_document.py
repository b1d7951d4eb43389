"""Changing a document: who may, into what, what is kept of it, and that only what changed is embedded again."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from tests.attacks.hostile import contents, nothing_changes
from tests.scripts.test_embed import cheap
from tests.support.cloud import Cloud, chunks, document, in_parallel, usage
from tests.support.installation import Installation, Json, Tenant, autocommit_cursor
from tests.support.patience import wait_until

UPDATE, FLOW, EMBED, GET = (
    f"f/chatbot/{name}" for name in ("update_document", "change_document", "embed", "get_document")
)
PARTS = [f"# Part {n}\n\n" + f"The part number {n} deals with roof and garden. " * 25 + "\n" for n in range(6)]
HANDBOOK = "\n".join(PARTS)
SEVEN = HANDBOOK.replace("# Part 3", "# Part seven")
GREEK = "Η απαλλαγή για κλοπή είναι 400 ευρώ και η ασφάλεια πληρώνει όσα είναι πάνω από αυτό."  # noqa: RUF001 -- Greek


@pytest.fixture
def tenant(installation: Installation) -> Tenant:
    return installation.new_tenant()


def stored(installation: Installation, tenant: Tenant, **more: object) -> int:
    """Store a text without embedding it."""
    given = {"title": "T", "content": "The excess is 400 euros.", **more}
    return int(installation.run("f/chatbot/ingest", tenant_id=tenant.id, **given).data["document_id"])


def versions(installation: Installation, document_id: int) -> list[Json]:
    return installation.query("SELECT * FROM document_versions WHERE document_id = %s ORDER BY version", (document_id,))


def identities(pieces: list[Json]) -> list[tuple[int, object]]:
    return [(piece["id"], piece["embedding"]) for piece in pieces]


def whole(installation: Installation, document_id: int) -> bool:
    """Check that the chunks are the text's; tell whether all have vectors, and the document's is their mean."""
    stored_now, pieces = document(installation, document_id), chunks(installation, document_id)
    assert [piece["ordinal"] for piece in pieces] == list(range(len(pieces)))
    assert all(stored_now["content"][p["start_offset"] : p["end_offset"]] == p["content"] for p in pieces)
    assert (stored_now["chunk_count"], stored_now["word_count"]) == (len(pieces), sum(p["word_count"] for p in pieces))
    [row] = installation.query(
        "SELECT (SELECT count(*) FROM chunk_words WHERE document_id = %(id)s) AS words,"
        " (SELECT sum(length(words)) FROM document_chunks WHERE document_id = %(id)s) AS stems,"
        " (SELECT count(*) FROM document_chunks AS c, documents AS d WHERE d.id = %(id)s AND c.document_id = d.id"
        "  AND c.words <> words_of(d.language, concat_ws(' ', d.title, c.heading, c.content))) AS other,"
        " (SELECT embedding = (SELECT l2_normalize(avg(embedding)::vector) FROM document_chunks"
        "                      WHERE document_id = %(id)s) FROM documents WHERE id = %(id)s) AS mean",
        {"id": document_id},
    )
    assert (row["words"], row["other"]) == (row["stems"], 0)
    return stored_now["status"] == "completed" and bool(row["mean"])


def test_of_a_changed_text_only_the_changed_passages_are_embedded_again(cloud: Cloud) -> None:
    installation = cloud.installation
    tenant = installation.new_tenant()
    run = partial(installation.run, tenant_id=tenant.id)
    wanted = installation.add_document(tenant, HANDBOOK, "Handbook", user_member_id=tenant.adult)
    before = chunks(installation, wanted)
    cloud.cohere.requests.clear()

    data = run(UPDATE, document_id=wanted, version=1, content=f"{PARTS[0].replace('0', 'new')}\n{SEVEN}").data

    assert data == {
        "document_id": wanted, "version": 2, "changed": ["content"], "chunks": 7, "to_embed": 2, "status": "queued",
        "duplicate_of": None, "visible": True,
    }  # fmt: skip
    after = chunks(installation, wanted)
    kept = [number for number in range(6) if number != 3]
    assert [identities(after)[number + 1] for number in kept] == [identities(before)[number] for number in kept]
    assert {after[0]["id"], after[4]["id"]}.isdisjoint(piece["id"] for piece in before)
    assert after[2]["start_offset"] > before[1]["start_offset"]
    assert run("f/chatbot/search", query="seven").data["documents"][0]["chunk_id"] == after[4]["id"]  # by its words

    assert run(EMBED, document_id=wanted).data["chunks"] == 2
    assert len(cloud.cohere.requests_to("/embed")[-1].body["texts"]) == 2
    assert [event["operation"] for event in usage(installation, tenant) if event["document_id"] == wanted] == [
        "embed"
    ] * 2
    assert whole(installation, wanted)


def test_who_changes_a_document_finds_it_changed_at_once(installation: Installation, tenant: Tenant) -> None:
    run = partial(installation.run, tenant_id=tenant.id)
    wanted = installation.add_document(tenant, HANDBOOK, "Handbook")

    data = installation.flow(FLOW, tenant_id=tenant.id, document_id=wanted, version=1, content=SEVEN).data

    assert {key: data[key] for key in ("document_id", "status", "version", "changed", "duplicate_of")} == {
        "document_id": wanted, "status": "completed", "version": 2, "changed": ["content"], "duplicate_of": None,
    }  # fmt: skip
    assert whole(installation, wanted)
    assert run("f/chatbot/search", query="part seven").data["documents"][0]["version"] == 2
    answer = run("f/chatbot/chat", question="What does part seven deal with?").data
    assert {citation["version"] for citation in answer["citations"]} == {2}
    [gone] = [piece for piece in chunks(installation, wanted) if "number 5" in piece["content"]]
    shorter = installation.flow(
        FLOW, tenant_id=tenant.id, document_id=wanted, version=2, content=SEVEN.partition("# Part 5")[0]
    ).data
    assert (shorter["status"], shorter["version"], shorter["to_embed"]) == ("completed", 3, 0)  # nothing was embedded
    assert whole(installation, wanted)
    assert gone["id"] not in run("f/chatbot/search", query="part number 5").data["chunk_ids"]


def test_who_gives_a_document_out_of_their_own_sight_is_told_so_and_the_backlog_embeds_it(
    installation: Installation,
) -> None:
    tenant = installation.new_tenant(admins_see_private=False)
    wanted = installation.add_document(tenant, HANDBOOK, "Handbook", user_member_id=tenant.adult)
    given = {"content": SEVEN, "visibility": "private", "assigned_to": tenant.teen}

    data = installation.flow(
        FLOW, tenant_id=tenant.id, document_id=wanted, version=1, user_member_id=tenant.admin, **given
    ).data

    assert (data["version"], data["visible"], data["status"]) == (2, False, "queued")
    read = partial(installation.run, GET, tenant_id=tenant.id, document_id=wanted)
    read(user_member_id=tenant.admin).refused(404)
    assert read(user_member_id=tenant.teen).data["version"] == 2
    installation.run(EMBED, tenant_id=tenant.id).done()
    assert whole(installation, wanted)


def test_what_shapes_no_passage_touches_none(installation: Installation, tenant: Tenant) -> None:
    wanted = installation.add_document(
        tenant, HANDBOOK, "Handbook", category="house", tags=["a"], expires_at="2031-01-01"
    )
    before = installation.query(
        "SELECT xmin::text, * FROM document_chunks WHERE document_id = %s ORDER BY id", (wanted,)
    )
    change = partial(installation.run, UPDATE, tenant_id=tenant.id, document_id=wanted)

    data = change(version=1, tags=["B", "c"], visibility="adults_only", category="car", expires_at="2032-01-01").data
    cleared = change(version=2, clear=["category", "tags", "expires_at"]).data

    assert (data["changed"], data["status"]) == (["category", "visibility", "tags", "expires_at"], "completed")
    assert (cleared["changed"], cleared["version"]) == (["category", "tags", "expires_at"], 3)
    after = installation.query(
        "SELECT xmin::text, * FROM document_chunks WHERE document_id = %s ORDER BY id", (wanted,)
    )
    assert after == before
    now = document(installation, wanted)
    assert (now["category"], now["tags"], now["expires_at"], now["visibility"]) == (None, [], None, "adults_only")
    first, second = versions(installation, wanted)
    assert (first["version"], first["category"], first["tags"], first["visibility"]) == (1, "house", ["a"], "everyone")
    assert (second["version"], second["category"], second["tags"]) == (2, "car", ["b", "c"])
    assert (second["written_at"], second["replaced_at"]) == (first["replaced_at"], now["changed_at"])
    assert first["content"] == HANDBOOK


def test_a_new_title_makes_all_passages_new_and_a_new_language_keeps_their_vectors(
    installation: Installation, tenant: Tenant
) -> None:
    run = partial(installation.run, tenant_id=tenant.id)
    wanted = installation.add_document(tenant, HANDBOOK, "Handbook")
    before = chunks(installation, wanted)

    data = run(UPDATE, document_id=wanted, version=1, language="german").data

    german = chunks(installation, wanted)
    assert (data["to_embed"], data["status"]) == (0, "completed")
    assert [piece["embedding"] for piece in german] == [piece["embedding"] for piece in before]
    assert {piece["id"] for piece in german}.isdisjoint(piece["id"] for piece in before)
    assert whole(installation, wanted)
    data = run(UPDATE, document_id=wanted, version=2, title="Zeppelin").data
    assert (data["to_embed"], data["status"]) == (6, "queued")
    assert document(installation, wanted)["embedding"] is None
    assert run("f/chatbot/search", query="zeppelin").data["total"] == 1
    assert run("f/chatbot/search", query="handbook").data["documents"] == []
    run(EMBED, document_id=wanted).done()
    assert whole(installation, wanted)


def test_a_new_text_is_in_the_language_that_it_tells_unless_that_was_fixed(
    installation: Installation, tenant: Tenant
) -> None:
    english = "The excess for theft is 400 euros, and the insurance pays what is above it."
    told = stored(installation, tenant, content=english)
    fixed = stored(installation, tenant, content=f"{english} Really.", language="german")
    run = partial(installation.run, UPDATE, tenant_id=tenant.id, version=1)

    assert run(document_id=told, content=GREEK).data["changed"] == ["content", "language"]
    assert run(document_id=fixed, content=f"{GREEK} {GREEK}").data["changed"] == ["content"]
    assert [document(installation, one)["language"] for one in (told, fixed)] == ["greek", "german"]


def test_what_changes_nothing_makes_no_version_whichever_was_read(installation: Installation, tenant: Tenant) -> None:
    run = partial(installation.run, UPDATE, tenant_id=tenant.id)
    wanted = stored(installation, tenant, tags=["a"], assigned_to=tenant.teen)
    run(document_id=wanted, version=1, title="New").done()
    with nothing_changes(installation):
        for same in ({}, {"title": " New "}, {"tags": ["A"]}, {"clear": ["category"]}, {"assigned_to": tenant.teen}):
            data = run(document_id=wanted, version=1, **same).data
            assert (data["changed"], data["version"], data["chunks"]) == ([], 2, 1), same


def test_a_change_of_what_was_not_read_is_refused_and_tells_the_version(
    installation: Installation, tenant: Tenant
) -> None:
    run = partial(installation.run, UPDATE, tenant_id=tenant.id)
    wanted = stored(installation, tenant)
    run(document_id=wanted, version=1, title="New").done()
    with nothing_changes(installation):
        for read in (1, 3, 2_147_483_647):
            assert "version 2 now" in run(document_id=wanted, version=read, title="Newer").refused(409, "conflict")


def test_of_two_changes_at_once_one_wins_and_the_other_is_told(installation: Installation, tenant: Tenant) -> None:
    wanted = stored(installation, tenant)
    change = partial(installation.run, UPDATE, tenant_id=tenant.id, document_id=wanted)
    for version in range(1, 6):
        told = in_parallel([partial(change, version=version, title=f"{version} of {who}") for who in range(4)])
        assert sorted(reply.status for reply in told) == [200, 409, 409, 409]
        [won] = [number for number, reply in enumerate(told) if reply.status == 200]
        assert document(installation, wanted)["title"] == f"{version} of {won}"
    assert [row["version"] for row in versions(installation, wanted)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("stored_by", "visibility", "changed_by", "change", "outcome"),
    [
        ("adult", "everyone", "adult", {"title": "N"}, 200),
        ("adult", "everyone", "admin", {"title": "N"}, 200),
        ("adult", "everyone", None, {"title": "N"}, 200),
        ("adult", "everyone", "teen", {"title": "N"}, 403),
        ("child", "everyone", "adult", {"title": "N"}, 403),
        ("admin", "admins_only", "adult", {"title": "N"}, 404),
        ("admin", "admins_only", None, {"title": "N"}, 200),
        ("adult", "private", "teen", {"title": "N"}, 404),
        ("adult", "private", "adult", {"visibility": "everyone"}, 200),
        ("adult", "everyone", "adult", {"visibility": "admins_only"}, 403),
        ("adult", "everyone", "adult", {"visibility": "private"}, 200),
        ("adult", "everyone", "adult", {"visibility": "private", "assigned_to": "teen"}, 403),
        ("adult", "everyone", "adult", {"assigned_to": "teen"}, 200),
        ("adult", "private", "adult", {"assigned_to": "teen"}, 403),
        ("adult", "private", "adult", {"clear": ["assigned_to"]}, 422),
        ("adult", "everyone", "admin", {"visibility": "private", "assigned_to": "teen"}, 200),
        ("teen", "everyone", "teen", {"visibility": "adults_only"}, 403),
        ("child", "everyone", "child", {"content": "New."}, 200),
        ("adult", "everyone", None, {"visibility": "private"}, 422),
        ("adult", "everyone", None, {"visibility": "private", "assigned_to": "child"}, 200),
        ("adult", "everyone", "admin", {"assigned_to": 2_000_000_000}, 404),
    ],
)  # fmt: skip
def test_who_may_change_what_into_what(
    installation: Installation, tenant: Tenant, stored_by: str, visibility: str, changed_by: str | None, change: Json,
    outcome: int,
) -> None:  # fmt: skip
    wanted = stored(installation, tenant, visibility=visibility, user_member_id=tenant.types[stored_by])
    member = tenant.types[changed_by] if changed_by else None
    given = {**change, **({"assigned_to": tenant.types.get(str(to), to)} if (to := change.get("assigned_to")) else {})}
    before = document(installation, wanted)

    reply = installation.run(UPDATE, tenant_id=tenant.id, document_id=wanted, version=1, user_member_id=member, **given)

    assert reply.status == outcome, reply.text
    after = document(installation, wanted)
    assert (after["version"], len(versions(installation, wanted))) == ((2, 1) if outcome == 200 else (1, 0))
    assert outcome == 200 or after == before
    if outcome == 200 and after["visibility"] == "private" and "assigned_to" not in change:
        assert after["assigned_to"] == tenant.types[stored_by]
    if outcome == 200:
        [row] = versions(installation, wanted)
        assert row["changed_by"] == member
        [noted] = installation.query(
            "SELECT member_id, target_id FROM audit_log WHERE tenant_id = %s AND action = 'update_document'",
            (tenant.id,),
        )
        assert (noted["member_id"], noted["target_id"]) == (member, str(wanted))


def test_a_document_of_a_member_who_was_removed_can_still_be_changed(
    installation: Installation, tenant: Tenant
) -> None:
    wanted = stored(installation, tenant, assigned_to=tenant.child)
    installation.run("f/operations/remove_member", tenant_id=tenant.id, user_member_id=tenant.child).done()
    change = partial(installation.run, UPDATE, tenant_id=tenant.id, document_id=wanted)

    assert change(version=1, visibility="adults_only", title="N").data["version"] == 2
    change(version=2, visibility="private", assigned_to=tenant.child).refused(404)


def test_a_text_that_another_document_has_is_told_to_who_sees_that(installation: Installation, tenant: Tenant) -> None:
    hidden = stored(installation, tenant, content="The same text.", visibility="admins_only")
    adults, admins = (stored(installation, tenant, content=f"{n}", user_member_id=tenant.adult) for n in ("one", "two"))
    change = partial(installation.run, UPDATE, tenant_id=tenant.id, version=1, content="The same\ntext.")

    assert change(document_id=adults, user_member_id=tenant.adult).data["duplicate_of"] is None
    told = change(document_id=admins, user_member_id=tenant.admin).data["duplicate_of"]
    assert told in (hidden, adults)


def test_another_tenants_document_is_as_unknown_as_none(installation: Installation, tenant: Tenant) -> None:
    other = installation.new_tenant()
    theirs = stored(installation, other)
    with nothing_changes(installation):
        for who in ({}, {"user_member_id": tenant.admin}):
            change = partial(installation.run, UPDATE, tenant_id=tenant.id, version=1, title="N", **who)
            assert change(document_id=theirs).refused(404) == change(document_id=7).refused(404)


def test_pages_are_those_of_the_new_text(installation: Installation, tenant: Tenant) -> None:
    wanted = stored(installation, tenant, content="One.\fTwo.")
    run = partial(installation.run, UPDATE, tenant_id=tenant.id, document_id=wanted)

    run(version=1, content="Zero.\fOne.\fTwo.").done()

    assert [(piece["content"], piece["page"]) for piece in chunks(installation, wanted)] == [
        ("Zero.", 1), ("One.", 2), ("Two.", 3),
    ]  # fmt: skip
    assert document(installation, wanted)["page_count"] == 3
    run(version=2, content="All.").done()
    assert document(installation, wanted)["page_count"] is None


def test_passages_that_say_the_same_keep_a_row_each(installation: Installation, tenant: Tenant) -> None:
    wanted = installation.add_document(tenant, "Same.\fSame.\fOther.\fSame.")
    before = {piece["id"] for piece in chunks(installation, wanted)}

    data = installation.run(
        UPDATE, tenant_id=tenant.id, document_id=wanted, version=1, content="Other.\fSame.\fSame.\fSame.\fSame."
    ).data

    after = {piece["id"] for piece in chunks(installation, wanted)}
    assert (data["to_embed"], len(after - before), before < after) == (1, 1, True)
    installation.run(EMBED, tenant_id=tenant.id, document_id=wanted).done()
    assert whole(installation, wanted)


def test_a_key_still_finds_the_document_when_it_was_changed(installation: Installation, tenant: Tenant) -> None:
    wanted = stored(installation, tenant, idempotency_key="k")
    installation.run(UPDATE, tenant_id=tenant.id, document_id=wanted, version=1, content="Changed.").done()
    with nothing_changes(installation):
        assert stored(installation, tenant, idempotency_key="k") == wanted
        installation.run(
            "f/chatbot/ingest", tenant_id=tenant.id, title="T", content="Never.", idempotency_key="k"
        ).refused(409)


def test_an_embedding_in_flight_completes_no_text_that_was_changed_meanwhile(cloud: Cloud) -> None:
    installation = cloud.installation
    tenant = installation.new_tenant()
    wanted = installation.run("f/chatbot/ingest", tenant_id=tenant.id, title="Handbook", content=HANDBOOK).data[
        "document_id"
    ]
    old = chunks(installation, wanted)
    change = partial(installation.run, UPDATE, tenant_id=tenant.id, document_id=wanted)

    def meanwhile(texts: list[str]) -> list[list[float]]:
        if document(installation, wanted)["version"] == 1:
            assert change(version=1, content=SEVEN).data["status"] == "queued"
        return cheap()(texts)

    cloud.cohere.embed = meanwhile
    data = installation.run(EMBED, tenant_id=tenant.id, document_id=wanted).data

    after = chunks(installation, wanted)
    assert (data["status"], document(installation, wanted)["status"]) == ("queued", "queued")
    assert [piece["embedding"] is None for piece in after] == [number == 3 for number in range(6)]
    assert after[3]["id"] not in {piece["id"] for piece in old}
    assert installation.run(EMBED, tenant_id=tenant.id, document_id=wanted).data["chunks"] == 1
    assert whole(installation, wanted)


@contextmanager
def held(installation: Installation, statement: str, parameters: object) -> Iterator[None]:
    """Hold what a statement locks, in a transaction of another's."""
    with autocommit_cursor(installation.stack.admin_dsn) as cursor:
        cursor.execute("BEGIN")
        cursor.execute(statement, parameters)
        yield
        cursor.execute("COMMIT")


BUSY = """
SELECT 1 FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'family-brain' AND state <> 'idle'
"""


def waits(installation: Installation) -> int:
    [row] = installation.query(
        "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return int(row["n"])


def test_a_change_and_a_batch_of_vectors_at_once_wait_for_each_other_and_not_for_ever(
    installation: Installation, tenant: Tenant
) -> None:
    """Both take the document before its chunks: else one would have chunks and the other the document."""
    wanted = stored(installation, tenant, content=HANDBOOK)
    last = chunks(installation, wanted)[-1]["id"]
    with held(installation, "SELECT FROM document_chunks WHERE id = %s FOR UPDATE", (last,)):
        embedding = installation.start(EMBED, tenant_id=tenant.id, document_id=wanted)
        wait_until(lambda: waits(installation) == 1)  # for the last chunk, having all others
        change = installation.start(UPDATE, tenant_id=tenant.id, document_id=wanted, version=1, title="N")
        wait_until(lambda: waits(installation) == 2)
    for job in (embedding, change):
        assert installation.wait(job)["result"]["success"] is True
    assert [piece["embedding"] for piece in chunks(installation, wanted)] == [None] * 6
    installation.run(EMBED, tenant_id=tenant.id, document_id=wanted).done()
    assert whole(installation, wanted)


@pytest.mark.parametrize("table", ["document_versions", "document_chunks", "audit_log"])
def test_a_change_that_is_killed_in_its_middle_is_done_wholly_or_not_at_all(
    installation: Installation, tenant: Tenant, table: str
) -> None:
    """What is sent with the end of the transaction is done, though nobody waits for it any more."""
    wanted = installation.add_document(tenant, HANDBOOK, "Handbook")
    before = contents(installation, "api_usage", "rate_states")
    with held(installation, f"LOCK TABLE {table} IN SHARE MODE", None):
        job = installation.start(UPDATE, tenant_id=tenant.id, document_id=wanted, version=1, content=SEVEN)
        wait_until(lambda: waits(installation) == 1)
        installation.cancel(job)
        assert installation.wait(job)["success"] is False
    wait_until(lambda: not installation.query(BUSY))  # the server notices late that its client is gone
    noted = installation.query(
        "SELECT 1 FROM audit_log WHERE action = 'update_document' AND tenant_id = %s", (tenant.id,)
    )
    is_done = table == "audit_log"
    assert (document(installation, wanted)["version"], len(noted)) == ((2, 1) if is_done else (1, 0))
    assert is_done or contents(installation, "api_usage", "rate_states") == before

    data = installation.flow(FLOW, tenant_id=tenant.id, document_id=wanted, version=1, content=SEVEN).data

    assert (data["version"], data["status"], whole(installation, wanted)) == (2, "completed", True)
    assert len(versions(installation, wanted)) == 1
