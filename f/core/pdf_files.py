"""PDF: pages with words are read as they are, pages that are pictures by OCR.

Shared module, pure but for tesseract. A page counts as a picture when it has next to no letters, or letters that mean
nothing, and something is drawn on it. Of a scan with a stamp, the words of the stamp are read as they are and the rest
by OCR. What is filled in into a form is read with the page.
"""

# extra_requirements:
# pypdfium2==5.15.2

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from f.core.clean_text import tidy, title_of
from f.core.ocr_confidence import is_doubtful
from f.core.parsed_parts import Extracted, ParsingSettings, Unreadable, Work
from f.core.pdf_layout import Block, page_blocks, plain_blocks
from f.core.pdf_markdown import write_pages
from f.core.pdf_words import PdfWord, page_rules, page_words
from f.core.scanned_pages import ScannedPages, pages_named, read_scans

if TYPE_CHECKING:
    from PIL.Image import Image

_DPI = 300
_POINTS = 72
_FEW_LETTERS = 20
_STAMP_LETTERS = 200
_LARGE_PICTURE = 0.4
_LETTERS_OVER_SCAN = 400
_SHARE_OVER_SCAN = 0.05
"""So many letters over a picture, or so much of it under words: then they are its text, or it is their background."""

_MEANINGLESS = 0.3
_STRANGE = re.compile("[\ue000-\uf8ff\ufffd\0-\x1f]")
"""What a font gives for letters of which it has no table."""

_WRONG_PASSWORD = 4
_UNKNOWN_SECURITY = 5
_FILE_NAMES = (
    ".doc",
    ".docx",
    ".pdf",
    ".xls",
    ".xlsx",
    ".ppt",
    ".pptx",
    ".indd",
    ".qxd",
    ".tif",
    ".rtf",
    ".odt",
    ".tex",
)
_MOST_PICTURES = 500
_NO_TITLES = ("untitled", "unknown", "document", "powerpoint presentation", "slide 1", "print", "scan", "(anonymous)")

_Box = tuple[float, float, float, float]
"""Left, bottom, right and top."""


@dataclass(slots=True)
class _Pages:
    """What was found on the pages.

    Attributes:
        blocks: Of each page.
        scanned: Pages that are pictures.
        stamped: Pages that have words, and a large picture that may have others.
        broken: Pages that cannot be loaded.
    """

    blocks: list[list[Block]] = field(default_factory=list)
    scanned: list[int] = field(default_factory=list)
    stamped: list[int] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)


def read_pdf(content: bytes, work: Work) -> Extracted:
    """Read a PDF."""
    with closing(_opened(content)) as document:
        count = len(document)
        if count > work.settings.maximum_pages:
            most = work.settings.maximum_pages
            raise Unreadable("too_many_pages", f"It has {count:,} pages; at most {most:,} are allowed. Split it.")
        if not count:
            raise Unreadable("damaged", "The PDF has no pages.")
        pages = _read_pages(document, count, work)
        texts = [tidy(text) for text in write_pages(pages.blocks)]
        warnings = _attachments(document)
        scans = _read_scanned(document, pages, count, texts, work, warnings)
        return _put_together(document, texts, pages, scans, warnings)


def _opened(content: bytes) -> Any:
    """Open a PDF; one that only forbids changes needs no password."""
    import pypdfium2  # noqa: PLC0415 -- only where there is a PDF

    try:
        document = pypdfium2.PdfDocument(content)
        if document.get_formtype():
            document.init_forms()
        return document
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) in (_WRONG_PASSWORD, _UNKNOWN_SECURITY):
            raise Unreadable("encrypted", "The PDF needs a password. Save it without one, and hand that in.") from None
        raise Unreadable("damaged", "The PDF is damaged or not complete.") from None


def _read_pages(document: Any, count: int, work: Work) -> _Pages:
    """Read the words of all pages, and note which are pictures."""
    import pypdfium2  # noqa: PLC0415

    found = _Pages()
    for number in work.steps(count):
        blocks: list[Block] = []
        try:
            page = _page(document, number)
            with closing(page), closing(page.get_textpage()) as text_page:
                words = page_words(text_page)
                letters = sum(len(word.text) for word in words)
                strange = sum(len(_STRANGE.findall(word.text)) for word in words)
                if _is_picture(page, letters, strange):
                    found.scanned.append(number)
                elif letters >= _STAMP_LETTERS and _is_stamped(page, words):
                    found.stamped.append(number)
                if strange <= letters * _MEANINGLESS:
                    blocks = _arranged(words, page)
        except pypdfium2.PdfiumError:
            found.broken.append(number)
        found.blocks.append(blocks)
    return found


def _arranged(words: list[PdfWord], page: Any) -> list[Block]:
    """Arrange the words of a page; where that fails, its lines as they are serve better than no file."""
    try:
        return page_blocks(words, page_rules(page))
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return plain_blocks(words)


def _page(document: Any, number: int) -> Any:
    """Load a page, with what is filled in on it as part of it."""
    page = document[number]
    if document.formenv:
        page.flatten()
        page.close()
        page = document[number]
    return page


def _is_picture(page: Any, letters: int, strange: int) -> bool:
    """Tell whether a page has to be read by OCR."""
    import pypdfium2.raw as pdfium  # noqa: PLC0415

    if letters >= _STAMP_LETTERS:
        return strange > letters * _MEANINGLESS
    if letters < _FEW_LETTERS and pdfium.FPDFPage_CountObjects(page.raw) > (1 if letters else 0):
        return letters == 0 or _picture_share(page, _largest_picture(page)) > _LARGE_PICTURE / 4
    return _picture_share(page, _largest_picture(page)) >= _LARGE_PICTURE


def _is_stamped(page: Any, words: list[PdfWord]) -> bool:
    """Tell whether most of a page is a picture that few of its words lie over."""
    box = _largest_picture(page)
    if _picture_share(page, box) < _LARGE_PICTURE:
        return False
    left, bottom, right, top = box
    turned = page.get_rotation() != 0  # then the words have other places than the picture
    over = [word for word in words if turned or (left <= word.left <= right and bottom <= word.baseline <= top)]
    covered = sum((word.right - word.left) * word.size for word in over)
    letters = sum(len(word.text) for word in over)
    return letters < _LETTERS_OVER_SCAN and covered < _SHARE_OVER_SCAN * (right - left) * (top - bottom)


def _picture_share(page: Any, box: _Box) -> float:
    """Return how much of a page a box takes."""
    width, height = page.get_size()
    left, bottom, right, top = box
    return float((right - left) * (top - bottom) / max(1.0, width * height))


def _largest_picture(page: Any) -> _Box:
    """Return the box of the largest picture on a page."""
    import pypdfium2.raw as pdfium  # noqa: PLC0415

    pictures = page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3)
    boxes = (picture.get_bounds() for picture in islice(pictures, _MOST_PICTURES))
    return max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), default=(0.0, 0.0, 0.0, 0.0))


def _read_scanned(
    document: Any, pages: _Pages, count: int, texts: list[str], work: Work, warnings: list[str]
) -> ScannedPages:
    """Read the pages that are pictures by OCR; without OCR, a document that is mostly words goes without them."""
    most, scanned = work.settings.maximum_ocr_pages, len(pages.scanned)
    if scanned > most:
        raise Unreadable("too_many_pages", f"It has {scanned:,} scanned pages; at most {most:,} are read. Split it.")
    if too_many := pages.stamped[most - scanned :]:
        warnings.append(f"{pages_named(too_many)}: The picture behind the words was not read; there are too many.")
    numbers = sorted(pages.scanned + pages.stamped[: most - scanned])
    if not numbers:
        return ScannedPages()
    try:
        return read_scans(_pictures(document, numbers, pages, work.settings), len(numbers), work)
    except Unreadable as error:
        if error.failure.code != "ocr_missing" or scanned * 2 > count or not any(texts):
            raise
        for missing, what in (
            (pages.scanned, "Not read"),
            (pages.stamped, "The picture behind the words was not read"),
        ):
            if missing:
                warnings.append(f"{pages_named(missing)}: {what}, because this worker has no OCR.")
        return ScannedPages()


def _pictures(
    document: Any, numbers: list[int], pages: _Pages, settings: ParsingSettings
) -> "Iterator[tuple[int, Image | bytes]]":
    """Draw pages, each when it is asked for; those with a stamp without their words, which are known."""
    for number in numbers:
        with closing(_page(document, number)) as page:
            if number in pages.stamped:
                _hide_words(page)
            width, height = page.get_size()
            scale = _DPI / _POINTS
            scale = min(scale, (settings.maximum_pixels / max(1.0, width * height)) ** 0.5)
            bitmap = page.render(scale=scale, grayscale=True)
            with closing(bitmap):
                yield number, bitmap.to_pil().copy()


def _hide_words(page: Any) -> None:
    """Make the words of a page invisible in its picture."""
    import pypdfium2.raw as pdfium  # noqa: PLC0415

    for words in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT], max_depth=3):
        pdfium.FPDFTextObj_SetTextRenderMode(words.raw, pdfium.FPDF_TEXTRENDERMODE_INVISIBLE)


def _put_together(
    document: Any, texts: list[str], pages: _Pages, scans: ScannedPages, warnings: list[str]
) -> Extracted:
    """Put the pages together; of a page that was read twice, the longer text is taken, or both where they differ."""
    if doubtful := [n for n in pages.stamped if n in scans.texts and is_doubtful(scans.confidences[n])]:
        warnings.append(f"{pages_named(doubtful)}: The words in the picture are too doubtful, and were left out.")
        for number in doubtful:
            del scans.texts[number]
    for number in pages.stamped:
        if number in scans.texts and not _says_the_same(scans.texts[number], texts[number]):
            scans.texts[number] += f"\n\n{texts[number]}"
    read = [number for number in scans.texts if len(scans.texts[number]) > len(texts[number])]
    for number in read:
        texts[number] = scans.texts[number]
    if not any(texts):
        if len(pages.broken) == len(texts):
            raise Unreadable("damaged", "The pages of the PDF are damaged.")
        raise Unreadable("no_text", "The PDF holds no text, and none could be recognised on its pages.")
    if pages.broken:
        warnings.append(f"{pages_named(pages.broken)}: Damaged, and not read.")
    scans.problems = {text: kept for text, found in scans.problems.items() if (kept := _unread(found, read, texts))}
    return Extracted(
        "\f".join(texts),
        _title(document, texts),
        len(texts),
        len(pages.scanned) + sum(number in pages.stamped for number in read) if scans.texts or scans.problems else 0,
        scans.confidence(),
        [*warnings, *scans.warnings()],
    )


def _says_the_same(one: str, other: str) -> bool:
    """Tell whether most words of a text are in another one, as where OCR was done before."""
    words = set(one.split())
    return 2 * len(words.intersection(other.split())) > len(words)


def _unread(numbers: list[int], read: list[int], texts: list[str]) -> list[int]:
    """Return of some pages those whose words are by OCR, or that have none."""
    return [number for number in numbers if number in read or not texts[number]]


def _attachments(document: Any) -> list[str]:
    """Say what is attached to the PDF, because it is not read."""
    count = document.count_attachments()
    return [f"Files that are attached inside of the PDF were not read ({count})."] if count > 0 else []


def _title(document: Any, texts: list[str]) -> str | None:
    """Return the title of the file's properties where somebody has set one, else the first heading."""
    title = title_of(document.get_metadata_value("Title"))
    if title and not title.lower().endswith(_FILE_NAMES) and title.lower() not in _NO_TITLES:
        lowered = title.lower()
        if not lowered.startswith(("microsoft word - ", "microsoft powerpoint - ", "untitled")) and len(title) > 2:
            return title
    for line in texts[0].split("\n"):
        if line.startswith("#"):
            return title_of(line.lstrip("# "))
    return None
