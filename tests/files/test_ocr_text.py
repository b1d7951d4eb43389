# ruff: noqa: RUF001 - Greek letters are meant here
"""Words into text: lines that only the paper ends, hyphens, and the letters that tesseract takes for others."""

import pytest

from f.core.ocr_text import certainty, read_words, write_text

WIDTH = 10


def table(*paragraphs: str) -> str:
    """Return what tesseract says of paragraphs in one block, every letter as wide as the next."""
    rows = ["level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext"]
    for number, paragraph in enumerate(paragraphs, 1):
        rows.append(f"3\t1\t1\t{number}\t0\t0\t0\t0\t9\t9\t-1\t")
        for line, words in enumerate(paragraph.split("\n"), 1):
            left = 0
            for place, word in enumerate(words.split(" "), 1):
                rows.append(f"5\t1\t1\t{number}\t{line}\t{place}\t{left}\t0\t{len(word) * WIDTH}\t9\t90\t{word}")
                left += (len(word) + 1) * WIDTH
    return "\n".join([*rows, ""])


def text_of(*paragraphs: str) -> str:
    """Write what tesseract says of paragraphs."""
    return write_text(read_words(table(*paragraphs)))


def test_lines_that_are_full_are_joined_and_short_ones_end_where_they_end() -> None:
    assert text_of("The rent is due on\nthe first of May") == "The rent is due on the first of May"
    assert text_of("Anna\nMain Street 5\n10115 Athens", "Dear Anna, here is all") == (
        "Anna\nMain Street 5\n10115 Athens\n\nDear Anna, here is all"
    )


def test_a_word_that_was_divided_at_the_end_of_a_line_is_whole_again() -> None:
    assert text_of("the insur-\nance ends") == "the insurance ends"
    assert text_of("η ασφά-\nλεια λήγει") == "η ασφάλεια λήγει"


def test_a_hyphen_before_a_capital_or_a_number_stays() -> None:
    assert text_of("Anglo-\nSaxon law") == "Anglo-Saxon law"
    assert text_of("1990-\n1995 and") == "1990-1995 and"


def test_what_the_greek_model_takes_for_another_sign_is_the_letter_again() -> None:
    assert text_of("\u00b5ία") == "μία"
    assert text_of("ef\ufb01cient") == "efficient"


def test_small_raised_signs_keep_their_meaning() -> None:
    assert text_of("10² m³ ½ ™ №5") == "10² m³ ½ ™ №5"


def test_a_stray_old_accent_becomes_the_one_that_is_written_today() -> None:
    assert text_of("ὀταν ήρθε ἡ Ἡρώ, ἶσως μόνη, τότε έφυγε η κόρη της, είπε") == (
        "όταν ήρθε ή Ηρώ, ίσως μόνη, τότε έφυγε η κόρη της, είπε"
    )


def test_a_text_with_the_old_accents_keeps_them() -> None:
    old = "Ἐν ἀρχῇ ἦν ὁ λόγος, καὶ ὁ λόγος ἦν πρὸς τὸν θεόν"
    assert text_of(old) == old


def test_words_weigh_in_their_confidence_as_much_as_they_have_letters() -> None:
    words = read_words(table("a abcdefghi").replace("\t90\ta\n", "\t0\ta\n"))
    assert certainty(words) == pytest.approx(0.9 * 0.9)
    assert certainty([]) == 0.0
