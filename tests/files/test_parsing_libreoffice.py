# ruff: noqa: RUF001 - Greek letters are meant here
"""What LibreOffice makes of documents: PDF, DOCX, PPTX, XLSX and HTML come out with their headings, lists and cells."""

from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from docx.enum.section import WD_SECTION
from docx.oxml import OxmlElement
from docx.oxml.ns import qn

from tests.files.passages import passages
from tests.files.producers import converted, saved
from tests.files.reading import read, text_of

HEADINGS = {
    "en": ("The large report", "First part", "Things to buy", "Second part"),
    "el": ("Η μεγάλη έκθεση", "Πρώτο μέρος", "Πράγματα για αγορά", "Δεύτερο μέρος"),
}
CELLS = [["Name", "Ποσό", "Due"], ["Electricity", "120,50 €", "31/01/2026"], ["Νερό", "35 €", "28/02/2026"]]
TABLE = "\n".join("| " + " | ".join(row) + " |" for row in [CELLS[0], ["---"] * 3, *CELLS[1:]])
ORDER = [
    ["Description", "Qty", "Unit", "Total"],
    ["Cleaning", "2", "40.00", "80.00"],
    ["Window washing", "1", "25.00", "25.00"],
    ["Gardening", "3", "30.00", "90.00"],
]
RENT = " ".join(["שכר הדירה הוא 900 אירו לחודש והוא משולם עד היום הראשון של החודש בהעברה בנקאית."] * 3)
HOUSE = " ".join(["הבית הוא בית ישן עם גינה גדולה ועץ תפוחים."] * 4)


def report(language: str) -> bytes:
    """Make a Word document with headings, lists, a table and a page in two columns."""
    texts, headings = passages(language), HEADINGS[language]
    document = docx.Document()
    document.add_heading(headings[0], 0)
    document.add_heading(headings[1], 1)
    document.add_paragraph(texts[0])
    document.add_heading(headings[2], 2)
    for word in ("γάλα", "bread"):
        document.add_paragraph(word, style="List Bullet")
    for word in ("πρώτα", "then"):
        document.add_paragraph(word, style="List Number")
    table = document.add_table(rows=3, cols=3)
    table.style = "Table Grid"
    for row, cells in zip(table.rows, CELLS, strict=True):
        for cell, words in zip(row.cells, cells, strict=True):
            cell.text = words
    document.add_heading(headings[3], 1).paragraph_format.page_break_before = True
    columns = document.add_section(WD_SECTION.CONTINUOUS)._sectPr.find(qn("w:cols"))
    assert columns is not None
    columns.set(qn("w:num"), "2")
    for text in texts[1:4]:
        document.add_paragraph(text)
    return saved(document)


def lines_from_right_to_left() -> bytes:
    """Make paragraphs of several lines in Hebrew."""
    document = docx.Document()
    for words in (RENT, HOUSE):
        document.add_paragraph(words)._p.get_or_add_pPr().append(OxmlElement("w:bidi"))
    return saved(document)


def order() -> bytes:
    """Make a table without lines."""
    document = docx.Document()
    document.add_paragraph("Your order of March:")
    table = document.add_table(len(ORDER), len(ORDER[0]))
    for row, cells in zip(table.rows, ORDER, strict=True):
        for cell, words in zip(row.cells, cells, strict=True):
            cell.text = words
    document.add_paragraph("Thank you for your order.")
    return saved(document)


def slides() -> bytes:
    """Make two slides."""
    deck = pptx.Presentation()
    for title, words in (("Στόχοι", "Save money\nPay the loan"), ("Plan", "Τέλος")):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = words
    return saved(deck)


def sheets() -> bytes:
    """Make a sheet."""
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in CELLS:
        book.active.append(row)
    book.active["A5"] = "=1+2"
    return saved(book)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Let LibreOffice convert everything, one run for each form, because each run takes seconds."""
    folder = tmp_path_factory.mktemp("libreoffice")
    reports = {f"{language}.docx": report(language) for language in HEADINGS}
    others = {"deck.pptx": slides(), "book.xlsx": sheets()}
    more = {"hebrew.docx": lines_from_right_to_left(), "order.docx": order()}
    made = converted(folder, "pdf", {**reports, **more, "deck.pptx": others["deck.pptx"]})
    made |= converted(folder, "docx:MS Word 2007 XML", reports)
    made |= converted(folder, "html:HTML (StarWriter)", {"en.docx": reports["en.docx"]})
    made |= converted(folder, "odt", {"en.docx": reports["en.docx"]})
    made |= converted(folder, "pptx:Impress MS PowerPoint 2007 XML", {"deck.pptx": others["deck.pptx"]})
    made |= converted(folder, "xlsx:Calc MS Excel 2007 XML", {"book.xlsx": others["book.xlsx"]})
    return made


def blocks(text: str) -> list[str]:
    """Return the blocks of a text."""
    return [block for block in text.replace("\f", "\n\n").split("\n\n") if block]


@pytest.mark.parametrize("language", ["en", "el"])
def test_a_pdf_of_libreoffice_has_headings_lists_cells_and_columns_in_order(
    made: dict[str, bytes], language: str
) -> None:
    texts, headings = passages(language), HEADINGS[language]

    part = read(made[f"{language}.pdf"])

    assert part.failure is None
    first, second = part.text.split("\f", 1)
    assert blocks(first) == [
        f"# {headings[0]}",
        f"## {headings[1]}",
        texts[0],
        f"### {headings[2]}",
        "- γάλα\n- bread\n1. πρώτα\n2. then",
        TABLE,
    ]
    assert blocks(second)[0] == f"## {headings[3]}"
    assert " ".join(second.split("\n", 1)[1].split()) == " ".join(texts[1:4])


@pytest.mark.parametrize("language", ["en", "el"])
def test_a_word_document_of_libreoffice_has_them_too(made: dict[str, bytes], language: str) -> None:
    texts, headings = passages(language), HEADINGS[language]

    assert blocks(text_of(made[f"{language}.docx"])) == [
        f"# {headings[0]}",
        f"# {headings[1]}",
        texts[0],
        f"## {headings[2]}",
        "- γάλα\n- bread\n1. πρώτα\n2. then",
        TABLE,
        f"# {headings[3]}",
        *texts[1:4],
    ]


def test_a_page_of_libreoffice_has_them_too(made: dict[str, bytes]) -> None:
    text = text_of(made["en.html"])

    for block in (f"# {HEADINGS['en'][1]}", passages("en")[0], f"## {HEADINGS['en'][2]}", "- γάλα\n- bread", TABLE):
        assert block in text


def test_slides_of_libreoffice_keep_titles_and_points(made: dict[str, bytes]) -> None:
    assert text_of(made["deck.pptx"]).split("\f") == ["# Στόχοι\n\n- Save money\n- Pay the loan", "# Plan\n\n- Τέλος"]


def test_slides_as_pdf_are_pages(made: dict[str, bytes]) -> None:
    first, second = text_of(made["deck.pdf"]).split("\f")

    assert first == "# Στόχοι\n\n- Save money\n- Pay the loan"
    assert "Τέλος" in second


def test_lines_from_right_to_left_are_put_into_their_paragraphs(made: dict[str, bytes]) -> None:
    assert blocks(text_of(made["hebrew.pdf"])) == [RENT, HOUSE]


def test_a_table_without_lines_is_one_where_the_space_between_its_columns_is_narrow(made: dict[str, bytes]) -> None:
    rows = [ORDER[0], ["---"] * 4, *ORDER[1:]]

    assert blocks(text_of(made["order.pdf"])) == [
        "Your order of March:",
        "\n".join("| " + " | ".join(row) + " |" for row in rows),
        "Thank you for your order.",
    ]


def test_a_sheet_of_libreoffice_has_the_values_of_its_formulas(made: dict[str, bytes]) -> None:
    text = text_of(made["book.xlsx"])

    assert TABLE in text
    assert text.endswith("| 3 |  |  |")


def test_an_opendocument_says_what_to_save_it_as(made: dict[str, bytes]) -> None:
    part = read(made["en.odt"])

    assert part.failure is not None
    assert part.failure.code == "unsupported_type"
    assert "DOCX" in part.failure.reason


def test_the_folder_of_this_test_holds_no_document() -> None:
    assert not [path for path in Path(__file__).parent.iterdir() if path.suffix in (".pdf", ".docx", ".pptx", ".xlsx")]
