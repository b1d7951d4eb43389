# ruff: noqa: RUF001 -- Greek letters are meant here
"""Duplicates, exact and near: among what the caller may see, with what differs; what is hidden changes nothing."""

import uuid
from functools import partial

import pytest

from tests.conftest import InstallationMaker
from tests.support.cloud import in_parallel
from tests.support.installation import Installation, Json, Tenant

FIND = "f/chatbot/find_duplicates"
POLICY = (
    "The policy covers the house and all that is built in, the garage and the garden shed. Damage by fire, water from"
    " pipes, storm and hail is paid for. Whoever has damage tells the insurer within eight days. The excess is 300 "
    "euros for water and 150 euros for storm. The contract runs for a year and is renewed unless one of both cancels "
    "it three months before its end. Payments are due on the first of January."
)
OTHER = (
    "The swimming course for beginners takes place on Tuesday afternoons in the municipal baths. Children bring a "
    "towel and a cap. Parents wait in the cafeteria and do not enter the changing rooms, which are kept free for the "
    "school."
)
GREEK = (
    "Το συμβόλαιο καλύπτει το σπίτι και όλα όσα είναι χτισμένα μέσα του, το γκαράζ και την αποθήκη του κήπου. Ζημιές "
    "από φωτιά, νερό, καταιγίδα και χαλάζι πληρώνονται. Όποιος έχει ζημιά ειδοποιεί την ασφαλιστική εταιρεία μέσα σε "
    "οκτώ ημέρες. Η απαλλαγή είναι 300 ευρώ για νερό και 150 ευρώ για καταιγίδα."
)


@pytest.fixture
def tenant(installation: Installation) -> Tenant:
    return installation.new_tenant()


def ingest(installation: Installation, tenant: Tenant, content: str, **more: object) -> Json:
    arguments = {"title": "Paper", **more}
    return dict(installation.run("f/chatbot/ingest", content=content, tenant_id=tenant.id, **arguments).data)


def near(installation: Installation, tenant: Tenant, document: int, **who: object) -> list[Json]:
    return list(installation.run(FIND, document_id=document, tenant_id=tenant.id, **who).data["near"])


def test_an_edited_copy_is_told_at_ingest_and_afterwards_with_what_differs(
    installation: Installation, tenant: Tenant
) -> None:
    first = ingest(installation, tenant, POLICY, title="Policy 2026")["document_id"]
    ingest(installation, tenant, OTHER)
    edited = POLICY.replace("300 euros", "500 euros").replace("eight days", "two weeks")
    second = ingest(installation, tenant, edited, title="Policy 2027")

    [told] = second["near_duplicates"]
    assert (second["duplicate_of"], told["document_id"], told["title"]) == (None, first, "Policy 2026")
    assert 0.7 < told["similarity"] < 1
    assert told["differences"] == [
        {"only_here": "two weeks", "only_there": "eight days"}, {"only_here": "500", "only_there": "300"},
    ]  # fmt: skip
    assert (told["more_differences"], told["partial"], told["embedding_similarity"]) == (False, False, None)
    [afterwards] = near(installation, tenant, first)
    assert afterwards["document_id"] == second["document_id"]
    assert afterwards["similarity"] == told["similarity"]
    assert afterwards["differences"][0] == {"only_here": "eight days", "only_there": "two weeks"}


@pytest.mark.parametrize(
    ("copy", "least_similarity", "least_containment"),
    [
        pytest.param(". ".join(reversed(POLICY.split(". "))), 0.6, 0.8, id="sentences in another order"),
        pytest.param(f"{POLICY}\f{OTHER}\f{OTHER.upper()} {POLICY[:100]}", 0.2, 1.0, id="pages appended"),
        pytest.param(POLICY.upper().replace(" ", "\n"), 1.0, 1.0, id="another case, other lines, other punctuation"),
        pytest.param(POLICY.replace("ou", "0u").replace("ll", "1l"), 0.2, 0.0, id="wrong characters of a scan"),
        pytest.param("\u200b".join(POLICY), 1.0, 1.0, id="hidden characters in every word"),
    ],
)
def test_a_copy_is_near_however_it_was_changed(
    installation: Installation, tenant: Tenant, copy: str, least_similarity: float, least_containment: float
) -> None:
    first = ingest(installation, tenant, POLICY)["document_id"]
    [told] = ingest(installation, tenant, copy)["near_duplicates"]

    assert told["document_id"] == first
    assert told["similarity"] >= least_similarity
    assert told["containment"] >= least_containment


def test_greek_is_compared_without_its_accents(installation: Installation, tenant: Tenant) -> None:
    first = ingest(installation, tenant, GREEK)["document_id"]
    capitals = GREEK.upper().replace("Ό", "Ο").replace("Ή", "Η").replace("Ί", "Ι").replace("Ά", "Α")

    assert [told["document_id"] for told in ingest(installation, tenant, capitals)["near_duplicates"]] == [first]


def test_other_texts_are_none(installation: Installation, tenant: Tenant) -> None:
    for text in (POLICY, OTHER, GREEK, "...", "!"):
        assert ingest(installation, tenant, text)["near_duplicates"] == []


def test_at_most_three_are_told_at_ingest_the_most_alike_first(installation: Installation, tenant: Tenant) -> None:
    copies = [POLICY.replace("garden shed", f"shed {n}") + "".join(f" more{m}" for m in range(n)) for n in range(5)]
    ids = [ingest(installation, tenant, copy)["document_id"] for copy in copies]
    told = ingest(installation, tenant, POLICY)

    assert [one["document_id"] for one in told["near_duplicates"]] == ids[:3]
    scores = [one["similarity"] for one in near(installation, tenant, told["document_id"])]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)
    assert len(near(installation, tenant, told["document_id"], limit=2)) == 2


def test_what_is_wholly_the_same_is_told_apart(installation: Installation, tenant: Tenant) -> None:
    by_adult = ingest(installation, tenant, POLICY, visibility="adults_only", user_member_id=tenant.adult)
    by_teen = ingest(installation, tenant, f"  {POLICY}\n", user_member_id=tenant.teen)
    run = partial(installation.run, FIND, document_id=by_teen["document_id"], tenant_id=tenant.id)

    assert (by_teen["duplicate_of"], by_teen["near_duplicates"]) == (None, [])
    seen = run(user_member_id=tenant.adult).data
    assert seen["exact"] == [{"document_id": by_adult["document_id"], "title": "Paper"}]
    assert seen["near"] == []
    assert run(user_member_id=tenant.teen).data["exact"] == []


def test_embeddings_of_one_model_are_compared_and_of_two_never(installation: Installation, tenant: Tenant) -> None:
    first = ingest(installation, tenant, POLICY)["document_id"]
    second = ingest(installation, tenant, POLICY.replace("300", "500"))["document_id"]
    installation.run("f/chatbot/embed", tenant_id=tenant.id).done()

    assert near(installation, tenant, second)[0]["embedding_similarity"] > 0.9
    installation.query("DELETE FROM document_bands WHERE document_id = %s", (first,))
    assert [told["document_id"] for told in near(installation, tenant, second)] == [first], "not found by its embedding"
    installation.query("UPDATE documents SET embedding_model = 'another' WHERE id = %s", (first,))
    assert near(installation, tenant, second) == []


def everything_told(installation: Installation, tenant: Tenant, document: int, copy: str, who: Json) -> list[object]:
    """Ask in every way for near duplicates, as a member; what was stored for it is removed again."""
    stored = installation.run("f/chatbot/ingest", title="Copy", content=copy, tenant_id=tenant.id, **who)
    new = stored.data["document_id"]
    told = [stored.text.replace(str(new), "new")]
    for path in (FIND, "f/chatbot/related_documents"):
        told.append(
            installation.run(path, document_id=document, tenant_id=tenant.id, **who).text.replace(str(new), "new")
        )
    noted = installation.query(
        "SELECT action, outcome, target_type FROM audit_log WHERE tenant_id = %s ORDER BY occurred_at, action",
        (tenant.id,),
    )
    installation.query("DELETE FROM documents WHERE id = %s", (new,))
    installation.query("DELETE FROM audit_log WHERE tenant_id = %s", (tenant.id,))
    return [*told, noted]


def test_a_hidden_near_duplicate_changes_nothing_that_is_told(installation: Installation, tenant: Tenant) -> None:
    """The same calls before and after there are copies for adults, admins and another member, and of another tenant."""
    other = installation.new_tenant()
    seen = ingest(installation, tenant, POLICY + OTHER, title="Seen")["document_id"]
    copy = POLICY + OTHER.replace("Tuesday", "Friday")
    installation.run("f/chatbot/embed", tenant_id=tenant.id).done()
    callers: list[Json] = [{"user_member_id": tenant.teen}, {"user_member_type": "child"}, {}]
    installation.query("DELETE FROM audit_log WHERE tenant_id = %s", (tenant.id,))

    before = [everything_told(installation, tenant, seen, copy, who) for who in callers]
    hidden = [
        ingest(installation, tenant, f"{POLICY}{OTHER} {number}", title="Secret", visibility=visibility, **more)
        for number, (visibility, more) in enumerate(
            [
                ("adults_only", {"user_member_id": tenant.adult}), ("admins_only", {"user_member_id": tenant.admin}),
                ("private", {"user_member_id": tenant.adult, "assigned_to": tenant.adult}),
            ]
            * 4
        )
    ]  # fmt: skip
    for number in range(3):
        ingest(installation, other, f"{POLICY}{OTHER} {number}", title="Secret")
    installation.run("f/chatbot/embed", tenant_id=tenant.id).done()
    installation.run("f/chatbot/embed", tenant_id=other.id).done()
    installation.query("DELETE FROM audit_log WHERE tenant_id = %s", (tenant.id,))
    after = [everything_told(installation, tenant, seen, copy, who) for who in callers]

    assert after == before
    assert all('"title":"Seen"' in str(told[0]).replace(" ", "") for told in before), (
        "no near duplicate was told at all"
    )
    for document in hidden:
        reply = installation.run(FIND, document_id=document["document_id"], tenant_id=tenant.id, **callers[0])
        assert reply.refused(404, "not_found") == "There is no such document."


def test_hidden_copies_take_no_place_of_those_that_are_seen(installation: Installation, tenant: Tenant) -> None:
    """More of them than holders of a band are looked at, or candidates compared; and all of them come before it."""
    text = f"{POLICY} {OTHER}"
    seen = ingest(installation, tenant, f"{text} seen")["document_id"]
    installation.query(
        """
        WITH copy AS (
            INSERT INTO documents (tenant_id, id, title, content, content_hash, visibility, language, chunk_count,
                                   idempotency_key)
            SELECT tenant_id, id - number, 'Secret', content || number, sha256(number::text::bytea), 'adults_only',
                   language, 1, number
            FROM documents, generate_series(1, 150) AS number WHERE id = %(seen)s
            RETURNING id
        )
        INSERT INTO document_bands (tenant_id, band, document_id)
        SELECT b.tenant_id, band, copy.id FROM copy, document_bands AS b WHERE b.document_id = %(seen)s
        """,
        {"seen": seen},
    )

    told = ingest(installation, tenant, f"{text} again", user_member_id=tenant.teen)["near_duplicates"]

    assert [one["document_id"] for one in told] == [seen]


def test_a_deleted_copy_is_told_no_more(installation: Installation, tenant: Tenant) -> None:
    first = ingest(installation, tenant, POLICY)["document_id"]
    second = ingest(installation, tenant, f"{POLICY} More.")["document_id"]
    installation.run("f/chatbot/delete_document", document_id=first, tenant_id=tenant.id).done()

    assert near(installation, tenant, second) == []
    installation.run(FIND, document_id=first, tenant_id=tenant.id).refused(404, "not_found")


def test_reading_what_is_for_admins_alone_is_noted(installation: Installation, tenant: Tenant) -> None:
    guarded = ingest(installation, tenant, POLICY, visibility="admins_only", user_member_id=tenant.admin)["document_id"]
    plain = ingest(installation, tenant, f"{POLICY} More.", user_member_id=tenant.teen)["document_id"]
    near(installation, tenant, plain, user_member_id=tenant.admin)

    noted = installation.query(
        "SELECT member_id, target_id FROM audit_log WHERE tenant_id = %s AND action = 'read_document'", (tenant.id,)
    )
    assert noted == [{"member_id": tenant.admin, "target_id": str(guarded)}]


def test_another_tenants_document_is_as_unknown_as_none(installation: Installation, tenant: Tenant) -> None:
    other = installation.new_tenant()
    document = ingest(installation, other, POLICY)["document_id"]
    replies = in_parallel(
        [partial(installation.run, FIND, document_id=one, tenant_id=tenant.id) for one in (document, 7)]
    )
    assert {reply.refused(404, "not_found") for reply in replies} == {"There is no such document."}


def test_the_flow_tells_near_duplicates_too(installation: Installation, tenant: Tenant) -> None:
    first = ingest(installation, tenant, POLICY)["document_id"]
    data = installation.flow(
        "f/chatbot/ingest_document", title="Copy", content=f"{POLICY} More.", tenant_id=tenant.id
    ).data  # fmt: skip

    assert [told["document_id"] for told in data["near_duplicates"]] == [first]
    assert data["status"] == "completed"


def bands(installation: Installation, tenant_id: str) -> list[list[int]]:
    rows = installation.query(
        "SELECT array_agg(band ORDER BY band) AS bands FROM document_bands WHERE tenant_id = %s"
        " GROUP BY document_id ORDER BY 1",
        (tenant_id,),
    )
    return [row["bands"] for row in rows]


def test_an_imported_archive_finds_near_duplicates_at_once(installation: Installation, tenant: Tenant) -> None:
    for text in (POLICY, f"{POLICY} More.", GREEK):
        ingest(installation, tenant, text)
    kept = bands(installation, tenant.id)
    lines = installation.run("f/operations/export_tenant", tenant_id=tenant.id).data["lines"]
    there = str(uuid.uuid4())

    for _ in range(2):
        installation.run("f/operations/import_tenant", lines=lines, tenant_id=there, slug=f"a{there[:8]}").done()

    assert "document_bands" not in lines
    assert (len(kept), bands(installation, there)) == (3, kept)


def test_documents_from_before_get_their_sketch_at_night(make_installation: InstallationMaker) -> None:
    installation = make_installation()
    tenant = installation.new_tenant()
    for text in (POLICY, f"{POLICY} More.", "..."):
        ingest(installation, tenant, text)
    kept = bands(installation, tenant.id)
    installation.query("DELETE FROM document_bands")
    night = partial(installation.run, "f/operations/find_orphans")

    assert night().data["documents_without_sketch"] == 3
    assert night(repair=True).data["repaired"] == 3
    assert night().data["documents_without_sketch"] == 0
    assert bands(installation, tenant.id) == kept
