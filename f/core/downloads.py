"""Fetch a file from the web without being led elsewhere.

Shared module. It reads from the network, and promises:

- Only hosts that ``f/chatbot/file_sources`` allows are asked, over https unless it says otherwise, and never with a
  user and password in the address. A redirect is followed by hand, and its target is checked like the first address.
- A name is resolved once. Every address that it has must be one that may be connected to, and the connection is made
  to such an address and not to the name: who changes the answer meanwhile (DNS rebinding) gains nothing. ``Host`` and
  the certificate are still those of the name.
- Time and size are limited as a whole: by what arrives, whatever the headers say, and by what it unpacks to.
- A proxy that the environment names is not used: it would resolve the names itself, behind this check.
- A caller learns that nothing could be fetched, and not why: not whether a host is there, refuses, or is slow.
"""

# extra_requirements:
# httpcore==1.0.9
# httpx==0.28.1

import re
import socket
import ssl
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message

import httpcore
import httpx

from f.core.errors import Forbidden, InvalidArgument, SourceUnavailable, TooLarge
from f.core.job import Meanwhile
from f.core.network_addresses import AllowedHost, find_host, host_name, may_connect

MAXIMUM_REDIRECTS = 5
DOWNLOAD_SECONDS = 120.0
_CONNECT_SECONDS = 10.0
_REDIRECTS = (301, 302, 303, 307, 308)
_PASSING = (408, 425, 429)
_HEADERS = [("Accept", "*/*"), ("Accept-Encoding", "identity"), ("User-Agent", "family-brain"), ("Connection", "close")]
_NOT_ALLOWED = (
    "Files are not taken from this address. An operator lists the hosts that are allowed in the resource "
    "f/chatbot/file_sources; this job's log says what is missing."
)
_NO_ADDRESS = "url is not a web address."


@dataclass(frozen=True, slots=True)
class Download:
    """A file that was fetched; its name as the server or the address has it, or empty."""

    name: str
    content: bytes


def download(
    url: str,
    hosts: Sequence[AllowedHost],
    tenant_id: str,
    tls: Callable[[], ssl.SSLContext],
    *,
    maximum_bytes: int,
    timeout_seconds: float = DOWNLOAD_SECONDS,
) -> Download:
    """Fetch a file.

    Args:
        url: Where it is.
        hosts: Which hosts may be asked.
        tenant_id: For whom.
        tls: Gives the authorities that a server's certificate is checked by.
        maximum_bytes: How large it may be, as it arrives and unpacked.
        timeout_seconds: For everything together.

    Raises:
        InvalidArgument: When the address is malformed or redirects too often, or the server has no file there.
        Forbidden: When it, or what it redirects to, is not allowed.
        TooLarge: When the file is.
        SourceUnavailable: When nothing could be fetched, which may pass.
    """
    ends = time.monotonic() + timeout_seconds
    place = _parsed(url)
    for _ in range(MAXIMUM_REDIRECTS + 1):
        addresses = _checked_addresses(place, hosts, tenant_id, ends)
        with _asking(place, addresses, tls, ends) as answer:
            headers = {name.decode("latin-1").lower(): _text(value) for name, value in answer.headers}
            if answer.status not in _REDIRECTS or "location" not in headers:
                _check_status(answer.status)
                return Download(_name(headers, place), _body(answer, headers, maximum_bytes))
        place = _parsed(headers["location"], place)
    raise InvalidArgument(f"url redirects more than {MAXIMUM_REDIRECTS} times.")


def _parsed(address: str, base: httpx.URL | None = None) -> httpx.URL:
    """Take an address apart, once: what is checked and what is asked for must not be two readings of it."""
    try:
        place = base.join(address) if base else httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        raise InvalidArgument(_NO_ADDRESS) from None
    if place.userinfo:
        raise InvalidArgument("url must not contain a user or a password.")
    if place.scheme not in ("http", "https") or not place.raw_host:
        raise InvalidArgument(_NO_ADDRESS)
    return place


def _checked_addresses(place: httpx.URL, hosts: Sequence[AllowedHost], tenant_id: str, ends: float) -> list[str]:
    """Return the network addresses of an allowed host, none of which is inside of the network if it must not be."""
    name = host_name(place.raw_host.decode("ascii"))
    host = find_host(hosts, tenant_id, place.scheme, name, place.port) if name else None
    if name is None or host is None:
        raise _refused("no entry there allows this scheme, host and port for this tenant")
    port = place.port or 443
    resolving = Meanwhile(lambda: socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))
    try:
        found = resolving.result(max(0.0, ends - time.monotonic()))
    except (OSError, UnicodeError) as error:  # among them the one that tells of the timeout
        raise _unavailable(error) from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses or not all(may_connect(address, internal=host.internal) for address in addresses):
        raise _refused("the host has an address that is not public, and no entry for it says internal")
    return addresses


@contextmanager
def _asking(
    place: httpx.URL, addresses: Sequence[str], tls: Callable[[], ssl.SSLContext], ends: float
) -> Iterator[httpcore.Response]:
    """Ask for an address at one of the network addresses, and translate what goes wrong from then on."""
    url = httpcore.URL(scheme=place.raw_scheme, host=place.raw_host, port=place.port, target=place.raw_path)
    context = tls() if place.scheme == "https" else None
    try:
        with (
            httpcore.ConnectionPool(ssl_context=context, network_backend=_Pinned(addresses, ends)) as pool,
            pool.stream("GET", url, headers=_HEADERS) as answer,
        ):
            yield answer
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
        raise _unavailable(error) from None


class _Pinned(httpcore.NetworkBackend):
    """Connects to the addresses that were checked, whatever the name would resolve to now; limits the whole time."""

    def __init__(self, addresses: Sequence[str], ends: float) -> None:
        self._addresses = addresses
        self._ends = ends
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: "Sequence[httpcore.SOCKET_OPTION] | None" = None,  # type: ignore[override]
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers."""
        for last, address in enumerate(self._addresses, start=1 - len(self._addresses)):
            seconds = _left(self._ends) if last == 0 else min(_left(self._ends), _CONNECT_SECONDS)
            try:
                stream = self._sockets.connect_tcp(address, port, seconds, local_address, socket_options)
                return _InTime(stream, self._ends)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if last == 0:
                    raise
        raise httpcore.ConnectError


class _InTime(httpcore.NetworkStream):
    """A connection that ends with a timeout when the time is over, however often something arrives."""

    def __init__(self, stream: httpcore.NetworkStream, ends: float) -> None:
        self._stream = stream
        self._ends = ends

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._ends))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._ends))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _InTime(self._stream.start_tls(ssl_context, server_hostname, _left(self._ends)), self._ends)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _left(ends: float) -> float:
    """Return the seconds that are left."""
    seconds = ends - time.monotonic()
    if seconds <= 0:
        raise httpcore.ReadTimeout("the time for the download is over")
    return seconds


def _check_status(status: int) -> None:
    """Refuse what is no file: an error of the server's, or something that needs another request."""
    if status >= 500 or status in _PASSING:
        raise _unavailable(f"HTTP {status}")
    if status != 200:
        raise InvalidArgument(f"The server has no file to give at url (HTTP {status}).")


def _body(answer: httpcore.Response, headers: Mapping[str, str], maximum_bytes: int) -> bytes:
    """Read the whole body, and unpack it if the server packs it unasked."""
    too_large = TooLarge(f"The file at url has more than {maximum_bytes:,} bytes.")
    if re.fullmatch(r"\d{1,18}", headers.get("content-length", "")) and int(headers["content-length"]) > maximum_bytes:
        raise too_large
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip", "x-gzip"):
        raise InvalidArgument("The server sends the file at url in a coding that was not asked for.")
    packed = None if coding == "identity" else zlib.decompressobj(wbits=31)
    content, arrived = bytearray(), 0
    for piece in answer.iter_stream():
        arrived += len(piece)
        try:
            content += piece if packed is None else packed.decompress(piece, maximum_bytes + 1 - len(content))
        except zlib.error:
            raise InvalidArgument("The file at url is damaged.") from None
        if max(arrived, len(content)) > maximum_bytes:
            raise too_large
    if packed is not None and (not packed.eof or packed.unused_data):
        raise InvalidArgument("The file at url is damaged.")
    return bytes(content)


def _name(headers: Mapping[str, str], place: httpx.URL) -> str:
    """Return the name that the server gives (RFC 6266), or the last part of the address."""
    message = Message()
    message["Content-Disposition"] = headers.get("content-disposition", "")
    return message.get_filename() or place.path.rsplit("/", 1)[-1]


def _text(value: bytes) -> str:
    """Decode a header's value: it should be ASCII, and names in it are often UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _refused(reason: str) -> Forbidden:
    """Note for the operator why an address is not asked, and give the error that says nothing of it."""
    sys.stderr.write(f"Not fetched: {reason}.\n")
    return Forbidden(_NOT_ALLOWED)


def _unavailable(error: BaseException | str) -> SourceUnavailable:
    """Note for the operator what went wrong, and give the error that says nothing of it."""
    reason = error if isinstance(error, str) else type(error.__cause__ or error).__name__
    sys.stderr.write(f"Not fetched: {reason}.\n")
    return SourceUnavailable("Nothing could be fetched from url; try again later.")
