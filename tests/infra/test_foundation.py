import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from environments import Names, load, organisation
from environments.loading import environment_names
from environments.schema import KeyPurpose
from infra import github, services
from infra.components.organisation_policies import ENFORCED, NEVER_PUBLIC
from infra.duties import BOOTSTRAPPED, DUTIES, duties
from infra.policies.subject import SynthesisedStack
from tests.infra.variants import changed, declared, of_type

OWN_POOL = "projects/111111111111/locations/global/workloadIdentityPools/organisation-github"
VPC = "projects/network-host/global/networks/shared"
SUBNETWORK = "projects/network-host/regions/europe-west12/subnetworks/ml"
KEYS = {purpose: f"projects/kms-host/locations/europe-west4/keyRings/ml/cryptoKeys/{purpose}" for purpose in get_args(KeyPurpose)}

SIGNS = "roles/cloudkms.signerVerifier"
SIGNING = (SIGNS, "roles/cloudkms.publicKeyViewer")


def foundation(tmp_path: Path, environment: str = "local", **sections: Any) -> SynthesisedStack:
    return declared("foundation", changed(environment, **sections), tmp_path)


def grants(stack: SynthesisedStack, type_: str) -> set[tuple[str, str]]:
    """(role, member) of every grant of a type."""
    return {(resource.body["role"], resource.body["member"]) for resource in of_type(stack, type_)}


# Project


def test_a_created_project_is_paid_for_has_no_default_network_and_is_adopted_from_the_bootstrap(
    stacks: dict[str, SynthesisedStack],
) -> None:
    [project] = of_type(stacks["dev-foundation"], "google_project")
    assert project.body["auto_create_network"] is False
    assert project.body["billing_account"] == load("dev").project.billing_account
    assert {"to": project.address, "id": "projects/acme-gemini-dev"} in stacks["dev-foundation"].document["import"]


def test_a_used_project_is_not_declared(stacks: dict[str, SynthesisedStack]) -> None:
    assert of_type(stacks["local-foundation"], "google_project") == []


def test_what_the_bootstrap_makes_is_adopted_and_declared(stacks: dict[str, SynthesisedStack]) -> None:
    for name in environment_names():
        stack = stacks[f"{name}-foundation"]
        names = Names(organisation(), load(name))
        adopted = {block["id"]: block["to"] for block in stack.document["import"]}
        pool = f"projects/{names.project}/locations/global/workloadIdentityPools/{names.workload_identity_pool_id}"
        accounts = {f"projects/{names.project}/serviceAccounts/{names.service_account(duty)}" for duty in BOOTSTRAPPED}
        assert {*accounts, pool, f"{pool}/providers/{github.PROVIDER}"} <= adopted.keys()
        assert set(adopted.values()) <= {resource.address for resource in stack.resources}


# What is switched off has no API and no identity


@pytest.mark.parametrize(
    ("sections", "api", "duty"),
    [
        ({"workbench": {"instances": {}}}, "notebooks", "workbench"),
        ({"training": {"dataflow": None}}, "dataflow", "dataflow"),
        ({"budget": None}, "billingbudgets", None),
        ({"keys": {"mode": "none"}, "approvers": []}, "cloudkms", None),
        ({"organisation_policies": {"mode": "use"}}, "orgpolicy", None),
        ({"federation": {"mode": "none"}}, "sts", None),
    ],
)
def test_what_is_switched_off_has_no_api_and_no_identity(sections: dict[str, Any], api: str, duty: str | None) -> None:
    on, off = load("local"), changed("local", **sections)
    assert api in services.apis(on)
    assert api not in services.apis(off)
    assert duty is None or (duty in duties(on) and duty not in duties(off))


def test_every_identity_of_a_duty_is_declared_with_exactly_its_roles(stacks: dict[str, SynthesisedStack]) -> None:
    stack = stacks["local-foundation"]
    assert {r.body["account_id"] for r in of_type(stack, "google_service_account")} == {
        stack.names.service_account_id(duty) for duty in Names.DUTIES
    }
    agents = set(services.AGENT_ROLES.values())
    held = {role for role, _ in grants(stack, "google_project_iam_member")}
    assert held - agents == {role for work in DUTIES.values() for role in work.roles}


def test_an_agent_that_is_made_because_we_ask_gets_the_role_that_google_grants_only_by_itself(stacks: dict[str, SynthesisedStack]) -> None:
    stack = stacks["local-foundation"]
    wanted = {(role, f"serviceAccount:{stack.names.service_agent(agent)}") for agent, role in services.AGENT_ROLES.items()}
    assert wanted <= grants(stack, "google_project_iam_member")
    off = {role for role, _ in grants(stacks["prod-foundation"], "google_project_iam_member")}
    assert "roles/notebooks.serviceAgent" not in off


def test_the_identity_that_plans_changes_nothing_and_reads_no_data() -> None:
    reading = re.compile(r"roles/(browser|.*([vV]iewer|[rR]eader|Reviewer|Consumer))$")
    data = {"roles/storage.objectViewer", "roles/bigquery.dataViewer", "roles/secretmanager.secretAccessor", "roles/pubsub.subscriber"}
    assert [role for role in DUTIES["plan"].roles if not reading.match(role)] == ["roles/logging.logWriter"]  # its own builds' lines
    assert not data & set(DUTIES["plan"].roles)
    assert [role for role in DUTIES["apply"].roles if reading.match(role)] == []


# Keys


def test_a_key_rotates_within_ninety_days_and_is_as_protected_as_the_data(stacks: dict[str, SynthesisedStack]) -> None:
    for name in environment_names():
        keys = of_type(stacks[f"{name}-foundation"], "google_kms_crypto_key")
        encrypting = [key for key in keys if key.body["purpose"] == "ENCRYPT_DECRYPT"]
        assert encrypting
        assert all(int(key.body["rotation_period"].rstrip("s")) <= 90 * 86_400 for key in encrypting)
        protected = load(name).data.deletion_protection
        assert {key.body.get("lifecycle", {}).get("prevent_destroy", False) for key in keys} == {protected}


def test_every_agent_that_encrypts_may_use_its_key_and_nobody_else_may(stacks: dict[str, SynthesisedStack]) -> None:
    stack = stacks["local-foundation"]
    wanted = {
        ("roles/cloudkms.cryptoKeyEncrypterDecrypter", f"serviceAccount:{stack.names.service_agent(agent)}")
        for agents in services.key_users(stack.environment).values()
        for agent in agents
    }
    assert wanted
    held = grants(stack, "google_kms_crypto_key_iam_member")
    assert {grant for grant in held if grant[0] not in SIGNING} == wanted


def test_each_approver_alone_signs_with_a_key_of_their_own(stacks: dict[str, SynthesisedStack]) -> None:
    for name in ("local", "staging", "prod"):
        stack = stacks[f"{name}-foundation"]
        signing = {key.body["name"]: key for key in of_type(stack, "google_kms_crypto_key") if key.body["purpose"] == "ASYMMETRIC_SIGN"}
        people = {stack.names.approver_key_id(person): person for person in stack.environment.approvers}
        assert signing.keys() == people.keys()
        assert {key.at("version_template.algorithm") for key in signing.values()} == {"EC_SIGN_P256_SHA256"}
        grants_ = [one for one in of_type(stack, "google_kms_crypto_key_iam_member") if one.body["role"] == SIGNS]
        held = {(one.body["crypto_key_id"], one.body["member"]) for one in grants_}
        assert held == {(f"${{google_kms_crypto_key.{key.id}.id}}", f"user:{people[id_]}") for id_, key in signing.items()}


def test_two_people_of_one_name_have_two_keys() -> None:
    names = Names(organisation(), load("prod"))
    assert names.approver_key_id("a.b@example.com") != names.approver_key_id("a-b@example.com")
    assert names.approver_key_id("lead@one.example.com") != names.approver_key_id("lead@two.example.com")
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,63}", names.approver_key_id(f"{'jürgen.' * 12}@example.com"))


def test_used_keys_are_granted_and_not_declared(tmp_path: Path) -> None:
    stack = foundation(tmp_path, keys={"mode": "use", "names": KEYS}, approvers=[])
    assert of_type(stack, "google_kms_key_ring") + of_type(stack, "google_kms_crypto_key") == []
    assert {r.body["crypto_key_id"] for r in of_type(stack, "google_kms_crypto_key_iam_member")} == set(KEYS.values())
    assert stack.names.key("ml") == KEYS["ml"]
    assert "kms-host" in json.dumps([r.body for r in of_type(stack, "google_org_policy_policy")])


def test_without_keys_of_our_own_none_is_declared_or_named(tmp_path: Path) -> None:
    stack = foundation(tmp_path, keys={"mode": "none"}, approvers=[])
    assert not [r for r in stack.resources if r.type.startswith("google_kms_")]
    assert "kms_key_name" not in json.dumps(stack.document["resource"])
    assert {stack.names.key(purpose) for purpose in get_args(KeyPurpose)} == {None}


# Federation


def test_any_ref_of_the_repository_may_plan_and_one_branch_may_apply(stacks: dict[str, SynthesisedStack]) -> None:
    stack = stacks["local-foundation"]
    [provider] = of_type(stack, "google_iam_workload_identity_pool_provider")
    assert "assertion.repository_id == '123456789'" in provider.body["attribute_condition"]
    assert "assertion.ref == 'refs/heads/main'" in provider.body["attribute_condition"]
    members = {r.id.split("_")[0]: r.body["member"] for r in of_type(stack, "google_service_account_iam_member") if "github" in r.id}
    assert members["github-plan"].endswith("/attribute.repository_id/123456789")
    assert members["github-apply"].endswith("/attribute.repository_ref/123456789@refs/heads/main")
    assert provider.body["attribute_mapping"].keys() >= {"attribute.repository_id", "attribute.repository_ref"}


def test_in_a_used_pool_nothing_is_declared_but_our_grants(tmp_path: Path) -> None:
    repository = {"id": "42", "ref": "refs/heads/main"}
    stack = foundation(tmp_path, federation={"mode": "use", "repository": repository, "pool": OWN_POOL})
    assert not [r for r in stack.resources if r.type.startswith("google_iam_workload_identity_pool")]
    members = {r.body["member"] for r in of_type(stack, "google_service_account_iam_member") if "github" in r.id}
    assert len(members) == 2
    assert all(member.startswith(f"principalSet://iam.googleapis.com/{OWN_POOL}/attribute.repository_") for member in members)


def test_without_federation_nobody_acts_from_outside(tmp_path: Path) -> None:
    assert "principalSet" not in json.dumps(foundation(tmp_path, federation={"mode": "none"}).document)


# Policies, logs, budget, secrets


def test_the_organisations_policies_are_declared_or_left_to_it(stacks: dict[str, SynthesisedStack], tmp_path: Path) -> None:
    names = {r.body["name"].rpartition("/")[2] for r in of_type(stacks["dev-foundation"], "google_org_policy_policy")}
    assert names >= {*ENFORCED, "gcp.resourceLocations", "gcp.restrictNonCmekServices", "compute.vmExternalIpAccess"}
    assert of_type(foundation(tmp_path, organisation_policies={"mode": "use"}), "google_org_policy_policy") == []


@pytest.mark.parametrize("domain", [None, "ml.example.com"])
def test_no_bucket_can_become_public_unless_there_is_a_public_page(domain: str | None, tmp_path: Path) -> None:
    names = {r.body["name"].rpartition("/")[2] for r in of_type(foundation(tmp_path, web={"domain": domain}), "google_org_policy_policy")}
    assert (NEVER_PUBLIC in names) is (domain is None)


def test_without_keys_no_policy_demands_one(tmp_path: Path) -> None:
    names = {r.body["name"].rpartition("/")[2] for r in of_type(foundation(tmp_path, keys={"mode": "none"}), "google_org_policy_policy")}
    assert names
    assert not {"gcp.restrictNonCmekServices", "gcp.restrictCmekCryptoKeyProjects"} & names


def test_audit_logs_are_kept_by_us_or_by_the_organisation(stacks: dict[str, SynthesisedStack], tmp_path: Path) -> None:
    [bucket] = of_type(stacks["prod-foundation"], "google_logging_project_bucket_config")
    assert (bucket.body["retention_days"], bucket.body["locked"]) == (400, True)
    [sink] = of_type(stacks["prod-foundation"], "google_logging_project_sink")
    assert "cloudaudit.googleapis.com/data_access" in sink.body["filter"]
    used = foundation(tmp_path, audit={"sink": {"mode": "use", "sink": "organizations/123456789/sinks/audit"}})
    assert not [r for r in used.resources if r.type.startswith("google_logging_")]
    assert of_type(used, "google_project_iam_audit_config")


def test_a_secret_stays_in_its_region_under_our_key_and_has_no_value(stacks: dict[str, SynthesisedStack]) -> None:
    stack = stacks["prod-foundation"]
    secrets = of_type(stack, "google_secret_manager_secret")
    assert {secret.body["secret_id"] for secret in secrets} == {stack.names.secret(purpose) for purpose in Names.SECRETS}
    for secret in secrets:
        [replica] = secret.body["replication"]["user_managed"]["replicas"]
        assert replica["location"] == stack.environment.region
        assert replica["customer_managed_encryption"]["kms_key_name"] == stack.names.key("secrets")
        assert secret.body["deletion_protection"] is True
    assert of_type(stack, "google_secret_manager_secret_version") == []


def test_a_budget_warns_before_it_is_spent_or_is_absent(stacks: dict[str, SynthesisedStack], tmp_path: Path) -> None:
    [budget] = of_type(stacks["dev-foundation"], "google_billing_budget")
    assert [rule["threshold_percent"] for rule in budget.body["threshold_rules"]] == [0.5, 0.9, 1.0, 1.0]
    assert budget.body["budget_filter"]["projects"] == [f"projects/{load('dev').project.number}"]
    assert of_type(foundation(tmp_path, budget=None), "google_billing_budget") == []


# What a file may not say


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"project": {"mode": "use", "id": "acme-gemini-local"}, "budget": None}, "project.mode 'use' needs project.number"),
        ({"project": {"mode": "use", "id": "acme-gemini-local", "number": "656043077803"}}, "a budget needs project.billing_account"),
        ({"data_location": "EU"}, "one key encrypts data in EU"),
        ({"data_location": "EU", "keys": {"mode": "use", "names": KEYS}}, "one key encrypts data in EU"),
        ({"keys": {"mode": "use", "names": {**KEYS, "ml": KEYS["ml"].replace("west4", "west1")}}}, "name keys in europe-west4"),
        ({"keys": {"mode": "use", "names": {"ml": KEYS["ml"]}}}, "names lacks data, releases, secrets, workbench"),
        ({"keys": {"mode": "create", "rotation_days": 365}}, "less than or equal to 90"),
        ({"federation": {"mode": "create", "repository": {"id": "acme/playbook", "ref": "refs/heads/main"}}}, "String should match"),
        ({"network": {"mode": "use", "network": "vpc", "subnetwork": "subnet"}}, "String should match"),
        ({"network": {"mode": "use", "network": VPC, "subnetwork": SUBNETWORK}, "training": {"dataflow": None}}, "is not in europe-west4"),
    ],
)
def test_a_section_that_cannot_work_is_refused_with_its_mend(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        changed("local", **sections)
