# ruff: noqa: RUF001 - Greek letters are meant here
"""PDF: words in reading order on the right page, headings, lists, tables, columns, and scans."""

import io
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pypdfium2 import PdfDocument

from evaluation.ocr_pages import CONDITIONS, NoFonts, print_pages
from f.core.parsed_parts import ParsingSettings
from f.core.pdf_layout import page_blocks, plain_blocks
from f.core.pdf_markdown import write_pages
from f.core.pdf_words import PdfWord, page_words
from tests.files.passages import passages
from tests.files.producers import letter, need_tesseract, pages_pdf, pdf_of, scanned_pdf, styles
from tests.files.reading import failure_of, read, text_of

PLACES = st.sampled_from([0.0, 10.0, 10.5, 40.0, 300.0, -5.0]) | st.floats()
"""Where words may stand, and how large they may be: files hold any number."""


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


def test_a_single_letter_in_a_table_without_lines_stays_in_its_row() -> None:
    from reportlab.pdfgen.canvas import Canvas

    cells = [["Room", "Beds", "Area"], ["Kitchen", "0", "12 m2"], ["Bedroom", "2", "14 m2"], ["Hall", "1", "8 m2"]]
    written = io.BytesIO()
    canvas = Canvas(written)
    for number, row in enumerate(cells):
        for x, words in zip((60, 260, 360), row, strict=True):
            canvas.drawString(x, 700 - 16 * number, words)
    canvas.save()

    rows = "| Kitchen | 0 | 12 m2 |\n| Bedroom | 2 | 14 m2 |\n| Hall | 1 | 8 m2 |"
    assert text_of(written.getvalue()) == f"| Room | Beds | Area |\n| --- | --- | --- |\n{rows}"


@given(st.lists(st.builds(PdfWord, st.just("word"), PLACES, PLACES, PLACES, PLACES, st.integers(0, 5))))
def test_no_word_is_lost_wherever_it_stands(words: list[PdfWord]) -> None:
    for blocks in (page_blocks(words, []), plain_blocks(words)):
        text = " ".join(write_pages([blocks]))

        assert text.count("word") == len(words)


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


@pytest.mark.parametrize(
    ("height", "size", "line"),
    [
        (780, 16, "Payslip {}/2026"),
        (780, 16, "Chapter {}"),
        (780, 12, "Apartment {}"),
        (780, 12, "Statement 2026-0{}"),
        (100, 12, "Net pay: {}87.55 EUR"),
        (100, 12, "Share of heating: {}.20 euros"),
        (100, 12, "Rooms: {0}, from page {0}2"),
    ],
)
def test_lines_that_differ_in_what_they_say_stay_on_each_page(height: int, size: int, line: str) -> None:
    pages = text_of(pages_of_lines([[(height, size, line.format(number))] for number in range(1, 7)])).split("\f")

    assert all(line.format(number) in page for number, page in enumerate(pages, 1))


@pytest.mark.parametrize("line", ["- {} -", "Σελίδα {}", "The letter, page {} of 6", "{}/6", "The letter          {}"])
def test_the_number_of_a_page_is_told_from_others(line: str) -> None:
    pages = text_of(pages_of_lines([[(40, 10, line.format(number))] for number in range(1, 7)])).split("\f")

    assert pages[1:] == [f"Words that only page {letter_} has." for letter_ in "bcdef"]


def test_the_same_words_at_other_places_of_pages_stay() -> None:
    pages = text_of(pages_of_lines([[(700 - 90 * number, 12, "It is paid.")] for number in range(6)])).split("\f")

    assert all("It is paid." in page for page in pages)


def pages_of_lines(pages: list[list[tuple[int, int, str]]]) -> bytes:
    """Write pages that have a sentence of their own, and lines at heights in sizes."""
    from reportlab.pdfgen.canvas import Canvas

    styles()
    written = io.BytesIO()
    canvas = Canvas(written)
    for number, lines in enumerate(pages):
        canvas.setFont("Text", 12)
        canvas.drawString(72, 740, f"Words that only page {'abcdef'[number]} has.")
        for height, size, words in lines:
            canvas.setFont("Text", size)
            canvas.drawString(72, height, words)
        canvas.showPage()
    canvas.save()
    return written.getvalue()


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


SEAL = [
    "Digitally signed. This document was issued by the ministry and has an electronic seal of the administration.",
    "Whether it is genuine can be verified at docs.example.gov.gr with the code 0zB4wXyQ9 until 31 December 2027.",
    "It was printed on 12 March 2026 at 10:22 by the office for citizens.",
]


def test_the_page_under_a_stamp_of_many_words_is_read_by_ocr() -> None:
    need_tesseract()

    part = read(scan_with_words("The monthly rent is 900 euros and is paid to the owner.", SEAL, size=6))

    assert part.text.startswith("The monthly rent is 900 euros and is paid to the owner.")
    assert " ".join(part.text.split()).endswith(" ".join(SEAL))
    assert part.ocr_pages == 1


def test_doubtful_words_of_a_picture_under_others_are_left_out_and_that_is_said() -> None:
    need_tesseract()
    poor = next(condition for condition in CONDITIONS if condition.name == "poor photograph")
    try:
        photo = next(print_pages(passages("el")[:2], poor, 1)).image.reduce(2)
    except NoFonts as missing:
        pytest.skip(str(missing))

    part = read(picture_with_words(photo, SEAL, size=6))

    assert part.text.split() == " ".join(SEAL).split()
    assert part.warnings == ("Page 1: The words in the picture are too doubtful, and were left out.",)
    assert part.ocr_pages == 0


def test_a_scan_whose_words_are_under_it_is_not_read_again() -> None:
    lines = ["The monthly rent of the flat is 900 euros, and it is paid to the owner by transfer."] * 8

    part = read(scan_with_words("The monthly rent is 900 euros.", lines, size=10))

    assert part.text.split() == " ".join(lines).split()
    assert part.ocr_pages == 0


def test_words_over_more_pictures_than_are_read_are_kept() -> None:
    part = read(scan_with_words("Rent", SEAL, size=6), settings=ParsingSettings(maximum_ocr_pages=0))

    assert part.text.split() == " ".join(SEAL).split()
    assert part.warnings == ("Page 1: The picture behind the words was not read; there are too many.",)


def test_words_over_a_picture_are_kept_where_there_is_no_ocr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    part = read(scan_with_words("Rent", SEAL, size=6))

    assert part.text.split() == " ".join(SEAL).split()
    assert part.warnings == ("Page 1: The picture behind the words was not read, because this worker has no OCR.",)


def scan_with_words(scanned: str, lines: list[str], *, size: int) -> bytes:
    """Write a page that is the picture of a letter, with words over its foot."""
    page = Image.new("L", (1_700, 2_404), "white")
    page.paste(letter(scanned), (0, 0))
    return picture_with_words(page, lines, size=size)


def picture_with_words(picture: Image.Image, lines: list[str], *, size: int) -> bytes:
    """Write a page that is a picture, with words over its foot."""
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    styles()
    written = io.BytesIO()
    canvas = Canvas(written, pagesize=(595, 842))
    canvas.drawImage(ImageReader(picture), 0, 0, 595, 842)
    canvas.setFont("Text", size)
    for number, line in enumerate(lines):
        canvas.drawString(20, 20 + 1.3 * size * (len(lines) - number), line)
    canvas.save()
    return written.getvalue()


def test_a_picture_without_words_says_so() -> None:
    need_tesseract()

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
