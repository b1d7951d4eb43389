# ruff: noqa: RUF001 - Greek letters are meant here
"""Forms of a word meet; names and numbers are found."""

import pytest

from f.core.words import count_tokens, fold, informative_stems, names, numbers, stem, words


def test_case_accents_and_final_sigma_are_folded() -> None:
    assert fold("Άδεια") == fold("ΑΔΕΙΑ") == fold("άδεια".replace("ά", "α\u0301")) == "αδεια"
    assert fold("ΔΡΌΜΟΣ") == fold("δρόμος") == "δρομοσ"
    assert fold("Straße") == "strasse"


@pytest.mark.parametrize(
    "forms",
    [
        ["expire", "expires", "expired", "expiring"],
        ["payment", "payments", "pay", "pays", "paying"],
        ["policy", "policies"],
        ["run", "running"],
        ["διαβατήριο", "διαβατηρίου", "διαβατήρια", "διαβατηρίων"],
        ["άδεια", "άδειες", "αδειών"],
        ["Μαρία", "Μαρίας"],
        ["δρόμος", "δρόμου", "δρόμοι", "δρόμους"],
    ],
)
def test_forms_of_a_word_share_a_stem(forms: list[str]) -> None:
    assert len({stem(fold(form)) for form in forms}) == 1


@pytest.mark.parametrize("word", ["2024", "3.5", "bus", "ab", "glass", "status"])
def test_numbers_and_short_words_stay(word: str) -> None:
    assert stem(word) == word


def test_words_keep_numbers_and_decomposed_letters_whole() -> None:
    assert words("At 7:30, 1.200,50 € for cafe\u0301s, A12") == ["at", "7:30", "1.200,50", "for", "cafes", "a12"]


def test_stop_words_of_both_languages_are_left_out() -> None:
    assert informative_stems("When does the passport of Maria expire?") == ["passport", "maria", "expir"]
    assert informative_stems("Πότε λήγει το διαβατήριο της Μαρίας;") == ["ληγ", "διαβατηρ", "μαρ"]


def test_names_are_capitals_that_open_no_sentence() -> None:
    assert names("When does Maria go? Then Nikos and Άννα go.") == ["Maria", "Nikos", "Άννα"]
    assert numbers("on 3 June 2027 at 7:30") == ["3", "2027", "7:30"]


def test_tokens_are_a_quarter_of_the_bytes_rounded_up() -> None:
    assert [count_tokens(text) for text in ("", "a", "abcd", "abcde", "αβγ", "\ud800")] == [0, 1, 1, 2, 2, 1]
