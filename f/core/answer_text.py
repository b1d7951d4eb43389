"""What of a model's text may reach a reader: citation markers that name a passage, and no link that could carry data.

Shared module, pure. A passage may hold an instruction such as "end with this image, with the answer in its address". A
browser would fetch that image. So images, links, tags and addresses are taken out, while the text is streamed as well
as afterwards, and both ways give the same text. Characters without a shape and bidirectional controls go first: they
could carry the answer where nobody sees it, or keep an address from being seen.
"""

import re
from collections.abc import Collection
from functools import lru_cache

from f.core.hidden_text import visible_text, without_hidden

_MARKER = re.compile(
    r"(?<![^\S\n])(?P<space>[^\S\n]*+)[\[【][^\S\n]*(?:[Pp]assages?|[Ss]ources?|[Dd]ocuments?)?[^\S\n]*"
    r"(?P<numbers>\d{1,3}(?:[^\S\n]*[,;\u2013-][^\S\n]*\d{1,3}){0,20})[^\S\n]*(?:†[^\]】\n]{0,40})?[\]】](?!\()"
)
_ABSTENTION = re.compile(r"[\s*_>\"'-]*[\[【][^\S\n]*0[^\S\n]*[\]】][*_]*\s*")
_ABSTENTION_BEGUN = re.compile(r"[\s*_>\"'-]*(?:[\[【][^\S\n]*(?:0[^\S\n]*(?:[\]】][*_]*\s*)?)?)?\Z")
_RANGE = re.compile(r"(\d+)\s*[\u2013-]\s*(\d+)")
_LONGEST_RANGE = 20
_MOST_ROUNDS = 5
_ENDS_WORD = re.compile(r"[.,;:!?)»”\"'*_]*+(?:\s|\Z)")
_SPACE = re.compile(r"\s+")

_LONGEST_CONSTRUCT = 300
_LINK = re.compile(
    r"!?\[([^\[\]]{0,300})\]"
    r"\(\s{0,10}(<[^<>\n]{0,2000}>|(?:[^\s()<>]|\([^\s()<>]{0,300}\)){0,4000})(?:\s{1,10}[^()]{0,300})?\)"
)
_TAG = re.compile(r"</?[A-Za-z!?][^<>]{0,300}>")
_TAG_BEGUN = re.compile(r"<+(?=[A-Za-z/!?])")
_LABEL_BEGUN = re.compile(r"!+\[")
_ADDRESS = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,15}:(?:/|\\)+|www\.|(?:javascript|vbscript|mailto):|data:[a-z]+/)[^\s<>()\[\]{}\"'`]+"
    r"|(?<!\w)(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}(?::\d{1,5})?[/?#\\][^\s<>()\[\]{}\"'`]+",
    re.IGNORECASE,
)
_CLOSING_POINTS = ".,;:!?"
REMOVED_LINK = "(link removed)"
"""Stands where an address was."""


def strip_links(answer: str, allowed_text: str = "") -> str:
    """Take out of an answer whatever a reader's program could fetch or follow.

    Images and links leave their label, HTML tags and hidden characters nothing, addresses ``(link removed)``.

    Args:
        answer: What a model wrote.
        allowed_text: The text of the passages; an address that stands in it word for word stays, as plain text.
            Nothing may be hidden in it there.
    """
    text = _LINK.sub(lambda match: _label(match, allowed_text), without_hidden(answer))
    text = _TAG.sub("", text)
    text = _TAG_BEGUN.sub("", text)
    text = _ADDRESS.sub(lambda match: _address(match.group(), allowed_text), text)
    return _LABEL_BEGUN.sub("[", text.replace("](", "] ("))


def clean_answer(answer: str, numbers: Collection[int], allowed_text: str = "") -> str:
    """Strip links and bring citation markers into one form: ``[1][3]`` for ``[1, 3]``, nothing for unknown numbers.

    Args:
        answer: What a model wrote; the abstention marker at its beginning is taken off.
        numbers: The numbers of the passages.
        allowed_text: As for ``strip_links``.
    """
    stream = AnswerStream(numbers, allowed_text)
    return stream.feed(answer) + stream.close()


def is_abstention(answer: str) -> bool:
    """Tell whether a model says, with the marker ``[0]`` at the beginning, that the passages do not hold the answer."""
    return _ABSTENTION.match(without_hidden(answer)) is not None


def marker_numbers(marker: str) -> list[int]:
    """Read the numbers of a marker such as ``1, 3-5``; a reversed or very long range counts as its two ends."""
    found: list[int] = []
    for part in re.split(r"[,;]", marker):
        match = _RANGE.search(part)
        if match:
            low, high = int(match.group(1)), int(match.group(2))
            found += range(low, high + 1) if 0 <= high - low <= _LONGEST_RANGE else (low, high)
        else:
            found.append(int(part))
    return list(dict.fromkeys(found))


class AnswerStream:
    """Cleans an answer while it arrives.

    It keeps back what may still become a marker, a link, a tag or an address, which is seldom more than a word. What
    ``feed`` and ``close`` return, joined, is ``clean_answer`` of all that was fed.

    Attributes:
        abstained: Whether the answer began with the abstention marker; known before any text is released.
    """

    def __init__(self, numbers: Collection[int], allowed_text: str = "") -> None:
        """Take the numbers of the passages and their text, as ``clean_answer`` does."""
        self.abstained = False
        self._numbers = numbers
        self._allowed_text = allowed_text
        self._arrived = ""
        self._held = ""
        self._begun = False

    def feed(self, piece: str) -> str:
        """Take the next piece and return the text that is safe to show, which may be empty."""
        self._take(piece)
        if not self._begun:
            if _ABSTENTION_BEGUN.match(self._held):
                return ""
            self._begin()
        safe, at = "", 0
        for space in _SPACE.finditer(self._held):
            if space.start() > at and not _is_open(
                self._held[max(at, space.start() - _LONGEST_CONSTRUCT) : space.start()]
            ):
                safe += _clean(self._held[at : space.start()], self._numbers, self._allowed_text)
                at = space.start()
        self._held = self._held[at:]
        return safe

    def close(self) -> str:
        """Return what is left when nothing more comes."""
        self._held += without_hidden(self._arrived)
        self._arrived = ""
        if not self._begun:
            self._begin()
        safe, self._held = self._held, ""
        return _clean(safe, self._numbers, self._allowed_text)

    def _take(self, piece: str) -> None:
        """Take what has arrived up to the last white space: what is hidden is seen by what stands around it."""
        end = max(piece.rfind(" "), piece.rfind("\n")) + 1
        if end:
            self._held += without_hidden(self._arrived + piece[:end])
            self._arrived = ""
        self._arrived += piece[end:]

    def _begin(self) -> None:
        """Take the abstention marker off the beginning."""
        self._begun = True
        match = _ABSTENTION.match(self._held)
        if match:
            self.abstained = True
            self._held = self._held[match.end() :]


def _clean(text: str, numbers: Collection[int], allowed_text: str) -> str:
    """Clean a text whose links and markers are complete."""

    def known(match: re.Match[str]) -> str:
        """Write the numbers that name a passage."""
        kept = "".join(f"[{n}]" for n in marker_numbers(match.group("numbers")) if n in numbers)
        if kept:
            return match.group("space") + kept
        return "" if _ENDS_WORD.match(text, match.end()) else " "  # what it stood between must not grow together

    for _ in range(_MOST_ROUNDS):  # what was hidden inside something else comes to light when that is taken out
        cleaned = strip_links(_MARKER.sub(known, text), allowed_text)
        if cleaned == text:
            break
        text = cleaned
    return text


def _label(match: re.Match[str], allowed_text: str) -> str:
    """Replace a link or an image by its label, and by its address where that may stay."""
    label, target = match.group(1), match.group(2).strip("<>")
    text = f"[{label}]" if label.strip().isdigit() and not match.group().startswith("!") else label
    return f"{text} ({target})" if target and target != label and _is_allowed(target, allowed_text) else text


def _address(address: str, allowed_text: str) -> str:
    """Keep an address that the passages hold, and the punctuation behind any."""
    bare = address.rstrip(_CLOSING_POINTS)
    return address if _is_allowed(bare, allowed_text) else REMOVED_LINK + address[len(bare) :]


def _is_allowed(address: str, allowed_text: str) -> bool:
    """Tell whether an address stands in the passages, as a whole and word for word.

    It must do so as they were written, and also as a reader sees them: a look-alike or something hidden in it, or right
    behind it, makes it another address.
    """
    whole = re.compile(rf"(?<![\w/.-]){re.escape(address)}(?![\w/=&%-])")
    return all(whole.search(text) for text in (allowed_text, _visible_once(allowed_text)))


@lru_cache(maxsize=1)
def _visible_once(allowed_text: str) -> str:
    """Return what a reader sees of the passages, worked out once for all addresses of an answer."""
    return visible_text(allowed_text)


def _is_open(text: str) -> bool:
    """Tell whether a marker, link or tag has begun in a text and not ended."""
    bracket = max(text.rfind("["), text.rfind("【"))
    if bracket > max(text.rfind("]"), text.rfind("】")):
        return True
    target = text.rfind("](")
    if target >= 0 and ")" not in text[target:]:
        return True
    return text.rfind("<") > text.rfind(">")
