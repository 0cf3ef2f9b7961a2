"""What `terraform show -json` says of a plan: every change, before and after, without what is secret.

Any root can be read, ours or not. Only `resource_changes` and `resource_drift` are looked into: variables, outputs, prior state and
configuration repeat the same values without the masks. A value is hidden where the provider's mask says so, where the attribute is known
to hold secrets (`secrets`), where it looks like a credential, and wherever a value that is masked in one place stands in another.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from infra.review.change import Planned
from infra.review.report import HIDDEN, UNKNOWN, Action, AttributeChange, Change, Tally
from infra.review.secrets import carries, scrubbed

FORMATS = ("1.0", "1.1", "1.2")
"""Of `terraform show -json`. Another may hold a field that changes something and that nobody here would be told of."""
ACTIONS: dict[tuple[str, ...], Action | None] = {
    ("no-op",): None,
    ("create",): "create",
    ("read",): "read",
    ("update",): "update",
    ("delete", "create"): "replace",
    ("create", "delete"): "replace",
    ("create", "forget"): "replace",
    ("delete",): "delete",
    ("forget",): "forget",
}
SHORTEST_SECRET = 6
"""A masked value is hidden elsewhere only from this length on: `true` and `eu` would hide half of every plan."""


class PlanUnreadable(Exception):
    """A file is no plan that can be reviewed; the message is complete and meant for people."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a resource was declared."""

    construct_path: str
    source: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One plan, as rules see it."""

    stack: str
    terraform: str
    resources: tuple[Planned, ...]
    """All of them, unchanged ones too."""
    outside: tuple[Planned, ...]
    """What was changed outside Terraform since the last apply."""
    tally: Tally
    complete: bool
    left_out: tuple[str, ...]
    """What the plan will do or decide that no change describes: deferred resources, actions, a failure."""
    region: str = ""
    """Of the google provider, as far as its configuration says it: where a resource is that names no place."""
    project: str = ""
    """Of the same: whose a resource is that names no project."""

    @property
    def changes(self) -> tuple[Planned, ...]:
        """The resources to which something happens."""
        return tuple(resource for resource in self.resources if resource.change)


@dataclass(frozen=True)
class Concealed:
    """What is secret in one resource, while it is walked through."""

    type: str
    secrets: Sequence[str]
    """Values that are masked somewhere in the plan, the longest first."""

    def hides(self, path: tuple[str, ...], mask: Any) -> bool:
        """Whether nothing below `path` may be read."""
        return mask is True or bool(path and carries(self.type, path))

    def shown(self, value: Any) -> Any:
        """A value without the credentials in it."""
        if isinstance(value, str):
            return scrubbed(value, self.secrets)
        if isinstance(value, dict):
            return {key: HIDDEN if carries(self.type, (str(key),)) and inner else self.shown(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.shown(inner) for inner in value]
        return HIDDEN if not isinstance(value, bool) and value is not None and str(value) in self.secrets else value


def load(path: Path) -> dict[str, Any]:
    """A plan as a file holds it.

    Raises:
        PlanUnreadable: when there is no file, or it is something else.
    """
    how = f"Write it with: terraform show -json PLAN > {path.name}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PlanUnreadable(f"{path}: {error.strerror}, so that nothing was reviewed. {how}") from None
    if content[:2] == b"PK":
        raise PlanUnreadable(f"{path} is Terraform's own plan file, which only Terraform can read. Nothing was reviewed. {how}")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise PlanUnreadable(f"{path} is no JSON ({error}), so that nothing was reviewed. {how}") from None
    if not isinstance(document, dict):
        raise PlanUnreadable(f"{path} holds no plan, so that nothing was reviewed. {how}")
    return document


def read(
    document: Mapping[str, Any],
    stack: str,
    declared: Mapping[str, Origin] | None = None,
    elsewhere: Mapping[str, Collection[str]] | None = None,
) -> Plan:
    """The changes of a plan.

    Args:
        document: what `terraform show -json` wrote.
        stack: what to call the plan.
        declared: address → where it was declared, as far as that is known.
        elsewhere: address → arguments that Terraform leaves to others (`ignore_changes`), whose changes are no drift.

    Raises:
        PlanUnreadable: when it is no plan, or of a format that is not understood.
    """
    found = document.get("format_version")
    if "resource_changes" not in document and "planned_values" not in document:
        what = "a state" if "values" in document else "no plan"
        raise PlanUnreadable(
            f"{stack}: this is {what} and says nothing of changes. Nothing was reviewed. Write the plan itself: terraform show -json PLAN"
        )
    if found not in FORMATS:
        raise PlanUnreadable(
            f"{stack}: the plan has format {found}, and {', '.join(FORMATS)} are understood: what is new in it would be seen by nobody. "
            "Nothing was reviewed. Use a Terraform that writes one of them, or read what is new and add it to infra/review/plan.py."
        )
    try:
        return _read(document, stack, declared or _modules(document), elsewhere or {})
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        # What other errors say may hold a value of the plan.
        wrong = f"{type(error).__name__}: {error}" if type(error) in (KeyError, ValueError) else type(error).__name__
        raise PlanUnreadable(
            f"{stack}: the plan is damaged ({wrong}). Nothing was reviewed. Write it anew: terraform show -json PLAN"
        ) from None


STAMPS = {
    *("etag", "fingerprint", "generation", "metageneration", "updated", "update_time"),
    *("last_modified_time", "num_bytes", "num_long_term_bytes", "num_rows", "deployed_models"),
}
"""What Google counts up by itself, also where a neighbour is changed (every grant of a bucket gets a new etag with each new one), and
what a resource says about its use: no argument sets any of these."""


def _touched(it: Planned, elsewhere: Collection[str]) -> bool:
    """Whether somebody changed something about a resource, and not only what says how it is used or belongs to somebody else."""
    if it.after is None or it.change is None:
        return True
    left = tuple(path.replace("[", ".").replace("]", "") + "." for path in elsewhere)
    return any(one.path.partition(".")[0] not in STAMPS and not f"{one.path}.".startswith(left) for one in it.change.attributes)


def _read(document: Mapping[str, Any], stack: str, declared: Mapping[str, Origin], elsewhere: Mapping[str, Collection[str]]) -> Plan:
    changes, drift = document.get("resource_changes") or [], document.get("resource_drift") or []
    secrets = sorted(set(_secrets(document, [*changes, *drift])), key=lambda secret: (-len(secret), secret))
    outside = [_planned(it, stack, declared, secrets) for it in drift]
    # A data source that was read while planning changes nothing.
    resources = [_planned(it, stack, declared, secrets) for it in changes if it.get("mode") != "data" or _action(it)]
    left_out = [
        f"{it['resource_change']['address']} is deferred: {str(it.get('reason', 'unknown')).replace('_', ' ')}"
        for it in document.get("deferred_changes") or []
    ]
    left_out += [f"{it.get('address', 'an action')} will run, and no plan says what it does" for it in _actions(document)]
    if document.get("errored"):
        left_out.append("the plan failed, and says only what was planned until then")
    return Plan(
        stack=stack,
        terraform=str(document.get("terraform_version", "")),
        resources=tuple(sorted(resources, key=_place)),
        outside=tuple(sorted((it for it in outside if _touched(it, elsewhere.get(it.address, ()))), key=_place)),
        tally=_tally(resources),
        complete=not left_out and document.get("complete", True) is True,
        left_out=tuple(sorted(left_out)),
        region=_provided(document, "region"),
        project=_provided(document, "project"),
    )


def _provided(document: Mapping[str, Any], name: str) -> str:
    """An argument of the google provider, said plainly or by a variable."""
    providers = (document.get("configuration") or {}).get("provider_config") or {}
    said = ((providers.get("google") or {}).get("expressions") or {}).get(name) or {}
    match said.get("references"):
        case [str(reference)] if reference.startswith("var."):
            said = {"constant_value": ((document.get("variables") or {}).get(reference.removeprefix("var.")) or {}).get("value")}
    return str(said.get("constant_value") or "")


def _place(resource: Planned) -> tuple[str, str]:
    return resource.address, resource.action


def _actions(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Actions that Terraform 1.14 and later run beside changes."""
    return [*(document.get("action_invocations") or []), *(document.get("deferred_action_invocations") or [])]


def _action(resource: Mapping[str, Any]) -> Action | None:
    actions = tuple(resource["change"]["actions"])
    if actions not in ACTIONS:
        raise ValueError(f"a {resource['type']} is to be {' and '.join(actions)}, which is not understood")
    if action := ACTIONS[actions]:
        return action
    if resource["change"].get("importing"):
        return "import"
    return "move" if resource.get("previous_address") else None


def _tally(resources: Sequence[Planned]) -> Tally:
    changes = [resource.change for resource in resources if resource.change]

    def count(action: Action) -> int:
        return sum(change.action == action for change in changes)

    return Tally(
        create=count("create"),
        update=count("update"),
        replace=count("replace"),
        delete=count("delete"),
        forget=count("forget"),
        adopt=sum(bool(change.imported) for change in changes),
        move=sum(bool(change.moved_from) for change in changes),
        unchanged=len(resources) - len(changes),
    )


def _secrets(document: Mapping[str, Any], resources: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Every masked value that is long enough to be one."""
    for resource in resources:
        change = resource["change"]
        for side, mask in (("before", "before_sensitive"), ("after", "after_sensitive")):
            yield from _masked(change.get(side), change.get(mask))
    for output in (document.get("output_changes") or {}).values():
        for side, mask in (("before", "before_sensitive"), ("after", "after_sensitive")):
            yield from _masked(output.get(side), output.get(mask))
    declared = document.get("configuration", {}).get("root_module", {}).get("variables", {})
    for name, variable in (document.get("variables") or {}).items():
        if declared.get(name, {}).get("sensitive"):
            yield from _masked(variable.get("value"), True)


def _masked(value: Any, mask: Any) -> Iterator[str]:
    if mask is True:
        if isinstance(value, dict):
            for inner in value.values():
                yield from _masked(inner, True)
        elif isinstance(value, list):
            for inner in value:
                yield from _masked(inner, True)
        elif value is not None and len(text := str(value)) >= SHORTEST_SECRET and not isinstance(value, bool):
            yield text
    elif isinstance(mask, dict) and isinstance(value, dict):
        for key, inner in mask.items():
            yield from _masked(value.get(key), inner)
    elif isinstance(mask, list) and isinstance(value, list):
        for one, inner in zip(value, mask, strict=False):
            yield from _masked(one, inner)


def _planned(resource: Mapping[str, Any], stack: str, declared: Mapping[str, Origin], secrets: Sequence[str]) -> Planned:
    """One resource, redacted."""
    change, type_ = resource["change"], resource["type"]
    address = scrubbed(resource["address"], secrets)
    if deposed := resource.get("deposed"):
        address += f" (deposed {deposed})"
    concealed, masks = Concealed(type_, secrets), (change.get("before_sensitive"), change.get("after_sensitive"))
    before, after, unknown = change.get("before"), change.get("after"), change.get("after_unknown")
    origin = declared.get(resource["address"]) or declared.get(resource.get("module_address") or "") or Origin(construct_path="")
    action = _action(resource)
    said = _said(resource, action, (stack, address), origin, concealed) if action else None
    old = None if before is None else _redacted((), before, masks[0], None, concealed)
    gone = action in {"delete", "forget"}
    new = old if not said else None if gone else _redacted((), after or {}, masks[1], unknown, concealed)
    return Planned(
        stack=stack,
        address=address,
        type=type_,
        before=old,
        after=new,
        change=said,
        construct_path=origin.construct_path,
        source=origin.source,
    )


def _said(resource: Mapping[str, Any], action: Action, place: tuple[str, str], origin: Origin, concealed: Concealed) -> Change:
    """What the report says of a change."""
    change, (stack, address) = resource["change"], place
    replaced = tuple(tuple(map(str, path)) for path in change.get("replace_paths") or [])
    masks = change.get("before_sensitive"), change.get("after_sensitive")
    walk = _Walk(concealed, replaced)
    attributes = _differences((), change.get("before"), change.get("after"), masks, change.get("after_unknown"), walk)
    imported = change.get("importing") or {}
    return Change(
        stack=stack,
        address=address,
        type=resource["type"],
        action=action,
        attributes=tuple(sorted(attributes, key=lambda attribute: attribute.path)),
        forced_by=tuple(sorted({".".join(path) for path in replaced})),
        reason=str(resource.get("action_reason") or ""),
        moved_from=scrubbed(resource.get("previous_address") or "", concealed.secrets),
        imported=scrubbed(str(imported.get("id") or ("(by identity)" if imported else "")), concealed.secrets),
        create_first=change["actions"][0] == "create" and action == "replace",
        construct_path=origin.construct_path,
        source=origin.source,
    )


def _redacted(path: tuple[str, ...], value: Any, mask: Any, unknown: Any, concealed: Concealed) -> Any:
    """A value with what is hidden and what is unknown in its place."""
    if unknown is True:
        return UNKNOWN
    if concealed.hides(path, mask):
        return value if value in (None, "", [], {}) else HIDDEN
    if isinstance(value, dict):
        keys = {**value, **(unknown if isinstance(unknown, dict) else {})}
        return {
            concealed.shown(key): _redacted((*path, key), value.get(key), _under(mask, key), _under(unknown, key), concealed)
            for key in keys
        }
    if isinstance(value, list):
        return [
            _redacted(path, inner, _under(mask, index), _under(unknown, index), concealed)
            if isinstance(inner, dict | list)
            else _redacted_leaf(inner, _under(mask, index), _under(unknown, index), concealed)
            for index, inner in enumerate(value)
        ]
    return concealed.shown(value)


def _redacted_leaf(value: Any, mask: Any, unknown: Any, concealed: Concealed) -> Any:
    if unknown is True:
        return UNKNOWN
    return HIDDEN if mask is True else concealed.shown(value)


def _under(mask: Any, key: Any) -> Any:
    """The part of a mask that is about one key or index."""
    if isinstance(mask, dict):
        return mask.get(key)
    if isinstance(mask, list):
        return mask[key] if isinstance(key, int) and key < len(mask) else None
    return True if mask is True else None


@dataclass(frozen=True)
class _Walk:
    """What stays the same while two versions of a resource are compared."""

    concealed: Concealed
    replaced: tuple[tuple[str, ...], ...]
    seen: dict[tuple[str, ...], bool] = field(default_factory=dict)

    def forces(self, path: tuple[str, ...]) -> bool:
        """Whether a change here replaces the resource: the path leads to what Terraform names, or through it."""
        return any(path[: len(named)] == named or named[: len(path)] == path for named in self.replaced)


def _differences(
    path: tuple[str, ...], before: Any, after: Any, masks: tuple[Any, Any], unknown: Any, walk: _Walk
) -> Iterator[AttributeChange]:
    """The attributes that differ, each the deepest that can be named."""
    if before == after and not unknown:
        return
    names = tuple(part for part in path if not part.isdigit())
    if walk.concealed.hides(names, masks[0]) or walk.concealed.hides(names, masks[1]):
        if before != after or unknown is True:
            yield _attribute(path, _hidden(before), UNKNOWN if unknown is True else _hidden(after), walk, sensitive=True)
    elif unknown is True:
        yield _attribute(path, walk.concealed.shown(before), UNKNOWN, walk, unknown=True)
    elif _block(before) and _block(after) and (before or after or isinstance(unknown, dict)):
        old, new = before or {}, after or {}
        for key in sorted({*old, *new, *(unknown if isinstance(unknown, dict) else ())}):
            inner = _under(masks[0], key), _under(masks[1], key)
            yield from _differences((*path, str(key)), old.get(key), new.get(key), inner, _under(unknown, key), walk)
    elif _blocks(before) and _blocks(after) and (before or after):
        yield from _of_blocks(path, before or [], after or [], masks, unknown, walk)
    elif _list(before) and _list(after) and (before or after or _known_later(unknown)):
        old, new = (
            _redacted(names, before or [], masks[0], None, walk.concealed),
            _redacted(names, after or [], masks[1], unknown, walk.concealed),
        )
        if before != after or _known_later(unknown):
            yield _attribute(path, old, new, walk, unknown=_known_later(unknown))
    elif before != after and not (before in (None, "", [], {}) and after in (None, "", [], {})):
        yield _attribute(path, walk.concealed.shown(before), walk.concealed.shown(after), walk)


def _block(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _list(value: Any) -> bool:
    return value is None or isinstance(value, list)


def _blocks(value: Any) -> bool:
    """Whether it is a list of blocks, or none."""
    return value is None or (isinstance(value, list) and all(isinstance(inner, dict) for inner in value))


def _known_later(unknown: Any) -> bool:
    return isinstance(unknown, list) and any(inner is True or _known_later(inner) for inner in unknown)


def _of_blocks(
    path: tuple[str, ...], before: list[Any], after: list[Any], masks: tuple[Any, Any], unknown: Any, walk: _Walk
) -> Iterator[AttributeChange]:
    """Blocks that both sides have are paired first, so that one that is inserted does not make all later ones differ."""
    old, new = list(range(len(before))), list(range(len(after)))
    # Terraform writes a set in an order of its own.
    for index in list(new):
        partner = next((other for other in old if before[other] == after[index]), None)
        if partner is not None and not _under(unknown, index):
            old.remove(partner)
            new.remove(index)
    for position in range(max(len(old), len(new))):
        left = old[position] if position < len(old) else None
        right = new[position] if position < len(new) else None
        inner = (None if left is None else _under(masks[0], left), None if right is None else _under(masks[1], right))
        yield from _differences(
            (*path, str(left if right is None else right)),
            None if left is None else before[left],
            None if right is None else after[right],
            inner,
            None if right is None else _under(unknown, right),
            walk,
        )


def _hidden(value: Any) -> JsonValue:
    return None if value in (None, "", [], {}) else HIDDEN


def _attribute(
    path: tuple[str, ...], before: JsonValue, after: JsonValue, walk: _Walk, sensitive: bool = False, unknown: bool = False
) -> AttributeChange:
    return AttributeChange(
        path=scrubbed(".".join(path), walk.concealed.secrets),
        before=before,
        after=after,
        sensitive=sensitive,
        unknown=unknown,
        forces_replacement=walk.forces(path),
    )


def _modules(document: Mapping[str, Any]) -> dict[str, Origin]:
    """Address of a module → where it comes from: what there is to say of a plan that has no constructs."""
    found: dict[str, Origin] = {}

    def walk(module: Mapping[str, Any], prefix: str) -> None:
        for name, call in (module.get("module_calls") or {}).items():
            address = f"{prefix}module.{name}"
            version = f" {call['version_constraint']}" if call.get("version_constraint") else ""
            found[address] = Origin(construct_path=address, source=(f"{call.get('source', '')}{version}",))
            walk(call.get("module") or {}, f"{address}.")

    walk((document.get("configuration") or {}).get("root_module") or {}, "")
    return found
