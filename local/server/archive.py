"""What the workspace holds, as the archive that the CLI compares a folder with.

Module of the stand-in for Windmill. The archive has one JSON file for each item, which the CLI turns into its own
YAML.
"""

import io
import json
import tarfile
import zipfile
from typing import Any

from local.server.workspace import Item, Workspace

# What the server knows about an item and no file says.
_NOT_IN_FILES = frozenset(
    {
        "path",
        "name",
        "workspace_id",
        "edited_at",
        "edited_by",
        "created_at",
        "created_by",
        "archived",
        "starred",
        "hash",
    }
)


def archive_of(workspace: Workspace, left_out: frozenset[str], *, zipped: bool) -> bytes:
    """Make the archive.

    Args:
        workspace: The workspace.
        left_out: What is not wanted: ``variables``, ``resources``, ``schedules``, ``triggers``, ``secrets``,
            ``resource_types``.
        zipped: A zip file; otherwise an uncompressed tar.
    """
    files = sorted(_files(workspace, left_out).items())
    buffer = io.BytesIO()
    if zipped:
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files:
                archive.writestr(name, text)
        return buffer.getvalue()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files:
            data = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _files(workspace: Workspace, left_out: frozenset[str]) -> dict[str, str]:
    files: dict[str, str] = {}
    for path, script in workspace.scripts.items():
        files[f"{path}.py"] = script.content
        files[f"{path}.script.json"] = _json(_script_metadata(script.details))
    variables = workspace.variables
    if "secrets" in left_out:
        variables = {path: one for path, one in variables.items() if not one.get("is_secret")}
    kinds: tuple[tuple[str, dict[str, Item], str], ...] = (
        ("flows", workspace.flows, "{}.flow.json"),
        ("folders", workspace.folders, "f/{}/folder.meta.json"),
        ("resource_types", workspace.resource_types, "{}.resource-type.json"),
        ("resources", workspace.resources, "{}.resource.json"),
        ("variables", variables, "{}.variable.json"),
        ("schedules", workspace.schedules, "{}.schedule.json"),
        ("triggers", workspace.http_triggers, "{}.http_trigger.json"),
    )
    for kind, items, form in kinds:
        if kind not in left_out:
            files |= {form.format(path): _json(_without_server_keys(item)) for path, item in items.items()}
    return files


def _script_metadata(details: Item) -> Item:
    known = {"summary": "", "description": "", "kind": "script", "schema": None}
    metadata = {**known, **{key: value for key, value in details.items() if key != "language"}}
    metadata["lock"] = metadata.get("lock") or ""
    return _without_server_keys(metadata)


def _without_server_keys(item: Item) -> Item:
    kept = {key: value for key, value in item.items() if key not in _NOT_IN_FILES and value is not None}
    if not kept.get("extra_perms"):
        kept.pop("extra_perms", None)
    return kept


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
