# ruff: noqa: RUF001 - Greek letters are meant here
"""PDF: words in reading order on the right page, headings, lists, tables, columns, and scans."""

import io
from contextlib import closing
from typing import Any

import pytest
from pypdfium2 import PdfDocument

from f.core.pdf_words import page_words
from tests.files.passages import passages
from tests.files.producers import letter, need_tesseract, pages_pdf, pdf_of, scanned_pdf, styles
from tests.files.reading import failure_of, read, text_of


@pytest.mark.parametrize("language", ["en", "el"])
def test_each_passage_is_found_exactly_on_its_page(language: str) -> None:
    texts = passages(language)[:40]

    part = read(pages_pdf(texts, title="Forty passages"))

    assert part.text.split("\f") == list(texts)
    assert part.page_count == 40
    assert part.ocr_pages == 0
    assert part.title == "Forty passages"
    assert part.media_type == "application/pdf"


@pytest.mark.parametrize("language", ["en", "el"])
def test_columns_are_read_one_after_the_other(language: str) -> None:
    from reportlab.platypus import Paragraph

    texts = passages(language)[:8]

    text = text_of(pdf_of([Paragraph(text, styles()["justified"]) for text in texts], columns=2))

    assert " ".join(text.split()) == " ".join(texts)
    assert text.replace("\f", "\n\n").count("\n\n") - len(texts) + 1 <= 1, "only a page parts a passage"


def test_columns_that_were_written_line_by_line_are_read_one_after_the_other() -> None:
    from reportlab.lib.utils import simpleSplit
    from reportlab.pdfgen.canvas import Canvas

    styles()
    left, right = passages("en")[0], passages("en")[1]
    written = io.BytesIO()
    canvas = Canvas(written)
    columns = [simpleSplit(text, "Text", 10, 220) for text in (left, right)]
    for number in range(max(map(len, columns))):
        for x, lines in zip((50, 310), columns, strict=True):
            if number < len(lines):
                canvas.setFont("Text", 10)
                canvas.drawString(x, 780 - number * 13, lines[number])
    canvas.save()

    text = text_of(written.getvalue())

    assert " ".join(text.split()) == f"{left} {right}"


def test_headings_are_told_by_their_size() -> None:
    from reportlab.platypus import Paragraph

    style, texts = styles(), passages("el")[:2]
    story = [
        Paragraph("Η μεγάλη έκθεση", style["heading"]),
        Paragraph("Πρώτο μέρος", style["subheading"]),
        Paragraph(texts[0], style["text"]),
        Paragraph("Δεύτερο μέρος", style["subheading"]),
        Paragraph(texts[1], style["text"]),
    ]

    part = read(pdf_of(story))

    assert part.text.split("\n\n") == [
        "# Η μεγάλη έκθεση",
        "## Πρώτο μέρος",
        texts[0],
        "## Δεύτερο μέρος",
        texts[1],
    ]
    assert part.title == "Η μεγάλη έκθεση"


def test_a_table_with_lines_becomes_a_table_and_words_around_it_stay() -> None:
    from reportlab.lib import colors
    from reportlab.platypus import Paragraph, Table

    style = styles()
    cells: list[list[Any]] = [["Name", "Ποσό", "Due"], ["Electricity", "120 €", "31/01/2026"], ["Νερό", "35 €", "—"]]
    table = Table(cells, style=[("GRID", (0, 0), (-1, -1), 0.5, colors.black), ("FONT", (0, 0), (-1, -1), "Text")])
    before, after = passages("en")[:2]

    text = text_of(pdf_of([Paragraph(before, style["text"]), table, Paragraph(after, style["text"])]))

    rows = "| Name | Ποσό | Due |\n| --- | --- | --- |\n| Electricity | 120 € | 31/01/2026 |\n| Νερό | 35 € | — |"
    assert text == f"{before}\n\n{rows}\n\n{after}"


def test_a_table_without_lines_becomes_a_table() -> None:
    from reportlab.platypus import Paragraph, Table

    cells = [["Item", "Amount"], ["Rent", "850"], ["Water", "35"], ["Phone", "20"]]
    table = Table(cells, colWidths=[200, 100])

    text = text_of(pdf_of([Paragraph(passages("en")[0], styles()["text"]), table]))

    assert "| Item | Amount |\n| --- | --- |\n| Rent | 850 |\n| Water | 35 |\n| Phone | 20 |" in text


def test_a_list_stays_a_list() -> None:
    from reportlab.platypus import ListFlowable, Paragraph

    style = styles()["text"]
    points = [Paragraph(text, style) for text in ("Milk", "Bread", "Eggs")]

    text = text_of(pdf_of([Paragraph("To buy:", style), ListFlowable(points, bulletType="bullet", start="•")]))

    assert "- Milk\n- Bread\n- Eggs" in text


def test_what_stands_on_each_page_is_kept_once() -> None:
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    written = io.BytesIO()
    canvas = Canvas(written, pagesize=A4)
    for number in range(1, 9):
        canvas.drawString(72, 800, "The quarterly letter of the house")
        canvas.drawString(72, 600, f"Words that only page {'abcdefgh'[number - 1]} has.")
        canvas.drawString(280, 40, f"Page {number} of 8")
        canvas.showPage()
    canvas.save()

    pages = text_of(written.getvalue()).split("\f")

    assert ["quarterly letter" in page for page in pages] == [True] + [False] * 7
    assert all(f"page {letter_} has." in page for letter_, page in zip("abcdefgh", pages, strict=True))


def test_a_word_broken_at_the_end_of_a_line_is_whole_again() -> None:
    from reportlab.pdfgen.canvas import Canvas

    written = io.BytesIO()
    canvas = Canvas(written)
    for number, line in enumerate(
        ("The agreement that was con-", "cluded on Monday is a well-", "known one, and well-known it is.")
    ):
        canvas.drawString(72, 700 - number * 14, line)
    canvas.save()

    assert (
        text_of(written.getvalue())
        == "The agreement that was concluded on Monday is a well-known one, and well-known it is."
    )


def test_what_is_filled_in_into_a_form_is_read() -> None:
    from reportlab.pdfgen.canvas import Canvas

    written = io.BytesIO()
    canvas = Canvas(written)
    canvas.drawString(72, 700, "Name of the policy holder:")
    canvas.acroForm.textfield(name="holder", value="Eleni Papadopoulou", x=250, y=690, width=200, height=20)
    canvas.save()

    assert "Eleni Papadopoulou" in text_of(written.getvalue())


def test_a_page_that_is_shown_turned_is_read_as_it_is_shown() -> None:
    from reportlab.pdfgen.canvas import Canvas

    written = io.BytesIO()
    canvas = Canvas(written, pagesize=(842, 595))
    canvas.setPageRotation(90)
    canvas.translate(595, 0)
    canvas.rotate(90)
    for number, line in enumerate(passages("en")[0].split(". ")[:6]):
        canvas.drawString(40, 500 - number * 14, line[:80])
    canvas.save()

    text = text_of(written.getvalue())

    assert passages("en")[0].split(". ")[1][:70] in text


@pytest.mark.parametrize("language", ["en", "el"])
def test_a_scan_is_read_page_by_page(language: str) -> None:
    need_tesseract()
    texts = [passage[:300] for passage in passages(language)[:3]]

    part = read(scanned_pdf([letter(text) for text in texts]))

    assert part.failure is None
    assert part.page_count == part.ocr_pages == 3
    assert part.ocr_confidence is not None
    assert 0.7 < part.ocr_confidence <= 1
    for text, page in zip(texts, part.text.split("\f"), strict=True):
        words = text.split()
        assert sum(word in page for word in words) > 0.9 * len(words)


def test_only_the_page_without_words_is_read_by_ocr() -> None:
    need_tesseract()
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    written = io.BytesIO()
    canvas = Canvas(written)
    canvas.drawString(72, 700, "The first page was written by a program, and needs nothing.")
    canvas.showPage()
    canvas.drawImage(ImageReader(letter("The second page is a photo of a letter.")), 40, 500, 500, 200)
    canvas.showPage()
    canvas.save()

    part = read(written.getvalue())

    first, second = part.text.split("\f")
    assert first == "The first page was written by a program, and needs nothing."
    assert second.startswith("The second page is a photo of a letter")
    assert part.ocr_pages == 1


def test_a_picture_without_words_says_so() -> None:
    need_tesseract()
    from PIL import Image

    assert failure_of(scanned_pdf([Image.new("L", (800, 1000), "white")])) == "no_text"


@pytest.mark.parametrize(
    ("mapped", "words"),
    [
        (b"<42> <D835DC65>", ["one", "two\U0001d465", "\U0001d465three", "four"]),  # a pair
        (b"<42> <006600660069>", ["one", "twoffi", "ffithree", "four"]),  # a ligature
        (b"<42> <0000>", ["one", "two", "three", "four"]),  # no letter
        (b"<42> <FFFE>", ["one", "two\ufffe", "\ufffethree", "four"]),  # one that PDFium leaves out of its text
    ],
)
def test_each_word_has_its_own_place_whatever_its_letters_stand_for(mapped: bytes, words: list[str]) -> None:
    drawn = b"BT /F 10 Tf 50 700 Td (one) Tj 100 0 Td (twoB) Tj 100 0 Td (Bthree) Tj 100 0 Td (four) Tj ET"
    with closing(PdfDocument(pdf_of_one_font(drawn, mapped))) as document:
        page = document[0]
        found = page_words(page.get_textpage())

    assert [word.text for word in found] == words
    assert [round(word.left, -1) for word in found] == [50, 150, 260 if words[2] == "three" else 250, 350]


def pdf_of_one_font(drawn: bytes, mapped: bytes) -> bytes:
    """Write a page with a font in which some letters stand for others."""
    letters = b"begincmap 1 begincodespacerange <00> <FF> endcodespacerange 1 beginbfchar %s endbfchar endcmap" % mapped
    streams = [b"<</Length %d>>stream\n%s\nendstream" % (len(inside), inside) for inside in (drawn, letters)]
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 5 0 R/Resources<</Font<</F 4 0 R>>>>>>",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 6 0 R>>",
        *streams,
    ]
    written = b"%PDF-1.4\n" + b"".join(b"%d 0 obj\n%s\nendobj\n" % pair for pair in enumerate(objects, 1))
    return written + b"trailer<</Size 7/Root 1 0 R>>\n%%EOF"
