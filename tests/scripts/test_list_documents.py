"""Listing documents: filters, orders, pages, facets, what was deleted; and nothing of what may not be seen."""

import base64
import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import product

import pytest

from tests.attacks.hostile import nothing_changes
from tests.support.installation import Installation, Json, Tenant

LIST = "f/chatbot/list_documents"
ORDERS = list(product(("created_at", "changed_at", "title", "expires_at"), ("asc", "desc")))
CATEGORIES, TAGS, VISIBILITIES = ("car", "house", None), ("a", "b", "c"), ("everyone", "adults_only", "admins_only")


@pytest.fixture(scope="module")
def tenant(installation: Installation) -> Tenant:
    """A tenant with 24 documents of all kinds, in a time zone far from UTC."""
    tenant = installation.new_tenant()
    installation.query("UPDATE tenants SET time_zone = 'Pacific/Auckland' WHERE id = %s", (tenant.id,))
    installation.query(
        """
        INSERT INTO documents (tenant_id, title, content, content_hash, language, chunk_count, category, tags,
                               visibility, assigned_to, created_by, status, media_type, expires_at, created_at,
                               changed_at)
        SELECT %(tenant)s,
               CASE WHEN n %% 5 = 0 THEN 'ασφάλεια ' ELSE 'Paper ' END
               || CASE WHEN n %% 2 = 0 THEN 'É' ELSE 'e' END || n / 6,
               'x', sha256(n::text::bytea), 'english', 1, (ARRAY['car', 'house', NULL])[1 + n %% 3],
               (ARRAY['a', 'b', 'c'])[1 : n %% 4], (ARRAY['everyone', 'adults_only', 'admins_only'])[1 + n %% 3],
               CASE WHEN n %% 4 = 0 THEN %(teen)s END, CASE WHEN n %% 2 = 0 THEN %(adult)s END,
               (ARRAY['queued', 'failed'])[1 + n %% 2], CASE WHEN n %% 3 = 0 THEN 'application/pdf' END,
               CASE WHEN n %% 2 = 0 THEN '2031-01-01'::timestamptz + make_interval(days => n / 4) END,
               '2026-01-31 23:30+00'::timestamptz + make_interval(days => n / 2),
               '2026-05-01'::timestamptz - make_interval(days => n / 3)
        FROM generate_series(0, 23) AS n
        """,
        {"tenant": tenant.id, "teen": tenant.teen, "adult": tenant.adult},
    )
    return tenant


Passes = Callable[[Json], object]


def rows(installation: Installation, tenant: Tenant, seen: tuple[str, ...] = VISIBILITIES) -> list[Json]:
    return installation.query(
        "SELECT *, fold_accents(title) AS folded,"
        " to_char(created_at AT TIME ZONE 'Pacific/Auckland', 'YYYY-MM') AS month"
        " FROM documents WHERE tenant_id = %s AND visibility = ANY (%s) AND deleted_at IS NULL",
        (tenant.id, list(seen)),
    )


def ids(data: Json) -> list[int]:
    return [document["document_id"] for document in data["documents"]]


def test_pages_follow_each_other_in_every_order_without_gap_or_repeat(
    installation: Installation, tenant: Tenant
) -> None:
    run = partial(installation.run, LIST, tenant_id=tenant.id, user_member_id=tenant.admin)
    stored = rows(installation, tenant)
    for sort, order in ORDERS:
        column = "folded" if sort == "title" else sort
        with_key = sorted((row for row in stored if row[column] is not None), key=lambda row: (row[column], row["id"]))
        without = sorted((row for row in stored if row[column] is None), key=lambda row: row["id"])
        step = -1 if order == "desc" else 1
        expected = [row["id"] for row in (*with_key[::step], *without[::step])]
        found, cursor = list[int](), None
        while True:
            page = run(sort=sort, order=order, limit=7, cursor=cursor).data
            assert page["total"] == 24
            found += ids(page)
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert found == expected, (sort, order)
    assert ids(run(limit=24).data) == ids(run(limit=24, sort="created_at", order="desc").data)
    assert ids(run(limit=24, sort="title").data) == ids(run(limit=24, sort="title", order="asc").data)


def test_each_filter_leaves_out_the_others_and_all_of_them_go_together(
    installation: Installation, tenant: Tenant
) -> None:
    run = partial(installation.run, LIST, tenant_id=tenant.id, user_member_id=tenant.admin, limit=100)
    stored = rows(installation, tenant)
    filters: list[tuple[Json, Passes]] = [
        ({"category": "car"}, lambda r: r["category"] == "car"),
        ({"tags": ["A", "c"]}, lambda r: {"a", "c"} & {*r["tags"]}),
        ({"tags": ["a", "b"], "tags_match": "all"}, lambda r: {"a", "b"} <= {*r["tags"]}),
        ({"assigned_to": tenant.teen}, lambda r: r["assigned_to"] == tenant.teen),
        ({"created_by": tenant.adult}, lambda r: r["created_by"] == tenant.adult),
        ({"visibility": "adults_only"}, lambda r: r["visibility"] == "adults_only"),
        ({"status": "failed"}, lambda r: r["status"] == "failed"),
        ({"media_type": "application/pdf"}, lambda r: r["media_type"] == "application/pdf"),
        ({"title": "E2 paPER"}, lambda r: r["folded"] == "paper e2"),
        ({"title": "ΑΣΦΆΛΕΙΑ"}, lambda r: r["folded"].startswith("ασφαλεια")),
        ({"title": "%_'\\"}, lambda r: False),
        ({"created_from": "2026-02-03", "created_to": "2026-02-05"}, lambda r: "03" <= f"{r['created_at']:%d}" < "05"),
        (
            {"expiring_from": "2031-01-02", "expiring_before": "2031-01-04"},
            lambda r: r["expires_at"] and 2 <= r["expires_at"].day < 4,
        ),
        (
            {"category": "car", "tags": ["a"], "status": "failed", "title": "paper"},
            lambda r: r["category"] == "car" and r["tags"] and r["status"] == "failed" and r["folded"] < "q",
        ),
    ]  # fmt: skip
    for chosen, passes in filters:
        data = run(**chosen).data
        expected = {row["id"] for row in stored if passes(row)}
        assert (set(ids(data)), data["total"]) == (expected, len(expected)), chosen
        assert expected or "%_" in str(chosen), chosen


@pytest.mark.parametrize(
    ("kind", "seen"),
    [("admin", VISIBILITIES), ("adult", VISIBILITIES[:2]), ("teen", VISIBILITIES[:1]), (None, VISIBILITIES[:1])],
)
def test_facets_count_what_the_member_sees_without_their_own_filter(
    installation: Installation, tenant: Tenant, kind: str | None, seen: tuple[str, ...]
) -> None:
    member = tenant.types[kind] if kind else None
    run = partial(installation.run, LIST, tenant_id=tenant.id, user_member_id=member, limit=1, facets=True)
    stored = rows(installation, tenant, seen)
    passes: dict[str, Passes] = {
        "categories": lambda r: r["category"] == "car", "tags": lambda r: {"b"} & {*r["tags"]},
        "members": lambda r: r["assigned_to"] == tenant.teen, "months": lambda r: f"{r['created_at']:%m-%d}" < "02-05",
    }  # fmt: skip
    values: dict[str, Callable[[Json], list[object]]] = {
        "categories": lambda r: [r["category"]], "tags": lambda r: r["tags"], "members": lambda r: [r["assigned_to"]],
        "months": lambda r: [r["month"]],
    }  # fmt: skip
    filters: dict[str, Json] = {
        "categories": {"category": "car"}, "tags": {"tags": ["b"]}, "members": {"assigned_to": tenant.teen},
        "months": {"created_to": "2026-02-05"},
    }  # fmt: skip
    for used in ((), ("categories",), ("tags", "months"), tuple(filters)):
        data = run(**{name: value for facet in used for name, value in filters[facet].items()}).data
        for facet, told in data["facets"].items():
            others = [passes[one] for one in used if one != facet]
            expected = Counter(value for r in stored if all(one(r) for one in others) for value in values[facet](r))
            assert {item["value"]: item["documents"] for item in told} == expected, (used, facet)
            counts = [item["value"] if facet == "months" else item["documents"] for item in told]
            assert counts == sorted(counts, reverse=True)
    both = run(tags=["a", "b"], tags_match="all").data["facets"]["tags"]
    assert {item["documents"] for item in both if item["value"] in ("a", "b")} == {
        run(tags=["a", "b"], tags_match="all").data["total"]
    }
    assert run(facets=False).data["facets"] is None


def test_months_are_those_of_the_tenants_time_zone(installation: Installation, tenant: Tenant) -> None:
    data = installation.run(LIST, tenant_id=tenant.id, user_member_id=tenant.admin, facets=True).data
    assert data["facets"]["months"] == [{"value": "2026-02", "documents": 24}]  # the first in January, by UTC


def test_a_cursor_opens_its_own_list_and_no_other(installation: Installation, tenant: Tenant) -> None:
    run = partial(installation.run, LIST, user_member_id=tenant.admin, tenant_id=tenant.id, limit=5)
    by_time, by_title = run().data["next_cursor"], run(sort="title").data["next_cursor"]
    mark, key, number = json.loads(base64.urlsafe_b64decode(by_time))
    contents: list[object] = [
        [mark, key, number + 1], [mark, None, number], [mark, "2026-01-01", number], [mark, key], {}, 7,
    ]  # fmt: skip
    tampered = [base64.urlsafe_b64encode(json.dumps(content).encode()).decode() for content in contents]
    other = installation.new_tenant()
    with nothing_changes(installation):
        for cursor in (*tampered, by_title, by_time[:-4], "e30", "\u03b1", f"{by_time}A"):
            assert "cursor" in run(cursor=cursor).refused(422, "invalid_argument"), cursor
        for more in ({"order": "asc"}, {"category": "car"}, {"tags": ["a"]}, {"deleted": True}, {"title": "p"}):
            run(cursor=by_time, **more).refused(422)
        installation.run(LIST, tenant_id=other.id, cursor=by_time).refused(422)
        again = run(cursor=by_time, limit=100).data  # how much is read, counted and by whom is another matter
        assert len(again["documents"]) == 19
        teens = run(cursor=by_time, user_member_id=tenant.teen, facets=True).data
        assert {document["visibility"] for document in teens["documents"]} == {"everyone"}


def test_what_was_stored_meanwhile_shifts_no_page(installation: Installation) -> None:
    tenant = installation.new_tenant()

    def store(text: str) -> int:
        return int(
            installation.run("f/chatbot/ingest", tenant_id=tenant.id, title=text, content=text).data["document_id"]
        )

    old = [store(f"{number}") for number in range(4)]
    first = installation.run(LIST, tenant_id=tenant.id, limit=2).data
    store("new")
    rest = installation.run(LIST, tenant_id=tenant.id, limit=2, cursor=first["next_cursor"]).data
    assert (ids(first) + ids(rest), rest["next_cursor"], rest["total"]) == (old[::-1], None, 5)


@pytest.mark.parametrize(
    "beginning",
    ["집" * 498, "ᄒ" * 498, "😀" * 498, "\u0301\u0300", "Ω" * 498],
    ids=["Hangul", "jamo", "emoji", "marks alone", "Greek"],
)
def test_pages_by_title_go_on_whatever_the_titles_are_made_of(installation: Installation, beginning: str) -> None:
    tenant = installation.new_tenant()
    run = partial(installation.run, tenant_id=tenant.id)
    stored = [
        run("f/chatbot/ingest", title=beginning + end, content=f"It ends with {end!r}.").data["document_id"]
        for end in (["a", "b"] if len(beginning) > 2 else ["", "\u0301"])
    ]

    first = run(LIST, sort="title", order="asc", limit=1).data
    second = run(LIST, sort="title", order="asc", limit=1, cursor=first["next_cursor"]).data

    assert {*ids(first), *ids(second)} == {*stored}
    assert second["next_cursor"] is None


def test_what_was_deleted_is_listed_to_who_may_restore_it(installation: Installation) -> None:
    tenant = installation.new_tenant(retention_days=10)
    run = partial(installation.run, tenant_id=tenant.id)

    def deleted(visibility: str, stored_by: int | None, assigned_to: int | None = None) -> int:
        document = run(
            "f/chatbot/ingest", title=f"{visibility}", content=f"{visibility} {stored_by} {assigned_to}",
            visibility=visibility, user_member_id=stored_by, assigned_to=assigned_to,
        ).data["document_id"]  # fmt: skip
        run("f/chatbot/delete_document", document_id=document).done()
        return int(document)

    everyones, adults, admins = (
        deleted("everyone", tenant.teen),
        deleted("adults_only", tenant.adult),
        deleted("admins_only", None),
    )
    private = deleted("private", None, tenant.child)
    living = run("f/chatbot/ingest", title="L", content="L").data["document_id"]
    expected = {
        tenant.admin: {everyones, adults, admins, private}, tenant.adult: {adults}, tenant.teen: {everyones},
        tenant.child: {private}, None: {everyones},
    }  # fmt: skip
    for member, seen in expected.items():
        data = run(LIST, user_member_id=member, deleted=True, facets=True).data
        assert (set(ids(data)), data["total"]) == (seen, len(seen)), member
        assert sum(item["documents"] for item in data["facets"]["categories"]) == len(seen)
        for document in data["documents"]:
            assert f"{document['deleted_at']}"[:10] < document["kept_until"][:10]
            run("f/chatbot/restore_document", document_id=document["document_id"], user_member_id=member).done()
            run("f/chatbot/delete_document", document_id=document["document_id"]).done()
    assert ids(run(LIST).data) == [living]
    installation.query("UPDATE documents SET deleted_at = now() - interval '11 days' WHERE id = %s", (admins,))
    assert admins not in ids(run(LIST, user_member_id=tenant.admin, deleted=True).data)
    installation.query("UPDATE tenants SET admins_see_private = false WHERE id = %s", (tenant.id,))
    assert set(ids(run(LIST, user_member_id=tenant.admin, deleted=True).data)) == {everyones, adults}


def test_what_is_listed_of_documents_for_few_is_noted(installation: Installation, tenant: Tenant) -> None:
    count = "SELECT count(*) AS n FROM audit_log WHERE tenant_id = %s AND action = 'read_document'"
    [before] = installation.query(count, (tenant.id,))
    data = installation.run(LIST, tenant_id=tenant.id, user_member_id=tenant.admin, limit=9).data
    [after] = installation.query(count, (tenant.id,))
    guarded = [document for document in data["documents"] if document["visibility"] == "admins_only"]
    assert after["n"] - before["n"] == len(guarded) > 0


def test_another_tenants_documents_are_not_listed(installation: Installation, tenant: Tenant) -> None:
    other = installation.new_tenant()
    for deleted in (True, False):
        data = installation.run(LIST, tenant_id=other.id, user_member_id=other.admin, deleted=deleted, facets=True).data
        assert (data["documents"], data["total"], data["next_cursor"]) == ([], 0, None)
        assert data["facets"] == {"categories": [], "tags": [], "members": [], "months": []}
