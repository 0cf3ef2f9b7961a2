"""A synthesised stack as rules see it, and what a rule answers."""

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environments import Environment, Names, load, organisation
from environments.loading import environment_names
from infra.synthesis import origins


class NothingToCheck(Exception):
    """A check would have run on nothing; the message is complete and meant for people."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One declared resource."""

    type: str
    id: str
    body: dict[str, Any]
    construct: str = ""
    """Path of its construct in the app, e.g. `dev-data/raw/bucket`."""

    @property
    def address(self) -> str:
        """Terraform address, e.g. `google_storage_bucket.raw_bucket_9C1B2D3E`."""
        return f"{self.type}.{self.id}"

    def at(self, path: str) -> Any:
        """The value at a dotted path, through the one-element lists that blocks may be; None where there is none."""
        found: Any = self.body
        for part in path.split("."):
            if isinstance(found, list):
                found = found[0] if len(found) == 1 else None
            found = found.get(part) if isinstance(found, Mapping) else None
        return found

    def blocks(self, path: str) -> list[dict[str, Any]]:
        """The blocks at a dotted path; none, one and many look alike."""
        found = self.at(path)
        return [block for block in (found if isinstance(found, list) else [found]) if isinstance(block, dict)]


@dataclass(frozen=True, kw_only=True)
class SynthesisedStack:
    """One `cdk.tf.json` and the environment that it was made for."""

    id: str
    names: Names
    document: dict[str, Any]
    origins: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Construct path → the lines that declared it, innermost first."""

    @property
    def environment(self) -> Environment:
        """The environment."""
        return self.names.environment

    @functools.cached_property
    def resources(self) -> tuple[Resource, ...]:
        """Every declared resource, sorted by address."""
        return tuple(
            Resource(
                type=type_,
                id=id_,
                body={key: value for key, value in body.items() if key != "//"},
                construct=body.get("//", {}).get("metadata", {}).get("path", ""),
            )
            for type_, declared in sorted(self.document.get("resource", {}).items())
            for id_, body in sorted(declared.items())
        )

    @functools.cached_property
    def by_type(self) -> Mapping[str, tuple[Resource, ...]]:
        """Resource type → the resources of that type."""
        found: dict[str, list[Resource]] = {}
        for resource in self.resources:
            found.setdefault(resource.type, []).append(resource)
        return {type_: tuple(resources) for type_, resources in found.items()}

    @property
    def provider(self) -> dict[str, Any]:
        """The google provider's configuration."""
        configurations = self.document.get("provider", {}).get("google", [{}])
        return dict(configurations[0])


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """One rule broken in one place."""

    stack: str
    address: str
    rule: str
    message: str
    """What is wrong, what follows, what mends it."""
    construct: str = ""
    source: tuple[str, ...] = ()
    """`file:line` of the declaration, innermost first."""

    def __str__(self) -> str:
        where = f"\n        construct {self.construct}" if self.construct else ""
        lines = f", declared at {' from '.join(self.source)}" if self.source else ""
        return f"{self.stack}  {self.address}  [{self.rule}] {self.message}{where}{lines}"


def finding(stack: SynthesisedStack, resource: Resource | None, rule: str, message: str) -> Finding:
    """A finding on a resource, or on the stack as a whole."""
    return Finding(
        stack=stack.id,
        address=resource.address if resource else "(stack)",
        rule=rule,
        message=message,
        construct=resource.construct if resource else stack.id,
        source=tuple(stack.origins.get(resource.construct, ())) if resource else (),
    )


def read(out: Path, environments: Sequence[str]) -> list[SynthesisedStack]:
    """The synthesised stacks of some environments, or of all that have a file.

    Raises:
        NothingToCheck: when an environment has no synthesised stack.
    """
    stacks = []
    for environment in environments or environment_names():
        names = Names(organisation(), load(environment))
        found = sorted((out / "stacks").glob(f"{environment}-*/cdk.tf.json"))
        if not found:
            raise NothingToCheck(
                f"{out} holds no stack of {environment}. A check of nothing would pass whatever was wrong. "
                f"Run: python -m infra.app --env {environment} --out {out}"
            )
        stacks += [
            SynthesisedStack(
                id=path.parent.name, names=names, document=json.loads(path.read_text()), origins=origins.read(path.with_name(origins.FILE))
            )
            for path in found
        ]
    return stacks


def strings(value: Any) -> Iterator[str]:
    """Every string in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
