"""Who may do more, and who may do less: grants before and after, over all plans together."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from infra.review import roles
from infra.review.change import Planned
from infra.review.report import (
    HIDDEN,
    UNKNOWN,
    AccessChanges,
    Finding,
    FindingId,
    GrantChange,
    ImpersonationEdge,
    Level,
    ordered,
)
from infra.review.rules import doors, grants, members
from infra.review.rules.grants import PUBLIC, Grant
from infra.review.rules.world import World, said

AUTHORITATIVE = ("_iam_binding", "_iam_policy")
SPECIAL = {"projectOwners", "projectReaders", "projectWriters"}
"""Groups of BigQuery and Cloud Storage that are a project's own."""
Make = Callable[[FindingId, Level, str], Finding]
"""What makes a finding on a grant."""
REVOKE = "Take back the grant; whoever used it meanwhile stands in the audit logs."


@dataclass(frozen=True)
class Moved:
    """What one place grants now and did not before, or the other way round."""

    it: Planned
    grant: Grant


def access(resources: Sequence[Planned], world: World) -> AccessChanges:
    """The section on access."""
    changed = [it for it in resources if it.change and it.action not in {"move", "read"}]
    old = {(it.stack, grant) for it in resources for grant in grants.before(it)}
    new = {(it.stack, grant) for it in resources for grant in grants.after(it) if it.action != "forget"}
    added = [Moved(it, grant) for it in changed for grant in sorted(grants.after(it)) if (it.stack, grant) not in old]
    gone = [Moved(it, grant) for it in changed for grant in sorted(grants.before(it)) if (it.stack, grant) not in new]
    kept = _by_member(grant for _, grant in old)
    left = _by_member(grant for _, grant in new)
    rows = [*(_added(one, kept, world) for one in added), *(_removed(one, world) for one in gone)]
    found = [
        *(finding for one in added for finding in _widened(one, kept, world)),
        *(finding for one in gone for finding in _narrowed(one, left)),
        *(finding for it in changed for finding in _authoritative(it)),
        *(finding for it in changed for finding in doors.opened(it)),
    ]
    edges = [*(_edge(one, "added") for one in added), *(_edge(one, "removed") for one in gone)]
    return AccessChanges(
        findings=ordered(found),
        grants=tuple(
            sorted(rows, key=lambda row: (row.change, -row.strength, row.stack, row.address, row.role, row.member, row.condition))
        ),
        edges=tuple(sorted(filter(None, edges), key=lambda edge: (edge.change, edge.stack, edge.address, edge.member, edge.role))),
    )


def _edge(one: Moved, change: Literal["added", "removed"]) -> ImpersonationEdge | None:
    """Who could or can no longer become whom; None where a role says nothing of that."""
    it, grant = one.it, one.grant
    if grant.role not in roles.IMPERSONATING:
        return None
    return ImpersonationEdge(
        stack=it.stack, address=it.address, change=change, member=grant.member, identity=_identity(grant), role=grant.role
    )


Held = Mapping[tuple[str, str], frozenset[Grant]]
"""On what and who → what they hold there."""


def _by_member(held: Iterable[Grant]) -> Held:
    found: dict[tuple[str, str], set[Grant]] = defaultdict(set)
    for grant in held:
        found[grant.on, grant.member].add(grant)
    return {key: frozenset(value) for key, value in found.items()}


def _same(grant: Grant, kept: Held) -> frozenset[Grant]:
    return kept.get((grant.on, grant.member), frozenset())


def _added(one: Moved, kept: Held, world: World) -> GrantChange:
    grant, was = one.grant, sorted(_same(one.grant, kept), key=lambda held: (-roles.strength(held.role), held.role))
    before = next((held for held in was if held.role == grant.role), was[0] if was and _exchanges(one.it) else None)
    return GrantChange(
        stack=one.it.stack,
        address=one.it.address,
        change="changed" if before else "added",
        on=grant.on,
        role=grant.role,
        strength=roles.strength(grant.role),
        role_before=before.role if before else "",
        strength_before=roles.strength(before.role) if before else 0,
        member=grant.member,
        member_kind=members.kind(grant.member),
        outside=members.outside(grant.member, world),
        condition=grant.condition,
        condition_before=before.condition if before else "",
    )


def _exchanges(it: Planned) -> bool:
    return it.action in {"update", "replace"}


def _removed(one: Moved, world: World) -> GrantChange:
    grant = one.grant
    return GrantChange(
        stack=one.it.stack,
        address=one.it.address,
        change="removed",
        on=grant.on,
        role=grant.role,
        strength=roles.strength(grant.role),
        member=grant.member,
        member_kind=members.kind(grant.member),
        outside=members.outside(grant.member, world),
        condition=grant.condition,
    )


def _widened(one: Moved, kept: Held, world: World) -> Iterator[Finding]:
    """What a new grant means."""
    it, grant = one.it, one.grant
    who, does = _who(grant.member), roles.WORDS[roles.strength(grant.role)]
    under = f" under the condition {grant.condition}" if grant.condition else ""

    def finding(id_: FindingId, level: Level, text: str) -> Finding:
        return it.finding(id_, level, text, REVOKE, "member")

    was = _same(grant, kept)
    same = [held for held in was if held.role == grant.role]
    if any(not held.condition for held in same):
        yield finding("role-revoked", "note", f"{who} would hold {grant.role} on {grant.on} only{under}")
        return
    stronger = [held for held in was if roles.strength(held.role) >= roles.strength(grant.role) and not held.condition]
    if same:
        if not grant.condition:
            text = f"{who} would hold {grant.role} on {grant.on} without the condition {same[0].condition}"
        else:
            text = f"{who} would hold {grant.role} on {grant.on} under {grant.condition} instead of {same[0].condition}"
        yield finding("condition-removed", "sign-off", text)
    elif stronger and _loses(it, stronger):
        yield finding("role-granted", "note", f"{who} would have {grant.role} on {grant.on}, where it had {stronger[0].role}")
        return
    elif was and max(roles.strength(held.role) for held in was) < roles.strength(grant.role):
        text = f"{who} would have {grant.role} ({does}) on {grant.on}{under}, where it had {', '.join(sorted(held.role for held in was))}"
        yield finding("role-strengthened", "sign-off", text)
    else:
        # A new dataset or bucket belongs to its project's own groups, as Google makes it.
        level: Level = "note" if grant.member in SPECIAL and it.before is None else "sign-off"
        yield finding("role-granted", level, f"{who} would get {grant.role} ({does}) on {grant.on}{under}")
    yield from _remarkable(one, finding, world)


def _loses(it: Planned, held: Sequence[Grant]) -> bool:
    """Whether the stronger grant goes in the same breath, so that this is a step down."""
    return _exchanges(it) and any(grant in grants.before(it) for grant in held)


def _remarkable(one: Moved, finding: Make, world: World) -> Iterator[Finding]:
    grant = one.grant
    who, kind = _who(grant.member), members.kind(grant.member)
    if grant.member in PUBLIC:
        yield finding("public-member", "block", f"{who} would have {grant.role} on {grant.on}")
    if roles.administers(grant.role) and grant.member not in SPECIAL:
        level: Level = "block" if grant.role in {"roles/owner", "roles/editor"} else "sign-off"
        yield finding("admin-role", level, f"{who} {roles.WORDS[roles.strength(grant.role)]} {grant.on} by {grant.role}")
    if grant.role in roles.IMPERSONATING:
        yield finding("impersonation", "sign-off", f"{who} could act as {_identity(grant)} by {grant.role}")
    if kind == "person":
        yield finding("person-granted", "sign-off", f"{who} is one person, who takes the access along when the work changes hands")
    if members.outside(grant.member, world):
        yield finding("outsider-granted", "sign-off", f"{who} belongs to another project or domain, whose owners decide who that is")


def _identity(grant: Grant) -> str:
    """The service account that a grant lets somebody be, or all of them where it is on more than one."""
    if grant.on.startswith("the service account"):
        return grant.on
    if grant.on.startswith("service account "):
        return grant.on.removeprefix("service account ").rpartition("/")[2]
    return f"every identity of {grant.on}"


def _who(member: str) -> str:
    words = {"allUsers": "everybody on the internet", "allAuthenticatedUsers": "everybody with any Google account"}
    return words.get(member) or ("whoever the apply will tell" if member in (UNKNOWN, HIDDEN) else said(member))


def _narrowed(one: Moved, left: Held) -> Iterator[Finding]:
    """What the end of a grant means."""
    grant = one.grant
    if any(held.role == grant.role for held in _same(grant, left)):
        return
    remedy = "Grant it again if something that it served stops."
    # Whatever Google keeps for us under a key can no longer be read once its agent may not use the key.
    level: Level = "sign-off" if grant.role.startswith("roles/cloudkms.") and members.kind(grant.member) == "agent" else "note"
    yield one.it.finding("role-revoked", level, f"{_who(grant.member)} would lose {grant.role} on {grant.on}", remedy, "member")


def _authoritative(it: Planned) -> Iterator[Finding]:
    if it.type.endswith(AUTHORITATIVE) and it.before is None:
        role = f" of {said(it.will('role'))}" if it.will("role") else ""
        text = (
            f"every member{role} on {grants.target(it.type, it.after or {})} that is not named here would lose it, Google's own agents too"
        )
        yield it.finding("authoritative-grant", "sign-off", text, "Use the type that ends in _iam_member.", "")
