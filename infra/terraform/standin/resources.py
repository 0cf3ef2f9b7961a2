"""Create, read, update and delete of one resource: Terraform's values in, Terraform's values out."""

import re
from typing import Any

from infra.terraform.rest import Google
from infra.terraform.standin import grants
from infra.terraform.standin.behaviours import STEPS
from infra.terraform.standin.planning import Provider
from infra.terraform.standin.schema import Block
from infra.terraform.standin.steps import Target
from infra.terraform.standin.types import Grant, Resource
from infra.terraform.standin.values import PLACES, UNKNOWN, to_body, to_state

Values = dict[str, Any]


class Protected(Exception):
    """The resource forbids its destruction."""


def known(values: Values) -> Values:
    """`values` with unknown ones as null."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [plain(inner) for inner in value]
        return None if value is UNKNOWN else value

    return {name: plain(value) for name, value in values.items()}


def _target(google: Google, type_: Resource | Grant, values: Values, provider: Provider) -> Target:
    filled = dict(values)
    for name in PLACES:
        filled[name] = filled.get(name) or provider.place(name)
    resource = type_ if isinstance(type_, Resource) else Resource(api=type_.api, resource=type_.resource)
    return Target(google, resource, filled)


def _grant_path(place: Target, grant: Grant) -> str:
    """Path of what the grant is on; an attribute that holds a full name already is the path."""
    last = grant.resource.rpartition("{")[2].rstrip("}")
    value = str(place.values.get(last, ""))
    return value if value.startswith("projects/") else place.expand(grant.resource)


def create(google: Google, type_: Resource | Grant, block: Block, planned: Values, provider: Provider) -> Values:
    """Create the resource and read it back.

    Raises:
        Refused: when Google refuses.
    """
    values = known(planned)
    place = _target(google, type_, values, provider)
    if isinstance(type_, Grant):
        path = _grant_path(place, type_)
        grants.create(google, type_, path, values)
        values["id"] = f"{path}/{values['role']}/{values['member']}"
        return read(google, type_, block, values, provider) or values
    made = STEPS[type_.behaviour].create(place, to_body(type_, block, values))
    if type_.resource == "{name}":
        values["name"] = place.values["name"] = made["name"]
    for name, answered in type_.assigned.items():
        given = str(made[answered])
        values[name] = place.values[name] = given.rpartition("/")[2] if name in type_.short else given
    values["id"] = place.expand(type_.id or type_.resource)
    return read(google, type_, block, values, provider) or values


def read(
    google: Google, type_: Resource | Grant, block: Block, values: Values, provider: Provider, everything: bool = False
) -> Values | None:
    """The values as Google has them now; None when the resource is gone.

    Raises:
        Refused: when Google refuses.
    """
    place = _target(google, type_, values, provider)
    if isinstance(type_, Grant):
        found = grants.read(google, type_, _grant_path(place, type_), values)
        return None if found is None else values | {name: value for name, value in found.items() if name in block.attributes}
    body = STEPS[type_.behaviour].read(place)
    if body is None:
        return None
    state = to_state(type_, block, body, values, everything)
    place = _target(google, type_, state, provider)
    for name in PLACES:
        if name in block.attributes and state.get(name) is None and block.attributes[name].computed:
            state[name] = place.values[name]
    state |= {name: place.expand(template) for name, template in type_.outputs.items()}
    return state | {"id": place.expand(type_.id or type_.resource)}


def update(google: Google, type_: Resource, block: Block, prior: Values, planned: Values, provider: Provider) -> Values:
    """Send what differs and read the resource back; nothing is sent when only Terraform's own attributes differ.

    Raises:
        Refused: when Google refuses.
    """
    values = known(planned)
    place = _target(google, type_, values, provider)
    old, new = to_body(type_, block, prior), to_body(type_, block, values)
    changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if changed:
        STEPS[type_.behaviour].update(place, new, changed)
    return read(google, type_, block, values, provider) or values


def delete(google: Google, type_: Resource | Grant, values: Values, provider: Provider) -> None:
    """Delete the resource.

    Raises:
        Refused: when Google refuses.
        Protected: when the resource says that it must not be destroyed.
    """
    place = _target(google, type_, values, provider)
    if isinstance(type_, Grant):
        grants.delete(google, type_, _grant_path(place, type_), values)
        return
    # The provider's default is protection: only an explicit false lifts it.
    if type_.protected_by and values.get(type_.protected_by) is not False:
        raise Protected(f"{type_.protected_by} is not false, so it is kept; set it to false and apply first")
    STEPS[type_.behaviour].delete(place)


def imported(type_: Resource, block: Block, id_: str) -> Values | None:
    """Values that an import id says, e.g. project, location and name; None when it does not fit."""
    for template in filter(None, (type_.id, type_.resource)):
        # A lone {name}, and a leading parent such as {key_ring}, hold whole paths; a word that comes again says the same again.
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
        for word in re.findall(r"\{(\w+)\}", template):
            head, group, rest = pattern.partition(f"(?P<{word}>[^/]+)")
            pattern = head + group + rest.replace(group, f"(?P={word})")
        if template.startswith("{"):
            pattern = pattern.replace("[^/]+", ".+", 1)
        if match := re.fullmatch(pattern, id_):
            return {**dict.fromkeys(block.attributes), **match.groupdict(), "id": id_}
    return None
