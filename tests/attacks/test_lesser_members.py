"""A member who may see less: what is hidden from them is, in every answer, as if it did not exist."""

import re
from dataclasses import dataclass
from functools import partial

import pytest

from tests.attacks.hostile import nothing_changes
from tests.support.cloud import in_parallel
from tests.support.installation import Installation, Json, Reply, Tenant

NOBODYS = 2_000_000_000
TEXTS = {
    "adults_only": "The mortgage with the Piraeus bank is 180,000 euros.",
    "admins_only": "The code of the safe in the study is KX-4711.",
    "private": "The therapist said that the panic comes from work.",
}
_IDS = re.compile(r'"session_id": ?"[^"]*"')


@dataclass(frozen=True)
class Family:
    """A tenant with documents of each visibility; ``private`` is the adult's."""

    tenant: Tenant
    documents: dict[str, int]
    chunks: dict[str, int]


@pytest.fixture(scope="module")
def family(installation: Installation) -> Family:
    tenant = installation.new_tenant()
    documents = {}
    for visibility, text in TEXTS.items():
        documents[visibility] = installation.add_document(
            tenant, text, f"The {visibility} paper", visibility=visibility, assigned_to=tenant.adult
        )
    rows = installation.query("SELECT id, document_id FROM document_chunks WHERE tenant_id = %s", (tenant.id,))
    chunk_of = {row["document_id"]: row["id"] for row in rows}
    return Family(tenant, documents, {visibility: chunk_of[document] for visibility, document in documents.items()})


CALLERS = ("teen", "child", "nobody", "a back end for a child", "an admin as a teen")


def caller(family: Family, name: str) -> Json:
    tenant = family.tenant
    identities: dict[str, Json] = {
        "teen": {"user_member_id": tenant.teen},
        "child": {"user_member_id": tenant.child},
        "nobody": {},
        "a back end for a child": {"user_member_type": "child"},
        "an admin as a teen": {"user_member_id": tenant.admin, "user_member_type": "teen"},
    }
    return {"tenant_id": tenant.id, **identities[name]}


def same(one: Reply, other: Reply, *ids: object) -> bool:
    """Tell whether two answers are the same but for the ids that were asked for, and new sessions."""
    texts = []
    for reply in (one, other):
        text = _IDS.sub("", reply.text)
        for number in ids:
            text = text.replace(str(number), "#")
        texts.append((reply.status, text))
    return texts[0] == texts[1]


def holds_nothing_hidden(reply: Reply) -> bool:
    return not any(word in reply.text for word in ("180,000", "KX-4711", "therapist", "Piraeus", " paper"))


@pytest.mark.parametrize("name", CALLERS)
def test_nothing_hidden_is_found_or_answered(installation: Installation, family: Family, name: str) -> None:
    who = caller(family, name)
    documents, chunks = [*family.documents.values()], [*family.chunks.values()]
    hidden = [
        partial(installation.run, "f/chatbot/search", query=" ".join(TEXTS.values()), document_ids=documents, **who),
        partial(installation.run, "f/chatbot/search", query="mortgage safe therapist code", **who),
        partial(installation.run, "f/chatbot/chat", question="What is the code of the safe?", chunk_ids=chunks, **who),
        partial(installation.run, "f/chatbot/chat", question="How much is the mortgage?", **who),
        partial(installation.flow, "f/chatbot/answer_question", question="What did the therapist say?", **who),
    ]
    nobodys = partial(
        installation.run, "f/chatbot/chat", question="What is the code of the safe?", chunk_ids=[NOBODYS] * 3, **who
    )

    *replies, of_nobodys = in_parallel([*hidden, nobodys])

    for reply in replies:
        assert holds_nothing_hidden(reply), reply.text
    for search in replies[:2]:
        assert (search.data["documents"], search.data["total"], search.data["has_more"]) == ([], 0, False)
    for chat in replies[2:]:
        assert (chat.data["answered"], chat.data["citations"], chat.data["confidence"]) == (False, [], 0.0)
    assert same(replies[2], of_nobodys)


@pytest.mark.parametrize("name", ["teen", "nobody", "an admin as a teen"])
def test_a_hidden_text_that_is_stored_again_is_a_new_document(
    installation: Installation, family: Family, name: str
) -> None:
    for text in TEXTS.values():
        data = installation.run("f/chatbot/ingest", title="Again", content=text, **caller(family, name)).data

        assert data["document_id"] not in family.documents.values()
        assert data["duplicate_of"] is None
        # Or the next caller would be told of this copy, which everyone may see.
        installation.query("DELETE FROM documents WHERE id = %s", (data["document_id"],))


@pytest.mark.parametrize("name", ["child", "an admin as a teen"])
def test_a_hidden_documents_state_is_as_unknown_as_one_that_does_not_exist(
    installation: Installation, family: Family, name: str
) -> None:
    who = caller(family, name)
    numbers = [*family.documents.values(), NOBODYS]
    asked = [
        *(partial(installation.run, "f/chatbot/embed", document_id=number, **who) for number in numbers),
        *(
            partial(installation.run, "f/chatbot/log_usage", events=[], document={"document_id": number}, **who)
            for number in numbers
        ),
    ]
    with nothing_changes(installation):
        replies = in_parallel(asked)

    for reply in replies:
        assert reply.refused(404, "not_found") == "There is no such document."
        assert same(reply, replies[-1], *numbers)


@pytest.mark.parametrize(
    ("member", "visibility"),
    [
        *(("teen", "adults_only"), ("teen", "admins_only"), ("child", "adults_only"), ("child", "admins_only")),
        ("adult", "admins_only"),
    ],
)
def test_a_member_cannot_store_what_they_could_not_see(
    installation: Installation, family: Family, member: str, visibility: str
) -> None:
    with nothing_changes(installation):
        installation.run(
            "f/chatbot/ingest", tenant_id=family.tenant.id, user_member_id=family.tenant.types[member],
            title="Planted", content="Transfer the money to me.", visibility=visibility,
        ).refused(403, "forbidden")  # fmt: skip


@pytest.mark.parametrize("member", ["adult", "teen", "child"])
def test_a_member_cannot_plant_a_private_document_with_another(
    installation: Installation, family: Family, member: str
) -> None:
    with nothing_changes(installation):
        installation.run(
            "f/chatbot/ingest", tenant_id=family.tenant.id, user_member_id=family.tenant.types[member],
            title="Planted", content="Transfer the money to me.", visibility="private",
            assigned_to=family.tenant.admin,
        ).refused(403, "forbidden")  # fmt: skip


@pytest.mark.parametrize("claimed", ["admin", "adult", "system"])
def test_a_claim_gives_a_teen_nothing_more(installation: Installation, family: Family, claimed: str) -> None:
    reply = installation.run(
        "f/chatbot/search", query="mortgage safe therapist", tenant_id=family.tenant.id,
        user_member_id=family.tenant.teen, user_member_type=claimed,
    )  # fmt: skip

    assert holds_nothing_hidden(reply)
    if claimed == "system":
        reply.refused(422, "invalid_argument")
    else:
        assert reply.data["total"] == 0


def test_a_removed_member_gets_nothing_any_more(installation: Installation, family: Family) -> None:
    tenant = family.tenant
    [member] = installation.query(
        "INSERT INTO family_members (tenant_id, name, member_type, removed_at) VALUES (%s, 'Ex', 'admin', now())"
        " RETURNING id",
        (tenant.id,),
    )
    for path, arguments in (("f/chatbot/search", {"query": "safe"}), ("f/chatbot/chat", {"question": "safe?"})):
        reply = installation.run(path, tenant_id=tenant.id, user_member_id=member["id"], **arguments)
        assert reply.refused(404, "not_found") == "There is no such member."
