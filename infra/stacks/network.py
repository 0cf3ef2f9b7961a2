"""The private network, ours or one that is used."""

from constructs import Construct

from environments import Names
from environments.names import Agent, Duty
from environments.schema import CreatedNetwork, UsedNetwork
from environments.tasks import Tasks
from infra import services
from infra.components.firewall import ANYWHERE, Firewall, FirewallProps, Way
from infra.components.google_apis import DOMAINS, GoogleApisEndpoint, GoogleApisEndpointProps, PrivateDns, PrivateDnsProps
from infra.components.network_users import NetworkUsers, NetworkUsersProps
from infra.components.private_network import PrivateNetwork, PrivateNetworkProps
from infra.duties import duties
from infra.stacks.base import Stack

GOOGLE: dict[str, tuple[str, ...]] = {
    "private": ("199.36.153.8", "199.36.153.9", "199.36.153.10", "199.36.153.11"),
    "restricted": ("199.36.153.4", "199.36.153.5", "199.36.153.6", "199.36.153.7"),
}
"""Addresses of Google's that are reached from inside a VPC only; all services, or those that a perimeter can hold."""
GOOGLE_RANGES = {"private": "199.36.153.8/30", "restricted": "199.36.153.4/30"}
BUNDLES = {"private": "all-apis", "restricted": "vpc-sc"}
ENDPOINT = "10.255.255.254"
"""Far from any subnetwork."""
HTTPS = ["443"]

MACHINES: tuple[Duty, ...] = ("workbench", "dataflow", "apply")
MACHINE_MAKERS: tuple[Agent, ...] = ("notebooks", "dataflow")
"""Who puts machines into the subnetwork: the identities on them, the agents that start them, and who attaches training to it."""


class NetworkStack(Stack):
    """Creates the VPC, its subnetwork, firewall and DNS for Google's APIs; or the right to use the subnetwork of somebody else's.

    Deliberately peers with no other network. In a used network nothing is declared but grants: its firewall, way out and DNS belong to
    those who keep it.
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, tasks: Tasks) -> None:
        super().__init__(scope, id, names=names, tasks=tasks)
        network = self.environment.network
        if network.mode == "use":
            self._use(network)
        else:
            self._create(network)

    def _create(self, declared: CreatedNetwork) -> None:
        names = self.names
        network = PrivateNetwork(
            self,
            "network",
            PrivateNetworkProps(
                name=names.network,
                subnetwork=names.subnetwork,
                region=self.environment.region,
                ip_range=declared.ip_range,
                router=names.name("router"),
                nat=names.name("nat"),
                way_out=declared.nat,
            ),
        ).network.id
        addresses, reached = GOOGLE[declared.google_apis], GOOGLE_RANGES[declared.google_apis]
        if declared.private_service_connect:
            GoogleApisEndpoint(
                self,
                "google-apis",
                GoogleApisEndpointProps(
                    network=network,
                    name=names.google_apis_endpoint,
                    address_name=names.name("google-apis"),
                    address=ENDPOINT,
                    bundle=BUNDLES[declared.google_apis],
                ),
            )
            addresses, reached = (ENDPOINT,), f"{ENDPOINT}/32"
        PrivateDns(
            self,
            "dns",
            PrivateDnsProps(network=network, zones={word: names.name(f"{word}-zone") for word in DOMAINS}, addresses=addresses),
        )
        ways = {
            "google": Way(name=names.name("allow-google"), to=[reached], ports=HTTPS),
            "subnet": Way(name=names.name("allow-subnet"), to=[declared.ip_range], ports=["1-65535"]),
        }
        if declared.nat:
            ways["web"] = Way(name=names.name("allow-web"), to=[ANYWHERE], ports=HTTPS)
        firewall = Firewall(
            self,
            "firewall",
            FirewallProps(network=network, deny_ingress=names.name("deny-ingress"), deny_egress=names.name("deny-egress"), ways=ways),
        )
        # It was a part of the network, and must never be gone between two applies.
        firewall.deny_ingress.move_from_id("google_compute_firewall.network_deny-ingress_36423789")

    def _use(self, used: UsedNetwork) -> None:
        names = self.names
        _, project, _, region, _, subnetwork = used.subnetwork.split("/")
        accounts = {duty: names.service_account(duty) for duty in duties(self.environment) if duty in MACHINES}
        agents = {f"{agent}-agent": names.service_agent(agent) for agent in services.agents(self.environment) if agent in MACHINE_MAKERS}
        NetworkUsers(
            self,
            "users",
            NetworkUsersProps(
                project=project,
                region=region,
                subnetwork=subnetwork,
                members={word: f"serviceAccount:{email}" for word, email in (accounts | agents).items()},
            ),
        )
