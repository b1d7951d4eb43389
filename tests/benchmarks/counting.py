"""A relay on loopback that counts how often a client waits for an answer, whatever the protocol."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class CountingRelay:
    """Hands bytes on to a server and back; ``round_trips`` is how often the client spoke after the server had.

    On a connection where the client waits for each answer, as libpq's and a kept HTTP connection, that is the number of
    round trips; ``reset`` forgets them.
    """

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.round_trips = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def reset(self) -> int:
        """Return the count so far, and begin again at zero."""
        with self._lock:
            counted, self.round_trips = self.round_trips, 0
        return counted

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self.target)
                state = {"answered": True}
                for source, sink, from_client in ((client, server, True), (server, client, False)):
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=self._hand_on, args=(source, sink, state, from_client), daemon=True).start()

    def _hand_on(self, source: socket.socket, sink: socket.socket, state: dict[str, bool], from_client: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                with self._lock:
                    if from_client and state["answered"] and data != b"X\x00\x00\x00\x04":  # libpq's farewell
                        self.round_trips += 1
                    state["answered"] = not from_client
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
