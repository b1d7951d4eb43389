"""The references in arguments and resources: ``$var:``, ``$res:``, ``$jsonvar:``, ``$encrypted:`` and ``$WM_...``.

Module of the stand-in for Windmill. A reference is a whole string that begins so; one that begins with anything else,
for example with ``{``, is never touched. An argument in which none of the four words occurs is not looked at. One
that has such a word anywhere is walked through, and then also ``$NAME`` of the job's contextual variables
(``$WM_TOKEN``!) and an object ``{"$interpolate": [...]}`` are replaced.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from local.server.errors import ApiError, BadRequest, NotFound
from local.server.workspace import Workspace

_MENTIONS = re.compile(r"\$(?:var|res|jsonvar|encrypted):|\$interpolate")
_MAX_DEPTH = 50
_MAX_ARRAY_DEPTH = 2
_MAX_ARRAY_LENGTH = 1_000


def resolve_arguments(workspace: Workspace, args: Mapping[str, Any], contextual: Mapping[str, str]) -> dict[str, Any]:
    """Replace the references in a job's arguments.

    Args:
        workspace: Holds what they refer to.
        args: The arguments as they came; they are not changed.
        contextual: The variables of the job, such as ``WM_WORKSPACE``.

    Raises:
        ApiError: When something that is referred to does not exist or cannot be read.
    """
    return {
        name: _Resolver(workspace, name, contextual).resolve(value, 0) if _mentions_reference(value) else value
        for name, value in args.items()
    }


def resolve_resource(workspace: Workspace, path: str) -> Any:
    """Give a resource's value with its references replaced.

    Raises:
        NotFound: When there is no such resource.
    """
    return _Resolver(workspace, path, {}).resource(path, 0)


def variable_value(workspace: Workspace, path: str) -> str:
    """Give a variable's value.

    Raises:
        NotFound: When there is no such variable.
    """
    found = workspace.variables.get(path)
    if found is None:
        raise NotFound(f"variable {path} not found")
    return str(found.get("value", ""))


class _Resolver:
    """Walks through one argument."""

    def __init__(self, workspace: Workspace, name: str, contextual: Mapping[str, str]) -> None:
        self._workspace = workspace
        self._name = name
        self._contextual = contextual

    def resolve(self, value: Any, depth: int) -> Any:
        if depth >= _MAX_DEPTH:
            raise BadRequest(f"Maximum resource/variable interpolation depth exceeded for `{self._name}`")
        if isinstance(value, str):
            return self._text(value, depth)
        if isinstance(value, list):
            if depth > _MAX_ARRAY_DEPTH or len(value) > _MAX_ARRAY_LENGTH:
                return value
            return [self.resolve(one, depth + 1) for one in value]
        if isinstance(value, dict):
            interpolated = self._interpolated(value)
            if interpolated is not None:
                return interpolated
            return {key: self.resolve(one, depth + 1) for key, one in value.items()}
        return value

    def resource(self, path: str, depth: int) -> Any:
        found = self._workspace.resources.get(path)
        if found is None:
            raise NotFound(f"Resource {path} not found for `{self._name}`")
        return self.resolve(found.get("value"), depth + 1)

    def _text(self, text: str, depth: int) -> Any:
        word, _, path = text.partition(":")
        if word == "$var" and path:
            return variable_value(self._workspace, path)
        if word == "$jsonvar" and path:
            return json.loads(variable_value(self._workspace, path))
        if word == "$res" and path:
            return self.resource(path, depth)
        if word == "$encrypted" and path:
            raise ApiError(f"Failed to decrypt '$encrypted:' value of `{self._name}`")
        return self._contextual.get(text.removeprefix("$"), text) if text.startswith("$") else text

    def _interpolated(self, value: dict[str, Any]) -> str | None:
        parts = value.get("$interpolate")
        if len(value) != 1 or not isinstance(parts, list):
            return None
        text = ""
        for part in parts:
            if isinstance(part, str):
                text += part
            elif isinstance(part, dict) and len(part) == 1 and isinstance(part.get("$var"), str):
                text += variable_value(self._workspace, part["$var"])
            else:
                return None
        return text


def _mentions_reference(value: object) -> bool:
    return not isinstance(value, int | float | None) and bool(_MENTIONS.search(json.dumps(value, ensure_ascii=False)))
