"""Read an object of Windmill's storage, within the folder of the tenant and the member who asks.

Shared module. A workspace has one storage for all of its tenants, and the job may read everything in it. So a key is
checked before the storage is asked: it must begin with the tenant's own prefix, and for a named member with the
member's folder in it, because objects have no visibility of their own. A trusted back end that names nobody reads all
of its tenant's. It reads through ``wmill``, and counts what arrives.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from f.core.arguments import optional_text, required_text
from f.core.errors import Forbidden, InvalidArgument, Misconfigured, NotFound, SourceUnavailable, TooLarge
from f.core.identity import Caller
from f.core.job import Meanwhile, require_running_job

READ_SECONDS = 120.0
MAXIMUM_KEY = 1_024
_PIECE = 65_536
_OWN_STORAGE = "_default_"
_TENANT = "{tenant_id}"
_PREFIX = re.compile(r"([A-Za-z0-9_-]+/)*\{tenant_id\}/")


def check_prefix(prefix: str) -> str:
    """Check a setting that says where a tenant's objects are, and return it.

    Raises:
        Misconfigured: When it is no folder, or does not keep tenants apart.
    """
    if not _PREFIX.fullmatch(prefix):
        raise Misconfigured("f/chatbot/file_sources: s3_prefix must be folders that end in {tenant_id}/, or null.")
    return prefix


def object_key(value: object, caller: Caller, prefix: str, storages: Sequence[str]) -> tuple[str, str | None]:
    """Check which object a caller names, and return its key and the storage, None being the workspace's own.

    Raises:
        InvalidArgument: When it is malformed.
        Forbidden: When the caller may not name it.
    """
    if not isinstance(value, Mapping):
        raise InvalidArgument('s3_object must be an object such as {"s3": "folder/name.pdf"}.')
    key = required_text("s3_object.s3", value.get("s3"), MAXIMUM_KEY)
    storage = optional_text("s3_object.storage", value.get("storage"), MAXIMUM_KEY)
    if any(part in ("", ".", "..") for part in re.split(r"[/\\]", _unquoted(key))):
        raise InvalidArgument("s3_object.s3 must be a path without empty parts, . and ..")
    own = prefix.replace(_TENANT, caller.tenant_id) + (f"{caller.member_id}/" if caller.member_id is not None else "")
    if (caller.is_named and caller.member_id is None) or not key.startswith(own):
        raise Forbidden(f"s3_object.s3 must begin with {own}, where the files of this caller are.")
    if storage not in (None, _OWN_STORAGE, *storages):
        raise Forbidden("s3_object.storage is not one that an operator lists in the resource f/chatbot/file_sources.")
    return key, None if storage == _OWN_STORAGE else storage


def read_object(key: str, storage: str | None, maximum_bytes: int, timeout_seconds: float = READ_SECONDS) -> bytes:
    """Read an object whose key has been checked. Only inside a running job.

    Raises:
        NotFound: When there is none.
        TooLarge: When it is.
        SourceUnavailable: When the storage does not answer, or not in time.
    """
    require_running_job()
    named: dict[str, Any] = {"s3": key} if storage is None else {"s3": key, "storage": storage}
    reading = Meanwhile(lambda: _read(named, maximum_bytes))
    try:
        return reading.result(timeout_seconds)  # wmill sets no time limit for objects
    except TimeoutError:
        raise SourceUnavailable("The storage does not answer; try again later.") from None


def _read(named: dict[str, Any], maximum_bytes: int) -> bytes:
    """Read by ``wmill``, piece by piece."""
    import httpx  # noqa: PLC0415 -- loaded by wmill
    import wmill  # noqa: PLC0415 -- loaded by f.core.job

    content = bytearray()
    try:
        with wmill.load_s3_file_reader(named, None) as reader:
            while piece := reader.read(_PIECE):
                content += piece
                if len(content) > maximum_bytes:
                    raise TooLarge(f"The file has more than {maximum_bytes:,} bytes.")
    except httpx.HTTPStatusError as error:
        if error.response.status_code == 404 or "not found" in str(error).lower():
            raise NotFound("There is no such file in the storage.") from None
        raise SourceUnavailable(f"The storage refuses to give the file (HTTP {error.response.status_code}).") from None
    except httpx.HTTPError:
        raise SourceUnavailable("The storage does not answer; try again later.") from None
    return bytes(content)


def _unquoted(key: str) -> str:
    """Undo percent-encoding to the end: some storages decode a key, and nothing is to be hidden from this check."""
    while (plain := unquote(key)) != key:
        key = plain
    return key
