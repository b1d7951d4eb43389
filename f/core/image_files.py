"""Photos and scans: JPEG, PNG and TIFF with any number of pages, read by OCR.

Shared module, pure but for tesseract. How large a picture becomes is asked before it is unpacked.
"""

# extra_requirements:
# pillow==13.0.0

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from f.core.parsed_parts import Extracted, ParsingSettings, Unreadable, Work
from f.core.scanned_pages import read_scans

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "TIFF")


def read_image(content: bytes, work: Work) -> Extracted:
    """Read a picture; each page of a TIFF is a page."""
    picture = _opened(content, work.settings)
    pages = 1 if picture.format == "MPO" else int(getattr(picture, "n_frames", 1))
    if pages > work.settings.maximum_ocr_pages:
        most = work.settings.maximum_ocr_pages
        raise Unreadable("too_many_pages", f"The picture has {pages:,} pages; at most {most:,} can be read.")
    broken: list[int] = []
    found = read_scans(_frames(picture, pages, work.settings, broken), pages, work)
    if not found.texts:
        if broken:
            raise Unreadable("damaged", "The picture is damaged or not complete.")
        raise Unreadable("no_text", "No text could be recognised in the picture.")
    for number in broken:
        found.problems.setdefault("It is damaged or not complete.", []).append(number)
    text = "\f".join(found.texts.get(number, "") for number in range(pages))
    return Extracted(text, None, pages, pages, found.confidence(), found.warnings())


def _opened(content: bytes, settings: ParsingSettings) -> "Image":
    """Open a picture without unpacking it."""
    from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin  # noqa: F401, PLC0415 -- they register

    Image.MAX_IMAGE_PIXELS = None  # what is allowed is asked below, frame by frame
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        picture = Image.open(io.BytesIO(content), formats=_FORMATS)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 -- Pillow raises whatever damaged bytes make it raise
        raise Unreadable("damaged", "The picture is damaged or not complete.") from None
    _check_size(picture, settings)
    return picture


def _check_size(picture: "Image", settings: ParsingSettings) -> None:
    """Refuse a picture that takes too much memory."""
    pixels = picture.width * picture.height
    if pixels > settings.maximum_pixels:
        raise Unreadable(
            "too_large", f"The picture has {pixels:,} pixels; at most {settings.maximum_pixels:,} are allowed."
        )


def _frames(
    picture: "Image", pages: int, settings: ParsingSettings, broken: list[int]
) -> "Iterator[tuple[int, Image | bytes]]":
    """Yield the pages that can be unpacked, and note those that cannot."""
    for number in range(pages):
        try:
            if number:
                picture.seek(number)
            _check_size(picture, settings)
            picture.load()
        except (Unreadable, MemoryError):
            raise
        except Exception:  # noqa: BLE001 -- as above
            broken.append(number)
            continue
        yield number, picture
