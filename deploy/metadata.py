"""Write the ``.script.yaml`` beside every script and the inputs of every flow, from what the scripts themselves say.

The summary and the descriptions come from the docstrings, the parameters from the signature as Windmill's own parser
reads it. Nothing is kept in the files that is not in the scripts or in the tables below, so they can be written again
at any time, and ``--check`` proves that they were::

    python -m deploy.metadata
    python -m deploy.metadata --check
"""

import sys
from pathlib import Path
from typing import Any

from deploy.docstrings import Documentation, read_documentation
from deploy.flow_schemas import flow_files
from deploy.generated import generate, to_yaml
from deploy.scripts import Argument, Script, read_scripts
from deploy.tools import DeployError

FORMATS = {
    "created_from": "date-time",
    "created_to": "date-time",
    "email": "email",
    "expires_at": "date-time",
    "expiring_before": "date-time",
    "session_id": "uuid",
    "source_url": "uri",
    "tenant_id": "uuid",
}
"""The format of a text parameter, by its name: the signature cannot say it, and the form shows it."""

DEFAULT_TIMEOUT_SECONDS = 300

TIMEOUT_SECONDS = {
    "f/chatbot/search": 60,
    "f/chatbot/chat": 300,
    "f/chatbot/log_usage": 60,
    "f/chatbot/embed": 1800,
    "f/chatbot/ingest": 900,
    "f/chatbot/parse_file": 1800,
    "f/chatbot/update_document": 900,
    "f/chatbot/restore_version": 900,
    "f/chatbot/report_failure": 60,
    "f/chatbot/read_calendar_feed": 60,
    "f/chatbot/serve_calendar_feed": 60,
    "f/operations/deliver_by_email": 900,
    "f/operations/deliver_by_webhook": 900,
    "f/operations/erase_member": 1800,
    "f/operations/erase_tenant": 1800,
    "f/operations/find_orphans": 1800,
    "f/operations/import_tenant": 900,
    "f/operations/maintain_vector_indexes": 3600,
    "f/operations/purge_documents": 1800,
    "f/operations/reembed": 3600,
    "f/operations/work_off_files": 1800,
}
"""After how long Windmill ends a job of a script, where that is not ``DEFAULT_TIMEOUT_SECONDS``."""

HEADER = "# Written by `python -m deploy.metadata` from the script; change it there.\n"

_SIMPLE_TYPES = {"int": "integer", "float": "number", "bool": "boolean"}


def metadata_files(repository: Path) -> dict[Path, str]:
    """Make the metadata of every script and shared module, and the inputs of every flow.

    Args:
        repository: The root of the repository.

    Returns:
        The text of each ``.script.yaml`` and ``flow.yaml`` by its path.

    Raises:
        DeployError: If a script cannot be parsed, a parameter lacks a description or has a type that Windmill's form
            would show as an untyped field or as a resource picker, or a flow does not fit the scripts that it calls.
    """
    contents = {path: metadata(script) for path, script in read_scripts(repository).items()}
    files = {repository / f"{path}.script.yaml": HEADER + to_yaml(content) for path, content in contents.items()}
    return files | flow_files(repository, {path: content["schema"] for path, content in contents.items()})


def metadata(script: Script) -> dict[str, Any]:
    """Describe one script.

    Args:
        script: The parsed script.

    Returns:
        The content of its ``.script.yaml``.

    Raises:
        DeployError: As ``metadata_files``.
    """
    documentation = read_documentation(script.source)
    if not documentation.summary:
        raise DeployError(f"{script.path}.py has no docstring to take its summary from.")
    content: dict[str, Any] = {
        "summary": documentation.summary,
        "description": documentation.description,
        "lock": f"!inline {script.path}.script.lock",
        "kind": "script",
        "schema": schema(script, documentation),
    }
    if script.has_preprocessor:
        content["has_preprocessor"] = True
    if not script.is_library:
        content["timeout"] = TIMEOUT_SECONDS.get(script.path, DEFAULT_TIMEOUT_SECONDS)
    return content


def schema(script: Script, documentation: Documentation) -> dict[str, Any]:
    """Describe the parameters of ``main`` as Windmill's form wants them.

    Args:
        script: The parsed script.
        documentation: What its docstrings say.

    Returns:
        A JSON schema with the properties in the order of the parameters.

    Raises:
        DeployError: As ``metadata_files``.
    """
    names = {argument.name for argument in script.arguments}
    unknown = sorted(documentation.parameters.keys() - names)
    if unknown:
        raise DeployError(f"{script.path}.py describes parameters that main does not have: {', '.join(unknown)}.")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "order": [argument.name for argument in script.arguments],
        "properties": {
            argument.name: _property(script.path, argument, documentation.parameters.get(argument.name, ""))
            for argument in script.arguments
        },
        "required": [argument.name for argument in script.arguments if not argument.has_default],
    }


def _property(path: str, argument: Argument, description: str) -> dict[str, Any]:
    """Describe one parameter, in the words that Windmill's command line uses when it infers them itself."""
    if not description:
        raise DeployError(f"{path}.py: main does not describe the parameter {argument.name} under Args.")
    kind = argument.type
    result: dict[str, Any] = {"description": description}
    if isinstance(kind, str) and kind in _SIMPLE_TYPES:
        result["type"] = _SIMPLE_TYPES[kind]
    elif isinstance(kind, dict) and "str" in kind:
        result |= {"type": "string", "originalType": "enum" if kind["str"] else "string"}
        if kind["str"]:
            result["enum"] = kind["str"]
        elif argument.name in FORMATS:
            result["format"] = FORMATS[argument.name]
    elif isinstance(kind, dict) and kind.get("object") == {"name": None, "props": []}:
        result |= {"type": "object", "properties": {}}
    elif isinstance(kind, dict) and "list" in kind:
        result |= _list_property(path, argument)
    else:
        raise DeployError(
            f"{path}.py: Windmill cannot show the type of {argument.name}; use str, int, float, bool, dict, "
            "list[str], list[int], list[dict] or Literal, each with `| None` where it may be missing."
        )
    return {**result, "default": argument.default}


def _list_property(path: str, argument: Argument) -> dict[str, Any]:
    item = argument.type["list"]
    if item in ("int", "float"):
        return {"type": "array", "items": {"type": "number"}, "originalType": "number[]"}
    if isinstance(item, dict) and "str" in item:
        if item["str"]:
            return {"type": "array", "items": {"type": "string", "enum": item["str"]}, "originalType": "enum[]"}
        return {"type": "array", "items": {"type": "string"}, "originalType": "string[]"}
    if isinstance(item, dict) and "object" in item:
        return {"type": "array", "items": {"type": "object"}, "originalType": "record[]"}
    raise DeployError(f"{path}.py: Windmill cannot show the items of the list {argument.name}.")


def main(arguments: list[str] | None = None) -> int:
    """Write or check the metadata.

    Args:
        arguments: The command line; that of the process when it is not given.

    Returns:
        The exit status: 1 when ``--check`` found a difference or a script is not as it should be.
    """
    return generate(
        "the .script.yaml of every script and the inputs of every flow", metadata_files, ".script.yaml", arguments
    )


if __name__ == "__main__":
    sys.exit(main())
