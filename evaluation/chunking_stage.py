"""The long texts in our own database: stored and searched as ``ingest`` and ``search`` do, with offline embeddings."""

from collections.abc import Sequence
from statistics import mean
from typing import Final

from evaluation.chunking_evidence import Placed, filled, overlap
from evaluation.chunking_splitters import size_in_bytes
from evaluation.chunking_trials import BUDGETS, Course
from evaluation.data import EvaluationSet, Passage, Question
from evaluation.report import Results, Row, print_table
from evaluation.stage import StoredSet, embed_stored, open_stage
from f.core.ai_settings import VECTOR_WEIGHTS
from f.core.database import Database
from f.core.offline_embedding import embed
from f.core.retrieval import Query, Ranked

TENANT: Final = "reader"
MODEL: Final = "offline"


def search_in_the_database(course: Course, results: Results) -> None:
    """Print and keep how much of the evidence is read when one tenant holds the texts and its member searches."""
    chosen = EvaluationSet(
        "chunking",
        tuple(Passage(name, TENANT, name.replace("_", " "), text) for name, text in course.texts.items()),
        tuple(Question(TENANT, one.question, (one.corpus,), ()) for one in course.asked),
    )
    with open_stage() as stage, stage.members() as database:
        stored = stage.store(database, chosen)
        embed_stored(stored, embed, MODEL)
        rows = _rows(stored, course, _chunks(database, stored, course))
    for row in rows:
        results.add("database", row)
    print_table("Evidence that is read, through search in our own database", rows)


def _rows(stored: StoredSet, course: Course, chunks: dict[int, Placed]) -> list[Row]:
    """Search with words alone and with both, and judge each at every budget."""
    asked = [one.question for one in course.asked]
    queries = {
        "words": [Query(question, None, MODEL) for question in asked],
        "words and vectors": [
            Query(question, vector, MODEL, vector_weight=VECTOR_WEIGHTS[MODEL])
            for question, vector in zip(asked, embed(asked), strict=True)
        ],
    }
    found = {name: stored.search(some) for name, some in queries.items()}
    rows: list[Row] = []
    for name, ranked in found.items():
        for budget in BUDGETS:
            about: Row = {"searched by": name, "read": budget}
            rows.append(about | _judged(course, chunks, ranked, budget))
    return rows


def _judged(course: Course, chunks: dict[int, Placed], found: Sequence[Sequence[Ranked]], budget: int) -> Row:
    """Compare what is read at a budget with the evidence."""
    overlaps = [
        overlap(one, filled([chunks[hit.chunk_id] for hit in hits], course.texts, budget))
        for one, hits in zip(course.asked, found, strict=True)
    ]
    return {
        "recall": mean(one.recall for one in overlaps),
        "precision": mean(one.precision for one in overlaps),
        "iou": mean(one.iou for one in overlaps),
    }


def _chunks(database: Database, stored: StoredSet, course: Course) -> dict[int, Placed]:
    """Return each stored chunk's place, by its id."""
    tenant = stored.tenants[TENANT]
    with database.transaction(tenant.caller) as transaction:
        rows = transaction.rows(
            "SELECT id, document_id, start_offset, end_offset, content FROM document_chunks WHERE tenant_id = %s",
            (transaction.tenant_id,),
        )
    chunks = {}
    for row in rows:
        name, start, end = tenant.passages[row["document_id"]], row["start_offset"], row["end_offset"]
        if course.texts[name][start:end] != row["content"]:
            raise ValueError(f"The stored chunk {row['id']} is not what stands at its place.")
        chunks[row["id"]] = Placed(name, start, end, size_in_bytes(row["content"]))
    return chunks
