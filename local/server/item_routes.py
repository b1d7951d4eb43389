"""The routes for what a workspace holds: scripts, flows, resources, variables, schedules, folders, resource types.

Module of the stand-in for Windmill. They answer what ``wmill``, the CLI and this project ask for.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from local.server.access import Tokens
from local.server.errors import BadRequest, NotFound
from local.server.references import resolve_resource, variable_value
from local.server.requests import is_set, object_body, whole_number
from local.server.workspace import USER_NAME, Item, Workspace, as_stored, checked_path, now

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class ItemRoutes:
    """The routes of one workspace."""

    workspace: Workspace
    tokens: Tokens

    def routes(self) -> list[Route]:
        """Give the routes, relative to the workspace."""
        return [*self._scripts(), *self._resources(), *self._variables(), *self._others()]

    def _scripts(self) -> list[Route]:
        return [
            Route("/scripts/create", self.create_script, methods=["POST"]),
            Route("/scripts/get/p/{path:path}", self.get_script),
            Route("/scripts/get/h/{hash}", self.get_script_by_hash),
            Route("/scripts/raw/p/{path:path}", self.raw_script),
            Route("/scripts/exists/p/{path:path}", self.script_exists),
            Route("/scripts/delete/p/{path:path}", self.delete_script, methods=["POST"]),
            Route("/scripts/archive/p/{path:path}", self.delete_script, methods=["POST"]),
            Route("/scripts/list", self.list_scripts),
            Route("/scripts/deployment_status/h/{hash}", self.deployment_status),
        ]

    def _resources(self) -> list[Route]:
        return [
            Route("/resources/get_value/{path:path}", self.resource_value),
            Route("/resources/get_value_interpolated/{path:path}", self.resource_value_interpolated),
            Route("/resources/get/{path:path}", self.get_one("resource")),
            Route("/resources/exists/{path:path}", self.exists("resource")),
            Route("/resources/create", self.create_resource, methods=["POST"]),
            Route("/resources/update/{path:path}", self.update("resource"), methods=["POST"]),
            Route("/resources/update_value/{path:path}", self.update_resource_value, methods=["POST"]),
            Route("/resources/delete/{path:path}", self.delete("resource"), methods=["DELETE"]),
            Route("/resources/list", self.list_of("resource")),
            Route("/resources/file_resource_type_to_file_ext_map", self.file_extensions),
            Route("/resources/type/create", self.create("resource type"), methods=["POST"]),
            Route("/resources/type/get/{path}", self.get_one("resource type")),
            Route("/resources/type/exists/{path}", self.exists("resource type")),
            Route("/resources/type/update/{path}", self.update("resource type"), methods=["POST"]),
            Route("/resources/type/delete/{path}", self.delete("resource type"), methods=["DELETE"]),
            Route("/resources/type/list", self.list_of("resource type")),
        ]

    def _variables(self) -> list[Route]:
        return [
            Route("/variables/get_value/{path:path}", self.get_variable_value),
            Route("/variables/get/{path:path}", self.get_variable),
            Route("/variables/exists/{path:path}", self.exists("variable")),
            Route("/variables/create", self.create("variable"), methods=["POST"]),
            Route("/variables/update/{path:path}", self.update("variable"), methods=["POST"]),
            Route("/variables/delete/{path:path}", self.delete("variable"), methods=["DELETE"]),
            Route("/variables/list", self.list_variables),
        ]

    def _others(self) -> list[Route]:
        routes = []
        for kind, prefix in (
            ("flow", "flows"),
            ("schedule", "schedules"),
            ("http_trigger", "http_triggers"),
            ("folder", "folders"),
        ):
            routes += [
                Route(f"/{prefix}/create", self.create(kind), methods=["POST"]),
                Route(f"/{prefix}/update/{{path:path}}", self.update(kind), methods=["POST"]),
                Route(f"/{prefix}/get/{{path:path}}", self.get_one(kind)),
                Route(f"/{prefix}/exists/{{path:path}}", self.exists(kind)),
                Route(f"/{prefix}/delete/{{path:path}}", self.delete(kind), methods=["DELETE"]),
                Route(f"/{prefix}/archive/{{path:path}}", self.archive(kind), methods=["POST"]),
                Route(f"/{prefix}/list", self.list_of(kind)),
            ]
        routes.append(Route("/schedules/setenabled/{path:path}", self.set_enabled, methods=["POST"]))
        return routes

    async def create_script(self, request: Request) -> Response:
        """Create a script, or a new version of it, and answer with its hash."""
        body = await object_body(request)
        self.tokens.check(request, f"scripts:write:{body.get('path')}")
        return PlainTextResponse(self.workspace.put_script(body).hash, 201)

    async def get_script(self, request: Request) -> Response:
        """Tell everything about a script."""
        path = self._allowed(request, "scripts", "read")
        return JSONResponse({**self.workspace.script(path).as_item(), "workspace_id": self.workspace.name})

    async def get_script_by_hash(self, request: Request) -> Response:
        """Tell everything about a script."""
        self.tokens.check(request, "scripts:read")
        return JSONResponse(self.workspace.script_by_hash(request.path_params["hash"]).as_item())

    async def raw_script(self, request: Request) -> Response:
        """Send a script's source; the path may end in the language's ending."""
        path = self._allowed(request, "scripts", "read").removesuffix(".py")
        return PlainTextResponse(self.workspace.script(path).content)

    async def script_exists(self, request: Request) -> Response:
        """Tell whether there is a script."""
        return JSONResponse(self._allowed(request, "scripts", "read") in self.workspace.scripts)

    async def delete_script(self, request: Request) -> Response:
        """Delete a script and answer with its hash."""
        path = self._allowed(request, "scripts", "write")
        script_hash = self.workspace.script(path).hash
        self.workspace.delete_script(path)
        return JSONResponse(script_hash)

    async def list_scripts(self, request: Request) -> Response:
        """List the scripts, without their sources."""
        self.tokens.check(request, "scripts:read")
        items = [script.as_item() for script in self.workspace.scripts.values()]
        return _page(request, [{**one, "content": ""} for one in items])

    async def deployment_status(self, request: Request) -> Response:
        """Tell that a script is deployed: dependencies are not installed here."""
        self.tokens.check(request, "scripts:read")
        lock = self.workspace.script_by_hash(request.path_params["hash"]).details.get("lock") or ""
        return JSONResponse({"lock": lock, "lock_error_logs": None})

    async def resource_value(self, request: Request) -> Response:
        """Send the value of a resource as it is stored."""
        path = self._allowed(request, "resources", "read")
        return JSONResponse(self._found("resource", path).get("value"))

    async def resource_value_interpolated(self, request: Request) -> Response:
        """Send the value of a resource with the references in it replaced."""
        return JSONResponse(resolve_resource(self.workspace, self._allowed(request, "resources", "read")))

    async def create_resource(self, request: Request) -> Response:
        """Create a resource, or replace it when the query says so."""
        body = await object_body(request)
        if "value" not in body or not isinstance(body.get("resource_type"), str):
            raise BadRequest("missing field `value` or `resource_type`")
        return self._created("resource", body, request, replaces=is_set(request.query_params, "update_if_exists"))

    async def update_resource_value(self, request: Request) -> Response:
        """Replace the value of a resource."""
        path = self._allowed(request, "resources", "write")
        self._found("resource", path)["value"] = (await object_body(request)).get("value")
        return PlainTextResponse(f"value of resource {path} updated")

    async def file_extensions(self, request: Request) -> Response:
        """Tell which resource types are files: none."""
        self.tokens.check(request, "resources:read")
        return JSONResponse({})

    async def get_variable_value(self, request: Request) -> Response:
        """Send the value of a variable as a JSON string."""
        return JSONResponse(variable_value(self.workspace, self._allowed(request, "variables", "read")))

    async def get_variable(self, request: Request) -> Response:
        """Tell everything about a variable; a secret's value only when it is not asked to stay hidden."""
        variable = self._found("variable", self._allowed(request, "variables", "read"))
        shows = request.query_params.get("decrypt_secret", "true") != "false"
        return JSONResponse(variable if shows or not variable.get("is_secret") else {**variable, "value": None})

    async def list_variables(self, request: Request) -> Response:
        """List the variables; of the secret ones not the value."""
        self.tokens.check(request, "variables:read")
        items = self.workspace.variables.values()
        return _page(request, [{**one, "value": None} if one.get("is_secret") else one for one in items])

    async def set_enabled(self, request: Request) -> Response:
        """Switch a schedule on or off."""
        path = self._allowed(request, "schedules", "write")
        enabled = (await object_body(request)).get("enabled")
        if not isinstance(enabled, bool):
            raise BadRequest("missing field `enabled`")
        self._found("schedule", path)["enabled"] = enabled
        return PlainTextResponse(f"schedule {path} enabled: {enabled}")

    def create(self, kind: str) -> Handler:
        """Make the handler that creates an item."""

        async def handler(request: Request) -> Response:
            return self._created(kind, await object_body(request), request)

        return handler

    def update(self, kind: str) -> Handler:
        """Make the handler that changes an item: only the fields that it gets; a new path moves it."""

        async def handler(request: Request) -> Response:
            path = self._allowed(request, _domain(kind), "write")
            item = self._found(kind, path)
            body = as_stored(await object_body(request))
            changed = {**item, **body, "edited_at": now()}
            key = _key(kind)
            target = checked_path(changed) if key == "path" else str(changed[key])
            if kind == "flow":
                changed = {**body, "path": target, "edited_at": now()}
            del self._items(kind)[path]
            self._items(kind)[target] = changed
            return PlainTextResponse(target)

        return handler

    def get_one(self, kind: str) -> Handler:
        """Make the handler that tells everything about an item."""

        async def handler(request: Request) -> Response:
            path = self._allowed(request, _domain(kind), "read")
            return JSONResponse({**_COMMON, "workspace_id": self.workspace.name, **self._found(kind, path)})

        return handler

    def exists(self, kind: str) -> Handler:
        """Make the handler that tells whether there is an item."""

        async def handler(request: Request) -> Response:
            return JSONResponse(self._allowed(request, _domain(kind), "read") in self._items(kind))

        return handler

    def delete(self, kind: str) -> Handler:
        """Make the handler that deletes an item."""

        async def handler(request: Request) -> Response:
            path = self._allowed(request, _domain(kind), "write")
            self._found(kind, path)
            del self._items(kind)[path]
            return PlainTextResponse(f"{kind} {path} deleted")

        return handler

    def archive(self, kind: str) -> Handler:
        """Make the handler that archives an item, which is the same here as deleting it."""
        return self.delete(kind)

    def list_of(self, kind: str) -> Handler:
        """Make the handler that lists the items of a kind; ``resource_type`` chooses among resources."""

        async def handler(request: Request) -> Response:
            self.tokens.check(request, f"{_domain(kind)}:read")
            items = [{**_COMMON, "workspace_id": self.workspace.name, **one} for one in self._items(kind).values()]
            if kind == "resource" and (wanted := request.query_params.get("resource_type")):
                items = [one for one in items if one.get("resource_type") in wanted.split(",")]
            return _page(request, items)

        return handler

    def _created(self, kind: str, body: Item, request: Request, *, replaces: bool = False) -> Response:
        key = _key(kind)
        name = checked_path(body) if key == "path" else body.get(key)
        if not isinstance(name, str) or not name:
            raise BadRequest(f"missing field `{key}`")
        self.tokens.check(request, f"{_domain(kind)}:write:{name}")
        if name in self._items(kind) and not replaces:
            raise BadRequest(f"{kind} {name} already exists")
        self._items(kind)[name] = {**as_stored(body), "edited_at": now()}
        return PlainTextResponse(f"{kind} {name} created", 201)

    def _allowed(self, request: Request, domain: str, action: str) -> str:
        """Check the token and give the path that the request names."""
        path: str = request.path_params["path"]
        self.tokens.check(request, f"{domain}:{action}:{path}")
        return path

    def _items(self, kind: str) -> dict[str, Item]:
        by_kind: dict[str, dict[str, Item]] = {
            "flow": self.workspace.flows,
            "resource": self.workspace.resources,
            "resource type": self.workspace.resource_types,
            "variable": self.workspace.variables,
            "schedule": self.workspace.schedules,
            "http_trigger": self.workspace.http_triggers,
            "folder": self.workspace.folders,
        }
        return by_kind[kind]

    def _found(self, kind: str, path: str) -> Item:
        item = self._items(kind).get(path)
        if item is None:
            raise NotFound(f"{kind} not found at name {path}")
        return item


_COMMON: dict[str, Any] = {
    "edited_by": USER_NAME,
    "archived": False,
    "extra_perms": {},
    "starred": False,
}


def _domain(kind: str) -> str:
    return "resources" if kind == "resource type" else f"{kind}s"


def _key(kind: str) -> str:
    return "name" if kind in {"folder", "resource type"} else "path"


def _page(request: Request, items: list[Item]) -> Response:
    query = request.query_params
    start = query.get("path_start")
    chosen = [one for one in items if start is None or str(one.get("path", "")).startswith(start)]
    size = whole_number(query, "per_page", 1_000) or 1_000
    first = max(0, whole_number(query, "page", 1) - 1) * size
    return JSONResponse(chosen[first : first + size])
