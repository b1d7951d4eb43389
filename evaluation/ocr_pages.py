"""Pages as scanners and telephones make them, of texts that are known: printed in several fonts, clean and spoilt.

The same pages each time: what is random has a seed. Fonts are those of the machine (Debian: fonts-dejavu-core,
fonts-liberation); where it has none that knows Greek, the ones that matplotlib brings.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont

FONTS = ("DejaVuSerif.ttf", "DejaVuSans.ttf", "LiberationSerif-Regular.ttf", "LiberationSans-Regular.ttf")
_WIDTH_INCHES, _HEIGHT_INCHES, _MARGIN_INCHES = 8.27, 11.69, 1.0
_GUTTER_INCHES = 0.4
_POINTS = 11
_POINTS_PER_INCH = 72
_LINE_HEIGHT, _PARAGRAPH_GAP = 1.3, 0.8


class NoFonts(Exception):
    """This machine has no font that knows Greek; Debian's fonts-dejavu-core is one."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page, and what is printed on it.

    Attributes:
        image: Grey.
        text: Its paragraphs, an empty line between two.
        font: The font's file.
    """

    image: Image.Image
    text: str
    font: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A way in which pages come.

    Attributes:
        name: What is written in tables.
        dpi: How finely they are printed.
        spoil: What is done to them.
        clean: Whether the targets hold for it.
        columns: How many stand side by side.
    """

    name: str
    dpi: int = 300
    spoil: Callable[[Image.Image], Image.Image] = lambda image: image
    clean: bool = False
    columns: int = 1


def fonts() -> list[str]:
    """Return the fonts to print with, as Pillow takes them.

    Raises:
        NoFonts: When there is none.
    """
    found = [name for name in FONTS if _known(name)]
    if not found:
        try:
            import matplotlib  # noqa: PLC0415 -- only what nothing else has
        except ImportError:
            raise NoFonts(NoFonts.__doc__) from None
        found = [str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name) for name in FONTS[:2]]
    return found


def print_pages(passages: Sequence[str], condition: Condition, most: int | None = None) -> Iterator[Page]:
    """Print passages on pages, as many as fit on each, with one font after the other, and spoil them.

    Args:
        passages: Each is a paragraph.
        condition: How the pages are.
        most: How many pages at most.
    """
    printers, place, number = fonts(), 0, 0
    while place < len(passages) and (most is None or number < most):
        font = printers[number % len(printers)]
        image, printed = _print(passages[place:], font, condition)
        assert printed, "a passage is longer than a page"
        yield Page(condition.spoil(image), "\n\n".join(passages[place : place + printed]), Path(font).name)
        place, number = place + printed, number + 1


def _print(passages: Sequence[str], font: str, condition: Condition) -> tuple[Image.Image, int]:
    """Print the first passages that fit on a page, and return it with how many they are."""
    dpi = condition.dpi
    image = Image.new("L", (round(_WIDTH_INCHES * dpi), round(_HEIGHT_INCHES * dpi)), 255)
    draw, loaded = ImageDraw.Draw(image), _font(font, round(_POINTS * dpi / _POINTS_PER_INCH))
    gutters = (condition.columns - 1) * _GUTTER_INCHES
    width = (_WIDTH_INCHES - 2 * _MARGIN_INCHES - gutters) / condition.columns * dpi
    height = _POINTS * dpi / _POINTS_PER_INCH * _LINE_HEIGHT
    top, bottom = _MARGIN_INCHES * dpi, (_HEIGHT_INCHES - _MARGIN_INCHES) * dpi
    column, y, printed = 0, top, 0
    for passage in passages:
        lines = _lines(passage, loaded, width)
        if y + height * len(lines) > bottom:
            column, y = column + 1, top
        if column == condition.columns or y + height * len(lines) > bottom:
            break
        x = _MARGIN_INCHES * dpi + column * (width + _GUTTER_INCHES * dpi)
        for line in lines:
            draw.text((x, y), line, fill=0, font=loaded)
            y += height
        y += height * _PARAGRAPH_GAP
        printed += 1
    return image, printed


def _lines(passage: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """Break a passage into lines that are no wider than a column."""
    lines = [""]
    for word in passage.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _known(name: str) -> bool:
    """Tell whether the machine has a font."""
    try:
        _font(name, _POINTS)
    except OSError:
        return False
    return True


@cache
def _font(name: str, pixels: int) -> ImageFont.FreeTypeFont:
    """Load a font."""
    return ImageFont.truetype(name, pixels)


def _skewed(degrees: float) -> Callable[[Image.Image], Image.Image]:
    """Turn a page a little, as a feeder does."""
    return lambda image: image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255)


def _turned(degrees: int) -> Callable[[Image.Image], Image.Image]:
    """Turn a page as somebody who lays it down wrongly."""
    return lambda image: image.rotate(degrees, expand=True)


def _blurred(radius: float) -> Callable[[Image.Image], Image.Image]:
    """Blur a page, as a lens does."""
    return lambda image: image.filter(ImageFilter.GaussianBlur(radius))


def _noisy(image: Image.Image) -> Image.Image:
    """Add the noise of a sensor, and dust."""
    chance = random.Random(image.width)  # noqa: S311 -- no secret
    noise = Image.frombytes("L", image.size, chance.randbytes(image.width * image.height)).point(
        lambda value: 128 + (value - 128) // 3
    )
    dusty = ImageChops.add(image, noise, 1, -128)
    draw = ImageDraw.Draw(dusty)
    for _ in range(image.width * image.height // 20_000):
        x, y, size = chance.randrange(image.width), chance.randrange(image.height), chance.randrange(1, 4)
        draw.ellipse((x, y, x + size, y + size), fill=chance.randrange(140))
    return dusty


def _pale(image: Image.Image) -> Image.Image:
    """Make a page pale: grey letters on grey paper, as an old receipt."""
    return image.point(lambda value: 170 + value * 50 // 255)


def _shadowed(image: Image.Image) -> Image.Image:
    """Lay a shadow over one half of a page, as a hand with a telephone does."""
    shadow = Image.linear_gradient("L").rotate(90).resize(image.size).point(lambda value: 70 + value * 185 // 255)
    return ImageChops.multiply(ImageEnhance.Contrast(image).enhance(0.7), shadow)


def _as_jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    """Store a page as a JPEG of so low a quality."""

    def spoil(image: Image.Image) -> Image.Image:
        stored = BytesIO()
        image.save(stored, "JPEG", quality=quality)
        return Image.open(stored).convert("L")

    return spoil


def _faxed(image: Image.Image) -> Image.Image:
    """Leave only black and white, as a fax."""
    return image.filter(ImageFilter.GaussianBlur(1)).point(lambda value: 255 if value > 140 else 0)


def _photographed(image: Image.Image) -> Image.Image:
    """Do several of these at once, as a telephone in a poor light."""
    return _as_jpeg(50)(_blurred(1.2)(_noisy(_shadowed(_skewed(1.5)(image)))))


CONDITIONS = (
    Condition("300 dpi", clean=True),
    Condition("200 dpi", 200, clean=True),
    Condition("150 dpi", 150),
    Condition("100 dpi", 100),
    Condition("two columns", columns=2),
    Condition("skew 1°", spoil=_skewed(1)),
    Condition("skew -2°", spoil=_skewed(-2)),
    Condition("turned 90°", spoil=_turned(90)),
    Condition("turned 180°", spoil=_turned(180)),
    Condition("turned 270°", spoil=_turned(270)),
    Condition("noise and dust", spoil=_noisy),
    Condition("blur", spoil=_blurred(2.5)),
    Condition("pale", spoil=_pale),
    Condition("shadow", spoil=_shadowed),
    Condition("JPEG quality 15", 200, spoil=_as_jpeg(15)),
    Condition("fax", 200, spoil=_faxed),
    Condition("photograph", 200, spoil=_photographed),
    Condition("poor photograph", 120, spoil=_photographed),
)
"""All ways; only the clean ones have a target."""
