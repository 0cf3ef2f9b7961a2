"""Our policies, a module a subject; `RULES` lists them all.

Lives here: `access`, `encryption`, `governance`, `lifecycle`, `naming`, `network`, `placement`, `running`, `storage`, `vertex`,
`workbench`; and `owned_once`, the one look at several stacks together. A policy is a function under a decorator that says its id, reason,
remedy and reference (`infra.policies.policy`); each has a case that it passes and one that it refuses in `tests/infra/policy_cases/`.
Does not live here: what checkov sees as well (`infra.policies.scanner`). Start reading: `storage.py`.
"""

from collections.abc import Iterator, Sequence

from infra.policies.policy import Policy
from infra.policies.rules import (
    access,
    encryption,
    governance,
    lifecycle,
    naming,
    network,
    placement,
    running,
    storage,
    vertex,
    workbench,
)
from infra.policies.rules.naming import name_formats, names_are_unique
from infra.policies.subject import Finding, SynthesisedStack, finding

SUBJECTS: dict[str, tuple[str, tuple[Policy, ...]]] = {
    module.__name__.rpartition(".")[2]: (str(module.__doc__), module.POLICIES)
    for module in (access, encryption, governance, lifecycle, naming, network, placement, running, storage, vertex, workbench)
}
"""Module → what it is about, and its policies."""

RULES: tuple[Policy, ...] = tuple(policy for _, policies in SUBJECTS.values() for policy in policies)


def owned_once(stacks: Sequence[SynthesisedStack]) -> Iterator[Finding]:
    """What two stacks of one environment both declare, so that each apply would undo the other's."""
    seen: dict[str, tuple[SynthesisedStack, str]] = {}
    for stack in stacks:
        for resource in stack.resources:
            # A reference means another resource in every stack.
            key = naming.identity(resource)
            if not key or "${" in key:
                continue
            known = seen.setdefault(f"{stack.environment.name} {key}", (stack, resource.address))
            if known[0].id != stack.id:
                yield finding(
                    stack,
                    resource,
                    "owned-once",
                    f"is {known[1]} of {known[0].id} too; each apply would undo the other. Leave it to one stack.",
                )


__all__ = ["RULES", "SUBJECTS", "name_formats", "names_are_unique", "owned_once"]
