"""Presentations as Markdown: a page for each slide, with its title, words, tables and notes.

Shared module, pure. What stands on a slide is read from top to bottom and from left to right, which is how the shapes
lie and not how they were made.
"""

# extra_requirements:
# python-pptx==1.0.2

import io
from collections.abc import Iterator
from typing import Any

from f.core.clean_text import clean, one_line, tidy, title_of
from f.core.markdown_tables import markdown_table
from f.core.parsed_parts import Extracted, Unreadable, Work
from f.core.zip_files import open_package

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_MOST_GROUPS = 20
_ROW_EMU = 300_000
"""Shapes whose tops are no farther apart, a third of an inch, stand beside each other."""
_OTHER_TYPES = (
    "application/vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml",
    "application/vnd.openxmlformats-officedocument.presentationml.template.main+xml",
    "application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml",
    "application/vnd.ms-powerpoint.template.macroEnabled.main+xml",
    "application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml",
)
_EMPTY_TITLES = ("powerpoint presentation", "presentation", "untitled", "slide 1")


def read_slides(content: bytes, work: Work) -> Extracted:
    """Read a presentation."""
    open_package(content, work.settings)
    presentation = _presentation(content)
    slides = list(presentation.slides)
    if len(slides) > work.settings.maximum_pages:
        most = work.settings.maximum_pages
        raise Unreadable("too_many_pages", f"It has {len(slides):,} slides; at most {most:,} are allowed.")
    pages, titles, pictured = [], [], []
    for number in work.steps(len(slides)):
        title, text, has_picture = _slide(slides[number])
        titles.append(title)
        pages.append(text)
        if has_picture and not text:
            pictured.append(str(number + 1))
    if not any(pages):
        raise Unreadable("no_text", "The slides hold no text. If they are pictures, hand the presentation in as PDF.")
    warnings = [f"Slides with nothing but pictures were not read: {', '.join(pictured[:20])}."] if pictured else []
    own = title_of(presentation.core_properties.title)
    title = own if own and own.lower() not in _EMPTY_TITLES else next((t for t in titles if t), None)
    return Extracted("\f".join(pages), title, len(pages), warnings=warnings)


def _presentation(content: bytes) -> Any:
    """Open the package; shows, templates and files with macros are read like presentations."""
    from pptx.opc.package import PartFactory  # noqa: PLC0415 -- only where there is a presentation
    from pptx.package import Package  # noqa: PLC0415
    from pptx.parts.presentation import PresentationPart  # noqa: PLC0415

    for content_type in _OTHER_TYPES:
        PartFactory.part_type_for[content_type] = PresentationPart
    part: Any = Package.open(io.BytesIO(content)).main_document_part
    return part.presentation


def _slide(slide: Any) -> tuple[str | None, str, bool]:
    """Return a slide's title, its text, and whether there is a picture on it."""
    title_shape = slide.shapes.title
    title = title_of(title_shape.text_frame.text) if title_shape is not None else None
    blocks = [f"# {title}"] if title else []
    has_picture = False
    for shape in sorted(_shapes(slide.shapes), key=_place):
        if title_shape is not None and shape.element is title_shape.element:
            continue
        has_picture = has_picture or shape.element.tag == f"{_P}pic"
        if block := _block(shape):
            blocks.append(block)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = tidy(slide.notes_slide.notes_text_frame.text.replace("\f", "\n"))
        blocks.extend(["## Notes", notes] if notes else [])
    return title, "\n\n".join(blocks).replace("\f", "\n"), has_picture


def _shapes(shapes: Any, depth: int = 0) -> Iterator[Any]:
    """Yield the shapes, those in groups too."""
    for shape in shapes:
        if shape.element.tag == f"{_P}grpSp" and depth < _MOST_GROUPS:
            yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape


def _place(shape: Any) -> tuple[int, int]:
    """Return where a shape stands, in rows and from the left; what takes its place from the layout comes first."""
    return (shape.top or 0) // _ROW_EMU, shape.left or 0


def _block(shape: Any) -> str:
    """Return what a shape says, in Markdown."""
    if getattr(shape, "has_table", False):
        return markdown_table([[cell.text for cell in row.cells] for row in shape.table.rows])
    if getattr(shape, "has_chart", False):
        return _chart(shape.chart)
    if not shape.has_text_frame:
        return ""
    listed = shape.is_placeholder and shape.placeholder_format.type in (2, 7)  # BODY, OBJECT
    paragraphs = [p for p in shape.text_frame.paragraphs if p.text.strip()]
    items = [_paragraph(p, listed=listed and len(paragraphs) > 1) for p in paragraphs]
    text = ""
    for line, is_item in items:
        text += ("\n" if is_item else "\n\n") + line
    return tidy(text).strip()


def _paragraph(paragraph: Any, *, listed: bool) -> tuple[str, bool]:
    """Return a paragraph with its mark, and whether it is an item of a list."""
    properties = paragraph._p.pPr  # python-pptx has no face for bullets
    marks = {child.tag for child in properties} if properties is not None else set()
    if f"{_A}buNone" in marks:
        listed = False
    elif marks & {f"{_A}buChar", f"{_A}buAutoNum"}:
        listed = True
    words = "\n".join(line for piece in clean(paragraph.text).split("\n") if (line := one_line(piece)))
    return ("  " * min(paragraph.level, 8) + f"- {words}", True) if listed else (words, False)


def _chart(chart: Any) -> str:
    """Return the figures of a chart as a table."""
    try:
        plot = next(iter(chart.plots))
        names = [str(category) for category in plot.categories]
        series = [
            (str(line.name), [str(value if value is not None else "") for value in line.values]) for line in plot.series
        ]
    except (StopIteration, ValueError, KeyError, AttributeError, NotImplementedError):
        return ""
    rows = [["", *[name for name, _ in series]]]
    rows += [[name, *[values[i] if i < len(values) else "" for _, values in series]] for i, name in enumerate(names)]
    return markdown_table(rows)
