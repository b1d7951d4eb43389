"""The words of a PDF's page with their places, and the lines that are drawn on it, as PDFium knows them.

Shared module, pure. Places are in points as the page is shown, x to the right and y upwards. PDFium has the words in
the order in which the page was written, which programs that set text make the reading order.
"""

# extra_requirements:
# pypdfium2==5.15.2

import ctypes
import math
import re
from dataclasses import dataclass
from typing import Any

import f.core.errors  # noqa: F401 -- refuses to run as a script

_THIN = 3.0
_MOST_PATHS = 5_000
_SOFT_HYPHEN = "\u00ad"
_BREAKING_HYPHEN = "\x02"
"""What PDFium gives for a hyphen at the end of a line, behind which it begins no new one."""
_WORDS = re.compile("([^ \t\r\n\f\0\u00a0\x02]+)([\r\n\x02]?)|[\r\n\x02]")
"""A word and the end of its line, or such an end alone."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_BEYOND_UNICODE = 0x110000
_HIDDEN = 0xFFFE
"""What PDFium gives in a text for a hyphen that breaks a word, and for what is none."""
_MOST_CHARACTERS = 200_000
_WORDS_ASKED = 3


@dataclass(frozen=True, slots=True)
class PdfWord:
    """A word.

    Attributes:
        text: The word; a soft hyphen at its end says that it goes on in the next line.
        left: Where it begins.
        right: Where it ends.
        baseline: What it stands on.
        size: Of its letters, in points.
        line: The number of its line; the same for words that PDFium takes for one line.
    """

    text: str
    left: float
    right: float
    baseline: float
    size: float
    line: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A line that is drawn: upright where ``left == right``, level where ``bottom == top``."""

    left: float
    bottom: float
    right: float
    top: float


def page_words(text_page: Any) -> list[PdfWord]:
    """List the words of a page.

    Args:
        text_page: Of pypdfium2.

    Returns:
        The words in the order in which the page was written; none when there are absurdly many characters.
    """
    import pypdfium2.raw as pdfium  # noqa: PLC0415 -- only where there is a PDF

    count = text_page.count_chars()
    if count > _MOST_CHARACTERS:
        return []
    text = _characters(text_page.raw, count, pdfium)
    measure = _Measure(text_page.raw, pdfium, text_page.page.get_rotation())
    words: list[PdfWord] = []
    line = 0
    for found in _WORDS.finditer(text):
        word, end = found.groups()
        if word:
            shown = _whole(word) + (_SOFT_HYPHEN if end == _BREAKING_HYPHEN else "")
            words.append(measure.word(shown, found.start(), found.end(1), line))
        if end != "":
            line += 1
    return words


def _characters(raw: Any, count: int, pdfium: Any) -> str:
    """Return the characters of a page, one for each of PDFium's indexes; one of a pair is a surrogate.

    They are asked for together, and one by one only where PDFium leaves some out of its text, or hides which they are.
    """
    units = (ctypes.c_ushort * (count + 1))()
    got = pdfium.FPDFText_GetText(raw, 0, count, units)
    known = units[:count] if got == count + 1 else [_HIDDEN] * count
    codes = [pdfium.FPDFText_GetUnicode(raw, index) if code == _HIDDEN else code for index, code in enumerate(known)]
    return "".join(chr(code) if code < _BEYOND_UNICODE else " " for code in codes)


def _whole(text: str) -> str:
    """Put pairs of surrogates together, which PDFium may give for what is beyond the first 65,536 characters."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class _Measure:
    """Asks PDFium for places, with one set of buffers."""

    def __init__(self, raw: Any, pdfium: Any, rotation: int) -> None:
        """Make the buffers."""
        self._rotation = rotation
        self._raw = raw
        self._pdfium = pdfium
        self._numbers = [ctypes.c_double() for _ in range(4)]
        self._references = [ctypes.byref(number) for number in self._numbers]
        self._matrix = pdfium.FS_MATRIX()
        self._line, self._asked, self._size = -1, 0, 1.0

    def word(self, text: str, start: int, end: int, line: int) -> PdfWord:
        """Return the word of the characters from one index to another."""
        pdfium, raw = self._pdfium, self._raw
        pdfium.FPDFText_GetCharOrigin(raw, start, self._references[0], self._references[1])
        left, baseline = self._turned(self._numbers[0].value, self._numbers[1].value)
        near, far = self._sides_of(end - 1)
        if near + far < 2 * left:  # it is written from right to left
            begin = self._sides_of(start)
            left, far = min(near, begin[0]), max(far, begin[1])
        return PdfWord(text, left, far if far > left else left, baseline, self._size_of(start, line), line)

    def _sides_of(self, index: int) -> tuple[float, float]:
        """Return where a character begins and ends, from left to right."""
        self._pdfium.FPDFText_GetCharBox(self._raw, index, *self._references)
        left, right, bottom, top = self._numbers
        if not self._rotation:
            return left.value, right.value
        one, other = self._turned(left.value, bottom.value)[0], self._turned(right.value, top.value)[0]
        return min(one, other), max(one, other)

    def _size_of(self, start: int, line: int) -> float:
        """Return the size of letters; that of the first words of a line is asked for, and holds for the others."""
        self._asked = self._asked + 1 if line == self._line else 0
        self._line = line
        if self._asked < _WORDS_ASKED:
            size = self._pdfium.FPDFText_GetFontSize(self._raw, start)
            if self._pdfium.FPDFText_GetMatrix(self._raw, start, self._matrix):
                size *= math.hypot(self._matrix.c, self._matrix.d)
            self._size = size or 1.0
        return self._size

    def _turned(self, x: float, y: float) -> tuple[float, float]:
        """Return a place as it is seen, on a page that is shown turned."""
        if not self._rotation:
            return x, y
        return {90: (y, -x), 180: (-x, -y), 270: (-y, x)}.get(self._rotation, (x, y))


def page_rules(page: Any) -> list[Rule]:
    """List the lines that are drawn on a page, upright and level ones; none where a page has more than tables have."""
    import pypdfium2.raw as pdfium  # noqa: PLC0415

    if page.get_rotation():
        return []
    rules: list[Rule] = []
    for paths, drawn in enumerate(page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_PATH], max_depth=3)):
        if paths >= _MOST_PATHS:
            return []
        left, bottom, right, top = drawn.get_bounds()
        if top - bottom <= _THIN or right - left <= _THIN:
            rules.append(_thin(left, bottom, right, top))
        elif _is_outline(drawn.raw, pdfium):
            rules += [Rule(left, bottom, right, bottom), Rule(left, top, right, top)]
            rules += [Rule(left, bottom, left, top), Rule(right, bottom, right, top)]
    return [rule for rule in rules if rule.right - rule.left > _THIN or rule.top - rule.bottom > _THIN]


def _thin(left: float, bottom: float, right: float, top: float) -> Rule:
    """Make a rule of a thin box."""
    if top - bottom <= right - left:
        middle = (bottom + top) / 2
        return Rule(left, middle, right, middle)
    middle = (left + right) / 2
    return Rule(middle, bottom, middle, top)


def _is_outline(raw: Any, pdfium: Any) -> bool:
    """Tell a box that is drawn from one that is filled, and from other figures."""
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    drawn = pdfium.FPDFPath_GetDrawMode(raw, ctypes.byref(fill), ctypes.byref(stroke))
    return bool(drawn and stroke.value and pdfium.FPDFPath_CountSegments(raw) <= 5)
