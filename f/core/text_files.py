"""Plain text and Markdown in any common encoding.

Shared module, pure. A byte order mark says what a text is; then UTF-8, which nothing else looks like; then UTF-16 and
UTF-32 by where their zeros stand; then the encodings of one byte a character, of which ``charset-normalizer`` chooses.
Windows-1253 and ISO 8859-7 share all letters but one, Ά, and are told apart by it.
"""

# extra_requirements:
# charset-normalizer==3.5.2

import codecs
import re
from collections.abc import Iterator

from f.core.clean_text import clean, title_of
from f.core.parsed_parts import Extracted, Unreadable, Work

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_COMMON = ["cp1252", "cp1253", "iso8859_7", "cp1250", "cp1251", "koi8_r", "cp1254", "cp1255", "cp1256", "shift_jis",
    "gb18030", "big5", "euc_kr"]  # fmt: skip
_SAMPLE_BYTES = 65_536
_SHORT = 200
_LEAST_SURE = 0.2
_GOOD_FOR_A_BAD_BYTE = 20
"""How many characters beyond ASCII must be valid UTF-8 for each that is not."""

_CONTROLS = re.compile("[\0-\x08\x0e-\x1a\x1c-\x1f]")
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(\S.*?)[ \t#]*$", re.MULTILINE)
_HIGH_RUNS = re.compile(rb"[\x80-\xff]+")
_NOT_WESTERN = re.compile(rb"[\x81\x8d\x8f\x90\x9d\xa5\xb9\xbc\xbe\xca\xcc\xd0\xd2\xd5\xd7\xde\xf0\xfe]")
"""Bytes that stand for nothing in Windows-1252, or for what is rare in it and usual in central European encodings."""

_NOT_GREEK = re.compile(rb"[\x80-\xa1\xa4-\xb5\xb7\xbb\xbd\xd2\xff]")
"""Bytes that are no letters in Windows-1253 and ISO 8859-7."""

_ONLY_WINDOWS = re.compile(rb"[\x80-\x9f]|(?<![\xc1-\xfe])\xa2(?=[\xc1-\xfe])")
"""In Greek: characters that ISO 8859-7 does not have, and Ά where a word begins."""

_ONLY_ISO = re.compile(rb"\xb6(?=[\xc1-\xfe])|[\xa1\xa2](?![\xc1-\xfe])")
"""In Greek: Ά before a letter, and quotes that are not before one."""


def read_text(content: bytes, work: Work) -> Extracted:
    """Read plain text or Markdown; its words are kept as they are."""
    found: list[str] = []
    text = clean(decoded(content, found)).strip("\n ")
    if not text.strip():
        raise Unreadable("no_text", "The file holds no text.")
    heading = _HEADING.search(text[:100_000])
    pages = text.count("\f") + 1 if "\f" in text else None
    return Extracted(text, title_of(heading.group(1)) if heading else None, pages, warnings=found)


def decoded(content: bytes, warnings: list[str] | None = None) -> str:
    """Decode a text of unknown encoding; characters that its encoding does not have become U+FFFD.

    Args:
        content: The text.
        warnings: Gets a sentence where the encoding is a guess.
    """
    encoding, sure = _encoding(content)
    text = content.decode(encoding, "replace")
    if warnings is not None and not sure:
        warnings.append(f"The encoding of the text is a guess ({encoding}).")
    if warnings is not None and "\ufffd" in text:
        warnings.append("Some characters of the text could not be decoded.")
    return text


def decoded_as(content: bytes, charset: str) -> str:
    """Decode a text by what is said of its encoding; Windows-1253 is often said to be ISO 8859-7.

    Raises:
        LookupError: When there is no such encoding.
        ValueError: When the text is not in it.
    """
    encoding = codecs.lookup(charset).name
    return content.decode(_greek(content, otherwise=encoding) if encoding == "iso8859-7" else encoding)


def opening(content: bytes) -> str:
    """Decode the beginning of a text, to look at what it is."""
    sample = content[:_SAMPLE_BYTES]
    encoding = _marked(sample) or _wide(sample) or "utf-8"
    return sample.decode(encoding, "replace").lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def looks_like_text(content: bytes) -> bool:
    """Tell text from what is none: a mark or zeros of UTF-16, or next to no control characters."""
    sample = content[:_SAMPLE_BYTES]
    encoding = _marked(sample) or _wide(sample)
    text = sample.decode(encoding or "latin-1", "ignore")
    return len(_CONTROLS.findall(text)) <= max(2, len(text) // 200)


def _encoding(content: bytes) -> tuple[str, bool]:
    """Return the encoding of a text, and whether that is sure."""
    if marked := _marked(content):
        return marked, True
    if wide := _wide(content[:_SAMPLE_BYTES]):
        return wide, True
    try:
        content.decode("utf-8")
        return "utf-8", True
    except UnicodeDecodeError as error:
        if error.end >= len(content) - 3 and error.start > 100:  # cut inside of its last character
            return "utf-8", True
    if _is_nearly_utf8(content):
        return "utf-8", True
    return _of_one_byte(content)


def _is_nearly_utf8(content: bytes) -> bool:
    """Tell whether a text is UTF-8 but for a few bytes, which no text in another encoding is."""
    text = content.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    return len(text) - len(text.encode("ascii", "ignore")) > bad * (_GOOD_FOR_A_BAD_BYTE + 1)


def _marked(content: bytes) -> str | None:
    """Return the encoding that a byte order mark names."""
    return next((encoding for mark, encoding in _MARKS if content.startswith(mark)), None)


def _wide(sample: bytes) -> str | None:
    """Recognise UTF-16 and UTF-32 without a mark: zeros, or in Greek the same byte, in every second or fourth place."""
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        width = 4 if "32" in encoding else 2
        whole = sample[: len(sample) // width * width]
        if len(whole) < 2 * width or b"\0" not in whole:
            continue
        try:
            text = whole.decode(encoding)
        except UnicodeDecodeError as error:
            if error.start < len(whole) - 4:
                continue
            text = whole[: error.start].decode(encoding)
        usual = sum(1 for c in text if c in "\t\n\r\f" or 0x20 <= ord(c) < 0x250 or 0x370 <= ord(c) < 0x600)
        if text and "\0" not in text and usual > len(text) * 0.9:
            return encoding
    return None


def _of_one_byte(content: bytes) -> tuple[str, bool]:
    """Choose among the encodings without marks.

    In western languages a letter beyond ASCII stands alone between others, in Greek or Russian many follow each other.
    So Windows-1252 needs no guess, which a few accents could not carry.
    """
    sample = b"\n".join(_telling_lines(content))[:_SAMPLE_BYTES]
    runs = [len(run) for run in _HIGH_RUNS.findall(sample)]
    alone = sum(1 for run in runs if run == 1)
    if alone > len(runs) * 0.7 and len(_NOT_WESTERN.findall(sample)) <= max(1, sum(runs) // 10):
        return "cp1252", True
    if len(sample) < _SHORT and not _NOT_GREEK.search(sample):  # too little to count letters; Greek is expected here
        return _greek(content), False
    import charset_normalizer  # noqa: PLC0415 -- only where nothing else decides

    best = charset_normalizer.from_bytes(sample, cp_isolation=_COMMON, preemptive_behaviour=False).best()
    if best is None:
        return "cp1252", False
    if best.encoding in ("cp1253", "iso8859_7"):
        return _greek(content), True
    return best.encoding, best.percent_chaos < _LEAST_SURE * 100 and len(sample) > 200


def _telling_lines(content: bytes) -> Iterator[bytes]:
    """Yield the lines with bytes beyond ASCII, which are all that tells encodings apart."""
    for line in content[: 40 * _SAMPLE_BYTES].splitlines():
        if not line.isascii():
            yield line


def _greek(content: bytes, otherwise: str = "cp1253") -> str:
    """Tell Windows-1253 from ISO 8859-7 by where Ά stands, and by quotes that only Windows has."""
    windows, iso = len(_ONLY_WINDOWS.findall(content)), len(_ONLY_ISO.findall(content))
    return otherwise if iso == windows else "iso8859_7" if iso > windows else "cp1253"
