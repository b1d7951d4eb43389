# ruff: noqa: RUF001 - Greek letters are meant here
"""Mails with attachments and ZIP archives: each file inside is a part, and a bad one costs the others nothing."""

import io
import zipfile
from email.message import EmailMessage

import docx
import pytest

from f.core.parsed_parts import ParsedPart
from tests.files.passages import passages
from tests.files.producers import archive, mail, pages_pdf, saved
from tests.files.reading import read, read_all


def shown(parts: list[ParsedPart]) -> list[tuple[tuple[str, ...], str]]:
    """Return of each part where it stands, and its failure or how its text begins."""
    return [(part.path, part.failure.code if part.failure else part.text[:20]) for part in parts]


def test_a_mail_is_its_fields_and_words_and_attachments_are_parts() -> None:
    document = docx.Document()
    document.add_paragraph("The words of the contract.")
    content = mail(
        "Συμβόλαιο", "Dear Babis,\n\nhere it is.", "<p>Dear <b>Babis</b></p>", {"contract.docx": saved(document)}
    )

    root, attached = read_all(content, "mail.eml")

    assert root.media_type == "message/rfc822"
    assert root.is_container
    assert root.title == "Συμβόλαιο"
    assert root.text == (
        "| Mail |  |\n| --- | --- |\n| From | Anna <anna@example.org> |\n| To | Babis <babis@example.org> |\n"
        "| Date | Mon, 05 Jan 2026 10:00:00 +0200 |\n| Subject | Συμβόλαιο |\n\nDear Babis,\n\nhere it is."
    )
    assert (attached.path, attached.name, attached.text) == (
        ("contract.docx",),
        "contract.docx",
        "The words of the contract.",
    )


def test_a_mail_in_html_alone_is_read() -> None:
    part = read(mail("Hello", html="<h2>News</h2><table><tr><td>Dear Anna</td></tr></table>"))

    assert part.text.endswith("## News\n\nDear Anna")
    assert not part.is_container


@pytest.mark.parametrize("charset", ["iso-8859-7", "windows-1253", "utf-8"])
def test_a_greek_mail_is_read_in_every_charset(charset: str) -> None:
    message = EmailMessage()
    message["From"], message["Subject"], message["To"] = "a@example.org", "Λογαριασμός", "b@example.org"
    words = passages("el")[7].encode(charset, "ignore").decode(charset)
    message.set_content(words, charset=charset)

    part = read(message.as_bytes())

    assert words in " ".join(part.text.split())
    assert part.title == "Λογαριασμός"


def test_a_forwarded_mail_is_a_part_with_its_own_attachments() -> None:
    inner = mail("Inner", "Inner words.", attachments={"note.txt": b"A note."})
    outer = EmailMessage()
    outer["From"], outer["Subject"], outer["Date"] = "a@example.org", "Outer", "Mon, 05 Jan 2026 10:00:00 +0200"
    outer.set_content("See below.")
    from email import message_from_bytes, policy

    outer.add_attachment(message_from_bytes(inner, policy=policy.default))

    parts = read_all(outer.as_bytes())

    assert [part.path for part in parts] == [(), ("attachment 1.eml",), ("attachment 1.eml", "note.txt")]
    assert "Inner words." in parts[1].text
    assert parts[2].text == "A note."


def test_each_file_of_an_archive_is_a_part_in_order() -> None:
    inner = archive({"deep/letter.txt": "Γράμμα".encode()})
    content = archive({"b.txt": b"Second in the alphabet.", "a.pdf": pages_pdf(["Page."]), "inner.zip": inner})

    parts = read_all(content, "files.zip")

    assert shown(parts) == [
        ((), ""),
        (("b.txt",), "Second in the alphab"),
        (("a.pdf",), "Page."),
        (("inner.zip",), ""),
        (("inner.zip", "deep/letter.txt"), "Γράμμα"),
    ]
    assert [part.is_container for part in parts] == [True, False, False, True, False]
    assert parts[0].media_type == "application/zip"


def test_bad_files_of_an_archive_cost_the_others_nothing() -> None:
    pdf = pages_pdf(["The good page."])
    content = archive(
        {
            "1.pdf": pdf[: len(pdf) // 3],
            "2.txt": b"",
            "3.docx": b"PK\3\4 broken",
            "4.exe": b"MZ" + bytes(200),
            "5.doc": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "WordDocument".encode("utf-16-le"),
            "6.png": b"\x89PNG\r\n\x1a\nbroken",
            "7.pdf": pdf,
        }
    )

    parts = read_all(content)

    codes = [part.failure.code if part.failure else "" for part in parts]
    assert codes == ["", "damaged", "empty", "damaged", "unsupported_type", "unsupported_type", "damaged", ""]
    assert parts[-1].text == "The good page."
    assert "Word" in (parts[5].failure.reason if parts[5].failure else "")


UNSAFE = {
    "../../etc/passwd": "etc/passwd",
    "/etc/shadow": "etc/shadow",
    "C:\\Windows\\system.ini": "Windows/system.ini",
    "a/../../b.txt": "a/b.txt",
    "tab\there\x1b[31m.txt": "tabhere[31m.txt",
    "gpj\u202eexe.txt": "gpjexe.txt",
    "..": "file 7",
}


def test_names_that_lead_out_of_an_archive_are_only_shown_and_clean() -> None:
    content = archive({name: f"words {number}".encode() for number, name in enumerate(UNSAFE)})

    parts = read_all(content)[1:]

    assert [part.name for part in parts] == list(UNSAFE.values())
    assert all("not safe" in part.warnings[0] for part in parts)
    assert [part.text for part in parts] == [f"words {number}" for number in range(len(UNSAFE))]


def test_greek_names_of_old_programs_are_read() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as made:
        made.writestr("XXXXXXXX.txt", "words")
        made.writestr("YYYYYYYYYY.txt", "words")
    raw = written.getvalue().replace(b"XXXXXXXX", "Σύμβαση1".encode("cp737"))
    raw = raw.replace(b"YYYYYYYYYY", "Όνομα".encode())

    assert [part.name for part in read_all(raw)[1:]] == ["Σύμβαση1.txt", "Όνομα.txt"]


def test_what_systems_add_to_archives_is_left_out() -> None:
    content = archive({"__MACOSX/._a.txt": b"\0\5\26", ".DS_Store": b"\0\0", "Thumbs.db": b"\0", "a.txt": b"words"})

    assert [part.path for part in read_all(content)] == [(), ("a.txt",)]


def test_how_far_reading_is_goes_up_to_the_caller() -> None:
    from f.core.parsed_parts import ParsingSettings
    from f.core.parsing import parse
    from tests.files.producers import many_pages_pdf

    told: list[int] = []

    parse(many_pages_pdf(1_500), "long.pdf", ParsingSettings(), told.append)

    assert told == sorted(told)
    assert all(0 <= percent <= 100 for percent in told)
