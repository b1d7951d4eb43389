"""Where a file's bytes come from: an argument, an object of Windmill's storage, or an address on the web.

Shared module. It reads the resource ``f/chatbot/file_sources`` when a file is not in an argument. What a caller may
name is settled there and in ``stored_objects`` and ``downloads``; without an entry nothing is fetched from the web.

A request to Windmill may have 209,715,200 bytes, unless the instance's setting ``request_size_limit_mb`` or a proxy
before it says otherwise; a file of the greatest size takes 66,666,668 of them as base64.
"""

import re
import unicodedata
from binascii import Error, a2b_base64
from collections.abc import Mapping
from dataclasses import dataclass

from f.core.arguments import identifier, is_missing, optional_text, web_address
from f.core.errors import Forbidden, InvalidArgument, Misconfigured, TooLarge
from f.core.identity import Caller
from f.core.job import read_resource, tls_context
from f.core.network_addresses import AllowedHost, host_name
from f.core.stored_objects import check_prefix, object_key, read_object

FILE_SOURCES = "f/chatbot/file_sources"
MAXIMUM_FILE_BYTES = 50_000_000
MAXIMUM_FILE_NAME = 500
NAMELESS = "file"
_NO_BASE64 = "content_base64 is not base64."
_MAXIMUM_BASE64 = (MAXIMUM_FILE_BYTES + 2) // 3 * 4
_MAXIMUM_TEXT = _MAXIMUM_BASE64 * 39 // 38 + 2  # in lines of 76 characters with CR and LF, as e-mail has them
_DATA_ADDRESS = re.compile(r"data:[^,]{0,200};base64,")
_LINE_BREAKS = str.maketrans("", "", "\r\n")
_STANDARD_ALPHABET = str.maketrans("-_", "+/")
_NOT_IN_NAMES = ("Cc", "Cf", "Cs", "Zl", "Zp")


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """A file as it came.

    Attributes:
        name: Its name without folders, at most 500 characters.
        content: Its bytes; there may be none.
        source_url: The address that was asked for, when it came from the web.
    """

    name: str
    content: bytes
    source_url: str | None = None


@dataclass(frozen=True, slots=True)
class FileSources:
    """The content of ``f/chatbot/file_sources``.

    Attributes:
        url_hosts: The hosts that files may be fetched from.
        s3_prefix: The folder of a tenant in the storage, with ``{tenant_id}`` in it; None where it is not used.
        s3_storages: The names of secondary storages that may be read, too.
    """

    url_hosts: tuple[AllowedHost, ...] = ()
    s3_prefix: str | None = None
    s3_storages: tuple[str, ...] = ()


def read_file_argument(
    caller: Caller, content_base64: object, s3_object: object, url: object, file_name: object
) -> IncomingFile:
    """Read the file that exactly one of three arguments names.

    Args:
        caller: Who asks, as ``identify`` tells; it decides what may be named.
        content_base64: Its bytes as base64, standard or URL-safe, with or without padding, in lines or in one; a
            ``data:`` address is taken as well.
        s3_object: ``{"s3": <key>, "storage": <name or missing>}``, as Windmill's own forms and scripts give it.
        url: Its address on the web.
        file_name: What to call it; otherwise the name that it has where it comes from.

    Raises:
        InvalidArgument: When not exactly one is given, or it is malformed or names what is not there; ``empty`` when
            a file that has a name has no bytes.
        Forbidden: When the caller may not name it.
        NotFound: When the storage has no such object.
        TooLarge: When it has more than 50,000,000 bytes.
        SourceUnavailable: When it cannot be fetched, which may pass.
        Misconfigured: When ``f/chatbot/file_sources`` is malformed; outside a running job, too.
    """
    given = [value for value in (content_base64, s3_object, url) if not is_missing(value) and value != {}]
    if not given and content_base64 == "" and not is_missing(file_name):
        raise InvalidArgument("The file in content_base64 is empty.", code="empty")
    if len(given) != 1:
        raise InvalidArgument("Give the file as one of content_base64, s3_object and url, and only as one.")
    name = optional_text("file_name", file_name, MAXIMUM_FILE_NAME)
    if given[0] is content_base64:
        return IncomingFile(plain_name(name or ""), decoded(content_base64))
    sources = parse_file_sources(read_resource(FILE_SOURCES))
    if given[0] is s3_object:
        if sources.s3_prefix is None:
            raise Forbidden("Files are not taken from the storage here: see the resource f/chatbot/file_sources.")
        key, storage = object_key(s3_object, caller, sources.s3_prefix, sources.s3_storages)
        return IncomingFile(plain_name(name or key), read_object(key, storage, MAXIMUM_FILE_BYTES))
    return _from_web(caller, web_address("url", url) or "", name, sources)


def decoded(value: object) -> bytes:
    """Decode base64, strictly: what does not belong to it is an error and not left out.

    Raises:
        InvalidArgument: When it is no base64.
        TooLarge: When it would have more than 50,000,000 bytes, which is told before they are made.
    """
    if not isinstance(value, str):
        raise InvalidArgument("content_base64 must be a text.")
    prefix = _DATA_ADDRESS.match(value)
    text = value[prefix.end() :] if prefix else value
    if len(text) > _MAXIMUM_TEXT:
        raise TooLarge(f"The file has more than {MAXIMUM_FILE_BYTES:,} bytes.")
    padded = text.translate(_LINE_BREAKS)
    text = padded.rstrip("=")
    if len(padded) - len(text) not in (0, -len(text) % 4):
        raise InvalidArgument(_NO_BASE64)
    if len(text) > _MAXIMUM_BASE64:
        raise TooLarge(f"The file has more than {MAXIMUM_FILE_BYTES:,} bytes.")
    if "-" in text or "_" in text:
        if "+" in text or "/" in text:
            raise InvalidArgument("content_base64 must be base64 in one alphabet, standard or URL-safe.")
        text = text.translate(_STANDARD_ALPHABET)
    try:
        content = a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except (Error, ValueError):
        raise InvalidArgument(_NO_BASE64) from None
    if len(content) > MAXIMUM_FILE_BYTES:
        raise TooLarge(f"The file has more than {MAXIMUM_FILE_BYTES:,} bytes.")
    return content


def plain_name(text: str) -> str:
    """Return a file's name that can be stored and shown: without folders, and without what is not seen.

    Marks that turn the direction of writing are among that: they make a name look as if it had another ending.
    """
    last = re.split(r"[/\\]", text)[-1]
    visible = "".join(letter for letter in last if unicodedata.category(letter) not in _NOT_IN_NAMES).strip()
    stem, dot, ending = visible.rpartition(".")
    if len(visible) > MAXIMUM_FILE_NAME and dot and len(ending) <= 10:
        visible = stem[: MAXIMUM_FILE_NAME - len(ending) - 1] + dot + ending
    return visible[:MAXIMUM_FILE_NAME] or NAMELESS


def parse_file_sources(value: object) -> FileSources:
    """Check the value of ``f/chatbot/file_sources`` and give it types.

    Raises:
        Misconfigured: When it is malformed; the message names the key, never the value.
    """
    if not isinstance(value, Mapping):
        raise Misconfigured(f"{FILE_SOURCES}: it must be an object.")
    prefix = value.get("s3_prefix")
    if prefix is not None and not isinstance(prefix, str):
        raise Misconfigured(f"{FILE_SOURCES}: s3_prefix must be a text or null.")
    return FileSources(
        url_hosts=tuple(_allowed_host(entry) for entry in _list(value, "url_hosts")),
        s3_prefix=None if prefix is None else check_prefix(prefix),
        s3_storages=tuple(_texts(value, "s3_storages")),
    )


def _from_web(caller: Caller, url: str, name: str | None, sources: FileSources) -> IncomingFile:
    """Fetch a file."""
    from f.core.downloads import download  # noqa: PLC0415 -- an HTTP client, which most files do not need

    fetched = download(url, sources.url_hosts, caller.tenant_id, tls_context, maximum_bytes=MAXIMUM_FILE_BYTES)
    return IncomingFile(plain_name(name or fetched.name), fetched.content, url)


def _allowed_host(entry: object) -> AllowedHost:
    """Check one entry of ``url_hosts``."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("host"), str):
        raise Misconfigured(f"{FILE_SOURCES}: each of url_hosts must be an object with a host.")
    text = str(entry["host"])
    subdomains = text.startswith("*.")
    name = host_name(_ascii(text.removeprefix("*.")))
    if name is None or (subdomains and "." not in name):
        raise Misconfigured(f"{FILE_SOURCES}: a host must be a name, an address, or *. before a name with a dot in it.")
    port = entry.get("port")
    if port is not None and (isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65_536):
        raise Misconfigured(f"{FILE_SOURCES}: port must be a number from 1 to 65535, or null.")
    try:
        tenants = tuple(identifier("tenants", tenant) for tenant in _list(entry, "tenants"))
    except InvalidArgument:
        raise Misconfigured(f"{FILE_SOURCES}: tenants must be a list of tenants' ids.") from None
    return AllowedHost(name, subdomains, port, _flag(entry, "plain_http"), _flag(entry, "internal"), tenants)


def _ascii(host: str) -> str:
    """Return the name by which a host is known to the network: names in other scripts have one in ASCII (IDNA)."""
    if host.isascii():
        return host
    import httpx  # noqa: PLC0415 -- loaded by wmill

    try:
        return httpx.URL(scheme="https", host=host).raw_host.decode("ascii")
    except httpx.InvalidURL:
        return ""


def _list(mapping: Mapping[str, object], key: str) -> list[object]:
    """Check a list; one that is missing is empty."""
    value = mapping.get(key)
    if value is not None and not isinstance(value, list):
        raise Misconfigured(f"{FILE_SOURCES}: {key} must be a list.")
    return list(value or ())


def _texts(mapping: Mapping[str, object], key: str) -> list[str]:
    """Check a list of texts; one that is missing is empty."""
    texts = [text for text in _list(mapping, key) if isinstance(text, str) and text]
    if len(texts) != len(_list(mapping, key)):
        raise Misconfigured(f"{FILE_SOURCES}: each of {key} must be a text.")
    return texts


def _flag(mapping: Mapping[str, object], key: str) -> bool:
    """Check true or false; one that is missing is false."""
    value = mapping.get(key, False)
    if not isinstance(value, bool):
        raise Misconfigured(f"{FILE_SOURCES}: {key} must be true or false.")
    return value
