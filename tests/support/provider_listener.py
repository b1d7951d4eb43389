"""The part of a model provider on loopback that all protocols share: listening, recording, failing, streaming.

``provider_servers`` says how the servers are used.
"""

import json
import re
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import unquote

from tests.support.provider_faults import Fault, Vectors

Json = dict[str, Any]
Messages = list[Json]
Answer = Json | list[bytes] | None
"""An object, the events of a stream, or None for what is not there."""

_TEXT_EVENT = re.compile(rb'"content-delta"|"delta": \{"content": "[^"]')
"""An event of a stream, of either protocol, that brings a piece of the answer's text."""


@dataclass(frozen=True)
class RecordedRequest:
    """A request as it arrived; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: Json
    at: float


class ProviderServer(ABC):
    """A provider on loopback; the module's docstring says how to use it."""

    def __init__(self) -> None:
        self.requests: list[RecordedRequest] = []
        self.answer: Callable[[Messages], str] = _echo
        self.embed: Callable[[list[str]], Vectors] = _offline_vectors
        self.rerank: Callable[[str, list[str]], list[float]] = _offline_scores
        self.tool_calls: Callable[[Messages, list[Json]], list[tuple[str, Json]]] | None = None
        self.key: str | None = None
        self.models: list[str] | None = None
        self.pace_seconds = 0.0
        self.counts_tokens = True
        self.stopping = threading.Event()
        self._faults: list[list[Any]] = []
        self._lock = threading.Lock()
        self._server = _Listener(("127.0.0.1", 0), type("Handler", (_Handler,), {"provider": self}))
        self.base_url = f"http://127.0.0.1:{self._server.server_port}"

    def fail(self, fault: Fault, *, on: str = "", times: int | None = 1) -> None:
        """Let the next requests with ``on`` in their path fail, so many times; None is until ``recover``."""
        with self._lock:
            self._faults.append([fault, on, times])

    def recover(self) -> None:
        """Forget the faults that have not happened yet."""
        with self._lock:
            self._faults.clear()

    def requests_to(self, part: str) -> list[RecordedRequest]:
        """List the requests with this in their path, in the order of their arrival."""
        return [request for request in self.requests if part in request.path]

    def next_fault(self, path: str) -> Fault:
        """Take the fault that is due for a request; one without effect where none is."""
        with self._lock:
            for entry in self._faults:
                fault, on, times = entry
                if on in path:
                    if times is not None:
                        entry[2] = times - 1
                        if entry[2] <= 0:
                            self._faults.remove(entry)
                    return fault  # type: ignore[no-any-return]
        return Fault()

    def refusal(self, request: RecordedRequest) -> int | None:
        """Return the status for a wrong key or model."""
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            return 401
        model = request.body.get("model", request.path.partition("/v1/models/")[2] or None)
        return 404 if self.models is not None and model is not None and model not in self.models else None

    def listed_models(self) -> list[str]:
        """Name the models that a list of models shows."""
        known = [
            "embed-v4.0",
            "rerank-v3.5",
            "command-a-03-2025",
            "openai/gpt-oss-120b",
            "llama3.1:8b",
            "bge-m3:latest",
        ]
        return known if self.models is None else self.models

    @abstractmethod
    def respond(self, request: RecordedRequest, fault: Fault) -> Answer:
        """Return the answer to a request that nothing is wrong with."""

    @abstractmethod
    def error_body(self, message: str) -> Json:
        """Return an error as the provider words it."""

    def text_for(self, body: Json, fault: Fault) -> str:
        """Return what the model says."""
        return self.answer(body["messages"]) if fault.answer is None else fault.answer

    def vectors_for(self, texts: list[str], fault: Fault) -> Vectors:
        """Return what the model makes of texts."""
        vectors = self.embed(texts)
        return vectors if fault.vectors is None else fault.vectors(vectors)

    def calls_for(self, body: Json) -> list[tuple[str, Json]]:
        """Return the tools that the model calls instead of answering."""
        return self.tool_calls(body["messages"], body["tools"]) if self.tool_calls and body.get("tools") else []

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()


class _Listener(ThreadingHTTPServer):
    """A thread for each connection, none of them waited for at the end."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing when a client hangs up, which is what clients with a deadline do."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(cast("socket.socket", request), client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection: reads a request, records it, and lets the server answer or fail."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement
    wbufsize = -1
    provider: ProviderServer

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""

    def do_GET(self) -> None:
        """Serve one request."""
        self._serve(b"")

    def do_POST(self) -> None:
        """Serve one request."""
        self._serve(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    def _serve(self, raw: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.loads(raw) if raw else {}
        request = RecordedRequest(self.command, unquote(self.path), headers, body, time.monotonic())
        self.provider.requests.append(request)
        fault = self.provider.next_fault(request.path)
        if fault.hang_seconds:
            self.provider.stopping.wait(fault.hang_seconds)
        if fault.cut_before_body or fault.hang_seconds:
            self._hang_up()
        elif fault.drip_seconds:
            self._drip(fault.drip_seconds)
        elif fault.status is not None:
            self._refuse(fault.status, request, fault)
        elif code := self.provider.refusal(request):
            self._refuse(code, request, fault)
        else:
            self._answer(request, fault)

    def _answer(self, request: RecordedRequest, fault: Fault) -> None:
        answer = self.provider.respond(request, fault)
        if isinstance(answer, list):
            self._stream(answer, fault)
        elif answer is None:
            self._refuse(404, request, fault)
        else:
            self._send(200, json.dumps(answer).encode(), {})

    def _refuse(self, code: int, request: RecordedRequest, fault: Fault) -> None:
        """Send an error that quotes the request and its key, in the body and in a header: the worst that one may do."""
        quoted = f"{request.headers.get('authorization')} {json.dumps(request.body, ensure_ascii=False)}"
        body = json.dumps(self.provider.error_body(f"status {code} for {quoted}")).encode()
        echo = {"X-Echo": quoted.encode("ascii", "replace").decode()[:2000]}
        self._send(code, body if fault.raw is None else fault.raw, {**echo, **fault.headers})

    def _send(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.send_header("X-Request-Id", "req_429")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _begin_chunks(self, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _stream(self, events: list[bytes], fault: Fault) -> None:
        """Send events, up to the place where the fault happens."""
        self._begin_chunks("text/event-stream")
        pieces = 0
        for event in events:
            carries_text = _TEXT_EVENT.search(event) is not None
            if carries_text and fault.pieces == pieces and self._break_stream(fault):
                return
            if carries_text and self.provider.pace_seconds:
                self.provider.stopping.wait(self.provider.pace_seconds)
            self._chunk(event)
            pieces += carries_text
        self._chunk(b"")

    def _break_stream(self, fault: Fault) -> bool:
        """Commit the fault in the middle of a stream; say whether the stream is over."""
        if fault.then == "garble":
            self._chunk(b'event: content-delta\ndata: {"type": "content-delta", "secret text\n\n')
            return False
        if fault.then == "unknown":
            self._chunk(b'data: {"type": "brand-new", "object": "brand-new", "choices": [], "secret text": "!"}\n\n')
            return False
        if fault.then == "end":
            self._chunk(b"")
            return True
        if fault.then == "stall":
            self.provider.stopping.wait(60)
        self._hang_up()
        return True

    def _drip(self, seconds: float) -> None:
        """Keep a client waiting with bytes that say nothing."""
        self._begin_chunks("application/json")
        with suppress(ConnectionError):
            while not self.provider.stopping.wait(seconds):
                self._chunk(b" ")
        self.close_connection = True

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _echo(messages: Messages) -> str:
    """Answer when nobody has said what."""
    return f"This answers {str(messages[-1]['content'])[-60:].strip()}"


def _offline_vectors(texts: list[str]) -> Vectors:
    from f.core.offline_models import embed

    return embed(texts)


def _offline_scores(question: str, texts: list[str]) -> list[float]:
    from f.core.offline_models import rerank

    return rerank(question, texts)
