"""A chat provider on loopback that takes so many requests a minute of each key, in a process of its own.

It speaks Groq's protocol and counts strictly: no minute, wherever it begins, holds more than the limit. What is above
is refused with 429 and ``Retry-After``, and does not count. Each key has a limit of its own, so that several
installations can be measured at the same time. Beside it, in the same process, a Cohere without limits embeds and
reranks.
"""

import json
import math
import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any, ClassVar

from tests.support.provider_servers import cohere_server

ANSWER_SECONDS = 0.35
"""What the model takes to answer."""
ANSWER = "The first passage says so [1]."
_WINDOW_SECONDS = 60.0


@dataclass
class Counted:
    """What became of the requests with one key."""

    accepted: int = 0
    refused: int = 0
    recent: deque[float] = field(default_factory=deque)

    def admit(self, limit: int) -> float:
        """Take a request; or return after how many seconds one would be taken."""
        now = time.monotonic()
        while self.recent and self.recent[0] <= now - _WINDOW_SECONDS:
            self.recent.popleft()
        if len(self.recent) >= limit:
            self.refused += 1
            return self.recent[0] + _WINDOW_SECONDS - now
        self.recent.append(now)
        self.accepted += 1
        return 0.0


@dataclass(frozen=True, slots=True)
class Providers:
    """The running providers: their addresses, and the way to ask what was counted."""

    chat_url: str
    cohere_url: str
    connection: Connection

    def counts(self) -> dict[str, tuple[int, int]]:
        """Return for each key how many requests were taken, and how many refused."""
        self.connection.send("counts")
        return dict(self.connection.recv())


@contextmanager
def limited_providers(requests_per_minute: int) -> Iterator[Providers]:
    """Start both in a process of their own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, requests_per_minute), daemon=True)
    process.start()
    try:
        chat_url, cohere_url = here.recv()
        yield Providers(chat_url, cohere_url, here)
    finally:
        here.send("end")
        process.join()


def _serve(connection: Connection, requests_per_minute: int) -> None:
    """Serve until told to end."""
    _Handler.limit = requests_per_minute
    server = _Listener(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with cohere_server() as cohere:
        cohere.embed = lambda texts: [[1 / 32] * 1024 for _ in texts]
        cohere.rerank = lambda question, texts: [1 / (number + 2) for number in range(len(texts))]
        connection.send((f"http://127.0.0.1:{server.server_port}", cohere.base_url))
        while connection.recv() != "end":
            with _Handler.lock:
                connection.send({key: (counted.accepted, counted.refused) for key, counted in _Handler.keys.items()})


class _Listener(ThreadingHTTPServer):
    """A thread for each connection, none of them waited for at the end."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256


class _Handler(BaseHTTPRequestHandler):
    """Answers requests for chat, streamed or not."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    limit: ClassVar[int]
    lock: ClassVar = threading.Lock()
    keys: ClassVar[dict[str, Counted]] = {}

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""

    def do_POST(self) -> None:
        """Answer, or refuse."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        with self.lock:
            seconds = self.keys.setdefault(key, Counted()).admit(self.limit)
        if seconds:
            error = {"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}}
            self._send(429, "application/json", json.dumps(error), {"Retry-After": str(math.ceil(seconds))})
            return
        time.sleep(ANSWER_SECONDS)
        if body.get("stream"):
            lines = [*(f"data: {json.dumps(chunk)}" for chunk in _chunks(body["model"])), "data: [DONE]"]
            self._send(200, "text/event-stream", "".join(f"{line}\n\n" for line in lines), {})
        else:
            self._send(200, "application/json", json.dumps(_completion(body["model"])), {})

    def _send(self, status: int, kind: str, text: str, headers: dict[str, str]) -> None:
        content = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()


_USAGE = {"prompt_tokens": 900, "completion_tokens": 9, "total_tokens": 909}


def _chunks(model: str) -> list[dict[str, Any]]:
    """Make the chunks of a streamed answer."""
    base = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": model}
    choices = [{"index": 0, "delta": {"role": "assistant", "content": ANSWER}, "finish_reason": None}]
    end = [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    return [{**base, "choices": choices}, {**base, "choices": end, "x_groq": {"id": "1", "usage": _USAGE}}]


def _completion(model: str) -> dict[str, Any]:
    """Make an answer that is not streamed."""
    choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
    return {
        "id": "1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": _USAGE,
    }  # fmt: skip
