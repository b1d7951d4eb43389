"""Word documents as Markdown: headings, lists, tables, footnotes, in the order of the document.

Shared module, pure. ``python-docx`` opens the package and finds its parts; their elements are read as they stand, in
one pass, because its objects cost a search for each paragraph. Words that were deleted under revision are left out,
inserted ones are taken. Pages are those on which Word has noted that it has set the words: breaks that an author made
do not tell which page a word is on, so a file without such notes has no pages. Numbers that Word makes are written.

It has more than two hundred lines because a list, a note or a heading is said in several parts of the package.
"""

# extra_requirements:
# python-docx==1.2.0

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from f.core.clean_text import one_line, tidy, title_of
from f.core.markdown_tables import markdown_table
from f.core.parsed_parts import Extracted, Unreadable, Work
from f.core.zip_files import open_package

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_HEADING_STYLE = re.compile(r"heading (\d)\Z", re.IGNORECASE)
_BOX = f"{_W}txbxContent"
_REFERENCES = (f"{_W}footnoteReference", f"{_W}endnoteReference")
_LEFT_OUT = frozenset(
    {f"{_W}{name}" for name in ("del", "moveFrom", "delText", "instrText", "pPr", "rPr", "rt")} | {_FALLBACK}
)
_MACRO_TYPES = (
    "application/vnd.ms-word.document.macroEnabled.main+xml",
    "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
)
_RENDERED_BREAK = f"{_W}lastRenderedPageBreak"
_MOST_LEVELS = 9
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
    (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_PLACE_OF_NUMBER = re.compile(r"%([1-9])")
_PLAIN_NUMBER = re.compile(r"%[1-9][.)]?\Z")
_STEPS_PER_TELLING = 500
_LONGEST_LABEL = 100


def read_word(content: bytes, work: Work) -> Extracted:
    """Read a Word document."""
    open_package(content, work.settings)
    part = _main_part(content)
    body = part.element.find(f"{_W}body")
    if body is None:
        strict = part.element.find(f"{_STRICT}body") is not None
        reason = "The document is in the strict form. Save it as an ordinary DOCX." if strict else "It has no body."
        raise Unreadable("unsupported_type" if strict else "damaged", reason)
    reader = _Reader(_styles(part), _numberings(part), work, paged=body.find(f".//{_RENDERED_BREAK}") is not None)
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
    root = _related(part, "styles")
    if root is None:
        return {}
    elements = {element.get(f"{_W}styleId", ""): element for element in root.findall(f"{_W}style")}
    return {name: _style(name, elements) for name in elements}


def _style(name: str, elements: dict[str, Any]) -> _Style:
    """Read one style with those that it is based on; a circle of them ends."""
    heading, numbering, level = 0, "", 0
    seen: set[str] = set()
    while name in elements and name not in seen:
        seen.add(name)
        element = elements[name]
        called = _value(element.find(f"{_W}name"))
        match = _HEADING_STYLE.match(called)
        outline = _value(element.find(f"{_W}pPr/{_W}outlineLvl"))
        if not heading and match:
            heading = int(match.group(1))
        elif not heading and called.lower() == "title":
            heading = 1
        elif not heading and outline.isdigit() and int(outline) < _MOST_LEVELS:
            heading = int(outline) + 1
        if not numbering:
            numbering = _value(element.find(f"{_W}pPr/{_W}numPr/{_W}numId"))
            level = _number(_value(element.find(f"{_W}pPr/{_W}numPr/{_W}ilvl")))
        name = _value(element.find(f"{_W}basedOn"))
    return _Style(min(heading, 6), numbering, level)


@dataclass(frozen=True, slots=True)
class _Level:
    """How a level of a list is counted, and how its label is made of the numbers of its level and those above."""

    form: str
    label: str
    start: int
    in_digits: bool

    @property
    def is_counted(self) -> bool:
        """Tell whether its items have numbers, and not bullets."""
        return self.form not in ("bullet", "none", "")


@dataclass(slots=True)
class _Numbering:
    """A list: its levels, and the name of the form that it shares its counting with."""

    shared: str
    levels: dict[int, _Level]
    begins_anew: dict[int, int] = field(default_factory=dict)  # by level; each once


def _numberings(part: Any) -> dict[str, _Numbering]:
    """Read the lists of a document by their ids."""
    root = _related(part, "numbering")
    if root is None:
        return {}
    forms = {
        abstract.get(f"{_W}abstractNumId", ""): dict(map(_level, abstract.findall(f"{_W}lvl")))
        for abstract in root.findall(f"{_W}abstractNum")
    }
    numberings: dict[str, _Numbering] = {}
    for number in root.findall(f"{_W}num"):
        shared = _value(number.find(f"{_W}abstractNumId"))
        numbering = _Numbering(shared, dict(forms.get(shared, {})))
        for override in number.findall(f"{_W}lvlOverride"):
            numbering.levels.update(map(_level, override.findall(f"{_W}lvl")))
            if (start := override.find(f"{_W}startOverride")) is not None:
                numbering.begins_anew[_number(override.get(f"{_W}ilvl", ""))] = _number(_value(start))
        numberings[number.get(f"{_W}numId", "")] = numbering
    return numberings


def _level(element: Any) -> tuple[int, _Level]:
    """Read a level of a list."""
    start = element.find(f"{_W}start")
    level = _Level(
        form=_value(element.find(f"{_W}numFmt")),
        label=_value(element.find(f"{_W}lvlText"))[:_LONGEST_LABEL],
        start=1 if start is None else _number(_value(start)),
        in_digits=_is_on(element.find(f"{_W}isLgl")),
    )
    return _number(element.get(f"{_W}ilvl", "")), level


def _counted(number: int, form: str) -> str:
    """Write a number as a list's level does; forms that are not known are written in digits."""
    if form in ("lowerLetter", "upperLetter") and number:
        written = chr(ord("a") + (number - 1) % 26) * min((number - 1) // 26 + 1, 100)
    elif form in ("lowerRoman", "upperRoman"):
        written = ""
        for value, letters in _ROMAN:
            written += letters * (number // value)
            number %= value
    else:
        written = f"{number:02}" if form == "decimalZero" else str(number)
    return written.upper() if form.startswith("upper") else written


@dataclass(slots=True)
class _Reader:
    """Reads the elements of a document in order."""

    styles: dict[str, _Style]
    numberings: dict[str, _Numbering]
    work: Work
    paged: bool
    pieces: list[str] = field(default_factory=list)
    counts: dict[tuple[str, int], int] = field(default_factory=dict)
    sections: list[Any] = field(default_factory=list)  # those that have not begun
    noted: list[str] = field(default_factory=list)
    title: str | None = None
    pictures: int = 0
    in_list: bool = False
    broken: bool = True  # whether a page has just begun

    def read(self, body: Any) -> None:
        """Read all blocks of the body."""
        total = len(body)
        changed = f"{_W}sectPrChange"
        self.sections = [each for each in body.iter(f"{_W}sectPr") if each.getparent().tag != changed][1:]
        for number, block in enumerate(_blocks(body)):
            if number % _STEPS_PER_TELLING == 0:
                self.work.moved(min(1.0, number / max(1, total)))
            if block.tag == f"{_W}p":
                self._paragraph(block)
            else:
                self._end_list()
                self._table(block)

    def _paragraph(self, paragraph: Any) -> None:
        """Read a paragraph: a heading, an item of a list, or words."""
        style = self.styles.get(_value(paragraph.find(f"{_W}pPr/{_W}pStyle")), _Style())
        if _is_on(paragraph.find(f"{_W}pPr/{_W}pageBreakBefore")) and not self.broken:
            self._break_page()
        text = self._words(paragraph)
        boxes = [box for box in paragraph.iter(_BOX) if not _within(box, (_FALLBACK, _BOX), paragraph)]
        heading = style.heading or self._own_outline(paragraph)
        label, mark = self._label(paragraph, style)
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
        if paragraph.find(f"{_W}pPr/{_W}sectPr") is not None:
            self._end_section()

    def _end_section(self) -> None:
        """Begin a page where the next section does."""
        following = self.sections.pop(0) if self.sections else None
        kind = _value(following.find(f"{_W}type")) if following is not None else "continuous"
        if kind not in ("continuous", "nextColumn") and not self.broken:
            self._break_page()

    def _box(self, box: Any) -> None:
        """Read what stands in a box beside the text; boxes inside of it are read as words."""
        self._end_list()
        lines = [line for p in _paragraphs(box) if (line := one_line(_text_of(p, self._note)))]
        if lines:
            self.broken = False
            self.pieces.append("\n".join(lines) + "\n\n")

    def _own_outline(self, paragraph: Any) -> int:
        """Return the level of a heading that a paragraph has without a style."""
        level = _value(paragraph.find(f"{_W}pPr/{_W}outlineLvl"))
        return min(int(level) + 1, 6) if level.isdigit() and int(level) < _MOST_LEVELS else 0

    def _label(self, paragraph: Any, style: _Style) -> tuple[str, str]:
        """Count a paragraph in its list.

        Returns:
            The number that Word shows before it, and what stands before it as an item; both empty where it is in none.
        """
        own = paragraph.find(f"{_W}pPr/{_W}numPr")
        name = _value(own.find(f"{_W}numId")) if own is not None else ""
        level = min(_number(_value(own.find(f"{_W}ilvl"))) if own is not None else style.level, _MOST_LEVELS - 1)
        name = name or style.numbering
        if not name or name == "0" or paragraph.find(f"{_W}pPr/{_W}rPr/{_W}del") is not None:
            return "", ""
        numbering = self.numberings.get(name) or _Numbering("", {})
        self._count(numbering, level)
        form = numbering.levels.get(level)
        indent = "  " * level
        if form is None or not form.is_counted:
            return "", f"{indent}- "
        shown = _PLACE_OF_NUMBER.sub(lambda place: self._number_at(numbering, int(place[1]) - 1, form), form.label)
        label = one_line(shown)
        if form.form == "decimal" and (not label or _PLAIN_NUMBER.match(form.label.strip())):
            return label, f"{indent}{self.counts[numbering.shared, level]}. "
        return label, f"{indent}{label} " if label else f"{indent}- "

    def _count(self, numbering: _Numbering, level: int) -> None:
        """Count an item, and let the levels below it begin anew."""
        start = numbering.levels[level].start if level in numbering.levels else 1
        if level in numbering.begins_anew:
            self.counts[numbering.shared, level] = numbering.begins_anew.pop(level)
        else:
            self.counts[numbering.shared, level] = self.counts.get((numbering.shared, level), start - 1) + 1
        for deeper in range(level + 1, _MOST_LEVELS):
            self.counts.pop((numbering.shared, deeper), None)

    def _number_at(self, numbering: _Numbering, level: int, shown_by: _Level) -> str:
        """Write the number that a level has come to; one that has no item yet is at its start."""
        form = numbering.levels.get(level, shown_by)
        number = self.counts.get((numbering.shared, level), form.start)
        return _counted(number, "decimal" if shown_by.in_digits else form.form)

    def _words(self, paragraph: Any) -> str:
        """Return the words of a paragraph; page breaks are form feeds."""
        pieces: list[str] = []
        for element in _runs(paragraph):
            tag = element.tag
            if tag in (f"{_W}t", _MATH_TEXT):
                pieces.append(element.text or "")
            elif tag == _RENDERED_BREAK:
                before = "".join(pieces)
                if not before.rpartition("\f")[2].strip() and ("\f" in before or self.broken):
                    continue  # the break that Word saw is the one that the author has made
                pieces.append("\f")
            elif tag == f"{_W}br" and element.get(f"{_W}type") == "page":
                pieces.append("\f")
            elif tag in (f"{_W}br", f"{_W}cr"):
                pieces.append("\n")
            elif tag == f"{_W}tab":
                pieces.append("\t")
            elif tag == f"{_W}noBreakHyphen":
                pieces.append("-")
            elif tag in _REFERENCES:
                pieces.append(self._note(element))
            elif tag in (f"{_W}drawing", f"{_W}pict"):
                self.pictures += 1 if element.find(".//{*}blip") is not None else 0
        return "".join(pieces)

    def _note(self, reference: Any) -> str:
        """Return the mark of a footnote, and remember to write it."""
        kind = "footnotes" if reference.tag.endswith("footnoteReference") else "endnotes"
        self.noted.append(f"{kind}:{reference.get(f'{_W}id', '')}")
        return f"[^{len(self.noted)}]"

    def _table(self, table: Any) -> None:
        """Read a table; one of a single cell is a frame around what it holds."""
        rows = [list(_cells(row)) for row in _rows(table)]
        if len(rows) == 1 and len(rows[0]) == 1:
            for block in _blocks(rows[0][0]):
                if block.tag == f"{_W}p":
                    self._paragraph(block)
                else:
                    self._write_rows([list(_cells(row)) for row in _rows(block)])
            return
        self._write_rows(rows)

    def _write_rows(self, rows: list[list[Any]]) -> None:
        """Write a table's rows, page by page; a cell across several columns stands in the first of them."""
        written: list[list[str]] = []
        for row in rows:
            before, inside = _breaks_in(row) if self.paged else (0, 0)
            for _ in range(before if written or not self.broken else before - 1):
                self._write_table(written)
                self._break_page()
                written = []
            cells: list[str] = []
            for cell in row:
                cells.append(self._cell_text(cell))
                span = _number(_value(cell.find(f"{_W}tcPr/{_W}gridSpan"))) or 1
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
        merged = cell.find(f"{_W}tcPr/{_W}vMerge")
        if merged is not None and merged.get(f"{_W}val", "continue") == "continue":
            return ""
        return " ".join(text for p in _paragraphs(cell) if (text := one_line(_text_of(p, self._note))))

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


def _blocks(container: Any) -> Iterator[Any]:
    """Yield paragraphs and tables in order, through whatever wraps them."""
    waiting = [iter(container)]
    while waiting:
        element = next(waiting[-1], None)
        if element is None:
            waiting.pop()
        elif element.tag in (f"{_W}p", f"{_W}tbl"):
            yield element
        elif isinstance(element.tag, str) and element.tag not in _LEFT_OUT and not element.tag.endswith("Pr"):
            waiting.append(iter(element))


def _runs(paragraph: Any) -> Iterator[Any]:
    """Yield what a paragraph is made of in order, without what is deleted, and without boxes."""
    waiting = [iter(paragraph)]
    while waiting:
        element = next(waiting[-1], None)
        if element is None:
            waiting.pop()
            continue
        yield element
        if element.tag not in _LEFT_OUT and element.tag != _BOX and len(element):
            waiting.append(iter(element))


def _paragraphs(container: Any) -> Iterator[Any]:
    """Yield all paragraphs, also those in tables and boxes, without what is said again for older programs."""
    waiting = [iter(container)]
    while waiting:
        element = next(waiting[-1], None)
        if element is None:
            waiting.pop()
        elif element.tag not in _LEFT_OUT:
            if element.tag == f"{_W}p":
                yield element
            waiting.append(iter(element))


def _text_of(paragraph: Any, note: Callable[[Any], str] | None = None) -> str:
    """Return the words of a paragraph in a table, a box or a note, with the marks of notes where they are written."""
    breaks = (f"{_W}br", f"{_W}cr", f"{_W}tab")
    pieces: list[str] = []
    for element in _runs(paragraph):
        if element.tag in (f"{_W}t", _MATH_TEXT):
            pieces.append(element.text or "")
        elif element.tag in breaks:
            pieces.append(" ")
        elif note is not None and element.tag in _REFERENCES:
            pieces.append(note(element))
    return "".join(pieces)


def _breaks_in(row: list[Any]) -> tuple[int, int]:
    """Tell how many pages begin with a row, and how many inside of it; cells beside each other go over the same."""
    before = inside = 0
    for cell in row:
        said, opening, later = False, 0, 0
        for element in cell.iter(f"{_W}t", _RENDERED_BREAK):
            if element.tag == f"{_W}t":
                said = said or bool((element.text or "").strip())
            elif said:
                later += 1
            else:
                opening += 1
        before, inside = max(before, opening), max(inside, later)
    return before, inside


def _rows(table: Any) -> Iterator[Any]:
    """Yield the rows of a table, not those of tables inside of it."""
    for child in table:
        if child.tag == f"{_W}tr":
            yield child
        elif child.tag in (f"{_W}sdt", f"{_W}ins", f"{_W}customXml"):
            yield from child.iter(f"{_W}tr")


def _cells(row: Any) -> Iterator[Any]:
    """Yield the cells of a row."""
    for child in row:
        if child.tag == f"{_W}tc":
            yield child
        elif child.tag in (f"{_W}sdt", f"{_W}customXml"):
            yield from child.iter(f"{_W}tc")


def _around(part: Any, kind: str) -> list[str]:
    """Return what stands at the head or foot of pages, each text once."""
    texts: dict[str, None] = {}
    for relation in part.rels.values():
        if not relation.is_external and relation.reltype.endswith(f"/{kind}"):
            root = _element(relation.target_part)
            lines = [line for p in _paragraphs(root) if (line := one_line(_text_of(p)))]
            texts["\n".join(lines)] = None
    return [text for text in texts if text and not text.isdigit()]


def _notes(part: Any, noted: list[str]) -> dict[int, str]:
    """Return the notes that are referred to, by the number that the text gives them."""
    known: dict[str, str] = {}
    for kind in ("footnotes", "endnotes"):
        root = _related(part, kind)
        for note in root if root is not None else ():
            text = " ".join(words for p in _paragraphs(note) if (words := one_line(_text_of(p))))
            known[f"{kind}:{note.get(f'{_W}id', '')}"] = text
    return {number: known[key] for number, key in enumerate(noted, 1) if known.get(key)}


def _related(part: Any, kind: str) -> Any:
    """Return the root of a part that belongs to the document, None where there is none."""
    for relation in part.rels.values():
        if not relation.is_external and relation.reltype.endswith(f"/{kind}"):
            return _element(relation.target_part)
    return None


def _element(part: Any) -> Any:
    """Return the root element of a part, by the parser that resolves no entities."""
    from docx.oxml.parser import parse_xml  # noqa: PLC0415

    return part.element if hasattr(part, "element") else parse_xml(part.blob)


def _title(part: Any) -> str | None:
    """Return the title of the file's properties; those of templates say nothing."""
    title = title_of(part.package.core_properties.title)
    return (
        None
        if title and title.lower() in ("word document", "document", "untitled", "powerpoint presentation")
        else title
    )


def _within(element: Any, tags: tuple[str, ...], limit: Any) -> bool:
    """Tell whether an element is inside of one with one of these tags, below a limit."""
    parent = element.getparent()
    while parent is not None and parent is not limit:
        if parent.tag in tags:
            return True
        parent = parent.getparent()
    return False


def _is_on(element: Any) -> bool:
    """Tell whether a property is set."""
    return element is not None and element.get(f"{_W}val", "true") not in ("0", "false", "off")


def _value(element: Any) -> str:
    """Return the value of an element that may be missing."""
    return str(element.get(f"{_W}val", "")) if element is not None else ""


def _number(text: str) -> int:
    """Return a number from 0 up, 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
