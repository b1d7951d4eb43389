"""Near duplicates and suggestions must stay as good as they were measured, on a small fixed part of the data."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from evaluation.copies import COPIES, copies
from evaluation.data import EvaluationSet, read_sets
from evaluation.duplicates import looked_for, pairs
from evaluation.stage import Stage, embed_stored
from evaluation.suggestions import categories, one_tenant, right_share
from f.core.database import Database
from f.core.near_duplicates import is_near
from f.core.offline_embedding import embed
from local.database import Server
from local.settings import Credentials
from tests.support.evaluation_data import DATA, needs_data

NEEDS_DATA = needs_data("xquad", "policyqa")
MODEL = "offline"


@pytest.fixture(scope="module")
def stage(postgres: Server, template: str, credentials: Credentials) -> Stage:
    database = postgres.create_database(template=template)
    return Stage(postgres, database, credentials.app_password, credentials.operator_password)


@pytest.fixture(scope="module")
def database(stage: Stage) -> Iterator[Database]:
    with stage.members() as database:
        yield database


def part(name: str, passages: int) -> EvaluationSet:
    """Return the first passages of a set, without its questions."""
    chosen = next(found for found in read_sets(DATA) if found.name == name)
    return replace(chosen, passages=chosen.passages[:passages], questions=())


def test_copies_are_the_same_each_time_and_are_what_they_say() -> None:
    texts = [
        f"The {word} of the house is old. It was built by {word}. Nobody lives there." for word in ("roof", "wall")
    ]
    for kind in COPIES:
        assert copies(texts, kind) == copies(texts, kind)
    assert all(text in copy for text, copy in zip(texts, copies(texts, "a page as long appended"), strict=True))
    assert [sorted(copy.split()) for copy in copies(texts, "sentences reordered")] == [
        sorted(text.split()) for text in texts
    ]


@NEEDS_DATA
@pytest.mark.parametrize("language", ["en", "el"])
def test_copies_are_told_from_other_texts(language: str) -> None:
    alike, apart = pairs([part(f"xquad/{language}", 60), part("policyqa", 100)])
    for kind, found in alike.items():
        assert sum(map(is_near, found)) / len(found) >= (0.97 if kind == "OCR, 3 % wrong" else 0.99), kind
    for kind, found in apart.items():
        assert sum(map(is_near, found)) / len(found) <= 0.005, kind


@NEEDS_DATA
def test_copies_are_found_among_all_documents_of_a_tenant(stage: Stage, database: Database) -> None:
    chosen = part("xquad/el", 60)
    for row in looked_for(stage.store(database, chosen)):
        assert float(row["found"] or 0) >= 0.97, row
        assert float(row["others told"] or 0) <= 0.02, row


@NEEDS_DATA
def test_the_right_category_is_suggested(stage: Stage, database: Database) -> None:
    chosen = part("xquad/en", 60)
    known, stored = categories(chosen), stage.store(database, one_tenant(chosen))
    embed_stored(stored, embed, MODEL)
    (tenant,) = stored.tenants.values()
    documents = {document: known[passage] for document, passage in tenant.passages.items()}
    stage.categorise(documents)
    with database.transaction(tenant.caller) as transaction:
        by_words, by_both = (
            right_share(transaction, documents, list(documents), vectors=vectors) for vectors in (False, True)
        )
    assert by_words >= 0.7
    assert by_both >= 0.8
