"""A synthesised stack as rules see it, and what a rule answers."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments import Environment, Names, load, organisation
from environments.loading import environment_names


class NothingToCheck(Exception):
    """A check would have run on nothing; the message is complete and meant for people."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One declared resource."""

    type: str
    id: str
    body: dict[str, Any]

    @property
    def address(self) -> str:
        """Terraform address, e.g. `google_storage_bucket.raw_bucket_9C1B2D3E`."""
        return f"{self.type}.{self.id}"


@dataclass(frozen=True, kw_only=True)
class SynthesisedStack:
    """One `cdk.tf.json` and the environment that it was made for."""

    id: str
    names: Names
    document: dict[str, Any]

    @property
    def environment(self) -> Environment:
        """The environment."""
        return self.names.environment

    @property
    def resources(self) -> Iterator[Resource]:
        """Every declared resource, sorted by address."""
        for type_, declared in sorted(self.document.get("resource", {}).items()):
            for id_, body in sorted(declared.items()):
                yield Resource(type=type_, id=id_, body={key: value for key, value in body.items() if key != "//"})

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

    def __str__(self) -> str:
        return f"{self.stack}  {self.address}  [{self.rule}] {self.message}"


def read(out: Path, environments: list[str]) -> list[SynthesisedStack]:
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
        stacks += [SynthesisedStack(id=path.parent.name, names=names, document=json.loads(path.read_text())) for path in found]
    return stacks
