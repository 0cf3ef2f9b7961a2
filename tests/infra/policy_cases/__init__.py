"""For every policy the configurations that it passes and those that it refuses: a file a module of `infra.policies.rules`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from environments import Environment, Names, load, organisation
from infra.policies.subject import SynthesisedStack

FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Cases:
    """The cases of one policy."""

    stack: str
    passes: list[dict[str, Any]]
    fails: list[dict[str, Any]]


def cases() -> dict[str, Cases]:
    """Policy id → its cases."""
    found: dict[str, Cases] = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        for policy, content in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            assert policy not in found, f"{path.name} speaks of {policy} as another file does"
            found[policy] = Cases(**{"stack": "prod-data", **content})
    return found


def stack(id_: str, case: Mapping[str, Any]) -> SynthesisedStack:
    """A stack that declares what a case says and is otherwise as every stack is."""
    environment = changed(load(id_.partition("-")[0]), case.get("environment", {}))
    names = Names(organisation(), environment)
    document = {
        "terraform": {"backend": {"gcs": {"bucket": names.state_bucket, "prefix": id_}}},
        "provider": {"google": [{"project": names.project, "default_labels": names.labels}]},
        "resource": {type_: dict(numbered(body)) for type_, body in case.items() if type_ not in {"document", "environment"}},
    }
    return SynthesisedStack(id=id_, names=names, document={**document, **case.get("document", {})})


def numbered(bodies: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Resource id → body, for one body or a list of them."""
    for number, body in enumerate(bodies if isinstance(bodies, list) else [bodies]):
        yield f"it{number or ''}", body


def changed(environment: Environment, patch: Mapping[str, Any]) -> Environment:
    """The environment with some of its sections replaced, validated anew."""
    content = {**environment.model_dump(mode="json", exclude_none=False), **patch}
    return Environment.model_validate_json(json.dumps(content)) if patch else environment
