"""Cuts a document into chunks along its headings, paragraphs and sentences.

Shared module, pure. It promises: ``content[start:end]`` is the chunk, exactly; every character that is no space is in
exactly one chunk; a chunk is never above its budget; the same content gives the same chunks; the time is linear in the
content. There is no overlap: neighbours are found by their spans when a reader wants them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from unicodedata import category

from f.core.document_outline import Section, outline
from f.core.sentences import sentence_spans

BUDGET_TOKENS = 400
"""The most tokens (UTF-8 bytes / 4, rounded up) in a chunk."""

_WORD = re.compile(r"\S+")
_LINE = re.compile(r"\S[^\n\r]*")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n|\r[^\S\n\r]*\r")

# How well a chunk may end at a gap, against how far it is from the even share that each chunk of a section should have.
_AFTER_PARAGRAPH, _AFTER_LINE, _AFTER_SENTENCE, _AFTER_CLAUSE, _AFTER_WORD, _AFTER_INTRODUCTION, _AFTER_HEADING = (
    0.8, 0.5, 0.2, 0.1, 0.0, -0.2, -1.0,
)  # fmt: skip
_LEAST_SHARE = 0.25
_JOINERS = "\u200d\u200c"
_REGIONAL = ("\U0001f1e6", "\U0001f1ff")
_SKIN_TONES = ("\U0001f3fb", "\U0001f3ff")
_TAGS = ("\U000e0020", "\U000e007f")
_JAMO = ("\u1160", "\u11ff")

_Span = tuple[int, int, int, int, tuple[str, ...]]
"""Start, end, bytes, page and heading path of a chunk."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document.

    Attributes:
        start: Where it begins in the content, in code points.
        end: Where it ends, exclusive.
        page: Its page, from 1; None when the content has no form feed. A chunk never crosses a page.
        heading_path: The headings it stands under, outermost first; those that all of it has in common.
        token_count: UTF-8 bytes / 4, rounded up.
    """

    start: int
    end: int
    page: int | None
    heading_path: tuple[str, ...]
    token_count: int


@dataclass(frozen=True, slots=True)
class _Unit:
    """A piece that is not cut any more, in code points and in bytes, and how well a chunk may end after it."""

    start: int
    end: int
    bytes_start: int
    bytes_end: int
    ending: float


def split_document(content: str, budget_tokens: int = BUDGET_TOKENS) -> list[Chunk]:
    """Cut a document into chunks of at most ``budget_tokens``.

    A section that fits is one chunk; small ones under the same heading are joined while they fit together; a large one
    is cut into even parts, where possible after a paragraph, else after a line, a sentence, a clause, a word. Tables
    and code blocks stay whole where they fit. Only a single word above the budget is cut inside, between graphemes.

    Args:
        content: Plain text or Markdown; form feeds separate pages.
        budget_tokens: At least 8.

    Returns:
        The chunks in order; none when the content is only space.

    Raises:
        ValueError: When the budget is below 8 tokens.
    """
    if budget_tokens < 8:
        raise ValueError("A chunk needs a budget of at least 8 tokens.")
    sections = outline(content)
    splitter = _Splitter(content, sections, budget_tokens * 4)
    paged = "\f" in content
    return [
        Chunk(start, end, page if paged else None, path, -(-size // 4))
        for start, end, size, page, path in splitter.chunks()
    ]


class _Splitter:
    """Turns the sections of one document into chunks."""

    def __init__(self, content: str, sections: list[Section], budget_bytes: int) -> None:
        """Measure the sections once; every later size is a difference of two positions in bytes."""
        self._content = content
        self._ascii = content.isascii()
        self._sections = sections
        self._budget = budget_bytes
        self._behind = _ends_of_subtrees(sections)
        self._bytes_start: list[int] = []
        self._bytes_end: list[int] = []
        at = position = 0
        for section in sections:
            position += self._size(at, section.start)
            self._bytes_start.append(position)
            position += self._size(section.start, section.end)
            self._bytes_end.append(position)
            at = section.end

    def chunks(self) -> Iterator[_Span]:
        """Yield the chunks in order."""
        yield from self._pack(0, len(self._sections))

    def _size(self, start: int, end: int) -> int:
        """Count the UTF-8 bytes of a span."""
        return end - start if self._ascii else len(self._content[start:end].encode("utf-8", "surrogatepass"))

    def _fits(self, low: int, high: int) -> bool:
        """Tell whether sections ``low`` to ``high`` (exclusive) make one chunk."""
        return (
            self._bytes_end[high - 1] - self._bytes_start[low] <= self._budget
            and self._sections[low].page == self._sections[high - 1].page
        )

    def _pack(self, low: int, high: int) -> Iterator[_Span]:
        """Join neighbours that fit together, and cut or unfold what does not fit."""
        at = low
        while at < high:
            behind = at
            while behind < high and self._fits(at, self._behind[behind]):
                behind = self._behind[behind]
            if behind > at:
                yield self._whole(at, behind)
                at = behind
                continue
            yield from self._unfold(at)
            at = self._behind[at]

    def _unfold(self, at: int, lead: int | None = None) -> Iterator[_Span]:
        """Cut a section with its parts, which does not fit as a whole.

        ``lead`` is the first of the sections right before it that are only headings: they stay with its first chunk.
        """
        section, behind, lead = self._sections[at], self._behind[at], at if lead is None else lead
        first = at + 1
        if self._fits(lead, first):
            while first < behind and self._fits(lead, self._behind[first]):
                first = self._behind[first]
            only_headings = first == at + 1 and section.heading_end == section.end
            if only_headings and first < behind and self._sections[first].page == section.page:
                yield from self._unfold(first, lead)
                first = self._behind[first]
            else:
                yield self._whole(lead, first)
        else:
            for start, end, size in self._cut(self._sections[lead:first]):
                yield start, end, size, section.page, section.path
        yield from self._pack(first, behind)

    def _whole(self, low: int, high: int) -> _Span:
        """Make one chunk of whole sections, under the headings that all of their text has in common."""
        sections = self._sections[low:high]
        path, *others = [section.path for section in sections if section.end > section.heading_end] or [
            sections[0].path
        ]
        for other in others:
            shared = 0
            while shared < min(len(path), len(other)) and path[shared] == other[shared]:
                shared += 1
            path = path[:shared]
        return (
            sections[0].start,
            sections[-1].end,
            self._bytes_end[high - 1] - self._bytes_start[low],
            sections[0].page,
            path,
        )

    def _cut(self, sections: list[Section]) -> Iterator[tuple[int, int, int]]:
        """Cut the text of a section, with the bare headings before it, into even parts."""
        units = list(self._units(sections))
        first = 0
        while first < len(units):
            last = self._last_of_chunk(units, first)
            yield units[first].start, units[last].end, units[last].bytes_end - units[first].bytes_start
            first = last + 1

    def _last_of_chunk(self, units: list[_Unit], first: int) -> int:
        """Choose the unit that a chunk ends with: the best gap near an even share of what is left."""
        origin = units[first].bytes_start
        left = units[-1].bytes_end - origin
        if left <= self._budget:
            return len(units) - 1
        share = left / -(-left // self._budget)
        best, best_score = first, float("-inf")
        for index in range(first, len(units)):
            size = units[index].bytes_end - origin
            if size > self._budget:
                break
            too_small = 1.0 if size < share * _LEAST_SHARE else 0.0
            score = units[index].ending - abs(size - share) / self._budget - too_small
            if score >= best_score:
                best, best_score = index, score
        return best

    def _units(self, sections: list[Section]) -> Iterator[_Unit]:
        """Yield the pieces of sections, each within the budget."""
        position, at = 0, sections[0].start
        pieces = [piece for section in sections for piece in self._pieces(section)]
        for index, (start, end, ending) in enumerate(pieces):
            position += self._size(at, start)
            begins = position
            position += self._size(start, end)
            at = end
            behind = pieces[index + 1][0] if index + 1 < len(pieces) else end
            yield _Unit(start, end, begins, position, self._ending(start, end, behind) if ending is None else ending)

    def _ending(self, start: int, end: int, behind: int) -> float:
        """Say how well a chunk may end between a sentence and what follows it."""
        if self._content[end - 1] == ":":
            return _AFTER_INTRODUCTION
        gap = self._content[end:behind]
        if _BLANK_LINE.search(gap.replace("\r\n", "\n")):
            return _AFTER_PARAGRAPH
        return _AFTER_LINE if "\n" in gap or "\r" in gap else _AFTER_SENTENCE

    def _pieces(self, section: Section) -> Iterator[tuple[int, int, float | None]]:
        """Yield heading, sentences, tables and code; the ending is None where the gap behind decides it."""
        if section.heading_end > section.start:
            yield from self._small(section.start, section.heading_end, _AFTER_HEADING)
        at = section.heading_end
        for start, end in (*section.blocks, (section.end, section.end)):
            for low, high in sentence_spans(self._content, at, start):
                yield from self._small(low, high, None)
            if end > start and self._size(start, end) <= self._budget:
                yield start, end, None
            elif end > start:
                for line in _LINE.finditer(self._content, start, end):
                    yield from self._small(line.start(), line.start() + len(line.group().rstrip()), None)
            at = end

    def _small(self, start: int, end: int, ending: float | None) -> Iterator[tuple[int, int, float | None]]:
        """Yield a piece as it is, or in words where it is above the budget."""
        if self._size(start, end) <= self._budget:
            yield start, end, ending
            return
        for word in _WORD.finditer(self._content, start, end):
            for low, high in self._graphemes(word.start(), word.end()):
                yield low, high, ending if high == end else _after_word(self._content[high - 1])

    def _graphemes(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield a word, cut between graphemes where it is above the budget."""
        while end - start > self._budget or self._size(start, end) > self._budget:
            data = self._content[start : min(end, start + self._budget)].encode("utf-8", "surrogatepass")
            begun = sum(byte & 0xC0 != 0x80 for byte in data[: self._budget])
            incomplete = len(data) > self._budget and data[self._budget] & 0xC0 == 0x80
            cut = start + begun - incomplete
            whole = cut
            while whole > start and not _may_cut(self._content[whole - 1], self._content[whole]):
                whole -= 1
            cut = whole if whole > start else max(cut, start + 1)
            yield start, cut
            start = cut
        if start < end:
            yield start, end


def _ends_of_subtrees(sections: list[Section]) -> list[int]:
    """For each section, find the index behind it and its parts."""
    behind = [len(sections)] * len(sections)
    open_sections: list[int] = []
    for index, section in enumerate(sections):
        while open_sections and sections[open_sections[-1]].level >= section.level:
            behind[open_sections.pop()] = index
        open_sections.append(index)
    return behind


def _after_word(last: str) -> float:
    """Say how well a chunk may end inside what reads as one sentence, after a word that ends with a character."""
    if last in ".!?":
        return _AFTER_SENTENCE
    return _AFTER_CLAUSE if last in ",;:·" else _AFTER_WORD


def _may_cut(left: str, right: str) -> bool:
    """Tell whether two neighbouring characters belong to different graphemes, as far as documents need it.

    Unicode Standard Annex 29 has the full rule; not covered are Indic conjuncts and prepended marks.
    """
    if right.isascii() and left != "\u200d":
        return True
    if left == "\u200d" or right in _JOINERS or category(right)[0] == "M":
        return False
    for low, high in (_SKIN_TONES, _TAGS, _JAMO):
        if low <= right <= high:
            return False
    return not (_REGIONAL[0] <= left <= _REGIONAL[1] and _REGIONAL[0] <= right <= _REGIONAL[1])
