"""Mails: who wrote to whom about what, the words, and what is attached.

Shared module, pure. Of several forms of the same words the plain one is taken, else the HTML; words that follow each
other stay in their order. Attachments are files inside of the mail, forwarded mails too.
"""

import codecs
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import policy
from email.message import Message
from email.parser import BytesParser
from functools import partial

from f.core.clean_text import clean, one_line, tidy, title_of
from f.core.markdown_tables import markdown_table
from f.core.parsed_parts import Entry, Extracted, Unreadable, Work
from f.core.text_files import decoded, decoded_as
from f.core.web_pages import html_to_markdown
from f.core.zip_files import shown_name

_WORDS = frozenset({"text/plain", "text/html"})
_FIELDS = ("From", "To", "Cc", "Date", "Subject")
_SMALL_PICTURE_BYTES = 10_000
_MOST_PARTS = 5_000
_ENDINGS = {"message/rfc822": ".eml", "text/html": ".html", "text/plain": ".txt", "application/pdf": ".pdf"}


@dataclass(slots=True)
class _Found:
    """What a mail holds."""

    words: list[str] = field(default_factory=list)
    attached: list[Message] = field(default_factory=list)
    pictures_left_out: int = 0


def read_mail(content: bytes, work: Work) -> Extracted:
    """Read a mail; its text is a table of its fields and its words."""
    try:
        mail = BytesParser(policy=policy.default).parsebytes(content.removeprefix(codecs.BOM_UTF8))
    except RecursionError:
        raise Unreadable("damaged", "The mail is made of parts inside of each other without end.") from None
    found = _look_through(mail)
    fields = [(name, value) for name in _FIELDS if (value := _field(mail, name))]
    words = "\n\n".join(text for text in found.words if text)
    table = markdown_table([("Mail", ""), *fields])
    entries = [_entry(part, number) for number, part in enumerate(found.attached, 1)]
    if not words.strip() and not fields and not entries:
        raise Unreadable("no_text", "The mail holds no text.")
    warnings = []
    if found.pictures_left_out:
        warnings.append(f"{found.pictures_left_out} small pictures in the mail's text were left out.")
    text = f"{table}\n\n{words}".strip("\n")
    return Extracted(text, title_of(_field(mail, "Subject")), None, 0, None, warnings, bool(entries), entries)


def _look_through(mail: Message) -> _Found:
    """Sort the parts of a mail, without recursion, because a mail may be made as deep as one likes."""
    found = _Found()
    waiting: list[Message] = [mail]
    seen = 0
    while waiting:
        part = waiting.pop()
        seen += 1
        if seen > _MOST_PARTS:
            raise Unreadable("too_large", f"The mail has more than {_MOST_PARTS:,} parts.")
        kind = part.get_content_type()
        if kind.startswith("multipart/") and part.is_multipart():
            children = list(_parts(part))
            waiting.extend(reversed(_chosen(children) if kind == "multipart/alternative" else children))
        elif (kind in _WORDS or kind.startswith("multipart/")) and (part is mail or _is_body(part)):
            found.words.append(_text(part))
        elif kind.startswith("image/") and part.get("Content-ID") and len(_bytes(part)) < _SMALL_PICTURE_BYTES:
            found.pictures_left_out += 1
        else:
            found.attached.append(part)
    return found


def _chosen(forms: list[Message]) -> list[Message]:
    """Choose of several forms of the same: the plain one, else the last, which is the richest, of those with words."""
    plain = [form for form in forms if form.get_content_type() == "text/plain" and _has_words(form)]
    chosen = (plain or [form for form in reversed(forms) if _has_words(form)] or forms[-1:])[:1]
    others = [form for form in forms if form not in chosen]
    files = [form for form in others if form.get_content_maintype() not in ("text", "multipart")]
    return [*chosen, *files, *[child for form in others for child in _attached_within(form)]]


def _has_words(form: Message) -> bool:
    """Tell whether there are words in a form, or in the parts that it is made of."""
    waiting = [form]
    while waiting:
        part = waiting.pop()
        if part.get_content_type() in _WORDS and _bytes(part).strip():
            return True
        if part.get_content_maintype() == "multipart":
            waiting.extend(_parts(part))
    return False


def _attached_within(form: Message) -> list[Message]:
    """List what goes along with a form that is not taken: its pictures and files, but not its words."""
    if form.get_content_maintype() != "multipart":
        return []
    return [child for child in _parts(form) if child.get_content_maintype() not in ("text", "multipart")]


def _parts(part: Message) -> Iterator[Message]:
    """Yield the parts that a part is made of."""
    payload = part.get_payload()
    yield from (child for child in payload if isinstance(child, Message)) if isinstance(payload, list) else ()


def _is_body(part: Message) -> bool:
    """Tell the words of a mail from a text file that is attached."""
    return part.get_content_disposition() != "attachment" and not _file_name(part)


def _text(part: Message) -> str:
    """Return the words of a part, in Markdown."""
    raw = _bytes(part)
    charset = str(part.get_content_charset("") or "")
    if part.get_content_type() == "text/html":
        return html_to_markdown(raw, charset)[0]
    try:
        text = decoded_as(raw, charset) if charset and charset != "us-ascii" else decoded(raw)
    except (LookupError, ValueError):
        text = decoded(raw)
    return tidy(clean(text))


def _bytes(part: Message) -> bytes:
    """Return the bytes of a part; a forwarded mail's are those of the mail itself."""
    if part.get_content_maintype() == "message":
        payload = part.get_payload()
        inner = payload[0] if isinstance(payload, list) and payload else None
        if isinstance(inner, Message):
            raw = inner.as_bytes(policy=policy.compat32)
            in_base64 = not inner.keys() and _field(part, "Content-Transfer-Encoding").lower() == "base64"
            return _unpacked(raw) if in_base64 else raw
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, AssertionError):
        payload = None
    if isinstance(payload, bytes):
        return payload
    return str(part.get_payload() or "").encode("utf-8", "surrogateescape")


def _unpacked(raw: bytes) -> bytes:
    """Decode a forwarded mail that stands in base64, which the standard forbids and some programs write."""
    try:
        return b64decode(raw)
    except NoBase64:
        return raw


def _entry(part: Message, number: int) -> Entry:
    """Describe an attachment."""
    raw = _bytes(part)
    kind = part.get_content_type()
    name, cleaned = shown_name(_file_name(part) or f"attachment {number}{_ENDINGS.get(kind, '')}", number)
    warnings = ("Its name in the mail was not safe, and has been cleaned.",) if cleaned else ()
    return Entry(name, len(raw), partial(bytes, raw), warnings)


def _file_name(part: Message) -> str:
    """Return the name of an attachment; broken ones count as none."""
    try:
        return one_line(str(part.get_filename() or ""))
    except Exception:  # noqa: BLE001 -- the library's parser of fields raises whatever a broken field makes it
        return ""


def _field(mail: Message, name: str) -> str:
    """Return a field in one line; a broken one as it stands, in the encoding that its bytes look like."""
    raw = next((str(text) for key, text in mail.raw_items() if key.lower() == name.lower()), "")
    as_it_stands = raw.encode("utf-8", "surrogateescape")
    try:
        value = one_line(str(mail.get(name) or ""))
        broken = "\ufffd" in value and not as_it_stands.isascii()
    except Exception:  # noqa: BLE001 -- as above
        value, broken = "", True
    return one_line(clean(decoded(as_it_stands))) if broken else value
