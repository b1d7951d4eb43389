# ruff: noqa: RUF001 - Greek letters are meant here
"""Where sentences end, in English, Greek and what is written like them.

Shared module, pure. One pass, in time linear in the text. A sentence is also ended by what ends it on paper without a
full stop: an empty line, a list item, a heading, a short line of a form.
"""

import re
from itertools import pairwise

from f.core.words import fold

_CANDIDATE = re.compile(
    r"(?<![.!?…;\u037e])[.!?…;\u037e]++[\"'”’»)\]*_]*+(?=\s|\Z)"  # ends with a space behind them
    r"|[。！？]"
    r"|(?:\r\n|\n|\r|\f)\s*+"
)
_LINE_OPENS_BLOCK = re.compile(r"[-*+•–▪◦]\s|\d{1,3}[.)]\s|\(?[a-zα-ω]\)\s|#{1,6}\s|\||>|```")
_GREEK = re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]")

_NEVER_LAST = frozenset(
    """
    dr mr mrs ms prof st sr jr vs e.g i.e cf fig figs no nos vol pp p ed eds al approx dept est gen col sgt capt rev hon
    mt ave art arts par sec ch jan feb mar apr jun jul aug sep sept oct nov dec tel ext incl z.b bzw nr usw ca d.h u.a
    π.χ κ κκ κα δρ καθ δηλ βλ σελ σσ αρ αριθ αρθρ παρ τηλ οδ λεωφ αγ ι.χ ιαν φεβ μαρ απρ ιουν ιουλ αυγ σεπ οκτ νοε δεκ
    πρβλ τομ κεφ εδ χλμ εκατ δισ
    """.split()  # noqa: SIM905 - a list of quoted words could not be read
)
_MAYBE_LAST = frozenset("etc inc ltd co corp a.m p.m u.s u.k μ.μ π.μ κ.λπ κλπ κ.α κ.ο.κ μ.χ α.ε ε.ε".split())  # noqa: SIM905
_LONGEST_ABBREVIATION = 12
_SHORT_LINE = 50
_GREEK_WITHIN = 30


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """Find the sentences of ``text[start:end]``.

    Args:
        text: Any text.
        start: Where to begin.
        end: Where to stop; None is the end of the text.

    Returns:
        Spans in ``text``, in order, without space at either end; together they hold every character that is no space.
        Nothing but space gives none.
    """
    end = len(text) if end is None else end
    cuts = [start]
    line_start = start
    for match in _CANDIDATE.finditer(text, start, end):
        opening = text[match.start()]
        if opening in "\n\r\f":
            if _ends_block(text, line_start, match.start(), match.end(), end):
                cuts.append(match.end())
            line_start = match.end()
        elif opening in "。！？" or _ends_sentence(text, match, line_start, end):
            cuts.append(match.end())
    cuts.append(end)
    return [span for low, high in pairwise(cuts) if (span := _trim(text, low, high))[0] < span[1]]


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave space at both ends out of a span."""
    piece = text[start:end]
    kept = piece.lstrip()
    low = end - len(kept)
    return low, low + len(kept.rstrip())


def _ends_block(text: str, line_start: int, line_end: int, next_start: int, end: int) -> bool:
    """Tell whether a line break ends more than a line."""
    if next_start >= end:
        return False
    gap = text[line_end:next_start]
    if gap.replace("\r\n", "\n").replace("\r", "\n").count("\n") > 1 or "\f" in gap:
        return True
    if _LINE_OPENS_BLOCK.match(text, next_start) or text.startswith("#", line_start):
        return True
    follows = text[next_start]
    return line_end - line_start < _SHORT_LINE and (follows.isupper() or follows.isdigit() or not follows.isalnum())


def _ends_sentence(text: str, match: re.Match[str], line_start: int, end: int) -> bool:
    """Tell whether a full stop, question mark or the like ends a sentence."""
    at, after = match.start(), match.end()
    follows = text[after : after + 12].lstrip()[:1] if after < end else ""
    mark, detached = text[at], at > line_start and text[at - 1] == " "
    if follows.islower() and not detached:  # text cut into words has spaces before its marks, and often no capitals
        return False
    if mark == ";":
        return _GREEK.search(text, max(line_start, at - _GREEK_WITHIN), at) is not None
    if mark != "." or text[at : at + 2] == "..":
        return True
    return _stop_ends_sentence(text, at, line_start, follows)


def _stop_ends_sentence(text: str, at: int, line_start: int, follows: str) -> bool:
    """Tell whether the full stop at ``at`` ends a sentence, and not an abbreviation, an initial or a list's number."""
    before = text[max(line_start, at - _LONGEST_ABBREVIATION) : at].split()
    word = before[-1].lstrip("([\"'«“„*_") if before else ""
    opens_line = at - line_start < _LONGEST_ABBREVIATION and len(before) == 1
    if follows and opens_line and (word.isdigit() or len(word) == 1):
        return False
    if len(word) == 1 and word.isupper():
        return False
    folded = fold(word)
    if folded in _MAYBE_LAST:
        return not follows or follows.isupper()
    return folded not in _NEVER_LAST or not follows
