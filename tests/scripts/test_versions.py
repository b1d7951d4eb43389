"""What documents were: listed, compared, cited and restored, by who sees what they are and might have seen that."""

from functools import partial

import pytest

from tests.attacks.hostile import nothing_changes
from tests.scripts.test_update_document import HANDBOOK, SEVEN, whole
from tests.support.cloud import chunks, document
from tests.support.installation import Installation, Json, Reply, Tenant, autocommit_cursor

UPDATE, LIST, COMPARE, RESTORE, GET = (
    f"f/chatbot/{name}"
    for name in ("update_document", "list_versions", "compare_versions", "restore_version", "get_document")
)
SECRET = "zqsecret"


@pytest.fixture
def tenant(installation: Installation) -> Tenant:
    return installation.new_tenant()


def stored(installation: Installation, tenant: Tenant, content: str = "Text.", **more: object) -> int:
    return int(
        installation.run("f/chatbot/ingest", tenant_id=tenant.id, title="T", content=content, **more).data[
            "document_id"
        ]
    )


def test_versions_are_listed_with_who_changed_what(installation: Installation, tenant: Tenant) -> None:
    wanted = stored(installation, tenant, "One two.", user_member_id=tenant.adult)
    change = partial(installation.run, UPDATE, tenant_id=tenant.id, document_id=wanted)
    change(version=1, content="One  two.", user_member_id=tenant.admin).done()  # white space alone
    change(version=2, title="New", tags=["a"]).done()
    change(version=3, visibility="adults_only", expires_at="2031-01-01", user_member_id=tenant.adult).done()
    run = partial(installation.run, LIST, tenant_id=tenant.id, document_id=wanted, user_member_id=tenant.adult)

    data = run().data

    told = [(v["version"], v["written_by"], v["changed"], v["title"], v["is_current"]) for v in data["versions"]]
    assert told == [
        (4, tenant.adult, ["visibility", "expires_at"], "New", True),
        (3, None, ["title", "tags"], "New", False),
        (2, tenant.admin, ["content"], "T", False),
        (1, tenant.adult, [], "T", False),
    ]
    assert [v["characters"] for v in data["versions"]] == [9, 9, 9, 8]
    assert [v["replaced_at"] for v in data["versions"]] == [None, *(v["written_at"] for v in data["versions"][:-1])]
    first = run(limit=3).data
    assert (len(first["versions"]), first["has_more"], first["next_before"]) == (3, True, 2)
    rest = run(limit=3, before=2).data
    assert (rest["versions"], rest["has_more"], rest["next_before"]) == (data["versions"][3:], False, None)
    assert run(before=1).data == {"versions": [], "has_more": False, "next_before": None}


def test_two_versions_are_compared_by_fields_lines_and_words(installation: Installation, tenant: Tenant) -> None:
    old = "# Car\n\nThe excess is 400 euros.\nIt is paid in June.\n"
    wanted = stored(installation, tenant, old, tags=["a"], category="car")
    change = partial(installation.run, UPDATE, tenant_id=tenant.id, document_id=wanted)
    change(version=1, content=old.replace("400", "500") + "Always.\n", tags=["b"], expires_at="2031-01-01").done()
    change(version=2, clear=["category"]).done()
    run = partial(installation.run, COMPARE, tenant_id=tenant.id, document_id=wanted)

    data = run(version=1, other_version=2).data

    assert data["fields"] == [
        {"field": "tags", "old": ["a"], "new": ["b"]},
        {"field": "expires_at", "old": None, "new": "2031-01-01T23:59:59+00:00"},
    ]
    assert [(hunk["removed"], hunk["added"], hunk["old_line"], hunk["new_line"]) for hunk in data["hunks"]] == [
        ("400", "500", 3, 3), ("", "Always.\n", 5, 5),
    ]  # fmt: skip
    assert old[data["hunks"][0]["old_start"] : data["hunks"][0]["old_end"]] == "400"
    assert (data["removed_characters"], data["added_characters"], data["truncated"]) == (3, 11, False)
    short = run(version=1, other_version=2, limit=1).data
    assert (len(short["hunks"]), short["truncated"], short["added_characters"]) == (1, True, 11)
    now = run(version=1).data
    assert (now["old_version"], now["new_version"], now["fields"][0]["field"]) == (
        1,
        3,
        "category",
    )
    back = run(version=2, other_version=1).data
    assert [(hunk["removed"], hunk["added"]) for hunk in back["hunks"]] == [("500", "400"), ("Always.\n", "")]
    assert run(version=2, other_version=2).data["hunks"] == []
    for versions in ({"version": 9}, {"version": 1, "other_version": 9}):
        assert run(**versions).refused(404) == "There is no such version of the document."


def test_a_restored_version_is_a_new_one_with_the_old_state(installation: Installation, tenant: Tenant) -> None:
    run = partial(installation.run, tenant_id=tenant.id)
    wanted = installation.add_document(tenant, HANDBOOK, "Handbook", tags=["a"], category="house")
    first = chunks(installation, wanted)
    installation.flow(
        "f/chatbot/change_document", tenant_id=tenant.id, document_id=wanted, version=1, content=SEVEN, tags=["b"],
        clear=["category"],
    ).done()  # fmt: skip

    data = run(RESTORE, document_id=wanted, version=1, current_version=2, user_member_id=tenant.admin).data

    assert (data["version"], data["changed"], data["to_embed"]) == (3, ["content", "category", "tags"], 1)
    now = document(installation, wanted)
    assert (now["content"], now["tags"], now["category"]) == (HANDBOOK, ["a"], "house")
    after = chunks(installation, wanted)
    assert [piece["id"] for piece in after][:3] == [piece["id"] for piece in first][:3]
    run("f/chatbot/embed", document_id=wanted).done()
    assert whole(installation, wanted)
    assert [version["text"] for version in (run(GET, document_id=wanted, version=n).data for n in (1, 2, 3))] == [
        HANDBOOK, SEVEN, HANDBOOK,
    ]  # fmt: skip
    with nothing_changes(installation):  # a repeat, and a restored version that is the same, change nothing
        again = run(RESTORE, document_id=wanted, version=1, current_version=2).data
        assert (again["version"], again["changed"]) == (3, [])
        run(RESTORE, document_id=wanted, version=2, current_version=2).refused(409, "conflict")
        run(RESTORE, document_id=wanted, version=9, current_version=3).refused(404, "not_found")
    noted = installation.query(
        "SELECT member_id FROM audit_log WHERE target_id = %s AND action = 'restore_version' AND outcome = 'done'",
        (str(wanted),),
    )
    assert noted == [{"member_id": tenant.admin}]


def each_way(installation: Installation, tenant: Tenant, document_id: int, version: int, member: int) -> list[Reply]:
    """Ask for a version in every way that could tell something of it."""
    run = partial(installation.run, tenant_id=tenant.id, user_member_id=member, document_id=document_id)
    current = document(installation, document_id)["version"]
    return [
        run(GET, version=version),
        run(COMPARE, version=version),
        run(COMPARE, version=current, other_version=version),
        run(RESTORE, version=version, current_version=current),
    ]


@pytest.mark.parametrize(
    ("hidden_by", "member"),
    [
        ({"visibility": "admins_only"}, "adult"),
        ({"visibility": "admins_only"}, "teen"),
        ({"visibility": "adults_only"}, "teen"),
        ({"visibility": "private", "assigned_to": "child"}, "adult"),
    ],
)
def test_a_version_that_was_not_for_a_member_is_none_to_them_though_the_document_is(
    installation: Installation, tenant: Tenant, hidden_by: Json, member: str
) -> None:
    """Who stored the document may change it, and must not publish what they could not see."""
    who = tenant.types[member]
    wanted = stored(installation, tenant, user_member_id=who)
    change = partial(installation.run, UPDATE, tenant_id=tenant.id, document_id=wanted, user_member_id=tenant.admin)
    hidden = {**hidden_by, **({"assigned_to": tenant.child} if "assigned_to" in hidden_by else {})}
    change(version=1, content=f"Text with {SECRET}.", title=SECRET, tags=[SECRET], **hidden).done()
    change(version=2, content="Text.", title="Public", tags=[], visibility="everyone").done()

    for reply in each_way(installation, tenant, wanted, 2, who):
        assert reply.refused(404) == "There is no such version of the document."
    reply = installation.run(LIST, tenant_id=tenant.id, document_id=wanted, user_member_id=who)
    told = [(v["version"], v["changed"], v["written_by"]) for v in reply.data["versions"]]
    assert told == [(3, None, None), (1, [], who)]
    assert SECRET not in reply.text
    nobody = installation.run(LIST, tenant_id=tenant.id, document_id=wanted)
    assert [v["version"] for v in nobody.data["versions"]] == [3, 1]
    assert document(installation, wanted)["version"] == 3
    for reply in each_way(installation, tenant, wanted, 1, who):
        reply.done()
    admins = installation.run(GET, tenant_id=tenant.id, document_id=wanted, user_member_id=tenant.admin, version=2)
    assert SECRET in admins.data["text"]


def test_a_version_that_was_for_everybody_is_for_nobody_who_may_not_see_the_document_now(
    installation: Installation, tenant: Tenant
) -> None:
    wanted = stored(installation, tenant, f"Text with {SECRET}.", user_member_id=tenant.adult)
    change = partial(installation.run, UPDATE, tenant_id=tenant.id, document_id=wanted, user_member_id=tenant.admin)
    change(version=1, visibility="admins_only").done()

    for member in (tenant.adult, tenant.teen):
        for reply in each_way(installation, tenant, wanted, 1, member):
            assert reply.refused(404) == "There is no such document."
        installation.run(LIST, tenant_id=tenant.id, document_id=wanted, user_member_id=member).refused(404)
    assert document(installation, wanted)["version"] == 2


def test_a_restored_version_is_refused_to_who_could_not_store_it(installation: Installation, tenant: Tenant) -> None:
    """One was private to a member who has been removed since; one was for adults, and its author is none any more."""
    run = partial(installation.run, tenant_id=tenant.id)
    wanted = stored(installation, tenant, visibility="private", assigned_to=tenant.child)
    run(UPDATE, document_id=wanted, version=1, visibility="everyone", assigned_to=tenant.teen).done()
    run("f/operations/remove_member", user_member_id=tenant.child).done()
    run(RESTORE, document_id=wanted, version=1, current_version=2).refused(404)
    own = stored(installation, tenant, "Adults.", visibility="adults_only", user_member_id=tenant.adult)
    run(UPDATE, document_id=own, version=1, visibility="everyone", user_member_id=tenant.adult).done()
    run("f/operations/change_member", user_member_id=tenant.adult, member_type="teen").done()
    run(RESTORE, document_id=own, version=1, current_version=2, user_member_id=tenant.adult).refused(404)
    assert [document(installation, one)["version"] for one in (wanted, own)] == [2, 2]


def test_reading_an_earlier_version_that_was_for_few_is_noted(installation: Installation, tenant: Tenant) -> None:
    wanted = stored(installation, tenant, visibility="admins_only")
    run = partial(installation.run, tenant_id=tenant.id, document_id=wanted, user_member_id=tenant.admin)
    run(UPDATE, version=1, visibility="everyone", content="New.").done()
    for number, (path, more) in enumerate(((LIST, {}), (COMPARE, {"version": 1}), (GET, {"version": 1})), 1):
        run(path, **more).done()
        noted = installation.query(
            "SELECT 1 FROM audit_log WHERE tenant_id = %s AND action = 'read_document'", (tenant.id,)
        )
        assert len(noted) == number, path


def test_a_citation_stays_true_when_its_document_is_changed(installation: Installation, tenant: Tenant) -> None:
    run = partial(installation.run, tenant_id=tenant.id)
    text = "First page.\fThe excess for theft is 400 euros."
    wanted = installation.add_document(tenant, text, "Theft")
    who = {"user_member_id": tenant.adult}
    asked = run("f/chatbot/chat", question="What is the excess for theft?", **who).data
    [citation] = asked["citations"]
    assert (citation["version"], citation["page"]) == (1, 2)
    changed = text.replace("400", "500").replace("First page.", "A new beginning of the first page.")
    installation.flow(
        "f/chatbot/change_document", tenant_id=tenant.id, document_id=wanted, version=1, content=changed, title="New"
    ).done()

    read = partial(run, "f/chatbot/read_session", session_id=asked["session_id"], **who)
    [kept] = [c for message in read().data["messages"] for c in message["citations"]]

    assert kept == {**citation, "removed": False, "heading": None}
    checked = run(GET, document_id=wanted, version=kept["version"], **who).data["text"]
    assert checked[kept["start"] : kept["end"]] == kept["quote"] == citation["quote"]
    again = run("f/chatbot/chat", question="What is the excess for theft?", **who).data
    assert [(c["version"], "500" in c["quote"]) for c in again["citations"]] == [(2, True)]
    # What was kept before citations named a version is of the first one.
    installation.query(
        "UPDATE conversation_messages SET citations = (SELECT coalesce(jsonb_agg(c - 'version'), '[]')"
        " FROM jsonb_array_elements(citations) AS c) WHERE session_id = %s",
        (asked["session_id"],),
    )
    [old] = [c for message in read().data["messages"] for c in message["citations"]]
    assert old == kept


def test_a_citation_of_what_a_member_may_not_see_any_more_is_removed(
    installation: Installation, tenant: Tenant
) -> None:
    run = partial(installation.run, tenant_id=tenant.id)
    text = "The excess for theft is 400 euros."
    wanted = installation.add_document(tenant, text, "Theft", visibility="private", assigned_to=tenant.adult)
    who = {"user_member_id": tenant.adult}
    asked = run("f/chatbot/chat", question="What is the excess for theft?", **who).data
    assert asked["citations"]
    run(
        UPDATE, document_id=wanted, version=1, content="Nothing.", visibility="everyone", user_member_id=tenant.admin
    ).done()
    installation.query("UPDATE document_versions SET assigned_to = %s WHERE document_id = %s", (tenant.teen, wanted))

    reply = run("f/chatbot/read_session", session_id=asked["session_id"], **who)

    [citation] = [c for message in reply.data["messages"] for c in message["citations"]]
    assert (citation["removed"], citation["quote"], citation["title"]) == (True, None, None)


def fingerprint(installation: Installation, tenant: Tenant, member: int) -> bytes:
    """Take the fingerprint of all that a member sees, by which answers are kept."""
    with autocommit_cursor(installation.app_dsn) as cursor:
        cursor.execute("BEGIN; SELECT enter_tenant(%s, %s, NULL)", (tenant.id, member))
        cursor.execute("SELECT seen_by_member() AS seen")
        return bytes(cursor.fetchone()["seen"])


def test_any_change_gives_who_sees_the_document_another_fingerprint_and_nobody_else(
    installation: Installation, tenant: Tenant
) -> None:
    """So that an answer which was kept before is not given again."""
    run = partial(installation.run, tenant_id=tenant.id)
    shared, hidden = stored(installation, tenant), stored(installation, tenant, "Hidden.", visibility="admins_only")
    steps: list[tuple[str, Json]] = [
        (UPDATE, {"version": 1, "tags": ["a"]}),
        (RESTORE, {"version": 1, "current_version": 2}),
        ("f/chatbot/delete_document", {}),
        ("f/chatbot/restore_document", {}),
    ]
    for path, arguments in steps:
        before = fingerprint(installation, tenant, tenant.teen)
        run(path, document_id=hidden, **arguments).done()
        assert fingerprint(installation, tenant, tenant.teen) == before, path
        run(path, document_id=shared, **arguments).done()
        assert fingerprint(installation, tenant, tenant.teen) != before, path


def test_another_tenants_versions_are_as_unknown_as_none(installation: Installation, tenant: Tenant) -> None:
    other = installation.new_tenant()
    theirs = stored(installation, other)
    installation.run(UPDATE, tenant_id=other.id, document_id=theirs, version=1, title="N").done()
    with nothing_changes(installation):
        for who in ({}, {"user_member_id": tenant.admin}):
            named: Json = {"tenant_id": tenant.id, "version": 1, "current_version": 2, **who}
            for path in (LIST, COMPARE, RESTORE):
                told = [installation.run(path, document_id=one, **named).refused(404) for one in (theirs, 7)]
                assert told[0] == told[1], path


def test_a_version_that_concerned_a_member_who_has_left_is_restored_all_the_same(installation: Installation) -> None:
    tenant = installation.new_tenant()
    run = partial(installation.run, tenant_id=tenant.id)
    wanted = run("f/chatbot/ingest", title="T", content="The text as it was.", assigned_to=tenant.teen).data[
        "document_id"
    ]
    run("f/operations/remove_member", user_member_id=tenant.teen).done()
    run("f/chatbot/update_document", document_id=wanted, version=1, assigned_to=tenant.adult, content="Broken.").done()

    data = run("f/chatbot/restore_version", document_id=wanted, version=1, current_version=2).data

    assert data["changed"] == ["content"]
    read = run("f/chatbot/get_document", document_id=wanted).data
    assert (read["text"], read["assigned_to"]) == ("The text as it was.", tenant.adult)
