"""What parsing makes of a file: its parts, what each says, and why one cannot be read.

Shared module, pure. A file has one part for itself, and where it is an archive or a mail one more for each file that is
inside of it, however deep. The parsers of ``f.core`` return what they find as ``Extracted``, of which
``f.core.unpacking`` makes the parts. No sentence here holds words of a file.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import f.core.errors  # noqa: F401 -- refuses to run as a script

MAXIMUM_TITLE = 500
MAXIMUM_NAME = 500

MAY_PASS = frozenset({"timed_out", "ocr_missing", "interrupted"})
"""Codes of failures that depend on the machine and not on the file, so that a later try may succeed."""


@dataclass(frozen=True, slots=True)
class ParsingFailure:
    """Why a file has no text.

    Attributes:
        code: A stable word: ``empty``, ``encrypted``, ``damaged``, ``no_text``, ``unsupported_type``, ``too_large``,
            ``too_many_pages``, ``unsafe_archive``, ``out_of_memory``, ``given_up``, ``timed_out``, ``interrupted``,
            ``ocr_missing``.
        reason: A sentence that a person can act on, without words of the file.
    """

    code: str
    reason: str

    @property
    def passes(self) -> bool:
        """Tell whether a later try of the same bytes could succeed."""
        return self.code in MAY_PASS


@dataclass(frozen=True, slots=True)
class ParsedPart:
    """A file, or one that was inside of it.

    Attributes:
        path: The names on the way to it, its own last; empty for the file itself.
        name: Its name without control characters and without a way out of an archive; may hold folders.
        media_type: What it is by its content; empty where it could not be looked at.
        size_bytes: Its size; for what could not be read, the size that the archive names.
        sha256: Of its bytes; None where they could not be read.
        title: From its metadata, or its first heading.
        text: NFC, Markdown where the type has structure, form feeds between pages; empty for a failure, or for a
            container without words of its own.
        page_count: How many pages, slides or pictures it has; None for what has none.
        ocr_pages: How many of them were read by OCR.
        ocr_confidence: How sure that was, from 0 to 1; None without OCR.
        warnings: What could not be taken over, in sentences.
        failure: Why there is no text; None where all is well.
        is_container: Whether it is an archive, or a mail with attachments; what is inside follows as parts.
    """

    path: tuple[str, ...]
    name: str
    media_type: str
    size_bytes: int
    sha256: bytes | None
    title: str | None = None
    text: str = ""
    page_count: int | None = None
    ocr_pages: int = 0
    ocr_confidence: float | None = None
    warnings: tuple[str, ...] = ()
    failure: ParsingFailure | None = None
    is_container: bool = False


@dataclass(frozen=True, slots=True)
class ParsingSettings:
    """How much parsing may take; what is beyond ends in a failure, never in a crash.

    Attributes:
        maximum_bytes: Of a file, and of each one inside.
        maximum_pages: Of a document; beyond it nothing is read, because half a document would be taken for a whole.
            5,000 pages of text take about a minute and 15 MB.
        maximum_ocr_pages: How many pages of it may be pictures; 1,000 take some minutes on two cores.
        maximum_unpacked_bytes: Of all that is inside of an archive, together.
        maximum_entries: Of an archive with all that is inside.
        maximum_depth: How many archives or mails may be inside of each other.
        maximum_ratio: How many times its packed size an entry of more than 10 MB may have; text reaches about 20, XML
            100, and deflate ends at 1,032.
        maximum_pixels: Of a picture.
        maximum_characters: Of the text of one part.
        ocr_languages: Tesseract's names.
        seconds: For the whole file.
        quiet_seconds: After which nothing must have moved for a part to be given up: a page, a sheet, an entry.
        memory_bytes: What the child may take beyond what the parent has.
    """

    maximum_bytes: int = 50_000_000
    maximum_pages: int = 5_000
    maximum_ocr_pages: int = 1_000
    maximum_unpacked_bytes: int = 500_000_000
    maximum_entries: int = 1_000
    maximum_depth: int = 3
    maximum_ratio: int = 200
    maximum_pixels: int = 100_000_000
    maximum_characters: int = 50_000_000
    ocr_languages: tuple[str, ...] = ("eng", "ell")
    seconds: float = 1_500.0
    quiet_seconds: float = 120.0
    memory_bytes: int = 1_500_000_000


class Unreadable(Exception):
    """A file that cannot be read; parsers raise it, and ``f.core.parsing`` turns it into a part with a failure."""

    def __init__(self, code: str, reason: str) -> None:
        """Take the stable word and the sentence of a ``ParsingFailure``."""
        super().__init__(reason)
        self.failure = ParsingFailure(code, reason)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file inside of another.

    Attributes:
        name: Its name, clean.
        size_bytes: As the container names it.
        read: Returns its bytes, or raises ``Unreadable``.
        warnings: What was done to its name.
    """

    name: str
    size_bytes: int
    read: Callable[[], bytes]
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class Extracted:
    """What a parser found in a file; the fields are those of ``ParsedPart``, and ``entries`` is what is inside."""

    text: str = ""
    title: str | None = None
    page_count: int | None = None
    ocr_pages: int = 0
    ocr_confidence: float | None = None
    warnings: list[str] = field(default_factory=list)
    is_container: bool = False
    entries: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Work:
    """What a parser is given besides the bytes.

    Attributes:
        settings: The limits.
        moved: Called with how much of this file is done, from 0 to 1, at least every few seconds.
        deadline: When all must be over, by ``time.monotonic()``.
    """

    settings: ParsingSettings
    moved: Callable[[float], None]
    deadline: float

    def steps(self, total: int) -> Iterator[int]:
        """Count from 0 up to ``total``, and tell of each step."""
        for done in range(total):
            self.moved(done / total)
            yield done
