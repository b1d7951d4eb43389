# ruff: noqa: RUF001 - Greek letters and look-alikes are meant here
"""Citations resolve to exact quotes that bear out what was said."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f.core.citations import LONGEST_QUOTE, CitedPassage, resolve_citations
from f.core.hidden_text import visible_text

LEAVE = (
    "# Leave\n\nEmployees have 20 days of leave a year. Up to five days may be carried over until 31 March. "
    "Ask the office for the form."
)
MATERNITY = "Η άδεια μητρότητας διαρκεί 17 εβδομάδες. Η αίτηση υποβάλλεται στο τμήμα προσωπικού έως τις 5 Μαΐου."
PASSAGES = [CitedPassage(1, LEAVE, 100), CitedPassage(2, MATERNITY, 5000)]


def quotes(answer: str, passages: list[CitedPassage] = PASSAGES) -> dict[int, str]:
    return {citation.n: citation.quote for citation in resolve_citations(answer, passages).citations}


def test_a_citation_quotes_the_sentence_that_bears_it_out() -> None:
    resolved = resolve_citations("Five days can be carried over to 31 March [1].", PASSAGES)
    (citation,) = resolved.citations
    assert citation.quote == "Up to five days may be carried over until 31 March."
    assert LEAVE[citation.start - 100 : citation.end - 100] == citation.quote
    assert resolved.supported == 1.0
    assert resolved.text == "Five days can be carried over to 31 March [1]."


def test_greek_forms_meet() -> None:
    answer = "Οι αιτήσεις υποβάλλονται στο τμήμα του προσωπικού. [2]"
    assert quotes(answer) == {2: "Η αίτηση υποβάλλεται στο τμήμα προσωπικού έως τις 5 Μαΐου."}


def test_two_sentences_in_a_row_are_quoted_where_both_are_needed() -> None:
    answer = "There are 20 days of leave a year, five of which may be carried over until March [1]."
    assert quotes(answer) == {
        1: "Employees have 20 days of leave a year. Up to five days may be carried over until 31 March."
    }


def test_each_number_is_cited_once_and_unknown_ones_vanish() -> None:
    resolved = resolve_citations(
        "Leave is 20 days [1][7]. It is asked for at the office [1]. Ναι, 17 εβδομάδες [2].", PASSAGES
    )
    assert [citation.n for citation in resolved.citations] == [1, 2]
    assert resolved.text == "Leave is 20 days [1]. It is asked for at the office [1]. Ναι, 17 εβδομάδες [2]."


def test_a_number_decides_between_sentences() -> None:
    passage = CitedPassage(1, "The fee for adults is 12 euros. The fee for children is 7 euros.", 0)
    assert quotes("You pay 7 euros [1].", [passage]) == {1: "The fee for children is 7 euros."}


def test_support_is_the_share_of_sentences_that_are_borne_out() -> None:
    assert resolve_citations("Leave is 20 days a year [1]. The moon is made of cheese [1].", PASSAGES).supported == 0.5
    assert resolve_citations("Leave is 20 days a year. The moon is made of cheese.", PASSAGES).supported == 0.0
    assert (
        resolve_citations("Here it is: leave is 20 days a year [1].\n\n(An aside of some words.)", PASSAGES).supported
        == 1.0
    )
    assert resolve_citations("", PASSAGES).supported == 0.0


def test_an_abstention_has_no_citations() -> None:
    resolved = resolve_citations("[0] The documents do not say [1].", PASSAGES)
    assert (resolved.text, resolved.citations, resolved.supported) == ("The documents do not say [1].", [], 0.0)


def test_links_do_not_reach_the_text() -> None:
    resolved = resolve_citations("Leave is 20 days [1]. ![x](https://evil.example/?q=leave)", PASSAGES)
    assert resolved.text == "Leave is 20 days [1]. x"


def test_a_long_sentence_is_cut_at_words_around_what_was_said() -> None:
    text = "Filler words " * 60 + "the deposit of 900 euros comes back " + "more filler " * 60
    ((_, quote),) = quotes("The deposit is 900 euros [1].", [CitedPassage(1, text, 0)]).items()
    assert "deposit of 900 euros" in quote
    assert len(quote) <= LONGEST_QUOTE
    assert f" {quote} " in f" {text} "


def test_a_citation_of_nothing_in_common_quotes_the_beginning() -> None:
    assert quotes("Nothing alike [1].", [CitedPassage(1, LEAVE, 0)])[1].startswith("# Leave")


@pytest.mark.parametrize(
    "sentence",
    [
        "Up to f\u200bive da\u200dys may be carried over until 31\u00a0March.",
        "Up to five days \u202emay be car\u00adried over\u202c until 31 March.",
        "Up to fivе dаys mаy be cаrried оver until 31 Mаrch.",
        "Uｐ to 𝐟𝐢𝐯𝐞 days may be carried over until ３１ March.",
        "Up to five" + "".join(chr(0xE0000 + ord(c)) for c in "Obey.") + " days may be carried over until 31 March.",
    ],
    ids=["zero width", "direction", "look-alikes", "another dress", "tags"],
)
def test_hidden_text_neither_hinders_a_citation_nor_moves_its_quote(sentence: str) -> None:
    text = f"\u200bEmployees have 20 days of leave a year.\u200b \u2060{sentence}\u202c Ask the office for the form."

    resolved = resolve_citations("Up to five days may be carried over until 31 March [1].", [CitedPassage(1, text, 40)])

    (citation,) = resolved.citations
    assert citation.quote == sentence
    assert text[citation.start - 40 : citation.end - 40] == citation.quote
    assert resolved.supported == 1.0


def test_hidden_text_in_the_answer_hinders_no_citation() -> None:
    resolved = resolve_citations("Fіvе d\u200bауs аrе саrriеd оvеr until Mаrсh [\u200b1].", PASSAGES)
    assert [citation.quote for citation in resolved.citations] == [
        "Up to five days may be carried over until 31 March."
    ]
    assert resolved.supported == 1.0
    assert resolved.text == "Fіvе dауs аrе саrriеd оvеr until Mаrсh [1].", "letters stay as they were written"


def test_hidden_text_makes_no_quote_longer_than_quotes_are() -> None:
    sentence = "Up to five days may be carried over until 31 March".replace(" ", "\u200b" * 40 + " ")
    (citation,) = resolve_citations("Five days may be carried over [1].", [CitedPassage(1, sentence, 0)]).citations
    assert sentence[citation.start : citation.end] == citation.quote
    assert len(citation.quote) <= LONGEST_QUOTE
    assert visible_text(citation.quote).startswith("Up to five days may")


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from(["leave", "20", "άδεια", ".", "[1]", "[2]", "[1-2]", "\n", "!", "x" * 400]), max_size=30),
    st.text(st.one_of(st.characters(), st.sampled_from("\u200b\u202e\u00ad\ufb01аο le.")), max_size=600),
    st.integers(0, 10_000),
)
def test_quotes_are_always_exact(said: list[str], text: str, start: int) -> None:
    passages = [CitedPassage(1, text, start), CitedPassage(2, LEAVE * 3, 7)]
    resolved = resolve_citations(" ".join(said), passages)
    for citation in resolved.citations:
        passage = passages[citation.n - 1]
        assert passage.text[citation.start - passage.start : citation.end - passage.start] == citation.quote
        assert len(citation.quote) <= LONGEST_QUOTE
        assert f"[{citation.n}]" in resolved.text
    assert 0.0 <= resolved.supported <= 1.0
