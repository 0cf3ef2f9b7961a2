from pathlib import Path
from typing import Any

import pytest

from environments import load
from infra.policies.subject import SynthesisedStack
from infra.stacks.network import ENDPOINT, GOOGLE, GOOGLE_RANGES
from infra.terraform.rest import Google
from infra.terraform.standin import grants
from infra.terraform.standin.types import Grant, table
from tests.infra.variants import changed, declared, of_type

SHARED = {
    "mode": "use",
    "network": "projects/network-host/global/networks/shared",
    "subnetwork": "projects/network-host/regions/europe-west4/subnetworks/ml",
}


def network(tmp_path: Path, **section: Any) -> SynthesisedStack:
    ours = {**load("local").network.model_dump(), **section}
    return declared("network", changed("local", network=ours), tmp_path)


def rules(stack: SynthesisedStack) -> dict[str, dict[str, Any]]:
    """Short name → firewall rule."""
    prefix = stack.names.name("")
    return {r.body["name"].removeprefix(prefix): r.body for r in of_type(stack, "google_compute_firewall")}


def test_the_subnetwork_reaches_google_without_a_public_address_and_logs_its_flows(stacks: dict[str, SynthesisedStack]) -> None:
    [subnetwork] = of_type(stacks["prod-network"], "google_compute_subnetwork")
    assert subnetwork.body["private_ip_google_access"] is True
    assert subnetwork.body["log_config"]["flow_sampling"] > 0


def test_everything_is_denied_and_no_exception_is_weaker_than_the_denial(stacks: dict[str, SynthesisedStack]) -> None:
    found = rules(stacks["local-network"])
    for direction in ("ingress", "egress"):
        assert found[f"deny-{direction}"]["deny"] == [{"protocol": "all"}]
        assert found[f"deny-{direction}"]["direction"] == direction.upper()
    lowest = found["deny-egress"]["priority"]
    exceptions = [rule for rule in found.values() if "allow" in rule]
    assert exceptions
    assert all(rule["priority"] < lowest and rule["direction"] == "EGRESS" for rule in exceptions)


def test_the_web_is_reached_only_where_there_is_a_way_out(tmp_path: Path) -> None:
    for nat in (True, False):
        stack = network(tmp_path / str(nat), nat=nat)
        assert ("allow-web" in rules(stack)) is nat
        assert bool(of_type(stack, "google_compute_router_nat")) is nat


@pytest.mark.parametrize("google_apis", ["private", "restricted"])
def test_every_host_of_google_has_the_addresses_that_the_firewall_lets_through(google_apis: str, tmp_path: Path) -> None:
    stack = network(tmp_path, google_apis=google_apis, private_service_connect=False)
    addresses = {tuple(r.body["rrdatas"]) for r in of_type(stack, "google_dns_record_set") if r.body["type"] == "A"}
    assert addresses == {GOOGLE[google_apis]}
    assert rules(stack)["allow-google"]["destination_ranges"] == [GOOGLE_RANGES[google_apis]]
    zones = of_type(stack, "google_dns_managed_zone")
    assert {"googleapis.com.", "pkg.dev."} <= {zone.body["dns_name"] for zone in zones}
    assert {zone.body["visibility"] for zone in zones} == {"private"}
    assert of_type(stack, "google_compute_global_forwarding_rule") == []


def test_with_private_service_connect_google_is_an_address_of_the_network(tmp_path: Path) -> None:
    stack = network(tmp_path, private_service_connect=True)
    [endpoint] = of_type(stack, "google_compute_global_forwarding_rule")
    assert endpoint.body["target"] == "vpc-sc"
    assert endpoint.body["name"].isalnum()
    assert len(endpoint.body["name"]) <= 20
    assert rules(stack)["allow-google"]["destination_ranges"] == [f"{ENDPOINT}/32"]
    assert {tuple(r.body["rrdatas"]) for r in of_type(stack, "google_dns_record_set") if r.body["type"] == "A"} == {(ENDPOINT,)}


def test_in_a_shared_vpc_nothing_is_declared_but_the_right_to_its_subnetwork(tmp_path: Path) -> None:
    environment = changed("local", network=SHARED, training={"dataflow": {"ip_range": None}})
    stack = declared("network", environment, tmp_path)
    assert {resource.type for resource in stack.resources} == {"google_compute_subnetwork_iam_member"}
    granted = list(stack.resources)
    assert {(r.body["project"], r.body["subnetwork"], r.body["role"]) for r in granted} == {
        ("network-host", "ml", "roles/compute.networkUser")
    }
    names = stack.names
    assert {r.body["member"] for r in granted} == {
        f"serviceAccount:{email}"
        for email in (
            names.service_account("workbench"),
            names.service_account("dataflow"),
            names.service_account("apply"),
            names.service_agent("notebooks"),
            names.service_agent("dataflow"),
        )
    }
    assert (names.network_resource, names.subnetwork_resource) == (SHARED["network"], SHARED["subnetwork"])


def test_the_right_to_somebody_elses_subnetwork_is_granted_and_taken_back(google_cloud: dict[str, Any], tmp_path: Path) -> None:
    google, grant = Google(), table()["google_compute_subnetwork_iam_member"]
    assert isinstance(grant, Grant)
    host = "projects/network-host"
    network = google.call("POST", f"{grant.api}/{host}/global/networks", None, {"name": "shared", "autoCreateSubnetworks": False})
    body = {"name": "ml", "network": network["targetLink"], "ipCidrRange": "10.30.0.0/20"}
    google.call("POST", f"{grant.api}/{host}/regions/europe-west4/subnetworks", None, body)
    environment = changed("local", network=SHARED, training={"dataflow": {"ip_range": None}})
    granted = [r.body for r in declared("network", environment, tmp_path).resources]
    for values in granted:
        path = grant.resource.format_map(values)
        grants.create(google, grant, path, values)
        assert grants.read(google, grant, path, values) is not None
    grants.delete(google, grant, path, granted[-1])
    assert grants.read(google, grant, path, granted[-1]) is None
    assert grants.read(google, grant, path, granted[0]) is not None
