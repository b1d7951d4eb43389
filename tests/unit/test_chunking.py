# ruff: noqa: RUF001 - Greek letters are meant here
"""Chunks are exact, complete, within the budget, and follow the document."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f.core.chunking import BUDGET_TOKENS, Chunk, split_document
from f.core.words import count_tokens
from tests.support.patience import PROMPTLY_SECONDS

WORDS = ["word", "Καλημέρα", "κόσμε", "e.g.", "3.14", "π.χ.", "Dr.", "a", ".", "!", ";", "x" * 90]
SPACES = [" ", "  ", "\n", "\n\n", "\r\n", "\r", "\f", "\t", "\u2028", "\x1c", "\u00a0"]
LINES = ["# T\n", "## P\n\n", "T\n==\n", "1.2 Leave\n\n", "- item\n", "1. one\n", "| a | b |\n", "|---|---|\n", "```\n"]
ODD = ["👩\u200d👩\u200d👧", "e\u0301", "🇬🇷🇨🇾", "שלום", "漢字。", "\x07", "\u200b"]
PIECES = st.sampled_from([*WORDS, *SPACES, *LINES, *ODD])
DOCUMENTS = st.one_of(st.lists(PIECES, max_size=120).map("".join), st.text(max_size=400))


def texts(content: str, chunks: list[Chunk]) -> list[str]:
    return [content[chunk.start : chunk.end] for chunk in chunks]


@settings(max_examples=300)
@given(DOCUMENTS, st.integers(min_value=8, max_value=60))
def test_every_character_is_in_exactly_one_chunk_within_the_budget(content: str, budget: int) -> None:
    chunks = split_document(content, budget)
    at = 0
    for chunk in chunks:
        assert at <= chunk.start < chunk.end
        assert not content[at : chunk.start].strip()
        piece = content[chunk.start : chunk.end]
        assert piece == piece.strip()
        assert chunk.token_count == count_tokens(piece) <= budget
        assert "\f" not in piece
        page = content.count("\f", 0, chunk.start) + 1
        assert chunk.page == (page if "\f" in content else None)
        at = chunk.end
    assert not content[at:].strip()
    assert chunks == split_document(content, budget)


@settings(max_examples=100)
@given(st.lists(st.sampled_from(["one", "δύο", "three,", "τέσσερα.", "five!"]), min_size=1, max_size=200))
def test_words_that_fit_are_never_cut(found: list[str]) -> None:
    content = " ".join(found)
    assert " ".join(texts(content, split_document(content, 8))).split() == found


@pytest.mark.parametrize("content", ["", " \n\t\r\n\f  ", "\u00a0\u2028"])
def test_nothing_but_space_gives_no_chunk(content: str) -> None:
    assert split_document(content) == []


def test_a_budget_below_eight_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 8"):
        split_document("text", 7)


def test_a_short_document_is_one_chunk_under_its_title() -> None:
    content = "# Leave\n\nTwenty days.\n"
    assert split_document(content) == [Chunk(0, 21, None, ("Leave",), 6)]


def test_headings_of_all_kinds_make_the_path() -> None:
    text = "Word after word follows here. " * 6
    content = (
        f"# Handbook\n\n## *Leave* `rules` ##\n\n{text}\n\nSick leave\n----------\n\n{text}\n\n"
        f"3. Travel\n\n{text}\n\n3.2 Trains\n\n{text}\n\nΆρθρο 4\n\n{text}"
    )
    paths = [chunk.heading_path for chunk in split_document(content, 60)]
    assert paths == [
        ("Handbook", "Leave rules"),
        ("Handbook", "Sick leave"),
        ("Handbook", "Sick leave", "3. Travel"),
        ("Handbook", "Sick leave", "3. Travel", "3.2 Trains"),
        ("Handbook", "Sick leave", "Άρθρο 4"),
    ]


def test_a_wikis_headings_and_titles_without_marks_make_the_path() -> None:
    text = "Word after word follows here, and more of them. " * 6
    content = (
        f"= Atlas =\n{text}\n == Rivers == \n{text}\n = = = The Nile = = = \n{text}\n==== Sources\n{text}\n"
        f"== Hills ==\n{text}\n\nΟι κάμποι\n{text}\n\nMeadows and fields (two kinds)\n\n{text}"
    )
    paths = [chunk.heading_path for chunk in split_document(content, 100)]
    assert paths == [
        ("Atlas",),
        ("Atlas", "Rivers"),
        ("Atlas", "Rivers", "The Nile"),
        ("Atlas", "Rivers", "The Nile", "Sources"),
        ("Atlas", "Hills"),
        ("Atlas", "Hills", "Οι κάμποι"),
        ("Atlas", "Hills", "Meadows and fields (two kinds)"),
    ]


PARAGRAPH = "A paragraph goes on and on, over one line that is not broken, until it has said what it has to say. " * 2


@pytest.mark.parametrize(
    "content",
    [
        "1. Buy milk\n\n2. Buy bread\n\n3. Go home",
        "3.2 million people live there.\n\nAnd more.",
        "#hashtag is no heading\n\ntext",
        "```\n# a comment\n```\n\ntext",
        "a | b\n--- | ---\n1 | 2",
        "- item\n---\ntext",
        "    # indented code\n\ntext",
        "2024\n\nA year.",
        "Totals follow\n-\ntext",
        "We write\n= y + 1\nand mean it",
        "== 4 is a comparison\n",
        "= Position ; GP = \ntext",
        "Here is text that is wrapped\nat some width, as mails are",
        f"Where is it?\n{PARAGRAPH}",
        f"Name: Elena\n{PARAGRAPH}",
        f"and so on\n{PARAGRAPH}",
        f"Before.\nAfter it\n{PARAGRAPH}",
        f"Figure 2 Sales by month\n{PARAGRAPH}",
    ],
)
def test_what_only_looks_like_a_heading_is_text(content: str) -> None:
    assert {chunk.heading_path for chunk in split_document(content)} == {()}


def test_small_sections_are_joined_under_their_common_heading() -> None:
    content = "# Questions\n\n" + "\n\n".join(f"## Question {n}\n\nAn answer of a few words." for n in range(12))
    chunks = split_document(content, 60)
    assert [chunk.heading_path for chunk in chunks] == [("Questions",)] * len(chunks)
    assert all(text.startswith(("# Questions", "## Question")) for text in texts(content, chunks))
    assert len(chunks) == 3


def test_a_bare_title_stays_with_the_text_below_it() -> None:
    content = "# Title\n\n## Part\n\n" + "A sentence of some words. " * 40
    first, *others = split_document(content, 100)
    assert content[first.start : first.end].startswith("# Title\n\n## Part\n\nA sentence")
    assert {chunk.heading_path for chunk in others} == {("Title", "Part")}


def test_a_heading_is_not_left_at_the_end_of_a_chunk() -> None:
    content = "\n\n".join(f"## Part {n}\n\n" + "Some words stand here. " * 12 for n in range(5))
    assert not any(text.splitlines()[-1].startswith("#") for text in texts(content, split_document(content, 80)))


def test_long_sections_are_cut_evenly_at_paragraphs() -> None:
    paragraph = "This is one sentence. This is another one, a little longer."
    content = "\n\n".join([paragraph] * 9)
    chunks = split_document(content, 50)
    assert all(text.endswith("longer.") and text.startswith("This is one") for text in texts(content, chunks))
    assert min(chunk.token_count for chunk in chunks) > 25


def test_a_paragraph_that_fits_is_not_cut_to_fill_a_chunk() -> None:
    paragraphs = [f"Paragraph {n} begins. " + "It has a few words more. " * (2 + 5 * (n % 2)) for n in range(8)]
    content = "\n\n".join(paragraph.strip() for paragraph in paragraphs)
    assert all(text.startswith("Paragraph") for text in texts(content, split_document(content, 60)))


def test_long_paragraphs_are_cut_at_sentences_also_in_greek() -> None:
    content = "Ο Νίκος μένει π.χ. στην Αθήνα. Πότε έρχεται; Στις 3.5 ακριβώς, λέει ο κ. Παππάς! " * 10
    for text in texts(content, split_document(content, 60)):
        assert text[-1] in ".;!"
        assert not text.endswith(("π.χ.", "κ."))


@pytest.mark.parametrize(
    ("content", "budget", "ends"),
    [
        ("there was rain, there was wind and snow; " * 12, 30, ",;"),
        ("the wind went on, and the rain too. " * 11, 60, "."),
    ],
)
def test_a_sentence_above_the_budget_is_cut_between_its_clauses(content: str, budget: int, ends: str) -> None:
    assert all(text[-1] in ends for text in texts(content, split_document(content, budget)))


def test_a_table_that_fits_stays_whole_and_a_long_one_is_cut_between_rows() -> None:
    table = "| Item | Price |\n|---|---|\n" + "\n".join(f"| thing {n} | {n} euros |" for n in range(8))
    content = "Before the table there are words. " * 4 + "\n\n" + table + "\n\n" + "Behind it there are words. " * 4
    assert any(table in text for text in texts(content, split_document(content, 60)))
    for text in texts(table, split_document(table, 20)):
        assert text.startswith("|")
        assert text.endswith("|")


def test_code_stays_whole_where_it_fits_and_hides_its_comments() -> None:
    code = "```sh\n# not a heading\n\nmake demo\n```"
    content = "Words before the code. " * 10 + "\n\n" + code + "\n\n" + "Words behind the code. " * 10
    chunks = split_document(content, 40)
    assert any(code in text for text in texts(content, chunks))
    assert {chunk.heading_path for chunk in chunks} == {()}


def test_pages_are_counted_from_one_and_keep_the_headings() -> None:
    content = "# Report\n\nFirst page.\fSecond page.\f\fFourth page."
    chunks = split_document(content)
    assert [(chunk.page, chunk.heading_path) for chunk in chunks] == [
        (1, ("Report",)),
        (2, ("Report",)),
        (4, ("Report",)),
    ]


@pytest.mark.parametrize("cluster", ["👩‍👩‍👧‍👦", "e\u0301\u0323", "🇬🇷", "👍🏽", "❤\ufe0f", "한"])
def test_graphemes_are_not_cut(cluster: str) -> None:
    content = cluster * 200
    pieces = texts(content, split_document(content, 10))
    assert "".join(pieces) == content
    assert all(piece == cluster * (len(piece) // len(cluster)) for piece in pieces)


def test_a_lone_surrogate_does_not_break_anything() -> None:
    content = "\ud800" * 100 + " end"
    assert "".join(texts(content, split_document(content, 8))) == "\ud800" * 100 + "end"


@pytest.mark.parametrize(
    "content",
    [
        "x" * 1_000_000,
        "." * 500_000,
        "# a\n" * 40_000,
        "== a ==\n" * 40_000,
        "|" * 300_000,
        "|a\n" * 60_000,
        "```\n" * 40_000,
        "word " * 100_000,
        "a\u0301" * 100_000,
        'He said "no." ' * 20_000,
        "1.1 A\n\n" * 30_000,
        "[" * 200_000,
        "-" * 200_000 + "|\n|" + "-" * 200_000,
        "Καλημέρα κόσμε; " * 30_000,
        (" " * 1000 + "a") * 500,
        "\f" * 50_000 + "a",
    ],
    ids=range(16),
)
def test_odd_input_takes_linear_time(content: str) -> None:
    began = time.process_time()
    chunks = split_document(content)
    assert time.process_time() - began < PROMPTLY_SECONDS
    assert sum(chunk.end - chunk.start for chunk in chunks) <= len(content)
    assert max(chunk.token_count for chunk in chunks) <= BUDGET_TOKENS
