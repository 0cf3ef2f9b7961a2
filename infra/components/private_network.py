"""A network that nothing reaches from outside."""

from dataclasses import dataclass

from cdktf_cdktf_provider_google.compute_network import ComputeNetwork
from cdktf_cdktf_provider_google.compute_router import ComputeRouter
from cdktf_cdktf_provider_google.compute_router_nat import ComputeRouterNat, ComputeRouterNatLogConfig
from cdktf_cdktf_provider_google.compute_subnetwork import ComputeSubnetwork, ComputeSubnetworkLogConfig
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class PrivateNetworkProps:
    """A network, its one subnetwork and its way out."""

    name: str
    subnetwork: str
    region: str
    ip_range: str
    router: str
    nat: str
    way_out: bool
    """Whether machines reach the internet through Cloud NAT, which is paid for by the hour and by the machine."""


class PrivateNetwork(Construct):
    """Creates a VPC, a subnetwork with private Google access and flow logs and, if asked, NAT.

    Deliberately peers with nobody, creates no address and opens nothing; `Firewall` says what may pass. People reach a machine through
    Google's proxy.
    """

    def __init__(self, scope: Construct, id: str, props: PrivateNetworkProps) -> None:
        super().__init__(scope, id)
        self.network = ComputeNetwork(self, "vpc", name=props.name, auto_create_subnetworks=False, routing_mode="REGIONAL")
        subnetwork = ComputeSubnetwork(
            self,
            "subnet",
            name=props.subnetwork,
            region=props.region,
            network=self.network.id,
            ip_cidr_range=props.ip_range,
            private_ip_google_access=True,
            log_config=ComputeSubnetworkLogConfig(
                aggregation_interval="INTERVAL_10_MIN", flow_sampling=0.5, metadata="INCLUDE_ALL_METADATA"
            ),
        )
        if not props.way_out:
            return
        router = ComputeRouter(self, "router", name=props.router, region=props.region, network=self.network.id)
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
