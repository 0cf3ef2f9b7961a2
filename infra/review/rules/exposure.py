"""What can be reached from outside and could not, what may leave and could not, and what travels less protected."""

import fnmatch
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.review.change import Planned, Values, at, blocks, items
from infra.review.report import UNKNOWN, Finding, Level
from infra.review.rules import ways
from infra.review.rules.addresses import Opening, everybody, opening, outlet
from infra.review.rules.world import World, said

FIREWALLS = ("google_compute_firewall", "google_compute_*firewall_policy_rule")
LOGINS = {"22", "23", "1433", "2375", "2376", "3306", "3389", "5432", "5900", "6379", "6443", "9200", "10250", "11211", "27017"}
"""Where people log in to machines, databases and control planes."""
LISTS = {
    "google_sql_database_instance": ("settings.ip_configuration.authorized_networks", "value"),
    "google_container_cluster": ("master_authorized_networks_config.cidr_blocks", "cidr_block"),
    "google_notebooks_runtime": ("access_config", "range"),
}
"""Resource type → where it lists the ranges that may reach it."""
SHIELDS = ("google_compute_security_policy*", "google_compute_region_security_policy*")
PLAIN = ("google_compute_target_http_proxy", "google_compute_region_target_http_proxy")
PERIMETERS = "google_access_context_manager_service_perimeter*"
NARROW = "Name the ranges, tags or accounts; people come through Identity-Aware Proxy (35.235.240.0/20)."


def exposed(resources: Sequence[Planned], world: World) -> Iterator[Finding]:
    """A finding for everything that is more open than before."""
    for it in resources:
        if not it.change or it.action in {"move", "read", "forget"}:
            continue
        yield from (way for way in ways.opened(it) if it.type not in PLAIN or not _redirects(it, world))
        if any(fnmatch.fnmatchcase(it.type, type_) for type_ in FIREWALLS):
            yield from _firewall(it)
        elif any(fnmatch.fnmatchcase(it.type, type_) for type_ in SHIELDS):
            yield from _shield(it)
        elif it.type == "google_access_context_manager_access_level":
            yield from _access_level(it)
        elif fnmatch.fnmatchcase(it.type, PERIMETERS):
            yield from _perimeter(it)
        elif it.type in LISTS:
            yield from _list(it)
        elif it.type.startswith(("google_compute_instance", "google_compute_region_instance_template")):
            yield from _interfaces(it)
        elif it.type in {"google_compute_backend_service", "google_compute_region_backend_service", "google_compute_backend_bucket"}:
            yield from _load_balancer(it)
        elif it.type in {
            "google_compute_target_https_proxy",
            "google_compute_target_ssl_proxy",
            "google_compute_region_target_https_proxy",
        }:
            if it.before is not None and it.after is not None and it.was("ssl_policy") and not it.will("ssl_policy"):
                yield it.finding("weaker-tls", "sign-off", f"{it.name} would take TLS 1.0", "Leave its ssl_policy.", "ssl_policy")
        elif it.type == "google_dns_record_set":
            yield from _record(it, world)
        elif it.type == "google_compute_route":
            yield from _route(it)
        elif it.type == "google_cloud_run_service":
            yield from _annotated(it)


def _firewall(it: Planned) -> Iterator[Finding]:
    """Rules of a firewall: what lets in or out more, and what no longer keeps in or out."""
    in_before, in_after = opening(it.type, it.before), opening(it.type, it.after)
    if in_after.wider(in_before):
        yield it.finding(
            "open-firewall",
            _gravity(in_after),
            f"{it.name} would let in everybody on the internet ({_ports(in_after)})",
            NARROW,
            "source_ranges",
        )
    denied, denies = opening(it.type, it.before, "deny"), opening(it.type, it.after, "deny")
    if denied.wider(denies):
        text = f"{it.name} would no longer keep everybody out ({_ports(denied)}); whatever rule comes next decides"
        yield it.finding("open-firewall", "sign-off", text, "Leave the rule that keeps people out.", "deny")
    out_before, out_after = outlet(it.type, it.before), outlet(it.type, it.after)
    if out_after.wider(out_before):
        remedy = "Name the ranges that are needed; Google's APIs are reached over 199.36.153.4/30."
        yield it.finding(
            "egress-opened", "sign-off", f"{it.name} would let data out to everywhere ({_ports(out_after)})", remedy, "destination_ranges"
        )
    if outlet(it.type, it.before, "deny").wider(outlet(it.type, it.after, "deny")):
        text = f"{it.name} would no longer keep data in; whatever rule comes next decides"
        yield it.finding("egress-opened", "sign-off", text, "Leave the rule that keeps data in.", "deny")


def _gravity(found: Opening) -> Level:
    """Logins and databases are never everybody's; a web port may be."""
    ports = {port.partition(":")[2] for port in found.ports}
    whole = any(":" not in port for port in found.ports)
    return "block" if whole or any(_holds(port, login) for port in ports for login in LOGINS) else "sign-off"


def _holds(port: str, login: str) -> bool:
    first, _, last = port.partition("-")
    return first.isdigit() and int(first) <= int(login) <= int(last if last.isdigit() else first)


def _ports(found: Opening) -> str:
    return ", ".join(sorted("every port" if port == "all" else port.replace(":", " ") for port in found.ports))


def _shield(it: Planned) -> Iterator[Finding]:
    """Rules of Cloud Armor: whom they let in, and whom they no longer keep out."""
    if it.before is None:
        return
    if everybody(_sources(it.after, "allow")) and not everybody(_sources(it.before, "allow")):
        text = f"{it.name} would let in everybody whom no other rule names"
        yield it.finding("open-firewall", "sign-off", text, "Let in named ranges, and deny the rest.", "rule")
    if fewer := sorted(_sources(it.before, "deny") - _sources(it.after, "deny")):
        text = f"{it.name} would no longer keep out {', '.join(fewer[:5])}"
        yield it.finding("open-firewall", "sign-off", text, "Leave the rule that keeps people out.", "rule")


def _sources(values: Values | None, action: str) -> set[str]:
    """The ranges that the rules of a shield let in or keep out."""
    rules = [*blocks(values, "rule"), *blocks(values, "rules"), *([dict(values)] if values and "action" in values else [])]
    acting = [rule for rule in rules if str(rule.get("action") or "").startswith(action) and rule.get("preview") is not True]
    found = [range_ for rule in acting for config in blocks(rule, "match.config") for range_ in items(config.get("src_ip_ranges"))]
    return {"0.0.0.0/0" if range_ == "*" else range_ for range_ in found}


def _access_level(it: Planned) -> Iterator[Finding]:
    """Addresses from which a perimeter may be passed."""
    path = "basic.conditions.ip_subnetworks"
    before, after = (
        {range_ for block in blocks(values, "basic.conditions") for range_ in items(block.get("ip_subnetworks"))}
        for values in (it.before, it.after)
    )
    if everybody(after) and not everybody(before):
        yield it.finding("open-firewall", "block", f"{it.name} would take every address on the internet", "Name the ranges that may.", path)
    elif it.before is not None and it.after is not None and ((before and not after) or after - before):
        text = f"{it.name} would also take {', '.join(sorted(after - before)) or 'every address'}"
        yield it.finding("open-firewall", "sign-off", text, "Take the range back.", path)


def _redirects(it: Planned, world: World) -> bool:
    """Whether a proxy that answers in the clear only sends people to the encrypted door."""
    return str(it.will("url_map") or "").rpartition("/")[2] in world.redirects


def _list(it: Planned) -> Iterator[Finding]:
    """Ranges that may reach a database or a control plane; without a list everybody may reach a control plane."""
    path, name = LISTS[it.type]
    before, after = ({str(block.get(name)) for block in blocks(values, path)} for values in (it.before, it.after))
    if everybody(after) and not everybody(before):
        yield it.finding(
            "open-firewall", "block", f"{it.name} would be reachable for everybody on the internet", "Name the ranges that may.", path
        )
    elif before and not after and it.type == "google_container_cluster" and it.after is not None:
        text = f"{it.name} would no longer say who may reach its control plane"
        yield it.finding("open-firewall", "sign-off", text, "Leave the ranges that may.", path)
    elif it.before is not None and (more := sorted(after - before - {UNKNOWN})):
        yield it.finding(
            "open-firewall", "sign-off", f"{it.name} would be reachable from {', '.join(more)} too", "Take the range back.", path
        )


def _interfaces(it: Planned) -> Iterator[Finding]:
    if _address(it.after) and not _address(it.before):
        remedy = "Leave access_config away, and let it out through Cloud NAT."
        yield it.finding("public-ip", "sign-off", f"{it.name} would have a public address", remedy, "network_interface")
    if it.will("can_ip_forward") is True and it.was("can_ip_forward") is not True:
        text = f"{it.name} could pass on what is addressed to others"
        yield it.finding("egress-opened", "sign-off", text, "Set can_ip_forward to false.", "can_ip_forward")


def _address(values: Values | None) -> bool:
    return bool(blocks(values, "network_interface.access_config") or blocks(values, "network_interface.ipv6_access_config"))


def _load_balancer(it: Planned) -> Iterator[Finding]:
    if it.before is None or it.after is None:
        return
    if at(it.before, "iap.enabled") is True and at(it.after, "iap.enabled") is not True:
        text = f"{it.name} would no longer ask people who they are"
        yield it.finding("public-dns-or-load-balancer", "sign-off", text, "Leave Identity-Aware Proxy on.", "iap.enabled")
    for policy in ("security_policy", "edge_security_policy"):
        if it.was(policy) and not it.will(policy):
            text = f"{it.name} would stand behind no security policy"
            yield it.finding("public-dns-or-load-balancer", "sign-off", text, f"Leave its {policy}.", policy)


def _record(it: Planned, world: World) -> Iterator[Finding]:
    """A name in a zone that the internet reads."""
    if it.after is None or str(it.will("managed_zone")) in world.private_zones or it.will("type") in {"NS", "SOA"}:
        return
    if it.before is None or set(items(it.will("rrdatas"))) - set(items(it.was("rrdatas"))):
        text = f"{it.name} would lead everybody to {', '.join(items(it.will('rrdatas'))) or said(it.will('routing_policy'))}"
        remedy = "Put the name into a private zone, or say who needs it from outside."
        yield it.finding("public-dns-or-load-balancer", "sign-off", text, remedy, "rrdatas")


def _route(it: Planned) -> Iterator[Finding]:
    def leads_out(values: Values | None) -> bool:
        return bool(values) and everybody(items(at(values, "dest_range")))

    if leads_out(it.after) and not leads_out(it.before):
        remedy = "Name the ranges that are needed; Google's APIs are reached over 199.36.153.4/30."
        yield it.finding("egress-opened", "sign-off", f"{it.name} would be a way out to everywhere", remedy, "dest_range")


def _annotated(it: Planned) -> Iterator[Finding]:
    """Cloud Run of the first version says its ingress in an annotation, and is open without one."""

    def ingress(values: Values | None) -> str:
        annotations = at(values, "metadata.annotations")
        found = annotations.get("run.googleapis.com/ingress") if isinstance(annotations, Mapping) else None
        return str(found or "all")

    if it.after is not None and ingress(it.after) == "all" and (it.before is None or ingress(it.before) != "all"):
        remedy = "Set the annotation run.googleapis.com/ingress to internal."
        yield it.finding("public-endpoint", "sign-off", f"{it.name} could be reached from everywhere", remedy, "metadata.annotations")


def _perimeter(it: Planned) -> Iterator[Finding]:
    """A service perimeter that encloses less, or lets more through."""

    def wider(text: str, attribute: str = "") -> Finding:
        return it.finding("egress-opened", "sign-off", f"{it.name}: {text}", "Leave the perimeter as it was.", attribute)

    part = it.type.removeprefix("google_access_context_manager_service_perimeter").removeprefix("_").removeprefix("dry_run_")
    if part in {"ingress_policy", "egress_policy"}:
        if it.after is not None and it.before != it.after:
            yield wider(f"an {part.replace('_', ' ')} would let through what the perimeter holds", part)
        return
    if it.after is None:
        yield wider(
            "nothing would be enclosed any more" if part != "resource" else f"{said(it.was('resource'))} would no longer be enclosed"
        )
        return
    if it.before is None:
        return
    for name in ("resources", "restricted_services"):
        if gone := sorted(set(items(it.was(f"status.{name}"))) - set(items(it.will(f"status.{name}")))):
            yield wider(f"{', '.join(gone)} would no longer be enclosed", f"status.{name}")
    for name in ("access_levels", "vpc_accessible_services.allowed_services"):
        if more := sorted(set(items(it.will(f"status.{name}"))) - set(items(it.was(f"status.{name}")))):
            yield wider(f"{', '.join(more)} would be let through", f"status.{name}")
    for name in ("ingress_policies", "egress_policies"):
        before, after = ({_text(block) for block in blocks(values, f"status.{name}")} for values in (it.before, it.after))
        if after - before:
            yield wider(f"more would be let through by {name.replace('_', ' ')}", f"status.{name}")


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
