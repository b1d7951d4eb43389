"""Reads a file and the files inside of it, one after the other, and tells of each: the work of the child process.

Shared module, pure. Every file has a place: the numbers of the entries on the way to it. So a child can go on where
another one died: it leaves out what is done, and what was not survived.
"""

import hashlib
import time
from collections.abc import Callable, Mapping

from f.core.file_types import (
    HTML,
    JPEG,
    LOCKED_OFFICE,
    MAIL,
    MARKDOWN,
    PDF,
    PLAIN,
    PNG,
    SHEETS,
    SHEETS_WITH_MACROS,
    SLIDES,
    SLIDES_WITH_MACROS,
    TIFF,
    WHAT_TO_DO,
    WORD,
    WORD_WITH_MACROS,
    ZIP,
    media_type_of,
)
from f.core.image_files import read_image
from f.core.mail_files import read_mail
from f.core.parsed_parts import Entry, Extracted, ParsingFailure, ParsingSettings, Unreadable, Work
from f.core.parsing_process import Message, Send
from f.core.pdf_files import read_pdf
from f.core.sheet_files import read_sheets
from f.core.slide_files import read_slides
from f.core.text_files import read_text
from f.core.web_pages import read_web_page
from f.core.word_files import read_word
from f.core.zip_files import read_archive, too_large

Place = tuple[int, ...]

_READERS: dict[str, Callable[[bytes, Work], Extracted]] = {
    PDF: read_pdf,
    WORD: read_word,
    WORD_WITH_MACROS: read_word,
    SLIDES: read_slides,
    SLIDES_WITH_MACROS: read_slides,
    SHEETS: read_sheets,
    SHEETS_WITH_MACROS: read_sheets,
    HTML: read_web_page,
    MARKDOWN: read_text,
    PLAIN: read_text,
    MAIL: read_mail,
    JPEG: read_image,
    PNG: read_image,
    TIFF: read_image,
    ZIP: read_archive,
}
_WITH_MACROS = (WORD_WITH_MACROS, SLIDES_WITH_MACROS, SHEETS_WITH_MACROS)
_TELL_SECONDS = 0.5


class Unpacking:
    """One walk through a file, from the root to what is innermost, in order."""

    def __init__(
        self, settings: ParsingSettings, deadline: float, done: Mapping[Place, bool], lost: set[Place]
    ) -> None:
        """Take the limits, and what earlier children have seen.

        Args:
            settings: The limits.
            deadline: When all must be over, by ``time.monotonic()``.
            done: The places that are finished, and whether each is a container, which has to be opened again.
            lost: Places that a child did not survive; neither they nor what is inside of them is looked at again.
        """
        self._settings = settings
        self._deadline = deadline
        self._done = done
        self._lost = lost
        self._unpacked_bytes = 0
        self._entries = 0
        self._told = 0.0
        self._send: Send = lambda message: None

    def run(self, content: bytes, name: str, send: Send) -> None:
        """Read a file, and send of each part ``begin`` before it is read, ``part`` when it is, and ``inside``."""
        self._send = send
        root = Entry(name, len(content), lambda: content)
        self._visit((), (), root, (0.0, 1.0))

    def _visit(self, place: Place, path: tuple[str, ...], entry: Entry, span: tuple[float, float]) -> None:
        """Read one file, then what is inside of it."""
        if place in self._lost or (place in self._done and not self._done[place]):
            return
        self._send({"begin": list(place), "path": list(path), "name": entry.name, "size": entry.size_bytes})
        self._tell(span[0])
        found = self._read(place, path, entry, span)
        weights = [max(1, inner.size_bytes) for inner in found.entries]
        low, step = span[0], (span[1] - span[0]) / max(1, sum(weights))
        for number, (inner, weight) in enumerate(zip(found.entries, weights, strict=True)):
            self._visit((*place, number), (*path, inner.name), inner, (low, low + weight * step))
            low += weight * step

    def _read(self, place: Place, path: tuple[str, ...], entry: Entry, span: tuple[float, float]) -> Extracted:
        """Read one file and send its part; a failure is a part, too."""
        content: bytes | None = None
        media_type = ""
        found, failure = Extracted(), None
        try:
            content = entry.read()
            self._check_size(content, place)
            media_type = media_type_of(content)
            found = self._extract(content, media_type, span)
            self._check_inside(found, place)
        except Unreadable as error:
            found, failure = Extracted(warnings=found.warnings), error.failure
        except MemoryError:
            found = Extracted()
            failure = ParsingFailure("out_of_memory", "Reading the file takes more memory than is allowed.")
        except Exception as error:  # noqa: BLE001 -- parsers raise whatever damaged bytes make them raise
            reason = f"The file is damaged, or not made as its type demands ({type(error).__name__})."
            found, failure = Extracted(), ParsingFailure("damaged", reason)
        if place not in self._done:
            found.warnings = [*entry.warnings, *found.warnings]
            self._send(_message(place, path, entry, content, media_type, found, failure))
        if found.entries:
            inside = [[inner.name, inner.size_bytes] for inner in found.entries]
            self._send({"inside": list(place), "path": list(path), "entries": inside})
        return found

    def _extract(self, content: bytes, media_type: str, span: tuple[float, float]) -> Extracted:
        """Read what a file says."""
        if media_type == LOCKED_OFFICE:
            raise Unreadable("encrypted", "The file is encrypted. Save it without a password, and hand that in.")
        reader = _READERS.get(media_type)
        if reader is None:
            raise Unreadable("unsupported_type", WHAT_TO_DO[media_type])
        work = Work(self._settings, lambda done: self._tell(span[0] + done * (span[1] - span[0])), self._deadline)
        found = reader(content, work)
        if len(found.text) > self._settings.maximum_characters:
            most = self._settings.maximum_characters
            raise Unreadable("too_large", f"The file has more than {most:,} characters of text.")
        if media_type in _WITH_MACROS:
            found.warnings.insert(0, "The file has macros. They were neither read nor run.")
        return found

    def _check_size(self, content: bytes, place: Place) -> None:
        """Refuse what is empty, too large, or too much together with what came out of the same archive."""
        if not content:
            raise Unreadable("empty", "The file is empty.")
        if len(content) > self._settings.maximum_bytes:
            raise too_large(len(content), self._settings)
        if place:
            self._unpacked_bytes += len(content)
        if self._unpacked_bytes > self._settings.maximum_unpacked_bytes:
            most = self._settings.maximum_unpacked_bytes // 1_000_000
            raise Unreadable("too_large", f"What is inside of the archive comes to more than {most:,} MB.")

    def _check_inside(self, found: Extracted, place: Place) -> None:
        """Refuse archives that are too deep or hold too much; a mail keeps its words without its attachments."""
        if not found.entries:
            return
        settings, problem = self._settings, None
        self._entries += len(found.entries)
        if len(place) >= settings.maximum_depth:
            most = settings.maximum_depth
            problem = Unreadable("unsafe_archive", f"Archives or mails are inside of each other more than {most} deep.")
        elif self._entries > settings.maximum_entries:
            most = settings.maximum_entries
            problem = Unreadable("too_large", f"The archives together hold more than {most:,} files.")
        if problem is None:
            return
        if not found.text:
            raise problem
        found.entries = []
        found.warnings.append(f"What is attached was not read. {problem.failure.reason}")

    def _tell(self, done: float) -> None:
        """Tell how much of all is done, from time to time."""
        now = time.monotonic()
        if now - self._told > _TELL_SECONDS:
            self._told = now
            self._send({"done": min(1.0, max(0.0, done))})


def _message(
    place: Place,
    path: tuple[str, ...],
    entry: Entry,
    content: bytes | None,
    media_type: str,
    found: Extracted,
    failure: ParsingFailure | None,
) -> Message:
    """Put a part into JSON."""
    return {
        "part": list(place),
        "path": list(path),
        "name": entry.name,
        "media_type": media_type,
        "size": entry.size_bytes if content is None else len(content),
        "sha256": None if content is None else hashlib.sha256(content).hexdigest(),
        "title": found.title,
        "text": found.text,
        "page_count": found.page_count,
        "ocr_pages": found.ocr_pages,
        "ocr_confidence": found.ocr_confidence,
        "warnings": found.warnings,
        "failure": None if failure is None else [failure.code, failure.reason],
        "is_container": found.is_container,
    }
