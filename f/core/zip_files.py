"""ZIP archives, without trust: what their catalogue says is checked before anything is unpacked, and in memory only.

Shared module, pure. Nothing of an archive ever becomes a path of a file system; a name is only shown. An entry that
cannot be read is that entry's failure.
"""

import io
import re
import unicodedata
import zipfile
from functools import partial

from f.core.clean_text import one_line
from f.core.parsed_parts import MAXIMUM_NAME, Entry, Extracted, ParsingSettings, Unreadable, Work

_CATALOGUE_ENTRY = b"PK\1\2"
_PACKAGE_CATALOGUE = "[Content_Types].xml"
_HEADER_BYTES = 30
_PIECE_BYTES = 1_048_576
_LARGE_BYTES = 10_000_000
_ENCRYPTED = 0x1
_UTF8 = 0x800
_LEAST_SHARE_OF_GREEK = 0.8
MOST_OFFICE_PARTS = 20_000
_NOISE = re.compile(r"(?:^|/)(?:__MACOSX/|\.DS_Store$|Thumbs\.db$|desktop\.ini$|\._[^/]*$)", re.IGNORECASE)
_DRIVE = re.compile(r"\A[A-Za-z]:(?=[/\\])")
_LETTERS = re.compile(r"[^\W\d_]+")
_NOT_SHOWN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_DOCTYPE = (b"<!DOCTYPE", b"<!ENTITY")


def read_archive(content: bytes, work: Work) -> Extracted:
    """List what is in an archive; the entries are unpacked when they are read.

    Raises:
        Unreadable: See ``open_archive``; also for the packages of programs, whose parts are no documents.
    """
    archive = open_archive(content, work.settings, work.settings.maximum_entries)
    if _PACKAGE_CATALOGUE in archive.namelist():
        raise Unreadable("unsupported_type", "This is the file of a program that is not known. Save it as PDF or DOCX.")
    listed = [info for info in archive.infolist() if not info.is_dir() and not _NOISE.search(info.filename)]
    if not listed:
        raise Unreadable("empty", "The archive holds no files.")
    entries = [_entry(archive, info, number, work.settings) for number, info in enumerate(listed, 1)]
    return Extracted(is_container=True, entries=entries)


def open_archive(content: bytes, settings: ParsingSettings, maximum_entries: int) -> zipfile.ZipFile:
    """Open an archive whose catalogue promises nothing that is too much, or impossible.

    Raises:
        Unreadable: When it is damaged, has too many entries, or is made to unpack to far more than it should.
    """
    if content.count(_CATALOGUE_ENTRY) > 10 * maximum_entries + 1_000:
        raise Unreadable("too_large", f"The archive has too many entries; at most {maximum_entries:,} are allowed.")
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, KeyError, IndexError):
        raise Unreadable("damaged", "The archive is damaged or not complete.") from None
    infos = archive.infolist()
    files = sum(1 for info in infos if not info.is_dir())
    if files > maximum_entries:
        raise Unreadable("too_large", f"The archive has {files:,} files; at most {maximum_entries:,} are allowed.")
    if sum(info.file_size for info in infos) > settings.maximum_unpacked_bytes:
        most = settings.maximum_unpacked_bytes // 1_000_000
        raise Unreadable("unsafe_archive", f"The archive unpacks to more than {most:,} MB.")
    if any(is_bomb(info, settings) for info in infos):
        raise Unreadable("unsafe_archive", "The archive holds an entry that unpacks to far more than a document has.")
    if _overlap(infos, len(content)):
        raise Unreadable("unsafe_archive", "The archive holds entries that overlap, which only a prepared one does.")
    return archive


def open_package(content: bytes, settings: ParsingSettings) -> None:
    """Check the archive that an Office file is, before a parser gets it.

    Raises:
        Unreadable: See ``open_archive``; also when it is encrypted, or its XML declares entities, which no Office file
            does.
    """
    with open_archive(content, settings, MOST_OFFICE_PARTS) as archive:
        for info in archive.infolist():
            if info.flag_bits & _ENCRYPTED:
                raise Unreadable("encrypted", "The file is encrypted. Save it without a password, and hand that in.")
            if not info.filename.lower().endswith((".xml", ".rels", ".vml")):
                continue
            opening = unpack(archive, info, settings, most=4_096)
            if any(mark in opening or mark.decode().encode("utf-16-le") in opening for mark in _DOCTYPE):
                raise Unreadable("unsafe_archive", "The file declares XML entities, which no Office program writes.")


def is_bomb(info: zipfile.ZipInfo, settings: ParsingSettings) -> bool:
    """Tell whether an entry promises to become far larger than a document's parts do."""
    return info.file_size > _LARGE_BYTES and info.file_size > info.compress_size * settings.maximum_ratio


def unpack(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, settings: ParsingSettings, most: int | None = None
) -> bytes:
    """Unpack an entry, or its first ``most`` bytes; never more than a file may have, whatever the catalogue says.

    Raises:
        Unreadable: When it is encrypted, too large, damaged, or packed in a way that cannot be read.
    """
    if info.flag_bits & _ENCRYPTED:
        raise Unreadable("encrypted", "The file is encrypted in its archive. Hand it in without a password.")
    if most is None and info.file_size > settings.maximum_bytes:
        raise too_large(info.file_size, settings)
    pieces: list[bytes] = []
    size, limit = 0, settings.maximum_bytes if most is None else most
    try:
        with archive.open(info) as packed:
            while piece := packed.read(min(_PIECE_BYTES, limit + 1 - size)):
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    break
    except NotImplementedError:
        raise Unreadable("unsupported_type", "The file is packed in a way that cannot be read; use deflate.") from None
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 -- each method of packing raises errors of its own for damaged data
        raise Unreadable("damaged", f"The file is damaged in its archive ({type(error).__name__}).") from None
    if size > limit and most is None:
        raise too_large(size, settings)
    return b"".join(pieces)[:limit]


def too_large(size: int, settings: ParsingSettings) -> Unreadable:
    """Return the failure of a file with too many bytes."""
    return Unreadable("too_large", f"The file has {size:,} bytes; at most {settings.maximum_bytes:,} are allowed.")


def shown_name(name: str, number: int) -> tuple[str, bool]:
    """Make a name that is safe to show and leads nowhere.

    Returns:
        The name, folders parted by ``/``; and whether anything was taken away that a plain name does not have.
    """
    visible = "".join(c for c in name if unicodedata.category(c) not in _NOT_SHOWN)
    steps = [step.strip() for step in _DRIVE.sub("/", visible.replace("\\", "/")).split("/")]
    kept = [one_line(step) for step in steps if step not in ("", ".", "..")]
    shown = "/".join(kept)
    while len(shown) > MAXIMUM_NAME and len(kept) > 1:
        shown = "/".join(kept := kept[1:])
    shown = shown[-MAXIMUM_NAME:] or f"file {number}"
    return shown, visible != name or ".." in steps or _DRIVE.search(visible) is not None or visible.startswith("/")


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, number: int, settings: ParsingSettings) -> Entry:
    """Describe an entry."""
    name, cleaned = shown_name(_decoded_name(info), number)
    warnings = ("Its name in the archive was not safe, and has been cleaned.",) if cleaned else ()
    return Entry(name, info.file_size, partial(unpack, archive, info, settings), warnings)


def _decoded_name(info: zipfile.ZipInfo) -> str:
    """Return an entry's name; without the mark of UTF-8 it is often UTF-8 nevertheless, or Greek of DOS."""
    name = info.orig_filename
    if info.flag_bits & _UTF8 or name.isascii():
        return name
    try:
        raw = name.encode("cp437")
    except UnicodeEncodeError:
        return name
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        greek = raw.decode("cp737", "replace")
        letters = [c for c in greek if ord(c) > 127]
        share = sum("\u0370" <= c <= "\u03ff" for c in letters) / len(letters)
        return greek if share >= _LEAST_SHARE_OF_GREEK and not _mixes_scripts(greek) else name


def _mixes_scripts(name: str) -> bool:
    """Tell whether a word has both Latin and Greek letters, which none has that was decoded rightly."""
    return any(
        any(c.isascii() for c in word) and any("\u0370" <= c <= "\u03ff" for c in word)
        for word in _LETTERS.findall(name)
    )


def _overlap(infos: list[zipfile.ZipInfo], size: int) -> bool:
    """Tell whether two entries share bytes, as those of a bomb without nesting do."""
    behind = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < behind or info.header_offset + info.compress_size > size:
            return True
        behind = info.header_offset + _HEADER_BYTES + info.compress_size
    return False
