"""Changes that a plan can hold, each as `terraform show -json` writes it: a file a section of the review, and `harmless.yaml`.

`what` is the change in words, `finds` the id of the finding that must stand at its address (a harmless change has none above a note).
`bodies.yaml` holds what Terraform knows of a resource of each type: `set` is what its configuration says, `google` what only Google
says. A case changes that by dotted paths → values, through a list by its first element or by a number: `before` over the body, `after`
over what it then is; `unknown` are paths that are known after the apply only. `also` are further changes in the same plan.
Every body is made complete by the provider's schema, as in a plan, and a name that the provider does not know is refused.
"""

import copy
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from infra.terraform.providers import CACHE, VERSION
from infra.terraform.standin import schema

FOLDER = Path(__file__).parent
BODIES: Mapping[str, Any] = yaml.safe_load((FOLDER / "bodies.yaml").read_text(encoding="utf-8"))
GOOGLE = "registry.terraform.io/hashicorp/google"
PROJECT = "acme-shop-prod"
REGION = "europe-west4"
Values = dict[str, Any]


class Change(BaseModel):
    """What a plan does to one resource."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    name: str = "case"
    actions: tuple[str, ...] = ("update",)
    before: Mapping[str, Any] = {}
    after: Mapping[str, Any] = {}
    unknown: tuple[str, ...] = ()
    replace_paths: tuple[tuple[str | int, ...], ...] = ()
    action_reason: str = ""
    previous_address: str = ""
    importing: str = ""

    @property
    def address(self) -> str:
        """As Terraform writes it, in the root module."""
        return f"{self.type}.{self.name}"


class Case(Change):
    """A change, and what the review must say of it."""

    what: str
    finds: str = ""
    level: str = ""
    also: tuple[Change, ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """All of the plan, itself first."""
        return (self, *self.also)


def cases(file: str = "*") -> Iterator[Case]:
    """Every case of every file, or of one."""
    for path in sorted(FOLDER.glob(f"{file}.yaml")):
        if path.stem != "bodies":
            for content in yaml.safe_load(path.read_text(encoding="utf-8")):
                yield Case.model_validate(content)


def plan(changes: Sequence[Change], provider: Mapping[str, Any] | None = None) -> Values:
    """The plan of these changes, in the form of `terraform show -json`.

    Args:
        changes: a resource each.
        provider: further constants in the configuration of the provider.
    """
    said = {"project": PROJECT, "region": REGION, **(provider or {})}
    made = [resource(change) for change in changes]
    return {
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "planned_values": {"root_module": {"resources": [_values(found, "after") for found in made if found["change"]["after"]]}},
        "resource_changes": made,
        "prior_state": {
            "format_version": "1.0",
            "terraform_version": "1.11.4",
            "values": {"root_module": {"resources": [_values(found, "before") for found in made if found["change"]["before"]]}},
        },
        "configuration": {
            "provider_config": {
                "google": {
                    "name": "google",
                    "full_name": GOOGLE,
                    "version_constraint": VERSION,
                    "expressions": {name: {"constant_value": value} for name, value in said.items()},
                }
            },
            "root_module": {"resources": [_configured(change) for change in changes if change.actions[-1] not in ("delete", "forget")]},
        },
        "timestamp": "2026-11-27T09:00:00Z",
        "applyable": True,
        "complete": True,
        "errored": False,
    }


def resource(change: Change) -> Values:
    """One entry of `resource_changes`."""
    kind = BODIES[change.type]
    configured = edited(kind["set"], change.before)
    before = complete(change.type, edited({**kind["set"], **kind.get("google", {})}, change.before))
    after: Values | None
    unknown: Values
    if "create" in change.actions:
        # What only Google says is said anew.
        after, unknown = _unsaid(change.type, complete(change.type, edited(configured, change.after)), kind.get("google", {}))
    else:
        after, unknown = complete(change.type, edited(before, change.after)), {}
    unknown = {**_mask(after, []), **unknown}
    for path in change.unknown:
        after, unknown = edited(after, {path: None}), edited(unknown, {path: True})
    planned: Values = {
        "actions": list(change.actions),
        "before": None if change.actions == ("create",) else before,
        "after": None if change.actions[-1] in ("delete", "forget") and "create" not in change.actions else after,
        "after_unknown": unknown,
    }
    if planned["after"] is None:
        planned["after_unknown"] = {}
    for side in ("before", "after"):
        planned[f"{side}_sensitive"] = _mask(planned[side], kind.get("sensitive", [])) if planned[side] else False
    if change.replace_paths:
        planned["replace_paths"] = [list(path) for path in change.replace_paths]
    if change.importing:
        planned["importing"] = {"id": change.importing}
    entry = {
        "address": change.address,
        "mode": "managed",
        "type": change.type,
        "name": change.name,
        "provider_name": kind.get("provider", GOOGLE),
        "change": planned,
    }
    if change.action_reason:
        entry["action_reason"] = change.action_reason
    if change.previous_address:
        entry["previous_address"] = change.previous_address
    return entry


def edited(values: Mapping[str, Any] | None, changes: Mapping[str, Any]) -> Values:
    """A copy with other values at dotted paths."""
    made: Values = copy.deepcopy(dict(values or {}))
    for path, value in changes.items():
        content: Any = made
        *blocks, last = path.split(".")
        for name in blocks:
            if isinstance(content, list):
                content = content[int(name)] if name.isdigit() else content[0][name]
            else:
                if not content.get(name):
                    content[name] = {}
                content = content[name]
        if isinstance(content, list) and not last.isdigit():
            content = content[0]
        content[int(last) if isinstance(content, list) else last] = copy.deepcopy(value)
    return made


@functools.cache
def block(type_: str) -> schema.Block | None:
    """The provider's schema of a type; None for the types of other providers."""
    if "provider" in BODIES[type_]:
        return None
    return schemas().get(type_)


@functools.cache
def schemas() -> Mapping[str, schema.Block]:
    """Of every type of Google in the corpus, read at once."""
    return schema.load((type_ for type_, kind in BODIES.items() if "provider" not in kind), CACHE)


def complete(type_: str, values: Values) -> Values:
    """The values with null or an empty list for all that they do not name.

    Raises:
        LookupError: when they name what the provider does not know.
    """
    known = block(type_)
    if known is None:
        if "provider" not in BODIES[type_]:
            raise LookupError(f"the google provider {VERSION} has no type {type_}")
        return values
    _refuse_unknown(type_, known, values)
    return schema.map_values(known, values, lambda _, value: value)


def _refuse_unknown(place: str, known: schema.Block, values: Mapping[str, Any]) -> None:
    if strange := values.keys() - known.attributes.keys() - known.blocks.keys():
        raise LookupError(f"the google provider {VERSION} has no {', '.join(sorted(strange))} in {place}")
    for name, nested in known.blocks.items():
        inner = values.get(name)
        for item in [inner] if isinstance(inner, dict) else inner or []:
            if not isinstance(item, dict):
                raise LookupError(f"{place}.{name} is a block, so its values are a list of mappings")
            _refuse_unknown(f"{place}.{name}", nested.block, item)


def _unsaid(type_: str, values: Values, google: Mapping[str, Any]) -> tuple[Values, Values]:
    """What is known before the apply, and true for what is not."""
    known = block(type_)
    computed = {name for name, attribute in known.attributes.items() if attribute.computed} if known else set()
    unknown = {name for name, value in values.items() if name in google or (name in computed and value is None)}
    return {name: value for name, value in values.items() if name not in unknown}, dict.fromkeys(sorted(unknown), True)


def _mask(values: Any, sensitive: Sequence[str]) -> Any:
    """Terraform's mask: the shape of the values with true where they are sensitive."""
    if isinstance(values, list):
        return [_mask(item, sensitive) for item in values]
    if not isinstance(values, dict):
        return False
    mask: Values = {}
    for name, value in values.items():
        if name in sensitive:
            mask[name] = True
        elif isinstance(value, (dict, list)):
            mask[name] = _mask(value, [path.partition(".")[2] for path in sensitive if path.startswith(f"{name}.")])
    return mask


def _values(found: Values, side: str) -> Values:
    """The entry of a resource in the state or in what is planned of it."""
    kept = {name: found[name] for name in ("address", "mode", "type", "name", "provider_name")}
    return {
        **kept,
        "schema_version": 0,
        "values": found["change"][side],
        "sensitive_values": found["change"][f"{side}_sensitive"],
    }


def _configured(change: Change) -> Values:
    """The entry of a resource in the configuration, all of it constant."""
    body = edited(edited(BODIES[change.type]["set"], change.before), change.after)
    return {
        "address": change.address,
        "mode": "managed",
        "type": change.type,
        "name": change.name,
        "provider_config_key": "google",
        "expressions": _expressions(block(change.type), body),
        "schema_version": 0,
    }


def _expressions(known: schema.Block | None, body: Mapping[str, Any]) -> Values:
    blocks = known.blocks if known else {}
    return {
        name: [_expressions(blocks[name].block, item) for item in value]
        if name in blocks and isinstance(value, list)
        else {"constant_value": value}
        for name, value in body.items()
        if value is not None
    }
