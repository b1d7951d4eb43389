"""Reads files in tests, as a job does."""

from f.core.parsed_parts import ParsedPart, ParsingSettings
from f.core.parsing import parse

SETTINGS = ParsingSettings(seconds=300.0, quiet_seconds=120.0)


def read(content: bytes, name: str = "file", settings: ParsingSettings = SETTINGS) -> ParsedPart:
    """Read a file that has nothing inside, and return its part."""
    parts = parse(content, name, settings, lambda percent: None)
    assert len(parts) == 1
    return parts[0]


def read_all(content: bytes, name: str = "file", settings: ParsingSettings = SETTINGS) -> list[ParsedPart]:
    """Read a file with what is inside."""
    return parse(content, name, settings, lambda percent: None)


def text_of(content: bytes, name: str = "file") -> str:
    """Read a file that can be read, and return its text."""
    part = read(content, name)
    assert part.failure is None, part.failure
    return part.text


def failure_of(content: bytes, name: str = "file", settings: ParsingSettings = SETTINGS) -> str:
    """Read a file that cannot be read, and return the code of its failure."""
    part = read(content, name, settings)
    assert part.failure is not None
    assert part.text == ""
    assert part.failure.reason.endswith(".")
    return part.failure.code
