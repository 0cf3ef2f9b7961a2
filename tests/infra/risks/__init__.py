"""Mistakes that people make, each as a small change of what is clean: a file a subject.

`what` is the mistake, `rule` the policy (ours or checkov's) that must find it. The change is one of `edit` (resource type → dotted
path → value, in the first resource of the type; null removes), `add` (resource type → body), `remove` (resource types) and `document`
(dotted path → value) in `stack`, or `file` (dotted path → value in `environments/<file>.yaml`), which `refused` says must not load.
"""

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

from infra.policies.subject import SynthesisedStack

FOLDER = Path(__file__).parent


class Risk(BaseModel):
    """One mistake and who must find it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    rule: str = ""
    stack: str = ""
    edit: Mapping[str, Mapping[str, Any]] = {}
    add: Mapping[str, Mapping[str, Any]] = {}
    remove: tuple[str, ...] = ()
    document: Mapping[str, Any] = {}
    file: str = ""
    set: Mapping[str, Any] = {}
    refused: str = ""

    @model_validator(mode="after")
    def _it_is_a_change_of_a_stack_or_of_a_file(self) -> "Risk":
        in_stack = bool(self.stack and self.rule and (self.edit or self.add or self.remove or self.document))
        in_file = bool(self.file and self.set and self.refused)
        assert in_stack != in_file, f"{self.what}: give stack, rule and a change, or file, set and refused"
        return self


def risks() -> Iterator[Risk]:
    """Every risk of every file."""
    for path in sorted(FOLDER.glob("*.yaml")):
        for content in yaml.safe_load(path.read_text(encoding="utf-8")):
            yield Risk.model_validate(content)


def taken(risk: Risk, stack: SynthesisedStack, id_: str = "") -> SynthesisedStack:
    """The stack after the mistake.

    Raises:
        LookupError: when the stack has nothing of the kind that the mistake is about.
    """
    document = copy.deepcopy(stack.document)
    resources = document.setdefault("resource", {})
    for type_, changes in risk.edit.items():
        edited, there = {path.partition(".")[0] for path in changes}, resources[type_]
        # The first that has what is edited, where one does.
        body = there[min(there, key=lambda name: (not edited <= there[name].keys(), name))]
        for path, value in changes.items():
            put(body, path, value)
    for type_, body in risk.add.items():
        resources.setdefault(type_, {})["added"] = copy.deepcopy(dict(body))
    for type_ in risk.remove:
        del resources[type_]
    for path, value in risk.document.items():
        put(document, path, value)
    return SynthesisedStack(id=id_ or stack.id, names=stack.names, document=document)


def put(content: Any, path: str, value: Any) -> None:
    """Set the value at a dotted path, through lists by their first element; None removes it."""
    *blocks, last = path.split(".")
    for name in blocks:
        content = content.setdefault(name, {})
        content = content[0] if isinstance(content, list) else content
    if value is None:
        content.pop(last, None)
    else:
        content[last] = value
