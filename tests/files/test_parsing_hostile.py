"""Hostile files: each ends in a clear failure, whatever it was made for, in bounded time and memory."""

import io
import random
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from PIL import Image

from f.core.parsed_parts import ParsingSettings
from tests.files.producers import (
    archive,
    image_bytes,
    letter,
    mail,
    many_pages_pdf,
    need_tesseract,
    pages_pdf,
    saved,
    with_part,
)
from tests.files.reading import SETTINGS, failure_of, read, read_all

LAUGHS = b"".join(
    b'<!ENTITY l%d "%s">' % (level, b"&l%d;" % (level - 1) * 10 if level else b"ha" * 50) for level in range(12)
)


def random_bytes(count: int) -> bytes:
    """Return bytes without any order, the same in each run: others might happen to be the mark of some type."""
    return random.Random(1).randbytes(count)


def office_files() -> dict[str, bytes]:
    """Return a Word file, slides and a spreadsheet, each with a word."""
    document = docx.Document()
    document.add_paragraph("words")
    deck = pptx.Presentation()
    deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = "words"
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active["A1"] = "words"
    return {"word/document.xml": saved(document), "ppt/slides/slide1.xml": saved(deck), "xl/workbook.xml": saved(book)}


def test_an_encrypted_pdf_needs_to_be_saved_without_its_password() -> None:
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.platypus import Paragraph

    from tests.files.producers import pdf_of, styles

    story = [Paragraph("Secret words.", styles()["text"])]
    locked = pdf_of(story, encrypt=StandardEncryption("user", "owner", strength=128))
    for_reading = pdf_of(
        [Paragraph("Open words.", styles()["text"])], encrypt=StandardEncryption("", "owner", strength=128)
    )

    assert failure_of(locked) == "encrypted"
    assert read(for_reading).text == "Open words."


def test_an_encrypted_office_file_is_told_from_an_old_one() -> None:
    storage = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)

    assert failure_of(storage + "EncryptedPackage".encode("utf-16-le")) == "encrypted"
    assert failure_of(storage + "WordDocument".encode("utf-16-le")) == "unsupported_type"


def test_an_encrypted_entry_fails_alone() -> None:
    content = bytearray(archive({"secret.txt": b"secret", "open.txt": b"open words"}))
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(mark) + flags] |= 1

    parts = read_all(bytes(content))

    assert [part.failure.code if part.failure else part.text for part in parts] == ["", "encrypted", "open words"]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["pdf", "word/document.xml", "ppt/slides/slide1.xml", "xl/workbook.xml", "zip", "png"])
def test_a_truncated_file_is_read_or_fails_clearly(kind: str, share: float) -> None:
    whole = {
        **office_files(),
        "pdf": pages_pdf(["one", "two", "three"]),
        "zip": archive({"a.txt": b"words"}),
        "png": image_bytes(letter("words"), "PNG"),
    }[kind]

    part = read(whole[: int(len(whole) * share)])

    assert part.text or (part.failure is not None and part.failure.code in ("damaged", "no_text"))


@pytest.mark.parametrize("kind", ["word/document.xml", "ppt/slides/slide1.xml", "xl/workbook.xml"])
@pytest.mark.parametrize("attack", ["laughs", "outside", "wide"])
def test_entities_in_office_files_are_refused(kind: str, attack: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the secret of this machine")
    doctype = {
        "laughs": b"<!DOCTYPE x [" + LAUGHS + b"]>",
        "outside": b'<!DOCTYPE x [<!ENTITY l11 SYSTEM "' + secret.as_uri().encode() + b'">]>',
        "wide": ('<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x [<!ENTITY l11 "ha">]><x>&l11;</x>').encode(
            "utf-16"
        ),
    }[attack]

    def infect(old: bytes) -> bytes:
        if attack == "wide":
            return doctype
        head, _, rest = old.partition(b"?>")
        return head + b"?>" + doctype + rest.replace(b"words", b"&l11;")

    part = read(with_part(office_files()[kind], kind, infect))

    assert part.failure is not None
    assert part.failure.code == "unsafe_archive"


@pytest.mark.parametrize("kind", ["word/document.xml", "ppt/slides/slide1.xml", "xl/workbook.xml"])
def test_even_without_that_check_no_parser_resolves_entities(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from f.core import sheet_files, slide_files, word_files

    for module in (sheet_files, slide_files, word_files):
        monkeypatch.setattr(module, "open_package", lambda content, settings: None)
    secret = tmp_path / "secret"
    secret.write_text("the secret of this machine")
    outside = b'<!DOCTYPE x [<!ENTITY l11 SYSTEM "' + secret.as_uri().encode() + b'">]>'

    for doctype in (outside, b"<!DOCTYPE x [" + LAUGHS + b"]>"):
        infected = with_part(
            office_files()[kind],
            kind,
            lambda old, doctype=doctype: old.replace(b"?>", b"?>" + doctype, 1).replace(b"words", b"&l11;"),
        )
        part = read(infected)
        assert "secret" not in part.text
        assert "haha" not in part.text


def test_entities_in_a_page_of_the_web_are_not_resolved() -> None:
    page = b"<!DOCTYPE html [" + LAUGHS + b'<!ENTITY x SYSTEM "file:///etc/passwd">]><p>&l11; &x; words</p>'

    text = read(page).text

    assert "words" in text
    assert "root:" not in text
    assert len(text) < 3_000


def bomb_of_zeros() -> bytes:
    """Return 45 MB of zeros in 45 kB."""
    return archive({"zeros.txt": bytes(45_000_000)})


def bomb_in_depth() -> bytes:
    """Return archives in archives, as 42.zip has them, whose innermost are large."""
    content = archive({"zeros.bin": bytes(9_000_000)})
    for _ in range(5):
        content = archive({f"{number}.zip": content for number in range(16)})
    return content


def bomb_of_overlaps() -> bytes:
    """Return an archive whose entries are all the same bytes."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("0", random_bytes(1_000) * 300)
    content = written.getvalue()
    start, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    entry = content[start:end]
    count = 900
    directory = b"".join(entry.replace(b"\x000", b"\x00%d" % (number % 10)) for number in range(count))
    return (
        content[:start] + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), start, 0)
    )


def bomb_of_lies() -> bytes:
    """Return an entry that says it is small, and is not."""
    content = bytearray(archive({"a.txt": bytes(60_000_000)}))
    for mark, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        at = content.index(mark) + offset
        content[at : at + 4] = struct.pack("<L", 1_000)
    return bytes(content)


@pytest.mark.parametrize(
    ("bomb", "code"),
    [(bomb_of_zeros, "unsafe_archive"), (bomb_of_overlaps, "unsafe_archive")],
)
def test_a_zip_bomb_is_refused_before_it_is_unpacked(bomb: object, code: str) -> None:
    assert callable(bomb)
    assert failure_of(bomb()) == code


def test_archives_inside_of_each_other_end_at_a_depth() -> None:
    parts = read_all(bomb_in_depth())

    assert len(parts) <= ParsingSettings().maximum_entries + 1
    assert {part.failure.code for part in parts if part.failure} <= {"unsafe_archive", "too_large"}
    assert max(len(part.path) for part in parts) <= ParsingSettings().maximum_depth


def test_an_entry_that_lies_about_its_size_is_cut_off() -> None:
    parts = read_all(bomb_of_lies())

    assert [part.failure.code if part.failure else "" for part in parts] == ["", "damaged"]


def test_a_bomb_inside_of_an_office_file_is_refused() -> None:
    document = office_files()["word/document.xml"]

    assert failure_of(with_part(document, "word/media/a.xml", lambda old: bytes(60_000_000))) == "unsafe_archive"


def test_too_many_entries_are_refused() -> None:
    most = ParsingSettings().maximum_entries

    assert failure_of(archive({f"{number}.txt": b"x" for number in range(most + 1)})) == "too_large"
    assert failure_of(archive({f"{number}.txt": b"" for number in range(40 * most)}, zipfile.ZIP_STORED)) == "too_large"


def test_all_that_is_unpacked_is_bounded_together() -> None:
    settings = replace(SETTINGS, maximum_unpacked_bytes=250_000)
    inner = archive({"a.txt": b"one two three " * 10_000})
    content = archive({"1.zip": inner, "2.zip": inner, "3.txt": b"short"}, zipfile.ZIP_STORED)

    parts = read_all(content, settings=settings)

    assert [part.failure.code for part in parts if part.failure] == ["too_large", "too_large"]
    assert parts[2].text.startswith("one two three")


def test_a_pdf_with_ten_thousand_pages_is_refused_and_one_with_fewer_read() -> None:
    assert failure_of(many_pages_pdf(10_000)) == "too_many_pages"
    part = read(many_pages_pdf(2_000))
    assert part.page_count == 2_000
    assert part.text.split("\f")[1_499] == "This is page number 1500 of a very long document."


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that says how large it is, and has next to nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))

    head = struct.pack(">LLBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1_000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (2_000_000_000, 2), (20_000, 20_000)])
def test_a_huge_picture_is_refused_before_it_is_unpacked(width: int, height: int) -> None:
    assert failure_of(png_header(width, height)) == "too_large"


def test_a_huge_page_of_a_tiff_is_refused() -> None:
    need_tesseract()
    image = Image.new("1", (20_000, 20_000))

    assert failure_of(image_bytes(image, "TIFF", compression="group4")) == "too_large"


def test_a_huge_page_of_a_pdf_is_drawn_smaller() -> None:
    need_tesseract()
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    written = io.BytesIO()
    canvas = Canvas(written, pagesize=(14_400, 14_400))
    canvas.drawImage(ImageReader(Image.new("L", (100, 100), "white")), 0, 0, 14_400, 14_400)
    canvas.save()

    assert failure_of(written.getvalue(), settings=replace(SETTINGS, maximum_pixels=4_000_000)) == "no_text"


@pytest.mark.parametrize(
    "content",
    [
        b"MZ\x90\0" + random_bytes(3_000),
        b"\x7fELF" + random_bytes(3_000),
        random_bytes(5_000),
        b"\x1f\x8b\x08" + random_bytes(300),
        b"7z\xbc\xaf\x27\x1c" + random_bytes(300),
        b"{\\rtf1 words}",
        b"GIF89a" + bytes(50),
        b"\0" * 5_000,
    ],
)
@pytest.mark.parametrize("name", ["invoice.pdf", "letter.docx", "notes.txt"])
def test_a_name_makes_no_type(content: bytes, name: str) -> None:
    assert failure_of(content, name) == "unsupported_type"


def test_a_file_above_the_limit_is_refused() -> None:
    settings = replace(SETTINGS, maximum_bytes=1_000)

    assert failure_of(b"words " * 1_000, settings=settings) == "too_large"


def test_elements_inside_of_each_other_without_end_break_nothing() -> None:
    page = read(b"<html><body>" + b"<div>" * 200_000 + b"words")
    deep_mail = b"From: a@b\nTo: c@d\nMIME-Version: 1.0\nSubject: x\n" + b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (number, number) for number in range(20_000)
    )
    deep_part = read(deep_mail)
    document = docx.Document()
    document.add_paragraph("words")
    deep_word = read(
        with_part(
            saved(document),
            "word/document.xml",
            lambda old: old.replace(b"<w:p>", b"<w:sdt><w:sdtContent>" * 5_000 + b"<w:p>", 1).replace(
                b"</w:p>", b"</w:p>" + b"</w:sdtContent></w:sdt>" * 5_000, 1
            ),
        )
    )

    for part in (page, deep_part, deep_word):
        assert part.text or (part.failure is not None and part.failure.code in ("damaged", "no_text"))


def test_a_mail_of_thousands_of_parts_is_refused() -> None:
    head = b'From: a@b\nTo: c@d\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="x"\n\n'

    part = read(head + b"--x\nContent-Type: image/png\n\na\n" * 6_000)

    assert part.failure is not None
    assert part.failure.code == "too_large"


def test_broken_fields_of_a_mail_break_nothing() -> None:
    content = (
        b'From: =?utf-8?b?////?= <\xff\xfe@>\nTo: "<<<@@\nDate: never\nMessage-ID: <\nMIME-Version: 1.0\n'
        b"Subject: =?x-unknown?q?=ZZ?= =?utf-8?q?=CE?=\n"
        b"Content-Type: text/plain; charset=\"no such\"; name*=utf-8''%ff\n"
        b"Content-Transfer-Encoding: base64\n\n!!!! not base64\n"
    )

    part = read(content)

    assert part.failure is None
    assert part.media_type == "message/rfc822"


def test_a_mail_inside_of_mails_keeps_its_words_where_its_attachments_are_too_deep() -> None:
    content = mail("Innermost", "The innermost words.", attachments={"a.txt": b"too deep"})
    for number in range(3):
        content = mail(f"Mail {number}", "Words.", attachments={"inner.eml": content})

    parts = read_all(content)

    assert "The innermost words." in parts[-1].text
    assert "not read" in parts[-1].warnings[-1]
