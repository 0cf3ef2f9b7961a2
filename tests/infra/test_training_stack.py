"""The training stack: a TensorBoard under our key, and networks for jobs where the environment asks for them."""

import shutil
from pathlib import Path

import pytest

from environments import ConfigurationError, Environment, Names, load, organisation
from environments.loading import HERE
from environments.schema import Dataflow
from infra.policies.subject import SynthesisedStack
from tests.infra.test_stacks import declared


def types(stack: SynthesisedStack) -> set[str]:
    return {resource.type for resource in stack.resources}


def with_training(environment: Environment, **changes: object) -> Environment:
    return environment.model_copy(update={"training": environment.training.model_copy(update=changes)})


@pytest.mark.parametrize("environment", ["dev", "local", "prod", "staging"])
def test_the_tensorboard_is_encrypted_with_our_key(stacks: dict[str, SynthesisedStack], environment: str) -> None:
    stack = stacks[f"{environment}-training"]
    [board] = [r for r in stack.resources if r.type == "google_vertex_ai_tensorboard"]
    assert board.body["encryption_spec"] == {"kms_key_name": stack.names.key("ml")}


def test_what_is_switched_off_has_no_network_and_no_identity(stacks: dict[str, SynthesisedStack]) -> None:
    dev = load("dev")
    assert not dev.training.private_network
    assert dev.training.dataflow is None
    assert not {name for name in types(stacks["dev-training"]) if name.startswith("google_compute")}
    assert "dataflow" not in str(stacks["dev-training"].document["resource"])
    assert stacks["dev-training"].names.service_account_id("dataflow") not in str(stacks["dev-foundation"].document["resource"])


def test_workers_speak_among_themselves_and_with_nobody_else(stacks: dict[str, SynthesisedStack]) -> None:
    stack = stacks["local-training"]
    rules = {r.body["direction"]: r.body for r in stack.resources if r.type == "google_compute_firewall"}
    assert [rule["allow"] for rule in rules.values()] == [[{"ports": ["12345-12346"], "protocol": "tcp"}]] * 2
    assert [rule["target_tags"] for rule in rules.values()] == [["dataflow"]] * 2
    assert rules["INGRESS"]["source_tags"] == ["dataflow"]
    assert "source_ranges" not in rules["INGRESS"]
    [subnetwork] = [r.body for r in stack.resources if r.type == "google_compute_subnetwork"]
    assert rules["EGRESS"]["destination_ranges"] == [subnetwork["ip_cidr_range"]]
    assert subnetwork["private_ip_google_access"] is True
    assert "log_config" in subnetwork


def test_only_pipelines_start_jobs_under_the_identities_of_training_and_of_workers(stacks: dict[str, SynthesisedStack]) -> None:
    stack = stacks["local-training"]
    grants = [r.body for r in stack.resources if r.type == "google_service_account_iam_member"]
    assert {grant["service_account_id"].rpartition("/")[2] for grant in grants} == {
        stack.names.service_account("training"),
        stack.names.service_account("dataflow"),
    }
    assert {grant["member"] for grant in grants} == {f"serviceAccount:{stack.names.service_account('pipelines')}"}


def test_a_job_gets_its_address_in_the_subnetwork_of_the_environment(stacks: dict[str, SynthesisedStack]) -> None:
    stack = stacks["local-training"]
    [attachment] = [r.body for r in stack.resources if r.type == "google_compute_network_attachment"]
    assert attachment["subnetworks"] == [stack.names.subnetwork_resource]


def test_workers_that_share_the_subnetwork_need_none_of_their_own(tmp_path: Path) -> None:
    environment = with_training(load("dev"), dataflow=Dataflow(ip_range=None))
    stack = next(one for one in declared(Names(organisation(), environment), tmp_path) if one.id == "dev-training")
    assert "google_compute_subnetwork" not in types(stack)
    assert stack.names.service_account("dataflow") in str(stack.document["resource"])


def test_a_subnetwork_in_a_network_of_others_is_refused(tmp_path: Path) -> None:
    shutil.copytree(HERE, tmp_path / "environments", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    file = tmp_path / "environments" / "local.yaml"
    text = file.read_text()
    start = text.index("network:\n")
    end = text.index("\nkeys:", start)
    used = (
        "network:\n  mode: use\n  network: projects/acme-host-vpc/global/networks/shared\n"
        "  subnetwork: projects/acme-host-vpc/regions/europe-west4/subnetworks/ml"
    )
    file.write_text(text[:start] + used + text[end:])
    with pytest.raises(ConfigurationError, match=r"ip_range.*set it to null"):
        load("local", tmp_path / "environments")
