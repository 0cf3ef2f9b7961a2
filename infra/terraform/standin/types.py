"""The table `types.yaml` as frozen values: which requests apply a resource type."""

from dataclasses import field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.dataclasses import dataclass

from environments.loading import read

TABLE = Path(__file__).with_name("types.yaml")
# Not strict: a list of YAML becomes a tuple, as frozen values hold it.
DOCUMENTED = ConfigDict(extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True, config=DOCUMENTED)
class Create:
    """The request that creates."""

    path: str
    method: str = "POST"
    query: dict[str, str] = field(default_factory=dict)
    wrap: str = ""
    """The field of the request that holds the resource's own body; the request itself when empty."""
    fields: dict[str, str] = field(default_factory=dict)
    """What stands beside that body."""


@dataclass(frozen=True, config=DOCUMENTED)
class Update:
    """The request that changes."""

    method: str = "PATCH"
    mask: Literal["", "query", "body"] = ""
    """Where the update mask goes; nowhere when empty."""
    wrap: str = ""
    carry: tuple[str, ...] = ()
    """Fields that are sent back as they were read."""


@dataclass(frozen=True, config=DOCUMENTED)
class Item:
    """A resource that is an entry of a list in another one: the list's field and the entry's key."""

    of: str
    key: str


@dataclass(frozen=True, config=DOCUMENTED)
class Resource:
    """A resource with its own address."""

    api: str
    """Address of the API, with its version."""
    resource: str
    """Path of the resource below `api`."""
    id: str = ""
    """Terraform's id; the path when empty."""
    create: Create = Create("")
    """How it is created."""
    update: Update | None = None
    """How it is changed; without it every change replaces the resource."""
    delete: dict[str, str] = field(default_factory=dict)
    """Query of the deleting request."""
    body: dict[str, str | None] = field(default_factory=dict)
    """Attribute path → path in the body where it is not the same word in camel case; null for what Google never sees."""
    json: tuple[str, ...] = ()
    """Attributes that hold JSON text where the body holds a value."""
    whole: str = ""
    """The attribute whose JSON text is the whole body."""
    listed: tuple[str, ...] = ()
    """Blocks of which there can be one, and that are a list in the body."""
    keyed: dict[str, str] = field(default_factory=dict)
    """Lists of blocks that are objects in the body, keyed by this attribute."""
    constants: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Fields that go with a block whenever it is set."""
    short: tuple[str, ...] = ()
    """Names that are the last part of what Google answers."""
    assigned: dict[str, str] = field(default_factory=dict)
    """Attributes that Google chooses at the creation, and that the path needs → field of its answer."""
    outputs: dict[str, str] = field(default_factory=dict)
    """Computed attributes that are made of others."""
    immutable: tuple[str, ...] = ()
    """Attributes whose change replaces the resource."""
    behaviour: str = ""
    """The entry of `behaviours.py` that knows what the table cannot say."""
    item: Item | None = None
    """Set for an entry of a list in another resource."""
    protected_by: str = ""
    """The attribute that forbids to destroy it."""


@dataclass(frozen=True, config=DOCUMENTED)
class Grant:
    """One member of one role in a resource's IAM policy."""

    api: str
    resource: str
    style: str
    """How the API reads and writes the policy."""


@dataclass(frozen=True, config=DOCUMENTED)
class Granted:
    """The entry of a type that is a grant."""

    grant: Grant


class Table(BaseModel):
    """The content of `types.yaml`."""

    model_config = ConfigDict(**DOCUMENTED, frozen=True)

    shared: dict[str, dict[str, Any]]
    """What several types are merged from."""
    types: dict[Annotated[str, StringConstraints(pattern=r"^google_[a-z0-9_]+$")], Resource | Granted]
    """Terraform's name of a resource type → how it is applied."""


@cache
def table() -> dict[str, Resource | Grant]:
    """Every type that the stand-in can apply.

    Raises:
        ConfigurationError: when the table is wrong.
    """
    return {name: entry.grant if isinstance(entry, Granted) else entry for name, entry in read(TABLE, Table).types.items()}
