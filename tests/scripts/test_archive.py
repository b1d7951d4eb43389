"""Exporting a tenant and importing it again over HTTP: all of it comes back and works, and nothing else moves."""

import json
import secrets
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from f.core.archive import DERIVED, LEFT_OUT, TABLES
from tests.attacks.hostile import nothing_changes
from tests.support.cloud import in_parallel
from tests.support.installation import Installation, Json, Reply, Tenant
from tests.support.tenant_rows import add_account, holding, rows_of, slug_of, tenants_tables

EXPORT, IMPORT, ERASE = (f"f/operations/{name}" for name in ("export_tenant", "import_tenant", "erase_tenant"))
NO_TENANT = "00000000-0000-4000-8000-000000000000"
HANDBOOK = (
    "# Roof\n\nThe roof of the barn was mended in May. The next inspection is in October.\n\n"
    "# Garden\n\nThe roses are watered on Monday and on Friday. The lawn is mown every second week.\n\n"
    "# Car\n\nThe car insurance has an excess of 250 euros. Its number is KX-4711.\n"
)
HIDDEN = (
    'Die Kündigung der Woh\u00adnung muß \u2028\x85schriftlich erfolgen.\r\n\fSeite zwei: "Zitat" \\ Schluß 🏡 \x7f'
)
QUESTIONS = ("When was the roof mended?", "excess of the car insurance", "Kündigung der Wohnung", "roses Monday")
METADATA = {"amount": 12345678901234567890.5, "nested": {"a": [1, 2.50, None, True]}, "text": "€ \u2029"}


@dataclass(frozen=True)
class Archived:
    """A tenant that has been used, and what it answered."""

    tenant: Tenant
    slug: str
    accounts: tuple[str, str]
    session: str
    documents: list[int]


def texts_of(rows: list[Json], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def answers(installation: Installation, tenant: str, member: int, session: str) -> Json:
    """Ask a tenant what it finds and remembers, without the ids in it."""
    caller: Json = {"tenant_id": tenant, "user_member_id": member}
    found: Json = {}
    for question in QUESTIONS:
        search = installation.run("f/chatbot/search", query=question, **caller).data
        found[question] = (
            texts_of(
                search["documents"],
                "title",
                "snippet",
                "relevance",
                "heading",
                "page",
                "start",
                "end",
                "created_at",
                "tags",
            ),
            search["total"],
        )
        chat = installation.run("f/chatbot/chat", question=question, **caller).data
        citations = texts_of(chat["citations"], "n", "title", "quote", "heading", "start", "end")
        found[f"{question} asked"] = (chat["answer"], chat["confidence"], citations)
    read = installation.run("f/chatbot/read_session", session_id=session, **caller).data["messages"]
    found["session"] = [
        (
            m["role"],
            m["content"],
            m["removed"],
            m["created_at"],
            texts_of(m["citations"], "n", "title", "quote", "removed"),
        )
        for m in read
    ]
    return found


def make(installation: Installation) -> Archived:
    """Make a tenant that has something of everything, by using it where that can be."""
    tenant = installation.new_tenant()
    mail = secrets.token_hex(6)
    accounts = (f"one-{mail}@example.org", f"two-{mail}@example.org")
    add_account(installation, tenant, tenant.admin, accounts[0])
    add_account(installation, tenant, tenant.adult, accounts[1])
    add = partial(installation.add_document, tenant)
    documents = [
        add(HANDBOOK, "Handbook", tags=["house", "car"], metadata=METADATA, source_url="https://example.org/h"),
        add(HIDDEN, "Mietvertrag", language="german", visibility="adults_only", expires_at="2020-01-01"),
        add("The diary says that the roof is red.", "Diary", visibility="private", assigned_to=tenant.adult),
        add("An old list of roses.", "Old list", user_member_id=tenant.adult, idempotency_key="old"),
    ]
    caller: Json = {"tenant_id": tenant.id, "user_member_id": tenant.adult}
    session = installation.run("f/chatbot/chat", question="When was the roof mended?", **caller).data["session_id"]
    installation.run("f/chatbot/chat", question="And when is the next inspection?", session_id=session, **caller).done()
    installation.run("f/operations/issue_session_token", tenant_id=tenant.id, user_member_id=tenant.adult).done()
    installation.query("UPDATE documents SET deleted_at = now() WHERE id = %s", (documents[3],))
    installation.query(
        "INSERT INTO expiry_notices (tenant_id, document_id, member_id, threshold, expires_at)"
        " SELECT tenant_id, id, %s, 'expired', expires_at FROM documents WHERE id = %s",
        (tenant.adult, documents[1]),
    )
    installation.query(
        "INSERT INTO notice_deliveries (tenant_id, document_id, member_id, threshold, expires_at, channel, status)"
        " SELECT tenant_id, document_id, member_id, threshold, expires_at, 'email', 'sent' FROM expiry_notices"
        " WHERE tenant_id = %s",
        (tenant.id,),
    )
    # What was answered before rests on what the handbook was.
    edited: Json = {"tenant_id": tenant.id, "document_id": documents[0]}
    change = partial(installation.flow, "f/chatbot/change_document", **edited, user_member_id=tenant.admin)
    change(
        version=1, content=f"# Preface\n\nThis is new.\n\n{HANDBOOK}", assigned_to=tenant.teen, tags=["house"]
    ).done()
    change(version=2, title="The handbook", clear=["assigned_to"]).done()
    return Archived(tenant, slug_of(installation, tenant), accounts, session, documents)


def pages(installation: Installation, tenant: str, maximum_bytes: int = 4_000_000) -> Iterator[str]:
    """Export a tenant page by page."""
    cursor = None
    while True:
        page = installation.run(EXPORT, tenant_id=tenant, cursor=cursor, maximum_bytes=maximum_bytes).data
        assert page["rows"] == len(page["lines"].splitlines()) - 1 == page["lines"].count("\n") - 1
        yield page["lines"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def exported(installation: Installation, tenant: str) -> str:
    [page] = pages(installation, tenant)
    return page


def rows_in(*archive: str) -> list[Json]:
    """Parse an archive's lines, without the headers."""
    lines = [json.loads(line) for page in archive for line in page.splitlines()]
    return [line for line in lines if "format" not in line]


def of_table(rows: list[Json], table: str) -> list[Json]:
    return [line["row"] for line in rows if line["table"] == table]


def take(installation: Installation, archive: str, **more: object) -> Json:
    return dict(installation.run(IMPORT, lines=archive, **more).data)


def members(installation: Installation, tenant: str) -> dict[str, int]:
    rows = installation.query("SELECT id, member_type FROM family_members WHERE tenant_id = %s", (tenant,))
    return {row["member_type"]: row["id"] for row in rows}


def new_slug() -> str:
    return f"s-{secrets.token_hex(6)}"


def without_ids(rows: list[Json], ids: dict[str, dict[Any, Any]]) -> list[str]:
    """Write rows so that two archives of the same data are the same: ids by what they name, in a fixed order."""

    def named(kind: str, value: Any) -> Any:
        return value if value is None else ids[kind].get(value, f"unknown {kind}")

    of_members = ("assigned_to", "created_by", "changed_by", "member_id")
    kinds = {**dict.fromkeys(of_members, "member"), "document_id": "document"}
    written = []
    for line in rows:
        table, row = line["table"], dict(line["row"])
        for column in (
            "tenant_id",
            "imported_from",
            *(["id"] if table not in ("conversation_sessions", "audit_log") else []),
        ):
            row.pop(column, None)
        if table in ("tenant_memberships", "family_members"):
            row.pop("user_id")
        for column, kind in kinds.items():
            if column in row:
                row[column] = named(kind, row[column])
        if "sources" in row:
            row["sources"] = sorted(named("document", one) for one in row["sources"])
            row["citations"] = [
                {**c, "document_id": named("document", c["document_id"]), "chunk_id": named("chunk", c["chunk_id"])}
                for c in row["citations"]
            ]
        if row.get("target_type") in ("member", "document"):
            row["target_id"] = named(row["target_type"], int(row["target_id"]))
        if row.get("target_type") == "tenant":
            row["target_id"] = "the tenant"
        written.append(json.dumps({"table": table, "account": line.get("account"), "row": row}, sort_keys=True))
    return sorted(written)


def names(rows: list[Json]) -> dict[str, dict[Any, Any]]:
    """Say for each id in an archive what it names."""
    titles = {row["id"]: row["title"] for row in of_table(rows, "documents")}
    return {
        "member": {row["id"]: row["member_type"] for row in of_table(rows, "family_members")},
        "document": titles,
        "chunk": {
            row["id"]: f"{titles[row['document_id']]} {row['ordinal']}" for row in of_table(rows, "document_chunks")
        },
    }


def comparable(archive: str) -> list[str]:
    rows = [line for line in rows_in(archive) if line["row"].get("action") not in ("import_tenant", "export_tenant")]
    return without_ids(rows, names(rows))


@pytest.fixture(scope="module")
def archived(installation: Installation) -> Archived:
    """A tenant that the tests below export, and change nothing in."""
    return make(installation)


@pytest.fixture(scope="module")
def archive(installation: Installation, archived: Archived) -> str:
    return exported(installation, archived.tenant.id)


def test_every_column_of_every_table_is_in_the_archive_or_named_as_left_out(
    installation: Installation, archive: str
) -> None:
    rows = rows_in(archive)
    tenant_tables = {*tenants_tables(installation), "tenants", "users"}

    assert tenant_tables == set(TABLES) | set(LEFT_OUT)
    assert {line["table"] for line in rows} == set(TABLES)
    for table in TABLES:
        columns = installation.query(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            (table,),
        )
        expected = {row["attname"] for row in columns} - set(DERIVED.get(table, ()))
        for row in of_table(rows, table):
            assert set(row) == expected, table


def test_every_row_of_the_tenant_is_in_it_once_and_none_of_another(
    installation: Installation, archived: Archived, archive: str
) -> None:
    rows = rows_in(archive)
    counts = rows_of(installation, archived.tenant.id)

    for table in set(TABLES) - {"tenants", "users", "audit_log"}:
        assert len(of_table(rows, table)) == counts[table], table
    assert [row["id"] for row in of_table(rows, "tenants")] == [archived.tenant.id]
    assert {row["email"] for row in of_table(rows, "users")} == set(archived.accounts)
    assert {row["tenant_id"] for line in rows if "tenant_id" in (row := line["row"])} == {archived.tenant.id}
    header = json.loads(archive.splitlines()[0])
    assert (header["format"], header["version"], header["tenant"]) == ("family-brain-export", 1, archived.tenant.id)
    [version] = installation.query("SELECT max(version) AS v FROM schema_migrations")
    assert header["schema_version"] == version["v"]
    assert header["exported_at"]


def test_pages_hold_the_same_as_one_and_each_goes_on(
    installation: Installation, archived: Archived, archive: str
) -> None:
    whole, log = archive.splitlines()[1:], '"table": "audit_log"'
    for most in (1, 40_000):
        parts = list(pages(installation, archived.tenant.id, most))
        lines = [part.splitlines() for part in parts]
        found = [line for _, *rows in lines for line in rows]
        # In between the log has grown by what the tests have done, and is in no order that anybody knows.
        assert [line for line in found if log not in line] == [line for line in whole if log not in line]
        assert {line for line in whole if log in line} <= set(found)
        assert len(found) == len(set(found))
        for part, page in zip(parts, lines, strict=True):
            assert len(part.encode()) <= most or len(page) == 2, "only a single row may be larger"
        assert len({header for header, *_ in lines}) == 1


def test_a_page_that_is_asked_for_again_is_the_same(installation: Installation, archived: Archived) -> None:
    first = installation.run(EXPORT, tenant_id=archived.tenant.id, maximum_bytes=40_000).data
    again = [
        installation.run(EXPORT, tenant_id=archived.tenant.id, maximum_bytes=40_000, cursor=first["next_cursor"]).data
        for _ in range(2)
    ]

    assert again[0] == again[1]
    assert again[0]["lines"] != first["lines"]


def test_what_is_stored_after_an_archive_was_begun_is_not_in_it(installation: Installation) -> None:
    tenant = installation.new_tenant()
    installation.add_document(tenant, HANDBOOK, "Before")
    begun = installation.run(EXPORT, tenant_id=tenant.id, maximum_bytes=1).data
    installation.add_document(tenant, HANDBOOK.replace("May", "June"), "After")
    installation.run("f/chatbot/chat", tenant_id=tenant.id, user_member_id=tenant.adult, question="Roof?").done()
    parts, cursor = [begun["lines"]], begun["next_cursor"]
    while cursor:
        page = installation.run(EXPORT, tenant_id=tenant.id, cursor=cursor).data
        parts, cursor = [*parts, page["lines"]], page["next_cursor"]

    rows = rows_in(*parts)
    assert [row["title"] for row in of_table(rows, "documents")] == ["Before"]
    document = of_table(rows, "documents")[0]["id"]
    assert {row["document_id"] for row in of_table(rows, "document_chunks")} == {document}
    assert of_table(rows, "conversation_messages") == []
    copy = str(uuid.uuid4())
    for part in parts:
        take(installation, part, tenant_id=copy, slug=copy)
    assert rows_of(installation, copy)["documents"] == 1


def forged_cursors(cursor: str) -> list[object]:
    tenant, archive, began, table, after = json.loads(urlsafe_b64decode(cursor))
    changed: list[object] = [
        [NO_TENANT, archive, began, table, after],
        [tenant, "x", began, table, after],
        [tenant, archive, "soon", table, after],
        [tenant, archive, None, table, after],
        [tenant, archive, began, "schema_migrations", after],
        [tenant, archive, began, "documents; DROP TABLE documents", after],
        [tenant, archive, began, ["documents"], after],
        [tenant, archive, began, "documents", []],
        [tenant, archive, began, "documents", ["1 OR true"]],
        [tenant, archive, began, "documents", [True]],
        [tenant, archive, began, "documents", [10**30]],
        [tenant, archive, began, "documents", [1, 2]],
        [tenant, archive, began, "documents", 7],
        [tenant, archive, began, "audit_log", [7]],
        [tenant, archive, began, "audit_log", ["7"]],
        [tenant, archive, began, table],
        {"tenant": tenant},
        None,
        7,
    ]
    deep = urlsafe_b64encode(b"[" * 700).decode()
    return [*(urlsafe_b64encode(json.dumps(one).encode()).decode() for one in changed), deep, "%%%", "\u03b1", "AAAA"]


def test_a_cursor_that_is_malformed_or_anothers_is_refused(installation: Installation, archived: Archived) -> None:
    tenant, other = archived.tenant, installation.new_tenant()
    first = installation.run(EXPORT, tenant_id=tenant.id, maximum_bytes=1).data["next_cursor"]
    wrong: list[tuple[Json, int]] = [
        *(({"cursor": cursor}, 422) for cursor in (*forged_cursors(first), 7, ["a"])),
        ({"cursor": "x" * 1_001}, 413),
        ({"cursor": first, "tenant_id": other.id}, 422),
        *(({"maximum_bytes": value}, 422) for value in (0, -1, "7", 1.5, True, 50_000_001)),
        *(({"tenant_id": value}, 422) for value in (None, "", 7, "not-an-id")),
        ({"tenant_id": NO_TENANT}, 404),
    ]
    with nothing_changes(installation):
        calls = [partial(installation.run, EXPORT, **{"tenant_id": tenant.id} | case) for case, _ in wrong]
        for (case, status), reply in zip(wrong, in_parallel(calls), strict=True):
            assert reply.refused(status), case


def test_a_tenant_that_was_erased_comes_back_with_all_it_had_and_answers_as_before(installation: Installation) -> None:
    made = make(installation)
    before = exported(installation, made.tenant.id)
    told = answers(installation, made.tenant.id, made.tenant.adult, made.session)
    assert told["When was the roof mended?"][0]
    assert [message[2] for message in told["session"]] == [False] * 4
    installation.run(ERASE, tenant_id=made.tenant.id, confirm_slug=made.slug).done()

    data = take(installation, before)

    assert data["tenant_id"] == made.tenant.id
    assert data["rows"] == len(rows_in(before))
    assert sum(data["imported"].values()) == data["rows"]
    assert comparable(exported(installation, made.tenant.id)) == comparable(before)
    adult = members(installation, made.tenant.id)["adult"]
    assert answers(installation, made.tenant.id, adult, made.session) == told
    asked = installation.run(
        "f/chatbot/chat",
        question="And the roses?",
        session_id=made.session,
        tenant_id=made.tenant.id,
        user_member_id=adult,
    ).data
    assert asked["session_id"] == made.session
    again = exported(installation, made.tenant.id)
    assert not {row["id"] for row in of_table(rows_in(before), "documents")} & {
        row["id"] for row in of_table(rows_in(again), "documents")
    }


def test_what_is_derived_is_the_same_as_ingest_made_it(installation: Installation) -> None:
    made = make(installation)
    derived = """
        SELECT d.title, d.word_count AS words, encode(d.content_hash, 'hex') AS hash, c.ordinal, c.words::text,
               c.word_count, c.embedding::text, d.embedding::text AS whole,
               (SELECT string_agg(w.lexeme || ' ' || w.frequency || ' ' || w.chunk_length, ',' ORDER BY lexeme)
                FROM chunk_words AS w
                WHERE w.tenant_id = c.tenant_id AND w.chunk_id = c.id AND w.document_id = d.id) AS index
        FROM documents AS d JOIN document_chunks AS c ON c.tenant_id = d.tenant_id AND c.document_id = d.id
        WHERE d.tenant_id = %s ORDER BY d.title, c.ordinal
    """
    before = installation.query(derived, (made.tenant.id,))
    copy = str(uuid.uuid4())

    for page in pages(installation, made.tenant.id, 1):
        take(installation, page, tenant_id=copy, slug=copy)

    assert len(before) >= 4
    assert all(row["index"] for row in before)
    assert installation.query(derived, (copy,)) == before


def test_a_copy_under_another_id_works_beside_its_original(installation: Installation, archived: Archived) -> None:
    archive = exported(installation, archived.tenant.id)
    told = answers(installation, archived.tenant.id, archived.tenant.adult, archived.session)
    copy, slug = str(uuid.uuid4()), new_slug()

    take(installation, archive, tenant_id=copy, slug=slug, name=" A copy ")

    [tenant] = installation.query("SELECT name, slug, created_at FROM tenants WHERE id = %s", (copy,))
    assert (tenant["name"], tenant["slug"]) == ("A copy", slug)
    adult = members(installation, copy)["adult"]
    assert answers(installation, copy, adult, archived.session) == told
    private = installation.run("f/chatbot/search", tenant_id=copy, query="diary roof red", user_member_id=adult).data
    assert "Diary" in [hit["title"] for hit in private["documents"]]
    teen = installation.run(
        "f/chatbot/search", tenant_id=copy, query="diary roof red", user_member_id=members(installation, copy)["teen"]
    ).data
    assert "Diary" not in [hit["title"] for hit in teen["documents"]]
    accounts = "SELECT count(DISTINCT user_id) AS n FROM tenant_memberships WHERE tenant_id IN (%s, %s)"
    assert installation.query(accounts, (copy, archived.tenant.id))[0]["n"] == 2
    holders = (
        "SELECT u.email, m.member_type FROM family_members AS m JOIN users AS u ON u.id = m.user_id"
        " WHERE m.tenant_id = %s ORDER BY 2"
    )
    assert [tuple(row.values()) for row in installation.query(holders, (copy,))] == [
        (archived.accounts[0], "admin"), (archived.accounts[1], "adult"),
    ]  # fmt: skip
    assert installation.query("SELECT 1 FROM session_tokens WHERE tenant_id = %s", (copy,)) == []


@pytest.fixture
def copy() -> Json:
    """Arguments under which an archive becomes a tenant of its own."""
    return {"tenant_id": str(uuid.uuid4()), "slug": new_slug()}


def test_a_page_that_is_sent_again_changes_nothing(installation: Installation, archived: Archived, copy: Json) -> None:
    parts = list(pages(installation, archived.tenant.id, 20_000))
    assert len(parts) > 4
    for part in parts:
        take(installation, part, **copy)
        with nothing_changes(installation):
            assert not any(take(installation, part, **copy)["imported"].values())

    with nothing_changes(installation):
        assert not any(take(installation, "".join(parts), **copy)["imported"].values())


def test_pages_in_another_order_are_refused_and_leave_nothing_half_done(
    installation: Installation, archived: Archived, copy: Json
) -> None:
    rows = archived_lines(installation, archived)
    header = rows["header"][0]
    with nothing_changes(installation):
        sentence = installation.run(IMPORT, lines="\n".join([header, *rows["family_members"]]), **copy).refused(409)
        assert "first page" in sentence
    take(installation, "\n".join([header, *rows["tenants"]]), **copy)
    before = ("users", "tenant_memberships", "family_members", "documents", "expiry_notices", "conversation_sessions")
    for table in (*TABLES[3:11], "api_usage"):
        with nothing_changes(installation):
            # It begins well and ends badly, so that its beginning is not taken either.
            lines = "\n".join([header, *(rows["users"] if table == "family_members" else []), *rows[table]])
            sentence = installation.run(IMPORT, lines=lines, **copy).refused(422, "invalid_argument")
            assert "in the order of the export" in sentence, table
    take(installation, "\n".join([header, *(line for table in before for line in rows[table])]), **copy)
    take(installation, "\n".join([header, *(line for table in reversed(TABLES) for line in rows[table])]), **copy)
    assert answers(
        installation, copy["tenant_id"], members(installation, copy["tenant_id"])["adult"], archived.session
    ) == answers(installation, archived.tenant.id, archived.tenant.adult, archived.session)


def archived_lines(installation: Installation, archived: Archived) -> dict[str, list[str]]:
    """Give an archive's lines by their tables."""
    header, *lines = exported(installation, archived.tenant.id).splitlines()
    by_table: dict[str, list[str]] = {"header": [header], **{table: [] for table in TABLES}}
    for line in lines:
        by_table[json.loads(line)["table"]].append(line)
    return by_table


def test_what_is_there_already_is_not_written_over(
    installation: Installation, archived: Archived, archive: str, copy: Json
) -> None:
    empty = installation.new_tenant().id
    with nothing_changes(installation):
        sentence = installation.run(IMPORT, lines=archive).refused(409, "conflict")
        assert "tenant_id" in sentence
        sentence = installation.run(IMPORT, lines=archive, tenant_id=copy["tenant_id"]).refused(409, "conflict")
        assert "slug" in sentence
        sentence = installation.run(IMPORT, lines=archive, tenant_id=archived.tenant.id, slug=copy["slug"]).refused(409)
        assert "tenant_id" in sentence
        installation.run(IMPORT, lines=archive, tenant_id=empty, slug=copy["slug"]).refused(409)
    take(installation, archive, **copy)
    other = exported(installation, archived.tenant.id)
    with nothing_changes(installation):
        installation.run(IMPORT, lines=other, **copy).refused(409, "conflict")
        header, first, *_ = archive.splitlines()
        assert "another archive" in installation.run(
            IMPORT, lines=f"{header}\n{first}\n{other.splitlines()[0]}\n", **copy
        ).refused(422)


def test_the_same_page_sent_twice_at_once_is_taken_once(installation: Installation, archive: str, copy: Json) -> None:
    data = [reply.data for reply in in_parallel([partial(installation.run, IMPORT, lines=archive, **copy)] * 3)]

    assert sorted(sum(one["imported"].values()) for one in data) == [0, 0, data[0]["rows"] - 2]
    # The two accounts are there.


def test_what_names_something_that_is_gone_never_names_something_else(installation: Installation, copy: Json) -> None:
    tenant = installation.new_tenant()
    gone = installation.add_document(tenant, "The secret of the oven is KX-4712.", "Oven")
    caller: Json = {"tenant_id": tenant.id, "user_member_id": tenant.adult}
    asked = installation.run("f/chatbot/chat", question="What is the secret of the oven?", **caller).data
    assert [citation["document_id"] for citation in asked["citations"]] == [gone]
    installation.run("f/operations/erase_member", tenant_id=tenant.id, user_member_id=tenant.teen).done()
    # As the clean-up does it; the answer that rests on it stays, and is withheld.
    installation.query("DELETE FROM documents WHERE id = %s", (gone,))

    take(installation, exported(installation, tenant.id), **copy)

    here = copy["tenant_id"]
    assert rows_of(installation, here)["documents"] == 0
    [message] = installation.query(
        "SELECT sources, citations FROM conversation_messages WHERE tenant_id = %s AND role = 'assistant'", (here,)
    )
    mapped = installation.query(
        "SELECT new_id FROM imported_ids WHERE tenant_id = %s AND kind = 'document' AND old_id = %s", (here, gone)
    )
    number = mapped[0]["new_id"]
    assert number != gone
    assert message["sources"] == [number]
    assert [citation["document_id"] for citation in message["citations"]] == [number]
    used = installation.query("SELECT DISTINCT document_id FROM api_usage WHERE tenant_id = %s", (here,))
    assert {row["document_id"] for row in used} == {None, number}
    logged = installation.query(
        "SELECT target_type, target_id FROM audit_log WHERE tenant_id = %s AND action IN ('ingest', 'erase_member')",
        (here,),
    )
    teen = installation.query(
        "SELECT new_id FROM imported_ids WHERE tenant_id = %s AND kind = 'member' AND old_id = %s", (here, tenant.teen)
    )[0]["new_id"]
    assert {(row["target_type"], row["target_id"]) for row in logged} == {
        ("document", str(number)), ("member", str(teen)),
    }  # fmt: skip
    read = installation.run(
        "f/chatbot/read_session", tenant_id=here, user_member_id=members(installation, here)["adult"],
        session_id=asked["session_id"],
    )  # fmt: skip
    assert read.data["messages"][0]["removed"] is True
    assert "KX-4712" not in read.text


def test_a_document_that_was_being_processed_somewhere_waits_here(installation: Installation, copy: Json) -> None:
    tenant = installation.new_tenant()
    document = installation.run("f/chatbot/ingest", tenant_id=tenant.id, title="New", content=HANDBOOK).data[
        "document_id"
    ]
    installation.query(
        "UPDATE documents SET status = 'processing', lease_holder = 'run', lease_until = now() + '1 day', attempts = 1"
        " WHERE id = %s",
        (document,),
    )

    take(installation, exported(installation, tenant.id), **copy)

    [row] = installation.query(
        "SELECT status, lease_holder, lease_until FROM documents WHERE tenant_id = %s", (copy["tenant_id"],)
    )
    assert tuple(row.values()) == ("queued", None, None)
    assert installation.run("f/chatbot/embed", tenant_id=copy["tenant_id"]).data["documents"] == 1


def test_each_import_that_brings_something_and_each_export_is_in_the_log(
    installation: Installation, archived: Archived, copy: Json
) -> None:
    exported(installation, archived.tenant.id)
    for archive in [exported(installation, archived.tenant.id)] * 2:
        take(installation, archive, **copy)

    def logged(tenant: str, action: str) -> set[tuple[Any, ...]]:
        rows = installation.query(
            "SELECT identity, outcome, target_type, target_id FROM audit_log WHERE tenant_id = %s AND action = %s",
            (tenant, action),
        )
        return {tuple(row.values()) for row in rows}

    mine, here = archived.tenant.id, copy["tenant_id"]
    assert logged(mine, "export_tenant") == {("operator", "done", "tenant", mine)}
    assert logged(here, "export_tenant") == {("operator", "done", "tenant", here)}, "what it tells of goes with it"
    assert logged(here, "import_tenant") == {("operator", "done", "tenant", here)}
    times = "SELECT count(*) AS n FROM audit_log WHERE tenant_id = %s AND action = 'import_tenant'"
    assert installation.query(times, (here,))[0]["n"] == 1


def changed(line: str, **columns: object) -> str:
    """Change columns of a line's row."""
    value = json.loads(line)
    return json.dumps({**value, "row": {**value["row"], **columns}})


def without(line: str, column: str) -> str:
    value = json.loads(line)
    value["row"].pop(column)
    return json.dumps(value)


def bad_lines(lines: dict[str, list[str]]) -> list[str]:
    """Give lines that are wrong."""
    document, chunk = lines["documents"][0], lines["document_chunks"][0]
    message = next(line for line in lines["conversation_messages"] if '"assistant"' in line)
    member, membership = lines["family_members"][0], lines["tenant_memberships"][0]
    version, session, notice, usage, entry = (
        lines[table][0]
        for table in ("document_versions", "conversation_sessions", "expiry_notices", "api_usage", "audit_log")
    )
    objects: list[object] = [
        {"table": "documents"}, {"table": "documents", "row": []}, {"table": "nothing", "row": {}},
        {"table": "session_tokens", "row": {}}, {"table": "id_secrets", "row": {}}, {"table": ["documents"], "row": {}},
        {"table": "pg_authid; DROP TABLE documents", "row": {}}, {"row": {}}, {"table": 7, "row": {}},
    ]  # fmt: skip
    return [
        *("{", "nonsense", "[]", "7", "null", '"text"', "{}", "[" * 5_000, '{"a":' * 5_000),
        *(json.dumps(value) for value in objects),
        document.replace('"row"', '"more": 1, "row"', 1),
        changed(document, note="x"),
        changed(document, words="x"),
        changed(chunk, words="'x':1"),
        without(document, "title"),
        without(entry, "member_id"),
        changed(document, tenant_id=NO_TENANT),
        changed(document, tenant_id=None),
        changed(lines["tenants"][0], id=NO_TENANT),
        *(changed(document, id=value) for value in (None, "7", 1.5, True, 0, -1, 2**31, 10**30, [1])),
        changed(document, title=""),
        changed(document, title="x" * 501),
        changed(document, title=None),
        changed(document, id=77, content=7),
        changed(document, id=77, content=""),
        changed(document, id=77, content="a\0b"),
        changed(document, id=77, version=0),
        changed(version, version=77, document_id=2_000_000_000),
        changed(version, version=77, changed_by=2_000_000_000),
        changed(version, version=77, assigned_to="7"),
        changed(version, version=77, content=7),
        changed(version, version=77, language="klingon"),
        changed(version, version=77, visibility="private", assigned_to=None),
        changed(version, version=0),
        changed(document, id=77, title="a\ud800b"),
        changed(document, id=77, language="klingon"),
        changed(document, id=77, language=["english"]),
        changed(document, id=77, visibility="public"),
        changed(document, id=77, visibility="private", assigned_to=None),
        changed(document, id=77, assigned_to=2_000_000_000),
        changed(document, id=77, embedding="[1,2]"),
        changed(document, id=77, embedding="x"),
        changed(document, id=77, tags="x"),
        changed(document, id=77, metadata=[]),
        changed(document, id=77, created_at="soon"),
        changed(document, id=77, chunk_count=0),
        changed(document, id=77).replace('"chunk_count": ', '"chunk_count": NaN, "a": '),
        changed(document, id=77).replace('"attempts": ', '"attempts": 1e999'),
        changed(chunk, id=77, document_id=2_000_000_000),
        changed(chunk, id=77, document_id=None),
        changed(chunk, id=77, content="something else"),
        changed(chunk, id=77, ordinal=99, content="x" * len(json.loads(chunk)["row"]["content"])),
        changed(chunk, id=77, start_offset=-1),
        changed(chunk, id=77, end_offset="7"),
        changed(chunk, id=77, token_count=0),
        changed(chunk, id=77),
        changed(chunk, id=77, ordinal=99, embedding="[" + "1e9," * 1023 + "1]"),
        changed(member, id=77, member_type="owner"),
        changed(member, id=77, name=""),
        membership.replace("@example.org", "@example.net"),
        json.dumps({**json.loads(membership), "account": None}),
        json.dumps({**json.loads(membership), "account": 7}),
        json.dumps({**json.loads(membership), "account": "a\ud800@example.org"}),
        changed(lines["users"][0], email="NOBODY@example.org"),
        changed(lines["users"][0], email=None),
        changed(session, id=str(uuid.uuid4()), member_id=2_000_000_000),
        changed(session, id="7"),
        changed(message, session_id=str(uuid.uuid4())),
        changed(message, citations=7),
        changed(message, citations=[7]),
        changed(message, citations=[{"n": 1}]),
        changed(message, sources=["x"]),
        changed(message, event_id="new", role="system"),
        changed(message, event_id="new", sight=7),
        changed(notice, document_id=2_000_000_000),
        changed(notice, threshold="tomorrow"),
        changed(usage, event_id="new", cost_microusd=-1),
        changed(usage, event_id="new", member_id=2_000_000_000),
        changed(entry, id=str(uuid.uuid4()), identity="god"),
        changed(entry, id=str(uuid.uuid4()), action="x" * 101),
        changed(entry, member_id="7"),
    ]


def test_a_line_that_is_wrong_is_named_by_its_number_and_nothing_of_its_page_is_stored(
    installation: Installation, archived: Archived, copy: Json
) -> None:
    lines = archived_lines(installation, archived)
    take(installation, "\n".join(line for table in ("header", *TABLES) for line in lines[table]), **copy)
    good = [lines["header"][0], changed(lines["api_usage"][0], event_id="that would be new")]
    bad = bad_lines(lines)
    with nothing_changes(installation):
        calls = [partial(installation.run, IMPORT, lines="\n".join([*good, text, good[-1]]), **copy) for text in bad]
        for text, reply in zip(bad, in_parallel(calls), strict=True):
            assert "Line 3:" in said(reply, text), f"{text[:200]}: {reply.text[:300]}"


def said(reply: Reply, text: str) -> str:
    """Return the sentence with which a page was refused."""
    assert reply.status == 422, f"{text[:200]}: {reply.status} {reply.text[:300]}"
    assert "success" in reply.body, f"{text[:200]}: {reply.text[:300]}"
    return reply.refused(422, "invalid_argument")


def test_a_page_without_the_header_of_an_archive_is_refused(
    installation: Installation, archive: str, copy: Json
) -> None:
    header, *rows = archive.splitlines()
    stated = json.loads(header)
    wrong = [
        *({**stated, "format": value} for value in ("other", None, 7)),
        *({**stated, "version": value} for value in (2, "1", None)),
        *({**stated, "tenant": value} for value in ("x", None, 7)),
        *({**stated, "archive": value} for value in ("x", None)),
        {key: value for key, value in stated.items() if key != "format"},
    ]
    pages_of = ["\n".join([json.dumps(one), *rows]) for one in wrong]
    pages_of += ["\n".join(rows), "{}", "nonsense"]
    with nothing_changes(installation):
        calls = [partial(installation.run, IMPORT, lines=page, **copy) for page in pages_of]
        for page, reply in zip(pages_of, in_parallel(calls), strict=True):
            assert "Line 1:" in said(reply, page)
        arguments: list[tuple[Json, int]] = [
            *(({"lines": value}, 422) for value in (None, "", "  ", 7, [archive], {"a": 1}, "a\0b")),
            ({"lines": f"\n\n{header}\n"}, 409),
            *(({"tenant_id": value}, 422) for value in (7, "not-an-id", ["a"])),
            *(({"slug": value}, 422) for value in ("Upper", 7, ["a"], "a\n")),
            ({"slug": "x" * 64}, 413),
            *(({"name": value}, 422) for value in (7, ["a"], "a\nb")),
            ({"name": "x" * 201}, 413),
        ]
        for case, status in arguments:
            assert installation.run(IMPORT, **{"lines": archive, **copy} | case).refused(status), case


def test_numbers_and_texts_come_back_to_the_last_digit_and_character(installation: Installation, copy: Json) -> None:
    tenant = installation.new_tenant()
    installation.add_document(tenant, HIDDEN, "Title \u2028 x".replace("\u2028", "\xa0"), metadata={"a": 1})
    exact = (
        '{"big": 1234567890123456789012345678901234567890.12345678901234567890, "small": 1e-300, "text": "\\u0001€"}'
    )
    installation.query("UPDATE documents SET metadata = %s WHERE tenant_id = %s", (exact, tenant.id))

    take(installation, exported(installation, tenant.id), **copy)

    columns = "SELECT content, title, metadata::text, embedding::text, created_at, updated_at FROM documents"
    one, two = (installation.query(f"{columns} WHERE tenant_id = %s", (one,)) for one in (tenant.id, copy["tenant_id"]))
    assert one == two
    assert "1234567890123456789012345678901234567890.12345678901234567890" in one[0]["metadata"]
    assert one[0]["content"] == HIDDEN


def test_an_import_touches_no_other_tenant(installation: Installation, archived: Archived, copy: Json) -> None:
    archive = exported(installation, archived.tenant.id)
    before = fingerprints(installation, copy["tenant_id"])
    shared = installation.query("SELECT count(*) AS n FROM users")

    take(installation, archive, **copy)

    assert fingerprints(installation, copy["tenant_id"]) == before
    assert installation.query("SELECT count(*) AS n FROM users") == shared
    assert holding(installation, copy["slug"]) == {"tenants"}


def fingerprints(installation: Installation, tenant: str) -> Json:
    """Return a fingerprint of the rows of all tenants but one."""
    return {
        table: installation.query(
            f"SELECT count(*) AS rows, md5(coalesce(string_agg(t::text, '' ORDER BY t::text), '')) AS text FROM {table}"
            f" AS t WHERE {'id' if table == 'tenants' else 'tenant_id'} <> %s",
            (tenant,),
        )
        for table in [*tenants_tables(installation), "tenants"]
    }


def test_accounts_of_other_tenants_are_not_in_it(installation: Installation, archived: Archived) -> None:
    other = make(installation)

    rows = rows_in(exported(installation, archived.tenant.id))

    assert {row["email"] for row in of_table(rows, "users")} == set(archived.accounts)
    assert not any(account in json.dumps(rows) for account in other.accounts)
