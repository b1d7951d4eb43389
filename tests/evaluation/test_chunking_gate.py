"""Chunks of long texts: every span exact, and the evidence for questions is among what is read for them.

A small fixed part of what `make evaluate` measures, without its packages: offline embeddings, ranked here.
"""

from operator import mul
from statistics import mean

import pytest

from evaluation.chunking_evidence import Asked, Placed, filled, overlap, read_asked
from evaluation.chunking_splitters import ours, size_in_bytes
from evaluation.chunking_trials import searched_text
from f.core.chunking import BUDGET_TOKENS, split_document
from f.core.offline_embedding import embed
from tests.support.evaluation_data import DATA, needs_data

FOLDER = DATA / "chunking"
WITH_DATA = needs_data("chunking/questions.jsonl")
LONGEST = 200_000
"""Longer texts are left out of the ranking, for time."""
LEAST_RECALL = 0.765


def test_evidence_is_counted_once_and_what_is_read_twice_is_paid_for_twice() -> None:
    asked = Asked("a", "?", ((10, 20), (30, 40)))
    found = overlap(asked, [Placed("a", 0, 20, 20), Placed("a", 5, 25, 20), Placed("b", 30, 40, 10)])
    assert (found.recall, found.precision, found.iou) == (0.5, 10 / 50, 10 / 60)


def test_a_budget_is_filled_to_the_last_whole_character() -> None:
    texts = {"a": "αβγδ" * 10}
    chunks = [Placed("a", 0, 8, 16), Placed("a", 8, 40, 64)]
    assert filled(chunks, texts, 5) == [Placed("a", 0, 8, 16), Placed("a", 8, 10, 4)]
    assert filled(chunks, texts, 5, cut=False) == chunks[:1]


@WITH_DATA
@pytest.mark.parametrize("tokens", [100, 400, 800, 1600])
def test_every_chunk_of_the_long_texts_is_what_stands_at_its_place(tokens: int) -> None:
    for text in read_asked(FOLDER)[0].values():
        pieces = ours(text, tokens)
        assert all(text[piece.start : piece.end] == piece.text == piece.text.strip() for piece in pieces)
        assert "".join("".join(piece.text for piece in pieces).split()) == "".join(text.split())
        assert max(chunk.token_count for chunk in split_document(text, tokens)) <= tokens


@WITH_DATA
def test_the_evidence_is_in_the_800_tokens_that_are_read() -> None:
    texts, every = read_asked(FOLDER)
    short = {name: text for name, text in texts.items() if len(text) < LONGEST}
    asked = [one for one in every if one.corpus in short]
    pieces = [(name, piece) for name, text in short.items() for piece in ours(text, BUDGET_TOKENS)]
    placed = [Placed(name, piece.start, piece.end, size_in_bytes(piece.text)) for name, piece in pieces]
    vectors = embed([searched_text(piece, headings=True) for _, piece in pieces])
    found = []
    for one, question in zip(asked, embed([one.question for one in asked]), strict=True):
        similarities = [sum(map(mul, question, vector)) for vector in vectors]
        order = sorted(range(len(vectors)), key=lambda at: -similarities[at])
        found.append(overlap(one, filled([placed[at] for at in order], short, 800)).recall)
    assert mean(found) >= LEAST_RECALL
