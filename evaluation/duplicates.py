"""The part ``duplicates``: how well near duplicates are told from texts on the same subject, and found in a tenant.

First pairs alone: copies that passages went through (``evaluation.copies``), against other passages of the same title,
of other titles, and translations. From these the least similarity and containment were chosen. Then through the
database, as ``ingest`` does it: each copy is looked for among all passages of its tenant, as a member.
"""

from collections.abc import Sequence

from evaluation.copies import COPIES, LEAST_CHARACTERS, copies, translations, unlike
from evaluation.data import EvaluationSet
from evaluation.report import Results, Row, bar_plot, print_table, save_plot
from evaluation.run import Run
from evaluation.stage import StoredSet
from f.core.near_duplicates import LEAST_CONTAINMENT, LEAST_SIMILARITY, is_near, near_duplicates
from f.core.shingles import Likeness, likeness, shingles

MOST_COPIES = 100
"""Of each kind that are looked for in a set."""
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
_TOLD = 3
_NO_DOCUMENT = 0


def measure(run: Run, results: Results) -> None:
    """Measure every set, print and keep the tables."""
    alike, apart = pairs(run.whole)
    if not alike:
        print(f"\nduplicates: left out, because no passage has {LEAST_CHARACTERS} characters.")
        return
    kinds = [{"pairs": kind, **figures(found)} for kind, found in (alike | apart).items()]
    print_table(f"Pairs: near from a similarity of {LEAST_SIMILARITY} or a containment of {LEAST_CONTAINMENT}", kinds)
    thresholds = by_threshold([one for each in alike.values() for one in each], list(apart.items()))
    print_table("The least similarity, with that containment: copies found, other texts taken for copies", thresholds)
    found = [row for stored in run.stored for row in looked_for(stored)]
    print_table("Copies looked for in their tenant, as ingest does", found)
    for table, rows in (("duplicates", kinds), ("duplicate thresholds", thresholds), ("duplicates found", found)):
        for row in rows:
            results.add(table, row)
    names = list(dict.fromkeys(str(row["set"]) for row in found))
    series = {name: [float(row["found"] or 0) for row in found if row["set"] == name] for name in names}
    save_plot(
        bar_plot("Near duplicates found", list(COPIES), series, "share of copies"), run.folder, "quality-duplicates"
    )


def pairs(sets: Sequence[EvaluationSet]) -> tuple[dict[str, list[Likeness]], dict[str, list[Likeness]]]:
    """Compare copies with their originals, and texts that are no copies; by kind."""
    alike: dict[str, list[Likeness]] = {}
    apart: dict[str, list[Likeness]] = {}
    for chosen in sets:
        texts = _texts(chosen)
        for kind in COPIES:
            made = zip(texts, copies(texts, kind), strict=True)
            alike.setdefault(kind, []).extend(_compared(one, other) for one, other in made if one != other)
        for kind, unlike_pairs in unlike(chosen).items():
            apart.setdefault(kind, []).extend(_compared(one, other) for one, other in unlike_pairs)
    apart["a translation"] = [_compared(one, other) for one, other in translations(sets)]
    return {kind: found for kind, found in alike.items() if found}, {kind: each for kind, each in apart.items() if each}


def figures(found: Sequence[Likeness]) -> Row:
    """Say how alike pairs of one kind are, and which share of them is taken for near duplicates."""
    similar = sorted(one.similarity for one in found)
    return {
        "number": len(found),
        "near": sum(map(is_near, found)) / len(found),
        "least similarity": similar[0],
        "median": similar[len(similar) // 2],
        "greatest": similar[-1],
        "median containment": sorted(one.containment for one in found)[len(found) // 2],
    }


def by_threshold(alike: Sequence[Likeness], apart: Sequence[tuple[str, Sequence[Likeness]]]) -> list[Row]:
    """Say for several least similarities which share of the copies is found, and of each kind of other texts."""

    def share(found: Sequence[Likeness], least: float) -> float:
        return sum(one.similarity >= least or one.containment >= LEAST_CONTAINMENT for one in found) / len(found)

    return [
        {"least": least, "copies": share(alike, least), **{kind: share(found, least) for kind, found in apart}}
        for least in THRESHOLDS
    ]


def looked_for(stored: StoredSet) -> list[Row]:
    """Look for copies of some of a set's passages among all of their tenant."""
    rows: list[Row] = []
    for kind in COPIES:
        found = first = others = number = 0
        for tenant in stored.tenants.values():
            documents = [(id, text) for id, text in tenant.texts.items() if len(text) >= LEAST_CHARACTERS]
            some = documents[:: max(1, len(documents) * len(stored.tenants) // MOST_COPIES)]
            pages = [" ".join(sorted(text.split())) for _, text in documents]  # of no document, and of the same words
            made = zip(some, copies([text for _, text in some], kind, pages), strict=True)
            with stored.database.transaction(tenant.caller) as transaction:
                for (document, text), copy in made:
                    if copy == text:
                        continue
                    told = [one["document_id"] for one in near_duplicates(transaction, _NO_DOCUMENT, copy, _TOLD)]
                    number += 1
                    found += document in told
                    first += told[:1] == [document]
                    others += sum(one != document for one in told)
        rows.append(
            {
                "set": stored.chosen.name,
                "copies": kind,
                "number": number,
                "found": found / max(1, number),
                "first": first / max(1, number),
                "others told": others / max(1, number),
            }
        )
    return [row for row in rows if row["number"]]


def _texts(chosen: EvaluationSet) -> list[str]:
    """Return the passages that are long enough."""
    return [passage.text for passage in chosen.passages if len(passage.text) >= LEAST_CHARACTERS]


def _compared(one: str, other: str) -> Likeness:
    """Compare two texts as near duplicates are."""
    return likeness(shingles(one), shingles(other))
