"""What a deployment sets on the server beside what it pushes: resource types, variables and resources.

The templates under ``resources/`` say which there are, and never hold a secret. A value comes from an environment
variable, goes into the body of one HTTPS request and nowhere else: into no file, no log, no command line. What the
environment does not give stays on the server as it is; what is not there yet is made from the template.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deploy.server import WindmillServer
from deploy.tools import DeployError

VARIABLES = {
    "f/chatbot/postgres_password": "KNOWLEDGE_APP_PASSWORD",
    "f/operations/postgres_password": "KNOWLEDGE_OPERATOR_PASSWORD",
    "f/chatbot/cohere_key": "COHERE_API_KEY",
    "f/chatbot/groq_key": "GROQ_API_KEY",
    "f/chatbot/identity_mode": "IDENTITY_MODE",
    "f/chatbot/session_signing_keys": "SESSION_SIGNING_KEYS",
    "f/operations/smtp_password": "SMTP_PASSWORD",
    "f/operations/notice_sender": "NOTICE_SENDER",
    "f/operations/notice_webhook_secret": "NOTICE_WEBHOOK_SECRET",
}
"""The environment variable that each of Windmill's variables is set from."""

DATABASE_FIELDS = {
    "host": "KNOWLEDGE_DATABASE_HOST",
    "port": "KNOWLEDGE_DATABASE_PORT",
    "dbname": "KNOWLEDGE_DATABASE_NAME",
    "sslmode": "KNOWLEDGE_DATABASE_SSLMODE",
}
"""The environment variables that the two database resources are set from."""

DATABASE_RESOURCES = ("f/chatbot/postgres_db", "f/operations/postgres_db")
CHANNEL_FIELDS = {
    "f/operations/smtp": {"host": "SMTP_HOST", "port": "SMTP_PORT", "user": "SMTP_USER"},
    "f/operations/notice_webhook": {"url": "NOTICE_WEBHOOK_URL"},
}
"""The environment variables that the resources of each channel of notices are set from."""

AI_SETTINGS = "f/chatbot/ai_settings"
FILE_SOURCES = "f/chatbot/file_sources"
JSON_FILES = {AI_SETTINGS: "AI_SETTINGS_FILE", FILE_SOURCES: "FILE_SOURCES_FILE"}
"""The environment variables that name a file with the value of a resource."""

IDENTITY_MODES = ("trusted", "signed")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a deployment sets.

    Attributes:
        kind: ``type``, ``variable`` or ``resource``.
        path: Windmill's path for it; of a resource type, its name.
        reason: Where the value comes from; the value itself is never shown.
        template: The content of its template.
        value: What to set.
    """

    kind: str
    path: str
    reason: str
    template: dict[str, Any]
    value: Any

    def __repr__(self) -> str:
        """Show everything but the value, so that no trace or log can hold it."""
        return f"Change({self.kind} {self.path}, {self.reason})"


def plan_changes(repository: Path, given: Mapping[str, tuple[str, Any]], server: WindmillServer) -> list[Change]:
    """Find out what has to be set.

    Args:
        repository: The root of the repository, with the templates.
        given: The values of the environment, by ``read_values``.
        server: Asked which of them there are; nothing is changed.

    Returns:
        The resource types and variables first, since resources refer to them; each kind sorted by path.

    Raises:
        DeployError: If the server does not tell.
    """
    changes: list[Change] = []
    for name, template in _types(repository).items():
        there = server.resource_type(name)
        if there is None or any(there.get(key) != template[key] for key in ("schema", "description")):
            changes.append(Change("type", name, "from the repository", template, template["schema"]))
    for kind in ("variable", "resource"):
        for path, template in _templates(repository, kind).items():
            known = server.variable(path) if kind == "variable" else server.resource(path)
            if path in given:
                base = known["value"] if known and isinstance(known.get("value"), dict) else template["value"]
                reason, value = given[path]
                in_part = path in DATABASE_RESOURCES or path in CHANNEL_FIELDS
                changes.append(Change(kind, path, reason, template, {**base, **value} if in_part else value))
            elif known is None:
                changes.append(Change(kind, path, "new, from the template", template, template["value"]))
    return changes


def apply_change(change: Change, server: WindmillServer) -> None:
    """Set one thing on the server.

    Args:
        change: What to set.
        server: Where.

    Raises:
        DeployError: If the server refuses.
    """
    description = change.template.get("description", "")
    if change.kind == "type":
        server.set_resource_type(change.path, change.value, description=description)
    elif change.kind == "variable":
        is_secret = bool(change.template["is_secret"])
        server.set_variable(change.path, str(change.value), is_secret=is_secret, description=description)
    else:
        resource_type = change.template["resource_type"]
        server.set_resource(change.path, change.value, resource_type=resource_type, description=description)


def read_values(environment: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    """Read the values that an environment gives.

    Args:
        environment: The environment of the deployment.

    Returns:
        For each path where the value came from, and the value; for a database's or a channel's resource, the part of it
        that is given.

    Raises:
        DeployError: If a value is malformed; the message names the variable, not the value.
    """
    given: dict[str, tuple[str, Any]] = {
        path: (f"from {name}", environment[name].strip())
        for path, name in VARIABLES.items()
        if environment.get(name, "").strip()
    }
    mode = given.get("f/chatbot/identity_mode")
    if mode and mode[1] not in IDENTITY_MODES:
        raise DeployError(f"IDENTITY_MODE must be {' or '.join(IDENTITY_MODES)}.")
    for paths, fields in (
        (DATABASE_RESOURCES, DATABASE_FIELDS),
        *(((path,), fields) for path, fields in CHANNEL_FIELDS.items()),
    ):
        if part := _part_of_resource(environment, fields):
            names = ", ".join(fields[key] for key in part)
            given |= dict.fromkeys(paths, (f"from {names}", part))
    given |= {
        path: (f"from {name}", _json_file(name, environment[name]))
        for path, name in JSON_FILES.items()
        if environment.get(name)
    }
    return given


def _part_of_resource(environment: Mapping[str, str], fields: Mapping[str, str]) -> dict[str, Any]:
    """Read the fields of a resource that an environment gives."""
    part: dict[str, Any] = {key: environment[name] for key, name in fields.items() if environment.get(name)}
    if "port" in part:
        if not part["port"].isdecimal():
            raise DeployError(f"{fields['port']} must be a number.")
        part["port"] = int(part["port"])
    return part


def _json_file(name: str, file: str) -> dict[str, Any]:
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DeployError(f"{name} cannot be read as JSON: {error}.") from error
    if not isinstance(content, dict):
        raise DeployError(f"{name} must hold a JSON object.")
    return content


def _templates(repository: Path, kind: str) -> dict[str, dict[str, Any]]:
    """Read the templates of one kind by Windmill's path."""
    folder = repository / "resources"
    ending = f".{kind}.yaml"
    return {
        f"f/{file.relative_to(folder).as_posix().removesuffix(ending)}": yaml.safe_load(
            file.read_text(encoding="utf-8")
        )
        for file in sorted(folder.rglob(f"*{ending}"))
    }


def _types(repository: Path) -> dict[str, dict[str, Any]]:
    """Read the resource types by name."""
    ending = ".resource-type.yaml"
    return {
        file.name.removesuffix(ending): yaml.safe_load(file.read_text(encoding="utf-8"))
        for file in sorted((repository / "resources" / "types").glob(f"*{ending}"))
    }
