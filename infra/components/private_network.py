"""A network that nothing reaches from outside."""

from dataclasses import dataclass

from cdktf_cdktf_provider_google.compute_firewall import ComputeFirewall, ComputeFirewallDeny, ComputeFirewallLogConfig
from cdktf_cdktf_provider_google.compute_network import ComputeNetwork
from cdktf_cdktf_provider_google.compute_router import ComputeRouter
from cdktf_cdktf_provider_google.compute_router_nat import ComputeRouterNat, ComputeRouterNatLogConfig
from cdktf_cdktf_provider_google.compute_subnetwork import ComputeSubnetwork, ComputeSubnetworkLogConfig
from constructs import Construct

LOWEST_PRIORITY = 65_534
"""Just above the implied rules, so that any later rule can open what it must."""


@dataclass(frozen=True, kw_only=True)
class PrivateNetworkProps:
    """A network, its one subnetwork and its way out."""

    name: str
    subnetwork: str
    region: str
    ip_range: str
    firewall: str
    router: str
    nat: str
    way_out: bool
    """Whether machines reach the internet through Cloud NAT, which is paid for by the hour and by the machine."""


class PrivateNetwork(Construct):
    """Creates a VPC, a subnetwork with private Google access and flow logs, a rule that denies all ingress and, if asked, NAT.

    Deliberately opens no port, peers with nobody and creates no address: people reach a machine through Google's proxy.
    """

    def __init__(self, scope: Construct, id: str, props: PrivateNetworkProps) -> None:
        super().__init__(scope, id)
        network = ComputeNetwork(self, "vpc", name=props.name, auto_create_subnetworks=False, routing_mode="REGIONAL")
        subnetwork = ComputeSubnetwork(
            self,
            "subnet",
            name=props.subnetwork,
            region=props.region,
            network=network.id,
            ip_cidr_range=props.ip_range,
            private_ip_google_access=True,
            log_config=ComputeSubnetworkLogConfig(
                aggregation_interval="INTERVAL_10_MIN", flow_sampling=0.5, metadata="INCLUDE_ALL_METADATA"
            ),
        )
        ComputeFirewall(
            self,
            "deny-ingress",
            name=props.firewall,
            network=network.id,
            direction="INGRESS",
            priority=LOWEST_PRIORITY,
            deny=[ComputeFirewallDeny(protocol="all")],
            source_ranges=["0.0.0.0/0"],
            log_config=ComputeFirewallLogConfig(metadata="INCLUDE_ALL_METADATA"),
        )
        if not props.way_out:
            return
        router = ComputeRouter(self, "router", name=props.router, region=props.region, network=network.id)
        ComputeRouterNat(
            self,
            "nat",
            name=props.nat,
            region=props.region,
            router=router.name,
            nat_ip_allocate_option="AUTO_ONLY",
            source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES",
            log_config=ComputeRouterNatLogConfig(enable=True, filter="ERRORS_ONLY"),
            depends_on=[subnetwork],
        )
