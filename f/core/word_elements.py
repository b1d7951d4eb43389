"""The elements of a Word document: their names, values and parts, and the ways through them.

Shared module, pure. No way goes through what was deleted under revision, nor through what is said again for older
programs.
"""

# extra_requirements:
# python-docx==1.2.0

from collections.abc import Callable, Iterator
from typing import Any

import f.core.errors  # noqa: F401 -- refuses to run as a script

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
"""The namespace of its elements."""
MOST_LEVELS = 9
"""Levels of headings and of lists."""
MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
"""Letters of a formula."""
FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
"""What is said again for older programs."""
BOX = f"{W}txbxContent"
"""What stands in a box beside the text."""
REFERENCES = (f"{W}footnoteReference", f"{W}endnoteReference")
"""Marks of notes."""
RENDERED_BREAK = f"{W}lastRenderedPageBreak"
"""Where a page began when Word last set the words."""
_BLOCKS = (f"{W}p", f"{W}tbl")
_LEFT_OUT = frozenset(
    {f"{W}{name}" for name in ("del", "moveFrom", "delText", "instrText", "pPr", "rPr", "rt")} | {FALLBACK}
)


def related(part: Any, kind: str) -> Any:
    """Return the root of a part that belongs to the document, None where there is none."""
    for relation in part.rels.values():
        if not relation.is_external and relation.reltype.endswith(f"/{kind}"):
            return element_of(relation.target_part)
    return None


def element_of(part: Any) -> Any:
    """Return the root element of a part, by the parser that resolves no entities."""
    from docx.oxml.parser import parse_xml  # noqa: PLC0415

    return part.element if hasattr(part, "element") else parse_xml(part.blob)


def is_on(element: Any) -> bool:
    """Tell whether a property is set."""
    return element is not None and element.get(f"{W}val", "true") not in ("0", "false", "off")


def value_of(element: Any) -> str:
    """Return the value of an element that may be missing."""
    return str(element.get(f"{W}val", "")) if element is not None else ""


def number_of(text: str) -> int:
    """Return a number from 0 up, 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0


def blocks(container: Any) -> Iterator[Any]:
    """Yield paragraphs and tables in order, through whatever wraps them."""
    for element in _walk(container, _wraps):
        if element.tag in _BLOCKS:
            yield element


def _wraps(element: Any) -> bool:
    """Tell whether an element may wrap paragraphs and tables, and is none itself."""
    tag = element.tag
    return isinstance(tag, str) and tag not in _BLOCKS and tag not in _LEFT_OUT and not tag.endswith("Pr")


def runs(paragraph: Any) -> Iterator[Any]:
    """Yield what a paragraph is made of in order, without what is deleted, and without boxes."""
    return _walk(paragraph, lambda element: element.tag not in _LEFT_OUT and element.tag != BOX)


def paragraphs(container: Any) -> Iterator[Any]:
    """Yield all paragraphs, also those in tables and boxes, without what is said again for older programs."""
    for element in _walk(container, lambda element: element.tag not in _LEFT_OUT):
        if element.tag == f"{W}p":
            yield element


def _walk(container: Any, enters: Callable[[Any], bool]) -> Iterator[Any]:
    """Yield the elements inside of one in order, and behind each those inside of it, where it is entered."""
    waiting = [iter(container)]
    while waiting:
        element = next(waiting[-1], None)
        if element is None:
            waiting.pop()
            continue
        yield element
        if len(element) and enters(element):
            waiting.append(iter(element))


def text_of(paragraph: Any, note: Callable[[Any], str] | None = None) -> str:
    """Return the words of a paragraph in a table, a box or a note, with the marks of notes where they are written."""
    breaks = (f"{W}br", f"{W}cr", f"{W}tab")
    pieces: list[str] = []
    for element in runs(paragraph):
        if element.tag in (f"{W}t", MATH_TEXT):
            pieces.append(element.text or "")
        elif element.tag in breaks:
            pieces.append(" ")
        elif note is not None and element.tag in REFERENCES:
            pieces.append(note(element))
    return "".join(pieces)


def breaks_in(row: list[Any]) -> tuple[int, int]:
    """Tell how many pages begin with a row, and how many inside of it; cells beside each other go over the same."""
    before = inside = 0
    for cell in row:
        said, opening, later = False, 0, 0
        for element in cell.iter(f"{W}t", RENDERED_BREAK):
            if element.tag == f"{W}t":
                said = said or bool((element.text or "").strip())
            elif said:
                later += 1
            else:
                opening += 1
        before, inside = max(before, opening), max(inside, later)
    return before, inside


def rows_of(table: Any) -> Iterator[Any]:
    """Yield the rows of a table, not those of tables inside of it."""
    for child in table:
        if child.tag == f"{W}tr":
            yield child
        elif child.tag in (f"{W}sdt", f"{W}ins", f"{W}customXml"):
            yield from child.iter(f"{W}tr")


def cells_of(row: Any) -> Iterator[Any]:
    """Yield the cells of a row."""
    for child in row:
        if child.tag == f"{W}tc":
            yield child
        elif child.tag in (f"{W}sdt", f"{W}customXml"):
            yield from child.iter(f"{W}tc")


def is_within(element: Any, tags: tuple[str, ...], limit: Any) -> bool:
    """Tell whether an element is inside of one with one of these tags, below a limit."""
    parent = element.getparent()
    while parent is not None and parent is not limit:
        if parent.tag in tags:
            return True
        parent = parent.getparent()
    return False
