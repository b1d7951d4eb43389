"""Bytes of a file in, its parts with their text out.

Shared module, pure but for the child processes in which the work is done (``parsing_process``). It promises: every file
ends in text or in a clear failure, in bounded time and memory; what one file inside of an archive does to its child
costs the others nothing; and no word of a file is in a failure or a warning. Which module reads which type stands in
``unpacking``.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from f.core.parsed_parts import ParsedPart, ParsingFailure, ParsingSettings
from f.core.parsing_process import Message, ProcessLimits, Send, start_child
from f.core.unpacking import Place, Unpacking
from f.core.zip_files import shown_name

_MOST_CHILDREN = 20
"""How many deaths an archive may cause before what is left of it is given up."""

_FAILURES = {
    "out_of_time": ("timed_out", "Reading the file took too long."),
    "quiet": ("timed_out", "Reading the file did not get on for too long."),
    "out_of_memory": ("out_of_memory", "Reading the file takes more memory than is allowed."),
    "out_of_cpu": ("timed_out", "Reading the file took too long."),
    "crashed": ("damaged", "The file is damaged in a way that breaks what reads it."),
}
_LEFT = ParsingFailure("timed_out", "There was no time left to read it.")
_GIVEN_UP = ParsingFailure("given_up", "Too many files of the archive could not be read, so the rest was not tried.")


def parse(content: bytes, name: str, settings: ParsingSettings, tell: Callable[[int], None]) -> list[ParsedPart]:
    """Read a file, and the files inside of it.

    Args:
        content: Its bytes.
        name: Its name; it does not decide what the file is.
        settings: The limits.
        tell: Called in this process about once a second with how many percent are done. What it raises ends the
            reading, and goes on to the caller.

    Returns:
        The file itself, then what is inside of it, in order. What cannot be read has a ``failure``.
    """
    name = shown_name(name, 1)[0].rpartition("/")[2]
    run = _Run(content, name, settings, tell, time.monotonic() + settings.seconds)
    run.read_all()
    return run.in_order()


@dataclass(frozen=True, slots=True)
class _Begun:
    """What a child was last heard to begin."""

    path: tuple[str, ...]
    name: str
    size: int


@dataclass(slots=True)
class _Run:
    """What is known of one file and what is inside of it, while children read it."""

    content: bytes
    name: str
    settings: ParsingSettings
    tell: Callable[[int], None]
    deadline: float
    parts: dict[Place, ParsedPart] = field(default_factory=dict)
    known: dict[Place, _Begun] = field(default_factory=dict)
    lost: set[Place] = field(default_factory=set)
    at: Place = ()
    percent: int = 0

    def read_all(self) -> None:
        """Read with one child, and with another one behind what the last did not survive."""
        self.known[()] = _Begun((), self.name, len(self.content))
        for _ in range(_MOST_CHILDREN):
            ending = self._read_with_child()
            if ending == "finished":
                return
            self._lose(ending)
            if ending == "out_of_time":
                self._give_up(_LEFT)
                return
        self._give_up(_GIVEN_UP)

    def in_order(self) -> list[ParsedPart]:
        """List the parts: each before what is inside of it."""
        return [self.parts[place] for place in sorted(self.parts)]

    def _read_with_child(self) -> str:
        """Let a child read what is left; return how it ended."""
        settings = self.settings
        cpu_seconds = int(settings.seconds) + 1
        limits = ProcessLimits(self.deadline, settings.quiet_seconds, settings.memory_bytes, cpu_seconds)
        done = {place: part.is_container for place, part in self.parts.items()}
        unpacking = Unpacking(settings, self.deadline, done, self.lost)

        def work(send: Send) -> None:
            unpacking.run(self.content, self.name, send)

        child = start_child(work, limits)
        for message in child.messages(limits, lambda: self.tell(self.percent)):
            self._hear(message)
        return child.ending

    def _hear(self, message: Message) -> None:
        """Take what a child says."""
        said: dict[str, Any] = message
        if "done" in said:
            self.percent = max(self.percent, int(said["done"] * 100))
        elif "begin" in said:
            self.at = tuple(said["begin"])
            self.known[self.at] = _Begun(tuple(said["path"]), said["name"], said["size"])
        elif "part" in said:
            self.parts[tuple(said["part"])] = _part(said)
        elif "inside" in said:
            for number, (name, size) in enumerate(said["entries"]):
                self.known.setdefault((*said["inside"], number), _Begun((*said["path"], name), name, size))

    def _lose(self, ending: str) -> None:
        """Note that a child did not survive what it was at."""
        self.lost.add(self.at)
        if self.at not in self.parts:
            self.parts[self.at] = self._failed(self.at, ParsingFailure(*_FAILURES[ending]))

    def _give_up(self, failure: ParsingFailure) -> None:
        """Let everything that is known and not read fail."""
        for place in self.known:
            if place not in self.parts:
                self.parts[place] = self._failed(place, failure)

    def _failed(self, place: Place, failure: ParsingFailure) -> ParsedPart:
        """Return the part of a file that no child could tell of."""
        begun = self.known[place]
        sha256 = None if place else hashlib.sha256(self.content).digest()
        return ParsedPart(begun.path, begun.name, "", begun.size, sha256, failure=failure)


def _part(said: dict[str, Any]) -> ParsedPart:
    """Take a part out of JSON."""
    return ParsedPart(
        path=tuple(said["path"]),
        name=said["name"],
        media_type=said["media_type"],
        size_bytes=said["size"],
        sha256=None if said["sha256"] is None else bytes.fromhex(said["sha256"]),
        title=said["title"],
        text=said["text"],
        page_count=said["page_count"],
        ocr_pages=said["ocr_pages"],
        ocr_confidence=said["ocr_confidence"],
        warnings=tuple(said["warnings"]),
        failure=None if said["failure"] is None else ParsingFailure(*said["failure"]),
        is_container=said["is_container"],
    )
