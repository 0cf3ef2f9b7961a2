"""What our code asked Google Cloud for, as whom: `recorded.yaml`, from the local Google Cloud's record of a whole loop.

`python -m tests.contract.access STATE` writes it, from the state folder in which `make loop` has run its local Google Cloud.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from emulator.access import roles
from emulator.access.policies import ACCESS
from emulator.store import Store
from environments import Names
from infra.policies.subject import SynthesisedStack

FILE = Path(__file__).parent / "recorded.yaml"
RECORD = "make loop, then python -m tests.contract.access .playbook/emulator"


@dataclass(frozen=True, order=True, kw_only=True)
class Grant:
    """One role of one duty; on what does not matter here."""

    duty: str
    role: str


def grants(stacks: Sequence[SynthesisedStack]) -> set[Grant]:
    """Every role that the stacks give to an identity of ours."""
    found = set()
    for stack in stacks:
        accounts: dict[str, str] = {stack.names.service_account(duty): duty for duty in stack.names.DUTIES}
        for resource in stack.resources:
            if resource.type.endswith("_iam_member"):
                member = resolved(str(resource.at("member")), stack)
                if duty := accounts.get(member.removeprefix("serviceAccount:")):
                    found.add(Grant(duty=duty, role=str(resource.at("role"))))
    return found


def resolved(member: str, stack: SynthesisedStack) -> str:
    """A member, where it stands as a reference to an account of the same stack."""
    for account in stack.by_type.get("google_service_account", ()):
        if member == f"${{{account.address}.member}}":
            return f"serviceAccount:{account.at('account_id')}@{stack.names.project}.iam.gserviceaccount.com"
    return member


def missing(asked: Mapping[str, Mapping[str, Sequence[str]]], held: set[Grant]) -> set[tuple[str, str]]:
    """Duty and permission, for all that a duty asked for and no role of it holds."""
    return {
        (duty, permission)
        for duty, permissions in asked.items()
        for permission in permissions
        if not any(roles.holds(grant.role, permission) for grant in held if grant.duty == duty)
    }


def unused(asked: Mapping[str, Mapping[str, Sequence[str]]], held: set[Grant]) -> set[Grant]:
    """Roles that hold nothing that their duty asked for."""
    return {grant for grant in held if not any(roles.holds(grant.role, permission) for permission in asked.get(grant.duty, ()))}


def recorded(state: Path, names: Names) -> dict[str, dict[str, list[str]]]:
    """Duty → permission → methods that asked for it, from a local Google Cloud's record."""
    duties: dict[str, str] = {names.service_account(duty): duty for duty in names.DUTIES}
    found: dict[str, dict[str, set[str]]] = {}
    for line in lines(state):
        if duty := duties.get(line["identity"]):
            found.setdefault(duty, {}).setdefault(line["permission"], set()).add(line["method"])
    return {duty: {permission: sorted(methods) for permission, methods in sorted(every.items())} for duty, every in sorted(found.items())}


def refused(state: Path, names: Names) -> set[tuple[str, str, str]]:
    """Duty, permission and resource, for all that an identity of ours asked for and no policy of the local Google Cloud grants."""
    duties: dict[str, str] = {names.service_account(duty): duty for duty in names.DUTIES}
    return {
        (duties[line["identity"]], line["permission"], line["resource"])
        for line in lines(state)
        if line["identity"] in duties and not line["granted"]
    }


def lines(state: Path) -> Iterator[dict[str, str]]:
    """The record of a local Google Cloud."""
    store = Store(state / "state.db")
    try:
        after = 0
        while found := store.logs(ACCESS, after):
            yield from (json.loads(line) for _, _, line in found)
            after = found[-1][0]
    finally:
        store.close()


def load() -> dict[str, dict[str, list[str]]]:
    """The committed record."""
    content: dict[str, dict[str, list[str]]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return content
