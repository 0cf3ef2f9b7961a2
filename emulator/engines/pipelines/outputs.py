"""What a step left: KFP's executor writes one file, other programs a file for each parameter. None of it is trusted to be whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from emulator.engines.pipelines.tasks import TaskFailed, Values
from emulator.engines.pipelines.values import typed

Json = dict[str, Any]


def outputs_of(executor_input: Json, component: Json) -> Values:
    """The outputs that a component declares, as its step left them.

    Raises:
        TaskFailed: One is not what it is declared to be.
    """
    outputs = executor_input["outputs"]
    definitions = component.get("outputDefinitions", {}).get("parameters", {})
    try:
        said = json.loads(_content(outputs["outputFile"]) or "{}")
        parameters = dict(said.get("parameterValues", {}))
        artifacts = {name: _artifact(given["artifacts"][0], said, name) for name, given in outputs["artifacts"].items()}
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise TaskFailed(f"The executor output that the step wrote is not as KFP's executor writes it: {error}") from None
    found = Values(artifacts={name: [artifact] for name, artifact in artifacts.items()})
    for name, definition in definitions.items():
        kind = definition.get("parameterType")
        content = _content(outputs["parameters"][name]["outputFile"])
        try:
            if name in parameters:
                found.parameters[name] = typed(parameters[name], kind)
            elif content is not None:
                found.parameters[name] = typed(content if kind in ("STRING", "BOOLEAN") else json.loads(content), kind)
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise TaskFailed(f"The output parameter {name} of type {kind} holds {str(parameters.get(name, content))[:80]!r}") from None
    return found


def _artifact(declared: Json, said: Json, name: str) -> Json:
    """An artifact with the address and the metadata that the step gave it."""
    changed = (said.get("artifacts", {}).get(name, {}).get("artifacts") or [{}])[0]
    uri, metadata = changed.get("uri") or declared["uri"], dict(changed.get("metadata") or declared["metadata"])
    return {**declared, "uri": uri, "metadata": metadata}


def _content(file: str) -> str | None:
    """The text of a file of a step's outputs, or none; never what a link or a device that it left there leads to."""
    path = Path(file)
    if path.is_symlink() or not path.is_file():
        return None
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise TaskFailed(f"The output file {path.name} is not UTF-8.") from None
