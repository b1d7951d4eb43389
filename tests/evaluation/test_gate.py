"""The gate: search and answers must stay as good as they were measured, on a fixed small part of the data.

The least figures stand slightly below what is measured. One gate is on the project's own samples and always runs; the
other needs the evaluation data (DATA, else ../shared/evaluation) and is skipped without.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation import answers as answering
from evaluation.data import EvaluationSet, Passage, read_questions, read_sets
from evaluation.models import chosen_models
from evaluation.report import Row
from evaluation.run import Run
from evaluation.scores import score
from evaluation.stage import Stage
from f.core.database import Database
from f.core.retrieval import Query
from local.database import Server
from local.samples import load_samples
from local.settings import Credentials
from tests.support.evaluation_data import DATA, needs_data

NEEDS_DATA = needs_data("xquad", "policyqa")
QUESTIONS, ANSWERS, TENANTS = 120, 15, 6


@pytest.fixture(scope="module")
def stage(postgres: Server, template: str, credentials: Credentials) -> Stage:
    database = postgres.create_database(template=template)
    return Stage(postgres, database, credentials.app_password, credentials.operator_password)


@pytest.fixture(scope="module")
def database(stage: Stage) -> Iterator[Database]:
    with stage.members() as database:
        yield database


def measured(stage: Stage, database: Database, chosen: EvaluationSet, answers: int) -> dict[str, Row]:
    """Measure a set: words alone, words and vectors, answers; with the foreign rows of all searches."""
    run = Run(stage, database, [chosen], [chosen], chosen_models("offline"), Path())
    (stored,) = run.embedded
    texts = [question.text for question in chosen.questions]
    by_words = stored.search([Query(text, None, "") for text in texts])
    fused = run.search(stored, texts, run.vectors(stored))
    questions = chosen.first(answers).questions
    answered = [answering.Answered(question, run.member(stored, question).ask(question.text)) for question in questions]
    said = answering.answer_scores(stored, answered)
    return {
        "words": score(stored.rankings(by_words), stored.right).row(),
        "fused": score(stored.rankings(fused), stored.right).row(),
        "answers": {**said, "answered without": answering.answered_without(run, stored, questions)},
        "foreign": {"rows": stored.foreign(by_words) + stored.foreign(fused)},
    }


def at_least(figures: Row, **least: float) -> None:
    """Check that each figure reaches its least."""
    reached = {name.replace("@", ""): value for name, value in figures.items()}
    missed = {name: (reached[name], wanted) for name, wanted in least.items() if float(reached[name] or 0) < wanted}
    assert not missed, f"measured less than the least: {missed} in {figures}"


def test_the_samples_are_found_and_answered(stage: Stage, database: Database) -> None:
    documents = load_samples().documents
    passages = tuple(Passage(d.path.name, d.tenant, d.title, d.content) for d in documents)
    known = {(passage.tenant, passage.id) for passage in passages}
    questions = read_questions(Path(__file__).with_name("sample_questions.jsonl"), known)
    figures = measured(stage, database, EvaluationSet("samples", passages, questions), len(questions))
    assert figures["foreign"] == {"rows": 0}
    at_least(figures["words"], R1=0.88, R5=1.0)
    at_least(figures["fused"], R1=0.88, R5=1.0)
    assert figures["answers"]["citation precision"] == 1.0
    at_least(figures["answers"], answered=0.94, coverage=0.83)


@NEEDS_DATA
@pytest.mark.parametrize(
    ("name", "first", "fifth", "covered", "answered_without"),
    [
        ("xquad/en", 0.95, 0.98, 0.6, 0.34),
        ("xquad/el", 0.925, 0.99, 0.6, 0.34),
        ("policyqa", 0.175, 0.55, 0.1, 1.0),  # other passages of a policy answer the same questions
    ],
)
def test_a_part_of_the_evaluation_data_is_found_and_answered(
    stage: Stage, database: Database, name: str, first: float, fifth: float, covered: float, answered_without: float
) -> None:
    chosen = next(found for found in read_sets(DATA) if found.name == name)
    tenants = set(chosen.tenants[:TENANTS])
    part = replace(
        chosen,
        passages=tuple(passage for passage in chosen.passages if passage.tenant in tenants),
        questions=tuple(question for question in chosen.questions if question.tenant in tenants),
    ).first(QUESTIONS)
    figures = measured(stage, database, part, ANSWERS)
    assert figures["foreign"] == {"rows": 0}
    at_least(figures["words"], R1=first, R5=fifth)
    at_least(figures["fused"], R1=first, R5=fifth)
    assert figures["answers"]["citation precision"] == 1.0
    at_least(figures["answers"], coverage=covered)
    assert float(figures["answers"]["answered without"] or 0) <= answered_without
