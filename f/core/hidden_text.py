# ruff: noqa: RUF001, RUF002 - letters that look alike are meant here
"""What a reader sees of a text, without what is hidden in it: for searching, embedding and prompting.

Shared module, pure. Documents are kept as they came; only what a model or an index gets goes through here. It promises:
``visible_text`` of its own result changes nothing; each of its characters comes from one of the original, in the same
order; the time is linear, and a clean text costs two searches.

- Removed: characters without a shape (zero-width ones, fillers, variation selectors, tag characters, controls but tab,
  line feed, carriage return and form feed) and bidirectional controls. Tag characters are never decoded.
- Spaces of any width become a space, line and paragraph separators a line feed.
- Letters and digits in another dress (fullwidth, mathematical, circled letters, ligatures) become plain ones. Digits in
  circles, superscripts, fractions and accents stay, because they mean something.
- In a word that mixes Latin, Greek and Cyrillic, look-alikes become letters of the script that the others speak for. A
  word of one script is never touched, nor is a symbol beside a letter (``kΩ``, ``TNFα``).
- More than four combining marks in a row are cut to four.

Joiners go as well where they are right, in Persian, Indic scripts and (but for ``without_hidden``) emoji; private use
characters stay, because they show.

Sources: Default_Ignorable_Code_Point (Unicode, DerivedCoreProperties), Bidi_Control (UAX #9), format characters (Cf)
but the visible prepended ones, compatibility forms (UAX #15, NFKC), look-alikes (UTS #39, confusables).
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from unicodedata import normalize

import f.core.errors  # noqa: F401 -- refuses to run as a script

_LINE_BREAKS = "\x0b\x85\u2028\u2029"
_SPACES = "\x1c-\x1f\xa0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000"
_SHAPELESS = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
)
_SHAPELESS_BEYOND = "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
_DRESSED = (
    "\u2102\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2131\u2133\u2134\u2139"
    "\u2145-\u2149\u2160-\u217f\u24b6-\u24e9\ufb00-\ufb06\uff10-\uff19\uff21-\uff3a\uff41-\uff5a"
)
_DRESSED_BEYOND = "\U0001d400-\U0001d7ff\U0001f130-\U0001f149\U0001f150-\U0001f169\U0001f170-\U0001f189"
_ON_BLACK = ("\U0001f150", "\U0001f170")
"""Where the two alphabets in black begin, which have no compatibility form."""

_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
_LATIN = "A-Za-z\xc0-\xd6\xd8-\xf6\xf8-\u02af\u1e00-\u1eff"
_GREEK = "\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u03ff\u1f00-\u1fff"
_CYRILLIC = "\u0400-\u0481\u048a-\u052f\u1c80-\u1c88\ua640-\ua66e\ua680-\ua69b"
_SCRIPTS = {"latin": f"[{_LATIN}]", "greek": f"[{_GREEK}]", "cyrillic": f"[{_CYRILLIC}]"}

# What a clean text is searched for: the first is enough where it is Latin, the second where it is Greek. All beyond the
# first 65,536 characters are one range, because a set is slow that has many there.
_TRICKS = f"{_SHAPELESS}{_SPACES}{_LINE_BREAKS}{_DRESSED}{_MARKS}\U00010000-\U0010ffff"
_NOT_PLAIN_LATIN = f"[{_TRICKS}{_GREEK}{_CYRILLIC}]"
_NOT_PLAIN_GREEK = f"[{_TRICKS}{_CYRILLIC}]"

_HIDDEN = f"[{_SHAPELESS}{_SPACES}{_LINE_BREAKS}{_SHAPELESS_BEYOND}]"
_DRESS = f"[{_DRESSED}{_DRESSED_BEYOND}]"
_HIDDEN_OR_DRESSED = f"{_HIDDEN[:-1]}{_DRESS[1:]}"
_EMOJI = "\u2190-\u27ff\u2900-\u2bff\U0001f000-\U0001faff"
_JOINS_EMOJI = (
    f"(?:(?<=[{_EMOJI}])|(?<=[{_EMOJI}]\ufe0f))\u200d(?=[{_EMOJI}])|(?<=[{_EMOJI}])\ufe0f|(?<=[0-9#*])\ufe0f(?=\u20e3)"
)
_STACKED = f"[{_MARKS}][{_MARKS}]{{3}}([{_MARKS}]+)"
_WORD = f"[{_LATIN}{_GREEK}{_CYRILLIC}{_MARKS}]+"

# Latin letters and what looks like them. The rare ones are too rare in their script for a Latin letter to mean them.
_LIKE_GREEK = ("ABEZHIKMNOPTYXaikvopuyx", "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαικνορυγχ")
_LIKE_RARE_GREEK = ("CJcj", "ϹͿϲϳ")
_LIKE_CYRILLIC = ("ABCEHIKMOPTXYaceikopxy", "АВСЕНІКМОРТХУасеікорху")
_LIKE_RARE_CYRILLIC = ("JSIjshdqwvl", "ЈЅӀјѕһԁԛԝѵӏ")
_NO_SYMBOLS = "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧοϹͿϲϳ"
"""Greek letters that nobody can tell from Latin ones, so that nobody uses them as symbols."""


@dataclass(frozen=True, slots=True)
class Visible:
    """A text without what is hidden in it, and where its characters come from.

    Attributes:
        text: What a reader sees.
        offsets: For each character of ``text`` the position of its original, never decreasing (a ligature gives two
            letters of one position), and behind the last the length of the original.
    """

    text: str
    offsets: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the original that ``text[start:end]`` comes from.

        It begins with the original of the first character and ends behind that of the last: what is hidden between
        them is inside, what is hidden before or behind is not. An empty span stays empty.
        """
        low = self.offsets[start]
        return low, self.offsets[end - 1] + 1 if end > start else low


def visible_text(text: str) -> str:
    """Return what a reader sees of a text; the module says what that is."""
    return aligned(text).text


def aligned(text: str) -> Visible:
    """Return what a reader sees of a text, with the place of each character in it."""
    visible = Visible(text, range(len(text) + 1))
    if not _pattern(_NOT_PLAIN_LATIN).search(text):
        return visible
    if _pattern(_NOT_PLAIN_GREEK).search(text):
        visible = _replaced(visible, _HIDDEN_OR_DRESSED, _instead_of)
        visible = _replaced(visible, _STACKED, lambda _: "")
    if _mixes_scripts(visible.text):
        words = _pattern(_WORD).sub(lambda match: _in_one_script(match.group()), visible.text)
        return Visible(words, visible.offsets)
    return visible


def without_hidden(text: str) -> str:
    """Take out what has no shape or turns the direction, and leave every letter as it was written.

    For answers, which are shown as they are: what holds emoji together stays, because it shows, and could carry no more
    than the emoji themselves. A text may come in pieces that are cut at white space.
    """
    return _pattern(_HIDDEN).sub(_unless_in_emoji, text)


def _unless_in_emoji(match: re.Match[str]) -> str:
    """Replace a hidden character where it does not make one emoji of several characters."""
    joins = _pattern(_JOINS_EMOJI).match(match.string, match.start())
    return match.group() if joins else _instead_of(match.group())


@cache
def _pattern(source: str) -> re.Pattern[str]:
    """Compile once, and only what is needed: each of these sets takes half a millisecond."""
    return re.compile(source)


def _replaced(visible: Visible, source: str, instead: Callable[[str], str]) -> Visible:
    """Replace what a pattern finds, or its only group; what comes instead stands where the first of it stood."""
    pattern = _pattern(source)
    parts, offsets, at = list[str](), list[int](), 0
    for match in pattern.finditer(visible.text):
        start, end = match.span(pattern.groups)
        new = instead(match.group(pattern.groups))
        parts += (visible.text[at:start], new)
        offsets += visible.offsets[at:start]
        offsets += [visible.offsets[start]] * len(new)
        at = end
    if not at:
        return visible
    return Visible("".join((*parts, visible.text[at:])), [*offsets, *visible.offsets[at:]])


@lru_cache(maxsize=1 << 12)
def _instead_of(character: str) -> str:
    """Say what a reader sees of a character that hides, or wears another dress."""
    if _pattern(_DRESS).match(character):
        for first in _ON_BLACK:
            if 0 <= ord(character) - ord(first) < 26:
                return chr(ord("A") + ord(character) - ord(first))
        plain = normalize("NFKC", character)
        return plain if plain.isalnum() else character
    if character in _LINE_BREAKS:
        return "\n"
    return " " if character.isspace() or character == "\u2800" else ""


def _mixes_scripts(text: str) -> bool:
    """Tell whether letters of two scripts stand side by side; marks between them count as letters of both."""
    if _side_by_side(_LATIN, _GREEK + _CYRILLIC).search(text):
        return True
    both = _pattern(_SCRIPTS["cyrillic"]).search(text) and _pattern(_SCRIPTS["greek"]).search(text)
    return bool(both and _side_by_side(_GREEK, _CYRILLIC).search(text))


def _side_by_side(some: str, others: str) -> re.Pattern[str]:
    """Find a letter of some beside one of others; a search passes over the others quickly."""
    return _pattern(f"[{some}{_MARKS}](?:(?<=[{others}][{some}{_MARKS}])|(?=[{others}]))")


@lru_cache(maxsize=1 << 12)
def _script(character: str) -> str:
    """Name a letter's script; a combining mark has none."""
    return next((name for name, letters in _SCRIPTS.items() if _pattern(letters).match(character)), "")


def _in_one_script(word: str) -> str:
    """Write the look-alikes in a mixed word in the script of its other letters; Latin where these are undecided."""
    if word.isascii() or not _mixes_scripts(word):
        return word
    letters = [character for character in word if _script(character)]
    if len(set(map(_script, letters))) < 2 or _holds_symbol(letters):
        return word  # marks count as letters of both, so that it may have seemed to mix
    into = _look_alikes()
    ambiguous = into["ambiguous"]
    speaks = Counter(_script(letter) for letter in letters if ord(letter) not in ambiguous)
    first, second = [*speaks.most_common(2), ("", 0), ("", 0)][:2]
    return word.translate(into[first[0] if first[1] > second[1] else "latin"])


def _holds_symbol(letters: list[str]) -> bool:
    """Tell whether one Greek letter stands among Latin ones as a symbol: ``kΩ``, ``ΔT``, ``TNFα``, ``NFκB``."""
    others = [letter for letter in letters if _script(letter) != "latin"]
    if len(others) != 1 or _script(others[0]) != "greek" or others[0] in _NO_SYMBOLS:
        return False
    rest = "".join(letters).replace(others[0], "")
    return len(rest) == 1 or (others[0].islower() and rest.isupper())


@cache
def _look_alikes() -> dict[str, dict[int, str]]:
    """Make the tables that write look-alikes in each script, and one of all that may stand for another letter."""
    kinds = (_LIKE_GREEK, _LIKE_RARE_GREEK, _LIKE_CYRILLIC, _LIKE_RARE_CYRILLIC)
    to_latin = {foreign: latin for kind in kinds for latin, foreign in zip(*kind, strict=True)}
    tables = {"latin": {ord(foreign): latin for foreign, latin in to_latin.items()}}
    for name, pairs in (("greek", _LIKE_GREEK), ("cyrillic", _LIKE_CYRILLIC)):
        like = dict(zip(*pairs, strict=True))
        others = {ord(f): like[latin] for f, latin in to_latin.items() if latin in like and _script(f) != name}
        tables[name] = {ord(latin): foreign for latin, foreign in like.items()} | others
    tables["ambiguous"] = {letter: "" for table in list(tables.values()) for letter in table}
    return tables
