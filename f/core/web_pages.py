"""HTML as Markdown: headings, paragraphs, lists and tables, without what is not shown and what only leads about.

Shared module, pure. One pass over the elements without recursion, linear in them, because a page may be as deep as one
likes. Words are kept exactly; marks of emphasis are not written, because they would stand inside of quotes. A table
that only arranges the page, as in mails, is read cell by cell.

It is written here because the libraries for it recurse, so that a deep page ends them, take several times as long, and
put backslashes and the bars of layout tables into what is to be quoted.
"""

# extra_requirements:
# lxml==6.1.3

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from f.core.clean_text import clean, one_line, tidy, title_of
from f.core.markdown_tables import markdown_table
from f.core.parsed_parts import Extracted, Unreadable, Work
from f.core.text_files import decoded, decoded_as

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_-]{2,40})", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\n\r\f]+")
_UNSEEN = frozenset(
    """
    script style noscript template head iframe object svg select textarea button audio video canvas map datalist dialog
    embed
    """.split()  # noqa: SIM905 - a list of quoted names could not be read
)
_BLOCKS = frozenset(
    """
    address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer form
    header hr html legend li main nav ol p pre section summary table tbody td tfoot th thead tr ul menu dir hgroup
    """.split()  # noqa: SIM905 - as above
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LISTS = frozenset({"ul", "ol", "menu", "dir"})
_NOT_IN_TABLE = frozenset({"table", "ul", "ol", "h1", "h2", "h3", "pre", "blockquote", "form"})
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_LEAST_MAIN = 200
_MOST_SPANNED = 100


def read_web_page(content: bytes, work: Work) -> Extracted:
    """Read an HTML file."""
    text, title = html_to_markdown(content)
    if not text.strip():
        raise Unreadable("no_text", "The page holds no text.")
    return Extracted(text=text, title=title)


def html_to_markdown(content: bytes, charset: str = "") -> tuple[str, str | None]:
    """Turn HTML into Markdown.

    Args:
        content: The page.
        charset: What was said beside it about its encoding; else it is looked for inside, else guessed.

    Returns:
        The text, empty where there is none, and the page's title.
    """
    from lxml import etree  # noqa: PLC0415 -- only where there is HTML

    parser = etree.HTMLParser(
        encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True, no_network=True, recover=True
    )
    markup = _decoded(content, charset).encode("utf-8", "replace")
    root = etree.fromstring(markup, parser) if markup.strip() else None
    if any("depth" in entry.message for entry in parser.error_log):
        raise Unreadable("damaged", "The elements of the page are inside of each other deeper than browsers show.")
    if root is None:
        return "", None
    title = title_of(root.findtext(".//title"))
    text = _written(_main_part(root), leave_out_navigation=True) or _written(root, leave_out_navigation=False)
    heading = root.find(".//h1")
    return text, title or (title_of("".join(heading.itertext())) if heading is not None else None)


def _decoded(content: bytes, charset: str) -> str:
    """Decode a page."""
    declared = _CHARSET.search(content[:4_096])
    for encoding in (charset, declared.group(1).decode("ascii") if declared else ""):
        try:
            if encoding and not content.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                western = encoding.lower() in ("iso-8859-1", "latin1", "ascii")
                return decoded_as(content, "cp1252" if western else encoding)
        except (LookupError, ValueError):
            continue
    return decoded(content)


def _main_part(root: Any) -> Any:
    """Return the element that a page itself marks as what it is about, or all of it."""
    marked = root.findall(".//main")
    if len(marked) == 1 and len(" ".join("".join(marked[0].itertext()).split())) >= _LEAST_MAIN:
        return marked[0]
    return root


def _written(root: Any, *, leave_out_navigation: bool) -> str:
    """Write what is below an element as Markdown."""
    from lxml import etree  # noqa: PLC0415

    writer = _Writer()
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        name = element.tag if isinstance(element.tag, str) else ""
        if event == "start":
            if _is_unseen(element, name) or (leave_out_navigation and _is_navigation(element, name)):
                walk.skip_subtree()
                writer.skipped = element
            elif name == "table" and (table := _data_table(element)):
                walk.skip_subtree()
                writer.skipped = element
                writer.block(table)
            else:
                writer.begin(name, element)
                writer.words(element.text)
            continue
        if writer.skipped is element:
            writer.skipped = None
        else:
            writer.end(name)
        if element is not root:
            writer.words(element.tail)
    writer.flush()
    return tidy("".join(writer.pieces))


@dataclass(slots=True)
class _Writer:
    """Puts words into lines, and lines into blocks."""

    pieces: list[str] = field(default_factory=list)
    line: list[str] = field(default_factory=list)
    lists: list[int] = field(default_factory=list)  # for each list that is open: the next number, or -1
    marker: str = ""
    heading: int = 0
    quotes: int = 0
    verbatim: int = 0
    skipped: Any = None

    def words(self, text: str | None) -> None:
        """Add words to the line."""
        if text:
            self.line.append(text if self.verbatim else _SPACE.sub(" ", text))

    def begin(self, name: str, element: Any) -> None:
        """Take an element's beginning."""
        if name == "br":
            self.line.append("\n")
        elif name in _HEADINGS:
            self.flush()
            self.heading = _HEADINGS[name]
        elif name in _BLOCKS:
            self.flush()
            if name in _LISTS:
                self.lists.append(int(element.get("start") or 1) if _is_counted(name, element) else -1)
            elif name == "li":
                self._mark()
            elif name == "blockquote":
                self.quotes += 1
            elif name == "pre":
                self.verbatim += 1

    def end(self, name: str) -> None:
        """Take an element's end."""
        if name in _HEADINGS:
            self.flush()
            self.heading = 0
        elif name in _BLOCKS:
            self.flush()
            if name in _LISTS:
                self.lists.pop()
                if not self.lists:
                    self.pieces.append("\n")
            elif name == "li":
                self.marker = ""
            elif name == "blockquote":
                self.quotes -= 1
            elif name == "pre":
                self.verbatim -= 1

    def block(self, text: str) -> None:
        """Add a block that is written already."""
        self.flush()
        self.pieces.append(f"{text}\n\n")

    def flush(self) -> None:
        """End the line; one without words is none."""
        text = "".join(self.line)
        self.line.clear()
        if self.verbatim:
            if text.strip():
                self.pieces.append("```\n" + text.strip("\n") + "\n```\n\n")
            return
        lines = [line for piece in text.split("\n") if (line := _SPACE.sub(" ", clean(piece)).strip())]
        if not lines:
            return
        if self.heading:
            self.pieces.append("#" * self.heading + " " + " ".join(lines) + "\n\n")
        elif self.lists:
            indent = "  " * (len(self.lists) - 1)
            opening = indent + (self.marker or "  ")
            self.marker = ""
            self.pieces.append(opening + f"\n{indent}  ".join(lines) + "\n")
        else:
            quote = "> " if self.quotes else ""
            self.pieces.append("\n".join(quote + line for line in lines) + "\n\n")

    def _mark(self) -> None:
        """Set the mark of the list item that begins."""
        if self.lists and self.lists[-1] >= 0:
            self.marker = f"{self.lists[-1]}. "
            self.lists[-1] += 1
        else:
            self.marker = "- "


def _is_counted(name: str, element: Any) -> bool:
    """Tell whether a list has numbers that can be counted on from its start."""
    start = str(element.get("start") or "1")
    return name == "ol" and start.isascii() and start.isdigit() and len(start) < 7


def _is_unseen(element: Any, name: str) -> bool:
    """Tell whether nobody sees an element."""
    if not name or name in _UNSEEN or element.get("hidden") is not None:
        return True
    style = element.get("style")
    return bool(style and _HIDDEN_STYLE.search(style))


def _is_navigation(element: Any, name: str) -> bool:
    """Tell whether an element only leads to other pages."""
    return name == "nav" or element.get("role") in ("navigation", "search", "menu", "menubar")


def _data_table(table: Any) -> str:
    """Write a table, or return nothing where it only arranges a page."""
    from lxml import etree  # noqa: PLC0415

    if table.get("role") in ("presentation", "none"):
        return ""
    rows: list[list[Any]] = []
    walk = etree.iterwalk(table, events=("start",))
    for _, element in walk:
        if element is not table and element.tag in _NOT_IN_TABLE:
            return ""
        if _is_unseen(element, element.tag if isinstance(element.tag, str) else ""):
            walk.skip_subtree()
        elif element.tag == "tr":
            rows.append([cell for cell in element if cell.tag in ("td", "th") and not _is_unseen(cell, cell.tag)])
    if len(rows) < 2 or max(map(len, rows)) < 2:
        return ""
    caption = table.findtext("caption")
    written = markdown_table(_laid_out(rows))
    return f"{one_line(caption)}\n\n{written}" if caption and caption.strip() else written


def _laid_out(rows: list[list[Any]]) -> Iterator[list[str]]:
    """Yield rows whose cells stand below each other; one across several stands in the first of them alone."""
    taken: dict[int, int] = {}  # for a column, how many more rows a cell from above takes
    for row in rows:
        cells: list[str] = []
        below: dict[int, int] = {column: count - 1 for column, count in taken.items() if count > 1}
        for cell in row:
            while len(cells) in taken:
                cells.append("")
            first, wide, high = len(cells), _span(cell, "colspan"), _span(cell, "rowspan")
            cells += [_cell(cell), *[""] * (wide - 1)]
            if high > 1:
                below |= dict.fromkeys(range(first, first + wide), high - 1)
        taken = below
        yield cells


def _span(cell: Any, name: str) -> int:
    """Return how many columns or rows a cell goes across."""
    said = str(cell.get(name) or "")
    return min(max(int(said), 1), _MOST_SPANNED) if said.isascii() and said.isdigit() and len(said) < 6 else 1


def _cell(cell: Any) -> str:
    """Return a cell's words; what breaks a line becomes a space."""
    from lxml import etree  # noqa: PLC0415

    pieces: list[str] = []
    walk = etree.iterwalk(cell, events=("start", "end"))
    for event, element in walk:
        if event == "end":
            pieces.append((element.tail or "") if element is not cell else "")
        elif _is_unseen(element, element.tag if isinstance(element.tag, str) else ""):
            walk.skip_subtree()
        else:
            pieces.append(" " if element is not cell and element.tag in ("br", "p", "div") else "")
            pieces.append(element.text or "")
    return one_line("".join(pieces))
