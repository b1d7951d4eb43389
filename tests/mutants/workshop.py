"""A copy of the working tree in which guards are broken and tests are run."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as Xml
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutants.guards import REPOSITORY, Guard
from tests.support.evaluation_data import DATA

_SECONDS_TO_CLEAR_AWAY = 10


@dataclass(frozen=True, slots=True)
class TestRun:
    """What came of a run of tests.

    Attributes:
        failed: Tests that failed.
        broke: Tests that could not be run: a fixture, an import or the collection failed.
        skipped: Tests that were not run, because something is missing here.
        seconds: How long it took.
        passed: Whether everything was run and passed.
        log: What was printed.
        timed_out: Whether it was stopped because it took too long.
    """

    failed: list[str]
    broke: list[str]
    skipped: list[str]
    seconds: float
    passed: bool
    log: str
    timed_out: bool = False


@dataclass
class Workshop:
    """A copy of the working tree."""

    path: Path
    _changes: int = field(default=0)

    @contextmanager
    def with_broken(self, guard: Guard) -> Iterator[None]:
        """Break a guard, and mend it at the end."""
        whole = {change.file: (self.path / change.file).read_text(encoding="utf-8") for change in guard.changes}
        broken = dict(whole)
        for change in guard.changes:
            broken[change.file] = change.apply(broken[change.file])
        try:
            self._write(broken)
            yield
        finally:
            self._write(whole)

    def run(self, tests: Sequence[str], seconds: float, *, to_the_end: bool = False) -> TestRun:
        """Run tests until the first one that does not pass, or all of them.

        Args:
            tests: Paths or node ids.
            seconds: How long they may take.
            to_the_end: Whether the others are run too when one has failed.
        """
        report = self.path / "report.xml"
        report.unlink(missing_ok=True)
        command = [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}",
            *([] if to_the_end else ["-x"]), *tests,
        ]  # fmt: skip
        begun = time.monotonic()
        code, log = _run_alone(command, self.path, seconds)
        failed, broke, skipped = _read_report(report)
        return TestRun(failed, broke, skipped, time.monotonic() - begun, code == 0, log, timed_out=code is None)

    def _write(self, texts: dict[str, str]) -> None:
        """Write files, each time with another time: Python tells by it, in whole seconds, whether to compile anew."""
        self._changes += 1
        for file, text in texts.items():
            path = self.path / file
            path.write_text(text, encoding="utf-8")
            later = path.stat().st_mtime + self._changes * 2
            os.utime(path, (later, later))


@contextmanager
def workshop() -> Iterator[Workshop]:
    """Copy the working tree: what is committed, changed or new, and nothing that is ignored."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=REPOSITORY, capture_output=True, text=True, check=True,
        )  # fmt: skip
        for name in filter(None, listed.stdout.split("\0")):
            source, target = REPOSITORY / name, Path(directory) / name
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        yield Workshop(Path(directory))


def _run_alone(command: list[str], directory: Path, seconds: float) -> tuple[int | None, str]:
    """Run a program; return its exit code, or None when it took too long and was ended, and its output."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            command,
            cwd=directory,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "DATA": str(DATA)},  # a copy has none beside it
        )
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
            _end(process)
        log.seek(0)
        return code, log.read()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it has started, first so that it can clear away what it has made."""
    for how in (signal.SIGINT, signal.SIGKILL):
        os.killpg(process.pid, how)
        try:
            process.wait(_SECONDS_TO_CLEAR_AWAY)
        except subprocess.TimeoutExpired:
            continue
        return


def _read_report(report: Path) -> tuple[list[str], list[str], list[str]]:
    """Return the tests that failed, that broke and that were skipped, as pytest's report names them."""
    if not report.exists():
        return [], [], []
    failed, broke, skipped = [], [], []
    for case in Xml.parse(report).iter("testcase"):
        if case.find("failure") is not None:
            failed.append(str(case.get("name")))
        if case.find("error") is not None:
            broke.append(str(case.get("name") or case.get("classname")))
        if case.find("skipped") is not None:
            skipped.append(str(case.get("name")))
    return failed, broke, skipped
