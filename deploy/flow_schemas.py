"""The inputs of a flow, taken from the scripts that it hands them to.

A flow has no signature: what it takes is what its steps read as ``flow_input.<name>``. So that its form never says
something else than the scripts do, the end of every ``flow.yaml``, below a marked line, is written from them. What
stands above that line is written by hand.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.generated import to_yaml
from deploy.tools import DeployError

MARKER = "# Written by `python -m deploy.metadata` from the scripts' parameters.\n"

_INPUT = re.compile(r"^flow_input\.(\w+)$")


def flow_files(repository: Path, schemas: Mapping[str, dict[str, Any]]) -> dict[Path, str]:
    """Write the inputs of every flow anew.

    Args:
        repository: The root of the repository.
        schemas: The schema of each script by its path, such as ``f/chatbot/search``.

    Returns:
        The whole text of each ``flow.yaml`` by its path.

    Raises:
        DeployError: If a flow lacks the marked line, calls a script that is not there, passes a parameter that the
            script does not have, or leaves a required one out.
    """
    known, written = dict(schemas), dict[Path, str]()
    # A flow that calls another comes after it, because it takes over what that one takes.
    for file in sorted((repository / "flows").rglob("flow.yaml"), key=lambda file: (_calls_flows(file), file)):
        path = f"f/{file.parent.relative_to(repository / 'flows').as_posix()}"
        written[file] = _complete(file, known)
        known[path] = yaml.safe_load(written[file])["schema"]
    return written


def flow_schema(flow: dict[str, Any], schemas: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Describe the inputs of a flow.

    Args:
        flow: The content of its ``flow.yaml``.
        schemas: The schema of each script by its path.

    Returns:
        A JSON schema: each input has the description, type and default of the parameter that it is handed to; where
        there are several, that of the parameter with the same name.

    Raises:
        DeployError: As ``flow_files``.
    """
    properties: dict[str, Any] = {}
    required: set[str] = set()
    for step in _steps(flow):
        script = step["value"]["path"]
        if script not in schemas:
            raise DeployError(f"the step {step['id']} calls {script}, which is not there")
        parameters = schemas[script]["properties"]
        transforms: dict[str, Any] = step["value"]["input_transforms"]
        strange = sorted(transforms.keys() - parameters.keys())
        missing = sorted(set(schemas[script]["required"]) - transforms.keys())
        if strange or missing:
            raise DeployError(f"the step {step['id']} gives {script} {strange}, which it does not take, not {missing}")
        for name, transform in transforms.items():
            found = _INPUT.match(transform.get("expr", ""))
            if found and (found[1] not in properties or name == found[1]):
                properties[found[1]] = parameters[name]
            if found and step["id"] != "failure" and name in schemas[script]["required"]:
                required.add(found[1])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "order": list(properties),
        "properties": properties,
        "required": [name for name in properties if name in required],
    }


def _steps(flow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from _leaves(flow["value"]["modules"])
    yield flow["value"]["failure_module"]


def _leaves(modules: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Give the steps that are scripts or flows, those inside of loops too."""
    for module in modules:
        if module["value"]["type"] == "forloopflow":
            yield from _leaves(module["value"]["modules"])
        else:
            yield module


def _calls_flows(file: Path) -> bool:
    flow = yaml.safe_load(file.read_text(encoding="utf-8"))
    return any(step["value"]["type"] == "flow" for step in _leaves(flow["value"]["modules"]))


def _complete(file: Path, schemas: Mapping[str, dict[str, Any]]) -> str:
    text = file.read_text(encoding="utf-8")
    written, marker, _ = text.partition(MARKER)
    if not marker:
        raise DeployError(f"{file} lacks the line that its inputs are written below: {MARKER.strip()}")
    try:
        schema = flow_schema(yaml.safe_load(written), schemas)
    except DeployError as error:
        raise DeployError(f"{file}: {error}.") from error
    return written + marker + to_yaml({"schema": schema})
