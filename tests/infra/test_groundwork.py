"""The bootstrap against a local Google Cloud of its own."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from environments import Names, load, organisation
from environments.clients import Clients
from infra import github, services
from infra.duties import BOOTSTRAPPED, DUTIES
from infra.terraform import bootstrap, groundwork, project
from infra.terraform.rest import Google, Refused
from tests.conftest import running_emulator

KMS = "https://cloudkms.googleapis.com/v1"
LOGGING = "https://logging.googleapis.com/v2"
IAM = "https://iam.googleapis.com/v1"


@pytest.fixture(scope="module", autouse=True)
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """What the first bootstrap of an empty local Google Cloud said."""
    said: list[str] = []
    with running_emulator(tmp_path_factory.mktemp("google-cloud")) as described, pytest.MonkeyPatch.context() as patch:
        for variable, value in described["environment"].items():
            patch.setenv(variable, value)
        assert bootstrap("local", said.append) is True
        yield said


@pytest.fixture
def names() -> Names:
    return Clients.of("local").names


def pool(names: Names) -> str:
    return f"{IAM}/projects/{names.project}/locations/global/workloadIdentityPools/{names.workload_identity_pool_id}"


def test_what_is_lacking_is_said_and_a_second_bootstrap_has_nothing_to_say(first: list[str], names: Names) -> None:
    assert f"state bucket gs://{names.state_bucket}: to be made" in first
    assert f"identity {names.service_account_id('apply')}: to be made" in first
    assert any(line.startswith("APIs: to be enabled: aiplatform") for line in first)
    again: list[str] = []
    assert bootstrap("local", again.append) is False
    assert again == []


def test_every_api_of_what_is_switched_on_is_enabled(names: Names) -> None:
    page = Google().call("GET", f"https://serviceusage.googleapis.com/v1/projects/{names.project}/services", {"filter": "state:ENABLED"})
    enabled = {service["name"].rpartition("/")[2].removesuffix(".googleapis.com") for service in page["services"]}
    assert set(services.apis(names.environment)) <= enabled


def test_a_state_can_be_had_back_and_nobody_but_us_may_read_it(names: Names) -> None:
    bucket = Clients.of("local").storage().get_bucket(names.state_bucket)
    assert bucket.versioning_enabled
    assert bucket.soft_delete_policy.retention_duration_seconds == 30 * 86_400
    assert [rule["condition"]["numNewerVersions"] for rule in bucket.lifecycle_rules] == [20]
    assert bucket.iam_configuration.public_access_prevention == "enforced"


def test_a_state_bucket_with_other_settings_is_brought_to_ours(names: Names) -> None:
    client = Clients.of("local").storage()
    bucket = client.get_bucket(names.state_bucket)
    bucket.versioning_enabled = False
    bucket.patch()
    said: list[str] = []
    assert bootstrap("local", said.append) is False
    assert said[0] == f"state bucket gs://{names.state_bucket}: to be set: versioning"
    assert client.get_bucket(names.state_bucket).versioning_enabled


def test_who_plans_may_take_a_lock_and_write_no_state(names: Names) -> None:
    policy = Clients.of("local").storage().bucket(names.state_bucket).get_iam_policy(requested_policy_version=3)
    plan = f"serviceAccount:{names.service_account('plan')}"
    held = {binding["role"]: binding.get("condition") for binding in policy.bindings if plan in binding["members"]}
    assert held["roles/storage.objectViewer"] is None
    assert held["roles/storage.objectUser"]["expression"] == "resource.name.endsWith('/default.tflock')"


def test_plan_and_apply_hold_exactly_what_the_foundation_stack_declares(names: Names) -> None:
    url = f"https://cloudresourcemanager.googleapis.com/v1/projects/{names.project}:getIamPolicy"
    bindings = Google().call("POST", url, None, {})["bindings"]
    for duty in BOOTSTRAPPED:
        member = f"serviceAccount:{names.service_account(duty)}"
        assert {binding["role"] for binding in bindings if member in binding["members"]} == set(DUTIES[duty].roles)


@pytest.mark.parametrize(
    ("refusals", "tries"),
    [
        ([], 1),
        (["Cloud KMS API has not been used in project 1 before or it is disabled.", "Service account a@b does not exist."], 3),
    ],
)
def test_what_google_does_not_know_yet_is_tried_again(refusals: list[str], tries: int) -> None:
    left, tried = list(refusals), []

    def make() -> None:
        tried.append(len(left))
        if left:
            raise Refused(400, left.pop())

    groundwork.settled(make, pauses=(0, 0, 0))
    assert len(tried) == tries


@pytest.mark.parametrize(("refusal", "tries"), [("Permission denied", 1), ("Service account a@b does not exist.", 3)])
def test_any_other_refusal_ends_it_and_so_does_the_last_pause(refusal: str, tries: int) -> None:
    tried = []

    def make() -> None:
        tried.append(refusal)
        raise Refused(403, refusal)

    with pytest.raises(Refused, match=refusal):
        groundwork.settled(make, pauses=(0, 0))
    assert len(tried) == tries


def test_a_project_is_made_in_its_folder_and_paid_for(names: Names) -> None:
    dev = load("dev")
    made = dev.model_copy(update={"project": dev.project.model_copy(update={"id": "acme-gemini-made"})})
    making, linking = project.steps(Names(organisation(), made), Google())
    making.make()
    assert (making.lacking(), linking.lacking()) == ("", "to be linked"), "a run that was killed in between goes on here"
    linking.make()
    found = Google().call("GET", f"{project.PROJECTS}/projects/acme-gemini-made")
    assert found["parent"] == {"type": "folder", "id": dev.project.folder}
    billing = Google().call("GET", f"{project.BILLING}/projects/acme-gemini-made/billingInfo")
    assert billing["billingAccountName"] == f"billingAccounts/{dev.project.billing_account}"
    assert linking.lacking() == ""


def test_a_used_project_is_left_alone(names: Names) -> None:
    assert project.steps(names, Google()) == []


def test_only_tokens_of_our_repository_are_trusted(names: Names) -> None:
    provider = Google().call("GET", f"{pool(names)}/providers/{github.PROVIDER}")
    federation = names.environment.federation
    assert federation.mode == "create"
    assert provider["attributeCondition"] == github.condition(federation.repository)
    assert provider["oidc"] == {"issuerUri": "https://token.actions.githubusercontent.com"}


def token(**claims: str) -> str:
    """What GitHub gives a workflow; who signed it is not looked at here."""
    parts = ({"alg": "RS256"}, {"iss": github.ISSUER, "sub": "repo:acme/playbook", **claims})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".signature"


@pytest.mark.parametrize(
    ("claims", "let_in"),
    [
        ({"repository_id": "123456789", "ref": "refs/heads/main", "event_name": "push"}, True),
        ({"repository_id": "123456789", "ref": "refs/pull/7/merge", "event_name": "pull_request"}, True),
        ({"repository_id": "123456789", "ref": "refs/heads/feature", "event_name": "push"}, False),
        ({"repository_id": "987654321", "ref": "refs/heads/main", "event_name": "push"}, False),
        ({"repository_id": "123456789", "ref": "refs/heads/main", "event_name": "pull_request_target"}, False),
        ({"repository_id": "123456789", "ref": "refs/heads/main", "event_name": "issue_comment"}, False),
    ],
)
def test_a_workflow_is_let_in_by_its_repository_its_ref_and_what_started_it(claims: dict[str, str], let_in: bool, names: Names) -> None:
    body = {
        "audience": f"//iam.googleapis.com/{names.workload_identity_pool}/providers/{github.PROVIDER}",
        "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
        "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt",
        "subjectToken": token(**claims),
    }
    answer = requests.post("https://sts.googleapis.com/v1/token", json=body, timeout=30)
    assert (answer.status_code == 200) is let_in, answer.text


def test_what_a_destroy_only_schedules_for_deletion_is_had_back(names: Names) -> None:
    google = Google()
    rings, logs = f"{KMS}/{names.location}/keyRings", f"{LOGGING}/{names.location}/buckets"
    key = f"{rings}/{names.key_ring}/cryptoKeys/data"
    google.call("POST", rings, {"keyRingId": names.key_ring}, {})
    google.call("POST", f"{rings}/{names.key_ring}/cryptoKeys", {"cryptoKeyId": "data"}, {"purpose": "ENCRYPT_DECRYPT"})
    google.call("POST", logs, {"bucketId": names.audit_logs}, {})
    google.call("POST", f"{key}/cryptoKeyVersions/1:destroy", None, {})
    google.call("DELETE", f"{logs}/{names.audit_logs}")
    google.finished(IAM, google.call("DELETE", pool(names)))

    said: list[str] = []
    bootstrap("local", said.append)
    assert len([line for line in said if "to be restored" in line]) == 3
    assert google.call("GET", f"{key}/cryptoKeyVersions/1")["state"] == "ENABLED"
    assert google.call("GET", f"{logs}/{names.audit_logs}")["lifecycleState"] == "ACTIVE"
    assert google.call("GET", pool(names))["state"] == "ACTIVE"


def test_a_project_number_that_the_file_does_not_say_is_told(names: Names) -> None:
    local = load("local")
    elsewhere = Names(organisation(), local.model_copy(update={"project": local.project.model_copy(update={"number": "111111111111"})}))
    said: list[Any] = []
    groundwork.lay(elsewhere, Google(), said.append)
    assert re.search(rf'Write number: "{local.project.number}"', said[-1])
