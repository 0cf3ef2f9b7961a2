"""The blast radius: which other resources and stacks, which code, and which identities and people use what changes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from environments.names import Duty
from infra.duties import DUTIES
from infra.price.idle import GRANT
from infra.review.change import Planned, items
from infra.review.named import Named
from infra.review.report import HIDDEN, UNKNOWN, BlastEdge, BlastNode, BlastRadius, CodeUse, Finding, Level, ordered
from infra.review.surroundings import Surroundings
from infra.review.uses import Code, Use

UNNOTICED = ("labels", "terraform_labels", "effective_labels", "description", "etag")
"""What may change without anybody else noticing."""
SERVICE_ACCOUNT = "google_service_account"
SAID = 4
"""How many of a kind a sentence names; the lists beside it hold all."""


@dataclass
class _Picture:
    """What is found, while it is found."""

    nodes: dict[str, BlastNode] = field(default_factory=dict)
    edges: set[tuple[str, str, str]] = field(default_factory=set)

    def add(self, origin: BlastNode, target: BlastNode, why: str) -> None:
        """One thing reaches another; a change is drawn as one, also where another change reaches it."""
        for node in (origin, target):
            if node.id not in self.nodes or node.kind == "change":
                self.nodes[node.id] = node
        self.edges.add((origin.id, target.id, why))


def blast(
    resources: Sequence[Planned], named: Named | None = None, code: Code | None = None, findings: Iterable[Finding] = ()
) -> BlastRadius:
    """Who and what else is reached by the changes of some plans.

    Args:
        resources: of all plans, unchanged ones too, since those are what is reached.
        named: the names of the environment; None for plans that are not ours.
        code: the code that asks for names; None as well.
        findings: of the other sections, for the level of a change.
    """
    levels: dict[tuple[str, str], Level] = {}
    for finding in ordered(findings):
        levels.setdefault((finding.stack, finding.address), finding.level)
    around, picture = Surroundings(resources), _Picture()
    found: list[Finding] = []
    uses: set[CodeUse] = set()
    people: set[str] = set()
    stacks: set[str] = set()
    for it in sorted(filter(reaches, resources), key=lambda it: (it.stack, it.address)):
        action = it.change.action if it.change else None
        origin = BlastNode(id=_id(it), kind="change", label=_called(it), level=levels.get((it.stack, it.address)), action=action)
        holders = around.holders(it)
        for other, attribute in holders:
            node = BlastNode(id=_id(other), kind="resource", label=_called(other))
            picture.add(origin, node, f"its {attribute} names it")
            if other.stack != it.stack:
                stacks.add(other.stack)
                picture.add(node, BlastNode(id=f"stack:{other.stack}", kind="stack", label=other.stack), "lies in it")
        who = sorted(set(_people(it, around, named)), key=lambda reached: (reached[0].id, reached[1]))
        for person, why in who:
            people.add(person.label)
            picture.add(origin, person, why)
        places = sorted({use for name in named.of(it) for use in code.of(name)}) if named and code else []
        runners = sorted({runner for use in places for runner in code.runners.get(use.within, ())}) if code else []
        for use in places:
            uses.add(CodeUse(stack=it.stack, address=it.address, name=str(use.name), room=use.room, source=use.source))
        for runner in runners:
            picture.add(origin, BlastNode(id=f"code:{runner}", kind="code", label=runner), "asks for its name")
        found += [*_consumed(it, [other for other, _ in holders]), *_used(it, places, runners, [person for person, _ in who])]
    changing = {it.stack for it in resources if it.change}
    return BlastRadius(
        findings=ordered(found),
        nodes=tuple(picture.nodes[id_] for id_ in sorted(picture.nodes)),
        edges=tuple(BlastEdge(origin=origin, target=target, why=why) for origin, target, why in sorted(picture.edges)),
        stacks=tuple(sorted(stacks - changing)),
        code=tuple(sorted(uses, key=lambda use: (use.stack, use.address, use.source, use.name))),
        people=tuple(sorted(people)),
    )


def reaches(it: Planned) -> bool:
    """Whether something that others may use becomes another thing, or is no more."""
    if it.change is None or it.before is None:
        return False
    if it.action == "update":
        return any(attribute.path.partition(".")[0] not in UNNOTICED for attribute in it.change.attributes)
    return it.action in {"replace", "delete", "forget"}


def _consumed(it: Planned, holders: Sequence[Planned]) -> Iterator[Finding]:
    """What holds its name: once it is gone, that name means nothing, or something new and empty."""
    if not holders:
        return
    elsewhere = sorted({other.stack for other in holders} - {it.stack})
    named = _listed([other.address for other in holders])
    where = f", also in {' and '.join(elsewhere)}" if elsewhere else ""
    text, remedy = (
        (
            f"{_called(it)} {_becomes(it)}, and {named} {'hold' if len(holders) > 1 else 'holds'} its name{where}",
            "Change what uses it first.",
        )
        if it.ends
        else (f"{_called(it)} would change under {named}, which use it{where}", "Look at what uses it as well.")
    )
    yield it.finding("consumed-elsewhere", "sign-off" if it.ends and elsewhere else "note", text, remedy)


def _used(it: Planned, places: Sequence[Use], runners: Sequence[str], who: Sequence[BlastNode]) -> Iterator[Finding]:
    """What asks for its name in code, and who may use it."""
    if not places:
        return
    rooms = sorted({use.room for use in places})
    where = (
        f"{_listed(runners)} ({len(places)} {'place' if len(places) == 1 else 'places'} in {' and '.join(rooms)})"
        if runners
        else _listed([use.source for use in places])
    )
    may = f"; {_listed([node.label.partition(':')[0] for node in who])} may use it" if who else ""
    if it.ends:
        text, remedy = f"{_called(it)} {_becomes(it)} under {where}{may}", "Stop what uses it until it is there again."
    else:
        text, remedy = f"{_called(it)} would change under {where}{may}", "Look whether the code expects what it was."
    yield it.finding("code-uses", "sign-off" if it.ends else "note", text, remedy)


def _becomes(it: Planned) -> str:
    return "would be made anew" if it.action == "replace" else "would go away"


def _people(it: Planned, around: Surroundings, named: Named | None) -> Iterator[tuple[BlastNode, str]]:
    """Identities and people who may use it, own it, hear of something through it, or act as it."""
    for grant in [it] if GRANT.search(it.type) else around.grants(it):
        body = grant.before or grant.after or {}
        for member in (*items(body.get("member")), *items(body.get("members"))):
            if member not in (HIDDEN, UNKNOWN):
                yield _who(member, named), f"has {body.get('role') or 'a role'}"
    for owner in items((it.before or {}).get("instance_owners")):
        yield _who(f"user:{owner}", named), "owns it"
    for address in around.addresses(it):
        yield _who(f"user:{address}", named), "hears of it"
    if it.type == SERVICE_ACCOUNT:
        yield _who(f"serviceAccount:{(it.before or {}).get('email') or it.name}", named), "acts as it"


def _who(member: str, named: Named | None) -> BlastNode:
    """Who a member is: one of our identities by what it does, any other as it is written."""
    kind, _, address = member.partition(":")
    duties: dict[str, Duty] = {named.names.service_account(duty): duty for duty in named.names.DUTIES} if named else {}
    if duty := duties.get(address):
        return BlastNode(id=f"identity:{duty}", kind="identity", label=f"{duty}: {DUTIES[duty].description}")
    if kind == "serviceAccount":
        return BlastNode(id=f"identity:{address}", kind="identity", label=address)
    if kind.startswith("principal"):
        return BlastNode(id=f"identity:{member}", kind="identity", label=member)
    return BlastNode(id=f"person:{member}", kind="person", label=address or member)


def _called(it: Planned) -> str:
    """The short name of a resource, or its address."""
    return it.name.rpartition("/")[2]


def _listed(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    known = list(dict.fromkeys(names))
    more = len(known) - SAID
    return ", ".join(known[:SAID]) + (f" and {more} more" if more > 0 else "")


def _id(it: Planned) -> str:
    return f"{it.stack}/{it.address}"
