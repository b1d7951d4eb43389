"""Calls scripts and flows over Windmill's HTTP API, as a product's back end would.

Module of the demonstration.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

Data = dict[str, Any]
"""The ``data`` of an answer."""

_WAIT_SECONDS = 120.0


class DemoFailed(Exception):
    """Something did not hold that the demonstration claims; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Client:
    """Calls the jobs of one workspace; may be used by several threads.

    Attributes:
        http: Knows the server's address and the token.
        workspace: The workspace.
    """

    http: httpx.Client
    workspace: str

    @classmethod
    def connect(cls, base_url: str, workspace: str, token: str) -> "Client":
        """Make a client of a server."""
        headers = {"Authorization": f"Bearer {token}"}
        return cls(httpx.Client(base_url=base_url, headers=headers, timeout=_WAIT_SECONDS, trust_env=False), workspace)

    def script(self, path: str, **arguments: object) -> Data:
        """Run a script, wait for its answer and return the ``data`` of it.

        Raises:
            DemoFailed: When it is refused or fails.
        """
        return self._run(f"p/{path}", arguments)

    def flow(self, path: str, **arguments: object) -> Data:
        """Run a flow, wait for its answer and return the ``data`` of it.

        Raises:
            DemoFailed: When it is refused or fails.
        """
        return self._run(f"f/{path}", arguments)

    def stream(self, path: str, **arguments: object) -> Iterator[Data]:
        """Run a script and yield the events that it streams, from the first on, as they arrive.

        Raises:
            DemoFailed: When it is refused, fails, or ends without an answer.
        """
        started = self.http.post(f"/api/w/{self.workspace}/jobs/run/p/{path}", json=arguments)
        if started.status_code != httpx.codes.CREATED:
            raise DemoFailed(f"{path} could not be started: {_reason(started)}")
        pending, offset, completed = "", 0, False
        while not completed:  # the server closes a stream after a minute; it is resumed where it was
            for update in self._updates(started.text, offset):
                offset = update.get("stream_offset", offset)
                *lines, pending = (pending + update.get("new_result_stream", "")).split("\n")
                yield from (json.loads(line) for line in lines if line)
                if update.get("completed"):
                    _data(path, update.get("only_result"))
                    completed = True
        if pending:
            raise DemoFailed(f"The stream of {path} ended in the middle of an event.")

    def _updates(self, job: str, offset: int) -> Iterator[Data]:
        """Yield the updates of one connection of server-sent events."""
        url = f"/api/w/{self.workspace}/jobs_u/getupdate_sse/{job}"
        query = {"only_result": "true", "fast": "true", "stream_offset": str(offset)}
        with self.http.stream("GET", url, params=query) as response:
            if response.status_code != httpx.codes.OK:
                response.read()
                raise DemoFailed(f"The stream of a job could not be read: {_reason(response)}")
            for line in response.iter_lines():
                if line.startswith("data:"):
                    update = json.loads(line.removeprefix("data:"))
                    if update.get("type") in {"error", "notfound"}:
                        raise DemoFailed(f"The stream of a job broke off: {update}")
                    yield update

    def _run(self, target: str, arguments: dict[str, object]) -> Data:
        """Run and wait."""
        response = self.http.post(f"/api/w/{self.workspace}/jobs/run_wait_result/{target}", json=arguments)
        if response.status_code != httpx.codes.OK:
            raise DemoFailed(f"{target[2:]} answered {response.status_code}: {_reason(response)}")
        return _data(target[2:], response.json())


def _data(path: str, answer: object) -> Data:
    """Return the data of an envelope that tells of success."""
    if not isinstance(answer, dict) or answer.get("success") is not True or not isinstance(answer.get("data"), dict):
        raise DemoFailed(f"{path} did not succeed: {str(answer)[:300]}")
    data: Data = answer["data"]
    return data


def _reason(response: httpx.Response) -> str:
    """Find the sentence in a refusal or a failure."""
    try:
        body = response.json()
    except ValueError:
        return response.text[:300]
    error = body.get("error") if isinstance(body, dict) else None
    return str(error.get("message") if isinstance(error, dict) else error or body)[:300]
