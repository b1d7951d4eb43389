"""Finds a document's sections: what stands under which heading, on which page, and what is a table or code.

Shared module, pure, linear in the content. Headings are Markdown's (``#`` and underlined), a wiki's (``== Title ==``;
AsciiDoc needs no closing marks), numbered ones where they cannot be a list item (alone between empty lines, short,
without closing punctuation), and titles without any mark: a short line behind an empty one, right above a paragraph.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass, field

import f.core.errors  # noqa: F401 -- refuses to run as a script

_LINE = re.compile(r"\f|\S[^\n\r\f]*")
_HASHES = re.compile(r"(#{1,6})[ \t]+(?=\S)")
_EQUALS = re.compile(r"(={1,6}|=(?: =){1,5})[ \t]+(?=\w)")
_UNDERLINE = re.compile(r"(?:=+|-+)\Z")
_FENCE = re.compile(r"`{3,}|~{3,}")
_TABLE_RULE = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*+\|?\Z")
_NUMBERED = re.compile(
    r"(?:(?:Article|Section|Chapter|Part|Annex|Appendix"
    r"|Άρθρο|Κεφάλαιο|Ενότητα|Μέρος|Παράρτημα|ΑΡΘΡΟ|ΚΕΦΑΛΑΙΟ|ΜΕΡΟΣ)[ \t]+)?"
    r"(\d{1,3}(?:\.\d{1,3}){0,5})[.):]?(?:[ \t]+(\S)|\Z)"
)
_LONGEST_HEADING = 200
_LONGEST_NUMBERED_HEADING = 80
_NUMBERED_LEVEL = 6
_LONGEST_PLAIN_HEADING = 80
_MOST_WORDS_OF_PLAIN_HEADING = 12
_LEAST_PARAGRAPH = 120
_CAPTION = re.compile(r"(?:Figure|Fig|Table|Box|Εικόνα|Πίνακας|Σχήμα)\.? ?\w?\d")
_PLAIN_LEVEL = 20
_SECOND_LINE_BREAK = re.compile(r"\n[^\S\n\f]*\n|\r[^\S\n\r\f]*\r")


@dataclass(slots=True)
class Section:
    """A heading with the text up to the next heading or page; its parts are sections of their own.

    Attributes:
        level: 0 for what stands before every heading; a part has a higher level than what it is part of.
        path: The headings, outermost first, its own included.
        page: From 1.
        start: Where its first character is; the heading's when it has one.
        end: Behind its last character.
        heading_end: Behind its heading; equal to ``start`` where there is none.
        blocks: Spans of tables and code, in order.
    """

    level: int
    path: tuple[str, ...]
    page: int
    start: int
    end: int
    heading_end: int
    blocks: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is not empty: its span without space at the ends, and whether an empty line stands before it."""

    start: int
    end: int
    text: str
    indent: int
    after_gap: bool


def outline(content: str) -> list[Section]:
    """List the sections of a document in order; together they hold every character that is no space.

    A page break begins a new section under the same headings, one level below the innermost.
    """
    lines = _lines(content)
    return _Reader(lines).sections()


def _lines(content: str) -> list[_Line]:
    """List the lines that are not empty; a form feed is a line of its own."""
    found: list[_Line] = []
    before = 0
    for match in _LINE.finditer(content):
        start = match.start()
        text = match.group().rstrip()
        if not text:
            found.append(_Line(start, start + 1, "\f", 0, True))
            before = start + 1
            continue
        gap = content[before:start].replace("\r\n", "\n") if start - before > 1 else ""
        after_gap = not found or found[-1].text == "\f" or _SECOND_LINE_BREAK.search(gap) is not None
        indent = len(gap) - 1 - max(gap.rfind("\n"), gap.rfind("\r")) if gap else 0
        found.append(_Line(start, start + len(text), text, indent, after_gap))
        before = match.end()
    return found


class _Reader:
    """Reads lines from first to last; what a line is depends on the one before and the one after it."""

    def __init__(self, lines: list[_Line]) -> None:
        """Take the lines of one document."""
        self._lines = lines
        self._stack: list[tuple[int, str]] = []
        self._page = 1
        self._sections: list[Section] = []
        self._breaks = [i for i, line in enumerate(lines) if line.text == "\f"]
        self._fences = {mark: [i for i, line in enumerate(lines) if _closes_fence(line, mark)] for mark in "`~"}

    def sections(self) -> list[Section]:
        """Read all lines."""
        at = 0
        while at < len(self._lines):
            line = self._lines[at]
            if line.text == "\f":
                self._page += 1
                at += 1
            elif behind := self._behind_block(at):
                section = self._open_section(line)
                section.end = self._lines[behind - 1].end
                section.blocks.append((line.start, section.end))
                at = behind
            elif heading := self._heading(at):
                level, title, behind = heading
                self._begin(level, title, line, self._lines[behind - 1].end)
                at = behind
            else:
                self._open_section(line).end = line.end
                at += 1
        return self._sections

    def _line(self, at: int) -> _Line | None:
        """Return a line, or None behind the last."""
        return self._lines[at] if at < len(self._lines) else None

    def _open_section(self, line: _Line) -> Section:
        """Return the section that a line belongs to, beginning one where there is none on this page."""
        if self._sections and self._sections[-1].page == self._page:
            return self._sections[-1]
        level = self._stack[-1][0] + 1 if self._stack else 0
        path = tuple(title for _, title in self._stack)
        self._sections.append(Section(level, path, self._page, line.start, line.end, line.start))
        return self._sections[-1]

    def _begin(self, level: int, title: str, line: _Line, heading_end: int) -> None:
        """Begin the section of a heading."""
        while self._stack and self._stack[-1][0] >= level:
            self._stack.pop()
        self._stack.append((level, title))
        path = tuple(title for _, title in self._stack)
        self._sections.append(Section(level, path, self._page, line.start, heading_end, heading_end))

    def _behind_block(self, at: int) -> int:
        """Return the index behind the table or code that begins at a line, 0 where none does."""
        line = self._lines[at]
        mark = line.text[0]
        if mark in self._fences and _FENCE.match(line.text):
            closing = self._fences[mark]
            return _first_behind(at, closing, self._breaks) + 1
        following = self._line(at + 1)
        if mark != "|" and not (
            "|" in line.text and following and "|" in following.text and _TABLE_RULE.match(following.text)
        ):
            return 0
        behind = at + 1
        while (row := self._line(behind)) and "|" in row.text and not row.after_gap:
            behind += 1
        return behind if behind - at > 1 else 0

    def _heading(self, at: int) -> tuple[int, str, int] | None:
        """Return level, title and the index behind a heading, None where a line is none."""
        line, following = self._lines[at], self._line(at + 1)
        if line.indent > 3 or len(line.text) > _LONGEST_HEADING:
            return None
        if marked := _marked_heading(line.text):
            level, title = marked
            return (level, title, at + 1) if title else None
        if not line.after_gap:
            return None
        if following and not following.after_gap and following.text != "\f" and _UNDERLINE.match(following.text):
            if line.text[0] in "-*+>|=" or (len(following.text) < 3 and following.text != "=="):
                return None
            return (1 if following.text[0] == "=" else 2), _plain(line.text), at + 2
        return self._numbered_heading(at) or self._plain_heading(at)

    def _numbered_heading(self, at: int) -> tuple[int, str, int] | None:
        """Tell whether a line that follows an empty one is a numbered heading."""
        line, following = self._lines[at], self._line(at + 1)
        if len(line.text) > _LONGEST_NUMBERED_HEADING or line.text[-1] in ".,;:!?·;" or following is None:
            return None
        match = _NUMBERED.match(line.text)
        if match is None or not following.after_gap or following.text == "\f":
            return None
        named = not line.text[0].isdigit()
        if not named and not (match.group(2) and match.group(2).isupper()):
            return None
        depth = match.group(1).count(".")
        if not named and depth == 0 and _NUMBERED.match(following.text):
            return None
        return _NUMBERED_LEVEL + 1 + depth, _plain(line.text), at + 1

    def _plain_heading(self, at: int) -> tuple[int, str, int] | None:
        """Tell whether a line that follows an empty one is a title without marks: short, and a paragraph below it."""
        line, following = self._lines[at], self._line(at + 1)
        if not _may_be_title(line.text) or following is None or following.text == "\f":
            return None
        if len(following.text) < _LEAST_PARAGRAPH or not following.text[0].isalnum():
            return None
        return _PLAIN_LEVEL, _plain(line.text), at + 1


def _may_be_title(text: str) -> bool:
    """Tell whether a line looks like a title: short, opened by a capital, not closed by punctuation."""
    return (
        len(text) <= _LONGEST_PLAIN_HEADING
        and text[0].isupper()
        and (text[-1].isalnum() or text[-1] == ")")
        and ": " not in text
        and not _CAPTION.match(text)
        and text.count(" ") < _MOST_WORDS_OF_PLAIN_HEADING
    )


def _first_behind(at: int, wanted: list[int], limits: list[int]) -> int:
    """Return the first wanted index behind ``at``, -1 where there is none or a limit comes first."""
    found, limit = bisect_right(wanted, at), bisect_right(limits, at)
    if found == len(wanted) or (limit < len(limits) and limits[limit] < wanted[found]):
        return -1
    return wanted[found]


def _closes_fence(line: _Line, mark: str) -> bool:
    """Tell whether a line closes a code block that was opened by three or more of ``mark``."""
    return line.text.startswith(mark * 3) and not line.text.strip(mark)


def _marked_heading(text: str) -> tuple[int, str] | None:
    """Return the level and the title of a line that opens with marks; no title where it only looks like a heading."""
    if hashes := _HASHES.match(text):
        return len(hashes.group(1)), _plain(text[hashes.end() :].rstrip("#"))
    if equals := _EQUALS.match(text):
        return equals.group(1).count("="), _wiki_title(text, equals)
    return None


def _wiki_title(line: str, marks: re.Match[str]) -> str:
    """Return what stands between a wiki's marks, or behind AsciiDoc's; nothing where it reads like a formula."""
    opening, title = marks.group(1), line[marks.end() :]
    closed = title.endswith(opening)
    title = title[: len(title) - len(opening)].rstrip(" \t") if closed else title
    plausible = closed or (len(opening) > 1 and title[0].isupper() and title[-1] not in ".,;:")
    return _plain(title) if plausible and "=" not in title and ";" not in title[:-1] else ""


def _plain(heading: str) -> str:
    """Take Markdown's emphasis and surplus space out of a heading."""
    return " ".join(heading.replace("*", "").replace("`", "").strip(" _").split())
