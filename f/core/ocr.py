"""Reads the text in images of pages, English and Greek, with tesseract: the pages of a scan side by side.

Shared module, pure. tesseract is a program of its own, which a worker's image has to hold (``deploy/``): an image goes
in by standard input, its words come out with their places and confidences. Each process takes one core, a bounded time
and a bounded memory, sees nothing of the job's environment, and belongs to the caller's process group, so that it ends
with it. What cannot be read of one page is that page's warning and costs the others nothing.
"""

# extra_requirements:
# pillow==13.0.0

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING

from f.core.errors import Misconfigured
from f.core.ocr_confidence import is_doubtful
from f.core.ocr_image import BadImage, TooManyPixels, prepared
from f.core.ocr_text import RecognisedWord, certainty, read_words, write_text

if TYPE_CHECKING:
    from PIL.Image import Image

LANGUAGES = ("eng", "ell")
"""What is read where nobody says otherwise, by tesseract's own names. Greek texts hold Latin words, so both always."""

_UPSIDE_DOWN = 0.5  # less sure than this tesseract is of pages that stand on their heads (0.3 to 0.4)
_MOST_WORKERS = 8
_PAGE_SECONDS = 120
_PAGE_MEMORY_BYTES = 2 * 1024**3
_LIST_SECONDS = 20

_BLANK = "There is no text on it that could be recognised."
_DOUBTFUL = "It was hard to read; some of its words may be wrong."
_NO_IMAGE = "It is not an image that can be read."
_TOO_LARGE = "It has too many pixels to be read."
_TOO_LONG = "Reading it took too long."
_NO_TIME = "There was no time left to read it."
_CRASHED = "It could not be read."


class OcrMissing(Misconfigured):
    """This worker cannot read images: it needs tesseract, as the worker image in deploy/ has it."""

    code = "ocr_missing"


@dataclass(frozen=True, slots=True)
class OcrPage:
    """What was read on an image.

    Attributes:
        text: Paragraphs, an empty line between two; "" where nothing could be read.
        confidence: From 0 to 1, how sure tesseract is of its words, each weighing as much as it has characters; 0
            without words.
        words: How many there are.
        warning: A sentence about what is doubtful or failed; None where nothing is.
    """

    text: str
    confidence: float
    words: int
    warning: str | None = None


class _Unreadable(Exception):
    """One page cannot be read; its text says why."""


def require_ocr(languages: Sequence[str] = LANGUAGES) -> None:
    """Return if this machine can read images in these languages.

    Args:
        languages: By tesseract's own names.

    Raises:
        OcrMissing: When tesseract or one of the languages is not installed.
    """
    installed = _installed_languages()
    missing = [language for language in languages if language not in installed]
    if missing:
        raise OcrMissing(
            f"This worker cannot read images: its tesseract lacks the language {', '.join(missing)}. It needs the "
            "packages that the worker image in deploy/ has."
        )


def read_images(
    images: Iterable[tuple[int, "Image | bytes"]],
    languages: Sequence[str] = LANGUAGES,
    *,
    deadline: float | None = None,
    workers: int | None = None,
) -> Iterator[tuple[int, OcrPage]]:
    """Read images side by side, and yield each as soon as it is read.

    Args:
        images: Each with its number. They are taken one by one, as many as there are workers and one more, so that a
            generator that renders pages holds few of them. One that Pillow has opened is copied when it is taken.
        languages: By tesseract's own names; all are looked for on every page.
        deadline: When all must be over, by ``time.monotonic``; pages that are not read then come with a warning.
        workers: How many at once; as many as the process may use cores when missing.

    Yields:
        A number, and what was read; in no certain order.

    Raises:
        OcrMissing: When tesseract or a language is not installed.
    """
    require_ocr(languages)
    count = max(1, workers if workers is not None else min(_MOST_WORKERS, len(os.sched_getaffinity(0))))
    language = "+".join(languages)
    running: dict[Future[OcrPage], int] = {}
    pool = ThreadPoolExecutor(count)
    try:
        for number, image in images:
            running[pool.submit(_read_page, _own(image), language, deadline)] = number
            if len(running) > count:
                yield from _ended(running)
        while running:
            yield from _ended(running)
    finally:
        pool.shutdown(cancel_futures=True)  # where the caller has enough before all are read


def _ended(running: dict[Future[OcrPage], int]) -> Iterator[tuple[int, OcrPage]]:
    """Wait for a page, take out what has ended, and yield it."""
    for future in wait(running, return_when=FIRST_COMPLETED).done:
        yield running.pop(future), future.result()


def _own(image: "Image | bytes") -> "Image | bytes":
    """Return the image so that what its owner does afterwards, such as turning to the next frame, changes nothing."""
    if isinstance(image, bytes):
        return image
    try:
        return image.copy()
    except (OSError, SyntaxError, ValueError, EOFError):
        return b""  # its file is damaged; as bytes that are no image, it is told of like others


def _read_page(image: "Image | bytes", language: str, deadline: float | None) -> OcrPage:
    """Read one image, and turn what fails into a warning."""
    try:
        if deadline is not None and time.monotonic() >= deadline:
            raise _Unreadable(_NO_TIME)
        words = _read_upright(prepared(image), language, deadline)
    except TooManyPixels:
        return OcrPage("", 0.0, 0, _TOO_LARGE)
    except BadImage:
        return OcrPage("", 0.0, 0, _NO_IMAGE)
    except _Unreadable as problem:
        return OcrPage("", 0.0, 0, str(problem))
    if not words:
        return OcrPage("", 0.0, 0, _BLANK)
    page = OcrPage(write_text(words), certainty(words), len(words))
    return replace(page, warning=_DOUBTFUL) if is_doubtful(page.confidence) else page


def _read_upright(image: "Image", language: str, deadline: float | None) -> list[RecognisedWord]:
    """Read an image, and once more upside down where that may be better.

    Raises:
        _Unreadable: When the first time fails.
    """
    words = read_words(_recognise(image, language, deadline))
    if words and certainty(words) < _UPSIDE_DOWN:
        with suppress(_Unreadable):
            turned = read_words(_recognise(image.rotate(180), language, deadline))
            return max(words, turned, key=certainty)
    return words


def _recognise(image: "Image", language: str, deadline: float | None) -> str:
    """Run tesseract on an image, and return the table of its words.

    Raises:
        _Unreadable: When it takes too long, or ends with a failure.
    """
    written = BytesIO()
    image.save(written, "PPM")
    seconds = _PAGE_SECONDS if deadline is None else min(_PAGE_SECONDS, deadline - time.monotonic())
    command = ["tesseract", "stdin", "stdout", "-l", language, "--dpi", "300", "tsv"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment()
    )
    with process:
        # Before it has its image, so before it can need anything. The limit of CPU time holds where nobody is left.
        _limit(process.pid, resource.RLIMIT_AS, _PAGE_MEMORY_BYTES)
        _limit(process.pid, resource.RLIMIT_CPU, _PAGE_SECONDS)
        try:
            table, _ = process.communicate(written.getvalue(), timeout=max(0.0, seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            raise _Unreadable(_TOO_LONG) from None
    if process.returncode:
        raise _Unreadable(_CRASHED)
    return table.decode("utf-8", "replace")


def _limit(pid: int, kind: int, most: int) -> None:
    """Limit what a process may take, to no more than this process may."""
    _, allowed = resource.getrlimit(kind)
    most = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
    with suppress(ProcessLookupError):  # it is over
        resource.prlimit(pid, kind, (most, most))


def _installed_languages() -> set[str]:
    """Return the languages that tesseract has here.

    Raises:
        OcrMissing: When there is no tesseract that runs.
    """
    if shutil.which("tesseract") is None:
        raise OcrMissing
    try:
        listed = subprocess.run(
            ["tesseract", "--list-langs"],
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=_LIST_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise OcrMissing("This worker cannot read images: its tesseract does not run.") from error
    return set(listed.stdout.split("\n")[1:])


def _environment() -> dict[str, str]:
    """Return what tesseract may know: where programs and its data are, and that it is to use one core."""
    known = {name: os.environ[name] for name in ("PATH", "TESSDATA_PREFIX", "LD_LIBRARY_PATH") if name in os.environ}
    return {**known, "OMP_THREAD_LIMIT": "1"}
