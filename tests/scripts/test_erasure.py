"""Erasing tenants and members over HTTP: all of it goes, nothing of anybody else, and a receipt says so later."""

import base64
import json
import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import pytest

from f.core.identity import sign_receipt, sign_token
from tests.attacks.hostile import nothing_changes, tables
from tests.support.cloud import in_parallel
from tests.support.installation import Installation, Json, Tenant
from tests.support.tenant_rows import LIFE, add_account, holding, rows_of, slug_of, tenants_tables

ERASE, FORGET, CHECK = (f"f/operations/{name}" for name in ("erase_tenant", "erase_member", "check_receipt"))
NO_TENANT = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Family:
    """A tenant with rows in every table, all of whose texts hold its word."""

    tenant: Tenant
    slug: str
    word: str
    shared_account: str
    own_account: str


REMEMBERED = """
WITH question AS (
    INSERT INTO query_embeddings VALUES (%(tenant)s, %(member)s, 0, sha256(''), array_fill(0, ARRAY[1024])::halfvec)
    ON CONFLICT DO NOTHING
)
INSERT INTO cached_answers
SELECT %(tenant)s, %(member)s, 0, sha256(''), sha256(''), %(text)s, ARRAY[7], ARRAY[%(document)s], 'm', 'offline',
       now() + interval '1 hour'
"""


def fill(installation: Installation, shared_email: str) -> Family:
    """Make a tenant, and put something into every table that a tenant has rows in, by using it where that can be."""
    word = f"zyx{secrets.token_hex(6)}"
    tenant = installation.new_tenant()
    own = add_account(installation, tenant, tenant.adult, f"{word}@example.org")
    shared = add_account(installation, tenant, tenant.admin, shared_email)
    caller: Json = {"tenant_id": tenant.id, "user_member_id": tenant.adult}
    described: tuple[Json, ...] = (
        {}, {"visibility": "private", "assigned_to": tenant.adult}, {"expires_at": "2020-01-01"},
    )  # fmt: skip
    for number, more in enumerate(described):
        installation.add_document(tenant, f"The {word} of number {number} is kept.", f"{word} {number}", **more)
    installation.run("f/chatbot/chat", question=f"Where is the {word} kept?", **caller).done()
    installation.run("f/operations/issue_session_token", tenant_id=tenant.id, user_member_id=tenant.adult).done()
    with installation.as_admin() as cursor:
        cursor.execute("UPDATE tenants SET name = %s WHERE id = %s", (word, tenant.id))
        cursor.execute("INSERT INTO chat_slots VALUES (%s, %s, %s, now() + '1 hour')", (tenant.id, word, tenant.adult))
        cursor.execute("INSERT INTO imported_ids VALUES (%s, 'member', 7, %s)", (tenant.id, tenant.adult))
        cursor.execute(REMEMBERED, {"tenant": tenant.id, "member": tenant.adult, "text": word, "document": 7})
        cursor.execute("SELECT max(id) AS id FROM documents WHERE tenant_id = %s", (tenant.id,))
        document = cursor.fetchone()["id"]
        cursor.execute(LIFE, {"tenant": tenant.id, "member": tenant.adult, "word": word, "document": document})
    assert all(rows_of(installation, tenant.id).values()), rows_of(installation, tenant.id)
    return Family(tenant, slug_of(installation, tenant), word, shared, own)


def make_index(installation: Installation, tenant: Tenant) -> str:
    """Make the tenant's vector index, as the nightly work does for a large one."""
    name = f"document_chunks_nearest_{tenant.id.replace('-', '')}"
    installation.query(
        f"CREATE INDEX {name} ON document_chunks USING hnsw (embedding halfvec_cosine_ops)"
        f" WHERE tenant_id = '{tenant.id}'"
    )
    return name


def index_is_there(installation: Installation, name: str) -> bool:
    return bool(installation.query("SELECT 1 FROM pg_class WHERE relname = %s", (name,)))


def of_others(installation: Installation, tenant: Tenant) -> Json:
    """Return a fingerprint of all rows of all other tenants, and of the accounts that are not this tenant's alone."""
    columns = {"tenants": "id", "erasures": "tenant"}
    fingerprints: Json = {}
    for table in {*tenants_tables(installation), "tenants", "erasures"}:
        fingerprints[table] = installation.query(
            f"SELECT count(*) AS rows, md5(coalesce(string_agg(t::text, '' ORDER BY t::text), '')) AS text FROM {table}"
            f" AS t WHERE {columns.get(table, 'tenant_id')} <> %s",
            (tenant.id,),
        )
    return fingerprints


@pytest.fixture
def shared_email() -> str:
    return f"shared-{secrets.token_hex(6)}@example.org"


def test_a_tenant_goes_from_every_table_and_nothing_of_another_changes(
    installation: Installation, shared_email: str
) -> None:
    family, other = fill(installation, shared_email), fill(installation, shared_email)
    index, others_index = make_index(installation, family.tenant), make_index(installation, other.tenant)
    counted, others = rows_of(installation, family.tenant.id), of_others(installation, family.tenant)
    began = datetime.now().astimezone()
    assert {"documents", "chunk_words", "conversation_messages", "tenants", "users"} <= holding(
        installation, family.word
    )

    data = installation.run(ERASE, tenant_id=family.tenant.id, confirm_slug=family.slug).data

    assert data["counts"] == {**counted, "tenants": 1, "users": 1}
    assert began <= datetime.fromisoformat(data["erased_at"]) <= datetime.now().astimezone()
    assert holding(installation, family.tenant.id) == {"erasures"}
    assert holding(installation, family.word) == set()
    assert holding(installation, family.own_account) == set()
    assert not index_is_there(installation, index)
    assert index_is_there(installation, others_index)
    assert of_others(installation, family.tenant) == others
    assert installation.query("SELECT 1 FROM users WHERE id = %s", (family.shared_account,))
    kept = installation.query("SELECT * FROM erasures WHERE tenant = %s", (family.tenant.id,))
    assert [(row["member"], row["counts"]) for row in kept] == [(None, data["counts"])]

    installation.run(ERASE, tenant_id=family.tenant.id, confirm_slug=family.slug).refused(404, "not_found")
    installation.run("f/chatbot/search", tenant_id=family.tenant.id, query=family.word).refused(404)
    second = installation.run(ERASE, tenant_id=other.tenant.id, confirm_slug=other.slug).data
    assert second["counts"]["users"] == 2
    assert installation.query("SELECT 1 FROM users WHERE id = %s", (family.shared_account,)) == []


def test_what_belongs_to_nothing_goes_with_its_tenant_too(installation: Installation, shared_email: str) -> None:
    family = fill(installation, shared_email)
    with installation.as_admin() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for table in ("documents", "conversation_sessions"):
            cursor.execute(f"DELETE FROM {table} WHERE tenant_id = %s", (family.tenant.id,))
    counted = rows_of(installation, family.tenant.id)
    assert counted["document_chunks"] > 0
    assert counted["conversation_messages"] > 0

    data = installation.run(ERASE, tenant_id=family.tenant.id, confirm_slug=family.slug).data

    assert data["counts"] == {**counted, "tenants": 1, "users": 2}
    assert holding(installation, family.tenant.id) == {"erasures"}
    assert holding(installation, family.word) == set()


def test_the_slug_has_to_be_the_tenants_own(installation: Installation, shared_email: str) -> None:
    family, other = fill(installation, shared_email), installation.new_tenant()
    wrong: list[tuple[Json, int]] = [
        ({"confirm_slug": slug_of(installation, other)}, 409),
        ({"confirm_slug": family.slug.upper()}, 409),
        ({"confirm_slug": f"{family.slug} "}, 409),
        *(({"confirm_slug": value}, 422) for value in (None, "", 7, ["a"], True)),
        ({"confirm_slug": "x" * 64}, 413),
        ({"tenant_id": other.id}, 409),
        *(({"tenant_id": value}, 422) for value in (None, "", 7, "not-an-id", [family.tenant.id])),
        ({"tenant_id": NO_TENANT}, 404),
    ]
    with nothing_changes(installation):
        replies = in_parallel(
            [
                partial(installation.run, ERASE, **{"tenant_id": family.tenant.id, "confirm_slug": family.slug} | case)
                for case, _ in wrong
            ]
        )
        for (case, status), reply in zip(wrong, replies, strict=True):
            assert reply.refused(status), case


def wait_until_blocked(installation: Installation) -> None:
    """Wait until the operators' login waits for a lock."""
    for _ in range(3_000):
        if installation.query(
            "SELECT 1 FROM pg_stat_activity WHERE usename = 'knowledge_operator' AND wait_event_type = 'Lock'"
        ):
            return
        time.sleep(0.02)
    raise AssertionError("the erasure waits for nobody")


def test_what_is_being_written_is_waited_for_and_counted(installation: Installation) -> None:
    tenant, other = installation.new_tenant(), installation.new_tenant()
    account = add_account(installation, tenant, tenant.adult, f"{secrets.token_hex(6)}@example.org")
    slug = slug_of(installation, tenant)
    with installation.as_admin() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(
            "INSERT INTO documents (tenant_id, title, content, content_hash, language, chunk_count)"
            " VALUES (%s, 'Late', 'late', '', 'english', 1)",
            (tenant.id,),
        )
        cursor.execute("INSERT INTO tenant_memberships VALUES (%s, %s)", (other.id, account))
        job = installation.start(ERASE, tenant_id=tenant.id, confirm_slug=slug)
        wait_until_blocked(installation)
        cursor.execute("COMMIT")

    counts = installation.wait(job)["result"]["data"]["counts"]

    assert counts["documents"] == 1
    assert counts["users"] == 0
    assert counts["tenant_memberships"] == 1
    assert holding(installation, tenant.id) == {"erasures"}
    assert installation.query("SELECT 1 FROM tenant_memberships WHERE user_id = %s", (account,))


def test_an_account_that_is_given_to_another_tenant_at_the_same_moment_is_kept(installation: Installation) -> None:
    tenant, other = installation.new_tenant(), installation.new_tenant()
    account = add_account(installation, tenant, tenant.adult, f"{secrets.token_hex(6)}@example.org")
    slug = slug_of(installation, tenant)
    with installation.as_admin() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO tenant_memberships VALUES (%s, %s)", (other.id, account))
        job = installation.start(ERASE, tenant_id=tenant.id, confirm_slug=slug)
        wait_until_blocked(installation)
        cursor.execute("COMMIT")

    assert installation.wait(job)["result"]["data"]["counts"]["users"] == 0
    assert installation.query("SELECT 1 FROM tenant_memberships WHERE user_id = %s", (account,))


@dataclass(frozen=True)
class Household:
    """A tenant, and its documents by what the adult member, who is to be erased, has to do with them."""

    tenant: Tenant
    documents: dict[str, int]
    word: str

    def secret(self, name: str) -> str:
        """Give the word that stands in one document alone."""
        return f"{self.word}{name.replace('_', '')}"

    def caller(self, kind: str) -> Json:
        return {"tenant_id": self.tenant.id, "user_member_id": self.tenant.types[kind]}


DOCUMENTS: dict[str, tuple[str, Json]] = {
    # By whom, and with what; "assigned_to" is a member's type.
    "own": ("adult", {"visibility": "private", "assigned_to": "adult"}),
    "given": ("admin", {"visibility": "private", "assigned_to": "adult"}),
    "shared": ("adult", {"visibility": "everyone", "idempotency_key": "key"}),
    "concerning": ("admin", {"visibility": "adults_only", "assigned_to": "adult"}),
    "for_another": ("adult", {"visibility": "adults_only", "assigned_to": "teen"}),
    "of_another": ("admin", {"visibility": "private", "assigned_to": "admin"}),
}


@pytest.fixture
def household(installation: Installation) -> Household:
    tenant = installation.new_tenant()
    made = Household(tenant, {}, f"zq{secrets.token_hex(4)}")
    for name, (author, described) in DOCUMENTS.items():
        more = {**described, "user_member_id": tenant.types[author]}
        if "assigned_to" in described:
            more["assigned_to"] = tenant.types[described["assigned_to"]]
        text = f"The combination of the {name} locker is {made.secret(name)}."
        made.documents[name] = installation.add_document(tenant, text, f"Locker {name}", **more)
    return made


def forget(installation: Installation, household: Household) -> Json:
    return dict(installation.run(FORGET, tenant_id=household.tenant.id, user_member_id=household.tenant.adult).data)


def test_a_member_goes_with_what_is_theirs_alone_and_shared_documents_stay_without_their_name(
    installation: Installation, household: Household
) -> None:
    tenant, kept = household.tenant, household.documents
    account = add_account(installation, tenant, tenant.adult, f"{secrets.token_hex(6)}@example.org")
    for kind in ("adult", "admin"):
        installation.run(
            "f/chatbot/chat", question="Which combination has the shared locker?", **household.caller(kind)
        ).done()
        installation.run(
            "f/operations/issue_session_token", tenant_id=tenant.id, user_member_id=tenant.types[kind]
        ).done()
        for name in ("own", "shared"):
            installation.query(
                "INSERT INTO expiry_notices (tenant_id, document_id, member_id, threshold, expires_at)"
                " VALUES (%s, %s, %s, 'expired', now())",
                (tenant.id, kept[name], tenant.types[kind]),
            )
        installation.query(
            "INSERT INTO chat_slots VALUES (%s, %s, %s, now() + '1 hour')",
            (tenant.id, f"run {kind}", tenant.types[kind]),
        )
        installation.query(
            REMEMBERED,
            {
                "tenant": tenant.id, "member": tenant.types[kind], "document": kept["own"],
                "text": f"{household.secret('own')}.",
            },
        )  # fmt: skip
        installation.query(
            "INSERT INTO imported_ids VALUES (%s, 'member', %s, %s)",
            (tenant.id, tenant.types[kind], tenant.types[kind]),
        )
    before, others = rows_of(installation, tenant.id), of_others(installation, tenant)
    costs = installation.query("SELECT sum(cost_microusd), count(*) FROM api_usage WHERE tenant_id = %s", (tenant.id,))

    data = forget(installation, household)

    after = rows_of(installation, tenant.id)
    removed = {table: before[table] - after[table] for table in before if before[table] != after[table]}
    counts = {table: n for table, n in data["counts"].items() if n}
    assert counts == {**{table: n for table, n in removed.items() if table != "audit_log"}, "users": 1}
    assert counts == counts | {
        "documents": 2, "document_chunks": 2, "expiry_notices": 3, "conversation_sessions": 1, "session_tokens": 1,
        "conversation_messages": 2, "chat_slots": 1, "query_embeddings": 2, "cached_answers": 2, "imported_ids": 1,
        "family_members": 1, "tenant_memberships": 1,
    }  # fmt: skip
    told = {name for name in kept if holding(installation, f"{household.secret(name)}.")}
    assert told == set(kept) - {"own", "given"}
    assert holding(installation, account) == set()
    rows = installation.query("SELECT * FROM documents WHERE tenant_id = %s", (tenant.id,))
    assert {row["id"]: (row["created_by"], row["assigned_to"], bool(row["idempotency_key"])) for row in rows} == {
        kept["shared"]: (None, None, False),
        kept["concerning"]: (tenant.admin, None, True),
        kept["for_another"]: (None, tenant.teen, False),
        kept["of_another"]: (tenant.admin, tenant.admin, True),
    }
    assert costs == installation.query(
        "SELECT sum(cost_microusd), count(*) FROM api_usage WHERE tenant_id = %s", (tenant.id,)
    )
    still = {table for table in tables(installation) if names(installation, table, tenant, tenant.adult)}
    assert still == {"audit_log", "erasures"}
    assert of_others(installation, tenant) == others


def names(installation: Installation, table: str, tenant: Tenant, member: int) -> bool:
    """Tell whether a row that is of no other tenant has a column with a member's number, which others may have too."""
    return bool(
        installation.query(
            f"SELECT 1 FROM {table} AS t, to_jsonb(t) AS written, jsonb_each_text(written) AS c"
            " WHERE c.value = %s AND coalesce(written ->> 'tenant_id', %s) = %s LIMIT 1",
            (str(member), tenant.id, tenant.id),
        )
    )


def test_the_log_says_who_was_erased_and_keeps_what_they_did(installation: Installation, household: Household) -> None:
    log = "SELECT action, outcome, identity, member_id, target_type, target_id FROM audit_log WHERE tenant_id = %s"
    before = {str(row) for row in installation.query(log, (household.tenant.id,))}

    forget(installation, household)

    [entry] = [row for row in installation.query(log, (household.tenant.id,)) if str(row) not in before]
    assert (entry["action"], entry["outcome"], entry["identity"]) == ("erase_member", "done", "operator")
    assert (entry["target_type"], entry["target_id"]) == ("member", str(household.tenant.adult))
    now = {str(row) for row in installation.query(log, (household.tenant.id,))}
    assert before < now


def test_an_answer_to_another_that_rests_on_an_erased_document_loses_its_text(
    installation: Installation, household: Household
) -> None:
    admin = household.caller("admin")
    answer = installation.run("f/chatbot/chat", question="Which combination has the own locker?", **admin).data
    assert household.secret("own") in answer["answer"]

    forget(installation, household)

    assert holding(installation, household.secret("own")) == set()
    read = installation.run("f/chatbot/read_session", session_id=answer["session_id"], **admin)
    assert read.status == 200, read.text
    assert household.secret("own") not in read.text


def test_a_member_is_erased_once_also_one_who_was_removed_before(installation: Installation) -> None:
    tenant, other = installation.new_tenant(), installation.new_tenant()
    installation.run("f/operations/remove_member", tenant_id=tenant.id, user_member_id=tenant.teen).done()

    installation.run(FORGET, tenant_id=tenant.id, user_member_id=tenant.teen).done()

    with nothing_changes(installation):
        wrong: list[tuple[Json, int]] = [
            ({"user_member_id": tenant.teen}, 404),
            ({"user_member_id": other.teen}, 404),
            *(({"user_member_id": value}, 422) for value in (None, "", 0, -1, "7", True, [7], 2**31)),
            *(({"tenant_id": value}, 422) for value in (None, "", 7, "not-an-id")),
            ({"tenant_id": NO_TENANT}, 404),
        ]
        for case, status in wrong:
            reply = installation.run(FORGET, **{"tenant_id": tenant.id, "user_member_id": tenant.adult} | case)
            assert reply.refused(status), case


def test_an_account_stays_with_the_other_tenants_that_it_belongs_to(installation: Installation) -> None:
    one, two = installation.new_tenant(), installation.new_tenant()
    account = add_account(installation, one, one.adult, f"{secrets.token_hex(6)}@example.org")
    [row] = installation.query("SELECT email FROM users WHERE id = %s", (account,))
    add_account(installation, two, two.child, row["email"])

    first = installation.run(FORGET, tenant_id=one.id, user_member_id=one.adult).data["counts"]
    assert (first["users"], first["tenant_memberships"]) == (0, 1)
    assert holding(installation, account) == {"users", "tenant_memberships", "family_members"}
    second = installation.run(FORGET, tenant_id=two.id, user_member_id=two.child).data["counts"]
    assert (second["users"], second["tenant_memberships"]) == (1, 1)
    assert holding(installation, account) == set()


@pytest.fixture(scope="module")
def receipt(installation: Installation) -> str:
    tenant = installation.new_tenant()
    return str(installation.run(FORGET, tenant_id=tenant.id, user_member_id=tenant.child).data["receipt"])


def test_a_receipt_says_what_was_erased_and_when(installation: Installation) -> None:
    tenant = installation.new_tenant()
    slug = slug_of(installation, tenant)
    of_member = installation.run(FORGET, tenant_id=tenant.id, user_member_id=tenant.child).data
    of_tenant = installation.run(ERASE, tenant_id=tenant.id, confirm_slug=slug).data

    for data, member in ((of_member, tenant.child), (of_tenant, None)):
        read = installation.run(CHECK, receipt=data["receipt"]).data
        assert uuid.UUID(read.pop("erasure"))
        assert read == {
            "valid": True, "known": True, "tenant": tenant.id, "member": member, "erased_at": data["erased_at"],
            "counts": data["counts"],
        }  # fmt: skip


def test_a_receipt_that_was_changed_or_signed_elsewhere_is_not_valid(installation: Installation, receipt: str) -> None:
    payload, _, signature = receipt.partition(".")
    content = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    content["counts"]["documents"] = 1_000
    changed = base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
    forged = [
        f"{changed}.{signature}",
        payload,
        f"{payload}.",
        f".{signature}",
        receipt[:-2],
        f"{receipt}.{signature}",
        sign_receipt(content, ["another-key-of-sufficient-length-000"]),
        "\u03b1.\u03b2",
        "%%%",
        "x" * 10_000,
    ]
    for text, reply in zip(
        forged, in_parallel([partial(installation.run, CHECK, receipt=one) for one in forged]), strict=True
    ):
        data = reply.data
        assert (data["valid"], data["known"]) == (False, False), text
        assert {value for key, value in data.items() if key not in ("valid", "known")} == {None}
    for value, status in ((None, 422), ("", 422), (7, 422), (["a"], 422), ("x" * 10_001, 413)):
        installation.run(CHECK, receipt=value).refused(status)


def test_a_receipt_of_an_erasure_that_is_not_on_record_is_valid_and_not_known(
    installation: Installation, receipt: str
) -> None:
    """A database may have been restored to a moment before, or be another one with the same key."""
    key = installation.stack.credentials.session_signing_key
    stated = installation.run(CHECK, receipt=receipt).data
    content = {name: stated[name] for name in ("erasure", "tenant", "member", "erased_at", "counts")}
    others: tuple[Json, ...] = (
        {"erasure": str(uuid.uuid4())}, {"tenant": NO_TENANT}, {"member": None}, {"counts": {}},
    )  # fmt: skip
    for other in others:
        data = installation.run(CHECK, receipt=sign_receipt({**content, **other}, [key])).data
        assert (data["valid"], data["known"]) == (True, False), other


def test_a_session_token_is_no_receipt_and_a_receipt_is_no_session_token(
    installation: Installation, receipt: str
) -> None:
    tenant = installation.new_tenant()
    issued = installation.run(
        "f/operations/issue_session_token", tenant_id=tenant.id, user_member_id=tenant.adult
    ).data["session_token"]

    assert installation.run(CHECK, receipt=issued).data["valid"] is False
    installation.run("f/chatbot/search", query="x", session_token=receipt).refused(401, "unauthorized")
    # The same content under the other name: what it is for is part of what is signed.
    key = installation.stack.credentials.session_signing_key
    token = sign_token(str(uuid.uuid4()), tenant.id, tenant.adult, 2_000_000_000, [key])
    content = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
    assert token.partition(".")[0] == sign_receipt(content, [key]).partition(".")[0]
    installation.run("f/chatbot/search", query="x", session_token=sign_receipt(content, [key])).refused(401)
    assert installation.run(CHECK, receipt=token).data["valid"] is False
