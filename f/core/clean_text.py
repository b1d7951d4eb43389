"""Text as a document keeps it: in one form, without characters that cannot be stored or that nobody sees.

Shared module, pure. What a person reads on the page is to be found by typing it, so ligatures become letters, spaces
of odd kinds plain ones, and soft hyphens go. Nothing else is changed: a document is quoted exactly.
"""

import re
from unicodedata import normalize

import f.core.errors  # noqa: F401 -- refuses to run as a script

_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
_SPACES = dict.fromkeys([0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F], " ")
_BREAKS = dict.fromkeys([0x0B, 0x85, 0x2028, 0x2029], "\n")
_GONE = dict.fromkeys([*range(9), *range(0x0E, 0x20), 0x7F, 0xAD, 0xFEFF, 0xFFFE, 0xFFFF])
_OF_WINDOWS = {code: bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)}
"""Controls that are quotes and dashes of Windows-1252, in texts that say they are ISO 8859-1."""
_LONE_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_BULLETS = dict.fromkeys([0xF0B7, 0xF0A7, 0xF076, 0xF0D8, 0xF0FC], "•")  # Symbol and Wingdings, of Office
_CHANGES: dict[int, str | None] = {
    **_OF_WINDOWS,
    **_LIGATURES,
    **_SPACES,
    **_BREAKS,
    **_GONE,
    **_LONE_SURROGATES,
    **_BULLETS,
}
_TO_CHANGE = re.compile(
    "[\0-\x08\x0b\x0e-\x1f\x7f-\xa0\xad\u2000-\u200a\u2028\u2029\u202f\u205f\ud800-\udfff\uf076\uf0a7\uf0b7\uf0d8\uf0fc"
    "\ufb00-\ufb06\ufeff\ufffe\uffff]"
)
_SPACE_AT_END = re.compile(r"[ \t]+(?=\n|\f|\Z)")
_EMPTY_LINES = re.compile(r"\n{3,}")


def clean(text: str) -> str:
    """Normalise a text to NFC with line feeds, and remove or replace what is said in the module's first lines."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _TO_CHANGE.search(text):
        text = text.translate(_CHANGES)
    return normalize("NFC", text)


def tidy(text: str) -> str:
    """Clean a text that was put together from pieces: no space at the ends of lines, one empty line between blocks."""
    return _EMPTY_LINES.sub("\n\n", _SPACE_AT_END.sub("", clean(text))).strip(" \n")


def one_line(text: str) -> str:
    """Clean a text and put it in one line; form feeds and tabs are spaces."""
    return " ".join(clean(text).split())


def title_of(text: str | None, most: int = 500) -> str | None:
    """Clean a title; None where nothing is left."""
    line = one_line(text or "")
    return line[:most].rstrip() or None
