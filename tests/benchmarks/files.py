"""How quickly files of each type are read, and with how much memory, beside the parsers' bare speed; and hostile files.

Each file is read in two ways, in turn, each time in a process of its own: as a job does it (`f.core.parsing`: type by
content, headings, tables, pages, limits, a child process), and by the library alone, which gives words and nothing else
(``files_read``). Times are from the bytes in hand to the text, imports included; memory is that of the largest process.
Hostile files are read as a job does it until their failure. Then whole jobs: the flow ``ingest_file``, from the request
to the document that is found. Some five minutes.
"""

import base64
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from evaluation.ocr_pages import NoFonts
from evaluation.report import Results, Row, print_table, readable, results_folder
from f.core.ocr import OcrMissing, require_ocr
from local.stack import local_stack
from tests.benchmarks.files_made import hostile_files, usual_files
from tests.support.installation import Installation

ROUNDS = 3
_OCR = ("scanned PDF", "PNG")
_THROUGH_THE_FLOW = ("PDF", "scanned PDF", "DOCX", "text", "ZIP")


def main(rounds: int = ROUNDS) -> None:
    """Read, print, and write results."""
    try:
        require_ocr()
        made = dict(usual_files())
    except (OcrMissing, NoFonts, pytest.skip.Exception) as missing:
        print(f"left out: {missing}")
        return
    with TemporaryDirectory() as folder:
        usual = [_usual(Path(folder), kind, content, rounds) for kind, content in made.items()]
        print_table("files: ours beside the library alone", usual)
        hostile = [_hostile(Path(folder), name, content) for name, content in hostile_files()]
        print_table("hostile files, until their failure", hostile)
    whole = _whole_jobs({kind: made[kind] for kind in _THROUGH_THE_FLOW})
    print_table("the flow ingest_file, from the request to the document that is found", whole)
    results = Results(results_folder(), "files")
    for table, rows in (("files", usual), ("hostile", hostile), ("ingest_file", whole)):
        for row in rows:
            results.add(table, row)
    print(f"\nresults: {results.save()}")


def _usual(folder: Path, kind: str, content: bytes, rounds: int) -> Row:
    """Read a file in both ways, in turn."""
    path = _stored(folder, content)
    reads: dict[str, list[dict[str, Any]]] = {"ours": [], "bare": []}
    for _ in range(1 if kind in _OCR else rounds):
        for way, found in reads.items():
            found.append(_read(way, kind, path))
    ours, bare = reads["ours"][0], reads["bare"][0]
    assert not ours["failures"], (kind, ours["failures"])
    seconds, alone = (_median(read["seconds"] for read in reads[way]) for way in ("ours", "bare"))
    megabytes = len(content) / 1_000_000
    row: Row = {
        "type": kind,
        "MB": megabytes,
        "pages": ours["pages"] or None,
        "characters": ours["characters"],
        "s": seconds,
        "MB/s": megabytes / seconds,
        "pages/s": ours["pages"] / seconds if ours["pages"] else None,
        "characters/s": round(ours["characters"] / seconds),
        "peak MB": _median(read["peak_mb"] for read in reads["ours"]),
        "bare s": alone,
        "bare peak MB": _median(read["peak_mb"] for read in reads["bare"]),
        "bare characters": bare["characters"],
        "times the bare time": seconds / alone,
    }
    print(f"{kind}: {readable(seconds)} s, {readable(seconds / alone)} times the bare time", flush=True)
    return row


def _hostile(folder: Path, name: str, content: bytes) -> Row:
    """Read a hostile file."""
    found = _read("ours", "hostile", _stored(folder, content))
    return {
        "file": name,
        "MB": len(content) / 1_000_000,
        "failures": ", ".join(found["failures"]) or "none",
        "parts": found["parts"],
        "s": found["seconds"],
        "peak MB": found["peak_mb"],
    }


def _stored(folder: Path, content: bytes) -> Path:
    """Write a file for the process that reads it."""
    path = folder / "file"
    path.write_bytes(content)
    return path


def _read(way: str, kind: str, path: Path) -> dict[str, Any]:
    """Read a file in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.files_read", way, kind, str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def _median(values: Iterable[float]) -> float:
    """Return the median."""
    return statistics.median(list(values))


def _whole_jobs(made: dict[str, bytes]) -> list[Row]:
    """Hand files in through the flow, as an app does."""
    rows = list[Row]()
    with TemporaryDirectory() as folder, local_stack(Path(folder), environment={}) as stack:
        installation = Installation(stack)
        installation.client.timeout = 900
        tenant = installation.new_tenant().id
        for kind, content in made.items():
            encoded = base64.b64encode(content).decode()
            began = time.perf_counter()
            answer = installation.flow(
                "f/chatbot/ingest_file", tenant_id=tenant, content_base64=encoded, file_name=f"{kind}.bin"
            )
            seconds = time.perf_counter() - began
            answer.done()
            rows.append({"type": kind, "MB": len(content) / 1_000_000, "s": seconds})
    return rows
