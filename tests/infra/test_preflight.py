"""What would stop an apply is found before a plan is approved, and what cannot be read is not taken for right."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from environments import Names, organisation
from environments.schema import Accelerator
from infra.policies.subject import SynthesisedStack
from infra.preflight import agents, apis, constraints, permissions, quotas
from infra.preflight.__main__ import SOMETHING_BLOCKS, SOMETHING_UNREAD, text, verdict
from infra.preflight.asked import Asked
from infra.preflight.constraints import CONSTRAINTS, POLICIES, Constraint
from infra.preflight.findings import Finding
from infra.terraform import bootstrap
from infra.terraform.rest import Google, Refused
from tests.conftest import running_emulator


@pytest.fixture
def asked(stacks: dict[str, SynthesisedStack]) -> Asked:
    return Asked(stacks=[stack for stack in stacks.values() if stack.environment.name == "local"])


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Google]:
    """A local Google Cloud of its own, since these tests switch APIs off and forbid places; the bootstrap was there."""
    with running_emulator(tmp_path_factory.mktemp("google-cloud")) as described, pytest.MonkeyPatch.context() as patch:
        for variable, value in described["environment"].items():
            patch.setenv(variable, value)
        bootstrap("local")
        yield Google()


def bad(found: list[Finding]) -> list[str]:
    return [f"{finding.subject}: {finding.says}" for finding in found if finding.status != "ok"]


def constraint(name: str) -> Constraint:
    return next(one for one in CONSTRAINTS if one.name == name)


@pytest.mark.parametrize("question", [apis, permissions, constraints, quotas, agents], ids=lambda module: module.__name__)
def test_the_local_environment_may_be_applied(question: Any, asked: Asked, google: Google) -> None:
    found = question.findings(asked, google)
    assert found
    assert bad(found) == []


def test_every_declared_type_has_a_permission_that_creates_it(stacks: dict[str, SynthesisedStack]) -> None:
    everything = Asked(stacks=list(stacks.values()))
    assert [type_ for type_ in everything.types if type_ not in permissions.CREATES and type_ not in permissions.ON_BILLING_ACCOUNT] == []


def test_a_permission_that_the_caller_lacks_blocks_and_says_which_types_need_it() -> None:
    (found,) = permissions.judged("project p", {"storage.buckets.create": ["google_storage_bucket"]}, set())
    assert found.status == "blocks"
    assert "google_storage_bucket would be refused" in found.says
    assert "a role with storage.buckets.create" in found.mend


def test_a_permission_is_asked_for_in_the_project_that_it_is_needed_in(asked: Asked) -> None:
    declared = {
        "google_kms_crypto_key_iam_member": {"theirs": {"crypto_key_id": "projects/their-keys/locations/l/keyRings/r/cryptoKeys/k"}},
        "google_compute_subnetwork_iam_member": {"theirs": {"project": "their-host", "subnetwork": "s"}},
        "google_pubsub_topic": {"ours": {"name": "t"}},
    }
    stack = dataclasses.replace(asked.stacks[0], document={"resource": declared})
    assert permissions.wanted_in(Asked(stacks=[stack])) == {
        "their-keys": {"cloudkms.cryptoKeys.setIamPolicy": ["google_kms_crypto_key_iam_member"]},
        "their-host": {"compute.subnetworks.setIamPolicy": ["google_compute_subnetwork_iam_member"]},
        asked.project: {"pubsub.topics.create": ["google_pubsub_topic"]},
    }


def test_an_api_that_no_stack_enables_blocks(asked: Asked, google: Google) -> None:
    without = [
        dataclasses.replace(
            stack,
            document={
                **stack.document,
                "resource": {
                    type_: body for type_, body in stack.document.get("resource", {}).items() if type_ != "google_project_service"
                },
            },
        )
        for stack in asked.stacks
    ]
    pubsub = f"{apis.SERVICES}/projects/{asked.project}/services/pubsub.googleapis.com"
    google.call("POST", f"{pubsub}:disable", None, {})
    found = {finding.subject: finding for finding in apis.findings(Asked(stacks=without), google)}
    google.call("POST", f"{pubsub}:enable", None, {})
    assert found["pubsub.googleapis.com"].status == "blocks"
    assert "gcloud services enable pubsub.googleapis.com" in found["pubsub.googleapis.com"].mend
    assert found["storage.googleapis.com"].status == "ok"


@pytest.fixture
def only_in_the_united_states(asked: Asked, google: Google) -> Iterator[None]:
    """An organisation policy on the project, which is taken away afterwards."""
    parent = f"{POLICIES}/projects/{asked.project}/policies"
    name = f"projects/{asked.project}/policies/gcp.resourceLocations"
    body = {"name": name, "spec": {"rules": [{"values": {"allowedValues": ["in:us-locations"]}}]}}
    google.call("POST", parent, None, body)
    yield
    google.call("DELETE", f"{POLICIES}/{name}")


def test_an_organisation_policy_that_forbids_the_region_blocks(asked: Asked, google: Google, only_in_the_united_states: None) -> None:
    found = {finding.subject: finding for finding in constraints.findings(asked, google)}["gcp.resourceLocations"]
    assert found.status == "blocks"
    assert asked.environment.region in found.says
    assert "region and data_location" in found.mend


@pytest.mark.parametrize(
    ("allowed", "status"),
    [
        (["in:eu-locations"], "ok"),
        (["in:europe-locations"], "ok"),
        (["in:europe-west4-locations"], "ok"),
        (["europe-west4"], "ok"),
        (["in:us-locations", "europe-west1"], "blocks"),
        (["in:switzerland-locations"], "cannot be read"),
        (["in:switzerland-locations", "is:europe-west4"], "ok"),
    ],
)
def test_value_groups_of_places_are_understood_or_said_to_be_unknown(allowed: list[str], status: str) -> None:
    rules = [{"values": {"allowedValues": allowed}}]
    assert constraints.judged(constraint("gcp.resourceLocations"), ["europe-west4"], rules, "p").status == status


@pytest.mark.parametrize(
    ("name", "wanted", "rule", "status"),
    [
        ("iam.disableServiceAccountCreation", ["google_service_account.a"], {"enforce": True}, "blocks"),
        ("iam.disableServiceAccountCreation", ["google_service_account.a"], {"enforce": False}, "ok"),
        ("compute.trustedImageProjects", ["projects/cloud-notebooks-managed"], {"denyAll": True}, "blocks"),
        ("compute.trustedImageProjects", ["projects/cloud-notebooks-managed"], {"allowAll": True}, "ok"),
        ("gcp.restrictNonCmekServices", ["storage.googleapis.com"], {"values": {"deniedValues": ["storage.googleapis.com"]}}, "blocks"),
        ("gcp.restrictNonCmekServices", ["storage.googleapis.com"], {"values": {"deniedValues": ["pubsub.googleapis.com"]}}, "ok"),
        ("gcp.restrictCmekCryptoKeyProjects", ["projects/p"], {"values": {"allowedValues": ["under:folders/1"]}}, "cannot be read"),
        ("gcp.restrictServiceUsage", ["run.googleapis.com"], {"allowAll": True, "condition": {"expression": "x"}}, "cannot be read"),
    ],
)
def test_rules_are_held_against_what_is_declared(name: str, wanted: list[str], rule: dict[str, Any], status: str) -> None:
    assert constraints.judged(constraint(name), wanted, [rule], "p").status == status


def test_accelerators_that_the_region_does_not_have_block_before_a_job_waits_for_them(asked: Asked, google: Google) -> None:
    training = asked.environment.training.model_copy(update={"accelerator": Accelerator(type="NVIDIA_TESLA_T4", count=16)})
    environment = asked.environment.model_copy(update={"training": training})
    wanting = Asked(stacks=[dataclasses.replace(stack, names=Names(organisation(), environment)) for stack in asked.stacks])
    (found,) = [finding for finding in quotas.findings(wanting, google) if "training_nvidia_t4" in finding.subject]
    assert found.status == "blocks"
    assert "a training job asks for 16" in found.says


def test_a_quota_that_google_does_not_list_is_not_taken_for_plenty() -> None:
    (found,) = quotas.judged([quotas.Need(metric="m", amount=1, what="a job")], {}, "europe-west4")
    assert found.status == "cannot be read"


def test_a_grant_to_a_service_agent_that_nobody_has_made_blocks() -> None:
    agent, api = "service-1@gcp-sa-aiplatform.iam.gserviceaccount.com", "aiplatform.googleapis.com"
    off = agents.judged(agent, "{}", api, set(), "dev")
    assert (off.status, off.mend) == ("blocks", "make bootstrap ENV=dev")
    unknown = agents.judged(agent, "{}", "", {api}, "dev")
    assert unknown.status == "blocks"
    assert "infra/services.py" in unknown.mend
    assert agents.judged(agent, "{}", api, {api}, "dev").status == "ok"
    assert agents.judged(agent, f'"serviceAccount:{agent}"', "", set(), "dev").status == "ok"


def test_what_cannot_be_read_is_said_with_how_to_read_it(asked: Asked, google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constraints, "POLICIES", "https://orgpolicy.googleapis.com/v9")
    found = constraints.findings(asked, google)
    assert {finding.status for finding in found} == {"cannot be read"}
    assert all("roles/orgpolicy.policyViewer" in finding.mend for finding in found)
    assert verdict(found) == SOMETHING_UNREAD
    assert "not thereby right" in text(found)


def test_without_a_login_nothing_is_asked(asked: Asked, google: Google, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    with pytest.raises(Refused, match="gcloud auth application-default login"):
        apis.findings(asked, Google())


def test_a_login_that_cannot_be_renewed_is_nobodys(asked: Asked, google: Google, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    federated = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/github",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": str(tmp_path / "token-that-is-gone")},
    }
    (tmp_path / "credentials.json").write_text(json.dumps(federated))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "credentials.json"))
    with pytest.raises(Refused, match=r"credentials do not work.*gcloud auth application-default login") as refused:
        apis.findings(asked, Google())
    assert refused.value.status == 401


def test_what_blocks_comes_before_what_could_not_be_read_and_nothing_asked_is_not_right() -> None:
    blocks = Finding(check="api", subject="s", status="blocks", says="")
    unread = Finding(check="api", subject="s", status="cannot be read", says="")
    assert verdict([unread, blocks]) == SOMETHING_BLOCKS
    assert verdict([]) == SOMETHING_UNREAD
