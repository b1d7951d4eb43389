"""Reading one's own conversation: exact citations, pages, and nothing of what has been removed since."""

from functools import partial

import pytest

from tests.support.cloud import Cloud
from tests.support.installation import Installation, Json, Tenant

READ, CHAT = "f/chatbot/read_session", "f/chatbot/chat"
EXCESS = "The excess for theft is 400 euros."


@pytest.fixture
def tenant(installation: Installation) -> Tenant:
    return installation.new_tenant()


def asked(installation: Installation, tenant: Tenant, question: str, **more: object) -> Json:
    return dict(
        installation.run(CHAT, question=question, tenant_id=tenant.id, user_member_id=tenant.adult, **more).data
    )


def read(installation: Installation, tenant: Tenant, session: str, **more: object) -> Json:
    who = {"tenant_id": tenant.id, "user_member_id": tenant.adult}
    return dict(installation.run(READ, session_id=session, **who, **more).data)


def test_a_conversation_is_read_as_it_was_with_exact_citations(installation: Installation, tenant: Tenant) -> None:
    installation.add_document(tenant, f"Πρώτα.\n\n{EXCESS} Then glass.", "Policy", source_url="https://example.org/p")
    answer = asked(installation, tenant, "What is the excess for theft?")

    page = read(installation, tenant, answer["session_id"])

    assert [message["role"] for message in page["messages"]] == ["assistant", "user"]
    reply, question = page["messages"]
    assert question["content"] == "What is the excess for theft?"
    assert (reply["content"], reply["removed"], reply["model"]) == (answer["answer"], False, answer["model"])
    assert reply["citations"] == [{**citation, "removed": False} for citation in answer["citations"]]
    assert EXCESS in reply["citations"][0]["quote"]
    assert (page["has_more"], page["next_before"]) == (False, None)


def test_pages_follow_each_other_without_gap_or_repeat(installation: Installation, tenant: Tenant) -> None:
    installation.add_document(tenant, EXCESS, "Policy")
    session = asked(installation, tenant, "Theft?")["session_id"]
    for question in ("Glass?", "Theft excess?"):
        asked(installation, tenant, question, session_id=session)

    found, before = [], None
    while True:
        page = read(installation, tenant, session, limit=1 if before is None else 2, before=before)
        found += [(message["role"], message["content"]) for message in page["messages"]]
        before = page["next_before"]
        if not page["has_more"]:
            break

    assert [role for role, _ in found] == ["assistant", "user"] * 3
    assert [content for role, content in found if role == "user"] == ["Theft excess?", "Glass?", "Theft?"]


def change(installation: Installation, tenant: Tenant, document: int, how: str) -> None:
    """Take a document away from the adult, in one of the ways there are."""
    if how == "deleted":
        installation.run("f/chatbot/delete_document", document_id=document, tenant_id=tenant.id).done()
    elif how == "for admins":
        installation.query("UPDATE documents SET visibility = 'admins_only' WHERE id = %s", (document,))
    elif how == "another's":
        installation.query(
            "UPDATE documents SET visibility = 'private', assigned_to = %s WHERE id = %s", (tenant.teen, document)
        )
    else:
        installation.run(
            "f/operations/change_member", tenant_id=tenant.id, user_member_id=tenant.adult, member_type="teen"
        ).done()


@pytest.mark.parametrize("how", ["deleted", "for admins", "another's", "the reader is lowered"])
def test_an_answer_is_removed_with_the_document_that_it_rests_on(
    installation: Installation, tenant: Tenant, how: str
) -> None:
    document = installation.add_document(tenant, EXCESS, "Theft policy", visibility="adults_only")
    answer = asked(installation, tenant, "What is the excess for theft?")
    assert "400" in answer["answer"]

    change(installation, tenant, document, how)
    page = read(installation, tenant, answer["session_id"])

    [reply] = [message for message in page["messages"] if message["role"] == "assistant"]
    assert (reply["removed"], reply["content"]) == (True, None)
    assert [citation["removed"] for citation in reply["citations"]] == [True] * len(answer["citations"])
    told = [{**message, "id": None, "created_at": None} for message in page["messages"]]
    for word in ("400", "Theft policy", str(document)):
        assert word not in str(told), word


def test_only_what_rests_on_the_document_is_removed(installation: Installation, tenant: Tenant) -> None:
    theft = installation.add_document(tenant, EXCESS, "Theft")
    cellar = installation.add_document(tenant, "Bicycles are kept in the cellar.", "Cellar")
    session = asked(installation, tenant, "Where are bicycles kept?", document_ids=[cellar])["session_id"]
    asked(installation, tenant, "And the excess for theft?", document_ids=[theft], session_id=session)

    installation.run("f/chatbot/delete_document", document_id=theft, tenant_id=tenant.id).done()
    second, first = [m for m in read(installation, tenant, session)["messages"] if m["role"] == "assistant"]

    assert (second["removed"], first["removed"]) == (True, False)
    assert "cellar" in first["content"]
    assert [citation["removed"] for citation in first["citations"]] == [False] * len(first["citations"]) != []


def test_an_answer_that_was_told_an_earlier_one_rests_on_its_documents_too(cloud: Cloud) -> None:
    installation = cloud.installation
    tenant = installation.new_tenant()
    secret = installation.add_document(tenant, "The code of the safe is KX-4711.", "Safe", tags=["safe"])
    installation.add_document(tenant, "The garden needs water.", "Garden", tags=["garden"])
    cloud.groq.answer = lambda _: "The code is KX-4711. [1]"
    session = asked(installation, tenant, "What is the code?", tags=["safe"])["session_id"]
    cloud.groq.answer = lambda _: "As I said, KX-4711; and the garden needs water. [1]"
    asked(installation, tenant, "And the garden?", tags=["garden"], session_id=session)

    installation.run("f/chatbot/delete_document", document_id=secret, tenant_id=tenant.id).done()
    page = read(installation, tenant, session)
    cloud.groq.requests.clear()
    asked(installation, tenant, "Say it again?", tags=["garden"], session_id=session)

    assert "KX-4711" not in str(page)
    assert [m["removed"] for m in page["messages"] if m["role"] == "assistant"] == [True, True]
    assert cloud.groq.requests
    assert all("KX-4711" not in str(request.body) for request in cloud.groq.requests)


def test_nobody_else_reads_it(installation: Installation, tenant: Tenant) -> None:
    other = installation.new_tenant()
    installation.add_document(tenant, EXCESS, "Policy")
    session = asked(installation, tenant, "Theft?")["session_id"]
    run = partial(installation.run, READ, session_id=session)

    sentences = {
        run(tenant_id=who.id, user_member_id=member).refused(404, "not_found")
        for who, member in ((tenant, tenant.admin), (tenant, tenant.teen), (tenant, None), (other, other.adult))
    }
    missing = run(tenant_id=tenant.id, user_member_id=tenant.adult, session_id=str(tenant.id))

    assert sentences == {missing.refused(404, "not_found")}


@pytest.mark.parametrize("bad", [{"limit": 0}, {"limit": 101}, {"before": "a"}, {"before": -1}, {"session_id": "x"}])
def test_bad_arguments_are_refused(installation: Installation, tenant: Tenant, bad: Json) -> None:
    session = "6f1c7d52-0c5e-4a53-9d0b-2f4f2a7c8b11"

    installation.run(READ, **{"session_id": session, "tenant_id": tenant.id, **bad}).refused(422, "invalid_argument")
