"""The table `types.yaml` as frozen values: which requests apply a resource type."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

TABLE = Path(__file__).with_name("types.yaml")


@dataclass(frozen=True)
class Create:
    """The request that creates: `fields` beside the resource's own body, which stands under `wrap` where that is given."""

    path: str
    method: str = "POST"
    query: dict[str, str] = field(default_factory=dict)
    wrap: str = ""
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Update:
    """The request that changes: the update mask goes into the `query`, the `body`, or nowhere; `carry` is sent back as it was read."""

    method: str = "PATCH"
    mask: str = ""
    wrap: str = ""
    carry: tuple[str, ...] = ()


@dataclass(frozen=True)
class Item:
    """A resource that is an entry of a list in another one: the list's field and the entry's key."""

    of: str
    key: str


@dataclass(frozen=True)
class Resource:
    """A resource with its own address.

    Attributes:
        api: address of the API, with its version.
        resource: path of the resource below `api`.
        id: Terraform's id; the path when empty.
        create: how it is created.
        update: how it is changed; None when every change replaces it.
        delete: query of the deleting request.
        body: attribute path → path in the body where it is not the same word in camel case; None for what Google never sees.
        json: attributes that hold JSON text where the body holds a value.
        keyed: lists of blocks that are objects in the body, keyed by this attribute.
        constants: fields that go with a block whenever it is set.
        short: names that are the last part of what Google answers.
        outputs: computed attributes that are made of others.
        immutable: attributes whose change replaces the resource.
        behaviour: the function of `behaviours` that knows what the table cannot say.
        item: set for an entry of a list in another resource.
        protected_by: the attribute that forbids to destroy it.
    """

    api: str
    resource: str
    id: str = ""
    create: Create = Create("")
    update: Update | None = None
    delete: dict[str, str] = field(default_factory=dict)
    body: dict[str, str | None] = field(default_factory=dict)
    json: tuple[str, ...] = ()
    keyed: dict[str, str] = field(default_factory=dict)
    constants: dict[str, dict[str, Any]] = field(default_factory=dict)
    short: tuple[str, ...] = ()
    outputs: dict[str, str] = field(default_factory=dict)
    immutable: tuple[str, ...] = ()
    behaviour: str = ""
    item: Item | None = None
    protected_by: str = ""


@dataclass(frozen=True)
class Grant:
    """One member of one role in a resource's IAM policy; `style` is how the API reads and writes the policy."""

    api: str
    resource: str
    style: str


@cache
def table() -> dict[str, Resource | Grant]:
    """Every type that the stand-in can apply."""
    return {name: _type(entry) for name, entry in yaml.safe_load(TABLE.read_text())["types"].items()}


def _type(entry: dict[str, Any]) -> Resource | Grant:
    if "grant" in entry:
        return Grant(**entry["grant"])
    values = _frozen(entry)
    for name, part in (("create", Create), ("update", Update), ("item", Item)):
        if name in values:
            values[name] = part(**_frozen(values[name]))
    return Resource(**values)


def _frozen(entry: dict[str, Any]) -> dict[str, Any]:
    """Lists as tuples, as frozen values hold them."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
