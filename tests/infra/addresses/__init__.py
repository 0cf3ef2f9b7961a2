"""The addresses of the last release, `released.yaml`: what states hold that people have applied.

An address that is gone from every environment is a rename, which Terraform would read as destroy and create, unless the stack carries a
`moved` block; what is meant to go carries a `removed` block. `python -m tests.infra.addresses` writes the file, when a release is made.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from infra.policies.subject import SynthesisedStack

FILE = Path(__file__).parent / "released.yaml"
RELEASE = "python -m tests.infra.addresses"


def addresses(stacks: Mapping[str, SynthesisedStack]) -> dict[str, list[str]]:
    """Stack name → the addresses that it declares in any environment: a switch that is off somewhere moves nothing."""
    found: dict[str, set[str]] = {}
    for id_, stack in stacks.items():
        found.setdefault(id_.partition("-")[2], set()).update(resource.address for resource in stack.resources)
    return {name: sorted(every) for name, every in sorted(found.items())}


def told(stacks: Mapping[str, SynthesisedStack], block: str, key: str) -> dict[str, set[str]]:
    """Stack name → the addresses under a key of its `moved` or `removed` blocks."""
    found: dict[str, set[str]] = {}
    for id_, stack in stacks.items():
        blocks: Any = stack.document.get(block, [])
        for each in blocks if isinstance(blocks, list) else [blocks]:
            found.setdefault(id_.partition("-")[2], set()).add(str(each.get(key)))
    return found


def lost(released: Mapping[str, list[str]], stacks: Mapping[str, SynthesisedStack]) -> list[str]:
    """Released addresses that are neither declared nor moved nor removed, as `stack: address`."""
    declared = addresses(stacks)
    moved, removed = told(stacks, "moved", "from"), told(stacks, "removed", "from")
    return [
        f"{stack}: {address}"
        for stack, every in released.items()
        for address in every
        if address not in {*declared.get(stack, ()), *moved.get(stack, ()), *removed.get(stack, ())}
    ]


def astray(stacks: Mapping[str, SynthesisedStack]) -> list[str]:
    """Ends of `moved` blocks that nothing declares, as `stack: address`."""
    declared = addresses(stacks)
    return [f"{stack}: {to}" for stack, ends in told(stacks, "moved", "to").items() for to in sorted(ends - {*declared[stack]})]


def render(stacks: Mapping[str, SynthesisedStack]) -> str:
    """The content of `released.yaml`."""
    return yaml.safe_dump(addresses(stacks), width=1000)
