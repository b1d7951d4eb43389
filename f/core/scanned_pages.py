"""Pages that are pictures: read by OCR, with how sure it is and what could not be read.

Shared module, pure but for tesseract (``ocr``). It stands between the parsers, which have pictures of pages, and OCR,
which knows nothing of files.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from f.core.clean_text import tidy
from f.core.ocr import OcrMissing, read_images
from f.core.parsed_parts import Unreadable, Work

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST_NAMED = 20


@dataclass(slots=True)
class ScannedPages:
    """What OCR has read.

    Attributes:
        texts: The text of each page that has any, by its number from 0.
        confidences: How sure it is of each, from 0 to 1.
        problems: The numbers of the pages to which each warning applies.
    """

    texts: dict[int, str] = field(default_factory=dict)
    confidences: dict[int, float] = field(default_factory=dict)
    problems: dict[str, list[int]] = field(default_factory=dict)

    def confidence(self) -> float | None:
        """Return how sure it is of all pages together, each weighing as much as it has characters."""
        weights = {number: len(text) for number, text in self.texts.items()}
        total = sum(weights.values())
        if not total:
            return None
        return sum(self.confidences[number] * weight for number, weight in weights.items()) / total

    def warnings(self) -> list[str]:
        """Return the warnings as sentences that name their pages."""
        return [f"{pages_named(numbers)}: {warning}" for warning, numbers in self.problems.items()]


def read_scans(
    images: "Iterable[tuple[int, Image | bytes]]", total: int, work: Work, done: float = 0.0
) -> ScannedPages:
    """Read pictures of pages.

    Args:
        images: Each with the number of its page; taken one by one.
        total: How many there are.
        work: The limits; told of each page.
        done: How much of the file was done before.

    Raises:
        Unreadable: When this machine has no OCR, so that a later try on another one may succeed.
    """
    found = ScannedPages()
    try:
        pages = read_images(images, work.settings.ocr_languages, deadline=work.deadline)
        for count, (number, page) in enumerate(pages, 1):
            if page.text.strip():
                found.texts[number] = tidy(page.text.replace("\f", "\n"))
                found.confidences[number] = page.confidence
            if page.warning:
                found.problems.setdefault(page.warning, []).append(number)
            work.moved(done + (1 - done) * count / max(1, total))
    except OcrMissing as error:
        raise Unreadable("ocr_missing", str(error)) from None
    return found


def pages_named(numbers: Iterable[int]) -> str:
    """Name pages by their numbers from 0, as ``Page 3`` or ``Pages 3, 4``."""
    shown = [f"{number + 1}" for number in sorted(numbers)]
    more = f" and {len(shown) - _MOST_NAMED} more" if len(shown) > _MOST_NAMED else ""
    return f"Page{'s' if len(shown) > 1 else ''} {', '.join(shown[:_MOST_NAMED])}{more}"
