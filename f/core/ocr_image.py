"""Makes the image of a page ready for tesseract: upright, straight, grey on an even white, letters neither too small.

Shared module, pure. Each step is here because pages were lost without it, and costs clean pages nothing
(evaluation/ocr.py): tesseract leaves out what is in a shadow, and of a page that is turned by two degrees half of the
words, and is sure of the rest.
"""

# extra_requirements:
# pillow==13.0.0

from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING

import f.core.errors  # noqa: F401 -- refuses to run as a script

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 120_000_000
"""An image with more is not read: A4 at 1,100 dpi has no more."""

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # not EPS, for which Pillow would run another program
_READABLE_PIXELS = 40_000_000  # A4 at 600 dpi; above that tesseract gets slower, not better
_LEAST_SIDE = 1_600  # the longer side of A4 at some 140 dpi; below it letters are too small for tesseract
_PAPER_SHRINK, _PAPER_WINDOW, _PAPER_BLUR = 8, 9, 8
_LOOK_SIDE = 800  # the longer side of what the direction of lines is looked for in
_MOST_DEGREES = 8  # what a feeder or a hand does; more is meant
_FINER_DEGREES = (0.5, 0.25, 0.1)
_LEAST_DEGREES = 0.4  # tesseract reads lines that are turned less as well as straight ones
_SIDEWAYS = 1.5  # how many times clearer lines must be from top to bottom than from left to right


class BadImage(Exception):
    """This is not an image that can be read."""


class TooManyPixels(BadImage):
    """This image has too many pixels to be read."""


def prepared(image: "Image | bytes") -> "Image":
    """Return the image of a page as tesseract reads it best, in grey.

    Args:
        image: Opened by Pillow, or the bytes of a file: BMP, GIF, JPEG, PNG, TIFF or WebP.

    Returns:
        An image whose lines run from left to right; they may be upside down.

    Raises:
        BadImage: When it is not an image, or too large.
    """
    return _straight(_on_white(_sized(_grey(image))))


def _grey(image: "Image | bytes") -> "Image":
    """Return an image in grey, turned as its camera noted, on white where it is transparent."""
    from PIL import Image, ImageOps, UnidentifiedImageError  # noqa: PLC0415 -- most jobs read no image

    try:
        opened = Image.open(BytesIO(image), formats=_FORMATS) if isinstance(image, bytes) else image
        if opened.width * opened.height > MOST_PIXELS:
            raise TooManyPixels
        upright = ImageOps.exif_transpose(opened)
        if upright.has_transparency_data:
            upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright.convert("RGBA"))
        if upright.mode.startswith("I"):  # 16 bits, of which Pillow would cut off what is above 255
            upright = upright.convert("I").point(lambda value: value * (1 / 256))
        return upright.convert("L")
    except Image.DecompressionBombError:
        raise TooManyPixels from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, OverflowError, MemoryError):
        raise BadImage from None


def _sized(image: "Image") -> "Image":
    """Return an image that is neither so large that it only takes time, nor so small that letters are lost."""
    from PIL import Image  # noqa: PLC0415 -- as above

    pixels = image.width * image.height
    if pixels > _READABLE_PIXELS:
        times = (_READABLE_PIXELS / pixels) ** 0.5
        return image.resize((int(image.width * times), int(image.height * times)), Image.Resampling.BOX)
    if max(image.size) < _LEAST_SIDE:
        return image.resize((image.width * 2, image.height * 2), Image.Resampling.LANCZOS)
    return image


def _on_white(image: "Image") -> "Image":
    """Return an image on an even white: what paper and light alone would show is taken off it."""
    from PIL import Image, ImageChops, ImageFilter  # noqa: PLC0415 -- as above

    small = image.reduce(_PAPER_SHRINK).filter(ImageFilter.MaxFilter(_PAPER_WINDOW))
    paper = small.filter(ImageFilter.GaussianBlur(_PAPER_BLUR)).resize(image.size, Image.Resampling.BILINEAR)
    return ImageChops.add(image, ImageChops.invert(paper))


def _straight(image: "Image") -> "Image":
    """Return an image whose lines run from left to right, without a slope.

    Lines are clearest where the rows of pixels differ most from their neighbours: along them dark and white rows take
    turns, across them all rows are alike.
    """
    from PIL import Image, ImageOps  # noqa: PLC0415 -- as above

    look = ImageOps.invert(image)
    look.thumbnail((_LOOK_SIDE, _LOOK_SIDE), Image.Resampling.BOX)
    look = ImageOps.autocontrast(look)
    clearest, degrees = _clearest(look)
    sideways, other_degrees = _clearest(look.transpose(Image.Transpose.ROTATE_90))
    if sideways > clearest * _SIDEWAYS:
        image, degrees = image.transpose(Image.Transpose.ROTATE_90), other_degrees
    if abs(degrees) < _LEAST_DEGREES:
        return image
    return image.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=255)


def _clearest(look: "Image") -> tuple[float, float]:
    """Return how clear lines from left to right are at best, and at which turn of the image."""
    found = {float(degrees): _clearness(look, degrees) for degrees in range(-_MOST_DEGREES, _MOST_DEGREES + 1)}
    for step in _FINER_DEGREES:
        best = max(found, key=found.__getitem__)
        for degrees in (best - step, best + step):
            found[degrees] = _clearness(look, degrees)
    best = max(found, key=found.__getitem__)
    return found[best], best


def _clearness(look: "Image", degrees: float) -> float:
    """Return how much each row of pixels differs from the next when an image is turned so."""
    from PIL import Image  # noqa: PLC0415 -- as above

    turned = look.rotate(degrees, Image.Resampling.BILINEAR)
    rows = turned.resize((1, turned.height), Image.Resampling.BOX).tobytes()
    return sum((row - following) ** 2 for row, following in pairwise(rows)) / len(rows)
