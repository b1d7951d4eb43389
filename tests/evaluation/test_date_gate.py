"""Dates in texts: what `make evaluate` measures of them, kept from becoming worse; the least is slightly below it."""

from pathlib import Path

import pytest

from evaluation.data import DataError
from evaluation.dates import FOLDER, HALVES, read_phrasings, score
from f.core.dates import FoundDate

LEAST = {
    ("development", "english"): (0.99, 0.96), ("development", "greek"): (0.96, 0.95),
    ("held_out", "english"): (0.93, 0.91), ("held_out", "greek"): (0.95, 0.84),
}  # fmt: skip


@pytest.mark.parametrize(("half", "language"), LEAST)
def test_dates_are_found_as_well_as_they_were(half: str, language: str) -> None:
    least_precision, least_recall = LEAST[half, language]
    told = score(one for one in read_phrasings(half) if one.language == language)

    assert told.precision >= least_precision
    assert told.recall >= least_recall


def test_the_phrasings_are_many_in_both_languages_and_many_hold_no_date_that_counts() -> None:
    phrasings = [one for half in HALVES for one in read_phrasings(half)]
    positive = [one for one in phrasings if one.counting]
    assert len(phrasings) >= 500
    assert sum(one.language == "greek" for one in positive) >= len(positive) * 0.35
    assert len(phrasings) - len(positive) >= 100
    assert len({one.text for one in phrasings}) == len(phrasings)


def flags(date: FoundDate) -> set[str]:
    """Say what applies to a date that was found, in the words of the phrasings."""
    told: dict[str, bool] = {"computed": date["computed"], "ambiguous": date["ambiguous"], date["precision"]: True}
    return {name for name, applies in told.items() if applies} - {"day"}


def test_what_is_ambiguous_computed_or_less_than_a_day_is_said_so_of_whatever_is_found() -> None:
    wrong = []
    for one in (phrasing for half in HALVES for phrasing in read_phrasings(half)):
        told = {(str(date["kind"]), date["date"]): flags(date) for date in one.all_found()}
        wrong += [
            (one.text, date)
            for date in one.dates
            if (date.kind, date.day) in told and told[date.kind, date.day] != date.flags
        ]
    assert wrong == []


def test_a_phrasing_that_is_malformed_is_refused(tmp_path: Path) -> None:
    assert {file.stem for file in FOLDER.glob("*.yaml")} == set(HALVES)
    for entry in (
        '- {text: "a", source: b, form: word, dates: [birth 2026-01-01]}',
        '- {text: "a", source: b, form: word, dates: [other 2026-01-01]}',
        '- {text: "a", source: b, form: negative, dates: [due 2026-01-01]}',
        '- {text: "a", source: b, form: roman, dates: [due 2026-01-01]}',
        '- {text: "a", source: b, form: word, dates: [due 2026-01-01 maybe]}',
    ):
        (tmp_path / "held_out.yaml").write_text(entry, "utf-8")
        with pytest.raises(DataError):
            read_phrasings("held_out", tmp_path)
