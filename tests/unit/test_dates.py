# ruff: noqa: RUF001 - Greek letters are meant here
"""Dates in texts: forms, meanings, places, periods, and time that is linear in any text."""

import random
import sys
import time
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f.core.date_durations import Duration, end_of
from f.core.date_forms import folded, written_dates
from f.core.dates import KINDS, FoundDate, find_dates, suggested_expiry

PIECES = (
    *("31/12/2026", "2026-01-31", "31.1.2026", "1 January 2027", "January 31, 2026", "31η Ιανουαρίου 2026", "02/2027"),
    *(
        "valid until ",
        "expires on ",
        "λήγει στις ",
        "έως ",
        "from ",
        " to ",
        "for two years from ",
        "within 30 days of ",
    ),
    *(
        "|",
        "\n",
        "| Expiry |",
        "- ",
        "1",
        "12 ",
        "/",
        ".",
        " ",
        "\f",
        "\u0301",
        "\u200b",
        "Date of birth: ",
        "(",
        "é",
        "εντός",
    ),
)


def only(text: str, order: str = "day_first") -> FoundDate:
    """Find the one date of a text."""
    [found] = find_dates(text, "month_first" if order == "month_first" else "day_first", KINDS)
    return found


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-31", "2026/01/31", "31/01/2026", "31.1.2026", "31-01-26", "31 / 01 / 2026", "31 01 2026",
        "January 31, 2026", "Jan. 31 '26", "31 January 2026", "31st of January 2026", "31st January, 2026",
        "the 31st day of January, 2026", "31-Jan-2026", "31JAN2026", "31 JAN/JAN 26", "31 Ιανουαρίου 2026",
        "31 ΙΑΝΟΥΑΡΙΟΥ 2026", "31 Ιαν 2026", "31η Ιανουαρίου 2026", "31 Ιανουαρίου του 2026", "31η.1.2026",
        "2026-01-31T12:00:00Z", "31\u00a0January\u00a02026", "31\u20111\u20112026", "31\nJanuary 2026",
    ],
)  # fmt: skip
def test_a_day_is_read_in_every_form(written: str) -> None:
    found = only(f"Valid until {written}.")
    assert (found["date"], found["kind"], found["precision"], found["ambiguous"]) == (
        "2026-01-31", "expiry", "day", False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("written", "day", "precision"),
    [
        ("January 2026", "2026-01-31", "month"), ("the end of February 2028", "2028-02-29", "month"),
        ("02/2027", "2027-02-28", "month"), ("02/27", "2027-02-28", "month"), ("2027-02", "2027-02-28", "month"),
        ("Ιανουάριος 2026", "2026-01-31", "month"), ("το τέλος Φεβρουαρίου 2028", "2028-02-29", "month"),
        ("the end of 2026", "2026-12-31", "year"), ("τέλος του 2026", "2026-12-31", "year"),
        ("the beginning of March 2027", "2027-03-01", "month"),
    ],
)  # fmt: skip
def test_a_month_or_a_year_ends_with_its_last_day_and_says_so(written: str, day: str, precision: str) -> None:
    found = only(f"Expiry date: {written}")
    assert (found["date"], found["precision"]) == (day, precision)


@pytest.mark.parametrize(
    "written",
    ["31/02/2026", "29 February 2027", "32.1.2026", "00/01/2026", "2026-13-01", "31 Απριλίου 2026", "1/1/1799"],
)
def test_a_day_that_no_calendar_has_is_no_date(written: str) -> None:
    assert find_dates(f"Valid until {written}", "day_first", KINDS) == []


def test_the_other_dates_of_a_text_tell_how_its_writer_puts_them() -> None:
    alone = only("Valid until 03/04/2026", "month_first")
    assert (alone["date"], alone["other_reading"], alone["read_by"]) == ("2026-03-04", "2026-04-03", "setting")
    for text, day in (
        ("Issued 28/02/2026. Valid until 03/04/2027.", "2027-04-03"),
        ("Issued 02/28/2026. Valid until 03/04/2027.", "2027-03-04"),
    ):
        for order in ("day_first", "month_first"):
            found = find_dates(text, "month_first" if order == "month_first" else "day_first")[0]
            assert (found["date"], found["ambiguous"], found["read_by"]) == (day, False, "text")
    both = find_dates("28/02/2026, 02/28/2026. Valid until 03/04/2027.", "day_first")[0]
    assert (both["date"], both["ambiguous"], both["read_by"]) == ("2027-04-03", True, "setting")
    assert only("Valid until 05/05/2026")["read_by"] == "form"


@pytest.mark.parametrize(
    ("day", "count", "unit", "included", "last"),
    [
        ((2026, 5, 1), 2, "year", False, (2028, 5, 1)), ((2026, 5, 1), 2, "year", True, (2028, 4, 30)),
        ((2024, 2, 29), 1, "year", False, (2025, 2, 28)), ((2024, 2, 29), 1, "year", True, (2025, 2, 28)),
        ((2024, 2, 29), 4, "year", False, (2028, 2, 29)), ((2026, 1, 31), 1, "month", False, (2026, 2, 28)),
        ((2028, 1, 31), 1, "month", True, (2028, 2, 29)), ((2026, 1, 1), 1, "month", True, (2026, 1, 31)),
        ((2026, 12, 15), 30, "day", False, (2027, 1, 14)), ((2026, 12, 15), 2, "week", True, (2026, 12, 28)),
    ],
)  # fmt: skip
def test_periods_end_on_the_day_that_the_law_counts(
    day: tuple[int, int, int], count: int, unit: str, included: bool, last: tuple[int, int, int]
) -> None:
    period = Duration(0, 0, count, unit, within=False, included=included)
    assert end_of(date(*day), period) == date(*last)
    assert end_of(date(9999, 1, 1), Duration(0, 0, 999, "year", within=False, included=False)) is None


def test_what_is_computed_quotes_the_period_and_its_first_day() -> None:
    text = "This warranty is valid for two years from 1 May 2026."
    computed, start = sorted(find_dates(text, "day_first", KINDS), key=lambda one: not one["computed"])
    assert (computed["date"], computed["kind"], computed["quote"]) == (
        "2028-05-01", "expiry", "two years from 1 May 2026",
    )  # fmt: skip
    assert (start["date"], start["kind"], start["quote"]) == ("2026-05-01", "start", "1 May 2026")


def test_places_are_those_of_the_text_as_it_is_even_where_characters_are_not_seen() -> None:
    text = "Η α\u0301δεια λη\u0301γει στις 3\u200b1/12/2\u00ad026.\f\r\nValid until 1 May 2027"
    first, second = find_dates(text, "day_first")
    assert (first["quote"], first["date"], first["page"]) == ("3\u200b1/12/2\u00ad026", "2026-12-31", 1)
    assert (second["quote"], second["date"], second["page"]) == ("1 May 2027", "2027-05-01", 2)


def test_a_column_is_read_by_its_title() -> None:
    table = "| Item | From | Until |\n|---|---|---|\n" + "| Roof | 1 May 2026 | 30 April 2027 |\n" * 3
    found = find_dates(table, "day_first", KINDS)
    assert [(one["kind"], one["date"]) for one in found] == [("start", "2026-05-01"), ("expiry", "2027-04-30")] * 3


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Date of issue Date of expiry\n19 FEB 2021 18 FEB 2031", ["issued", "expiry"]),
        ("Date of issue / Date of expiry\n19.02.2021 18.02.2031", ["issued", "expiry"]),
        ("Start date\tEnd date\n25/02/2027\t31/01/2028", ["start", "expiry"]),
        ("From\tTo\r\n25/02/2027\t31/01/2028\r\n", ["start", "expiry"]),
        ("Έναρξη\tΛήξη\n25/02/2027\t31/01/2028", ["start", "expiry"]),
        ("Ημ. έκδοσης   Ημ. λήξης\n19/02/2027   18/02/2031", ["issued", "expiry"]),
        ("Start date\nEnd date\n25/02/2027\n31/01/2028", ["start", "expiry"]),
        ("Start date\n25/02/2027\nEnd date\n31/01/2028", ["start", "expiry"]),
        ("Invoice date\tDue date\n20/11/2026\t20/12/2026", ["issued", "due"]),
        ("Item\tPurchased\tWarranty ends\nFridge\t25/02/2027\t25/02/2029", [None, "expiry"]),
        ("Lines  From    Until\nRoof  1 May 2026  30 April 2027\nWall  2 May 2026  1 May 2027",
         ["start", "expiry", "start", "expiry"]),
        ("Date   Event\n31/12/2027   Deadline for applications\n30/11/2027   School trip", ["due", None]),
        ("Date of issue Date of expiry\n19 FEB 2021", [None]),
    ],
)  # fmt: skip
def test_dates_below_labels_are_told_by_the_label_that_has_their_place(text: str, kinds: list[str | None]) -> None:
    told = {one["start"]: one["kind"] for one in find_dates(text, "day_first", KINDS)}
    assert [told.get(one.start) for one in written_dates(folded(text))] == kinds


@pytest.mark.parametrize(
    "text",
    [
        "Offer ends 10/12!", "Valid until 10/12", "Λήγει 10/12", "Pay by 11/12 at the latest", "RSVP by 05/06",
        "Homework due 12/05", "Offer ends 10/27", "due: 12/24 boxes", "Renewal 05/27", "Due JUN-27", "Expires 03/12",
    ],
)  # fmt: skip
def test_a_day_and_a_month_are_no_month_and_year(text: str) -> None:
    assert find_dates(text, "day_first", KINDS) == []


@pytest.mark.parametrize(
    "text",
    [
        "Card expires 09/27", "GOOD THRU 09/27", "Valid thru (MM/YY): 09/27", "EXP DATE\n09/27", "EXP SEP/27",
        "Λήξη: 09/27", "Ανάλωση κατά προτίμηση πριν από το τέλος: 09/27",
        "| Card | Expires |\n|---|---|\n| Visa | 09/27 |",
    ],
)  # fmt: skip
def test_on_cards_and_labels_a_month_may_have_two_digits_of_a_year(text: str) -> None:
    found = only(text)
    assert (found["kind"], found["date"], found["precision"]) == ("expiry", "2027-09-30", "month")


@pytest.mark.parametrize(
    "text",
    [
        "Pay by BACS: sort code 10-11-12", "Payment by transfer: Sort code 12-10-26", "Valid until release 10.11.12",
        "Firmware 1.12.26 expires", "Regulation 5.6.20: due notice is given", "Ο όρος 3.4.21 ισχύει έως ανακλήσεως",
    ],
)  # fmt: skip
def test_the_number_of_something_is_no_date(text: str) -> None:
    assert find_dates(text, "day_first", KINDS) == []


@pytest.mark.parametrize("number", ["Sort code 20-11-26", "Version 13.2.2026", "Part no 25.10.20", "Code 25-10-20"])
def test_what_is_no_date_does_not_tell_how_its_writer_puts_them(number: str) -> None:
    found = only(f"{number}. This card expires 03/04/2027.", "month_first")
    assert (found["date"], found["ambiguous"]) == ("2027-03-04", True)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("Expiry date (MM/DD/YYYY): 03/04/2027", "2027-03-04"), ("Expiry date (DD/MM/YYYY): 03/04/2027", "2027-04-03"),
        ("Expires 03/04/2027 (mm/dd/yyyy)", "2027-03-04"), ("Ημερομηνία λήξης (ηη/μμ/εεεε): 03/04/2027", "2027-04-03"),
        ("| Item | Expires (dd.mm.yyyy) |\n|---|---|\n| A | 31.01.2027 |\n| B | 03.04.2027 |", "2027-04-03"),
    ],
)  # fmt: skip
def test_a_form_that_is_printed_beside_a_date_tells_its_order(text: str, day: str) -> None:
    for order in ("day_first", "month_first"):
        found = find_dates(text, "month_first" if order == "month_first" else "day_first")[-1]
        assert (found["date"], found["ambiguous"], found["read_by"]) == (day, False, "text")


@pytest.mark.parametrize(
    "text",
    [
        "The licence does not expire on 3 May 2027.", "Δεν λήγει στις 31/12/2026",
        "It will not expire before 3 May 2027", "No payment is due until 1 June 2027",
        "You do not need to pay before 3 May 2027",
        "Autumn term ends: 18 December 2026", "Last day of term: 18 December 2026", "End of spring term: 18 March 2027",
    ],
)  # fmt: skip
def test_what_is_denied_or_ends_a_term_of_school_does_not_count(text: str) -> None:
    assert find_dates(text, "day_first") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("If you do not pay by 3 May 2027 it ends.", "due 2027-05-03"),
        ("The licence does not expire until 3 May 2027.", "expiry 2027-05-03"),
        ("The licence has been renewed until 3 May 2027.", "expiry 2027-05-03"),
        ("The lease shall terminate on the 31st day of August, 2027.", "expiry 2027-08-31"),
        ("Your cover stops on 30 September 2026.", "expiry 2026-09-30"),
        ("Your cover will stop on 30 September 2026.", "expiry 2026-09-30"),
        ("The policy will be cancelled with effect from 3 May 2027.", "expiry 2027-05-03"),
        ("This passport is not valid for travel after 18 Feb 2031.", "expiry 2031-02-18"),
        ("The contract ends in March 2027.", "expiry 2027-03-31"),
        ("Valid until 2027", "expiry 2027-12-31"), ("The card expires 2031.", "expiry 2031-12-31"),
        ("notAfter=Feb 08 2027", "expiry 2027-02-08"), ("Rent review: 1 January 2028", "due 2028-01-01"),
        ("Next dose: 3 March 2027", "due 2027-03-03"), ("Λύεται αυτοδικαίως στις 30 Ιουνίου 2027", "expiry 2027-06-30"),
        ("Επόμενη καταβολή: 25/12/2026", "due 2026-12-25"), ("Α' δόση ΕΝΦΙΑ: 31/03/2027", "due 2027-03-31"),
        ("Due on the 1st and 15th of March 2027", "due 2027-03-01, due 2027-03-15"),
        ("Δόσεις: 31/7/2027 και 30/9/2027", "due 2027-07-31, due 2027-09-30"),
    ],
)  # fmt: skip
def test_common_wordings_are_understood(text: str, told: str) -> None:
    found = find_dates(text, "day_first")
    assert ", ".join(f"{one['kind']} {one['date']}" for one in found) == told


@pytest.mark.parametrize(
    ("period", "day"),
    [
        ("2 years and 6 months", "2029-06-01"), ("one year, 6 months", "2028-06-01"),
        ("δύο έτη και έξι μήνες", "2029-06-01"),
        ("six months", "2027-06-01"), ("2 years and 10 days", None),
    ],
)  # fmt: skip
def test_years_and_months_are_counted_together_and_nothing_is_counted_in_part(period: str, day: str | None) -> None:
    found = find_dates(f"The warranty runs for {period} from 1 December 2026", "day_first")
    assert [one["date"] for one in found if one["computed"]] == ([day] if day else [])


@pytest.mark.parametrize("mark", ["birth", "issue", "the meeting", "purchase", "signature"])
def test_what_is_said_nearest_counts(mark: str) -> None:
    text = f"Expiry 31/12/2027 Date of {mark} 01/02/2020"
    assert [one["date"] for one in find_dates(text, "day_first")] == ["2027-12-31"]


def test_the_earliest_expiry_to_come_is_suggested_in_the_time_zone_and_nothing_ambiguous() -> None:
    text = "Valid until 03/04/2027. Expires 31/12/2029. Λήγει 30/06/2028. Due by 1 May 2027. Expired 1 May 2020."
    found = find_dates(text, "day_first")
    now = datetime(2026, 11, 1, tzinfo=UTC)
    assert suggested_expiry(found, now, "Europe/Athens") == "2027-04-03T23:59:59+03:00"  # the others tell its order
    alone = find_dates("Valid until 03/04/2027. Expires on 30 June 2028.", "day_first")
    assert suggested_expiry(alone, now, "Europe/Athens") == "2028-06-30T23:59:59+03:00"
    late = datetime(2028, 6, 30, 21, 30, tzinfo=UTC)
    assert suggested_expiry(alone, late, "Europe/Athens") is None  # it is the first of July there
    assert suggested_expiry(alone, late, "UTC") == "2028-06-30T23:59:59+00:00"


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_whatever_the_text_quotes_are_exact_and_in_order(text: str) -> None:
    found = find_dates(text, "day_first", KINDS)
    for one in found:
        assert text[one["start"] : one["end"]] == one["quote"]
        date.fromisoformat(one["date"])
        assert 0 < one["confidence"] <= 1
        assert (one["other_reading"] is None) is not one["ambiguous"]
        assert (one["page"] is None) is ("\f" not in text)
    plain = [one["start"] for one in found if not one["computed"]]
    assert plain == sorted(plain)


@given(st.text(max_size=300))
def test_folding_keeps_every_character_at_its_place(text: str) -> None:
    assert len(folded(text)) == len(text)
    assert all(0 <= one.start < one.end <= len(text) for one in written_dates(folded(text)))


HOSTILE = (
    "1", "1 ", "12.", " ", "\n", "12 / ", "january ", "1 january ", "1/1/", "31/12/2026 ", "31/12/2026|", "|", "until ",
    "| 31/12/2026 |\n", "- 31/12/2026\n", "valid a b c ", "from 1 to ", "31/12/2026 (", "ισχύ αβγ έως ",
    "12 months from ", "for a period of ", "next aa bb ", "\n\n31/12/2026", "λη\u0301ξη 1/1/2026 ", "due 1 and ",
    "a" * 50 + " ", "| 1/1/2026 ", "1 to 2 to 3 may 2026 ", "due  ends\n1/1/2026  1/1/2027\n", "due\nends\n1/1/2026\n",
)  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE, ids=ascii)
def test_no_text_takes_more_than_its_share_of_time(piece: str) -> None:
    """Eight times the text may take some eight times as long; what is quadratic takes sixty-four times."""

    def seconds(characters: int) -> float:
        text = piece * (characters // len(piece))
        begun = time.process_time()
        find_dates(text, "day_first", KINDS)
        return time.process_time() - begun

    seconds(1_000)
    small = min(seconds(8_000) for _ in range(2))
    most = 30 * max(small, 0.002)
    assert any(seconds(64_000) < most for _ in range(3))  # garbage may be collected meanwhile, but not each time


def test_each_cell_of_a_row_is_read_once_however_many_dates_are_in_it() -> None:
    def calls(cells: int) -> int:
        counted = 0

        def count(*_: object) -> None:
            nonlocal counted
            counted += 1

        before = sys.getprofile()
        sys.setprofile(count)
        try:
            find_dates("| 1/1/2026 " * cells, "day_first", KINDS)
        finally:
            sys.setprofile(before)
        return counted

    assert calls(80) < 2.5 * calls(40)


def test_a_mixture_of_all_of_it_is_read_in_time_too() -> None:
    mixed = random.Random(7).choices((*HOSTILE, *PIECES), k=20_000)
    begun = time.process_time()
    find_dates("".join(mixed), "day_first", KINDS)
    assert time.process_time() - begun < 60
