"""How much of a question's evidence is in what was retrieved, at an equal budget of tokens.

The measures are those of Chroma's report on chunking (Smith and Troynikov, 2024), over characters: recall is the share
of the evidence that was retrieved, precision the share of what was retrieved that is evidence, IoU their intersection
over their union. Text that is retrieved twice, by chunks that overlap, is paid for twice and found once.

Chunks are taken in the order of their rank until the budget is full, and the last is cut where the budget ends, at a
whole character. So each splitter is read to exactly the same length, whatever the size of its chunks; leaving out what
does not fit would give large chunks less to read, and taking it whole more.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.chunking_splitters import BYTES_PER_TOKEN, size_in_bytes

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its evidence, spans of one of the texts."""

    corpus: str
    question: str
    evidence: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """A chunk of one of several texts, and its size in UTF-8 bytes."""

    corpus: str
    start: int
    end: int
    size: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """What was found for a question: three shares, each in [0, 1], more is better."""

    recall: float
    precision: float
    iou: float


def read_asked(folder: Path) -> tuple[dict[str, str], list[Asked]]:
    """Read the texts by name, ``<corpus>.md``, and the questions about them, ``questions.jsonl``.

    Raises:
        ValueError: When a reference is not the text at its place.
    """
    rows = [json.loads(line) for line in (folder / "questions.jsonl").read_text("utf-8").split("\n") if line.strip()]
    names = dict.fromkeys(row["corpus"] for row in rows)
    texts = {name: (folder / f"{name}.md").read_bytes().decode() for name in names}
    for row in rows:
        for reference in row["references"]:
            if texts[row["corpus"]][reference["start"] : reference["end"]] != reference["text"]:
                raise ValueError(f"A reference of {row['question']!r} is not what stands at its place.")
    return texts, [
        Asked(row["corpus"], row["question"], tuple((part["start"], part["end"]) for part in row["references"]))
        for row in rows
    ]


def filled(ranked: Sequence[Placed], texts: Mapping[str, str], budget_tokens: int, *, cut: bool = True) -> list[Placed]:
    """Take chunks in order until the budget is full.

    Args:
        ranked: Best first.
        texts: What the chunks are of.
        budget_tokens: How much is read.
        cut: Cut the last chunk at the budget; else the first that does not fit, and all behind it, are left out.
    """
    taken: list[Placed] = []
    left = budget_tokens * BYTES_PER_TOKEN
    for chunk in ranked:
        if chunk.size > left:
            last = _beginning(chunk, texts[chunk.corpus], left) if cut else None
            return [*taken, last] if last else taken
        taken.append(chunk)
        left -= chunk.size
    return taken


def overlap(asked: Asked, taken: Sequence[Placed]) -> Overlap:
    """Compare what was taken with the evidence."""
    wanted = _merged(asked.evidence)
    got = _merged([(chunk.start, chunk.end) for chunk in taken if chunk.corpus == asked.corpus])
    both = sum(max(0, min(high, end) - max(low, start)) for low, high in wanted for start, end in got)
    evidence = sum(high - low for low, high in wanted)
    read = sum(chunk.end - chunk.start for chunk in taken)
    return Overlap(both / evidence, both / read if read else 0.0, both / (read + evidence - both))


def _beginning(chunk: Placed, text: str, bytes_left: int) -> Placed | None:
    """Return as much of a chunk as fits, None where not a character does."""
    kept = text[chunk.start : chunk.end].encode("utf-8", "surrogatepass")[:bytes_left].decode("utf-8", "ignore")
    return Placed(chunk.corpus, chunk.start, chunk.start + len(kept), size_in_bytes(kept)) if kept else None


def _merged(spans: Sequence[Span]) -> list[Span]:
    """Join spans that overlap, in order."""
    joined: list[Span] = []
    for low, high in sorted(spans):
        if joined and low <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(high, joined[-1][1])
        else:
            joined.append((low, high))
    return joined
