"""Files from the web, fetched from real servers on loopback that send what a server must not send."""

import gzip
import socket
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import repeat, takewhile
from typing import Any
from uuid import uuid4

import pytest
import trustme

from f.core.downloads import Download, download
from f.core.errors import Forbidden, InvalidArgument, KnowledgeError, SourceUnavailable, TooLarge
from f.core.network_addresses import AllowedHost
from tests.support.patience import PROMPTLY_SECONDS
from tests.support.ports import deaf_port
from tests.support.raw_servers import Answer, RawServer, http_answer, raw_server

TENANT = str(uuid4())
LIMIT = 100_000
NOT_ALLOWED = "Files are not taken from this address."
Servers = Callable[..., AbstractContextManager[RawServer]]


def entry(server: RawServer, **more: Any) -> AllowedHost:
    """Allow a server on loopback, as one inside of one's own network."""
    return AllowedHost(**{"name": "127.0.0.1", "port": server.port, "plain_http": True, "internal": True, **more})


def no_tls() -> ssl.SSLContext:
    raise AssertionError("an address without TLS needs no certificates")


def fetch(url: str, *hosts: AllowedHost, tls: Callable[[], ssl.SSLContext] = no_tls, seconds: float = 60) -> Download:
    return download(url, hosts, TENANT, tls, maximum_bytes=LIMIT, timeout_seconds=seconds)


def denied(url: str, *hosts: AllowedHost) -> None:
    """Check that an address is refused with the sentence that says nothing of what is there."""
    with pytest.raises(Forbidden, match=NOT_ALLOWED):
        fetch(url, *hosts)


@pytest.fixture
def server() -> Iterator[RawServer]:
    """A server with one file, on every path."""
    with raw_server(lambda path: http_answer(f"file {path}".encode())) as running:
        yield running


def test_a_file_is_fetched_and_named_by_its_address(server: RawServer) -> None:
    assert fetch(f"{server.url}/a/b%20c.txt?v=1#part", entry(server)) == Download("b c.txt", b"file /a/b%20c.txt?v=1")
    head = server.requests[0].lower()
    assert f"host: 127.0.0.1:{server.port}\r\n" in head
    assert "accept-encoding: identity\r\n" in head
    assert "cookie" not in head
    assert "authorization" not in head


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="report 1.pdf"', "report 1.pdf"),
        ("attachment; filename*=UTF-8''%CE%BB%CE%BF%CE%B3.pdf", "λογ.pdf"),
        ('attachment; filename="λογ.pdf"', "λογ.pdf"),
        ("inline", "path.bin"),
        ("attachment; filename=", "path.bin"),
    ],
)
def test_a_file_is_named_by_its_server(disposition: str, name: str) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Disposition: " + disposition.encode() + b"\r\n\r\nx"
    with raw_server(lambda _: answer) as server:
        assert fetch(f"{server.url}/path.bin", entry(server)).name == name


def test_no_host_is_asked_that_is_not_listed(server: RawServer) -> None:
    denied(server.url)
    denied(server.url, AllowedHost("files.example.org"))
    denied(server.url, entry(server, port=server.port + 1))
    denied(server.url, entry(server, port=None))
    denied(server.url, entry(server, plain_http=False))
    denied(server.url, entry(server, tenants=(str(uuid4()),)))
    assert server.connections == 0
    assert fetch(server.url, entry(server, tenants=(TENANT,))).content == b"file /"


def test_a_listed_host_inside_of_the_network_is_asked_only_where_that_is_said(server: RawServer) -> None:
    denied(server.url, entry(server, internal=False))
    # A public name whose owner lets it lead to this machine, as "localhost" does.
    denied(f"http://localhost:{server.port}/", entry(server, name="localhost", internal=False))
    assert server.connections == 0
    assert fetch(f"http://localhost:{server.port}/x", entry(server, name="localhost")).content == b"file /x"


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0x7f.1", "127.1", "017700000001", "0"])
def test_numbers_that_the_resolver_takes_for_an_address_are_judged_by_it(server: RawServer, host: str) -> None:
    denied(f"http://{host}:{server.port}/", entry(server))
    denied(f"http://{host}:{server.port}/", entry(server, name=host, internal=False))
    assert server.connections == 0


@pytest.mark.parametrize("host", ["[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::7f00:1]"])
def test_an_address_of_version_six_is_judged_in_every_form(server: RawServer, host: str) -> None:
    denied(f"http://{host}:{server.port}/", entry(server))
    listed = host.strip("[]").replace("0:0:0:0:0:0:0:1", "::1").replace("::7f00:1", "::7f00:1")
    denied(f"http://{host}:{server.port}/", entry(server, name=listed, internal=False))
    assert server.connections == 0


def test_a_server_of_version_six_is_asked_when_it_is_listed() -> None:
    try:
        serving = raw_server(lambda _: http_answer(b"six"), address="::1")
        with serving as server:
            assert fetch(f"{server.url}/", entry(server, name="::1")).content == b"six"
    except OSError:
        pytest.skip("this machine has no IPv6")


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{port}@files.example.org/",
        "http://user:password@127.0.0.1:{port}/",
        "http://files.example.org\\@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}\\@files.example.org/",
        "http:///127.0.0.1:{port}/",
        "http:127.0.0.1:{port}",
        "//127.0.0.1:{port}/",
        "file:///etc/passwd",
        "ftp://127.0.0.1:{port}/",
        "gopher://127.0.0.1:{port}/",
        "http://127.0.0.1:{port}/\r\nX: y",
        "http://127.0.0.1:99999999/",
        "http://127.0.0.1:\u0664\u0664\u0663/",
        "http://\uff11\uff12\uff17.0.0.1:{port}/",
        "http://[::1%25lo]:{port}/",
        "http://[::1",
        "http://",
        "",
    ],
)
def test_an_address_that_can_be_read_in_two_ways_is_refused(server: RawServer, address: str) -> None:
    with pytest.raises((InvalidArgument, Forbidden)):
        fetch(address.format(port=server.port), entry(server), AllowedHost("files.example.org", plain_http=True))
    assert server.connections == 0


def test_what_is_compared_with_the_list_is_what_is_asked_for(server: RawServer) -> None:
    written = f"http://127\u30020\u30020\u30021:{server.port}/x"  # dots of another script, which IDNA makes dots
    denied(written, AllowedHost("files.example.org"))
    denied(written, entry(server, internal=False))
    assert server.connections == 0
    assert fetch(written, entry(server)).content == b"file /x"
    assert f"host: 127.0.0.1:{server.port}\r\n" in server.requests[0].lower()
    with pytest.raises(SourceUnavailable):  # it is allowed, and no such name exists
        fetch("https://αρχεία.invalid/", AllowedHost("xn--kxadbo3dtb.invalid"))
    denied("https://αρχεια.invalid/", AllowedHost("xn--kxadbo3dtb.invalid"))


# Redirects


def redirect(to: str, status: int = 302) -> bytes:
    return http_answer(b"", status, Location=to)


def test_a_redirect_is_followed_to_a_host_that_is_listed(server: RawServer) -> None:
    with raw_server(lambda path: redirect("/moved" if path == "/" else f"{server.url}/there")) as first:
        assert fetch(first.url, entry(first), entry(server)).content == b"file /there"
        assert len(first.requests) == 2


def test_a_redirect_is_checked_like_the_first_address(server: RawServer) -> None:
    targets = [
        server.url,
        f"http://localhost:{server.port}/",
        f"http://2130706433:{server.port}/",
        f"//127.0.0.1:{server.port}/",
        "http://169.254.169.254/latest/meta-data/",
        "https://files.example.org/",
    ]
    for target in targets:
        with raw_server(lambda _, target=target: redirect(target)) as first:  # type: ignore[misc] # the lambda's default
            denied(first.url, entry(first))
            # Listed, but not as one inside of the network.
            if "://127" in target:
                denied(first.url, entry(first), entry(server, internal=False))
    for target in (f"http://a:b@127.0.0.1:{server.port}/", "file:///etc/passwd", "http://[", "javascript:0"):
        refused = pytest.raises((InvalidArgument, Forbidden))
        with raw_server(lambda _, target=target: redirect(target)) as first, refused:  # type: ignore[misc]
            fetch(first.url, entry(first), entry(server))
    assert server.connections == 0


def test_a_redirect_from_https_to_http_needs_a_host_that_may_be_asked_so(
    server: RawServer, authority: trustme.CA, certified: Servers
) -> None:
    with certified("127.0.0.1", lambda _: redirect(server.url)) as first:
        with pytest.raises(Forbidden, match=NOT_ALLOWED):
            fetch(first.url, entry(first), entry(server, plain_http=False), tls=lambda: trusting(authority))
        assert server.connections == 0


def test_redirects_come_to_an_end() -> None:
    with raw_server(lambda path: redirect(f"/{len(path)}{path[1:]}")) as server:
        with pytest.raises(InvalidArgument, match="more than 5 times"):
            fetch(server.url, entry(server))
        assert len(server.requests) == 6


# Size and time


def endless(head: bytes, piece: bytes) -> Iterator[bytes]:
    yield head
    yield from repeat(piece)


@pytest.mark.parametrize(
    "answer",
    [
        lambda: http_answer(b"x" * (LIMIT + 1)),
        lambda: http_answer(b"x", Content_Length=str(10**12)),
        lambda: endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000),
        lambda: endless(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2710\r\n" + b"x" * 10_000 + b"\r\n"
        ),
        lambda: http_answer(gzip.compress(b"x" * 50_000_000), Content_Encoding="gzip"),
        lambda: endless(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", gzip.compress(b"")),
    ],
    ids=["one byte too many", "announced", "endless", "endless chunks", "gzip bomb", "endless nothing in gzip"],
)
def test_a_file_that_is_too_large_is_given_up_at_once(answer: Callable[[], Answer]) -> None:
    with raw_server(lambda _: answer()) as server, pytest.raises((TooLarge, InvalidArgument)) as told:
        fetch(server.url, entry(server))
    assert told.type is TooLarge or "damaged" in str(told.value)


def test_a_bomb_is_not_unpacked_to_find_out_how_large_it_is() -> None:
    bomb = http_answer(gzip.compress(bytes(50_000_000)), Content_Encoding="gzip")
    with raw_server(lambda _: bomb) as server:
        tracemalloc.start()
        try:
            with pytest.raises(TooLarge):
                fetch(server.url, entry(server))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 50 * LIMIT


def test_a_file_of_just_the_size_that_is_allowed_is_fetched_whole() -> None:
    content = bytes(range(250)) * (LIMIT // 250)
    for answer in (http_answer(content), http_answer(gzip.compress(content), Content_Encoding="gzip")):
        with raw_server(lambda _, answer=answer: answer) as server:  # type: ignore[misc]
            assert fetch(server.url, entry(server)).content == content


def packed(content: bytes) -> bytes:
    """Pack without the time, which would be in the name of a test: each process that runs tests must find the same."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (http_answer(b"half", Content_Length="8"), SourceUnavailable),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", SourceUnavailable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nhalf", SourceUnavailable),
        (http_answer(packed(b"whole")[:-4], Content_Encoding="gzip"), InvalidArgument),
        (http_answer(packed(b"one") + packed(b"two"), Content_Encoding="gzip"), InvalidArgument),
        (http_answer(b"no gzip at all", Content_Encoding="gzip"), InvalidArgument),
        (http_answer(b"?", Content_Encoding="br"), InvalidArgument),
        (b"", SourceUnavailable),
        (b"no HTTP\r\n\r\n", SourceUnavailable),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", SourceUnavailable),
        (http_answer(b"", 404), InvalidArgument),
        (http_answer(b"", 401), InvalidArgument),
        (http_answer(b"part", 206), InvalidArgument),
        (http_answer(b"", 302), InvalidArgument),
        (http_answer(b"", 503), SourceUnavailable),
        (http_answer(b"", 429), SourceUnavailable),
    ],
)
def test_an_answer_that_is_no_whole_file_is_an_error(answer: bytes, expected: type[KnowledgeError]) -> None:
    with raw_server(lambda _: answer) as server, pytest.raises(expected):
        fetch(server.url, entry(server))


def test_a_length_that_says_too_little_gives_no_more_than_it_says() -> None:
    with raw_server(lambda _: http_answer(b"four and more", Content_Length="4")) as server:
        assert fetch(server.url, entry(server)).content == b"four"


def test_a_server_that_answers_drop_by_drop_is_given_up_in_time() -> None:
    over = threading.Event()

    def drops(head: bytes) -> Iterator[bytes]:
        yield head
        yield from takewhile(lambda _: not over.wait(0.02), repeat(b"x", 150))

    for head in (b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"):
        with raw_server(lambda _, head=head: drops(head)) as slow:  # type: ignore[misc]
            begun = time.monotonic()
            with pytest.raises(SourceUnavailable):
                fetch(slow.url, entry(slow), seconds=0.3)
            assert 0.3 <= time.monotonic() - begun < PROMPTLY_SECONDS
    over.set()


def test_a_resolver_that_does_not_answer_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: time.sleep(PROMPTLY_SECONDS * 2))
    begun = time.monotonic()
    with pytest.raises(SourceUnavailable):
        fetch("https://slow.example/", AllowedHost("slow.example"), seconds=0.2)
    assert time.monotonic() - begun < PROMPTLY_SECONDS


def test_what_goes_wrong_inside_of_the_network_is_told_in_one_sentence() -> None:
    with raw_server(lambda _: b"") as server:
        told = [caught(server.url, entry(server))]
    port = deaf_port()
    told.append(caught(f"http://127.0.0.1:{port}/", AllowedHost("127.0.0.1", False, port, True, True)))
    told.append(caught("https://no-such-name.invalid/", AllowedHost("no-such-name.invalid", internal=True)))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        told.append(caught(f"http://127.0.0.1:{port}/", AllowedHost("127.0.0.1", False, port, True, True), seconds=0.2))
    assert set(told) == {"Nothing could be fetched from url; try again later."}


def caught(url: str, host: AllowedHost, seconds: float = 60) -> str:
    with pytest.raises(SourceUnavailable) as told:
        fetch(url, host, seconds=seconds)
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__
    return str(told.value)


# The address that was checked is the one that is connected to
#
# What a resolver answers is changed in this process, at the one call by which Python asks it: a name server of one's
# own would need this machine to be set up for it, and everything below the call is the same.


class Resolver:
    """Answers each question with the next of its answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []
        self._resolve = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._answer)

    def _answer(self, host: str, port: int, *args: Any, **more: Any) -> list[Any]:
        if host.replace(".", "").isdigit():
            return self._resolve(host, port, *args, **more)  # create_connection asks for an address, too
        self.questions.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answer]


def test_a_name_that_leads_elsewhere_the_second_time_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(lambda _: http_answer(b"checked")) as checked:
        resolver = Resolver(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
        host = AllowedHost("rebinding.example", port=checked.port, plain_http=True, internal=True)
        assert fetch(f"http://rebinding.example:{checked.port}/", host).content == b"checked"
        assert resolver.questions == ["rebinding.example"]
        assert f"host: rebinding.example:{checked.port}\r\n" in checked.requests[0].lower()


def test_one_address_inside_of_the_network_among_public_ones_is_enough_to_refuse(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    Resolver(monkeypatch, ["93.184.215.14", "127.0.0.1"], ["127.0.0.1", "93.184.215.14"], [])
    for _ in range(3):
        denied(f"http://mixed.example:{server.port}/", entry(server, name="mixed.example", internal=False))
    assert server.connections == 0


def test_an_address_that_does_not_answer_gives_way_to_the_next(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    Resolver(monkeypatch, ["127.0.0.9", "127.0.0.1"])
    host = entry(server, name="two.example")
    assert fetch(f"http://two.example:{server.port}/x", host).content == b"file /x"


def test_a_proxy_of_the_environment_is_not_asked(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(lambda _: http_answer(b"from the proxy")) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert fetch(f"{server.url}/x", entry(server)).content == b"file /x"
        assert proxy.connections == 0


# Certificates


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certified(authority: trustme.CA) -> Servers:
    """Starts a server with a certificate for a name."""

    def start(name: str, answers: Callable[[str], Answer]) -> AbstractContextManager[RawServer]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        return raw_server(answers, tls=context)

    return start


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_the_certificate_is_that_of_the_name_and_not_of_the_address(
    authority: trustme.CA, certified: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    Resolver(monkeypatch, ["127.0.0.1"])
    with certified("files.example.org", lambda _: http_answer(b"over TLS")) as server:

        def ask(name: str, tls: ssl.SSLContext) -> Download:
            host = AllowedHost(name, port=server.port, internal=True)
            return fetch(f"https://{name}:{server.port}/", host, tls=lambda: tls)

        assert ask("files.example.org", trusting(authority)).content == b"over TLS"
        with pytest.raises(SourceUnavailable):
            ask("other.example.org", trusting(authority))
        with pytest.raises(SourceUnavailable):
            ask("files.example.org", ssl.create_default_context())
        assert len(server.requests) == 1
