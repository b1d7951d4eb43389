# ruff: noqa: RUF001 -- Greek letters are meant here
"""Shingles and sketches: the same numbers everywhere, for what reads the same; and a sketch that tells how alike."""

import random
import subprocess
import sys

import pytest

from f.core.shingles import BINS, COMPARED_CHARACTERS, Likeness, bands, likeness, shingles

TEXT = "The policy covers the house, the garage and the garden shed. Η άδεια λήγει στις 31/01/2026."

KNOWN = [340489241970832528, 725810104124994067, 1618137989489382223]


def words(number: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [f"w{draw.randrange(10**6)}" for _ in range(number)]


@pytest.mark.parametrize(
    "other",
    [
        TEXT.upper(),
        TEXT.replace(" ", "\n\n"),
        TEXT.replace(".", " !").replace(",", ""),
        TEXT.replace("ά", "α").replace("ή", "η"),
        "\u200b".join(TEXT),
        TEXT.replace("policy", "ｐｏｌｉｃｙ"),
    ],
    ids=["case", "spaces", "punctuation", "accents", "hidden characters", "fullwidth letters"],
)
def test_what_reads_the_same_has_the_same_shingles(other: str) -> None:
    assert shingles(other) == shingles(TEXT)


def test_order_and_numbers_count() -> None:
    assert shingles("one two three four") != shingles("four three two one")
    assert shingles("due on 31/01/2026") != shingles("due on 31/01/2027")


def test_bands_that_are_stored_stay_what_they_are_in_any_process() -> None:
    """Other numbers would make all sketches in databases worthless: the migration would have to clear them."""
    program = f"from f.core.shingles import bands, shingles; print(bands(shingles({TEXT!r})))"
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    ).stdout
    assert printed == f"{bands(shingles(TEXT))}\n"
    assert bands(shingles("The policy covers the house.")) == KNOWN


def test_a_short_text_is_a_shingle_as_a_whole_and_an_empty_one_is_none() -> None:
    assert len(shingles("Hello")) == len(shingles("Hello world")) == 1
    assert shingles("Hello") != shingles("Hello world")
    assert shingles("") == shingles("... !") == frozenset()
    assert bands(frozenset()) == []
    assert likeness(frozenset(), frozenset()) == Likeness(0.0, 0.0)


def test_scripts_without_spaces_are_compared_letter_by_letter() -> None:
    one, other = shingles("东京都是日本的首都，人口众多。"), shingles("东京都是日本的首都，面积很大。")
    assert 0.3 < likeness(one, other).similarity < 0.9


def test_a_part_is_contained_and_a_sentence_is_too_short_to_tell() -> None:
    page, other = words(50, 1), words(500, 2)
    assert likeness(shingles(" ".join(page)), shingles(" ".join(page + other))).containment == 1.0
    assert likeness(shingles("thank you very much"), shingles("thank you very much indeed")).containment == 0.0


def test_sketches_share_bands_as_texts_share_shingles() -> None:
    for kept, least, most in ((900, 0.7, 1.0), (600, 0.25, 0.65), (0, 0.0, 0.05)):
        shared = 0
        for seed in range(20):
            one = words(1000, seed)
            one_bands = set(bands(shingles(" ".join(one))))
            assert len(one_bands) == BINS
            shared += len(one_bands & set(bands(shingles(" ".join(one[:kept] + words(1000 - kept, seed + 100))))))
        assert least <= shared / (20 * BINS) <= most, kept


def test_bands_fit_the_databases_column() -> None:
    assert all(0 <= band < 2**61 for band in bands(shingles(" ".join(words(5000, 3)))))


def test_of_a_long_text_the_beginning_counts() -> None:
    beginning = " ".join(words(50_000, 4))[:COMPARED_CHARACTERS]
    assert shingles(beginning) == shingles(beginning + " another end" * 100_000)
