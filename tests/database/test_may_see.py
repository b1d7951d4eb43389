"""Who sees what inside a tenant: the predicate, and the policies that apply it, against a table written by hand."""

from typing import Any

import pytest

from tests.database.worlds import APP, MEMBER_TYPES, VISIBILITIES, Filled, World, fill

EVERYBODY = {"nobody", "child", "teen", "adult", "admin", "system"}
MEMBERS = {"child", "teen", "adult", "admin"}

SEES = {
    # (visibility, whose, admins_see_private): who sees it
    ("everyone", "own", True): EVERYBODY,
    ("everyone", "own", False): EVERYBODY,
    ("everyone", "other's", True): EVERYBODY,
    ("everyone", "other's", False): EVERYBODY,
    ("adults_only", "own", True): {"adult", "admin", "system"},
    ("adults_only", "own", False): {"adult", "admin", "system"},
    ("adults_only", "other's", True): {"adult", "admin", "system"},
    ("adults_only", "other's", False): {"adult", "admin", "system"},
    ("admins_only", "own", True): {"admin", "system"},
    ("admins_only", "own", False): {"admin", "system"},
    ("admins_only", "other's", True): {"admin", "system"},
    ("admins_only", "other's", False): {"admin", "system"},
    ("private", "own", True): {"child", "teen", "adult", "admin", "system"},
    ("private", "own", False): {"child", "teen", "adult", "admin", "system"},
    ("private", "other's", True): {"admin", "system"},
    ("private", "other's", False): {"system"},
}
"""Assigned to a teen does not make a document for adults readable to the teen: visibility alone decides, but for
``private``, which is for the member whom it is assigned to."""

DERIVED = {
    "documents": "id",
    "document_chunks": "document_id",
    "chunk_words": "document_id",
    "expiry_notices": "document_id",
}
"""Tables that show a document or a part of it, and the column that says which."""


@pytest.mark.parametrize(("visibility", "whose", "admins_see_private"), SEES)
def test_the_predicate_is_the_table(world: World, visibility: str, whose: str, admins_see_private: bool) -> None:
    for viewer in EVERYBODY:
        named = viewer in MEMBERS
        if whose == "own" and not named:
            continue  # nobody is assigned to no member
        stored_type = None if viewer == "nobody" else viewer
        assigned_to = 7 if whose == "own" else 8
        sees = world.one(
            "SELECT may_see(%s, %s, %s, %s, %s)",
            (stored_type, 7 if named else None, admins_see_private, visibility, assigned_to),
        )
        assert sees is (viewer in SEES[visibility, whose, admins_see_private]), viewer


@pytest.mark.parametrize(
    ("viewer", "visibility", "assigned_to"),
    [
        (None, "private", None),
        ("", "private", 8),
        ("adult", "private", None),
        ("adult", "unknown", 7),
        ("adult", None, 7),
    ],
)
def test_the_predicate_says_no_when_something_is_missing_or_unknown(
    world: World, viewer: str | None, visibility: str | None, assigned_to: int | None
) -> None:
    assert world.one("SELECT may_see(%s, NULL, true, %s, %s)", (viewer, visibility, assigned_to)) is False
    assert world.one("SELECT may_see(%s, NULL, NULL, %s, %s)", (viewer, visibility, assigned_to)) is False


@pytest.fixture(scope="module", params=[True, False], ids=["admins see private", "admins do not see private"])
def tenant(world: World, request: pytest.FixtureRequest) -> tuple[Filled, bool]:
    return fill(world, admins_see_private=request.param), request.param


def documents_in(cursor: Any, table: str) -> set[int]:
    cursor.execute(f"SELECT DISTINCT {DERIVED[table]} AS document FROM {table}")
    return {row["document"] for row in cursor.fetchall()}


def expected(tenant: Filled, viewer: str, member: str | None, admins_see_private: bool) -> set[int]:
    return {
        document
        for (visibility, assigned), document in tenant.documents.items()
        if viewer in SEES[visibility, "own" if assigned == member else "other's", admins_see_private]
    }


@pytest.mark.parametrize("viewer", MEMBER_TYPES)
def test_a_member_sees_through_every_table_what_the_predicate_says_and_nothing_deleted(
    world: World, tenant: tuple[Filled, bool], viewer: str
) -> None:
    filled, admins_see_private = tenant
    with world.entered("has_all_grants", filled.id, filled.members[viewer]) as cursor:
        for table in DERIVED:
            assert documents_in(cursor, table) == expected(filled, viewer, viewer, admins_see_private), table


@pytest.mark.parametrize("claimed", [None, "child", "teen", "adult", "admin"])
def test_a_back_end_that_names_no_member_sees_by_the_type_alone(
    world: World, tenant: tuple[Filled, bool], claimed: str | None
) -> None:
    filled, admins_see_private = tenant
    with world.entered("has_all_grants", filled.id, None, claimed) as cursor:
        for table in DERIVED:
            assert documents_in(cursor, table) == expected(filled, claimed or "nobody", None, admins_see_private), table


@pytest.mark.parametrize("claimed", ["child", "teen", "adult"])
def test_an_admin_who_is_narrowed_sees_what_is_left_and_their_own_private_documents(
    world: World, tenant: tuple[Filled, bool], claimed: str
) -> None:
    filled, admins_see_private = tenant
    with world.entered("has_all_grants", filled.id, filled.members["admin"], claimed) as cursor:
        for table in DERIVED:
            assert documents_in(cursor, table) == expected(filled, claimed, "admin", admins_see_private), table


def test_background_work_sees_all_and_alone_sees_what_is_deleted(world: World, tenant: tuple[Filled, bool]) -> None:
    filled, _ = tenant
    everything = {*filled.documents.values(), *filled.deleted.values()}
    with world.entered("has_all_grants", filled.id, None, "system") as cursor:
        for table in DERIVED:
            assert documents_in(cursor, table) == everything, table


def test_a_member_cannot_change_or_remove_what_they_do_not_see(world: World, tenant: tuple[Filled, bool]) -> None:
    filled, admins_see_private = tenant
    visible = expected(filled, "teen", "teen", admins_see_private)
    with world.entered("has_all_grants", filled.id, filled.members["teen"]) as cursor:
        cursor.execute("UPDATE documents SET title = 'Mine' WHERE id > 0 RETURNING id")
        assert {row["id"] for row in cursor.fetchall()} == visible
        cursor.execute("DELETE FROM documents WHERE id > 0 RETURNING id")
        assert {row["id"] for row in cursor.fetchall()} == visible


def test_the_members_login_is_shown_the_same(world: World, tenant: tuple[Filled, bool]) -> None:
    filled, admins_see_private = tenant
    with world.entered(APP, filled.id, filled.members["teen"]) as cursor:
        for table in ("documents", "document_chunks", "chunk_words"):
            assert documents_in(cursor, table) == expected(filled, "teen", "teen", admins_see_private), table


@pytest.fixture(scope="module", autouse=True)
def everything_granted(world: World) -> None:
    """``expiry_notices`` is for operators only; the login with all grants shows that its policy holds by itself."""
    world.allow_everything()


def test_the_hand_written_table_is_complete() -> None:
    assert {visibility for visibility, _, _ in SEES} == set(VISIBILITIES)
    assert len(SEES) == len(VISIBILITIES) * 2 * 2
