"""Plain HTTP to model providers: a request with an object that is answered by an object, or by a stream of events.

Shared module, under the modules of the providers, which know paths and fields. It goes over the one HTTP client of
``provider_calls``, which sets the time limits; statuses of 300 and above are raised for it to judge.
"""

import json
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

from f.core.provider_calls import Unusable, http_client

if TYPE_CHECKING:
    import httpx

Json = dict[str, Any]


def ask(url: str, key: str, body: Json) -> Json:
    """Send a request and return the object that comes back.

    Args:
        url: The whole address.
        key: Goes into ``Authorization``; empty sends none.
        body: Is sent as JSON.

    Raises:
        httpx.HTTPError: For a status of 300 and above, and for whatever else becomes of a connection.
        ValueError: When what comes back is no JSON, or no object.
    """
    response = http_client().post(url, json=body, headers=authorization(key))
    response.raise_for_status()
    return dict(response.json())


def ask_for_stream(url: str, key: str, body: Json) -> Generator[Json, None, None]:
    """Send a request and yield the events of the stream that comes back, up to ``[DONE]`` or its end.

    Raises:
        Unusable: For an event that tells of an error.
        httpx.HTTPError, ValueError: As ``ask``.
    """
    with http_client().stream("POST", url, json=body, headers=authorization(key)) as response:
        response.raise_for_status()
        for data in _data_of_events(response):
            if data.startswith(b"[DONE]"):
                return
            event = json.loads(data)
            if event.get("error"):
                raise Unusable("its answer broke off")
            yield event


def authorization(key: str) -> dict[str, str]:
    """Return the header with a key, if there is one."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def _data_of_events(response: "httpx.Response") -> Iterator[bytes]:
    """Yield what each event carries (server-sent events, WHATWG HTML 9.2): its data lines, joined.

    Lines are cut at newline bytes only: the client's own ``iter_lines`` also cuts at U+2028 and U+0085, which may stand
    unescaped inside a JSON text. An event without the empty line that ends it is none.
    """
    rest, data = b"", []
    for piece in response.iter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line.removeprefix(b"data:").strip())
            elif not line.strip() and data:
                yield b"\n".join(data)
                data = []
