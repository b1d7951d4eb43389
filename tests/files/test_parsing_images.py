# ruff: noqa: RUF001 - Greek letters are meant here
"""Photos and scans: JPEG, PNG and TIFF with several pages, read by OCR where it is installed."""

import pytest
from PIL import Image

from tests.files.producers import image_bytes, letter, need_tesseract
from tests.files.reading import failure_of, read

WORDS = {
    "en": "The warranty of the washing machine ends on Monday.",
    "el": "Η εγγύηση του πλυντηρίου λήγει τη Δευτέρα.",
}


@pytest.mark.parametrize(
    ("form", "options", "media_type"),
    [
        ("PNG", {}, "image/png"),
        ("JPEG", {"quality": 85}, "image/jpeg"),
        ("MPO", {"quality": 85}, "image/jpeg"),
        ("TIFF", {"compression": "tiff_lzw"}, "image/tiff"),
        ("TIFF", {"compression": "group4"}, "image/tiff"),
        ("TIFF", {"big_tiff": True}, "image/tiff"),
    ],
)
def test_a_picture_of_a_letter_is_read(form: str, options: dict[str, object], media_type: str) -> None:
    need_tesseract()
    page = letter(f"{WORDS['en']} {WORDS['el']}")
    page = page.convert("1") if options.get("compression") == "group4" else page.convert("RGB")

    part = read(image_bytes(page, form, **options), "photo.txt")

    assert part.failure is None
    assert part.media_type == media_type
    assert (part.page_count, part.ocr_pages) == (1, 1)
    assert part.ocr_confidence is not None
    assert part.ocr_confidence > 0.7
    assert WORDS["en"] in " ".join(part.text.split())
    assert "πλυντηρίου" in part.text


def test_each_page_of_a_tiff_is_a_page() -> None:
    need_tesseract()
    pages = [letter(f"The words of page {word}.") for word in ("one", "two", "three")]

    part = read(image_bytes(pages[0], "TIFF", save_all=True, append_images=pages[1:], compression="tiff_deflate"))

    assert ["one" in page or "two" in page or "three" in page for page in part.text.split("\f")] == [True] * 3
    assert part.page_count == 3


def test_a_picture_without_words_has_no_text() -> None:
    need_tesseract()

    assert failure_of(image_bytes(Image.new("RGB", (600, 400), "white"), "PNG")) == "no_text"


def test_without_tesseract_the_failure_says_what_is_missing_and_that_it_may_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    part = read(image_bytes(letter("words"), "PNG"))

    assert part.failure is not None
    assert part.failure.code == "ocr_missing"
    assert part.failure.passes
    assert "tesseract" in part.failure.reason
