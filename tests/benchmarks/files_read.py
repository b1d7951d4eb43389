"""Reads one file in one way: ``python -m tests.benchmarks.files_read ours|bare <kind> <path>``.

It prints as JSON how long it took, how much came out, and how much memory the largest of its processes had. "bare" is
what somebody would write who wants the words and nothing else: the library alone, without headings, tables as Markdown,
page numbers, limits, a child process, or a look at what the file is.
"""

import email.policy
import json
import os
import resource
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from email import message_from_bytes
from io import BytesIO
from pathlib import Path
from typing import Any

_RENDERED = 300 / 72


def ours(content: bytes, kind: str) -> dict[str, Any]:
    """Read a file as a job does."""
    from f.core.parsed_parts import ParsingSettings
    from f.core.parsing import parse

    parts = parse(content, kind, ParsingSettings(), lambda percent: None)
    codes = [part.failure.code for part in parts if part.failure]
    return {
        "characters": sum(len(part.text) for part in parts),
        "pages": sum(part.page_count or 0 for part in parts),
        "parts": len(parts),
        "failures": sorted(set(codes)),
    }


def bare(content: bytes, kind: str) -> dict[str, Any]:
    """Read a file with the library alone."""
    return {"characters": len(_READERS[kind.partition(" of ")[0]](content))}


def _pdf(content: bytes) -> str:
    import pypdfium2

    return "\f".join(page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(content))


def _scans(content: bytes) -> str:
    import pypdfium2

    return "\f".join(
        _recognised(page.render(scale=_RENDERED, grayscale=True).to_pil()) for page in pypdfium2.PdfDocument(content)
    )


def _picture(content: bytes) -> str:
    from PIL import Image

    return _recognised(Image.open(BytesIO(content)))


def _recognised(image: Any) -> str:
    """Let tesseract read an image, as its manual says; with several threads it would take several times as long."""
    written = BytesIO()
    image.save(written, "PNG")
    command = ["tesseract", "stdin", "stdout", "-l", "eng+ell"]
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    read = subprocess.run(command, input=written.getvalue(), capture_output=True, check=True, env=environment)
    return read.stdout.decode()


def _word_file(content: bytes) -> str:
    import docx

    document = docx.Document(BytesIO(content))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([*(paragraph.text for paragraph in document.paragraphs), *cells])


def _slides(content: bytes) -> str:
    import pptx

    shapes = (shape for slide in pptx.Presentation(BytesIO(content)).slides for shape in slide.shapes)
    return "\n".join(shape.text_frame.text for shape in shapes if shape.has_text_frame)


def _sheet(content: bytes) -> str:
    import openpyxl

    book = openpyxl.load_workbook(BytesIO(content), read_only=True, data_only=True)
    return "\n".join("\t".join(map(str, row)) for sheet in book for row in sheet.iter_rows(values_only=True))


def _web_page(content: bytes) -> str:
    import lxml.html

    return str(lxml.html.fromstring(content).text_content())


def _mail(content: bytes) -> str:
    message = message_from_bytes(content, policy=email.policy.default)
    found = []
    for part in message.walk():
        if not part.is_multipart():
            inside, name = part.get_content(), part.get_filename() or ""
            found.append(inside if isinstance(inside, str) else _by_name(name, inside))
    return "\n".join(found)


def _archive(content: bytes) -> str:
    with zipfile.ZipFile(BytesIO(content)) as read:
        return "\n".join(_by_name(name, read.read(name)) for name in read.namelist())


def _by_name(name: str, content: bytes) -> str:
    kinds = {"pdf": "PDF", "docx": "DOCX", "pptx": "PPTX", "xlsx": "XLSX", "html": "HTML", "txt": "text"}
    return _READERS[kinds[name.rpartition(".")[2]]](content)


_READERS: dict[str, Callable[[bytes], str]] = {
    "PDF": _pdf, "scanned PDF": _scans, "PNG": _picture, "DOCX": _word_file, "PPTX": _slides, "XLSX": _sheet,
    "HTML": _web_page, "text": bytes.decode, "EML": _mail, "ZIP": _archive,
}  # fmt: skip
_WAYS = {"ours": ours, "bare": bare}


def _peak_kb() -> int:
    """Return the most memory of this process, or of a child of it.

    Not this one's ``ru_maxrss``: Linux keeps there what the process that started it had.
    """
    own = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return max(int(own.split()[1]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


if __name__ == "__main__":
    way, kind, path = sys.argv[1:]
    content = Path(path).read_bytes()
    began = time.perf_counter()
    found = _WAYS[way](content, kind)
    seconds = time.perf_counter() - began
    print(json.dumps({**found, "seconds": seconds, "peak_mb": _peak_kb() / 1024}))
