"""Web servers on loopback that answer with exactly the bytes that a test wants, however wrong, slow or endless."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

Answer = bytes | Iterable[bytes]
Answers = Callable[[str], Answer]
_MOST_HEADERS = 65_536


class RawServer:
    """A server that answers one request on each connection, and then closes it.

    Attributes:
        url: ``http://127.0.0.1:<port>``, or as the address and the TLS context say.
        requests: The heads of the requests that arrived.
        connections: How many connections were made, also those that brought no request.
    """

    def __init__(self, answers: Answers, address: str, tls: ssl.SSLContext | None) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 0), family=family)
        self._answers = answers
        self._tls = tls
        self.port = int(self._listener.getsockname()[1])
        self.requests: list[str] = []
        self.connections = 0
        host = f"[{address}]" if ":" in address else address
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._answer, args=[connection], daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:  # a client that has enough hangs up
            stream = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
            with stream:
                head = b""
                while b"\r\n\r\n" not in head and len(head) < _MOST_HEADERS:
                    if not (piece := stream.recv(65_536)):
                        return
                    head += piece
                self.requests.append(head.decode("latin-1"))
                answer = self._answers(head.split(b" ")[1].decode("latin-1"))
                for piece in [answer] if isinstance(answer, bytes) else answer:
                    stream.sendall(piece)


@contextmanager
def raw_server(
    answers: Answers, *, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> Iterator[RawServer]:
    """Start a server; ``answers`` gives the bytes for a request's target, all at once or piece by piece."""
    server = RawServer(answers, address, tls)
    try:
        yield server
    finally:
        server.stop()


def http_answer(body: bytes = b"", status: int = 200, **headers: str) -> bytes:
    """Make a whole answer; underscores in headers' names are hyphens, and a length is given unless it is among them."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if not {"Content-Length", "Transfer-Encoding"} & named.keys():
        named["Content-Length"] = str(len(body))
    lines = [f"HTTP/1.1 {status} Told", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    return "\r\n".join(lines).encode() + body
