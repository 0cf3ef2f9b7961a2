"""Ranges of addresses: who is the whole internet, and what a firewall rule lets in or out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from infra.review.change import Values, blocks, items
from infra.review.report import UNKNOWN

WORLD_V4 = 2**31
"""Half of all addresses: whoever lets in as many, in however many parts, lets everybody in."""
WORLD_V6 = 2**125
"""All of 2000::/3, which is what has been given out."""
ALL = "all"


def everybody(ranges: Iterable[str]) -> bool:
    """Whether the ranges together are the internet."""
    networks = [network for range_ in ranges if (network := _network(range_)) is not None]
    old = sum(one.num_addresses for one in networks if isinstance(one, IPv4Network))
    new = sum(one.num_addresses for one in networks if isinstance(one, IPv6Network))
    return old >= WORLD_V4 or new >= WORLD_V6


def _network(range_: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(range_, strict=False)
    except ValueError:
        return None


def public(range_: str) -> bool:
    """Whether a range lies on the internet."""
    network = _network(range_)
    return network is not None and network.is_global


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What a firewall rule lets through."""

    ranges: frozenset[str]
    everybody: bool
    ports: frozenset[str]
    """`tcp:22`; `tcp` and `all` mean every port."""

    def wider(self, other: "Opening") -> bool:
        """Whether it lets through what the other does not, as far as the internet and its ports are concerned."""
        if not self.everybody:
            return False
        return not other.everybody or not _covers(other.ports, self.ports)


CLOSED = Opening(ranges=frozenset(), everybody=False, ports=frozenset())


def _covers(ports: frozenset[str], others: frozenset[str]) -> bool:
    return all(ALL in ports or port in ports or port.partition(":")[0] in ports for port in others)


def opening(type_: str, values: Values | None, verb: str = "allow") -> Opening:
    """What a rule lets through into the network (`allow`) or keeps out of it (`deny`); nothing when it is switched off or lets out."""
    if not values or values.get("disabled") is True or values.get("direction") == "EGRESS":
        return CLOSED
    return _opening(type_, values, verb, "source")


def outlet(type_: str, values: Values | None, verb: str = "allow") -> Opening:
    """What a rule lets out, or keeps from leaving (`deny`)."""
    if not values or values.get("disabled") is True or values.get("direction") != "EGRESS":
        return CLOSED
    return _opening(type_, values, verb, "destination")


def _opening(type_: str, values: Values, verb: str, side: str) -> Opening:
    if type_ == "google_compute_firewall":
        allowed, limits = blocks(values, verb), (f"{side}_tags", f"{side}_service_accounts")
        ranges = items(values.get(f"{side}_ranges"))
        limited = any(values.get(limit) for limit in limits)
        ports = {port for block in allowed for port in _ports(block.get("protocol"), block.get("ports"))}
    else:
        match = (blocks(values, "match") or [{}])[0]
        allowed = [dict(values)] if values.get("action") == verb else []
        short = {"source": "src", "destination": "dest"}[side]
        ranges = items(match.get(f"{short}_ip_ranges"))
        limited = any(
            match.get(limit) for limit in (f"{short}_secure_tags", f"{short}_fqdns", f"{short}_address_groups", f"{short}_networks")
        )
        ports = {port for block in blocks(match, "layer4_configs") for port in _ports(block.get("ip_protocol"), block.get("ports"))}
    if not allowed:
        return CLOSED
    # Where a rule names nobody at all, it is about everybody.
    nobody = not ranges and not limited
    return Opening(
        ranges=frozenset(ranges), everybody=nobody or (UNKNOWN not in ranges and everybody(ranges)), ports=frozenset(ports or {ALL})
    )


def _ports(protocol: Any, ports: Any) -> list[str]:
    name = str(protocol or ALL).lower()
    return [f"{name}:{port}" for port in items(ports)] or [ALL if name in {ALL, "-1"} else name]


def authorised(values: Mapping[str, Any] | None, path: str, name: str) -> set[str]:
    """The ranges that may reach something that lists them in blocks."""
    return {str(block.get(name)) for block in blocks(values, path) if block.get(name)}
