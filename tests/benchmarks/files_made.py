"""Files to read in benchmarks, made by real producers from real texts; and hostile ones."""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from html import escape
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path

import docx
import openpyxl
import pptx
from PIL import Image

from evaluation.ocr_pages import Condition, print_pages
from tests.files.passages import passages
from tests.files.producers import archive, converted, image_bytes, mail, many_pages_pdf, pages_pdf, saved, scanned_pdf

PAGES, SCANS, SLIDES, ROWS, TEXT_MB = 240, 6, 240, 20_000, 5
_SECTIONS, _PARAGRAPHS_OF_A_SECTION = 80, 10
_PRINTED = Condition("200 dpi", 200)


def usual_files() -> Iterator[tuple[str, bytes]]:
    """Make a file of each type, named as tables name it; those of LibreOffice where it is installed."""
    texts = [text for pair in zip(passages("en"), passages("el"), strict=True) for text in pair]
    made: dict[str, bytes] = {
        "PDF": pages_pdf([escape(text) for text in islice(cycle(texts), PAGES)]),
        "scanned PDF": scanned_pdf([page.image for page in print_pages(texts, _PRINTED, SCANS)]),
        "DOCX": _word_file(texts),
        "PPTX": _slides(texts),
        "XLSX": _sheet(texts),
        "HTML": _web_page(texts),
        "text": "\n\n".join(islice(cycle(texts), TEXT_MB * 1_000_000 // 1_200)).encode(),
        "PNG": image_bytes(next(print_pages(texts, _PRINTED, 1)).image, "PNG"),
    }
    if shutil.which("soffice"):
        with tempfile.TemporaryDirectory() as folder:
            made |= _of_libreoffice(Path(folder), made["DOCX"])
    made["EML"] = mail("Offer", texts[0], f"<p>{escape(texts[0])}</p>", {"a.docx": made["DOCX"], "b.pdf": made["PDF"]})
    names = {"a.docx": "DOCX", "b/c.pptx": "PPTX", "b/d.xlsx": "XLSX", "e.html": "HTML", "f.txt": "text"}
    made["ZIP"] = archive({name: made[kind] for name, kind in names.items()})
    yield from made.items()


def hostile_files() -> Iterator[tuple[str, bytes]]:
    """Make files that take much more than they look."""
    yield "ZIP bomb, 2 GB of zeros", _bomb(2_000)
    yield (
        "ZIP bombs in a ZIP, 20 x 400 MB",
        archive(dict.fromkeys((f"{number}.zip" for number in range(20)), _bomb(400))),
    )
    yield "ZIPs in ZIPs, 50 deep", _nested(50)
    yield "ZIP with 100,000 entries", archive({f"{number}.txt": b"" for number in range(100_000)})
    yield "DOCX with an XML bomb", _laughing()
    yield "XLSX that unpacks to 1 GB", _padded(1_000)
    yield "PDF of 10,000 pages", many_pages_pdf(10_000)
    yield "PNG of 30,000 x 30,000", image_bytes(Image.new("1", (30_000, 30_000)), "PNG")
    yield "TIFF of 12,000 x 12,000", image_bytes(Image.new("L", (12_000, 12_000), 200), "TIFF", compression="tiff_lzw")


def _word_file(texts: list[str]) -> bytes:
    """Make sections with headings and paragraphs, and a table in each."""
    document, words = docx.Document(), cycle(texts)
    for number in range(_SECTIONS):
        document.add_heading(f"Section {number + 1}", 1)
        for text in islice(words, _PARAGRAPHS_OF_A_SECTION):
            document.add_paragraph(text)
        table = document.add_table(rows=3, cols=3)
        for row in table.rows:
            for cell in row.cells:
                cell.text = f"Cell of section {number + 1}"
    return saved(document)


def _slides(texts: list[str]) -> bytes:
    """Make slides, each with a title and a text."""
    deck = pptx.Presentation()
    for number, text in enumerate(islice(cycle(texts), SLIDES)):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text, slide.placeholders[1].text = f"Slide {number + 1}", text
    return saved(deck)


def _sheet(texts: list[str]) -> bytes:
    """Make a sheet of words and numbers."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Stock")
    for number, text in enumerate(islice(cycle(texts), ROWS)):
        sheet.append([number, text[:30], number * 1.5, "in stock", f"Shelf {number % 40}", number % 7])
    return saved(book)


def _web_page(texts: list[str]) -> bytes:
    """Make a page with sections."""
    sections = "".join(
        f"<section><h2>Section {number + 1}</h2><p>{escape(text)}</p></section>\n"
        for number, text in enumerate(islice(cycle(texts), 2_000))
    )
    return f'<!DOCTYPE html><html><head><meta charset="utf-8"><title>All</title></head><body>{sections}</body>'.encode()


def _of_libreoffice(folder: Path, word_file: bytes) -> dict[str, bytes]:
    """Let LibreOffice make a PDF and a Word file of a Word file."""
    pdf = converted(folder, "pdf", {"a.docx": word_file})["a.pdf"]
    word = converted(folder, "docx:MS Word 2007 XML", {"a.docx": word_file})["a.docx"]
    return {"PDF of LibreOffice": pdf, "DOCX of LibreOffice": word}


def _bomb(megabytes: int) -> bytes:
    """Make a ZIP of one entry of zeros."""
    written, zeros = BytesIO(), bytes(1_000_000)
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as made, made.open("zeros.txt", "w") as entry:
        for _ in range(megabytes):
            entry.write(zeros)
    return written.getvalue()


def _nested(depth: int) -> bytes:
    """Make a ZIP in a ZIP in a ZIP."""
    content = b"words"
    for level in range(depth):
        content = archive({f"{level}.zip" if level else "a.txt": content})
    return content


def _laughing() -> bytes:
    """Make a Word file with entities that stand for each other, ten times at each of twelve levels."""
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(12))
    return _with_document(f'<?xml version="1.0"?><!DOCTYPE x [{entities}]><x>&l11;</x>'.encode())


def _padded(megabytes: int) -> bytes:
    """Make a workbook whose sheet is mostly white space."""
    written = BytesIO()
    with (
        zipfile.ZipFile(BytesIO(_sheet(["words"]))) as read,
        zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as made,
    ):
        for entry in read.namelist():
            if entry != "xl/worksheets/sheet1.xml":
                made.writestr(entry, read.read(entry))
        with made.open("xl/worksheets/sheet1.xml", "w") as sheet:
            sheet.write(b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>')
            for _ in range(megabytes):
                sheet.write(b" " * 1_000_000)
            sheet.write(b"</sheetData></worksheet>")
    return written.getvalue()


def _with_document(document: bytes) -> bytes:
    """Make a Word file with another document."""
    written = BytesIO()
    with zipfile.ZipFile(BytesIO(saved(docx.Document()))) as read, zipfile.ZipFile(written, "w") as made:
        for entry in read.namelist():
            made.writestr(entry, document if entry == "word/document.xml" else read.read(entry))
    return written.getvalue()
