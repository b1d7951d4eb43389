"""Makes files with real producers: reportlab, python-docx, python-pptx, Pillow, the mail library, LibreOffice."""

import io
import shutil
import subprocess
import zipfile
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
BOLD_FONT = FONT.with_name("DejaVuSans-Bold.ttf")


def need_fonts() -> None:
    """Skip where there is no font with Greek letters."""
    if not FONT.exists() or not BOLD_FONT.exists():
        pytest.skip("the DejaVu fonts are not installed")


def need_tesseract() -> None:
    """Skip where scans cannot be read."""
    if shutil.which("tesseract") is None:
        pytest.skip("tesseract is not installed")


def pdf_of(story: Sequence[Any], *, columns: int = 1, title: str = "", **options: object) -> bytes:
    """Set a story of reportlab's flowables."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate

    written = io.BytesIO()
    document = BaseDocTemplate(written, pagesize=A4, title=title, **options)
    width = (A4[0] - 100) / columns
    frames = [Frame(50 + i * width, 50, width, A4[1] - 100) for i in range(columns)]
    document.addPageTemplates([PageTemplate(frames=frames)])
    document.build(list(story))
    return written.getvalue()


def styles() -> dict[str, Any]:
    """Return reportlab's styles of a heading, a subheading and a paragraph, in fonts with Greek letters."""
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    need_fonts()
    pdfmetrics.registerFont(TTFont("Text", str(FONT)))
    pdfmetrics.registerFont(TTFont("TextBold", str(BOLD_FONT)))
    return {
        "heading": ParagraphStyle("heading", fontName="TextBold", fontSize=18, leading=22, spaceAfter=10),
        "subheading": ParagraphStyle("subheading", fontName="TextBold", fontSize=14, leading=17, spaceAfter=8),
        "text": ParagraphStyle("text", fontName="Text", fontSize=10, leading=13, spaceAfter=8),
        "justified": ParagraphStyle("justified", fontName="Text", fontSize=10, leading=13, spaceAfter=8, alignment=4),
    }


def pages_pdf(texts: Sequence[str], *, title: str = "") -> bytes:
    """Make a PDF with a paragraph on each page."""
    from reportlab.platypus import PageBreak, Paragraph

    style = styles()["text"]
    story: list[Any] = []
    for text in texts:
        story += [Paragraph(text, style), PageBreak()]
    return pdf_of(story[:-1], title=title)


def many_pages_pdf(count: int) -> bytes:
    """Make a PDF with many short pages, quickly."""
    from reportlab.pdfgen.canvas import Canvas

    written = io.BytesIO()
    canvas = Canvas(written, pageCompression=0)
    for number in range(1, count + 1):
        canvas.drawString(72, 720, f"This is page number {number} of a very long document.")
        canvas.showPage()
    canvas.save()
    return written.getvalue()


def letter(text: str, *, width: int = 1_700, size: int = 34) -> Image.Image:
    """Draw a text as a page that was scanned."""
    need_fonts()
    font = ImageFont.truetype(str(FONT), size)
    lines, line = [], ""
    for word in text.split():
        if font.getlength(f"{line} {word}") > width - 200:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    lines.append(line)
    page = Image.new("L", (width, 200 + len(lines) * size * 2), "white")
    drawing = ImageDraw.Draw(page)
    for number, words in enumerate(lines):
        drawing.text((100, 100 + number * size * 2), words, font=font, fill="black")
    return page


def image_bytes(image: Image.Image, form: str, **options: Any) -> bytes:
    """Save a picture."""
    written = io.BytesIO()
    image.save(written, form, **options)
    return written.getvalue()


def scanned_pdf(images: Sequence[Image.Image]) -> bytes:
    """Make a PDF of nothing but pictures."""
    written = io.BytesIO()
    images[0].save(written, "PDF", save_all=True, append_images=list(images[1:]), resolution=200)
    return written.getvalue()


def archive(entries: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Make a ZIP; names are written as they are."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", method) as made:
        for name, content in entries.items():
            info = zipfile.ZipInfo("placeholder")
            info.filename = name
            info.compress_type = method
            made.writestr(info, content)
    return written.getvalue()


def mail(subject: str, text: str = "", html: str = "", attachments: Mapping[str, bytes] | None = None) -> bytes:
    """Make a mail."""
    message = EmailMessage()
    message["From"] = "Anna <anna@example.org>"
    message["To"] = "Babis <babis@example.org>"
    message["Date"] = "Mon, 05 Jan 2026 10:00:00 +0200"
    message["Subject"] = subject
    if text:
        message.set_content(text)
    if html and text:
        message.add_alternative(html, subtype="html")
    elif html:
        message.set_content(html, subtype="html")
    for name, content in (attachments or {}).items():
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def saved(document: Any) -> bytes:
    """Save a document of python-docx, python-pptx or openpyxl."""
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def with_part(package: bytes, name: str, change: Any) -> bytes:
    """Change one part of an Office file, or add it."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as read, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as made:
        names = read.namelist()
        for entry in names:
            content = read.read(entry)
            made.writestr(entry, change(content) if entry == name else content)
        if name not in names:
            made.writestr(name, change(b""))
    return written.getvalue()


def converted(folder: Path, to: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Let LibreOffice convert files, all in one run; skips where it is not installed."""
    office = shutil.which("soffice")
    if office is None:
        pytest.skip("LibreOffice is not installed")
    source, target = folder / "from", folder / f"to-{to.partition(':')[0]}"
    source.mkdir(exist_ok=True)
    for name, content in files.items():
        (source / name).write_bytes(content)
    command = [office, "--headless", f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--convert-to", to]
    command += ["--outdir", str(target), *(str(source / name) for name in files)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return {path.name: path.read_bytes() for path in target.iterdir()}
