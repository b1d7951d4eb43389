# ruff: noqa: RUF001 - Greek letters are meant here
"""Word, PowerPoint and Excel files: headings, lists, tables and pages in the order of the document."""

from collections.abc import Sequence
from datetime import date, datetime

import docx
import openpyxl
import pptx
import pytest
from docx.document import Document as DocxDocument
from docx.enum.section import WD_SECTION
from docx.enum.text import WD_BREAK
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.text.paragraph import Paragraph
from pptx.oxml.ns import qn as pptx_name
from pptx.util import Inches

from tests.files.passages import passages
from tests.files.producers import image_bytes, letter, saved, with_part
from tests.files.reading import failure_of, read, text_of

RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
WORD_MAIN = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
WORD_MACROS = b"application/vnd.ms-word.document.macroEnabled.main+xml"
SHEET_MAIN = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
SHEET_MACROS = b"application/vnd.ms-excel.sheet.macroEnabled.main+xml"


@pytest.mark.parametrize("language", ["en", "el"])
def test_a_word_document_keeps_headings_lists_and_tables_in_order(language: str) -> None:
    texts = passages(language)[:2]
    document = docx.Document()
    document.core_properties.title = "Η έκθεση"
    document.add_heading("Αρχή", 1)
    document.add_paragraph(texts[0])
    document.add_heading("Part", 2)
    for word in ("milk", "bread"):
        document.add_paragraph(word, style="List Bullet")
    for word in ("first", "second"):
        document.add_paragraph(word, style="List Number")
    table = document.add_table(rows=2, cols=2)
    for cell, word in zip((c for row in table.rows for c in row.cells), ("Όνομα", "a|b", "x\ny", "120 €"), strict=True):
        cell.text = word
    document.add_paragraph(texts[1])

    part = read(saved(document))

    assert part.failure is None
    assert part.title == "Η έκθεση"
    assert part.text.split("\n\n") == [
        "# Αρχή",
        texts[0],
        "## Part",
        "- milk\n- bread\n1. first\n2. second",
        "| Όνομα | a\\|b |\n| --- | --- |\n| x y | 120 € |",
        texts[1],
    ]


def rendered_break(paragraph: Paragraph, words: str) -> None:
    """Add words of which Word has noted that they begin a page."""
    run = paragraph.add_run()
    run._r.append(OxmlElement("w:lastRenderedPageBreak"))
    run.add_text(words)


def pages_of(content: bytes) -> list[str]:
    """Return the words of each page."""
    part = read(content)
    pages = [page.strip() for page in part.text.split("\f")]
    assert part.page_count == (len(pages) if len(pages) > 1 else None)
    return pages


def test_pages_of_a_word_document_are_those_on_which_word_has_set_its_words() -> None:
    document = docx.Document()
    document.add_paragraph("The first page.")
    document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
    rendered_break(document.add_paragraph(), "The second page,")
    rendered_break(document.add_paragraph("that goes on until here: "), "the third page.")
    document.add_paragraph("The fourth page.").paragraph_format.page_break_before = True
    for kind in (WD_SECTION.NEW_PAGE, WD_SECTION.CONTINUOUS):
        document.add_section(kind)
        document.add_paragraph("The fifth page.")

    assert pages_of(saved(document)) == [
        "The first page.",
        "The second page,\n\nthat goes on until here:",
        "the third page.",
        "The fourth page.",
        "The fifth page.\n\nThe fifth page.",
    ]


def test_breaks_alone_do_not_tell_on_which_page_words_are() -> None:
    document = docx.Document()
    document.add_paragraph("Words of pages that nobody has counted.")
    document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
    document.add_paragraph("Behind the break.").paragraph_format.page_break_before = True
    document.add_section(WD_SECTION.NEW_PAGE)
    document.add_paragraph("The end.")

    assert pages_of(saved(document)) == ["Words of pages that nobody has counted.\n\nBehind the break.\n\nThe end."]


def test_a_break_that_word_noted_beside_the_authors_counts_once() -> None:
    document = docx.Document()
    run = document.add_paragraph("One.").add_run()
    run.add_break(WD_BREAK.PAGE)
    rendered_break(document.add_paragraph(), "Two.")
    same = document.add_paragraph("Still two.")
    same.add_run().add_break(WD_BREAK.PAGE)
    rendered_break(same, "Three.")

    assert text_of(saved(document)).replace("\n", "") == "One.\fTwo.Still two.\fThree."


def test_a_table_over_several_pages_is_a_table_on_each() -> None:
    document = docx.Document()
    table = document.add_table(rows=3, cols=2)
    for number, row in enumerate(table.rows):
        for cell in row.cells:
            if number == 2:
                rendered_break(cell.paragraphs[0], "last")
            else:
                cell.text = f"row {number}"
    document.add_paragraph("Behind it.")

    assert pages_of(saved(document)) == [
        "| row 0 | row 0 |\n| --- | --- |\n| row 1 | row 1 |",
        "| last | last |\n| --- | --- |\n\nBehind it.",
    ]


def test_words_deleted_under_revision_are_gone_and_inserted_ones_are_there() -> None:
    document = docx.Document()
    paragraph = document.add_paragraph("The rent is ")
    for tag, word, kind in (("w:del", "800", "w:delText"), ("w:ins", "850", "w:t")):
        change, run, text = OxmlElement(tag), OxmlElement("w:r"), OxmlElement(kind)
        text.text = word
        run.append(text)
        change.append(run)
        paragraph._p.append(change)
    paragraph.add_run(" euros.")

    assert text_of(saved(document)) == "The rent is 850 euros."


def test_links_fields_and_boxes_keep_their_words() -> None:
    document = docx.Document()
    paragraph = document.add_paragraph("See ")
    link, run, text = OxmlElement("w:hyperlink"), OxmlElement("w:r"), OxmlElement("w:t")
    text.text = "the contract"
    run.append(text)
    link.append(run)
    paragraph._p.append(link)
    code_run, code = OxmlElement("w:r"), OxmlElement("w:instrText")
    code.text = "HYPERLINK evil"
    code_run.append(code)
    paragraph._p.append(code_run)
    box_run, box, inner = OxmlElement("w:r"), OxmlElement("w:txbxContent"), OxmlElement("w:p")
    inner_run, inner_text = OxmlElement("w:r"), OxmlElement("w:t")
    inner_text.text = "In a box."
    inner_run.append(inner_text)
    inner.append(inner_run)
    box.append(inner)
    box_run.append(box)
    paragraph._p.append(box_run)

    assert text_of(saved(document)) == "See the contract\n\nIn a box."


def test_a_letterhead_is_read_once() -> None:
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "ACME Insurance, Athens"
    document.sections[0].footer.paragraphs[0].text = "VAT EL123456789"
    document.add_paragraph("Dear Anna,")

    assert text_of(saved(document)) == "ACME Insurance, Athens\n\nDear Anna,\n\nVAT EL123456789"


def test_merged_cells_of_a_word_table_are_said_once() -> None:
    document = docx.Document()
    table = document.add_table(rows=3, cols=3)
    for i, cell in enumerate(c for row in table.rows for c in row.cells):
        cell.text = f"c{i}"
    table.cell(0, 0).merge(table.cell(0, 1)).text = "wide"
    table.cell(1, 0).merge(table.cell(2, 0)).text = "tall"

    assert text_of(saved(document)) == "| wide |  | c2 |\n| --- | --- | --- |\n| tall | c4 | c5 |\n|  | c7 | c8 |"


def test_a_file_with_macros_is_read_and_says_so() -> None:
    document = docx.Document()
    document.add_paragraph("The words of a file with macros.")
    package = with_part(saved(document), "[Content_Types].xml", lambda old: old.replace(WORD_MAIN, WORD_MACROS))
    package = with_part(package, "word/vbaProject.bin", lambda old: b"\xd0\xcf\x11\xe0 macros")

    part = read(package, "letter.docx")

    assert part.text == "The words of a file with macros."
    assert part.media_type == "application/vnd.ms-word.document.macroenabled.12"
    assert any("macros" in warning for warning in part.warnings)


def test_a_word_document_of_nothing_but_a_picture_has_no_text() -> None:
    import io

    document = docx.Document()
    document.add_picture(io.BytesIO(image_bytes(letter("words in a picture"), "PNG")))

    assert failure_of(saved(document)) == "no_text"


def test_slides_are_pages_with_title_list_table_and_notes() -> None:
    deck = pptx.Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.shapes.title.text = "Στόχοι 2026"
    first.placeholders[1].text = "Save money\nPay the loan"
    first.placeholders[1].text_frame.paragraphs[1].level = 1
    first.notes_slide.notes_text_frame.text = "Speak slowly."
    second = deck.slides.add_slide(deck.slide_layouts[6])
    table = second.shapes.add_table(2, 2, Inches(1), Inches(3), Inches(4), Inches(1)).table
    for (row, column), word in {(0, 0): "Item", (0, 1): "€", (1, 0): "Rent", (1, 1): "850"}.items():
        table.cell(row, column).text = word
    box = second.shapes.add_textbox(Inches(1), Inches(1), Inches(4), Inches(1))
    box.text_frame.text = passages("el")[3]

    part = read(saved(deck))

    assert part.text.split("\f") == [
        "# Στόχοι 2026\n\n- Save money\n  - Pay the loan\n\n## Notes\n\nSpeak slowly.",
        f"{passages('el')[3]}\n\n| Item | € |\n| --- | --- |\n| Rent | 850 |",
    ]
    assert part.page_count == 2
    assert part.title == "Στόχοι 2026"


def test_a_slide_with_nothing_but_a_picture_is_named() -> None:
    import io

    deck = pptx.Presentation()
    deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = "Words"
    deck.slides.add_slide(deck.slide_layouts[6]).shapes.add_picture(
        io.BytesIO(image_bytes(letter("words"), "PNG")), 0, 0
    )

    part = read(saved(deck))

    assert any(warning.endswith("2.") for warning in part.warnings)


def test_each_sheet_is_a_table_with_its_name() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Δαπάνες"
    sheet.append(["What", "When", "Amount", "Paid"])
    sheet.append(["Rent", date(2026, 1, 31), 850.0, True])
    sheet.append(["Water", datetime(2026, 2, 1, 10, 30), 35.5, False])
    sheet["F10"] = "far | away"
    other = book.create_sheet("Empty")
    other.sheet_state = "hidden"
    book.create_sheet("More").append(["one", "two"])

    part = read(saved(book))

    assert part.text == (
        "# Δαπάνες\n\n| What | When | Amount | Paid |  |\n| --- | --- | --- | --- | --- |\n"
        "| Rent | 2026-01-31 | 850 | TRUE |  |\n| Water | 2026-02-01 10:30:00 | 35.5 | FALSE |  |\n"
        "|  |  |  |  | far \\| away |\n\n# More\n\n| one | two |\n| --- | --- |"
    )
    assert part.warnings == ("Sheets without any value were left out: 1.",)


def test_formulas_that_nobody_computed_are_not_evaluated() -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active["A1"] = '=HYPERLINK("http://example.org/?"&A2,"x")'

    assert failure_of(saved(book)) == "no_text"


def test_a_spreadsheet_with_macros_is_read_and_says_so() -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active["A1"] = "words"
    package = with_part(saved(book), "[Content_Types].xml", lambda old: old.replace(SHEET_MAIN, SHEET_MACROS))

    part = read(package)

    assert "| words |" in part.text
    assert "macros" in part.warnings[0]


def test_a_sheet_that_says_it_is_endless_is_read_as_it_is() -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active["A1"] = "first"
    book.active["XFD1"] = "last column"
    book.active["A1048576"] = "last row"

    assert text_of(saved(book)).endswith("| first | last column |\n| --- | --- |\n| last row |  |")


def test_a_numbering_goes_on_and_begins_anew_below_another_item() -> None:
    document = docx.Document()
    numbering = document.part.numbering_part.element
    paragraph_texts = [("a", 0), ("a.a", 1), ("a.b", 1), ("b", 0), ("b.a", 1)]
    abstract = numbering.find(qn("w:abstractNum"))
    levels = {level.get(qn("w:ilvl")): level for level in abstract.findall(qn("w:lvl"))}
    number_id = next(
        number.get(qn("w:numId"))
        for number in numbering.findall(qn("w:num"))
        if number.find(qn("w:abstractNumId")).get(qn("w:val")) == abstract.get(qn("w:abstractNumId"))
    )
    for ilvl in ("0", "1"):
        level = levels.get(ilvl)
        if level is None:
            level = OxmlElement("w:lvl")
            level.set(qn("w:ilvl"), ilvl)
            abstract.append(level)
        for old in level.findall(qn("w:numFmt")):
            level.remove(old)
        form = OxmlElement("w:numFmt")
        form.set(qn("w:val"), "decimal")
        level.append(form)
    for word, level_number in paragraph_texts:
        properties = document.add_paragraph(word)._p.get_or_add_pPr().get_or_add_numPr()
        properties.get_or_add_ilvl().val = level_number
        properties.get_or_add_numId().val = int(number_id)

    assert text_of(saved(document)) == "1. a\n  1. a.a\n  2. a.b\n2. b\n  1. b.a"


LEGAL = (("decimal", "Article %1"), ("decimal", "%1.%2"), ("lowerLetter", "(%3)"), ("upperRoman", "%4."))


def numbered(document: DocxDocument, levels: Sequence[tuple[str, str]]) -> None:
    """Add the lists 90 and 91, which are counted together until the second begins anew, its second level at 7."""
    numbering = document.part.numbering_part.element
    made = "".join(
        f'<w:lvl w:ilvl="{number}"><w:start w:val="1"/><w:numFmt w:val="{form}"/><w:lvlText w:val="{label}"/></w:lvl>'
        for number, (form, label) in enumerate(levels)
    )
    space = nsdecls("w")
    numbering.insert(0, parse_xml(f'<w:abstractNum {space} w:abstractNumId="90">{made}</w:abstractNum>'))
    anew = '<w:lvlOverride w:ilvl="1"><w:startOverride w:val="7"/></w:lvlOverride>'
    for number, overridden in (("90", ""), ("91", anew)):
        opening = f'<w:num {space} w:numId="{number}"><w:abstractNumId w:val="90"/>'
        numbering.append(parse_xml(f"{opening}{overridden}</w:num>"))


def add_item(document: DocxDocument, words: str, level: int, *, style: str | None = None, number: int = 90) -> None:
    """Add a paragraph that is counted."""
    properties = document.add_paragraph(words, style=style)._p.get_or_add_pPr().get_or_add_numPr()
    properties.get_or_add_ilvl().val = level
    properties.get_or_add_numId().val = number


def test_numbers_of_clauses_are_those_that_word_shows() -> None:
    document = docx.Document()
    numbered(document, LEGAL)
    add_item(document, "Rent", 0, style="Heading 1")
    for words, level in (("The rent is 900 euros.", 1), ("It is due", 1), ("by transfer;", 2), ("in cash:", 2)):
        add_item(document, words, level)
    add_item(document, "coins.", 3)
    add_item(document, "", 2)
    add_item(document, "or not at all.", 2)
    add_item(document, "Termination", 0, style="Heading 1")
    add_item(document, "Notice is three months.", 1)
    add_item(document, "Begun anew.", 1, number=91)

    part = read(saved(document))

    assert part.title == "Rent"
    assert part.text == (
        "# Article 1 Rent\n\n  1.1 The rent is 900 euros.\n  1.2 It is due\n    (a) by transfer;\n    (b) in cash:\n"
        "      I. coins.\n    (d) or not at all.\n\n# Article 2 Termination\n\n  2.1 Notice is three months.\n"
        "  2.7 Begun anew."
    )


@pytest.mark.parametrize(
    ("form", "labels"),
    [
        ("upperLetter", ["A", "B", "AA"]),
        ("lowerRoman", ["i", "ii", "xxvii"]),
        ("decimalZero", ["01", "02", "27"]),
    ],
)
def test_numbers_are_written_in_the_form_of_their_level(form: str, labels: list[str]) -> None:
    document = docx.Document()
    numbered(document, [(form, "%1)")])
    for _ in range(27):
        add_item(document, "words", 0)

    lines = text_of(saved(document)).split("\n")

    assert [lines[number] for number in (0, 1, 26)] == [f"{label}) words" for label in labels]


def test_boxes_are_read_once_wherever_they_stand() -> None:
    box = (
        f'<w:r {nsdecls("w")} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><mc:AlternateContent>'
        '<mc:Choice Requires="wps"><w:txbxContent><w:p><w:r><w:t>{0}</w:t></w:r></w:p></w:txbxContent></mc:Choice>'
        "<mc:Fallback><w:pict><w:txbxContent><w:p><w:r><w:t>{0}</w:t></w:r></w:p></w:txbxContent></w:pict></mc:Fallback>"
        "</mc:AlternateContent></w:r>"
    )
    document = docx.Document()
    document.sections[0].header.paragraphs[0]._p.append(parse_xml(box.format("At the head.")))
    document.add_paragraph("Words.")._p.append(parse_xml(box.format("Beside them.")))
    table = document.add_table(rows=2, cols=2)
    table.cell(0, 0).text, table.cell(0, 1).text, table.cell(1, 0).text = "Item", "Price", "Car"
    table.cell(1, 1).paragraphs[0]._p.append(parse_xml(box.format("900")))

    assert text_of(saved(document)) == (
        "At the head.\n\nWords.\n\nBeside them.\n\n| Item | Price |\n| --- | --- |\n| Car | 900 |"
    )


def test_a_note_in_a_cell_is_kept() -> None:
    document = docx.Document()
    table = document.add_table(rows=2, cols=2)
    for cell, words in zip((c for row in table.rows for c in row.cells), ("Item", "Price", "Car", "900"), strict=True):
        cell.text = words
    reference = parse_xml(f'<w:r {nsdecls("w")}><w:footnoteReference w:id="2"/></w:r>')
    table.cell(1, 1).paragraphs[0]._p.append(reference)
    notes = (
        f'<w:footnotes {nsdecls("w")}><w:footnote w:id="2"><w:p><w:r><w:t>Plus 24% VAT.</w:t></w:r></w:p></w:footnote>'
        "</w:footnotes>"
    )
    name = PackURI("/word/footnotes.xml")
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
    footnotes = Part(name, kind, notes.encode(), document.part.package)
    document.part.relate_to(footnotes, f"{RELATIONS}/footnotes")

    assert text_of(saved(document)) == ("| Item | Price |\n| --- | --- |\n| Car | 900[^1] |\n\n[^1]: Plus 24% VAT.")


def test_a_shape_of_no_kind_costs_a_deck_nothing() -> None:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    box = slide.shapes.add_textbox(Inches(1), Inches(1), Inches(4), Inches(1))
    box.text_frame.text = "Words in a shape without a form."
    box._element.nvSpPr.cNvSpPr.attrib.pop("txBox")
    properties = box._element.spPr
    properties.remove(properties.find(pptx_name("a:prstGeom")))

    assert text_of(saved(deck)) == "Words in a shape without a form."


def test_a_shape_with_the_number_of_the_title_is_read() -> None:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Title"
    box = slide.shapes.add_textbox(Inches(1), Inches(3), Inches(4), Inches(1))
    box.text_frame.text = "Words"
    box._element.nvSpPr.cNvPr.set("id", str(slide.shapes.title.shape_id))

    assert text_of(saved(deck)) == "# Title\n\nWords"


def test_formulas_without_a_value_are_counted() -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["Rent", 850])
    book.active.append(["Sum", "=SUM(B1:B1)"])
    book.create_sheet("More").append(["=1+2", "words"])
    computed = b'<c r="C2" t="str"><f>""</f><v></v></c><c r="D2"><f>1+1</f><v>2</v></c></row></sheetData>'
    content = with_part(
        saved(book), "xl/worksheets/sheet1.xml", lambda old: old.replace(b"</row></sheetData>", computed)
    )

    part = read(content)

    assert "| Sum |  | 2 |" in part.text
    assert part.warnings == ("Formulas without a value were left out: 2. Open and save the file once.",)
