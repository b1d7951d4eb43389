"""Who may store, is told of, and may delete which document: each case, straight through the module that scripts use."""

from collections.abc import Iterator

import pytest

from f.core.chunking import Chunk
from f.core.database import Database
from f.core.documents import NewDocument, check_may_store, delete_document, find_same, reserve_id, store
from f.core.errors import Forbidden, KnowledgeError, NotFound
from f.core.identity import MEMBER_TYPES, Caller, MemberType
from tests.database.test_enter_tenant import open_app
from tests.database.worlds import APP, Filled, World, new_tenant

Who = MemberType | None


@pytest.fixture(scope="module")
def database(world: World) -> Iterator[Database]:
    opened = open_app(world.dsn(APP))
    yield opened
    opened.connection.close()


@pytest.fixture
def tenant(world: World) -> Filled:
    return new_tenant(world)


def caller(tenant: Filled, who: Who, claimed: MemberType | None = None) -> Caller:
    return Caller(tenant.id, tenant.members[who] if who else None, claimed)


def new(
    tenant: Filled, by: Who, visibility: str = "everyone", assigned_to: Who = None, text: str = "Text.", key: str = ""
) -> NewDocument:
    """Describe a document; without a key it has one of its own."""
    return NewDocument(
        "T", text, visibility, "english", assigned_to=tenant.members[assigned_to] if assigned_to else None,
        created_by=tenant.members[by] if by else None, idempotency_key=key or f"{by}{visibility}{assigned_to}{text}",
    )  # fmt: skip


def stored(database: Database, tenant: Filled, by: Who, document: NewDocument) -> int:
    with database.transaction(caller(tenant, by)) as transaction:
        number = reserve_id(transaction, document)
        store(transaction, number, document, [Chunk(0, len(document.content), None, (), 1)])
    return number


def told(database: Database, tenant: Filled, who: Who, document: NewDocument) -> int | None:
    """Say which document somebody is told of who stores one."""
    with database.transaction(caller(tenant, who)) as transaction:
        same = find_same(transaction, document)
    return same.id if same else None


@pytest.mark.parametrize(
    ("visibility", "by", "seen_by"),
    [
        ("everyone", "child", {"admin", "adult", "teen", "child", None}),
        ("adults_only", "adult", {"admin", "adult"}),
        ("admins_only", "admin", {"admin"}),
        ("private", "teen", {"admin", "teen"}),
    ],
)
def test_of_the_same_text_is_told_who_sees_it_and_nobody_else(
    database: Database, tenant: Filled, visibility: str, by: MemberType, seen_by: set[Who]
) -> None:
    first = stored(database, tenant, by, new(tenant, by, visibility, by))

    for who in (*MEMBER_TYPES, None):
        again = new(tenant, who, text=" Text.\n", key="again")
        assert told(database, tenant, who, again) == (first if who in seen_by else None), who


def test_a_key_is_its_callers_own_whatever_they_see(database: Database, tenant: Filled) -> None:
    of = {who: stored(database, tenant, who, new(tenant, who, text=f"Of {who}.", key="k")) for who in ("teen", None)}
    hidden = stored(database, tenant, None, new(tenant, None, "private", "adult", text="Hidden.", key="hidden"))

    assert told(database, tenant, "teen", new(tenant, "teen", text="Another.", key="k")) == of["teen"]
    assert told(database, tenant, None, new(tenant, None, text="Another.", key="k")) == of[None]
    assert told(database, tenant, "adult", new(tenant, "adult", text="Another.", key="k")) is None
    assert told(database, tenant, "admin", new(tenant, "admin", text="Another.", key="k")) is None
    # The back end has stored it, and is told so, though nobody named sees it.
    assert told(database, tenant, None, new(tenant, None, text="Hidden.", key="hidden")) == hidden


def test_who_was_told_of_their_own_sees_no_more_afterwards(database: Database, tenant: Filled) -> None:
    stored(database, tenant, "admin", new(tenant, "admin", "admins_only"))
    with database.transaction(caller(tenant, "teen")) as transaction:
        find_same(transaction, new(tenant, "teen", text="Another.", key="k"))
        assert transaction.rows("SELECT id FROM documents") == []


@pytest.mark.parametrize(
    ("who", "claimed", "visibility", "assigned_to", "error"),
    [
        ("child", None, "everyone", None, None),
        ("child", None, "adults_only", None, Forbidden),
        ("teen", None, "adults_only", "teen", Forbidden),
        ("adult", None, "adults_only", None, None),
        ("adult", None, "admins_only", None, Forbidden),
        ("admin", None, "admins_only", None, None),
        ("admin", "adult", "admins_only", None, Forbidden),
        ("teen", None, "private", "teen", None),
        ("teen", None, "private", "admin", Forbidden),
        ("adult", None, "private", "admin", Forbidden),
        ("admin", None, "private", "teen", None),
        ("admin", "teen", "private", "teen", Forbidden),
        (None, None, "admins_only", None, None),
        (None, None, "private", "teen", None),
        (None, "adult", "admins_only", None, Forbidden),
    ],
)
def test_who_is_named_stores_only_what_they_may_see(
    database: Database, tenant: Filled, who: Who, claimed: MemberType | None, visibility: str, assigned_to: Who,
    error: type[KnowledgeError] | None,
) -> None:  # fmt: skip
    somebody = caller(tenant, who, claimed)
    with database.transaction(somebody) as transaction:
        if error is None:
            check_may_store(transaction, somebody, new(tenant, who, visibility, assigned_to))
            return
        with pytest.raises(error):
            check_may_store(transaction, somebody, new(tenant, who, visibility, assigned_to))


def test_nothing_is_for_a_member_who_is_gone_or_another_tenants(
    world: World, database: Database, tenant: Filled
) -> None:
    world.query("UPDATE family_members SET removed_at = now() WHERE id = %s", (tenant.members["child"],))
    for member in (tenant.members["child"], new_tenant(world).members["adult"]):
        document = NewDocument("T", "Text.", "everyone", assigned_to=member)
        with pytest.raises(NotFound), database.transaction(caller(tenant, "admin")) as transaction:
            check_may_store(transaction, caller(tenant, "admin"), document)


@pytest.mark.parametrize(
    ("by", "visibility", "assigned_to", "who", "claimed", "error"),
    [
        ("adult", "everyone", None, "adult", None, None),
        ("adult", "everyone", None, "admin", None, None),
        ("adult", "everyone", None, None, None, None),
        ("adult", "everyone", None, "teen", None, Forbidden),
        ("adult", "everyone", "teen", "teen", None, Forbidden),
        ("adult", "everyone", None, "admin", "adult", Forbidden),
        ("adult", "everyone", None, None, "adult", Forbidden),
        ("adult", "everyone", None, None, "admin", None),
        ("admin", "admins_only", None, "adult", None, NotFound),
        ("admin", "admins_only", None, "admin", "teen", NotFound),
        ("adult", "private", "adult", "teen", None, NotFound),
        ("admin", "private", "teen", "teen", None, None),
    ],
)
def test_who_may_delete(
    world: World, database: Database, tenant: Filled, by: Who, visibility: str, assigned_to: Who, who: Who,
    claimed: MemberType | None, error: type[KnowledgeError] | None,
) -> None:  # fmt: skip
    number = stored(database, tenant, by, new(tenant, by, visibility, assigned_to))
    somebody = caller(tenant, who, claimed)

    if error is None:
        with database.transaction(somebody) as transaction:
            delete_document(transaction, somebody, number)
    else:
        with pytest.raises(error), database.transaction(somebody) as transaction:
            delete_document(transaction, somebody, number)

    gone = world.one(
        "SELECT deleted_at IS NOT NULL FROM documents WHERE tenant_id = %s AND id = %s", (tenant.id, number)
    )
    assert gone is (error is None)
