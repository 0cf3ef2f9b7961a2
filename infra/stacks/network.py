"""The private network."""

from constructs import Construct

from environments import Names
from environments.tasks import Tasks
from infra.components.private_network import PrivateNetwork, PrivateNetworkProps
from infra.stacks.base import Stack

IP_RANGE = "10.10.0.0/20"
"""4,092 addresses. Environments are separate networks that never meet, so that one range serves them all."""


class NetworkStack(Stack):
    """Creates the VPC, its subnetwork and firewall, and a way out for machines without an address.

    Cloud NAT exists only where a workbench needs it. Deliberately peers with no other network.
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, tasks: Tasks) -> None:
        super().__init__(scope, id, names=names, tasks=tasks)
        PrivateNetwork(
            self,
            "network",
            PrivateNetworkProps(
                name=names.network,
                subnetwork=names.subnetwork,
                region=self.environment.region,
                ip_range=IP_RANGE,
                firewall=names.name("deny-ingress"),
                router=names.name("router"),
                nat=names.name("nat"),
                way_out=self.environment.workbench.enabled,
            ),
        )
