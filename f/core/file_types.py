"""What a file is, by its bytes.

Shared module, pure. A name is what somebody calls a file; what it is stands in its first bytes, in the catalogue of its
archive, or shows by its being text. What is known and cannot be read is named too, with what to do about it.
"""

import io
import re
import zipfile

from f.core.text_files import looks_like_text, opening

PDF = "application/pdf"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
SLIDES = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
SHEETS = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
WORD_WITH_MACROS = "application/vnd.ms-word.document.macroenabled.12"
SLIDES_WITH_MACROS = "application/vnd.ms-powerpoint.presentation.macroenabled.12"
SHEETS_WITH_MACROS = "application/vnd.ms-excel.sheet.macroenabled.12"
HTML = "text/html"
MARKDOWN = "text/markdown"
PLAIN = "text/plain"
MAIL = "message/rfc822"
JPEG = "image/jpeg"
PNG = "image/png"
TIFF = "image/tiff"
ZIP = "application/zip"
UNKNOWN = "application/octet-stream"
LOCKED_OFFICE = "application/x-encrypted-office"

_TO_PDF = "Save it as PDF or DOCX, and hand that in."
_TO_PICTURE = "Save it as JPEG or PNG, and hand that in."
_TO_ZIP = "Unpack it, and hand the files in, or a ZIP of them."
_NO_TEXT = "It holds no text that could be read."
WHAT_TO_DO = {
    "application/msword": f"This is a Word file of the form before 2007. {_TO_PDF}",
    "application/vnd.ms-excel": "This is an Excel file of the form before 2007. Save it as XLSX, and hand that in.",
    "application/vnd.ms-excel.sheet.binary.macroenabled.12": "This is an Excel file in binary form. Save it as XLSX.",
    "application/vnd.ms-powerpoint": "This is a PowerPoint file of the form before 2007. Save it as PPTX or PDF.",
    "application/vnd.ms-outlook": "This is a mail in Outlook's own form. Save it as EML, and hand that in.",
    "application/x-ole-storage": f"This is a file of an older Office program. {_TO_PDF}",
    "application/rtf": f"This is an RTF file. {_TO_PDF}",
    "application/vnd.oasis.opendocument.text": f"This is an OpenDocument text. {_TO_PDF}",
    "application/vnd.oasis.opendocument.spreadsheet": "This is an OpenDocument spreadsheet. Save it as XLSX or PDF.",
    "application/vnd.oasis.opendocument.presentation": "This is an OpenDocument presentation. Save it as PPTX or PDF.",
    "application/epub+zip": "This is an EPUB book. Save it as PDF, and hand that in.",
    "application/postscript": "This is a PostScript file. Save it as PDF, and hand that in.",
    "application/mbox": "This is a folder of mails. Save each as EML, and hand these in, or a ZIP of them.",
    "image/gif": f"This is a GIF picture. {_TO_PICTURE}",
    "image/bmp": f"This is a BMP picture. {_TO_PICTURE}",
    "image/webp": f"This is a WebP picture. {_TO_PICTURE}",
    "image/heic": f"This is a HEIC picture. {_TO_PICTURE}",
    "image/svg+xml": f"This is an SVG picture. {_TO_PICTURE}",
    "application/gzip": f"This is a gzip archive. {_TO_ZIP}",
    "application/x-bzip2": f"This is a bzip2 archive. {_TO_ZIP}",
    "application/x-xz": f"This is an xz archive. {_TO_ZIP}",
    "application/x-7z-compressed": f"This is a 7-Zip archive. {_TO_ZIP}",
    "application/vnd.rar": f"This is a RAR archive. {_TO_ZIP}",
    "application/x-tar": f"This is a tar archive. {_TO_ZIP}",
    "application/x-executable": f"This is a program. {_NO_TEXT}",
    "application/vnd.sqlite3": "This is a database. Export what is to be found as text or XLSX.",
    "audio/mpeg": f"This is a sound recording. {_NO_TEXT}",
    "video/mp4": f"This is a video. {_NO_TEXT}",
    UNKNOWN: "This is no file of a kind that can be read: PDF, DOCX, PPTX, XLSX, HTML, text, mail, picture or ZIP.",
}
"""For each type that is told apart but not read: the sentence for the person who handed it in."""

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"II+\0", TIFF),
    (b"MM\0+", TIFF),
    (b"{\\rtf", "application/rtf"),
    (b"GIF8", "image/gif"),
    (b"%!PS", "application/postscript"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"MZ", "application/x-executable"),
    (b"\x7fELF", "application/x-executable"),
    (b"\xcf\xfa\xed\xfe", "application/x-executable"),
    (b"\xca\xfe\xba\xbe", "application/x-executable"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS = (
    ("EncryptedPackage", LOCKED_OFFICE),
    ("__properties_version1.0", "application/vnd.ms-outlook"),
    ("WordDocument", "application/msword"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
    ("Workbook", "application/vnd.ms-excel"),
    ("Book", "application/vnd.ms-excel"),
)
_OFFICE_PARTS = (
    (b"ms-excel.sheet.binary.macroEnabled.main", "application/vnd.ms-excel.sheet.binary.macroenabled.12"),
    (b"ms-word.document.macroEnabled.main", WORD_WITH_MACROS),
    (b"ms-word.template.macroEnabledTemplate.main", WORD_WITH_MACROS),
    (b"wordprocessingml.document.main", WORD),
    (b"wordprocessingml.template.main", WORD),
    (b"ms-powerpoint.presentation.macroEnabled.main", SLIDES_WITH_MACROS),
    (b"ms-powerpoint.slideshow.macroEnabled.main", SLIDES_WITH_MACROS),
    (b"ms-powerpoint.template.macroEnabled.main", SLIDES_WITH_MACROS),
    (b"presentationml.presentation.main", SLIDES),
    (b"presentationml.slideshow.main", SLIDES),
    (b"presentationml.template.main", SLIDES),
    (b"ms-excel.sheet.macroEnabled.main", SHEETS_WITH_MACROS),
    (b"ms-excel.template.macroEnabled.main", SHEETS_WITH_MACROS),
    (b"spreadsheetml.sheet.main", SHEETS),
    (b"spreadsheetml.template.main", SHEETS),
)
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument."
_MOST_OF_A_CATALOGUE = 1_000_000
_MAIL_FIELDS = (
    "from|to|cc|bcc|subject|date|message-id|received|return-path|mime-version|delivered-to|reply-to|sender|content-type|"
    "content-transfer-encoding|x-[a-z0-9-]+|dkim-signature|in-reply-to|references|authentication-results|arc-[a-z-]+|"
    "list-[a-z-]+|user-agent|thread-[a-z]+|importance|auto-submitted|precedence|feedback-id|status|sent"
)
_MAIL_LINE = re.compile(rf"({_MAIL_FIELDS}):(?:[ \t].*)?\Z", re.IGNORECASE)
_SENDER_OR_FORM = frozenset({"from", "received", "message-id", "mime-version", "return-path", "delivered-to"})
_HTML_OPENING = re.compile(
    r"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|title|meta|table|div|p|h[1-6])\b",
    re.IGNORECASE | re.DOTALL,
)
_SVG_OPENING = re.compile(
    r"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*(?:<!doctype\s+svg[^>]*>\s*)?<svg\b", re.I | re.S
)
_MARKDOWN_SIGNS = (
    re.compile(r"^#{1,6} \S", re.MULTILINE),
    re.compile(r"^\|?[ \t]*:?-{3,}:?[ \t]*\|", re.MULTILINE),
    re.compile(r"^(?:```|~~~)", re.MULTILINE),
    re.compile(r"\[[^\]\n]+\]\((?:https?:|/|#|\.)[^)\s]*\)"),
    re.compile(r"^[-*+] \S.*\n[-*+] \S", re.MULTILINE),
    re.compile(r"(?:\*\*|__)\S[^*_\n]*\S(?:\*\*|__)"),
)


def media_type_of(content: bytes) -> str:
    """Tell what a file is; ``UNKNOWN`` when it is nothing that is known."""
    if content.startswith(b"%PDF-"):
        return PDF
    if content.startswith((b"PK\3\4", b"PK\5\6", b"PK\7\x08")):
        return _type_of_archive(content)
    if content.startswith(_OLE):
        return _type_of_storage(content)
    for beginning, media_type in _BEGINNINGS:
        if content.startswith(beginning):
            return media_type
    if b"%PDF-" in content[:1024] and b"startxref" in content[-2048:]:  # some programs write a few bytes before it
        return PDF
    return _type_by_box(content) or (_type_of_text(opening(content)) if looks_like_text(content) else UNKNOWN)


def _type_by_box(content: bytes) -> str | None:
    """Tell types whose mark does not stand at the very beginning."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:8] == b"ftyp":
        return "image/heic" if content[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"avif") else "video/mp4"
    if content[257:262] == b"ustar":
        return "application/x-tar"
    if content[:2] == b"BM" and content[6:10] == b"\0\0\0\0" and len(content) > 26:
        return "image/bmp"
    return None


def _type_of_archive(content: bytes) -> str:
    """Tell an Office file, an OpenDocument and a book from other archives, by what their catalogues say."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
            if "[Content_Types].xml" in names:
                with archive.open("[Content_Types].xml") as catalogue:
                    listed = catalogue.read(_MOST_OF_A_CATALOGUE)
                return next((media_type for mark, media_type in _OFFICE_PARTS if mark in listed), ZIP)
            if "mimetype" in names:
                with archive.open("mimetype") as catalogue:
                    said = catalogue.read(100).decode("ascii", "replace").strip().removesuffix("-template")
                if said in WHAT_TO_DO:
                    return said
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError):
        return ZIP
    except Exception as error:  # noqa: BLE001 -- zlib.error and lzma.LZMAError have no parent of their own
        return ZIP if type(error).__module__ in ("zlib", "_lzma") else UNKNOWN
    return ZIP


def _type_of_storage(content: bytes) -> str:
    """Tell the older Office files apart by the names of their streams, which are in UTF-16."""
    for name, media_type in _OLE_STREAMS:
        if name.encode("utf-16-le") in content:
            return media_type
    return "application/x-ole-storage"


def _type_of_text(text: str) -> str:
    """Tell mail, HTML, Markdown and plain text apart by how a text begins."""
    if _SVG_OPENING.match(text):
        return "image/svg+xml"
    if _HTML_OPENING.match(text):
        return HTML
    if text.startswith("From ") and _is_mail(text.partition("\n")[2]):
        return "application/mbox"
    if _is_mail(text):
        return MAIL
    return MARKDOWN if sum(1 for sign in _MARKDOWN_SIGNS if sign.search(text)) >= 2 else PLAIN


def _is_mail(text: str) -> bool:
    """Tell whether a text begins with at least three fields of a mail, one of which only mails have."""
    fields: set[str] = set()
    for line in text.splitlines()[:200]:
        if not line:
            break
        if line[0] in " \t":
            continue
        match = _MAIL_LINE.match(line)
        if not match and not re.match(r"[A-Za-z][A-Za-z0-9-]*:", line):
            return False
        if match:
            fields.add(match.group(1).lower())
    return len(fields) >= 3 and not fields.isdisjoint(_SENDER_OR_FORM)
