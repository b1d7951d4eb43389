"""Word documents as Markdown: headings, lists, tables, footnotes, in the order of the document.

Shared module, pure. ``python-docx`` opens the package and finds its parts; their elements are read as they stand, in
one pass, because its objects cost a search for each paragraph. Words that were deleted under revision are left out,
inserted ones are taken. Pages are those on which Word has noted that it has set the words: breaks that an author made
do not tell which page a word is on, so a file without such notes has no pages. Numbers that Word makes are written.

It has more than two hundred lines because a note or a heading is said in several parts of the package.
"""

# extra_requirements:
# python-docx==1.2.0

import io
import re
from dataclasses import dataclass, field
from typing import Any

from f.core.clean_text import one_line, tidy, title_of
from f.core.markdown_tables import markdown_table
from f.core.parsed_parts import Extracted, Unreadable, Work
from f.core.word_elements import (
    BOX,
    FALLBACK,
    MATH_TEXT,
    MOST_LEVELS,
    REFERENCES,
    RENDERED_BREAK,
    W,
    blocks,
    breaks_in,
    cells_of,
    element_of,
    is_on,
    is_within,
    number_of,
    paragraphs,
    related,
    rows_of,
    runs,
    text_of,
    value_of,
)
from f.core.word_numbering import Counting, read_numberings
from f.core.zip_files import open_package

_STRICT = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"
_HEADING_STYLE = re.compile(r"heading (\d)\Z", re.IGNORECASE)
_MACRO_TYPES = (
    "application/vnd.ms-word.document.macroEnabled.main+xml",
    "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
)
_STEPS_PER_TELLING = 500


def read_word(content: bytes, work: Work) -> Extracted:
    """Read a Word document."""
    open_package(content, work.settings)
    part = _main_part(content)
    body = part.element.find(f"{W}body")
    if body is None:
        strict = part.element.find(f"{_STRICT}body") is not None
        reason = "The document is in the strict form. Save it as an ordinary DOCX." if strict else "It has no body."
        raise Unreadable("unsupported_type" if strict else "damaged", reason)
    reader = _Reader(
        _styles(part), Counting(read_numberings(part)), work, paged=body.find(f".//{RENDERED_BREAK}") is not None
    )
    reader.read(body)
    head, foot = _around(part, "header"), _around(part, "footer")
    notes = [f"[^{number}]: {text}" for number, text in _notes(part, reader.noted).items()]
    text = tidy("\n\n".join([*head, "".join(reader.pieces), *notes, *foot]))
    if not text.strip("\f\n "):
        raise Unreadable("no_text", "The document holds no text. If it is a scan, hand it in as PDF.")
    pages = text.count("\f") + 1 if "\f" in text else None
    warnings = []
    if reader.pictures:
        warnings.append(f"Pictures in the document were not read ({reader.pictures}).")
    return Extracted(text, _title(part) or reader.title, pages, warnings=warnings)


def _main_part(content: bytes) -> Any:
    """Open the package; files with macros and templates are read like documents."""
    from docx.opc.part import PartFactory  # noqa: PLC0415 -- only where there is a Word file
    from docx.package import Package  # noqa: PLC0415
    from docx.parts.document import DocumentPart  # noqa: PLC0415

    for content_type in _MACRO_TYPES:
        PartFactory.part_type_for[content_type] = DocumentPart
    return Package.open(io.BytesIO(content)).main_document_part


@dataclass(frozen=True, slots=True)
class _Style:
    """What a paragraph's style says: the level of a heading, and the list that it makes an item of."""

    heading: int = 0
    numbering: str = ""
    level: int = 0


def _styles(part: Any) -> dict[str, _Style]:
    """Read the styles of paragraphs; what one does not say is what the one says that it is based on."""
    root = related(part, "styles")
    if root is None:
        return {}
    elements = {element.get(f"{W}styleId", ""): element for element in root.findall(f"{W}style")}
    return {name: _style(name, elements) for name in elements}


def _style(name: str, elements: dict[str, Any]) -> _Style:
    """Read one style with those that it is based on; a circle of them ends."""
    heading, numbering, level = 0, "", 0
    seen: set[str] = set()
    while name in elements and name not in seen:
        seen.add(name)
        element = elements[name]
        called = value_of(element.find(f"{W}name"))
        match = _HEADING_STYLE.match(called)
        outline = value_of(element.find(f"{W}pPr/{W}outlineLvl"))
        if not heading and match:
            heading = int(match.group(1))
        elif not heading and called.lower() == "title":
            heading = 1
        elif not heading and outline.isdigit() and int(outline) < MOST_LEVELS:
            heading = int(outline) + 1
        if not numbering:
            numbering = value_of(element.find(f"{W}pPr/{W}numPr/{W}numId"))
            level = number_of(value_of(element.find(f"{W}pPr/{W}numPr/{W}ilvl")))
        name = value_of(element.find(f"{W}basedOn"))
    return _Style(min(heading, 6), numbering, level)


@dataclass(slots=True)
class _Reader:
    """Reads the elements of a document in order."""

    styles: dict[str, _Style]
    counting: Counting
    work: Work
    paged: bool
    pieces: list[str] = field(default_factory=list)
    sections: list[Any] = field(default_factory=list)  # those that have not begun
    noted: list[str] = field(default_factory=list)
    title: str | None = None
    pictures: int = 0
    in_list: bool = False
    broken: bool = True  # whether a page has just begun

    def read(self, body: Any) -> None:
        """Read all blocks of the body."""
        total = len(body)
        changed = f"{W}sectPrChange"
        self.sections = [each for each in body.iter(f"{W}sectPr") if each.getparent().tag != changed][1:]
        for number, block in enumerate(blocks(body)):
            if number % _STEPS_PER_TELLING == 0:
                self.work.moved(min(1.0, number / max(1, total)))
            if block.tag == f"{W}p":
                self._paragraph(block)
            else:
                self._end_list()
                self._table(block)

    def _paragraph(self, paragraph: Any) -> None:
        """Read a paragraph: a heading, an item of a list, or words."""
        style = self.styles.get(value_of(paragraph.find(f"{W}pPr/{W}pStyle")), _Style())
        if is_on(paragraph.find(f"{W}pPr/{W}pageBreakBefore")) and not self.broken:
            self._break_page()
        text = self._words(paragraph)
        boxes = [box for box in paragraph.iter(BOX) if not is_within(box, (FALLBACK, BOX), paragraph)]
        heading = style.heading or self._own_outline(paragraph)
        label, mark = self.counting.label(paragraph, style.numbering, style.level)
        for number, page in enumerate(text.split("\f")):
            if number:
                self._break_page()
            line = page.strip()
            if not line:
                continue
            self.broken = False
            if heading:
                self._end_list()
                self.title = self.title or (title_of(line) if heading == 1 else None)
                self.pieces.append("#" * heading + f" {one_line(f'{label} {line}')}\n\n")
                label = ""
            elif mark:
                self.in_list = True
                self.pieces.append(f"{mark}{line}\n")
                mark = ""
            else:
                self._end_list()
                self.pieces.append(f"{line}\n\n")
        for box in boxes:
            self._box(box)
        if paragraph.find(f"{W}pPr/{W}sectPr") is not None:
            self._end_section()

    def _end_section(self) -> None:
        """Begin a page where the next section does."""
        following = self.sections.pop(0) if self.sections else None
        kind = value_of(following.find(f"{W}type")) if following is not None else "continuous"
        if kind not in ("continuous", "nextColumn") and not self.broken:
            self._break_page()

    def _box(self, box: Any) -> None:
        """Read what stands in a box beside the text; boxes inside of it are read as words."""
        self._end_list()
        lines = [line for p in paragraphs(box) if (line := one_line(text_of(p, self._note)))]
        if lines:
            self.broken = False
            self.pieces.append("\n".join(lines) + "\n\n")

    def _own_outline(self, paragraph: Any) -> int:
        """Return the level of a heading that a paragraph has without a style."""
        level = value_of(paragraph.find(f"{W}pPr/{W}outlineLvl"))
        return min(int(level) + 1, 6) if level.isdigit() and int(level) < MOST_LEVELS else 0

    def _words(self, paragraph: Any) -> str:
        """Return the words of a paragraph; page breaks are form feeds."""
        pieces: list[str] = []
        for element in runs(paragraph):
            tag = element.tag
            if tag in (f"{W}t", MATH_TEXT):
                pieces.append(element.text or "")
            elif tag == RENDERED_BREAK:
                before = "".join(pieces)
                if not before.rpartition("\f")[2].strip() and ("\f" in before or self.broken):
                    continue  # the break that Word saw is the one that the author has made
                pieces.append("\f")
            elif tag == f"{W}br" and element.get(f"{W}type") == "page":
                pieces.append("\f")
            elif tag in (f"{W}br", f"{W}cr"):
                pieces.append("\n")
            elif tag == f"{W}tab":
                pieces.append("\t")
            elif tag == f"{W}noBreakHyphen":
                pieces.append("-")
            elif tag in REFERENCES:
                pieces.append(self._note(element))
            elif tag in (f"{W}drawing", f"{W}pict"):
                self.pictures += 1 if element.find(".//{*}blip") is not None else 0
        return "".join(pieces)

    def _note(self, reference: Any) -> str:
        """Return the mark of a footnote, and remember to write it."""
        kind = "footnotes" if reference.tag.endswith("footnoteReference") else "endnotes"
        self.noted.append(f"{kind}:{reference.get(f'{W}id', '')}")
        return f"[^{len(self.noted)}]"

    def _table(self, table: Any) -> None:
        """Read a table; one of a single cell is a frame around what it holds."""
        rows = [list(cells_of(row)) for row in rows_of(table)]
        if len(rows) == 1 and len(rows[0]) == 1:
            for block in blocks(rows[0][0]):
                if block.tag == f"{W}p":
                    self._paragraph(block)
                else:
                    self._write_rows([list(cells_of(row)) for row in rows_of(block)])
            return
        self._write_rows(rows)

    def _write_rows(self, rows: list[list[Any]]) -> None:
        """Write a table's rows, page by page; a cell across several columns stands in the first of them."""
        written: list[list[str]] = []
        for row in rows:
            before, inside = breaks_in(row) if self.paged else (0, 0)
            for _ in range(before if written or not self.broken else before - 1):
                self._write_table(written)
                self._break_page()
                written = []
            cells: list[str] = []
            for cell in row:
                cells.append(self._cell_text(cell))
                span = number_of(value_of(cell.find(f"{W}tcPr/{W}gridSpan"))) or 1
                cells.extend([""] * (min(span, 100) - 1))
            written.append(cells)
            for _ in range(inside):
                self._write_table(written)
                self._break_page()
                written = []
        self._write_table(written)

    def _write_table(self, rows: list[list[str]]) -> None:
        """Write the rows of a table that are on one page."""
        if table := markdown_table(rows):
            self.broken = False
            self.pieces.append(f"{table}\n\n")

    def _cell_text(self, cell: Any) -> str:
        """Return the words of a cell; one that goes on from the row above has none of its own."""
        merged = cell.find(f"{W}tcPr/{W}vMerge")
        if merged is not None and merged.get(f"{W}val", "continue") == "continue":
            return ""
        return " ".join(text for p in paragraphs(cell) if (text := one_line(text_of(p, self._note))))

    def _end_list(self) -> None:
        """Part a list from what follows it."""
        if self.in_list:
            self.pieces.append("\n")
            self.in_list = False

    def _break_page(self) -> None:
        """Begin a page, where pages are known."""
        self._end_list()
        if self.paged:
            self.pieces.append("\f")
            self.broken = True


def _around(part: Any, kind: str) -> list[str]:
    """Return what stands at the head or foot of pages, each text once."""
    texts: dict[str, None] = {}
    for relation in part.rels.values():
        if not relation.is_external and relation.reltype.endswith(f"/{kind}"):
            root = element_of(relation.target_part)
            lines = [line for p in paragraphs(root) if (line := one_line(text_of(p)))]
            texts["\n".join(lines)] = None
    return [text for text in texts if text and not text.isdigit()]


def _notes(part: Any, noted: list[str]) -> dict[int, str]:
    """Return the notes that are referred to, by the number that the text gives them."""
    known: dict[str, str] = {}
    for kind in ("footnotes", "endnotes"):
        root = related(part, kind)
        for note in root if root is not None else ():
            text = " ".join(words for p in paragraphs(note) if (words := one_line(text_of(p))))
            known[f"{kind}:{note.get(f'{W}id', '')}"] = text
    return {number: known[key] for number, key in enumerate(noted, 1) if known.get(key)}


def _title(part: Any) -> str | None:
    """Return the title of the file's properties; those of templates say nothing."""
    title = title_of(part.package.core_properties.title)
    return (
        None
        if title and title.lower() in ("word document", "document", "untitled", "powerpoint presentation")
        else title
    )
