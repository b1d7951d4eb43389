# ruff: noqa: RUF001 - Greek letters are meant here
"""Sentences end where a reader would end them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f.core.sentences import sentence_spans


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("It costs 3.50 euros, e.g. on Monday. Bye.", ["It costs 3.50 euros, e.g. on Monday.", "Bye."]),
        ("Dr. Smith and J. Doe came. They left.", ["Dr. Smith and J. Doe came.", "They left."]),
        ("We open at 9 a.m. on Mondays. We close at 5 p.m. Come early.",
         ["We open at 9 a.m. on Mondays.", "We close at 5 p.m.", "Come early."]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ('"Why?" he asked. Nobody knew.', ['"Why?" he asked.', "Nobody knew."]),
        ("First part; second part. End.", ["First part; second part.", "End."]),
        ("Πότε λήγει; Στις 3 Μαΐου. Ο κ. Παππάς το ξέρει, π.χ. από εμένα.",
         ["Πότε λήγει;", "Στις 3 Μαΐου.", "Ο κ. Παππάς το ξέρει, π.χ. από εμένα."]),
        ("Τι είναι το API; Μια διεπαφή.", ["Τι είναι το API;", "Μια διεπαφή."]),
        ("Wait... what? Yes… Fine.", ["Wait... what?", "Yes…", "Fine."]),
        ("fees at acme inc . and its parts fell . they rose in 2009 ; then u.s . fees fell . e.g. these",
         ["fees at acme inc . and its parts fell .", "they rose in 2009 ; then u.s . fees fell .", "e.g. these"]),
        ("A line\n\nAnother paragraph", ["A line", "Another paragraph"]),
        ("To buy:\n- milk\n- bread\n1. first\n2. second", ["To buy:", "- milk", "- bread", "1. first", "2. second"]),
        ("Name: Maria\nBlood type: A+", ["Name: Maria", "Blood type: A+"]),
        ("# Leave\nTwenty days are given to each.", ["# Leave", "Twenty days are given to each."]),
        ("これは文です。次の文です。", ["これは文です。", "次の文です。"]),
        ("", []),
        (" \n ", []),
    ],
)  # fmt: skip
def test_sentences(text: str, expected: list[str]) -> None:
    assert split(text) == expected


def test_a_wrapped_line_goes_on() -> None:
    text = "The tenant pays the rent on the fifth day of every month to the account\nof the landlord. Always."
    assert split(text) == [text[:-8], "Always."]


@given(st.text(alphabet="aB.!?; \n1)-#α\"'…\r\f", max_size=200), st.integers(0, 50), st.integers(0, 250))
def test_nothing_is_lost_and_the_bounds_are_kept(text: str, start: int, end: int) -> None:
    start, end = min(start, len(text)), min(end, len(text))
    at = start
    for low, high in sentence_spans(text, start, end):
        assert at <= low < high <= end
        assert not text[at:low].strip()
        assert text[low:high] == text[low:high].strip()
        at = high
    assert not text[at:end].strip()
