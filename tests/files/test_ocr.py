"""OCR: that pages are read well, however they lie, and that a page which cannot be read costs the others nothing."""

import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from evaluation.ocr import MOST_WRONG, distance, error_rate, read
from evaluation.ocr_pages import CONDITIONS, NoFonts, fonts, print_pages
from f.core.ocr import OcrMissing, OcrPage, read_images, require_ocr
from tests.files.passages import passages

_LANGUAGES = "List of available languages in /nowhere (2):\nell\neng"
_HEADER = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext"
WHITE = Image.new("L", (400, 300), 255)


@pytest.fixture
def tesseract() -> None:
    """Skip where there is nothing to read with, or to print with."""
    if shutil.which("tesseract") is None:
        pytest.skip("tesseract is not installed (Debian: tesseract-ocr, tesseract-ocr-ell)")
    try:
        require_ocr()
        fonts()
    except (OcrMissing, NoFonts) as missing:
        pytest.skip(str(missing))


@pytest.fixture
def acting_tesseract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program in tesseract's place; a test writes what it does with an image to the file that this returns."""
    program, act = tmp_path / "tesseract", tmp_path / "act.py"
    program.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"if '--list-langs' in sys.argv:\n    print({_LANGUAGES!r})\n    sys.exit()\n"
        f"image = sys.stdin.buffer.read()\nexec(open({str(act)!r}).read())\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return act


def said(word: str = "word") -> str:
    """Return the line of a program that says one word as tesseract does."""
    row = f"5\t1\t1\t1\t1\t1\t0\t0\t10\t10\t90\t{word}"
    return f"print({_HEADER!r}); print({row!r})"


def read_one(image: "Image.Image | bytes") -> OcrPage:
    """Read one image."""
    ((_, page),) = read_images([(0, image)])
    return page


@pytest.mark.usefixtures("tesseract")
@pytest.mark.parametrize("language", ["en", "el"])
def test_clean_pages_are_read_with_few_errors(language: str) -> None:
    clean = next(condition for condition in CONDITIONS if condition.name == "200 dpi")

    pages, _ = read(passages(language)[3:9], clean, most=2)

    assert error_rate(pages) <= MOST_WRONG[language]


@pytest.mark.usefixtures("tesseract")
@pytest.mark.parametrize("name", ["skew -2°", "turned 90°", "shadow", "two columns"])
def test_pages_that_lie_badly_are_read_as_well(name: str) -> None:
    condition = next(condition for condition in CONDITIONS if condition.name == name)

    pages, _ = read(passages("en")[:2], condition, most=1)

    assert error_rate(pages) <= MOST_WRONG["en"]


@pytest.mark.usefixtures("tesseract")
def test_paragraphs_stay_paragraphs_and_their_lines_are_joined() -> None:
    page = next(print_pages(passages("en")[:3], CONDITIONS[1], 1))

    text = read_one(page.image).text

    assert len(text.split("\n\n")) == len(page.text.split("\n\n"))
    assert "\n" not in text.replace("\n\n", "")
    assert distance(page.text, text) < len(page.text) / 100


@pytest.mark.usefixtures("tesseract")
def test_a_page_that_is_hard_to_read_is_said_to_be_doubtful() -> None:
    (good, bad) = (next(c for c in CONDITIONS if c.name == name) for name in ("200 dpi", "poor photograph"))
    images = [next(print_pages(passages("el")[:2], condition, 1)).image for condition in (good, bad)]
    images[1] = images[1].reduce(2)

    pages = dict(read_images(enumerate(images)))

    assert pages[0].warning is None
    assert pages[1].confidence < pages[0].confidence
    assert pages[1].warning == "It was hard to read; some of its words may be wrong."


@pytest.mark.usefixtures("tesseract")
def test_a_photo_is_turned_as_its_camera_noted_and_a_transparent_picture_lies_on_white() -> None:
    from evaluation.ocr_pages import _font

    words = "Receipt of the bakery: twelve rolls"
    font = _font(fonts()[0], 40)
    paper = Image.new("RGB", (900, 200), "white")
    ImageDraw.Draw(paper).text((40, 60), words, fill="black", font=font)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° to the right
    photo, clear = BytesIO(), Image.new("RGBA", (900, 200), (0, 0, 0, 0))
    paper.transpose(Image.Transpose.ROTATE_90).save(photo, "JPEG", exif=exif)
    ImageDraw.Draw(clear).text((40, 60), words, fill=(0, 0, 0, 255), font=font)

    assert {page.text for _, page in read_images([(0, photo.getvalue()), (1, clear)])} == {words}


@pytest.mark.usefixtures("tesseract")
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_is_no_page_gets_a_warning_and_the_others_are_read() -> None:
    page = next(print_pages(passages("en")[:1], CONDITIONS[1], 1))
    png, bomb = BytesIO(), BytesIO()
    page.image.save(png, "PNG")
    Image.new("1", (12_000, 11_000)).save(bomb, "PNG")
    images: list[Image.Image | bytes] = [
        png.getvalue(),
        b"garbage",
        b"",
        png.getvalue()[:2000],
        bomb.getvalue(),
        WHITE,
        page.image,
    ]

    found = dict(read_images(enumerate(images)))

    assert [found[number].text for number in range(1, 6)] == [""] * 5
    assert [found[number].confidence for number in range(1, 6)] == [0.0] * 5
    assert {number: found[number].warning for number in range(7)} == {
        0: None,
        1: "It is not an image that can be read.",
        2: "It is not an image that can be read.",
        3: "It is not an image that can be read.",
        4: "It has too many pixels to be read.",
        5: "There is no text on it that could be recognised.",
        6: None,
    }


def test_without_tesseract_it_says_what_a_worker_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(OcrMissing, match="it needs tesseract, as the worker image in deploy/ has it"):
        list(read_images([(0, WHITE)]))


def test_a_language_that_is_missing_is_named(acting_tesseract: Path) -> None:
    acting_tesseract.write_text("")

    with pytest.raises(OcrMissing, match="lacks the language deu, fra"):
        require_ocr(("eng", "deu", "fra"))


def test_a_page_that_takes_too_long_is_ended_and_those_behind_it_are_not_begun(
    acting_tesseract: Path, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    acting_tesseract.with_name("tesseract").write_text(  # a shell begins at once, long before the deadline
        f"#!/bin/sh\ncase $* in *--list-langs*) echo {shlex.quote(_LANGUAGES)};;\n"
        f"*) echo $$ >> {shlex.quote(str(begun))}; exec sleep 300;; esac\n"
    )

    found = dict(read_images(enumerate([WHITE, WHITE]), deadline=time.monotonic() + 3, workers=1))

    assert [found[number].warning for number in (0, 1)] == [
        "Reading it took too long.",
        "There was no time left to read it.",
    ]
    (process,) = begun.read_text().split()
    assert not Path(f"/proc/{process}").exists()


def test_a_page_at_which_tesseract_fails_is_said_to_be_unreadable(acting_tesseract: Path) -> None:
    acting_tesseract.write_text("sys.exit(1)")

    assert read_one(WHITE) == OcrPage("", 0.0, 0, "It could not be read.")


def test_two_pages_are_read_at_the_same_time(acting_tesseract: Path, tmp_path: Path) -> None:
    """Each waits for the other: one after the other, both would wait until the deadline."""
    acting_tesseract.write_text(
        "import os, pathlib, time\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n(folder / f'{{os.getpid()}}.here').touch()\n"
        f"while len(list(folder.glob('*.here'))) < 2: time.sleep(0.01)\n{said()}"
    )

    found = dict(read_images(enumerate([WHITE, WHITE]), workers=2, deadline=time.monotonic() + 60))

    assert [found[number].text for number in (0, 1)] == ["word", "word"]


def test_no_more_pages_are_held_than_are_read(acting_tesseract: Path) -> None:
    acting_tesseract.write_text(said())
    taken = list[int]()

    def images() -> Iterator[tuple[int, Image.Image]]:
        for number in range(8):
            taken.append(number)
            yield number, WHITE

    found = read_images(images(), workers=2)
    next(found)

    assert len(taken) <= 3
    assert len(list(found)) == 7


def test_tesseract_is_limited_ends_with_its_caller_and_sees_no_secret(
    acting_tesseract: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WM_TOKEN", "secret")
    seen = tmp_path / "seen"
    acting_tesseract.write_text(
        "import os, resource\n"
        f"open({str(seen)!r}, 'w').write(repr((os.getpgid(0), resource.getrlimit(resource.RLIMIT_AS)[1],"
        " resource.getrlimit(resource.RLIMIT_CPU)[1], 'secret' in repr(os.environ), os.environ['OMP_THREAD_LIMIT'])))\n"
        f"{said()}"
    )

    assert read_one(WHITE).text == "word"
    assert eval(seen.read_text()) == (os.getpgid(0), 2 * 1024**3, 120, False, "1")
