# ruff: noqa: RUF001 -- Greek letters are meant here
"""Ingestion over HTTP: what is kept, exactly, for whom; duplicates, keys, rights, odd and enormous texts."""

import json
import time
from datetime import UTC
from functools import partial

import pytest

from tests.support.cloud import chunks, document, in_parallel, row_counts, send
from tests.support.installation import Installation, Json, Tenant
from tests.support.patience import PROMPTLY_SECONDS

SAMPLE = (
    "# Home insurance 🏠\n\nWe pay for the roof. Ünïcödé — “quotes” and a tab\there.\r\n\r\n"
    + "## Water\n\n"
    + "The excess for water damage is 300 euros. It does not hold for burst pipes. " * 40
    + "\f## Theft\n\nThe excess for theft is 400 euros. 🎉🎉\n\n"
    + "שלום עולם — مرحبا بالعالم\n"
    + "\f\n# Annex\n\nThe insurer is Meridian Mutual.\n"
)


@pytest.fixture(scope="module")
def tenant(installation: Installation) -> Tenant:
    return installation.new_tenant()


def ingest(installation: Installation, tenant: Tenant, content: str, **more: object) -> Json:
    arguments = {"tenant_id": tenant.id, "title": "Paper", "content": content, **more}
    return dict(send(installation, "f/chatbot/ingest", arguments).data)


def test_each_chunk_is_its_exact_characters_with_page_and_headings(installation: Installation, tenant: Tenant) -> None:
    data = ingest(installation, tenant, SAMPLE)

    stored = document(installation, data["document_id"])
    pieces = chunks(installation, data["document_id"])
    known = {"chunks": len(pieces), "status": "queued", "duplicate_of": None, "near_duplicates": []}
    assert data == {"document_id": stored["id"], **known}
    assert stored["content"] == SAMPLE
    assert stored["status"] == "queued"
    assert len(pieces) > 3
    for piece in pieces:
        assert SAMPLE[piece["start_offset"] : piece["end_offset"]] == piece["content"]
        assert piece["page"] == SAMPLE[: piece["start_offset"]].count("\f") + 1
        assert piece["embedding"] is None
    assert [piece["ordinal"] for piece in pieces] == list(range(len(pieces)))
    covered = "".join(piece["content"] for piece in pieces)
    assert "".join(covered.split()) == "".join(SAMPLE.split())
    headings = {piece["heading"] for piece in pieces}
    assert "Home insurance 🏠 > Water" in headings
    assert "Annex" in headings


@pytest.mark.parametrize(
    ("time_zone", "day", "moment"),
    [
        ("UTC", "2027-01-31", "2027-01-31T23:59:59+00:00"),
        ("Europe/Athens", "2027-07-31", "2027-07-31T20:59:59+00:00"),
        ("America/New_York", "9998-12-31", "9999-01-01T04:59:59+00:00"),
        ("Asia/Tokyo", "1900-01-01", "1900-01-01T14:59:59+00:00"),
    ],
)
def test_a_day_at_which_something_expires_ends_where_the_tenant_is(
    installation: Installation, time_zone: str, day: str, moment: str
) -> None:
    tenant = installation.new_tenant()
    run = partial(installation.run, tenant_id=tenant.id)
    run("f/operations/change_tenant", time_zone=time_zone).done()

    stored = ingest(installation, tenant, "It is valid.", expires_at=day)["document_id"]
    handed_in = run("f/chatbot/parse_file", content_base64="SXQgaXMgdmFsaWQgdG9vLg==", expires_at=day).data["file_id"]
    from_file = run("f/chatbot/ingest", file_id=handed_in).data["document_id"]
    changed = ingest(installation, tenant, "It is valid as well.")["document_id"]
    run("f/chatbot/update_document", document_id=changed, version=1, expires_at=day).done()

    for each in (stored, from_file, changed):
        assert document(installation, each)["expires_at"].astimezone(UTC).isoformat() == moment
        assert run("f/chatbot/get_document", document_id=each).data["expires_at"] == moment
    expiring = run("f/chatbot/list_expiring", within_days=36_500).data["documents"]
    assert {found["expires_on"] for found in expiring} <= {day}
    feed = run("f/chatbot/create_calendar_feed", user_member_id=tenant.adult).data["secret"]
    assert "BEGIN:VCALENDAR" in installation.run("f/chatbot/read_calendar_feed", secret=feed).data["calendar"]


def test_labels_that_look_the_same_are_the_same(installation: Installation) -> None:
    tenant = installation.new_tenant()
    composed, apart = "caf\u00e9", "cafe\u0301"
    for number, label in enumerate((composed, apart, f" {composed} ")):
        ingest(installation, tenant, f"Bill {number}.", category=label, tags=[label])

    found = installation.run("f/chatbot/list_documents", tenant_id=tenant.id, facets=True, category=apart).data

    assert found["total"] == 3
    assert [found["facets"][name] for name in ("categories", "tags")] == [
        [{"value": composed, "documents": 3}], [{"value": composed, "documents": 3}],
    ]  # fmt: skip
    assert (
        installation.run("f/chatbot/search", tenant_id=tenant.id, query="bill", category=f"{apart} ").data["total"] == 3
    )


def test_everything_that_is_said_of_a_document_is_kept(installation: Installation, tenant: Tenant) -> None:
    metadata = {"pages": 3, "deep": {"list": [1, 2.5, None, True, "λήγει 🎉"]}, "wm_status_code": 500, "": "\\u0041"}
    data = ingest(
        installation, tenant, "The passport of Maria is valid.", title="  Passport 🛂  ", category="identity",
        visibility="adults_only", assigned_to=tenant.teen, tags=[" Travel", "TRAVEL ", "Έγγραφα"],
        expires_at="2027-01-31T12:00:00+02:00", source="e-mail", source_url="https://example.org/a?b=c&d=ü#e",
        metadata=metadata, idempotency_key="passport-1", user_member_id=tenant.adult,
    )  # fmt: skip

    stored = document(installation, data["document_id"])
    assert stored["title"] == "Passport 🛂"
    assert (stored["category"], stored["visibility"]) == ("identity", "adults_only")
    assert (stored["assigned_to"], stored["created_by"]) == (tenant.teen, tenant.adult)
    assert stored["tags"] == ["travel", "έγγραφα"]
    assert stored["expires_at"].isoformat().startswith("2027-01-31T10:00:00")
    assert (stored["source"], stored["source_url"]) == ("e-mail", "https://example.org/a?b=c&d=ü#e")
    assert stored["metadata"] == metadata
    assert stored["idempotency_key"] == "passport-1"
    assert stored["language"] == "english"


def test_the_longest_values_that_are_allowed_are_kept(installation: Installation, tenant: Tenant) -> None:
    data = ingest(
        installation, tenant, "The longest of all papers.", title="t" * 500, category="c" * 100,
        tags=[f"{n:050}" for n in range(50)], source="s" * 200, source_url="https://" + "u" * 1_992,
        idempotency_key="k" * 200, metadata={"m": "x" * 19_000}, expires_at="1900-01-01",
    )  # fmt: skip

    stored = document(installation, data["document_id"])
    assert [len(stored[key]) for key in ("title", "category", "tags", "source", "source_url")] == [
        500, 100, 50, 200, 2_000,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The policy covers fire and theft, and it ends in March.", "english"),
        ("Το συμβόλαιο καλύπτει τη φωτιά και την κλοπή και λήγει τον Μάρτιο.", "greek"),
        ("4711 0815", "english"),
    ],
)
def test_the_language_is_told_from_the_text_or_else_the_tenants(
    installation: Installation, tenant: Tenant, text: str, language: str
) -> None:
    data = ingest(installation, tenant, text)

    assert document(installation, data["document_id"])["language"] == language


def test_a_language_that_is_named_is_taken(installation: Installation, tenant: Tenant) -> None:
    data = ingest(installation, tenant, "The French text is in English.", language="french")

    assert document(installation, data["document_id"])["language"] == "french"


def test_the_same_text_is_the_same_document_whatever_its_spaces(installation: Installation, tenant: Tenant) -> None:
    first = ingest(installation, tenant, "Rent is due on the first. Café.", user_member_id=tenant.adult)
    again = ingest(
        installation, tenant, "  Rent is due\n\non the first.  Cafe\u0301. ", title="Other", user_member_id=tenant.child
    )

    assert again == first | {"duplicate_of": first["document_id"], "near_duplicates": []}
    assert document(installation, first["document_id"])["title"] == "Paper"


def test_a_text_that_the_caller_may_not_see_is_not_given_away(installation: Installation, tenant: Tenant) -> None:
    hidden = ingest(
        installation, tenant, "Our salaries rise.", visibility="admins_only", user_member_id=tenant.admin, title="Pay"
    )
    by_teen = ingest(installation, tenant, "Our salaries rise.", user_member_id=tenant.teen)

    assert by_teen["duplicate_of"] is None
    assert by_teen["document_id"] != hidden["document_id"]
    assert by_teen["status"] == hidden["status"]


def test_a_deleted_text_can_be_stored_again(installation: Installation, tenant: Tenant) -> None:
    first = ingest(installation, tenant, "The gate code is 1234.", idempotency_key="gate")
    installation.query("UPDATE documents SET deleted_at = now() WHERE id = %s", (first["document_id"],))

    again = ingest(installation, tenant, "The gate code is 1234.", idempotency_key="gate")
    assert again["duplicate_of"] is None
    assert again["document_id"] != first["document_id"]


def test_another_tenants_same_text_is_another_document(installation: Installation, tenant: Tenant) -> None:
    first = ingest(installation, tenant, "A text that two families have.", idempotency_key="both")
    other = ingest(installation, installation.new_tenant(), "A text that two families have.", idempotency_key="both")

    assert other["duplicate_of"] is None
    assert other["document_id"] != first["document_id"]


def test_an_idempotency_key_names_one_document_of_one_caller(installation: Installation, tenant: Tenant) -> None:
    mine: Json = {"idempotency_key": "receipt-7", "user_member_id": tenant.adult}
    first = ingest(installation, tenant, "Receipt number seven.", **mine)

    assert ingest(installation, tenant, "Receipt number seven.", **mine)["duplicate_of"] == first["document_id"]
    other_text: Json = {"tenant_id": tenant.id, "title": "Paper", "content": "Receipt number eight."}
    sentence = installation.run("f/chatbot/ingest", **other_text, **mine).refused(409, "conflict")
    assert "idempotency_key" in sentence
    by_other = ingest(
        installation, tenant, "Receipt of somebody else.", idempotency_key="receipt-7", user_member_id=tenant.teen
    )
    assert by_other["duplicate_of"] is None


@pytest.mark.parametrize("visibility", ["everyone", "adults_only", "admins_only"])
def test_a_back_end_repeats_a_key_safely_whatever_the_visibility(
    installation: Installation, tenant: Tenant, visibility: str
) -> None:
    given: Json = {"visibility": visibility, "idempotency_key": f"repeat-{visibility}"}
    first = ingest(installation, tenant, f"A letter for {visibility}.", **given)
    again = ingest(installation, tenant, f"A letter for {visibility}.", **given)

    assert again["document_id"] == first["document_id"]


def test_a_key_repeated_with_a_narrowed_type_neither_fails_nor_stores_twice(
    installation: Installation, tenant: Tenant
) -> None:
    mine: Json = {"idempotency_key": "narrow", "user_member_id": tenant.adult, "visibility": "everyone"}
    ingest(installation, tenant, "A letter for grown-ups.", **(mine | {"visibility": "adults_only"}))
    before = row_counts(installation, tenant.id)

    reply = installation.run(
        "f/chatbot/ingest", tenant_id=tenant.id, title="Paper", content="A letter for grown-ups.",
        **mine, user_member_type="teen",
    )  # fmt: skip
    assert reply.status in (200, 409), reply.text
    assert reply.body["success"] is (reply.status == 200)
    assert row_counts(installation, tenant.id) == before


def test_eight_at_once_of_one_text_give_one_document(installation: Installation) -> None:
    tenant = installation.new_tenant()
    calls = [partial(ingest, installation, tenant, "Eight hands hold one letter. " * 200) for _ in range(8)]

    answers = in_parallel(calls, at_once=8)

    assert len({answer["document_id"] for answer in answers}) == 1
    assert sorted(answer["duplicate_of"] is None for answer in answers) == [False] * 7 + [True]
    counts = row_counts(installation, tenant.id)
    assert counts["documents"] == 1
    assert counts["document_chunks"] == answers[0]["chunks"]


def test_eight_at_once_with_one_key_and_different_texts_give_one_document(installation: Installation) -> None:
    tenant = installation.new_tenant()
    given: Json = {"tenant_id": tenant.id, "title": "Paper", "idempotency_key": "one"}
    calls = [partial(installation.run, "f/chatbot/ingest", content=f"Text {n}.", **given) for n in range(8)]

    statuses = sorted(reply.status for reply in in_parallel(calls, at_once=8))

    assert statuses == [200] + [409] * 7
    assert row_counts(installation, tenant.id)["documents"] == 1


def test_members_store_only_what_they_may_see(installation: Installation, tenant: Tenant) -> None:
    base: Json = {"tenant_id": tenant.id, "title": "Note"}
    allowed = [
        ("teen", "everyone", None), ("child", "private", None), ("adult", "adults_only", None),
        ("admin", "admins_only", None), ("admin", "private", tenant.child), ("adult", "private", tenant.adult),
    ]  # fmt: skip
    refused = [
        ("teen", "adults_only", None), ("child", "admins_only", None), ("adult", "admins_only", None),
        ("adult", "private", tenant.teen), ("teen", "private", tenant.admin),
    ]  # fmt: skip

    def note(member: str, visibility: str, assigned_to: int | None) -> Json:
        content = f"A note of the {member} for {visibility} {assigned_to}."
        more = {"user_member_id": tenant.types[member], "visibility": visibility, "assigned_to": assigned_to}
        return {**base, "content": content, **more}

    good = in_parallel([partial(installation.run, "f/chatbot/ingest", **note(*case)) for case in allowed])
    before = row_counts(installation, tenant.id)
    bad = in_parallel([partial(installation.run, "f/chatbot/ingest", **note(*case)) for case in refused])

    for (member, _, assigned_to), reply in zip(allowed, good, strict=True):
        stored = document(installation, reply.data["document_id"])
        own = tenant.types[member] if stored["visibility"] == "private" else None
        assert stored["assigned_to"] == (assigned_to or own)
    for reply in bad:
        reply.refused(403, "forbidden")
    assert row_counts(installation, tenant.id) == before


def test_a_narrowed_admin_stores_only_what_the_narrowed_type_may(installation: Installation, tenant: Tenant) -> None:
    given: Json = {"tenant_id": tenant.id, "title": "Note", "content": "Narrow.", "user_member_id": tenant.admin}

    installation.run(
        "f/chatbot/ingest", **given, user_member_type="teen", visibility="adults_only"
    ).refused(403, "forbidden")  # fmt: skip


def test_a_private_document_needs_somebody_whom_the_tenant_has(installation: Installation, tenant: Tenant) -> None:
    stranger = installation.new_tenant().adult
    base: Json = {"tenant_id": tenant.id, "title": "Note", "content": "For one alone."}
    before = row_counts(installation, tenant.id)

    sentence = installation.run("f/chatbot/ingest", **base, visibility="private").refused(422, "invalid_argument")
    assert "assigned_to" in sentence
    for visibility in ("private", "everyone"):
        installation.run("f/chatbot/ingest", **base, visibility=visibility, assigned_to=stranger).refused(404)
    installation.query("UPDATE family_members SET removed_at = now() WHERE id = %s", (tenant.child,))
    try:
        installation.run("f/chatbot/ingest", **base, visibility="private", assigned_to=tenant.child).refused(404)
        installation.run("f/chatbot/ingest", **base, user_member_id=tenant.child).refused(404)
    finally:
        installation.query("UPDATE family_members SET removed_at = NULL WHERE id = %s", (tenant.child,))
    assert row_counts(installation, tenant.id) == before


ODD_TEXTS = {
    "emoji alone": "🎉",
    "right to left": "\u202eשלום עולם",
    "no words": "!!! ??? ... ---",
    "no visible character": "\u200b\u200b",
    "control characters": "a\x01b\x1b[31mc\x7f\x85",
    "combining marks": "a" + "\u0301" * 3_000,
    "one endless word": "ab" * 100_000,
    "an endless heading": "# " + "The endless heading of it all " * 10_000 + "\n\nA text under it.\n\n" * 20,
    "many headings": "".join(f"{'#' * (n % 6 + 1)} Part {n}\n\nText of part {n}.\n\n" for n in range(300)),
    "many pages": "Page.\f" * 2_000,
    "quotes and statements": '\'; DROP TABLE documents; -- \\ %s %(tenant)s {} $1 """ <script>',
    "carriage returns": "One.\rTwo.\r\rThree.\r\n",
}


def test_odd_texts_are_kept_to_the_letter(installation: Installation, tenant: Tenant) -> None:
    answers = in_parallel([partial(ingest, installation, tenant, text) for text in ODD_TEXTS.values()])

    for (name, text), answer in zip(ODD_TEXTS.items(), answers, strict=True):
        assert document(installation, answer["document_id"])["content"] == text, name
        pieces = chunks(installation, answer["document_id"])
        assert len(pieces) == answer["chunks"] > 0, name
        assert all(text[piece["start_offset"] : piece["end_offset"]] == piece["content"] for piece in pieces), name


def test_two_megabytes_are_stored_quickly_and_whole(installation: Installation, tenant: Tenant) -> None:
    words = [f"word{n % 20_011} of the {n % 97}th report," for n in range(80_000)]
    text = ("\n\n".join(" ".join(words[start : start + 50]) for start in range(0, 80_000, 50)))[:2_000_000]
    assert len(text) == 2_000_000
    began = time.monotonic()

    data = ingest(installation, tenant, text, visibility="admins_only")  # which the back end that stores it cannot see

    assert time.monotonic() - began < PROMPTLY_SECONDS
    stored = document(installation, data["document_id"])
    assert stored["content"] == text
    pieces = chunks(installation, data["document_id"])
    assert [piece["ordinal"] for piece in pieces] == list(range(data["chunks"]))
    assert data["chunks"] > 1_200  # more than one statement stores
    assert stored["word_count"] == sum(piece["word_count"] for piece in pieces)
    spaced = text.replace(" ", "\n ")
    assert ingest(installation, tenant, spaced, user_member_id=tenant.admin)["duplicate_of"] == data["document_id"]


def test_a_content_above_the_limit_is_refused_as_too_large(installation: Installation, tenant: Tenant) -> None:
    before = row_counts(installation, tenant.id)

    sentence = installation.run(
        "f/chatbot/ingest", tenant_id=tenant.id, title="Much", content="x" * 50_000_001
    ).refused(413, "too_large")  # fmt: skip

    assert "50,000,001" in sentence
    assert "50,000,000" in sentence
    assert row_counts(installation, tenant.id) == before


def test_metadata_as_deep_as_json_may_be_is_kept_or_refused(installation: Installation, tenant: Tenant) -> None:
    nested = '{"a":' * 300 + "1" + "}" * 300
    body = json.dumps({"tenant_id": tenant.id, "title": "Deep", "content": "A deep paper."})

    reply = send(installation, "f/chatbot/ingest", f'{body[:-1]}, "metadata": {nested}}}')

    assert reply.status in (200, 400, 422), reply.text
    if reply.status == 200:
        assert document(installation, reply.data["document_id"])["metadata"] == json.loads(nested)
    elif reply.status == 422:
        reply.refused(422, "invalid_argument")
