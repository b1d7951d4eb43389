"""The part ``ocr``: how many characters OCR reads wrongly, and whether it knows.

Texts of the sets named ``.../en`` and ``.../el`` (XQuAD) are printed on pages, spoilt in the ways in which pages come
(``ocr_pages``), and read by `f.core.ocr` as a job does it. The character error rate is the Levenshtein distance between
what was printed and what was read, white space made even, over the length of what was printed: all pages together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean
from time import perf_counter

from evaluation.data import EvaluationSet
from evaluation.ocr_pages import CONDITIONS, Condition, NoFonts, fonts, print_pages
from evaluation.report import Results, Row, bar_plot, print_table, save_plot
from f.core.ocr import OcrMissing, read_images, require_ocr
from f.core.ocr_confidence import LOW_CONFIDENCE

LANGUAGES = {"en": "English", "el": "Greek"}
MOST_WRONG = {"en": 0.015, "el": 0.025}
"""The character error rates that are aimed at, on clean pages."""

CLEAN_PAGES, SPOILT_PAGES = 12, 4
_BADLY_READ = 0.05
_CONFIDENCES = (0.0, 0.5, 0.6, 0.7, LOW_CONFIDENCE, 0.8, 0.85, 0.9, 0.95, 1.0)


@dataclass(frozen=True, slots=True)
class ReadPage:
    """How well a page was read.

    Attributes:
        wrong: The distance between what was read and what was printed.
        length: How many characters were printed.
        confidence: What OCR says of it.
    """

    wrong: int
    length: int
    confidence: float

    @property
    def error_rate(self) -> float:
        """The character error rate of this page alone."""
        return self.wrong / self.length


def measure(sets: Sequence[EvaluationSet], folder: Path) -> None:
    """Measure, print the tables, and write results and a plot; some ten minutes on two cores.

    Args:
        sets: What was found in the data.
        folder: Where ``ocr.jsonl`` and the plot go.
    """
    known = {code: chosen for chosen in sets if (code := chosen.name.rsplit("/")[-1]) in LANGUAGES}
    try:
        require_ocr()
        printed_with = ", ".join(Path(font).stem for font in fonts())
    except (OcrMissing, NoFonts) as missing:
        print(f"\nocr: left out. {missing}")
        return
    if not known:
        print("\nocr: left out, because the data has no set named .../en or .../el.")
        return
    print(f"\nocr: pages of A4, 11 points, printed with {printed_with}")
    results, pages, rows = Results(folder, "ocr"), list[ReadPage](), list[Row]()
    for condition in CONDITIONS:
        for code, chosen in known.items():
            found, seconds = read([passage.text for passage in chosen.passages], condition)
            rows.append(_row(code, condition, found, seconds))
            pages += found
            print(f"{condition.name}, {LANGUAGES[code]}: {100 * error_rate(found):.2f} % wrong", flush=True)
    tables = {
        "OCR: character error rates, as shares": rows,
        "OCR: what is aimed at, on clean pages": _targets(rows),
        "OCR: what its confidence says, over all pages": _confidences(pages),
        f"OCR: pages said to be doubtful (confidence below {LOW_CONFIDENCE})": [_warned(pages)],
    }
    for (title, table), name in zip(tables.items(), ("pages", "targets", "confidence", "doubtful"), strict=True):
        print_table(title, table)
        for row in table:
            results.add(name, row)
    _plot(rows, folder)
    print(f"\nresults: {results.save()}")


def read(passages: Sequence[str], condition: Condition, most: int | None = None) -> tuple[list[ReadPage], float]:
    """Print passages, read the pages, and return how well each was read, with the seconds for all.

    Args:
        passages: What to print.
        condition: How the pages are.
        most: How many pages at most; `CLEAN_PAGES` or `SPOILT_PAGES` when missing.
    """
    pages = list(print_pages(passages, condition, most or (CLEAN_PAGES if condition.clean else SPOILT_PAGES)))
    began = perf_counter()
    found = dict(read_images((number, page.image) for number, page in enumerate(pages)))
    seconds = perf_counter() - began
    return [
        ReadPage(distance(page.text, found[number].text), len(_even(page.text)), found[number].confidence)
        for number, page in enumerate(pages)
    ], seconds


def distance(printed: str, found: str) -> int:
    """Return how many characters must be changed, put in or left out, white space made even."""
    from rapidfuzz.distance import Levenshtein  # noqa: PLC0415 -- nothing else here needs it

    return int(Levenshtein.distance(_even(printed), _even(found)))


def error_rate(pages: Sequence[ReadPage]) -> float:
    """Return the character error rate of pages together."""
    return sum(page.wrong for page in pages) / sum(page.length for page in pages)


def _even(text: str) -> str:
    """Return a text with one space wherever there is white space."""
    return " ".join(text.split())


def _row(code: str, condition: Condition, pages: Sequence[ReadPage], seconds: float) -> Row:
    """Return what is told of the pages of one language in one condition."""
    return {
        "pages as": condition.name,
        "language": LANGUAGES[code],
        "clean": "yes" if condition.clean else "no",
        "pages": len(pages),
        "error rate": error_rate(pages),
        "worst page": max(page.error_rate for page in pages),
        "confidence": mean(page.confidence for page in pages),
        "s a page": seconds / len(pages),
    }


def _targets(rows: Sequence[Row]) -> list[Row]:
    """Say for each language whether it is read well enough."""
    wanted = {LANGUAGES[code]: most for code, most in MOST_WRONG.items()}
    return [
        {
            "pages as": row["pages as"],
            "language": row["language"],
            "at most": wanted[str(row["language"])],
            "measured": row["error rate"],
            "reached": "yes" if float(row["error rate"] or 0) <= wanted[str(row["language"])] else "NO",
        }
        for row in rows
        if row["clean"] == "yes"
    ]


def _confidences(pages: Sequence[ReadPage]) -> list[Row]:
    """Return the error rate of pages by what OCR says of them."""
    rows = list[Row]()
    for least, below in pairwise(_CONFIDENCES):
        within = [page for page in pages if least <= page.confidence < below]
        if within:
            rows.append({"from": least, "below": below, "pages": len(within), "error rate": error_rate(within)})
    return rows


def _warned(pages: Sequence[ReadPage]) -> Row:
    """Return how many of the badly read pages, and of the others, are said to be doubtful."""
    bad = [page for page in pages if page.error_rate > _BADLY_READ]
    good = [page for page in pages if page.error_rate <= _BADLY_READ]
    return {
        "error rate above": _BADLY_READ,
        "pages above": len(bad),
        "of them doubtful": sum(page.confidence < LOW_CONFIDENCE for page in bad),
        "pages not above": len(good),
        "of those doubtful": sum(page.confidence < LOW_CONFIDENCE for page in good),
    }


def _plot(rows: Sequence[Row], folder: Path) -> None:
    """Draw the error rates."""
    names = list(dict.fromkeys(str(row["pages as"]) for row in rows))
    series = {
        language: [
            100 * float(row["error rate"] or 0)
            for name in names
            for row in rows
            if (row["pages as"], row["language"]) == (name, language)
        ]
        for language in dict.fromkeys(str(row["language"]) for row in rows)
    }
    save_plot(bar_plot("OCR: characters read wrongly", names, series, "%"), folder, "ocr")
