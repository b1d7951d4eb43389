# ruff: noqa: RUF001 - Greek letters are meant here
"""Mails with attachments and ZIP archives: each file inside is a part, and a bad one costs the others nothing."""

import io
import zipfile
from base64 import b64encode
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


def raw_mail(fields: str, *parts: str, kind: str = "multipart/mixed") -> bytes:
    """Write a mail of parts as some program has written it."""
    opening = f"From: a@example.org\nTo: b@example.org\nSubject: Lease\nMIME-Version: 1.0\n{fields}"
    if not parts:
        return f"{opening}\n".encode()
    body = "".join(f"--B\n{part}\n" for part in parts)
    return f"{opening}Content-Type: {kind}; boundary=B\n\n{body}--B--\n".encode()


def words_of(part: ParsedPart) -> str:
    """Return the words of a mail, behind the table of its fields."""
    return part.text.partition("\n\n")[2]


HTML_PART = "Content-Type: text/html; charset=utf-8\n\n<p>The rent rises to <b>900</b> euros.</p>"
FOOTER = "Content-Type: text/plain; charset=utf-8\n\nThe family's mailing list"
FILE_PART = "Content-Type: application/octet-stream; name=plan.txt\n\nThe plan of the house."
INVITATION = "Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR\nEND:VCALENDAR"


def test_words_that_follow_each_other_are_all_kept_in_order() -> None:
    part = read(raw_mail("", HTML_PART, FOOTER))

    assert words_of(part) == "The rent rises to 900 euros.\n\nThe family's mailing list"


def test_of_forms_of_the_same_the_last_with_words_is_taken() -> None:
    empty = "Content-Type: text/plain\n\n "

    (part,) = read_all(raw_mail("", empty, HTML_PART, INVITATION, kind="multipart/alternative"))

    assert words_of(part) == "The rent rises to 900 euros."


def test_of_forms_of_the_same_the_plain_one_is_taken() -> None:
    plain = "Content-Type: text/plain\n\nThe rent rises."

    (part,) = read_all(raw_mail("", plain, HTML_PART, kind="multipart/alternative"))

    assert words_of(part) == "The rent rises."


def test_files_beside_forms_of_the_same_are_parts() -> None:
    related = f"Content-Type: multipart/related; boundary=C\n\n--C\n{HTML_PART}\n--C\n{FILE_PART}\n--C--"
    empty = "Content-Type: text/plain\n\n "

    taken, attached = read_all(raw_mail("", empty, related, kind="multipart/alternative"))

    assert words_of(taken) == "The rent rises to 900 euros."
    assert attached.name == "plan.txt"


def test_a_mark_before_the_fields_is_no_field() -> None:
    fields = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"

    part = read(b"\xef\xbb\xbf" + raw_mail(fields + "VGhlIHJlbnQgaXMgOTAwIGV1cm9zLgo="))

    assert part.title == "Lease"
    assert words_of(part) == "The rent is 900 euros."


def test_a_forwarded_mail_in_base64_is_read() -> None:
    forwarded = b64encode(raw_mail("\nThe key is red.")).decode()
    part = f"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n{forwarded}"

    _, inner = read_all(raw_mail("", FOOTER, part))

    assert inner.media_type == "message/rfc822"
    assert words_of(inner) == "The key is red."


def test_a_mail_of_parts_without_a_boundary_keeps_its_words() -> None:
    part = read(raw_mail("Content-Type: multipart/mixed\n\nThe words are here."))

    assert words_of(part) == "The words are here."


@pytest.mark.parametrize("encoding", ["utf-8", "cp1253", "iso8859_7"])
def test_fields_that_are_not_encoded_as_they_should_be_are_read(encoding: str) -> None:
    mail_text = "From: Γιώργος <a@example.org>\nTo: b@example.org\nSubject: Ασφάλεια αυτοκινήτου\n\nWords"

    part = read(mail_text.encode(encoding))

    assert part.title == "Ασφάλεια αυτοκινήτου"
    assert "| From | Γιώργος <a@example.org> |" in part.text


def test_a_charset_that_is_nearly_the_one_of_windows_is_taken_for_it() -> None:
    fields = "Content-Type: text/plain; charset=iso-8859-7\nContent-Transfer-Encoding: 8bit\n\n"

    part = read(raw_mail(fields) + "Άννα – 45 €".encode("cp1253"))

    assert words_of(part) == "Άννα – 45 €"


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
SAFE = ("Re: offer.txt", "Note: car.txt", "letters/To: Anna.txt")


def test_names_that_lead_out_of_an_archive_are_only_shown_and_clean() -> None:
    content = archive({name: f"words {number}".encode() for number, name in enumerate(UNSAFE)})

    parts = read_all(content)[1:]

    assert [part.name for part in parts] == list(UNSAFE.values())
    assert all("not safe" in part.warnings[0] for part in parts)
    assert [part.text for part in parts] == [f"words {number}" for number in range(len(UNSAFE))]


def test_a_colon_in_a_name_is_no_drive() -> None:
    parts = read_all(archive(dict.fromkeys(SAFE, b"words")))[1:]

    assert [part.name for part in parts] == list(SAFE)
    assert not any(part.warnings for part in parts)


def named_by_an_old_program(name: bytes) -> bytes:
    """Make an archive in which a name has no mark of its encoding."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as made:
        made.writestr("X" * len(name), "words")
    return written.getvalue().replace(b"X" * len(name), name)


@pytest.mark.parametrize("encoding", ["cp437", "cp850"])
def test_western_names_of_old_programs_are_not_taken_for_greek(encoding: str) -> None:
    content = named_by_an_old_program("Übersicht Müller.txt".encode(encoding))

    assert read_all(content)[1].name == "Übersicht Müller.txt"


def test_the_file_of_a_program_that_is_not_known_is_no_archive_of_documents() -> None:
    types = b'<Types><Override PartName="/visio/document.xml" ContentType="application/vnd.ms-visio.drawing"/></Types>'

    part = read(archive({"[Content_Types].xml": types, "visio/document.xml": b"<VisioDocument/>"}))

    assert part.failure is not None
    assert part.failure.code == "unsupported_type"
    assert "PDF" in part.failure.reason


def test_greek_names_of_old_programs_are_read() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as made:
        made.writestr("abcdefgh.txt", "words")
        made.writestr("YYYYYYYYYY.txt", "words")
    raw = written.getvalue().replace(b"abcdefgh", "Σύμβαση1".encode("cp737"))
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
