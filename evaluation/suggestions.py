"""The part ``suggestions``: how often the category that is suggested first is the right one.

Each passage in turn is taken for new, and all others have a category: the tenant whose passage it is, where a set has
several, which are all one tenant then, else the title. Titles are left out of the documents. Compared with the category
that most passages have, and with the usual way: the vote of the ten nearest by plain BM25.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from evaluation.data import ONLY_TENANT, EvaluationSet, Question
from evaluation.report import Results, Row, bar_plot, print_table, save_plot
from evaluation.run import Run
from evaluation.stage import embed_stored
from f.core.database import Transaction
from f.core.suggestions import nearest, ordered_labels, read_subject

MOST_PASSAGES = 300
_VOTERS = 9  # of the ten that are ranked, one is the passage itself
_TITLE = "Passage"
METHODS = ("most frequent", "10 nearest by plain BM25", "words", "words and vectors")


def measure(run: Run, results: Results) -> None:
    """Measure every set, print and keep the table."""
    rows = [row for chosen in run.whole if len(set(categories(chosen).values())) > 1 for row in _measured(run, chosen)]
    print_table("The category suggested first is right (leave one out)", rows)
    for row in rows:
        results.add("suggestions", row)
    names = list(dict.fromkeys(str(row["set"]) for row in rows))
    series = {method: [float(row["right"] or 0) for row in rows if row["method"] == method] for method in METHODS}
    if rows:
        save_plot(bar_plot("Category suggested first", names, series, "right"), run.folder, "quality-suggestions")


def categories(chosen: EvaluationSet) -> dict[str, str]:
    """Return each passage's category, by the id that it has here: the tenant, or the title."""
    several = len(chosen.tenants) > 1
    return {_id(each.tenant, each.id): each.tenant if several else each.title for each in chosen.passages}


def one_tenant(chosen: EvaluationSet) -> EvaluationSet:
    """Return a set's passages as those of one tenant, without titles, each of them asked for as a question."""
    passages = tuple(
        replace(each, id=_id(each.tenant, each.id), tenant=ONLY_TENANT, title=_TITLE) for each in chosen.passages
    )
    questions = tuple(Question(ONLY_TENANT, each.text, (each.id,), ()) for each in passages)
    return EvaluationSet(f"{chosen.name}/categories", passages, questions)


def right_share(transaction: Transaction, documents: dict[int, str], asked: Sequence[int], *, vectors: bool) -> float:
    """Return for how many documents the category suggested first is theirs.

    Args:
        transaction: A member's.
        documents: All documents of the tenant with their categories.
        asked: For which ones it is asked.
        vectors: Whether embeddings take part.
    """
    right = 0
    for document in asked:
        subject = read_subject(transaction, document)
        neighbours = nearest(transaction, subject if vectors else replace(subject, vector=None), "category")
        suggested = ordered_labels(neighbours, [], (), without=())
        right += bool(suggested) and suggested[0]["label"] == documents[document]
    return right / len(asked)


def _measured(run: Run, chosen: EvaluationSet) -> list[Row]:
    """Measure a set in each way."""
    known, asking = categories(chosen), one_tenant(chosen)
    stored = run.stage.store(run.database, asking)
    embed_stored(stored, run.models.embed_documents, run.models.name)
    (tenant,) = stored.tenants.values()
    documents = {document: known[passage] for document, passage in tenant.passages.items()}
    run.stage.categorise(documents)
    asked = list(documents)[:: -(-len(documents) // MOST_PASSAGES)]
    shares = {
        METHODS[0]: Counter(known.values()).most_common(1)[0][1] / len(known),
        METHODS[1]: _by_bm25(asking, known),
    }
    with run.database.transaction(tenant.caller) as transaction:
        for method, vectors in zip(METHODS[2:], (False, True), strict=True):
            shares[method] = right_share(transaction, documents, asked, vectors=vectors)
    return [
        {"set": chosen.name, "categories": len(set(known.values())), "method": method, "right": share}
        for method, share in shares.items()
    ]


def _by_bm25(asking: EvaluationSet, known: dict[str, str]) -> float:
    """Let the nearest by plain BM25 vote."""
    from evaluation.yardstick import bm25_rankings  # noqa: PLC0415 -- the gate does without its packages

    right = 0
    for passage, ranking in zip(asking.passages, bm25_rankings(asking), strict=True):
        votes = Counter(known[other] for other in [one for one in ranking if one != passage.id][:_VOTERS])
        right += bool(votes) and votes.most_common(1)[0][0] == known[passage.id]
    return right / len(asking.passages)


def _id(tenant: str, passage: str) -> str:
    """Name a passage of any tenant."""
    return f"{tenant}/{passage}"
