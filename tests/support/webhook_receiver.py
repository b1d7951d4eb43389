"""A real receiver of webhooks on loopback, with the faults of HTTP servers."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Posted:
    """A request that the receiver has, whatever it answered."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What the receiver does, and what it got.

    Attributes:
        posted: All that came, in their order.
        status: What it answers.
        headers: What it says besides.
        drops: Whether it closes the connection instead of answering.
        holds: Whether it does not answer until it is told to go on.
        has_one: Set when it holds.
        go_on: Ends the holding.
    """

    posted: list[Posted] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drops: bool = False
    holds: bool = False
    has_one: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        """Forget all and take what comes."""
        self.__init__()  # type: ignore[misc] # a dataclass's own


@contextmanager
def webhook_receiver(receiver: Receiver, certificate: ssl.SSLContext | None = None) -> Iterator[int]:
    """Run a server for a receiver, and give its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.posted.append(Posted({name.lower(): value for name, value in self.headers.items()}, body))
            if receiver.holds:
                receiver.has_one.set()
                receiver.go_on.wait(30)
            if receiver.drops or receiver.holds:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            self.send_response(receiver.status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate is not None:
        server.socket = certificate.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        receiver.go_on.set()
        server.shutdown()
        server.server_close()
