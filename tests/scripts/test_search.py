# ruff: noqa: RUF001 -- Greek letters are meant here
"""Search over HTTP: filters, pages, order, snippets, Greek, odd questions, and providers that are down."""

import time
from dataclasses import dataclass
from functools import partial

import pytest

from tests.support.cloud import Cloud, in_parallel, insert_documents, usage
from tests.support.installation import Installation, Json, Tenant
from tests.support.patience import PROMPTLY_SECONDS
from tests.support.provider_faults import Fault, hang, status

SEARCH = "f/chatbot/search"
PAPERS: dict[str, Json] = {
    "car": {
        "content": "# Car policy\n\n## Excess\n\nThe insurance excess for theft is 400 euros.\fThe insurance renews.",
        "category": "insurance", "tags": ["car", "2026"], "expires_at": "2026-12-31", "source": "e-mail",
        "source_url": "https://example.org/car", "visibility": "adults_only",
    },
    "home": {
        "content": "The home insurance pays for water damage and theft from the cellar.",
        "category": "insurance", "tags": ["home", "2026"], "expires_at": "2027-06-30T10:00:00+02:00", "source": "scan",
    },
    "boat": {
        "content": "The boat has no insurance any more; it was sold in spring.",
        "category": "contracts", "tags": ["boat"], "source": "e-mail",
    },
    "passport": {
        "content": "The passport of the boy is in the drawer; insurance is not needed.",
        "category": "identity", "tags": ["2026", "travel"], "visibility": "private",
    },
    "letter": {
        "content": "Το συμβόλαιο ασφάλισης του αυτοκινήτου λήγει στις 3 Μαρτίου και ανανεώνεται κάθε χρόνο.",
        "tags": ["car"],
    },
    "lease": {"content": "Οι μισθώσεις λήγουν τον Ιούνιο και οι ενοικιαστές φεύγουν."},
}  # fmt: skip


@dataclass(frozen=True)
class Library:
    """A tenant with the papers, and their ids."""

    installation: Installation
    tenant: Tenant
    ids: dict[str, int]

    def search(self, query: str, member: str = "admin", **more: object) -> Json:
        """Search as a member."""
        caller = {"tenant_id": self.tenant.id, "user_member_id": self.tenant.types[member]}
        return dict(self.installation.run(SEARCH, query=query, **caller, **more).data)

    def names(self, query: str = "insurance", member: str = "admin", **more: object) -> set[str]:
        """Search, and name the papers that were found."""
        found = self.search(query, member, **more)
        assert found["total"] == len(found["documents"])
        names = {number: name for name, number in self.ids.items()}
        return {names[hit["document_id"]] for hit in found["documents"]}


@pytest.fixture(scope="module")
def library(installation: Installation) -> Library:
    tenant = installation.new_tenant()
    assigned = {"passport": tenant.teen, "boat": tenant.adult}
    calls = [
        partial(
            installation.run, "f/chatbot/ingest", tenant_id=tenant.id, title=name.title(),
            assigned_to=assigned.get(name), **paper,
        )
        for name, paper in PAPERS.items()
    ]  # fmt: skip
    ids = {name: reply.data["document_id"] for name, reply in zip(PAPERS, in_parallel(calls), strict=True)}
    # Only words decide here what is found: with vectors every document is near every question.
    return Library(installation, tenant, ids)


def test_a_hit_tells_where_it_stands_and_what_it_is(library: Library) -> None:
    found = library.search("excess for theft")

    assert (found["degraded"], found["notice"], found["has_more"]) == (False, None, False)
    hit = found["documents"][0]
    content = PAPERS["car"]["content"]
    assert "400 euros" in content[hit["start"] : hit["end"]]
    assert content[: hit["start"]].count("\f") + 1 == hit["page"]
    known = {
        "document_id": library.ids["car"], "title": "Car", "category": "insurance", "tags": ["car", "2026"],
        "visibility": "adults_only", "source": "e-mail", "source_url": "https://example.org/car",
    }  # fmt: skip
    assert {key: hit[key] for key in known} == known
    assert hit["heading"] == "Car policy > Excess"
    assert hit["expires_at"].startswith("2026-12-31T23:59:59+")
    assert "T" in hit["created_at"]
    assert hit["created_at"].endswith("+00:00")
    assert "**excess**" in hit["snippet"]
    assert "**theft**" in hit["snippet"]
    assert hit["chunk_id"] > 0
    home = found["documents"][1]
    assert (home["page"], home["heading"], home["source_url"]) == (None, None, None)


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ({}, {"car", "home", "boat", "passport"}),
        ({"category": "insurance"}, {"car", "home"}),
        ({"category": "Insurance"}, set()),
        ({"tags": ["2026"]}, {"car", "home", "passport"}),
        ({"tags": ["CAR ", "boat"]}, {"car", "boat"}),
        ({"tags": ["car", "2026"], "tags_match": "all"}, {"car"}),
        ({"tags": ["car", "boat"], "tags_match": "all"}, set()),
        ({"tags": []}, {"car", "home", "boat", "passport"}),
        ({"created_from": "2020-01-01"}, {"car", "home", "boat", "passport"}),
        ({"created_to": "2020-01-01T00:00:00+02:00"}, set()),
        ({"created_from": "2999-01-01"}, set()),
        ({"expiring_before": "2027-01-01"}, {"car"}),
        ({"expiring_before": "2027-06-30T08:00:01Z"}, {"car", "home"}),
        ({"expiring_before": "2027-06-30T08:00:00Z"}, {"car"}),
        ({"source": "e-mail"}, {"car", "boat"}),
        ({"source": "e-mail", "category": "contracts", "tags": ["boat", "x"]}, {"boat"}),
        ({"category": "insurance", "source": "scan", "expiring_before": "2026-01-01"}, set()),
        ({"document_ids": []}, set()),
        ({"category": "'; DROP TABLE documents; --"}, set()),
    ],
)
def test_each_filter_leaves_what_it_says(library: Library, chosen: Json, names: set[str]) -> None:
    assert library.names(**chosen) == names


def test_papers_can_be_filtered_by_id_and_by_whom_they_concern(library: Library) -> None:
    ids, tenant = library.ids, library.tenant
    stranger = library.installation.new_tenant()

    assert library.names(document_ids=[ids["car"], ids["boat"], ids["letter"], 2_147_483_647]) == {"car", "boat"}
    assert library.names(document_ids=[ids["car"]], category="contracts") == set()
    assert library.names(assigned_to=tenant.adult) == {"boat"}
    assert library.names(assigned_to=tenant.teen) == {"passport"}
    assert library.names(assigned_to=stranger.adult) == set()
    assert library.names(assigned_to=tenant.teen, tags=["boat"]) == set()


def test_each_member_finds_what_is_for_them(library: Library) -> None:
    shown = {
        "admin": {"car", "home", "boat", "passport"}, "adult": {"car", "home", "boat"},
        "teen": {"home", "boat", "passport"}, "child": {"home", "boat"},
    }  # fmt: skip
    for member, names in shown.items():
        assert library.names(member=member) == names, member
    assert library.names(member="admin", user_member_type="child") == {"home", "boat"}
    nobody = library.installation.run(SEARCH, tenant_id=library.tenant.id, query="insurance").data
    assert nobody["total"] == 2


def test_another_tenant_finds_nothing_even_by_id(library: Library) -> None:
    other = library.installation.new_tenant()
    found = library.installation.run(
        SEARCH, tenant_id=other.id, user_member_id=other.admin, query="insurance",
        document_ids=list(library.ids.values()),
    ).data  # fmt: skip

    assert (found["documents"], found["total"], found["has_more"]) == ([], 0, False)


def test_a_document_that_has_expired_is_found_and_one_that_is_deleted_is_not(installation: Installation) -> None:
    tenant = installation.new_tenant()
    old, gone, kept = insert_documents(
        installation, tenant, [f"The {word} warranty." for word in ("old", "gone", "new")]
    )
    installation.query("UPDATE documents SET expires_at = now() - interval '1 year' WHERE id = %s", (old,))
    installation.query("UPDATE documents SET deleted_at = now() WHERE id = %s", (gone,))

    found = installation.run(SEARCH, tenant_id=tenant.id, query="warranty").data
    assert {hit["document_id"] for hit in found["documents"]} == {old, kept}
    assert found["total"] == 2
    by_id = installation.run(SEARCH, tenant_id=tenant.id, query="warranty", document_ids=[gone]).data
    assert by_id["total"] == 0


@pytest.mark.parametrize("rerank", [False, True], ids=["fused", "reranked"])
def test_pages_have_no_gaps_no_duplicates_and_one_total(installation: Installation, rerank: bool) -> None:
    tenant = installation.new_tenant()
    texts = [f"Notice {n}: the garden " + "and the garden gate " * (n % 7) + f"of house {n}." for n in range(64)]
    everything = insert_documents(installation, tenant, texts)
    installation.run("f/chatbot/embed", tenant_id=tenant.id)
    pages = in_parallel(
        [
            partial(
                installation.run, SEARCH, tenant_id=tenant.id, query="garden gate", limit=15, offset=offset,
                rerank=rerank,
            )
            for offset in range(0, 75, 15)
        ]
    )  # fmt: skip

    seen = [hit["document_id"] for page in pages for hit in page.data["documents"]]
    assert sorted(seen) == sorted(everything)
    assert {page.data["total"] for page in pages} == {64}
    assert [page.data["has_more"] for page in pages] == [True, True, True, True, False]
    for page in pages:
        relevance = [hit["relevance"] for hit in page.data["documents"]]
        assert relevance == sorted(relevance, reverse=True)
        assert all(0 <= one <= 1 for one in relevance)
    past = installation.run(SEARCH, tenant_id=tenant.id, query="garden gate", offset=10_000, rerank=rerank).data
    assert (past["documents"], past["total"], past["has_more"]) == ([], 64, False)


def test_a_document_of_many_passages_is_one_hit(installation: Installation) -> None:
    tenant = installation.new_tenant()
    parts = [f"# Part {n}\n\n" + "The pension fund pays in May. " * 45 for n in range(5)]
    stored = installation.add_document(tenant, "\n\n".join(parts))

    found = installation.run(SEARCH, tenant_id=tenant.id, query="pension fund").data
    assert [hit["document_id"] for hit in found["documents"]] == [stored]
    assert found["total"] == 1


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("ληγει το συμβολαιο", "letter"), ("ΛΗΓΕΙ ΤΟ ΣΥΜΒΟΛΑΙΟ", "letter"), ("λήγουν", "lease"),
        ("λήγει μίσθωση", "lease"),
        ("ασφαλιση αυτοκινητου", "letter"), ("συμβόλαια", "letter"), ("ενοικιαστής", "lease"), ("ΜΊΣΘΩΣΗ", "lease"),
        ("αυτοκίνητα", "letter"),
    ],
)  # fmt: skip
def test_greek_is_found_without_accents_and_in_other_forms(library: Library, query: str, name: str) -> None:
    found = library.search(query, rerank=False)

    assert found["documents"], "nothing was found"
    assert found["documents"][0]["document_id"] == library.ids[name]


def test_a_greek_verb_is_found_in_both_of_its_forms_and_marked(library: Library) -> None:
    for question in ("πότε λήγουν", "λήγει", "ΛΗΓΕΙ", "ληγουν"):
        assert library.names(question) == {"letter", "lease"}, question
    letter = next(
        hit for hit in library.search("λήγει")["documents"] if hit["document_id"] == library.ids["letter"]
    )  # fmt: skip
    assert "λήγει" in letter["snippet"]
    assert "**" in letter["snippet"]


ODD_QUESTIONS = [
    "the of and is", "και το να", "???", "...", "'", '"', "\\", "a & ! | ' \\ :* <->", "insurance:*", "!insurance",
    "(insurance", "insurance) | (", "<-> <2>", "'insurance' & 'theft':A", "%s %(tenant)s {} $1", "🎉", "\u202eשלום",
    "insurance\u0301", "\u200b", "x" * 4_000, "insurance " * 400, "\x01\x02", "'; DROP TABLE documents; --", "SELECT 1",
    "NaN", "null", "-1", "1e999", "e\u0301" * 1_500,
]  # fmt: skip


def test_odd_questions_are_answered_and_never_an_error(library: Library) -> None:
    asked = [question for question in ODD_QUESTIONS if question.strip()]
    calls = [
        partial(library.installation.run, SEARCH, tenant_id=library.tenant.id, query=question) for question in asked
    ]

    for question, reply in zip(asked, in_parallel(calls), strict=True):
        assert reply.status == 200, f"{question!a}: {reply.text}"
        assert reply.data["total"] >= len(reply.data["documents"]), question


@pytest.mark.parametrize("question", ["the of and is", "???", "!!! ... 🎉"])
def test_a_question_without_words_finds_nothing_by_words(library: Library, question: str) -> None:
    assert library.names(question) == set()


def test_operators_of_a_search_language_are_only_punctuation(library: Library) -> None:
    assert library.names("!insurance") == library.names("insurance")
    assert library.names("theft & boat") == {"car", "home", "boat"}
    assert library.names("'insurance' <-> 'theft':*") == library.names("insurance theft")


def test_marks_in_a_text_come_through_a_snippet_as_they_are(installation: Installation) -> None:
    tenant = installation.new_tenant()
    text = 'The recipe says: stir 2 * 3 times if 4 < 5 & add "salt" \\ pepper; don\'t boil > 180 °C 🎉.'
    insert_documents(installation, tenant, [text])

    [hit] = installation.run(SEARCH, tenant_id=tenant.id, query="recipe stir").data["documents"]
    assert hit["snippet"].replace("**", "") in text
    assert "**recipe**" in hit["snippet"]
    assert "**stir**" in hit["snippet"]


def test_a_tenant_without_documents_finds_nothing(installation: Installation) -> None:
    found = installation.run(SEARCH, tenant_id=installation.new_tenant().id, query="insurance").data

    assert found["documents"] == found["chunk_ids"] == []
    assert (found["total"], found["has_more"], found["degraded"], found["notice"]) == (0, False, False, None)


@pytest.fixture
def shelf(cloud: Cloud) -> Tenant:
    """A tenant of the cloud with two papers whose words say one order, and whose reranker says the other."""
    tenant = cloud.installation.new_tenant()
    insert_documents(
        cloud.installation, tenant, ["The theft excess of the car.", "Excess luggage is paid at the gate."]
    )
    cloud.installation.run("f/chatbot/embed", tenant_id=tenant.id)
    cloud.cohere.rerank = lambda _, texts: [0.9 if "luggage" in text else 0.123_456 for text in texts]
    cloud.cohere.requests.clear()
    return tenant


def search(cloud: Cloud, tenant: Tenant, **more: object) -> Json:
    return dict(cloud.installation.run(SEARCH, tenant_id=tenant.id, query="theft excess", **more).data)


def test_the_reranker_orders_when_asked_or_by_default_and_its_score_is_the_relevance(
    cloud: Cloud, shelf: Tenant
) -> None:
    by_default, asked = search(cloud, shelf), search(cloud, shelf, rerank=True)
    without = search(cloud, shelf, rerank=False)

    assert [hit["relevance"] for hit in by_default["documents"]] == [0.9, 0.1235]
    assert "luggage" in by_default["documents"][0]["snippet"]
    assert asked["documents"] == by_default["documents"]
    assert "theft" in without["documents"][0]["snippet"]
    assert len(cloud.cohere.requests_to("/rerank")) == 2
    changed = cloud.settings()
    changed["rerank"]["by_default"] = False
    cloud.installation.set_ai_settings(changed)
    assert search(cloud, shelf)["documents"] == without["documents"]
    assert search(cloud, shelf, rerank=True)["documents"] == by_default["documents"]


def test_the_calls_of_a_search_are_counted_exactly(cloud: Cloud, shelf: Tenant) -> None:
    before = usage(cloud.installation, shelf)

    search(cloud, shelf, user_member_id=shelf.teen)

    embed, rerank = usage(cloud.installation, shelf)[len(before) :]
    assert (embed["operation"], embed["model"], embed["member_id"]) == ("embed", "embed-v4.0", shelf.teen)
    assert embed["cost_microusd"] == -(-embed["input_tokens"] * 12 // 100)
    assert (rerank["operation"], rerank["model"]) == ("rerank", "rerank-v3.5")
    assert (rerank["searches"], rerank["cost_microusd"], rerank["input_tokens"]) == (1, 2_000, 0)


@pytest.mark.parametrize("fault", [status(503), status(401), hang()], ids=["503", "401", "silence"])
def test_without_embeddings_words_alone_are_searched_in_time_and_it_says_so(
    cloud: Cloud, shelf: Tenant, fault: Fault
) -> None:
    cloud.use(deadline_seconds=1)
    cloud.cohere.fail(fault, on="/embed", times=None)
    began = time.monotonic()

    found = search(cloud, shelf)

    assert time.monotonic() - began < PROMPTLY_SECONDS
    assert found["degraded"] is True
    assert "words" in found["notice"]
    assert found["total"] == 2
    assert found["documents"][0]["relevance"] == 0.9


@pytest.mark.parametrize("fault", [status(503), status(400), hang()], ids=["503", "400", "silence"])
def test_without_a_reranker_the_order_is_the_fused_one_and_it_says_so(
    cloud: Cloud, shelf: Tenant, fault: Fault
) -> None:
    cloud.use(deadline_seconds=2)
    cloud.cohere.fail(fault, on="/rerank", times=None)

    found = search(cloud, shelf)

    assert found["degraded"] is True
    assert "rerank" in found["notice"]
    assert "theft" in found["documents"][0]["snippet"]
    assert [row["operation"] for row in usage(cloud.installation, shelf)][-1] == "embed"


def test_a_member_does_not_wait_for_as_long_as_an_embedding_of_documents_may(cloud: Cloud, shelf: Tenant) -> None:
    cloud.use(deadline_seconds=40, search_deadline_seconds=1)
    cloud.cohere.fail(hang(), times=None)
    began = time.monotonic()

    found = search(cloud, shelf)

    assert time.monotonic() - began < PROMPTLY_SECONDS
    assert (found["degraded"], found["total"]) == (True, 2)


def test_with_every_provider_down_a_search_still_finds_by_words(cloud: Cloud, shelf: Tenant) -> None:
    cloud.use(deadline_seconds=0.5)
    cloud.cohere.fail(status(500), times=None)
    counted = len(usage(cloud.installation, shelf))

    found = search(cloud, shelf)

    assert (found["degraded"], found["total"]) == (True, 2)
    assert "SECRET" not in found["notice"]
    assert all(0 < hit["relevance"] <= 1 for hit in found["documents"])
    assert len(usage(cloud.installation, shelf)) == counted


def test_a_floor_of_similarity_keeps_distant_vectors_out(cloud: Cloud, shelf: Tenant) -> None:
    unrelated = {"tenant_id": shelf.id, "query": "pineapple"}
    assert cloud.installation.run(SEARCH, **unrelated).data["total"] == 2
    cloud.use(minimum_similarity=0.99)

    assert cloud.installation.run(SEARCH, **unrelated).data["total"] == 0
    assert search(cloud, shelf)["total"] == 2


def test_a_missing_key_is_a_misconfiguration_that_names_the_resource(cloud: Cloud, shelf: Tenant) -> None:
    cloud.installation.set_variable("f/chatbot/cohere_key", "")

    message = cloud.installation.run(SEARCH, tenant_id=shelf.id, query="theft").crashed()
    assert "f/chatbot/cohere_api_key" in message


def test_who_is_not_known_costs_no_call_of_a_provider(cloud: Cloud, shelf: Tenant) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    for script, asked in (("f/chatbot/search", {"query": "theft"}), ("f/chatbot/chat", {"question": "Theft?"})):
        cloud.installation.run(script, tenant_id=nobody, **asked).refused(404, "not_found")
        cloud.installation.run(script, tenant_id=shelf.id, user_member_id=2_000_000_000, **asked).refused(404)

    assert cloud.cohere.requests == []


def test_a_question_that_is_asked_again_is_not_embedded_again(cloud: Cloud, shelf: Tenant) -> None:
    question = "Who pays after a theft from the cellar?"
    once = cloud.installation.run(SEARCH, tenant_id=shelf.id, query=question).data
    assert len(cloud.cohere.requests_to("/embed")) == 1
    counted = usage(cloud.installation, shelf, "embed")
    cloud.cohere.fail(status(500), on="/embed", times=None)

    again = cloud.installation.run(SEARCH, tenant_id=shelf.id, query=question.replace(" ", "  ")).data

    assert again == once
    assert again["degraded"] is False
    assert len(cloud.cohere.requests_to("/embed")) == 1
    assert usage(cloud.installation, shelf, "embed") == counted
    assert cloud.installation.run(SEARCH, tenant_id=shelf.id, query="Another one?").data["degraded"] is True
