# ruff: noqa: RUF001 - look-alikes are meant here
"""What reaches a reader has known citation markers, and nothing that could be fetched or is hidden."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f.core.answer_text import REMOVED_LINK, AnswerStream, clean_answer, is_abstention, strip_links
from f.core.hidden_text import visible_text, without_hidden
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
HIDDEN = [
    "👨\u200d👩",
    "👩",
    "\u200d",
    "\u200b",
    "\u202e",
    "\u2066",
    "\u00ad",
    "\ufeff",
    "\ufe0f",
    "\U000e0041\U000e007f",
    "\U000e0123",
    "\x1b",
]
PIECES = st.sampled_from(["word", " ", "\n", ".", "https://good.example/a", *MARKERS, *LINKS, *HIDDEN])


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


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Rent is 850 [1]." + "".join(chr(0xE0000 + ord(c)) for c in "secret 1234"), "Rent is 850 [1]."),
        ("Rent \u200b\u200c\u200b\u200dis\u2060 850 [\u200b1\u200b].", "Rent is 850 [1]."),
        ("Rent \u202eis\u202c \u2067850\u2069 [1].", "Rent is 850 [1]."),
        ("Rent is 850\ufe00\ufe01\U000e0100\U000e01ef [1].", "Rent is 850 [1]."),
        ("Go to ht\u200btps://evil.exam\u00adple/x now", f"Go to {REMOVED_LINK} now"),
        ("Go to evil.example\u2060/\u2060?d=1 now", f"Go to {REMOVED_LINK} now"),
        ("!\u200b[x]\u200b(https://evil.example/p)", "x"),
        ("<\u200bimg src=x>", ""),
        ("Rent 🏠\ufe0f is 👨\u200d👩\u200d👧 850 [1].", "Rent 🏠\ufe0f is 👨\u200d👩\u200d👧 850 [1]."),
        ("Ενοίκιο 850 €, m² \u00a0[1].", "Ενοίκιο 850 €, m²  [1]."),
    ],
)
def test_what_is_hidden_is_taken_out(answer: str, expected: str) -> None:
    assert clean_answer(answer, {1}) == expected
    assert strip_links(answer).count("\u200b") == 0


@pytest.mark.parametrize(
    "held",
    [
        "https://good.example/a\u200b",
        "https://good.exam\u200bple/a",
        "https://gооd.example/a",
        "https://good.example/a\u2060/b",
        "https://good.example/a\u200bb",
        "https://ｇｏｏｄ.example/a",
        "x\u200bhttps://good.example/a",
    ],
)
def test_an_address_with_something_hidden_is_not_the_address_that_it_looks_like(held: str) -> None:
    allowed = f"The form is at {held}"
    for answer in ("https://good.example/a", held):
        shown = strip_links(f"See {answer} now", allowed)
        assert shown in (f"See {REMOVED_LINK} now", "See https://good.example/a now")
        if "good.example" in shown:  # only where the passage holds it to the letter, and a reader sees it so
            assert re.search(r"(?<!\S)https://good\.example/a(?!\S)", visible_text(allowed))
            assert "https://good.example/a" in allowed
    assert strip_links("https://good.example/a", f"{allowed} or https://good.example/a, ok") == "https://good.example/a"


@pytest.mark.parametrize("answer", ["[\u200b0] No.", "\ufeff[0]No.", "\u202e[0] No.", "[0\u2060] \u200bNo."])
def test_an_abstention_is_known_whatever_is_hidden_in_its_marker(answer: str) -> None:
    assert is_abstention(answer)
    assert clean_answer(answer, {1}) == "No."


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


@settings(max_examples=400)
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
    assert without_hidden(released) == released


def test_long_and_hostile_answers_take_linear_time() -> None:
    began = time.process_time()
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
    assert time.process_time() - began < PROMPTLY_SECONDS
