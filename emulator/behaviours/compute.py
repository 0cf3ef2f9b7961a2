"""Compute Engine: reference data that nobody creates, and resources that cannot go while another refers to them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Call, Json, Refusal, Response, completes, defaults, on
from emulator.projects import project_number
from emulator.quotas import of_project, of_region
from emulator.resources import complete, described, link

if TYPE_CHECKING:
    from emulator.cloud import Cloud

SHARED = (
    "networks", "subnetworks", "addresses", "globalAddresses", "backendBuckets", "backendServices", "urlMaps", "sslCertificates",
    "targetHttpsProxies", "targetHttpProxies", "healthChecks", "regionNetworkEndpointGroups", "securityPolicies",
)  # fmt: skip
"""Collections whose resources others refer to."""
OWN = ("selfLink", "selfLinkWithId", "users")

defaults("compute", "Network", routingConfig={"routingMode": "REGIONAL"}, networkFirewallPolicyEnforcementOrder="AFTER_CLASSIC_FIREWALL")
defaults("compute", "Subnetwork", purpose="PRIVATE", stackType="IPV4_ONLY", privateIpGoogleAccess=False)
defaults("compute", "Firewall", direction="INGRESS", priority=1000, disabled=False, logConfig={"enable": False})


@completes("compute", "Subnetwork")
def subnetwork(call: Call, cloud: Cloud, name: str, resource: Json) -> None:
    """The gateway is the first address of the range."""
    import ipaddress

    if "ipCidrRange" in resource:
        try:
            network = ipaddress.ip_network(resource["ipCidrRange"])
        except ValueError as error:
            raise Refusal(400, "INVALID_ARGUMENT", f"Invalid value for field 'resource.ipCidrRange': {error}.", reason="invalid") from None
        resource["gatewayAddress"] = str(next(network.hosts()))


@completes("compute", "Address")
def address(call: Call, cloud: Cloud, name: str, resource: Json) -> None:
    """An address is reserved at once; one of the ranges for documentation, which nothing on earth answers at."""
    number = int(hashlib.sha256(name.encode()).hexdigest(), 16)
    resource.setdefault("address", f"198.51.100.{1 + number % 254}")
    resource |= {"status": resource.get("status", "RESERVED")}


@completes("compute", "SslCertificate")
def certificate(call: Call, cloud: Cloud, name: str, resource: Json) -> None:
    """A managed certificate waits for the record of its domain, which nobody makes here."""
    if managed := resource.get("managed"):
        domains = managed.get("domains", [])
        resource["managed"] = {**managed, "status": "PROVISIONING", "domainStatus": dict.fromkeys(domains, "PROVISIONING")}


@on("compute", "projects.get")
async def project(call: Call, cloud: Cloud) -> Json:
    """Terraform's provider turns numbers into ids with it."""
    return {
        "kind": "compute#project",
        "id": project_number(call.project),
        "name": call.project,
        "quotas": of_project(cloud.store, call.project),
        "selfLink": link(described(call).document, f"projects/{call.project}"),
    }


@on(
    "compute", "zones.get", "regions.get", "machineTypes.get", "acceleratorTypes.get", "images.get", "images.getFromFamily", "diskTypes.get"
)
async def reference(call: Call, cloud: Cloud) -> Json:
    """Whatever is asked for exists."""
    method = described(call)
    name = call.name.replace("/family/", "/")
    resource: Json = {"status": "READY"} if "/images/" in name else {}
    complete(method, resource, name)
    if method.response == "Zone":
        resource["region"] = link(method.document, name.replace("/zones/", "/regions/").rpartition("-")[0])
    if method.response == "Region":
        resource["quotas"] = of_region()
    return resource


@on("compute", *(f"{collection}.delete" for collection in SHARED))
async def delete_used(call: Call, cloud: Cloud) -> Json | Response:
    """What another resource refers to goes after that resource."""
    target = call.name.split("/", 2)[2]
    for name, resource in cloud.store.of("compute").under(f"projects/{call.project}"):
        if name != call.name and any(_refers(value, call.project, target) for value in _texts(resource)):
            kind = described(call).resource.lower()
            message = f"The {kind} resource '{call.name}' is already being used by '{name}'"
            raise Refusal(400, "FAILED_PRECONDITION", message, reason="resourceInUseByAnotherResource")
    return await cloud.resources.default(call)


def _refers(value: str, project: str, target: str) -> bool:
    """Whether a value names `global/networks/N` of the project: by its URL, its full name, or the part below the project."""
    name = value.partition("/compute/v1/")[2] or value
    return name in (f"projects/{project}/{target}", target)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a resource but what it says of itself."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in OWN:
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
