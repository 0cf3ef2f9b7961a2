"""Compute Engine: reference data that nobody creates, and networks that cannot go while something uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, Response, completes, defaults, on
from emulator.projects import project_number
from emulator.resources import complete, described, link

if TYPE_CHECKING:
    from emulator.cloud import Cloud

defaults("compute", "Network", routingConfig={"routingMode": "REGIONAL"}, networkFirewallPolicyEnforcementOrder="AFTER_CLASSIC_FIREWALL")
defaults("compute", "Subnetwork", purpose="PRIVATE", stackType="IPV4_ONLY", privateIpGoogleAccess=False)
defaults("compute", "Firewall", direction="INGRESS", priority=1000, disabled=False, logConfig={"enable": False})


@completes("compute", "Subnetwork")
def subnetwork(call: Call, cloud: Cloud, name: str, resource: Json) -> None:
    """The gateway is the first address of the range."""
    import ipaddress

    if "ipCidrRange" in resource:
        resource["gatewayAddress"] = str(next(ipaddress.ip_network(resource["ipCidrRange"]).hosts()))


@on("compute", "projects.get")
async def project(call: Call, cloud: Cloud) -> Json:
    """Terraform's provider turns numbers into ids with it."""
    return {
        "kind": "compute#project",
        "id": project_number(call.project),
        "name": call.project,
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
    return resource


@on("compute", "networks.delete")
async def delete_network(call: Call, cloud: Cloud) -> Json | Response:
    """A network goes after what uses it."""
    for name, resource in cloud.store.of("compute").under(f"projects/{call.project}"):
        # A network is referred to by its URL, its full name, or the part below the project; one of another project is shared with us.
        used = resource.get("network", "")
        shared = "projects/" in used and f"projects/{call.project}/" not in used
        if used.rpartition("/")[2] == call.name.rpartition("/")[2] and not shared:
            message = f"The network resource '{call.name}' is already being used by '{name}'. Delete that first."
            raise Refusal(400, "FAILED_PRECONDITION", message, reason="resourceInUseByAnotherResource")
    return await cloud.resources.default(call)
