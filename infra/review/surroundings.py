"""What stands around a resource in the plans of all stacks: who holds its name, who may use it, who is told by it.

Stacks share no outputs, so that what uses what is found by value: another resource holds the full name of this one, or its short name
where that is one of its kind.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from infra.price.idle import GRANT
from infra.review.change import Planned, Values, at, items, leaves

OWN_KIND = re.compile(r"[a-z0-9]+[-_][a-z0-9_.-]+", re.IGNORECASE)
"""A short name that is one of its kind, such as `acme-gemini-dev-raw`; `data` may be anything."""
PIECE = re.compile(r"[\w./@-]+")
COMPUTED = ("id", "self_link", "email", "etag", "uid", "unique_id")
"""What Google says of a resource itself."""
MEMBERS = ("member", "members")
CHANNEL = "google_monitoring_notification_channel"
CHANNELS = ("notification_channels", "all_updates_rule.monitoring_notification_channels")
"""Where alerts and budgets name them."""
PARENTS = ("google_project", "google_folder")
"""Everything lies in them, so that to list who holds their names would say nothing."""


@dataclass(frozen=True)
class Surroundings:
    """All resources of some plans, unchanged ones too."""

    resources: Sequence[Planned]

    def holders(self, it: Planned) -> list[tuple[Planned, str]]:
        """The resources that hold a name of this one, each with the attribute in which it does; of grants, those whose member it is."""
        found = [] if it.type in PARENTS else self._around(it)
        return [(other, attribute) for other, attribute in found if not GRANT.search(other.type) or attribute in MEMBERS]

    def grants(self, it: Planned) -> list[Planned]:
        """The grants on this resource."""
        return [other for other, attribute in self._around(it) if GRANT.search(other.type) and attribute not in MEMBERS]

    def addresses(self, it: Planned) -> list[str]:
        """The e-mail addresses that hear of something through this alert, budget or channel."""
        named = {name for path in CHANNELS for name in items(at(_there(it), path))}
        channels = [it] if it.type == CHANNEL else [channel for name, channel in self._channels.items() if name in named]
        return sorted({address for channel in channels for address in items(at(_there(channel), "labels.email_address"))})

    def _around(self, it: Planned) -> list[tuple[Planned, str]]:
        found = {
            (other.stack, other.address): (other, attribute)
            for name in self._identifying(it)
            for other, attribute in self._holders.get(name, ())
            if other is not it
        }
        return [found[place] for place in sorted(found)]

    def _identifying(self, it: Planned) -> set[str]:
        """The names of a resource that no other one of its type has: in another parent there may be one of the same short name."""
        return {name for name in _names(it) if self._bearers[it.type, name] == 1}

    @cached_property
    def _bearers(self) -> Counter[tuple[str, str]]:
        return Counter((it.type, name) for it in self.resources for name in set(_names(it)))

    @cached_property
    def _holders(self) -> dict[str, list[tuple[Planned, str]]]:
        """A name of what changes → the resources that hold it."""
        asked = {name for it in self.resources if it.change for name in self._identifying(it)}
        found: defaultdict[str, list[tuple[Planned, str]]] = defaultdict(list)
        for it in self.resources:
            for piece, attribute in sorted(held for held in set(_held(it)) if held[0] in asked):
                found[piece].append((it, attribute))
        return found

    @cached_property
    def _channels(self) -> dict[str, Planned]:
        return {name: it for it in self.resources if it.type == CHANNEL for name in _names(it)}


def _there(it: Planned) -> Values:
    """A resource as it is, or as it will be where it is not there yet."""
    return (it.before if it.before is not None else it.after) or {}


def _names(it: Planned) -> Iterator[str]:
    """What others call a resource: its full name, its address, its short name."""
    body = _there(it)
    for attribute in (*COMPUTED[:3], *_own(body)):
        if isinstance(value := body.get(attribute), str) and (full := _full(value)):
            if "/" in full or "@" in full or OWN_KIND.fullmatch(full):
                yield full
            if OWN_KIND.fullmatch(short := _short(full)):
                yield short


def _held(it: Planned) -> Iterator[tuple[str, str]]:
    """Every name in a resource that is not its own, with the attribute that holds it: whole ones and their parts."""
    body = _there(it)
    # A grant has no name of its own: whatever it holds is somebody else's. In the project, everything is.
    aside = {*COMPUTED, *(("role",) if GRANT.search(it.type) else ("project", *_own(body)))}
    for path, value in leaves(body):
        if path and path[0] not in aside:
            for text in items(value):
                yield from ((part, path[0]) for piece in PIECE.findall(text) for part in _parts(piece))


def _parts(piece: str) -> Iterator[str]:
    """A name and those that it is made of, the project aside: of `projects/P/topics/T` also `T`, of an e-mail what is before the `@`."""
    full = _full(piece)
    yield full
    path = full.split("/")
    for part in path[2:] if path[0] == "projects" else path:
        local, at_, _ = part.partition("@")
        yield part
        yield from (local,) if at_ else part.split(".")


def _own(body: Values) -> list[str]:
    """The attributes that hold a resource's own name: `name`, and an id such as `table_id` that ends its full one."""
    end = _short(_full(str(body.get("id") or "")))
    return [key for key, value in body.items() if key == "name" or (key.endswith("_id") and value and value == end)]


def _full(name: str) -> str:
    """A name without the host and the version of the API before it."""
    _, projects, rest = name.partition("projects/")
    return f"{projects}{rest}" if projects else name


def _short(full: str) -> str:
    return full.rpartition("/")[2].partition("@")[0]
