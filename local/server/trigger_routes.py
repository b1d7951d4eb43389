"""The routes of HTTP triggers: ``/api/r/<route path>``, which run a script or flow and answer with its result.

Module of the stand-in for Windmill. Known are triggers that wait for the result (``sync``) and ask for no token or for
Windmill's own. What stands in the address reaches a script through its ``preprocessor`` alone; a script without one
gets the body as its arguments, and a GET none. Static files, signatures and the rest are not in the stand-in.
"""

import re
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from local.server.engine import Engine
from local.server.errors import BadRequest, NotFound
from local.server.job_routes import JobRoutes
from local.server.jobs import Job
from local.server.requests import described, job_arguments
from local.server.workspace import Item

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PARAMETER = re.compile(r"([:*])([-\w]+)")


@dataclass(frozen=True, slots=True)
class TriggerRoutes:
    """The routes below ``/api/r``."""

    engine: Engine
    jobs: JobRoutes

    def routes(self) -> list[Route]:
        """Give the routes: one, since triggers come and go."""
        return [
            Route("/{path:path}", self.run, methods=_METHODS),
            Route("/{path:path}", self.say_nothing, methods=["OPTIONS"]),
        ]

    async def say_nothing(self, _request: Request) -> Response:
        """Answer a browser that asks what it may do."""
        return PlainTextResponse("")

    async def run(self, request: Request) -> Response:
        """Run what the trigger of this address names, and answer with the result."""
        if request.method == "HEAD":
            return PlainTextResponse("")
        path = request.path_params["path"].rstrip("/")
        trigger, params = self._found(request.method.lower(), path)
        if trigger.get("authentication_method") == "windmill":
            self.jobs.tokens.check(request, f"http_triggers:read:{trigger['path']}")
        body = {} if request.method == "GET" else await job_arguments(request)
        job = Job("flow" if trigger.get("is_flow") else "script", str(trigger.get("script_path")), body)
        event: Item = {
            "kind": "http",
            "route": trigger["route_path"],
            "path": path,
            "method": request.method.lower(),
            "params": params,
            "body": body,
        }
        self.engine.preprocess(job, {**event, **described(request)})
        return await self.jobs.waited_for(request, self.engine.submit(job))

    def _found(self, method: str, path: str) -> tuple[Item, dict[str, Any]]:
        """Find the trigger of an address, and what its parameters are in it."""
        for trigger in self.engine.workspace.http_triggers.values():
            route = str(trigger.get("route_path"))
            prefix = f"{self.engine.workspace.name}/" if trigger.get("workspaced_route") else ""
            match = re.fullmatch(_pattern(prefix + route), path)
            if match and trigger.get("http_method") == method and trigger.get("mode", "enabled") == "enabled":
                _require_known(trigger)
                return trigger, match.groupdict()
        raise NotFound(f"Trigger not found at name /{path}")


def _pattern(route: str) -> str:
    """Make a regular expression of a route: ``:name`` is one part of the address, ``*name`` the rest of it."""
    parts = []
    for part in route.split("/"):
        parameter = _PARAMETER.fullmatch(part)
        name = parameter.group(2).replace("-", "_") if parameter else ""
        one = ".+" if parameter and parameter.group(1) == "*" else "[^/]+"
        parts.append(f"(?P<{name}>{one})" if parameter else re.escape(part))
    return "/".join(parts)


def _require_known(trigger: Item) -> None:
    """Refuse what would be done differently here."""
    known = (
        trigger.get("request_type", "sync") == "sync"
        and trigger.get("authentication_method") in {"none", "windmill"}
        and not any(trigger.get(key) for key in ("is_static_website", "static_asset_config", "raw_string", "wrap_body"))
    )
    if not known:
        raise BadRequest(f"the HTTP trigger {trigger['path']} asks for what is not in the local stand-in for Windmill")
