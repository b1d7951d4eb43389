# ruff: noqa: RUF001 - Greek letters are meant here
"""Searching in the database against a search written out in Python: the same hits, scores and order.

The texts' stems come from PostgreSQL; everything that ranks (BM25, cosine, reciprocal rank) is computed here again,
from the papers' formulas, over what the member may see and nothing else.
"""

import math
import random
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from evaluation.fusion import fuse
from f.core.database import Database
from f.core.identity import Caller, MemberType
from f.core.offline_models import embed
from f.core.retrieval import (
    RANK_CONSTANT,
    Query,
    Ranked,
    SearchFilter,
    best_possible,
    load_passages,
    rank_passages,
)
from tests.database.test_enter_tenant import open_app
from tests.database.worlds import APP, Filled, World, add_document, new_tenant

MODEL = "offline"
ENGLISH = (
    "The excess for glass damage is 75 euros. The excess for theft is 400 euros.",
    "Theft of a bicycle is covered outside the house up to 900 euros.",
    "The camp begins on Monday; bring a hat, a bottle and sun cream.",
    "Glass, glass and more glass: the windows of the house were replaced.",
    "The house insurance ends in May. Excess 250 euros for water damage, none for fire.",
    "Mince the garlic, add oil and lemon, and stir.",
    "The tenant pays the rent on the first of each month. A deposit of two rents was paid.",
    "Vaccinations of the children: measles, mumps, whooping cough.",
)
GREEK = (
    "Η απαλλαγή για κλοπή είναι 400 ευρώ. Η ασφάλεια του σπιτιού λήγει τον Μάιο.",
    "Το ενοίκιο πληρώνεται την πρώτη κάθε μήνα.",
    "Γεμιστά: ντομάτες, ρύζι, λάδι και σκόρδο.",
    "Η εκδρομή του σχολείου ξεκινά τη Δευτέρα· φέρτε καπέλο.",
)
_DRAWN = random.Random(5)
_VOCABULARY = ("harbour", "lantern", "meadow", "orchard", "pebble", "quarry", "ribbon", "saddle", "timber", "velvet")
MANY = tuple(" ".join(_DRAWN.choices(_VOCABULARY, k=_DRAWN.randint(4, 60))) for _ in range(60))
"""Texts of few words, of every length and frequency, whose order depends on each constant of the formulas."""
QUESTIONS = (
    "harbour",
    "lantern meadow harbour",
    "orchard pebble quarry ribbon saddle",
    "What is the excess for theft?",
    "glass",
    "house insurance excess euros",
    "Πότε λήγει η ασφάλεια του σπιτιού;",
    "theft κλοπή 400",
    "What time is the ferry to Naxos?",
    "the of and",
)


@dataclass(frozen=True)
class Piece:
    """A chunk as the search in Python knows it."""

    chunk: int
    document: int
    language: str
    stems: Counter[str]
    vector: list[float]


@dataclass(frozen=True)
class Corpus:
    """A tenant with documents, those for everyone and those for adults apart."""

    tenant: Filled
    everyone: set[int]
    adults: set[int]


@pytest.fixture(scope="module")
def corpus(world: World) -> Corpus:
    tenant = new_tenant(world)
    documents = {"everyone": set[int](), "adults_only": set[int]()}
    with world.connected("postgres") as cursor:
        for number, text in enumerate((*ENGLISH, *GREEK)):
            language = "greek" if text in GREEK else "english"
            visibility = "adults_only" if number % 4 == 1 else "everyone"
            texts = (text, f"{text} {ENGLISH[(number + 3) % len(ENGLISH)]}") if number % 3 == 0 else (text,)
            document = add_document(
                cursor, tenant.id, texts=texts, language=language, vectors=embed(list(texts)), model=MODEL,
                visibility=visibility,
            )  # fmt: skip
            documents[visibility].add(document)
        for text in MANY:
            document = add_document(cursor, tenant.id, texts=(text,), vectors=embed([text]), model=MODEL)
            documents["everyone"].add(document)
        # Another tenant with the same texts, whose words and vectors must count for nothing here.
        other = new_tenant(world)
        add_document(cursor, other.id, texts=ENGLISH, vectors=embed(list(ENGLISH)), model=MODEL)
    return Corpus(tenant, documents["everyone"], documents["adults_only"])


@pytest.fixture(scope="module")
def database(world: World) -> Database:
    return open_app(world.dsn(APP))


def stems_of(world: World, language: str, text: str) -> Counter[str]:
    rows = world.query("SELECT lexeme, cardinality(positions) AS times FROM unnest(words_of(%s, %s))", (language, text))
    return Counter({row["lexeme"]: row["times"] for row in rows})


def pieces_of(world: World, documents: set[int]) -> list[Piece]:
    rows = world.query(
        "SELECT c.id, c.document_id, d.language, c.embedding::text AS vector, (SELECT"
        " jsonb_object_agg(lexeme, cardinality(positions)) FROM unnest(words_of(d.language, c.content))) AS stems"
        " FROM document_chunks AS c JOIN documents AS d ON d.tenant_id = c.tenant_id AND d.id = c.document_id"
        " WHERE d.id = ANY (%s)",
        (list(documents),),
    )
    return [
        Piece(
            row["id"], row["document_id"], row["language"], Counter(row["stems"]),
            [float(number) for number in row["vector"].strip("[]").split(",")],
        )
        for row in rows
    ]  # fmt: skip


def bm25(pieces: list[Piece], asked: Callable[[str], set[str]]) -> dict[int, float]:
    """Score the chunks that hold a word of the question (Robertson and Zaragoza 2009; k1 = 1.2, b = 0.6)."""
    mean = sum(piece.stems.total() for piece in pieces) / len(pieces)
    holders = Counter(stem for piece in pieces for stem in asked(piece.language) & piece.stems.keys())
    scores = {}
    for piece in pieces:
        score = 0.0
        for stem in asked(piece.language) & piece.stems.keys():
            rarity = math.log(1 + (len(pieces) - holders[stem] + 0.5) / (holders[stem] + 0.5))
            times, length = piece.stems[stem], piece.stems.total()
            score += rarity * times * (1.2 + 1) / (times + 1.2 * (1 - 0.6 + 0.6 * length / mean))
        if score:
            scores[piece.chunk] = score
    return scores


def cosine(one: list[float], other: list[float]) -> float:
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))


def ranks(scores: dict[int, float]) -> dict[int, int]:
    return {chunk: n for n, chunk in enumerate(sorted(scores, key=lambda c: (-round(scores[c], 9), c)), 1)}


def expected(
    world: World, documents: set[int], question: str, vector: list[float] | None, least: float = -1.0
) -> list[tuple[int, float]]:
    """Return chunks and their fused scores (Cormack, Clarke and Buettcher 2009; k = 60), best first."""
    pieces = pieces_of(world, documents)
    stems = {language: set(stems_of(world, language, question)) for language in {p.language for p in pieces}}
    legs = [ranks(bm25(pieces, stems.__getitem__))]
    if vector is not None:
        similar = {piece.chunk: cosine(piece.vector, vector) for piece in pieces}
        legs.append(ranks({chunk: score for chunk, score in similar.items() if score >= least}))
    fused = {chunk: sum(1 / (60 + leg[chunk]) for leg in legs if chunk in leg) for leg in legs for chunk in leg}
    return sorted(fused.items(), key=lambda entry: (-round(entry[1], 12), entry[0]))


def half(vector: list[float]) -> list[float]:
    """Round a vector to the precision at which it is compared."""
    return list(struct.unpack(f"{len(vector)}e", struct.pack(f"{len(vector)}e", *vector)))


def search(
    database: Database, corpus: Corpus, query: Query, member: MemberType, chosen: SearchFilter | None = None
) -> list[Ranked]:
    with database.transaction(Caller(corpus.tenant.id, corpus.tenant.members[member])) as transaction:
        return rank_passages(transaction, query, chosen or SearchFilter())


def check(found: list[Ranked], wanted: list[tuple[int, float]]) -> None:
    """Compare a ranking with the one that the formulas give."""
    assert [passage.chunk_id for passage in found] == [chunk for chunk, _ in wanted]
    assert [passage.score for passage in found] == pytest.approx([score for _, score in wanted], abs=1e-9)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("member", ["adult", "teen"])
@pytest.mark.parametrize("with_vector", [True, False], ids=["words and vectors", "words alone"])
def test_the_ranking_is_the_one_of_the_formulas(
    world: World, database: Database, corpus: Corpus, question: str, member: MemberType, with_vector: bool
) -> None:
    vector = half(embed([question])[0]) if with_vector else None
    visible = corpus.everyone | (corpus.adults if member == "adult" else set())

    found = search(database, corpus, Query(question, vector, MODEL), member)

    check(found, expected(world, visible, question, vector))


def test_a_floor_of_similarity_keeps_what_is_below_out_of_the_vectors(
    world: World, database: Database, corpus: Corpus
) -> None:
    question = QUESTIONS[0]
    vector = half(embed([question])[0])

    found = search(database, corpus, Query(question, vector, MODEL, minimum_similarity=0.2), "adult")

    wanted = expected(world, corpus.everyone | corpus.adults, question, vector, 0.2)
    assert 0 < len(wanted) < len(expected(world, corpus.everyone | corpus.adults, question, vector))
    check(found, wanted)


def test_inside_a_filter_rarity_is_counted_inside_the_filter(world: World, database: Database, corpus: Corpus) -> None:
    some = set(sorted(corpus.everyone)[::2])
    question = "glass excess theft"

    found = search(database, corpus, Query(question, None, MODEL), "adult", SearchFilter(document_ids=[*some]))

    check(found, expected(world, some, question, None))


def test_vectors_of_another_model_are_never_compared(database: Database, corpus: Corpus) -> None:
    assert search(database, corpus, Query("zzz", half(embed(["glass"])[0]), "another model"), "adult") == []


@pytest.mark.parametrize("weight", [0.12, 1.5])
def test_a_place_among_the_vectors_counts_as_much_as_is_said(database: Database, corpus: Corpus, weight: float) -> None:
    question = "house insurance excess euros"
    vector = half(embed([question])[0])
    by_words = search(database, corpus, Query(question, None, MODEL), "adult")
    by_vectors = search(database, corpus, Query("", vector, MODEL), "adult")

    fused = search(database, corpus, Query(question, vector, MODEL, vector_weight=weight), "adult")

    wanted = fuse(by_words, by_vectors, vector_weight=weight, rank_constant=RANK_CONSTANT)
    assert [passage.chunk_id for passage in fused] == [passage.chunk_id for passage in wanted]
    query = Query("glass", half(embed(["glass"])[0]), MODEL, vector_weight=weight)
    assert search(database, corpus, query, "adult")[0].score <= best_possible(query)


def test_of_equal_passages_the_one_that_holds_a_word_as_it_was_asked_comes_first(
    world: World, database: Database
) -> None:
    tenant = new_tenant(world)
    texts = ("Insuring boats.", "Insures boats.", "Insurances: boats.", "INSURANCE, boats.", "Insured boats.")
    with world.connected("postgres") as cursor:
        documents = [add_document(cursor, tenant.id, texts=(text,)) for text in texts]
        # What a reader does not see is no word of a passage, though it stands in its text.
        plain = [add_document(cursor, tenant.id, texts=("Boats and rope.",)) for _ in range(3)]
        hidden = [add_document(cursor, tenant.id, texts=("Boats and rope. Insurance",)) for _ in range(3)]
        cursor.execute("DELETE FROM chunk_words WHERE document_id = ANY (%s) AND lexeme = 'insur'", (hidden,))
        cursor.execute("UPDATE chunk_words SET chunk_length = 2 WHERE document_id = ANY (%s)", (hidden,))

    found = search(database, Corpus(tenant, set(), set()), Query("Insurance of boats?", None, MODEL), "adult")

    assert found[0].document_id == documents[3]
    assert {passage.document_id for passage in found[:5]} == set(documents)
    assert {passage.document_id for passage in found[5:]} == {*plain, *hidden}
    assert [passage.chunk_id for passage in found[5:]] == sorted(passage.chunk_id for passage in found[5:])


@pytest.mark.parametrize("question", QUESTIONS)
def test_documents_that_a_member_may_not_see_change_nothing_in_what_they_find(
    world: World, database: Database, question: str
) -> None:
    tenant = new_tenant(world)
    corpus = Corpus(tenant, set(), set())
    hidden = [" ".join([*ENGLISH, *GREEK]), *(f"{text} {text} {text}" for text in ENGLISH)]
    query = Query(question, half(embed([question])[0]), MODEL)
    with world.connected("postgres") as cursor:
        for text in ENGLISH[:4]:
            add_document(cursor, tenant.id, texts=(text,), vectors=embed([text]), model=MODEL)
        before = search(database, corpus, query, "teen")
        for text in hidden:
            for columns in (
                {"visibility": "adults_only"},
                {"visibility": "admins_only"},
                {"visibility": "private", "assigned_to": tenant.members["adult"]},
                {"visibility": "everyone", "deleted_at": "2026-01-01"},
            ):
                add_document(cursor, tenant.id, texts=(text,), vectors=embed([text]), model=MODEL, **columns)

    # Scores, covered shares and similarities are equal to the last bit.
    assert search(database, corpus, query, "teen") == before
    assert len(search(database, corpus, query, "admin")) > len(before)


def test_passages_are_loaded_in_the_given_order_without_those_that_the_member_may_not_see(
    database: Database, corpus: Corpus
) -> None:
    found = search(database, corpus, Query("excess glass house", half(embed(["house"])[0]), MODEL), "adult")[::-1]
    assert {passage.document_id for passage in found} & corpus.adults

    for member in ("adult", "teen"):
        with database.transaction(Caller(corpus.tenant.id, corpus.tenant.members[member])) as transaction:
            loaded = load_passages(transaction, found)
        assert [(hit.chunk_id, hit.ranked.score) for hit in loaded] == [
            (passage.chunk_id, passage.score)
            for passage in found
            if member == "adult" or passage.document_id in corpus.everyone
        ]
