"""Files of odd producers, which libraries ship with their own tests: each ends in text or in a clear failure.

They are downloaded when the test runs, by pip from the index that it is set to, and never kept in the repository. Where
they cannot be had, the test is skipped. The versions are fixed, so that a result can be had again.
"""

import io
import re
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import docx  # noqa: F401 -- what parsers import is here already when children are forked, which saves most of the time
import lxml.etree  # noqa: F401 -- as above
import openpyxl  # noqa: F401 -- as above
import pptx  # noqa: F401 -- as above
import pypdfium2  # noqa: F401 -- as above
import pytest

from f.core.parsed_parts import ParsedPart
from tests.files.reading import SETTINGS, read

CACHE = Path(__file__).resolve().parents[2] / ".local" / "odd-files"
ENDINGS = (".pdf", ".docx", ".docm", ".pptx", ".pptm", ".xlsx")
SOURCES = {
    "pypdf==7.1.0": 60,
    "pikepdf==10.17.0": 50,
    "python-docx==1.2.0": 40,
    "python-pptx==1.0.2": 60,
}
"""What is downloaded, and how many files of these types it has at least."""

CODES = {"empty", "encrypted", "damaged", "no_text", "too_large", "too_many_pages", "unsafe_archive"}
WITHOUT_OCR = replace(SETTINGS, seconds=120.0, maximum_ocr_pages=0)
"""Scans are told as too many pages, because reading hundreds of them here would take minutes."""

PARTS_WITH_WORDS = re.compile(r"word/document\.xml|ppt/slides/slide\d+\.xml")
WORDS = re.compile(rb"<[wa]:t[ >][^<]*[^<\s>]+[^<]*<")


def shipped_with(package: str) -> dict[str, bytes]:
    """Return the files of the types of interest that a package's source distribution has, by their paths."""
    CACHE.mkdir(parents=True, exist_ok=True)
    stem = package.replace("==", "-").replace("_", "-")
    found = [path for path in CACHE.glob("*.tar.gz") if path.name.replace("_", "-") == f"{stem}.tar.gz"]
    if not found:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        command += ["--disable-pip-version-check", "--dest", str(CACHE), package]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=120)
        except (subprocess.SubprocessError, OSError):
            pytest.skip(f"the source of {package} cannot be downloaded here")
        found = [path for path in CACHE.glob("*.tar.gz") if path.name.replace("_", "-") == f"{stem}.tar.gz"]
    files: dict[str, bytes] = {}
    with tarfile.open(found[0]) as packed:
        for member in packed:
            unpacked = packed.extractfile(member) if member.name.lower().endswith(ENDINGS) else None
            if unpacked is not None:
                files[member.name.partition("/")[2]] = unpacked.read()
    return files


def says_words(content: bytes) -> bool:
    """Tell whether there are words in the XML of an Office file."""
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        return any(WORDS.search(opened.read(name)) for name in opened.namelist() if PARTS_WITH_WORDS.match(name))


def read_each(files: dict[str, bytes]) -> dict[str, ParsedPart]:
    """Read files, in a process to itself."""
    return {name: read(content, name, WITHOUT_OCR) for name, content in files.items()}


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("package", SOURCES)
def test_every_file_ends_in_text_or_in_a_clear_failure(package: str) -> None:
    files = shipped_with(package)
    with ProcessPoolExecutor(1, get_context("spawn")) as process:  # whose children are not measured
        parts = process.submit(read_each, files).result()

    assert len(files) >= SOURCES[package]
    for name, part in parts.items():
        assert (part.failure is None) == bool(part.text), name
        assert part.failure is None or part.failure.code in CODES, (name, part.failure)
        if name.endswith((".docx", ".pptx", ".pptm")):
            assert part.text or not says_words(files[name]), name
