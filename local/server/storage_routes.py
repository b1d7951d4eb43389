"""The routes of a workspace's storage of objects, as the ``wmill`` package uses them, on a local folder.

Module of the stand-in for Windmill. The workspace's own storage is called ``_default_``; a secondary one is there as
soon as something is put into it. A key is no path of the file system: its parts are encoded as the real server does
it (Rust's ``object_store``), so that ``..`` is a name like any other.
"""

import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from local.server.access import Tokens
from local.server.errors import ApiError, BadRequest

DEFAULT_STORAGE = "_default_"
_PIECE = 65_536
_STORAGE_NAME = re.compile(r"[\w-]{1,64}")
_PLAIN = "".join(set(map(chr, range(32, 127))) - set('\\{}^%`[]"<>~#|*?/'))


@dataclass(slots=True)
class StorageRoutes:
    """The routes of one workspace's storage.

    Attributes:
        folder: Holds a folder for each storage; None is a workspace without storage.
        tokens: Lets requests pass.
    """

    folder: Path | None
    tokens: Tokens

    def routes(self) -> list[Route]:
        """Give the routes, relative to the workspace."""
        return [
            Route("/job_helpers/download_s3_file", self.download),
            Route("/job_helpers/upload_s3_file", self.upload, methods=["POST"]),
            Route("/job_helpers/delete_s3_file", self.delete, methods=["DELETE"]),
        ]

    async def download(self, request: Request) -> Response:
        """Send an object."""
        self.tokens.check(request, "job_helpers:read")
        file = self._existing(request)
        return StreamingResponse(_pieces(file), media_type="application/octet-stream")

    async def upload(self, request: Request) -> Response:
        """Store the body as an object, and answer with its key."""
        self.tokens.check(request, "job_helpers:write")
        ending = request.query_params.get("file_extension", "file")
        invented = f"windmill_uploads/upload_{int(time.time() * 1_000)}_{secrets.randbelow(65_536)}.{ending}"
        key = request.query_params.get("file_key", invented)
        file = self._file(request, key)
        file.parent.mkdir(parents=True, exist_ok=True)
        # Written beside and renamed, so that no reader meets half of it.
        unfinished = file.with_name(f"{secrets.token_hex(8)}.upload")
        with unfinished.open("wb") as target:
            async for piece in request.stream():
                target.write(piece)
        unfinished.replace(file)
        return JSONResponse({"file_key": key})

    async def delete(self, request: Request) -> Response:
        """Remove an object."""
        self.tokens.check(request, "job_helpers:write")
        self._existing(request).unlink()
        return JSONResponse(None)

    def _existing(self, request: Request) -> Path:
        key = request.query_params.get("file_key")
        if key is None:
            raise BadRequest("Failed to deserialize query string: missing field `file_key`")
        file = self._file(request, key)
        if not file.is_file():
            raise ApiError(f"Error retrieving file: Object at location {key} not found")
        return file

    def _file(self, request: Request, key: str) -> Path:
        """Give the file of a key in the storage that a request names."""
        if request.query_params.get("s3_resource_path"):
            raise BadRequest("the local stand-in has the workspace's storage only, and no S3 resource")
        if self.folder is None:
            raise ApiError("No files storage resource defined at the workspace level")
        storage = request.query_params.get("storage") or DEFAULT_STORAGE
        place = self.folder / storage
        if not _STORAGE_NAME.fullmatch(storage) or (storage != DEFAULT_STORAGE and not place.is_dir()):
            raise BadRequest(f"no storage named {storage} in this workspace")
        parts = [_encoded(part) for part in key.split("/") if part]
        if not parts:
            raise BadRequest("file_key is empty")
        return place.joinpath(*parts)


def _encoded(part: str) -> str:
    """Encode a part of a key as ``object_store::path::Path::from`` does."""
    if part in (".", ".."):
        return part.replace(".", "%2E")
    return quote(part, safe=_PLAIN)


def _pieces(file: Path) -> Iterator[bytes]:
    """Read a file piece by piece."""
    with file.open("rb") as source:
        while piece := source.read(_PIECE):
            yield piece
