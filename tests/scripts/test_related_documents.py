"""Related documents: by embedding, or by words while there is none; of one model, and of what the caller may see."""

from functools import partial

import pytest

from tests.support.installation import Installation, Json, Tenant

RELATED = "f/chatbot/related_documents"
TEXTS = {
    "Boiler": "The boiler of the heating is serviced each October by a plumber, who cleans the burner and the pipes.",
    "Radiator": "When a radiator of the heating stays cold, the plumber bleeds the pipes and looks at the boiler.",
    "School": "The school trip to the museum of antiquities takes place in May; the teacher collects the money.",
    "Museum": "The museum of antiquities is closed on Mondays; a school class enters without paying money.",
    "Recipe": "Beat the eggs with sugar, fold in flour and lemon peel, and bake the cake for forty minutes.",
}


@pytest.fixture
def tenant(installation: Installation) -> Tenant:
    return installation.new_tenant()


def stored(installation: Installation, tenant: Tenant, **more: object) -> dict[str, int]:
    """Store the texts and return their ids by title; they have no vectors yet."""
    return {
        title: installation.run(
            "f/chatbot/ingest", title=title, content=text, tenant_id=tenant.id, tags=[title.lower()], **more
        ).data["document_id"]
        for title, text in TEXTS.items()
    }


def related(installation: Installation, tenant: Tenant, document: int, **more: object) -> Json:
    return dict(installation.run(RELATED, document_id=document, tenant_id=tenant.id, **more).data)


def test_words_that_look_like_numbers_are_told_to_the_letter(installation: Installation, tenant: Tenant) -> None:
    text = "The roof insurance is paid by NaN Bank every month, and Infinity Pools mends the pool of the house."
    for title in ("Infinity pool", "NaN"):
        installation.run(
            "f/chatbot/ingest", title=title, category="NaN Bank", content=f"{text} {title}.", tenant_id=tenant.id
        ).done()
    installation.run("f/chatbot/embed", tenant_id=tenant.id).done()
    [first, second] = installation.run("f/chatbot/list_documents", tenant_id=tenant.id, sort="title").data["documents"]

    [found] = related(installation, tenant, first["document_id"])["documents"]
    near = installation.run("f/chatbot/find_duplicates", tenant_id=tenant.id, document_id=second["document_id"]).text
    said = installation.run("f/chatbot/chat", tenant_id=tenant.id, question="Who is the roof insurance paid by?").data
    read = installation.run("f/chatbot/read_session", tenant_id=tenant.id, session_id=said["session_id"]).text

    assert {first["title"], second["title"]} == {"Infinity pool", "NaN"}
    assert (found["title"], found["category"]) == (second["title"], "NaN Bank")
    assert first["title"] in near
    assert "paid by NaN Bank every month" in read
    assert " null " not in near + read


def test_the_nearest_by_embedding_come_first(installation: Installation, tenant: Tenant) -> None:
    ids = stored(installation, tenant)
    installation.run("f/chatbot/embed", tenant_id=tenant.id).done()

    found = related(installation, tenant, ids["School"])

    assert found["by"] == "embedding"
    assert len(found["documents"]) == 4
    first = found["documents"][0]
    assert (first["title"], first["tags"], first["near_duplicate"]) == ("Museum", ["museum"], False)
    scores = [one["similarity"] for one in found["documents"]]
    assert scores == sorted(scores, reverse=True)
    assert all(-1 <= score <= 1 for score in scores)
    assert [one["covered"] for one in found["documents"]] == [None] * 4
    assert len(related(installation, tenant, ids["Boiler"], limit=1)["documents"]) == 1


def test_a_document_without_an_embedding_is_related_by_its_words(installation: Installation, tenant: Tenant) -> None:
    ids = stored(installation, tenant)

    found = related(installation, tenant, ids["Boiler"])

    assert found["by"] == "words"
    assert found["documents"][0]["title"] == "Radiator"
    assert 0 < found["documents"][0]["covered"] <= 1
    assert found["documents"][0]["similarity"] is None
    assert ids["Boiler"] not in [one["document_id"] for one in found["documents"]]


def test_embeddings_of_two_models_are_never_compared(installation: Installation, tenant: Tenant) -> None:
    ids = stored(installation, tenant)
    installation.run("f/chatbot/embed", tenant_id=tenant.id).done()
    installation.query("UPDATE documents SET embedding_model = 'another' WHERE id = %s", (ids["Museum"],))

    titles = [one["title"] for one in related(installation, tenant, ids["School"])["documents"]]

    assert sorted(titles) == ["Boiler", "Radiator", "Recipe"]


def test_near_duplicates_are_marked_or_left_out(installation: Installation, tenant: Tenant) -> None:
    ids = stored(installation, tenant)
    copy = installation.add_document(tenant, f"{TEXTS['Boiler']} He is paid at once.", "Copy")
    installation.run("f/chatbot/embed", tenant_id=tenant.id).done()

    marked = related(installation, tenant, ids["Boiler"])["documents"]
    without = related(installation, tenant, ids["Boiler"], near_duplicates=False, limit=2)["documents"]

    assert [one["document_id"] for one in marked if one["near_duplicate"]] == [copy] == [marked[0]["document_id"]]
    assert [one["title"] for one in without] == [one["title"] for one in marked[1:3]]


@pytest.mark.parametrize("embedded", [True, False])
def test_what_is_hidden_changes_neither_order_nor_scores(
    installation: Installation, tenant: Tenant, embedded: bool
) -> None:
    ids = stored(installation, tenant)
    other = installation.new_tenant()
    look = partial(
        installation.run, RELATED, document_id=ids["Boiler"], tenant_id=tenant.id, user_member_id=tenant.teen
    )
    if embedded:
        installation.run("f/chatbot/embed", tenant_id=tenant.id).done()
    before = [look(limit=limit, near_duplicates=kept).text for limit in (2, 50) for kept in (True, False)]
    for number in range(4):
        secret = f"{TEXTS['Boiler']} Secret {number}."
        installation.add_document(tenant, secret, "Secret", visibility="adults_only", user_member_id=tenant.adult)
        installation.add_document(other, secret, "Secret")

    after = [look(limit=limit, near_duplicates=kept).text for limit in (2, 50) for kept in (True, False)]

    assert after == before
    assert "Secret" in installation.run(
        RELATED, document_id=ids["Boiler"], tenant_id=tenant.id, user_member_id=tenant.adult
    ).text  # fmt: skip


def test_titles_of_what_is_for_admins_alone_are_noted_as_read(installation: Installation, tenant: Tenant) -> None:
    ids = stored(installation, tenant, user_member_id=tenant.admin)
    installation.query("UPDATE documents SET visibility = 'admins_only' WHERE id = %s", (ids["Radiator"],))
    related(installation, tenant, ids["Boiler"], user_member_id=tenant.admin)

    noted = installation.query(
        "SELECT target_id FROM audit_log WHERE tenant_id = %s AND action = 'read_document'", (tenant.id,)
    )
    assert [row["target_id"] for row in noted] == [str(ids["Radiator"])]


def test_what_the_caller_may_not_see_is_as_unknown_as_none(installation: Installation, tenant: Tenant) -> None:
    other = installation.new_tenant()
    theirs = stored(installation, other)["Boiler"]
    hidden = installation.add_document(
        tenant, "For adults.", "Hidden", visibility="adults_only", user_member_id=tenant.adult
    )
    for document in (theirs, hidden, 7):
        reply = installation.run(RELATED, document_id=document, tenant_id=tenant.id, user_member_id=tenant.teen)
        assert reply.refused(404, "not_found") == "There is no such document."
