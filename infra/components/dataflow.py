"""The network of Dataflow's workers, and who may start a job that runs there."""

from dataclasses import dataclass

from cdktf_cdktf_provider_google.compute_firewall import ComputeFirewall, ComputeFirewallAllow, ComputeFirewallLogConfig
from cdktf_cdktf_provider_google.compute_subnetwork import ComputeSubnetwork, ComputeSubnetworkLogConfig
from constructs import Construct

from infra.components.firewall import EXCEPTION

PORTS = "12345-12346"
"""Workers shuffle data among themselves on these."""
TAG = "dataflow"
"""Dataflow puts it on every worker."""


@dataclass(frozen=True, kw_only=True)
class DataflowNetworkProps:
    """A subnetwork in a network of ours."""

    network: str
    """`projects/P/global/networks/N`."""
    subnetwork: str
    region: str
    ip_range: str
    into: str
    """Name of the rule that lets workers be reached by workers."""
    out_of: str
    """Name of the rule that lets them reach workers."""


class DataflowNetwork(Construct):
    """Creates a subnetwork with private Google access and flow logs, and the two rules that let workers speak among themselves.

    Deliberately gives no worker an address and no other port: workers reach Google's APIs from inside, and nothing reaches them.
    """

    def __init__(self, scope: Construct, id: str, props: DataflowNetworkProps) -> None:
        super().__init__(scope, id)
        ComputeSubnetwork(
            self,
            "subnet",
            name=props.subnetwork,
            region=props.region,
            network=props.network,
            ip_cidr_range=props.ip_range,
            private_ip_google_access=True,
            log_config=ComputeSubnetworkLogConfig(
                aggregation_interval="INTERVAL_10_MIN", flow_sampling=0.5, metadata="INCLUDE_ALL_METADATA"
            ),
        )
        logs, ports = ComputeFirewallLogConfig(metadata="INCLUDE_ALL_METADATA"), [ComputeFirewallAllow(protocol="tcp", ports=[PORTS])]
        ComputeFirewall(
            self,
            "into-workers",
            name=props.into,
            network=props.network,
            direction="INGRESS",
            priority=EXCEPTION,
            allow=ports,
            source_tags=[TAG],
            target_tags=[TAG],
            log_config=logs,
        )
        ComputeFirewall(
            self,
            "out-of-workers",
            name=props.out_of,
            network=props.network,
            direction="EGRESS",
            priority=EXCEPTION,
            allow=ports,
            destination_ranges=[props.ip_range],
            target_tags=[TAG],
            log_config=logs,
        )
