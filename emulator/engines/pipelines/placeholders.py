"""Fills what a compiled specification leaves open: `{{$…}}` in strings, `Concat` and `IfPresent` in command lines."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulator.expressions import text

Json = dict[str, Any]

PLACEHOLDER = re.compile(r"\{\{(\$.*?)\}\}")
REFERENCE = re.compile(r"\$\.(inputs|outputs)\.(parameters|artifacts)\['([^']*)'\](.*)")


class PlaceholderError(ValueError):
    """A placeholder that names nothing."""


@dataclass(frozen=True)
class Filling:
    """What placeholders stand for in one task."""

    executor_input: Json
    mount: str
    """Folder in which `gs://bucket/object` is `bucket/object`."""
    variables: Mapping[str, str]
    """`pipeline_job_name`, `pipeline_task_uuid`, … → value."""

    def path(self, uri: str) -> str:
        """Where the step finds `uri` as a file."""
        return f"{self.mount}/{uri.removeprefix('gs://')}" if uri.startswith("gs://") else uri

    def string(self, template: str) -> str:
        """`template` with every placeholder filled.

        Raises:
            PlaceholderError: when one names nothing.
        """
        return PLACEHOLDER.sub(lambda match: self._value(match[1]), template)

    def command(self, parts: list[str]) -> list[str]:
        """The words of a command line; a part may give none, one or several."""
        words: list[str] = []
        for part in parts:
            structured = part.startswith(('{"Concat"', '{"IfPresent"'))
            words += self._words(json.loads(part) if structured else part)
        return words

    def _words(self, part: Any) -> list[str]:
        if isinstance(part, str):
            return [self.string(part)]
        if isinstance(part, list):
            return [word for item in part for word in self._words(item)]
        if "Concat" in part:
            return ["".join(word for item in part["Concat"] for word in self._words(item))]
        test = part["IfPresent"]
        inputs = self.executor_input["inputs"]
        present = inputs["parameterValues"].get(test["InputName"]) is not None or test["InputName"] in inputs["artifacts"]
        return self._words(test["Then"] if present else test.get("Else") or [])

    def _value(self, expression: str) -> str:
        if expression == "$":
            return json.dumps(self.executor_input)
        if expression == "$.outputs.output_file":
            return str(self.executor_input["outputs"]["outputFile"])
        if expression[2:] in self.variables:
            return self.variables[expression[2:]]
        match = REFERENCE.fullmatch(expression)
        try:
            if match is None:
                raise KeyError(expression)
            side, kind, name, rest = match.groups()
            if kind == "parameters" and side == "inputs":
                return text(self.executor_input["inputs"]["parameterValues"][name])
            if kind == "parameters":
                return str(self.executor_input["outputs"]["parameters"][name]["outputFile"])
            return self._artifact(self.executor_input[side]["artifacts"][name]["artifacts"][0], rest)
        except (KeyError, IndexError):
            raise PlaceholderError(f"the placeholder {{{{{expression}}}}} names nothing that this task has") from None

    def _artifact(self, artifact: Json, rest: str) -> str:
        if rest == ".uri":
            return str(artifact["uri"])
        if rest == ".path":
            return self.path(artifact["uri"])
        if rest.startswith(".metadata"):
            value: Any = artifact.get("metadata", {})
            for key in re.findall(r"\['([^']*)'\]", rest):
                value = value[key]
            return text(value)
        return json.dumps(artifact)
