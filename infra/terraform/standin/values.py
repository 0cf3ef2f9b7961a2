"""Terraform's values ↔ Google's JSON, driven by the schema: snake_case and lists of blocks here, camelCase and objects there."""

import json
import re
from typing import Any

from infra.terraform.standin.schema import Attribute, Block, Nested
from infra.terraform.standin.types import Resource

PLACES = ("project", "location", "region", "zone")
"""Attributes that stand in the path and fall back on the provider's configuration."""
LABELS = ("labels", "terraform_labels", "effective_labels")


class Unknown:
    """What only Google will say: Terraform's unknown value."""

    def __repr__(self) -> str:
        return "(known after apply)"


UNKNOWN = Unknown()


def camel(name: str) -> str:
    """`display_name` → `displayName`."""
    return re.sub(r"_+(\w)", lambda match: match[1].upper(), name)


def target(type_: Resource, path: str) -> str | None:
    """Where an attribute stands in the body of its block, or None when Google never sees it."""
    if path in type_.body:
        return type_.body[path]
    return None if path in PLACES or path in ("id", "timeouts", type_.whole) else camel(path.rpartition(".")[2])


def lookup(body: Any, path: str) -> Any:
    """The value at a dotted path, or None."""
    for part in path.split("."):
        body = body.get(part) if isinstance(body, dict) else None
    return body


def place(body: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path."""
    *parents, last = path.split(".")
    for part in parents:
        body = body.setdefault(part, {})
    body[last] = value


def has_labels(block: Block) -> bool:
    """Whether the resource carries the provider's three label attributes."""
    return "effective_labels" in block.attributes


def to_body(type_: Resource, block: Block, values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """What Google is sent for `values`: everything that is set and that Google does not set itself."""
    body: dict[str, Any] = json.loads(values[type_.whole]) if type_.whole and not prefix else {}
    for name, attribute in block.attributes.items():
        path, value = f"{prefix}{name}", values.get(name)
        where = target(type_, path)
        if where is None or value is None or value is UNKNOWN or not (attribute.required or attribute.optional) or name == "labels":
            continue
        if value == "":
            # As the provider does: an expiration policy whose ttl is empty is one without a ttl.
            continue
        place(body, where, json.loads(value) if path in type_.json else value)
    if not prefix and has_labels(block):
        body["labels"] = values.get("effective_labels") or {}
    elif values.get("labels") is not None:
        body["labels"] = values["labels"]
    for name, nested in block.blocks.items():
        path, items = f"{prefix}{name}", values.get(name)
        where = target(type_, path)
        if where is not None and isinstance(items, list) and items:
            constants = type_.constants.get(path, {})
            bodies = [to_body(type_, nested.block, item or {}, f"{path}.") | constants for item in items]
            if key := type_.keyed.get(path):
                place(body, where, {item[key]: inner for item, inner in zip(items, bodies, strict=True)})
            else:
                place(body, where, bodies[0] if nested.one and path not in type_.listed else bodies)
    return body


def to_state(
    type_: Resource, block: Block, body: dict[str, Any], kept: dict[str, Any], everything: bool, prefix: str = ""
) -> dict[str, Any]:
    """Terraform's values for what Google answered.

    What Google says and the configuration does not is left alone, as Google fills in defaults: an optional attribute that is null in
    `kept` stays null, unless `everything` is asked for (an import).

    Args:
        type_: the entry of the table.
        block: schema of the resource, or of the block inside it.
        body: what Google answered.
        kept: values of the state, or those just planned.
        everything: read what the configuration does not set as well.
        prefix: path of the block, with a dot at its end.
    """
    state: dict[str, Any] = {}
    for name, attribute in block.attributes.items():
        path = f"{prefix}{name}"
        where, old = target(type_, path), kept.get(name)
        old = None if old is UNKNOWN else old
        if where is None or (old is None and not attribute.computed and not everything):
            state[name] = old
            continue
        found = lookup(body, where)
        if path in type_.short and isinstance(found, str):
            found = found.rpartition("/")[2]
        state[name] = _json(old, found) if path in type_.json else _agreed(name, attribute, old, found)
    if not prefix and type_.whole:
        state[type_.whole] = _json(kept.get(type_.whole), body)
    if not prefix and has_labels(block):
        state |= _labels(body.get("labels") or {}, kept)
    for name, nested in block.blocks.items():
        path, old = f"{prefix}{name}", kept.get(name)
        where = target(type_, path)
        if where is None or (not old and not everything):
            state[name] = old
            continue
        found = lookup(body, where)
        alone = (nested.one and path not in type_.listed) or (isinstance(found, dict) and path not in type_.keyed)
        items = [] if found is None else [found] if alone else found
        if isinstance(items, dict):
            items = [{type_.keyed[path]: key, **item} for key, item in items.items()]
        state[name] = _blocks(type_, nested, items, old or [], everything, f"{path}.")
    return state


def _blocks(type_: Resource, nested: Nested, items: list[Any], kept: list[Any], everything: bool, prefix: str) -> list[Any]:
    """Nested blocks: lists are matched by position; of a set, the block that says the same."""

    def read(item: Any, old: dict[str, Any], everything: bool) -> dict[str, Any]:
        return to_state(type_, nested.block, item if isinstance(item, dict) else {}, old, everything, prefix)

    if nested.nesting == "list":
        return [read(item, kept[i] if i < len(kept) else {}, everything or i >= len(kept)) for i, item in enumerate(items)]
    same = [next((old for old in kept if read(item, old, everything) == old), None) for item in items]
    spare = iter([old for old in kept if old not in same])

    def changed(item: Any) -> dict[str, Any]:
        old = next(spare, None)
        return read(item, old or {}, everything or old is None)

    return [changed(item) if old is None else old for item, old in zip(items, same, strict=True)]


def _labels(found: dict[str, str], kept: dict[str, Any]) -> dict[str, Any]:
    """The configuration owns only its own labels; all of them are in `effective_labels`."""

    def own(name: str) -> dict[str, str] | None:
        old = kept.get(name)
        return {key: found[key] for key in old if key in found} if isinstance(old, dict) else None

    return {"labels": own("labels"), "terraform_labels": own("terraform_labels") or {}, "effective_labels": found}


def _agreed(name: str, attribute: Attribute, old: Any, found: Any) -> Any:
    """`old` where it says the same as what was found, otherwise what was found, in the attribute's type."""
    if found is None:
        # Google leaves out what equals its default.
        return old if old in (None, False, 0, "", [], {}) else None
    found = _typed(attribute.type, found)
    if isinstance(old, str) and isinstance(found, str):
        if found.endswith(f"/{old}") or (name == "location" and old.casefold() == found.casefold()):
            return old
    elif (
        isinstance(old, list)
        and isinstance(found, list)
        and attribute.type[0] == "set"
        and sorted(map(str, old)) == sorted(map(str, found))
    ) or (isinstance(old, list) and isinstance(found, list) and len(old) == len(found) and all(map(_same_text, old, found))):
        return old
    return found


def _same_text(old: Any, found: Any) -> bool:
    return bool(old == found or (isinstance(old, str) and isinstance(found, str) and found.endswith(f"/{old}")))


def _typed(type_: Any, found: Any) -> Any:
    """`found` as a value of the Terraform type: 64-bit integers arrive as text, and some texts as numbers."""
    if type_ == "number":
        if isinstance(found, str):
            return float(found) if "." in found else int(found)
        return found
    if type_ == "bool":
        return found == "true" if isinstance(found, str) else bool(found)
    if type_ == "string":
        return found if isinstance(found, str) else json.dumps(found, separators=(",", ":"))
    if isinstance(type_, list) and type_[0] in ("list", "set"):
        items = found if isinstance(found, list) else [found]
        return [_typed(type_[1], item) for item in items]
    if isinstance(type_, list) and type_[0] == "map" and isinstance(found, dict):
        return {key: _typed(type_[1], item) for key, item in found.items()}
    if isinstance(type_, list) and type_[0] == "object" and isinstance(found, dict):
        return {key: None if lookup(found, camel(key)) is None else _typed(inner, found[camel(key)]) for key, inner in type_[1].items()}
    return None


def _json(old: Any, found: Any) -> Any:
    """JSON text: the old one while Google's value holds all that it says."""
    if found is None:
        return old if old in (None, "", "{}", "[]") else None
    if old is not None and _holds(found, json.loads(old)):
        return old
    return json.dumps(found, sort_keys=True)


def _holds(found: Any, said: Any) -> bool:
    """Whether `found` says everything that `said` says; what Google adds does not count."""
    if isinstance(said, dict) and isinstance(found, dict):
        return all(_holds(found.get(key), value) for key, value in said.items())
    if isinstance(said, list) and isinstance(found, list):
        return len(said) == len(found) and all(map(_holds, found, said))
    return bool(found == said)
