"""Brings the sample files in: a PDF, a photo of a letter and a Word document, and reads back what was read out of them.

Module of the demonstration.
"""

import base64
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from local.demo import page
from local.demo.client import Client, Data, DemoFailed
from local.demo.world import KnownDocument, World, admin_of, show_progress
from local.samples import SampleFile

_TYPES = {
    "application/pdf": "PDF",
    "image/jpeg": "JPEG",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "DOCX",
}
_PICTURES = {".jpg", ".png", ".tiff"}
_LANGUAGES = {"eng", "ell"}
_LONGEST = 1_000_000


def bring_in_files(client: Client, world: World, files: tuple[SampleFile, ...]) -> None:
    """Bring in all files at once, and add their documents to the world; progress is printed.

    Pictures are left out, with a line that says so, where this machine cannot read the words in them.

    Raises:
        DemoFailed: When one is refused or not completed.
    """
    started = time.monotonic()
    able = _reads_pictures()
    wanted = [file for file in files if able or file.path.suffix not in _PICTURES]
    print(f"\n  {len(wanted)} files through the flow f/chatbot/ingest_file:")
    with ThreadPoolExecutor(len(wanted)) as pool:
        for file, told in zip(wanted, pool.map(lambda one: _ingest(client, world, one), wanted), strict=True):
            show_progress(f"  {file.path.name}: {_described(told)}")
    for file in files:
        if file not in wanted:
            page.paragraph(f"{file.path.name} is left out: tesseract with English and Greek is not installed.", "  ")
    print(f"  all completed in {time.monotonic() - started:.1f} s")


def _ingest(client: Client, world: World, file: SampleFile) -> Data:
    """Bring in one file as its tenant's admin, remember its document, and return how it went."""
    admin = admin_of(world.people, file.tenant)
    status = client.flow(
        "f/chatbot/ingest_file",
        **admin.identity,
        content_base64=base64.b64encode(file.path.read_bytes()).decode("ascii"),
        file_name=file.path.name,
        title=file.title,
        category=file.category,
        visibility=file.visibility,
        tags=list(file.tags),
        source=file.source,
        idempotency_key=f"sample:{file.path.name}",
    )
    told: Data = status["items"][0]
    number = told["document_id"]
    if status["status"] != "completed" or number is None:
        raise DemoFailed(f"{file.path.name} was not stored: its status is {status['status']}, {told['error']}.")
    document = client.script("f/chatbot/get_document", document_id=number, limit=_LONGEST, **admin.identity)
    known = KnownDocument(file.path.name, document["title"], document["text"], document["visibility"], None)
    world.documents[file.tenant, int(number)] = known
    return told


def _described(told: Data) -> str:
    """Say what a file is, in a few words."""
    parts = [_TYPES.get(told["media_type"], str(told["media_type"]))]
    if told["pages"]:
        parts.append(f"{told['pages']} page{'s' if told['pages'] > 1 else ''}")
    if told["ocr_pages"]:
        parts.append(f"{told['ocr_pages']} read by OCR, confidence {told['ocr_confidence']:.2f}")
    return ", ".join(parts)


def _reads_pictures() -> bool:
    """Tell whether this machine, which runs the jobs, has tesseract with both languages."""
    program = shutil.which("tesseract")
    if program is None:
        return False
    listed = subprocess.run([program, "--list-langs"], capture_output=True, text=True, check=False, timeout=20)
    return set(listed.stdout.split()) >= _LANGUAGES
