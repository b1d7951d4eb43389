"""The HTTP API of the stand-in for Windmill: all routes together, errors as text, and the few routes of the instance.

Module of the stand-in for Windmill.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from local.server.access import Tokens
from local.server.archive import archive_of
from local.server.engine import Engine
from local.server.errors import ApiError, BadRequest, NotFound, Unauthorized
from local.server.item_routes import ItemRoutes
from local.server.job_routes import JobRoutes
from local.server.requests import is_set, object_body
from local.server.storage_routes import StorageRoutes
from local.server.trigger_routes import TriggerRoutes
from local.server.workspace import USER_EMAIL, USER_NAME, Workspace

VERSION = "v1.721.0"
"""The version of Windmill whose behaviour is reproduced."""

_KINDS_IN_ARCHIVE = ("variables", "resources", "schedules", "secrets", "resource_types")


class InstanceRoutes:
    """The routes that belong to no kind of item: version, login, tokens, users, and the workspace as a whole."""

    def __init__(self, workspace: Workspace, tokens: Tokens) -> None:
        """Take what the routes tell of."""
        self.workspace = workspace
        self.tokens = tokens

    def of_instance(self) -> list[Route]:
        """Give the routes below ``/api``."""
        return [
            Route("/version", self.version),
            Route("/ee_license", self.license),
            Route("/auth/login", self.login, methods=["POST"]),
            Route("/users/whoami", self.who_am_i_globally),
            Route("/users/email", self.email),
            Route("/users/tokens/create", self.create_token, methods=["POST"]),
            Route("/users/tokens/list", self.list_tokens),
            Route("/workspaces/list", self.list_workspaces),
            Route("/workspaces/users", self.user_workspaces),
            Route("/workspaces/exists", self.workspace_exists, methods=["POST"]),
        ]

    def of_workspace(self) -> list[Route]:
        """Give the routes below ``/api/w/<workspace>``."""
        return [
            Route("/users/whoami", self.who_am_i),
            Route("/users/list_usernames", self.user_names),
            Route("/users/username_to_email/{name}", self.email),
            Route("/workspaces/tarball", self.archive),
            Route("/workspaces/get_settings", self.settings),
            Route("/workspaces/is_premium", self.is_premium),
            Route("/folders/listnames", self.folder_names),
        ]

    async def version(self, _request: Request) -> Response:
        """Tell the version."""
        return PlainTextResponse(f"CE {VERSION}")

    async def license(self, _request: Request) -> Response:
        """Tell that there is none: this is the community edition."""
        return PlainTextResponse("")

    async def login(self, request: Request) -> Response:
        """Exchange the address and the token, given as the password, for the token."""
        body = await object_body(request)
        if body.get("password") != self.tokens.admin:
            raise Unauthorized("Invalid login")
        response = PlainTextResponse(self.tokens.admin)
        response.set_cookie("token", self.tokens.admin, httponly=True)
        return response

    async def create_token(self, request: Request) -> Response:
        """Make a token, with scopes or without."""
        self.tokens.check(request, "users:write")
        scopes = (await object_body(request)).get("scopes")
        if scopes is not None and not (isinstance(scopes, list) and all(isinstance(one, str) for one in scopes)):
            raise BadRequest("invalid type for `scopes`: expected a list of strings")
        return PlainTextResponse(self.tokens.create(scopes), 201)

    async def list_tokens(self, request: Request) -> Response:
        """List the tokens that were made, by their first letters."""
        self.tokens.check(request, "users:read")
        made = self.tokens.scoped.items()
        return JSONResponse([{"token_prefix": token[:10], "label": "", "scopes": scopes} for token, scopes in made])

    async def who_am_i_globally(self, request: Request) -> Response:
        """Tell who the token's user is."""
        self.tokens.check(request, "users:read")
        return JSONResponse(
            {"email": USER_EMAIL, "login_type": "password", "super_admin": True, "verified": True, "name": USER_NAME}
        )

    async def who_am_i(self, request: Request) -> Response:
        """Tell who the token's user is in the workspace."""
        self.tokens.check(request, "users:read")
        folders = list(self.workspace.folders)
        return JSONResponse(
            {
                "workspace_id": self.workspace.name,
                "email": USER_EMAIL,
                "username": USER_NAME,
                "is_admin": True,
                "is_super_admin": True,
                "operator": False,
                "disabled": False,
                "groups": ["all"],
                "folders": folders,
                "folders_owners": folders,
                "folders_read": folders,
            }
        )

    async def email(self, request: Request) -> Response:
        """Tell the user's address."""
        self.tokens.check(request, "users:read")
        return PlainTextResponse(USER_EMAIL)

    async def user_names(self, request: Request) -> Response:
        """List the users."""
        self.tokens.check(request, "users:read")
        return JSONResponse([USER_NAME])

    async def folder_names(self, request: Request) -> Response:
        """List the folders' names."""
        self.tokens.check(request, "folders:read")
        return JSONResponse(list(self.workspace.folders))

    async def list_workspaces(self, request: Request) -> Response:
        """List the one workspace."""
        self.tokens.check(request, "workspaces:read")
        return JSONResponse([{"id": self.workspace.name, "name": self.workspace.name, "owner": USER_EMAIL}])

    async def user_workspaces(self, request: Request) -> Response:
        """List the one workspace with the user's name in it."""
        self.tokens.check(request, "workspaces:read")
        one = {"id": self.workspace.name, "name": self.workspace.name, "username": USER_NAME}
        return JSONResponse({"email": USER_EMAIL, "workspaces": [one]})

    async def workspace_exists(self, request: Request) -> Response:
        """Tell whether a workspace exists."""
        return JSONResponse((await object_body(request)).get("id") == self.workspace.name)

    async def settings(self, request: Request) -> Response:
        """Tell the settings, of which there are none."""
        self.tokens.check(request, "workspaces:read")
        return JSONResponse({"workspace_id": self.workspace.name})

    async def is_premium(self, request: Request) -> Response:
        """Tell that this is the community edition."""
        self.tokens.check(request, "workspaces:read")
        return JSONResponse(content=False)

    async def archive(self, request: Request) -> Response:
        """Send what the workspace holds."""
        self.tokens.check(request, "workspaces:read")
        left_out = {kind for kind in _KINDS_IN_ARCHIVE if is_set(request.query_params, f"skip_{kind}")}
        if not is_set(request.query_params, "include_schedules"):
            left_out.add("schedules")
        if not is_set(request.query_params, "include_triggers"):
            left_out.add("triggers")
        zipped = request.query_params.get("archive_type", "tar") == "zip"
        kind = "application/zip" if zipped else "application/x-tar"
        return Response(archive_of(self.workspace, frozenset(left_out), zipped=zipped), media_type=kind)


def build_app(
    engine: Engine, tokens: Tokens, *, wait_seconds: float, stream_seconds: float, storage: Path | None = None
) -> Starlette:
    """Put the application together.

    Args:
        engine: Runs the jobs.
        tokens: Lets requests pass.
        wait_seconds: So long may a caller of ``run_wait_result`` wait.
        stream_seconds: After so long a stream of updates is closed.
        storage: The folder of the workspace's storage of objects; None is a workspace without one.
    """
    instance = InstanceRoutes(engine.workspace, tokens)
    jobs = JobRoutes(engine, tokens, wait_seconds, stream_seconds)
    items = ItemRoutes(engine.workspace, tokens)
    workspace = [*jobs.routes(), *instance.of_workspace(), *items.routes(), *StorageRoutes(storage, tokens).routes()]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        engine.loop = asyncio.get_running_loop()
        try:
            yield
        finally:
            await engine.close()

    routes = [
        Mount(f"/api/w/{engine.workspace.name}", routes=workspace),
        Mount("/api/r", routes=TriggerRoutes(engine, jobs).routes()),
        Mount("/api", routes=instance.of_instance()),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.add_exception_handler(ApiError, _as_text)
    app.add_exception_handler(404, _no_such_path)
    return app


async def _as_text(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return PlainTextResponse(error.body, error.status)


async def _no_such_path(request: Request, _error: Exception) -> Response:
    return PlainTextResponse(NotFound(request.url.path).body, 404)
