"""What may pass in a network: nothing, and then the exceptions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdktf_cdktf_provider_google.compute_firewall import (
    ComputeFirewall,
    ComputeFirewallAllow,
    ComputeFirewallDeny,
    ComputeFirewallLogConfig,
)
from constructs import Construct

LOWEST_PRIORITY = 65_534
"""Just above the implied rules, so that any later rule can open what it must."""
EXCEPTION = 1_000
ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True)
class Way:
    """Where machines may go, by TCP."""

    name: str
    to: Sequence[str]
    """Ranges of addresses."""
    ports: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class FirewallProps:
    """The rules of one network."""

    network: str
    deny_ingress: str
    """Name of the rule that lets nothing in."""
    deny_egress: str
    """Name of the rule that lets nothing out."""
    ways: Mapping[str, Way]
    """Short stable word → what may be reached all the same."""


class Firewall(Construct):
    """Creates two rules that deny everything, in and out, with logs, and an exception a way out.

    Deliberately opens nothing from outside, also not SSH: people reach a notebook through Google's proxy. DNS and metadata need no rule,
    since they are answered inside the machine's host.
    """

    def __init__(self, scope: Construct, id: str, props: FirewallProps) -> None:
        super().__init__(scope, id)
        logs = ComputeFirewallLogConfig(metadata="INCLUDE_ALL_METADATA")
        self.deny_ingress = ComputeFirewall(
            self,
            "deny-ingress",
            name=props.deny_ingress,
            network=props.network,
            direction="INGRESS",
            priority=LOWEST_PRIORITY,
            deny=[ComputeFirewallDeny(protocol="all")],
            source_ranges=[ANYWHERE],
            log_config=logs,
        )
        ComputeFirewall(
            self,
            "deny-egress",
            name=props.deny_egress,
            network=props.network,
            direction="EGRESS",
            priority=LOWEST_PRIORITY,
            deny=[ComputeFirewallDeny(protocol="all")],
            destination_ranges=[ANYWHERE],
            log_config=logs,
        )
        for word, way in props.ways.items():
            ComputeFirewall(
                self,
                f"allow-{word}",
                name=way.name,
                network=props.network,
                direction="EGRESS",
                priority=EXCEPTION,
                allow=[ComputeFirewallAllow(protocol="tcp", ports=list(way.ports))],
                destination_ranges=list(way.to),
                log_config=logs,
            )
