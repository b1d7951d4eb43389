"""What a workspace holds: scripts, flows, resources, variables, schedules, HTTP triggers, folders and resource types.

Module of the stand-in for Windmill. It is filled from a folder in the layout of ``wmill sync`` and changed over the
API. The items live in memory: nothing that is set or pushed is written into that folder, and a restart begins with
the folder again. Only the sources of pushed scripts are files, in a directory of the server's own, because a job
imports them.

Python sources are not copied from the folder: a job imports the file itself, so an edited script runs at once. The
other items are read when the server starts.
"""

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from local.server.errors import BadRequest, NotFound

Item = dict[str, Any]

_PATH = re.compile(r"[fug]/[\w\-.]+(/[\w\-. ]+)+")
_FLOW_FOLDER = ".flow"
# What a request says about itself and not about the item.
_OF_THE_REQUEST = frozenset(
    {"parent_hash", "auto_parent", "skip_draft_deletion", "deployment_message", "draft_only", "preserve_on_behalf_of"}
)
USER_NAME = "admin"
USER_EMAIL = "admin@windmill.local"


class MalformedItem(ValueError):
    """A file of the folder that fills the workspace cannot be read."""


class _Loader(yaml.CSafeLoader):
    """Reads YAML as the CLI does: dates stay text, and ``!inline`` is the content of a file beside it."""

    folder = Path()


def _inline(loader: _Loader, node: yaml.ScalarNode) -> str:
    return (loader.folder / str(loader.construct_scalar(node))).read_text(encoding="utf-8")


_Loader.add_constructor("!inline", _inline)
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(slots=True)
class Script:
    """A script: where its source is, and what its metadata say."""

    path: str
    file: Path
    details: Item
    created_at: str

    @property
    def content(self) -> str:
        """The source as it is now."""
        return self.file.read_text(encoding="utf-8")

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that change with the source and the metadata."""
        told = json.dumps([self.path, self.content, self.details], sort_keys=True, default=str)
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def as_item(self) -> Item:
        """Give the form of ``scripts/get``."""
        return {
            "workspace_id": "",
            "summary": "",
            "description": "",
            "schema": None,
            "lock": "",
            "kind": "script",
            "language": "python3",
            "is_template": False,
            "tag": None,
            **self.details,
            "hash": self.hash,
            "path": self.path,
            "content": self.content,
            "created_at": self.created_at,
            "created_by": USER_NAME,
            "archived": False,
            "deleted": False,
            "draft_only": False,
            "extra_perms": {},
            "starred": False,
            "parent_hashes": [],
        }


@dataclass(slots=True)
class Workspace:
    """The items of one workspace, by path.

    Attributes:
        name: The workspace's id, in every URL.
        pushed_sources: Where the sources of scripts that came over the API are written; emptied at the start.
        root: The folder that the workspace was filled from; None is an empty workspace.
    """

    name: str
    pushed_sources: Path
    root: Path | None = None
    scripts: dict[str, Script] = field(default_factory=dict)
    flows: dict[str, Item] = field(default_factory=dict)
    resources: dict[str, Item] = field(default_factory=dict)
    variables: dict[str, Item] = field(default_factory=dict)
    schedules: dict[str, Item] = field(default_factory=dict)
    http_triggers: dict[str, Item] = field(default_factory=dict)
    folders: dict[str, Item] = field(default_factory=dict)
    resource_types: dict[str, Item] = field(default_factory=dict)
    _last_push: int = 0

    def __post_init__(self) -> None:
        """Empty the directory of pushed sources and read the folder.

        Raises:
            MalformedItem: When a file there cannot be read.
        """
        shutil.rmtree(self.pushed_sources, ignore_errors=True)
        self.pushed_sources.mkdir(parents=True)
        if self.root is not None:
            self._load(self.root)

    @property
    def source_folders(self) -> list[str]:
        """Where jobs import scripts from, the first one winning."""
        return [str(self.pushed_sources), *([str(self.root)] if self.root is not None else [])]

    def script(self, path: str) -> Script:
        """Give a script.

        Raises:
            NotFound: When there is none.
        """
        found = self.scripts.get(path)
        if found is None:
            raise NotFound(f"script not found at name {path}")
        return found

    def script_by_hash(self, script_hash: str) -> Script:
        """Give the script that has this hash now.

        Raises:
            NotFound: When there is none.
        """
        for script in self.scripts.values():
            if script.hash == script_hash:
                return script
        raise NotFound(f"script not found at hash {script_hash}")

    def put_script(self, item: Item) -> Script:
        """Create or replace a script from the body of ``scripts/create``.

        Raises:
            BadRequest: When the path or the content is missing or malformed, or the language is not Python.
        """
        path, content = checked_path(item), item.get("content")
        if not isinstance(content, str):
            raise BadRequest("missing field `content`")
        if item.get("language", "python3") != "python3":
            raise BadRequest(f"the local stand-in runs python3 only, not {item.get('language')}")
        file = self.pushed_sources / f"{path}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        # Compiled modules are kept by the second of the source's time: two pushes in one second must differ.
        self._last_push = max(self._last_push + 1, int(time.time()))
        os.utime(file, (self._last_push, self._last_push))
        details = {key: value for key, value in as_stored(item).items() if key not in {"path", "content"}}
        self.scripts[path] = Script(path, file, details, now())
        return self.scripts[path]

    def delete_script(self, path: str) -> None:
        """Remove a script.

        Raises:
            NotFound: When there is none.
        """
        script = self.script(path)
        del self.scripts[path]
        if script.file.is_relative_to(self.pushed_sources):
            script.file.unlink(missing_ok=True)

    def set_resource(self, path: str, value: object, resource_type: str | None = None) -> None:
        """Create a resource, or replace its value."""
        known = self.resources.get(path, {"path": path, "description": "", "resource_type": "any", "extra_perms": {}})
        kind = resource_type or known["resource_type"]
        self.resources[path] = {**known, "value": value, "resource_type": kind, "edited_at": now()}

    def set_variable(self, path: str, value: str, *, is_secret: bool | None = None) -> None:
        """Create a variable, or replace its value."""
        known = self.variables.get(path, {"path": path, "description": "", "is_secret": False, "extra_perms": {}})
        secret = known["is_secret"] if is_secret is None else is_secret
        self.variables[path] = {**known, "value": value, "is_secret": secret}

    def _load(self, root: Path) -> None:
        for file in sorted(root.glob("*.resource-type.yaml")):
            name = file.name.removesuffix(".resource-type.yaml")
            self.resource_types[name] = {"name": name, **_read(file)}
        for file in _files(root / "f"):
            self._load_file(root, file)

    def _load_file(self, root: Path, file: Path) -> None:
        relative = file.relative_to(root).as_posix()
        if relative.endswith(f"{_FLOW_FOLDER}/flow.yaml"):
            path = relative.removesuffix(f"{_FLOW_FOLDER}/flow.yaml")
            self.flows[path] = {"path": path, "edited_at": now(), **_read(file)}
        elif f"{_FLOW_FOLDER}/" in relative:
            return  # an inline script of a flow
        elif relative.endswith("/folder.meta.yaml"):
            name = Path(relative).parent.name
            self.folders[name] = {"name": name, **_read(file)}
        elif relative.endswith(".py"):
            self._load_script(relative.removesuffix(".py"), file)
        for kind, items in (
            ("resource", self.resources),
            ("variable", self.variables),
            ("schedule", self.schedules),
            ("http_trigger", self.http_triggers),
        ):
            if relative.endswith(f".{kind}.yaml"):
                path = relative.removesuffix(f".{kind}.yaml")
                items[path] = {"path": path, "extra_perms": {}, **_read(file)}

    def _load_script(self, path: str, file: Path) -> None:
        metadata = file.with_name(f"{file.stem}.script.yaml")
        lock = file.with_name(f"{file.stem}.script.lock")
        details = _read(metadata) if metadata.exists() else {}
        details["lock"] = lock.read_text(encoding="utf-8") if lock.exists() else ""
        self.scripts[path] = Script(path, file, details, now())


def checked_path(item: Item) -> str:
    """Give the path of an item in a request's body.

    Raises:
        BadRequest: When it is missing or no path of Windmill's.
    """
    path = item.get("path")
    if not isinstance(path, str) or not _PATH.fullmatch(path) or ".." in path:
        raise BadRequest(f"invalid path: {path}")
    return path


def as_stored(item: Item) -> Item:
    """Leave out of a request's body what says nothing about the item."""
    return {key: value for key, value in item.items() if key not in _OF_THE_REQUEST}


def now() -> str:
    """Give the time in the form that Windmill sends."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _read(file: Path) -> Item:
    loader = _Loader(file.read_text(encoding="utf-8"))
    loader.folder = file.parent
    try:
        value = loader.get_single_data()
    except yaml.YAMLError as error:
        raise MalformedItem(f"{file} is not YAML: {error}") from error
    finally:
        loader.dispose()
    if not isinstance(value, dict):
        raise MalformedItem(f"{file} does not hold an object.")
    return value


def _files(folder: Path) -> Iterator[Path]:
    """List the files below a folder, links to files included, without bytecode."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
