"""How machines without a public address find Google's APIs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdktf_cdktf_provider_google.compute_global_address import ComputeGlobalAddress
from cdktf_cdktf_provider_google.compute_global_forwarding_rule import ComputeGlobalForwardingRule
from cdktf_cdktf_provider_google.dns_managed_zone import (
    DnsManagedZone,
    DnsManagedZonePrivateVisibilityConfig,
    DnsManagedZonePrivateVisibilityConfigNetworks,
)
from cdktf_cdktf_provider_google.dns_record_set import DnsRecordSet
from constructs import Construct

DOMAINS = {
    "googleapis": "googleapis.com.",
    "images": "pkg.dev.",
    "notebooks": "notebooks.cloud.google.com.",
    "notebook-content": "notebooks.googleusercontent.com.",
    "run": "run.app.",
}
"""Short stable word → domain of what this playbook calls."""
TTL = 300


@dataclass(frozen=True, kw_only=True)
class PrivateDnsProps:
    """Zones of one network, and the addresses that they answer with."""

    network: str
    zones: Mapping[str, str]
    """Word of `DOMAINS` → name of the zone."""
    addresses: Sequence[str]


class PrivateDns(Construct):
    """Creates a private zone a domain of Google's, in which every host has the given addresses.

    Deliberately answers inside one network only, and forwards nothing: every other name is resolved as it is everywhere.
    """

    def __init__(self, scope: Construct, id: str, props: PrivateDnsProps) -> None:
        super().__init__(scope, id)
        for word, domain in DOMAINS.items():
            zone = DnsManagedZone(
                self,
                word,
                name=props.zones[word],
                dns_name=domain,
                description="Google's APIs by a private way",
                visibility="private",
                private_visibility_config=DnsManagedZonePrivateVisibilityConfig(
                    networks=[DnsManagedZonePrivateVisibilityConfigNetworks(network_url=props.network)]
                ),
            )
            DnsRecordSet(self, f"{word}-host", managed_zone=zone.name, name=domain, type="A", ttl=TTL, rrdatas=list(props.addresses))
            DnsRecordSet(self, f"{word}-hosts", managed_zone=zone.name, name=f"*.{domain}", type="CNAME", ttl=TTL, rrdatas=[domain])


@dataclass(frozen=True, kw_only=True)
class GoogleApisEndpointProps:
    """An address inside a network, behind which Google's APIs are."""

    network: str
    name: str
    """At most 20 lower-case letters and digits: Google is strict with the name of this one kind of forwarding rule."""
    address_name: str
    address: str
    """In none of the network's subnetworks."""
    bundle: str
    """`all-apis`, or `vpc-sc` for what a VPC Service Controls perimeter can hold."""


class GoogleApisEndpoint(Construct):
    """Creates a Private Service Connect endpoint for Google's APIs: no packet to them has an address of Google's.

    Deliberately not for a model's private endpoint: its attachment comes into being with the first deployed model, and so does what
    connects to it.
    """

    def __init__(self, scope: Construct, id: str, props: GoogleApisEndpointProps) -> None:
        super().__init__(scope, id)
        address = ComputeGlobalAddress(
            self,
            "address",
            name=props.address_name,
            address=props.address,
            address_type="INTERNAL",
            purpose="PRIVATE_SERVICE_CONNECT",
            network=props.network,
        )
        ComputeGlobalForwardingRule(
            self,
            "endpoint",
            name=props.name,
            target=props.bundle,
            network=props.network,
            ip_address=address.id,
            # Explicitly none, or the provider would ask for an external load balancer.
            load_balancing_scheme="",
        )
