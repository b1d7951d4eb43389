# ruff: noqa: RUF001 - dashes and Greek letters are meant here
"""Writes the arranged pages of a PDF as Markdown: headings by their size, lists, whole words, nothing twice.

Shared module, pure. What stands at the head or foot of most pages is kept on the first of them alone.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median_low

from f.core.pdf_layout import BULLET, COUNTED, SOFT_HYPHEN, Block, Line, split_at_gaps

_HEADING_SIZE = 1.12
_LONGEST_HEADING = 200
_MOST_HEADING_SIZES = 5
_LEAST_SHARE_OF_PAGES = 0.6
_LEAST_PAGES_WITH_RUNNING_LINES = 4
_LONGEST_RUNNING = 120
_SAME_PLACE = 4.0  # points
_DIGITS = re.compile(r"\d+")
_NUMBER = "\0"
"""Stands for the number of a page; no text has it."""

_APART = " | "
"""Stands for a gap in a line."""

_PAGE_NUMBER = re.compile(
    r"(?:^|[|·•–—-]\s+|\b(?:page|pg?|seite|página|pagina|σελίδα|σελ)\b\.?\s*)(\d{1,6})"
    r"(?=\s*$|\s+[|·•–—-]|\s*(?:/|of|από|von|de)\s*\d)",
    re.IGNORECASE,
)
"""A number that by the signs or words beside it is that of a page; beside others, as of a chapter, it is none."""

_TIED = re.compile(r"\w[–—/]")
_HARD_HYPHEN = re.compile(r"[^\W_][-\u2010]")
"""The last two characters of a line, behind which no space is missing."""


def write_pages(pages: Sequence[list[Block]]) -> list[str]:
    """Write all pages of a document, in Markdown; an empty text for a page without words."""
    levels = _heading_levels(pages)
    _drop_running_lines(pages, levels)
    known = _whole_words(pages)
    return [_write_page(blocks, levels, known) for blocks in pages]


def _drop_running_lines(pages: Sequence[list[Block]], levels: Mapping[float, int]) -> None:
    """Keep what stands at the head or foot of most pages only on the first of them; page numbers alone on none."""
    if len(pages) < _LEAST_PAGES_WITH_RUNNING_LINES:
        return
    found: dict[tuple[str, int], list[Block]] = {}
    for index, page in enumerate(pages):
        for block in {id(block): block for block in [*page[:2], *page[-2:]]}.values():
            if len(block.lines) == 1 and block.lines[0].size not in levels:
                for running in _running_as(block.lines[0], index):
                    found.setdefault(running, []).append(block)
    dropped: set[int] = set()
    for (text, _), blocks in found.items():
        usual = median_low(block.lines[0].baseline for block in blocks)
        there = [block for block in blocks if abs(block.lines[0].baseline - usual) <= _SAME_PLACE]
        if len(there) >= len(pages) * _LEAST_SHARE_OF_PAGES:
            dropped.update(id(block) for block in (there if text == _NUMBER else there[1:]))
    for page in pages:
        page[:] = [block for block in page if id(block) not in dropped] or page[-1:]


def _running_as(line: Line, index: int) -> Iterable[tuple[str, int]]:
    """Yield what a line has to have in common with those of other pages: all of it, or all but the page's number.

    Args:
        line: At the head or foot of a page.
        index: Of the page.

    Yields:
        The text, and by how much the number that was taken out of it is larger than the page's index.
    """
    text = _APART.join(" ".join(word.text for word in part) for part in split_at_gaps(line.words))
    if len(text) > _LONGEST_RUNNING:
        return
    yield text, 0
    if not _DIGITS.sub("", text).strip(" -–/|"):
        yield _NUMBER, 0
    for number in _PAGE_NUMBER.finditer(text):
        yield f"{text[: number.start(1)]}{_NUMBER}{text[number.end(1) :]}", int(number[1]) - index


def _plain(block: Block) -> str:
    """Return the words of a block as they stand."""
    return " ".join(line.text for line in block.lines)


def _heading_levels(pages: Sequence[list[Block]]) -> dict[float, int]:
    """Give the sizes of letters that are larger than most of the document their levels, the largest the first."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for block in page:
            for line in block.lines:
                sizes[line.size] += len(line.text)
    if not sizes:
        return {}
    usual = sizes.most_common(1)[0][0]
    larger = {
        block.lines[0].size
        for page in pages
        for block in page
        if block.lines and block.lines[0].size >= usual * _HEADING_SIZE and _may_be_heading(block)
    }
    merged: list[list[float]] = []
    for size in sorted(larger, reverse=True):
        if merged and merged[-1][0] < size * 1.05:
            merged[-1].append(size)
        else:
            merged.append([size])
    return {size: min(level, _MOST_HEADING_SIZES) for level, group in enumerate(merged, 1) for size in group}


def _may_be_heading(block: Block) -> bool:
    """Tell whether a block is short enough, and begins as a heading does."""
    text = _plain(block)
    return (
        len(text) <= _LONGEST_HEADING and len(block.lines) <= 4 and any(map(str.isalpha, text)) and text[-1] not in ",;"
    )


def _whole_words(pages: Sequence[list[Block]]) -> Counter[str]:
    """Count the words that are not broken, to tell hyphens at the ends of lines from those that belong to a word."""
    counts: Counter[str] = Counter()
    for page in pages:
        for block in page:
            for line in block.lines:
                counts.update(word.text.strip(".,;:!?()\"'«»").lower() for word in line.words)
    return counts


def _write_page(blocks: Sequence[Block], levels: dict[float, int], known: Counter[str]) -> str:
    """Write the blocks of one page."""
    pieces: list[str] = []
    was_item = False
    for block in blocks:
        if block.table:
            pieces.append(f"\n\n{block.table}")
            was_item = False
            continue
        text = _joined(block.lines, known)
        level = levels.get(block.lines[0].size) if _may_be_heading(block) else None
        item = _item(text) if level is None else None
        if level is not None:
            pieces.append("\n\n" + "#" * level + f" {text}")
        elif item is not None:
            pieces.append(("\n" if was_item else "\n\n") + item)
        else:
            pieces.append(("\n" if block.close and not was_item else "\n\n") + text)
        was_item = item is not None
    return "".join(pieces).strip("\n")


def _item(text: str) -> str | None:
    """Write an item of a list; None where a paragraph is none."""
    if bullet := BULLET.match(text):
        return f"- {text[bullet.end() :]}" if text[bullet.end() :] else None
    return text if COUNTED.match(text) else None


def _joined(lines: Sequence[Line], known: Counter[str]) -> str:
    """Join the lines of a paragraph, and words that were broken."""
    text = ""
    for line in lines:
        words = line.text
        if not text:
            text = words
        elif text.endswith(SOFT_HYPHEN) or _HARD_HYPHEN.fullmatch(text[-2:]):
            text = text[:-1] + _behind_hyphen(text[:-1], words, known)
        elif _TIED.fullmatch(text[-2:]):
            text += words
        else:
            text = f"{text} {words}"
    return text.replace(SOFT_HYPHEN, "-") if text.endswith(SOFT_HYPHEN) else text.replace(SOFT_HYPHEN, "")


def _behind_hyphen(before: str, after: str, known: Counter[str]) -> str:
    """Return how a word goes on that is broken at a hyphen: the hyphen stays where the document has it elsewhere."""
    head = re.split(r"[\s(«\"]", before)[-1].lower()
    tail = re.split(r"[\s.,;:!?)»\"]", after)[0].lower()
    compound = "-" in tail or (known[head] > 0 and known[tail] > 0)
    elsewhere = known[f"{head}-{tail}"] - known[f"{head}{tail}"]
    stays = (
        elsewhere > 0
        or (compound and not elsewhere)
        or not head[-1:].isalpha()
        or not tail[:1].isalpha()
        or after[:1].isupper()
    )
    return f"-{after}" if stays else after
