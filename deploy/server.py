"""The calls to Windmill's API that a deployment makes beside ``wmill sync push``."""

import time
from types import TracebackType
from typing import Any, Self

import httpx

from deploy.tools import DeployError

WAIT_SECONDS = 120.0
"""How long a server may take to start before the deployment gives up."""

JOB_SECONDS = 600.0
"""How long a job may take: after a deployment, the first one installs its packages."""

_REQUEST_SECONDS = 30.0


class WindmillServer:
    """One workspace of a Windmill server.

    The token travels in a header only; no message of this class holds it, or the value of a variable or resource.
    """

    def __init__(self, url: str, workspace: str, token: str) -> None:
        """Set the connection up; nothing is sent yet.

        Args:
            url: The server's address, such as ``http://127.0.0.1:8000``.
            workspace: The workspace's id.
            token: A token of somebody who may deploy there.
        """
        self.url = url.rstrip("/")
        self.workspace = workspace
        self._client = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=_REQUEST_SECONDS
        )

    def __enter__(self) -> Self:
        """Use the connection."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._client.close()

    def wait(self, wait_seconds: float = WAIT_SECONDS) -> str:
        """Wait until the server answers.

        Args:
            wait_seconds: For how long.

        Returns:
            The server's version.

        Raises:
            DeployError: If it does not answer in time.
        """
        end = time.monotonic() + wait_seconds
        while True:
            try:
                answer = self._client.get("/api/version")
                if answer.is_success:
                    return answer.text.strip()
                trouble = f"it answers {answer.status_code}"
            except httpx.TransportError as error:
                trouble = type(error).__name__
            if time.monotonic() >= end:
                raise DeployError(f"No Windmill server at {self.url} within {wait_seconds:g} seconds: {trouble}.")
            time.sleep(1)

    def check_access(self) -> str:
        """See that the workspace is there and the token may be used in it.

        Returns:
            The name of the token's user.

        Raises:
            DeployError: If not.
        """
        answer = self._request("GET", "/users/whoami")
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND):
            raise DeployError(
                f"The token in WM_TOKEN may not be used in the workspace {self.workspace} ({answer.status_code}): "
                "make the workspace in Windmill, and a token of one of its administrators."
            )
        return str(self._json(answer, "users/whoami").get("username", ""))

    def variable(self, path: str) -> dict[str, Any] | None:
        """Read what is known of a variable, without decrypting a secret; None when it is not there."""
        return self._get_if_there(f"/variables/get/{path}?decrypt_secret=false")

    def set_variable(self, path: str, value: str, *, is_secret: bool, description: str) -> None:
        """Create a variable, or replace its value."""
        body = {"value": value, "is_secret": is_secret, "description": description}
        if self.variable(path) is None:
            self._post("/variables/create", {"path": path, **body})
        else:
            self._post(f"/variables/update/{path}", body)

    def resource(self, path: str) -> dict[str, Any] | None:
        """Read a resource without resolving what it refers to; None when it is not there."""
        return self._get_if_there(f"/resources/get/{path}")

    def set_resource(self, path: str, value: Any, *, resource_type: str, description: str) -> None:
        """Create a resource, or replace its value."""
        if self.resource(path) is None:
            body = {"path": path, "value": value, "resource_type": resource_type, "description": description}
            self._post("/resources/create", body)
        else:
            self._post(f"/resources/update_value/{path}", {"value": value})

    def resource_type(self, name: str) -> dict[str, Any] | None:
        """Read a resource type; None when it is not there."""
        return self._get_if_there(f"/resources/type/get/{name}")

    def set_resource_type(self, name: str, schema: Any, *, description: str) -> None:
        """Create a resource type, or replace its schema."""
        body = {"schema": schema, "description": description}
        if self.resource_type(name) is None:
            self._post("/resources/type/create", {"name": name, **body})
        else:
            self._post(f"/resources/type/update/{name}", body)

    def schedule(self, path: str) -> dict[str, Any] | None:
        """Read a schedule; None when it is not there."""
        return self._get_if_there(f"/schedules/get/{path}")

    def enable_schedule(self, path: str) -> None:
        """Switch a schedule on."""
        self._post(f"/schedules/setenabled/{path}", {"enabled": True})

    def run(self, kind: str, path: str, arguments: dict[str, Any]) -> tuple[int, Any]:
        """Run a script or a flow and wait for its result.

        Args:
            kind: ``p`` for a script, ``f`` for a flow.
            path: Its path.
            arguments: Its arguments.

        Returns:
            The HTTP status and the body.

        Raises:
            DeployError: If the server breaks off or answers something that is no JSON.
        """
        answer = self._request("POST", f"/jobs/run_wait_result/{kind}/{path}", arguments, timeout_seconds=JOB_SECONDS)
        return answer.status_code, self._json(answer, path)

    def _get_if_there(self, path: str) -> dict[str, Any] | None:
        answer = self._request("GET", path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        self._check(answer, path)
        found: dict[str, Any] = self._json(answer, path)
        return found

    def _post(self, path: str, body: dict[str, Any]) -> None:
        self._check(self._request("POST", path, body), path)

    def _request(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, timeout_seconds: float = _REQUEST_SECONDS
    ) -> httpx.Response:
        try:
            return self._client.request(method, f"/api/w/{self.workspace}{path}", json=body, timeout=timeout_seconds)
        except httpx.TransportError as error:
            raise DeployError(f"{method} {path} at {self.url}: {type(error).__name__}.") from error

    @staticmethod
    def _check(answer: httpx.Response, path: str) -> None:
        """Refuse what is no success; the body is left out, because a server may repeat what it was sent."""
        if not answer.is_success:
            raise DeployError(f"Windmill refused {path.partition('?')[0]} with the status {answer.status_code}.")

    @staticmethod
    def _json(answer: httpx.Response, path: str) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            raise DeployError(f"{path} gave no JSON but {answer.headers.get('content-type', 'nothing')}.") from error
