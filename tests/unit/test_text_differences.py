"""What differs between two texts: right to the letter whatever they are, small where they are alike, and bounded."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f.core.text_differences import LONGEST_SHOWN, Differences, differences

TEXTS = st.text(st.sampled_from("ab \n\f.\u00e9"), max_size=40)


def applied(old: str, new: str, found: Differences) -> str:
    """Make the new text of the old one, by the places of the differences."""
    made, at = "", 0
    for hunk in found.hunks:
        assert hunk["removed"] == old[hunk["old_start"] : hunk["old_end"]][:LONGEST_SHOWN]
        assert hunk["added"] == new[hunk["new_start"] : hunk["new_end"]][:LONGEST_SHOWN]
        made += old[at : hunk["old_start"]] + new[hunk["new_start"] : hunk["new_end"]]
        at = hunk["old_end"]
    return made + old[at:]


@given(TEXTS, TEXTS)
def test_what_is_removed_and_added_makes_the_new_text_of_the_old_one(old: str, new: str) -> None:
    found = differences(old, new)

    assert applied(old, new, found) == new
    assert not found.truncated
    assert found.removed_characters == sum(hunk["old_end"] - hunk["old_start"] for hunk in found.hunks)
    assert found.added_characters == sum(hunk["new_end"] - hunk["new_start"] for hunk in found.hunks)
    for hunk in found.hunks:
        assert (hunk["old_line"], hunk["new_line"]) == (
            1 + old.count("\n", 0, hunk["old_start"]), 1 + new.count("\n", 0, hunk["new_start"]),
        )  # fmt: skip
    assert bool(found.hunks) == (old != new)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("The excess is 400 euros.", "The excess is 500 euros.", [("400", "500")]),
        ("The excess is 400 euros.", "The excess is five hundred euros.", [("400", "five hundred")]),
        ("a\nb\nc\n", "a\nc\n", [("b\n", "")]),
        ("a\nb\n", "a\nx\nb\n", [("", "x\n")]),
        ("one\ftwo", "one\fthree\ftwo", [("", "three\f")]),
        ("a\nsame\nb\n", "x\nsame\ny\n", [("a", "x"), ("b", "y")]),
        ("", "all of it", [("", "all of it")]),
        ("all of it", "", [("all of it", "")]),
        ("same", "same", []),
    ],
)
def test_differences_are_those_that_a_person_would_mark(old: str, new: str, told: list[tuple[str, str]]) -> None:
    assert [(hunk["removed"], hunk["added"]) for hunk in differences(old, new).hunks] == told


def test_no_more_are_told_than_are_wanted_and_all_are_counted() -> None:
    old = "\n".join(f"line {number}" for number in range(100))
    found = differences(old, old.replace("line", "row"), most=10)

    assert (len(found.hunks), found.truncated) == (10, True)
    assert (found.removed_characters, found.added_characters) == (400, 300)
    assert differences("x" * 5_000, "", 1).hunks[0]["removed"] == "x" * LONGEST_SHOWN


def words(count: int, known: int) -> list[str]:
    chance = random.Random(7)
    return [f"w{chance.randrange(known)}" for _ in range(count)]


def test_few_edits_are_found_in_a_text_of_a_million_characters_with_lines_or_without() -> None:
    text = words(200_000, 5_000)
    edited = list(text)
    for place in range(1_000, 200_000, 1_000):
        edited[place] = "edited"
    for line in (200_000, 10):
        old, new = ("\n".join(" ".join(said[n : n + line]) for n in range(0, 200_000, line)) for said in (text, edited))
        assert len(old) > 1_000_000
        found = differences(old, new, most=1_000)
        assert applied(old, new, found) == new
        assert (len(found.hunks), found.added_characters) == (199, 199 * len("edited"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a " * 500_000, "b " * 500_000),
        ("\n".join(random.Random(1).choices("ab", k=500_000)), "\n".join(random.Random(2).choices("ab", k=500_000))),
        ("\n" * 1_000_000, "x\n" * 500_000),
        ("\n".join(map(str, range(150_000))), "\n".join(map(str, range(150_000, 0, -1)))),
        ("a\n" * 5_000_000, "b\n" * 5_000_000),
    ],
    ids=["two words", "two lines", "empty lines", "reversed", "more lines than are compared"],
)
def test_texts_made_to_take_long_take_no_longer_than_some_seconds(old: str, new: str) -> None:
    """What compares each with each would take minutes and hours here, on any machine."""
    begun = time.process_time()
    found = differences(old, new, most=1_000_000)
    assert time.process_time() - begun < 30
    assert len(new) - len(old) == found.added_characters - found.removed_characters
