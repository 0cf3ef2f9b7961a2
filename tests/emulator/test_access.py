"""Who may do what: policies, conditions, impersonation and federation, recorded always and enforced where asked."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from emulator import behaviours, dispatch
from emulator.access import permissions, roles
from emulator.cloud import Cloud
from emulator.identity import E_MAIL, access_token, ensure_key
from emulator.images import Images

PROJECT = "acme-guarded"
LOCATION = f"/v1/projects/{PROJECT}/locations/europe-west4"
VERTEX, STORAGE, MANAGER = "europe-west4-aiplatform.googleapis.com", "storage.googleapis.com", "cloudresourcemanager.googleapis.com"
SERVER = f"server@{PROJECT}.iam.gserviceaccount.com"
BUCKET = "acme-guarded-models"


@dataclass
class Guarded:
    """A local Google Cloud that enforces permissions."""

    runner: asyncio.Runner
    cloud: Cloud

    def ask(self, who: str, http: str, host: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        path, _, query = path.partition("?")
        headers |= {"authorization": f"Bearer {access_token(who)}"} if who else {}
        content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        answer = self.runner.run(dispatch.answer(dispatch.Request(http, host, path, query, headers, content), self.cloud))
        assert isinstance(answer.body, bytes)
        return answer.status, json.loads(answer.body or b"{}")

    def grant(self, role: str, member: str, condition: str = "") -> None:
        """Adds a binding to the project's policy."""
        policy = self.ask(E_MAIL, "POST", MANAGER, f"/v1/projects/{PROJECT}:getIamPolicy")[1]
        binding = {"role": role, "members": [member], **({"condition": {"title": "when", "expression": condition}} if condition else {})}
        policy = {**policy, "bindings": [*policy.get("bindings", []), binding]}
        assert self.ask(E_MAIL, "POST", MANAGER, f"/v1/projects/{PROJECT}:setIamPolicy", {"policy": policy})[0] == 200


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    with asyncio.Runner() as runner:

        async def started() -> Cloud:
            return Cloud(tmp_path, {}, Images({}), enforced=True)

        behaviours.load()
        running = Guarded(runner, runner.run(started()))
        body = {"name": BUCKET, "location": "EUROPE-WEST4"}
        assert running.ask(E_MAIL, "POST", STORAGE, f"/storage/v1/b?project={PROJECT}", body)[0] == 200
        try:
            yield running
        finally:
            runner.run(running.cloud.close())


def recorded(guarded: Guarded, permission: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for _, _, line in guarded.cloud.store.logs("access")]
    return [line for line in lines if line["permission"] == permission]


def test_every_call_is_logged_with_who_made_it_what_it_needed_and_how_it_ended(guarded: Guarded) -> None:
    guarded.ask(SERVER, "GET", VERTEX, f"{LOCATION}/endpoints")
    guarded.ask(E_MAIL, "GET", VERTEX, f"{LOCATION}/endpoints")
    guarded.ask(SERVER, "GET", VERTEX, "/v1/nothing/of/the/kind")
    guarded.ask("", "GET", STORAGE, f"/{BUCKET}/absent")
    refused, granted, unknown, anonymous = (json.loads(line) for _, _, line in guarded.cloud.store.last_lines("requests", 4))
    assert (refused["status"], refused["identity"], refused["method"]) == (403, SERVER, "aiplatform.projects.locations.endpoints.list")
    needed = {"permission": "aiplatform.endpoints.list", "service": "aiplatform", "resource": LOCATION.removeprefix("/v1/")}
    assert refused["permissions"] == [{**needed, "granted": ""}]
    assert "aiplatform.endpoints.list" in refused["problem"]
    assert granted["permissions"] == [{**needed, "granted": "owner of this machine"}]
    assert granted["status"] == 200
    assert "problem" not in granted
    assert (unknown["status"], unknown["identity"], unknown["method"]) == (404, SERVER, "")
    assert (anonymous["status"], anonymous["identity"], anonymous["method"]) == (401, "", "storage.read")


def test_without_a_grant_a_call_is_refused_as_google_refuses_it(guarded: Guarded) -> None:
    status, answer = guarded.ask(SERVER, "GET", VERTEX, f"{LOCATION}/endpoints")
    error = answer["error"]
    assert (status, error["status"]) == (403, "PERMISSION_DENIED")
    assert error["message"].startswith("Permission 'aiplatform.endpoints.list' denied on resource '//aiplatform.googleapis.com/projects/")
    assert (error["details"][0]["reason"], error["details"][0]["domain"]) == ("IAM_PERMISSION_DENIED", "aiplatform.googleapis.com")
    status, answer = guarded.ask(SERVER, "GET", STORAGE, f"/storage/v1/b/{BUCKET}/o")
    assert status == 403
    assert answer["error"]["message"].startswith(f"{SERVER} does not have storage.objects.list access to the Google Cloud Storage bucket.")
    assert guarded.ask("", "GET", VERTEX, f"{LOCATION}/endpoints")[0] == 401


def test_a_role_on_the_project_reaches_what_is_in_it_and_no_further_than_its_permissions(guarded: Guarded) -> None:
    guarded.grant("roles/aiplatform.viewer", f"serviceAccount:{SERVER}")
    assert guarded.ask(SERVER, "GET", VERTEX, f"{LOCATION}/endpoints")[0] == 200
    assert guarded.ask(SERVER, "POST", VERTEX, f"{LOCATION}/endpoints", {"displayName": "x"})[0] == 403
    assert guarded.ask(SERVER, "GET", VERTEX, "/v1/projects/acme-other/locations/europe-west4/endpoints")[0] == 403
    granted = {line["granted"] for line in recorded(guarded, "aiplatform.endpoints.list")}
    assert granted == {f"roles/aiplatform.viewer on projects/{PROJECT}", ""}


def test_a_condition_is_decided_for_each_object(guarded: Guarded) -> None:
    expression = f"resource.name.startsWith('projects/_/buckets/{BUCKET}/objects/champion/')"
    guarded.grant("roles/storage.objectViewer", f"serviceAccount:{SERVER}", expression)
    assert guarded.ask(SERVER, "GET", STORAGE, f"/storage/v1/b/{BUCKET}/o/champion%2Fmodel")[0] == 404
    assert guarded.ask(SERVER, "GET", STORAGE, f"/storage/v1/b/{BUCKET}/o/challenger%2Fmodel")[0] == 403


@pytest.mark.parametrize(
    "expression",
    [
        "request.time < timestamp('2020-01-01T00:00:00Z')",
        "request.time > timestamp('2020-01-01')",
        "resource.colour == 'red'",
        "nonsense(",
        "'a' < 1 < 2",
    ],
)
def test_a_condition_that_is_over_or_cannot_be_decided_grants_nothing(guarded: Guarded, expression: str) -> None:
    guarded.grant("roles/aiplatform.user", f"serviceAccount:{SERVER}", expression)
    assert guarded.ask(SERVER, "GET", VERTEX, f"{LOCATION}/endpoints")[0] == 403


def test_nobody_runs_anything_as_an_identity_that_he_may_not_act_as(guarded: Guarded) -> None:
    pipelines, trainer = f"pipelines@{PROJECT}.iam.gserviceaccount.com", f"trainer@{PROJECT}.iam.gserviceaccount.com"
    guarded.grant("roles/aiplatform.user", f"serviceAccount:{pipelines}")
    job = {"displayName": "j", "jobSpec": {"serviceAccount": trainer, "workerPoolSpecs": [{"containerSpec": {"imageUri": "none"}}]}}
    status, answer = guarded.ask(pipelines, "POST", VERTEX, f"{LOCATION}/customJobs", job)
    assert status == 403
    assert "iam.serviceAccounts.actAs" in answer["error"]["message"]
    accounts = f"/v1/projects/{PROJECT}/serviceAccounts"
    assert guarded.ask(E_MAIL, "POST", "iam.googleapis.com", accounts, {"accountId": "trainer"})[0] == 200
    policy = {"bindings": [{"role": "roles/iam.serviceAccountUser", "members": [f"serviceAccount:{pipelines}"]}]}
    guarded.ask(E_MAIL, "POST", "iam.googleapis.com", f"{accounts}/{trainer}:setIamPolicy", {"policy": policy})
    # What is left to refuse is the image, which nobody knows here.
    assert guarded.ask(pipelines, "POST", VERTEX, f"{LOCATION}/customJobs", job)[0] == 400


def test_nobody_trains_as_an_identity_that_he_may_not_act_as_however_it_is_spelled(guarded: Guarded) -> None:
    guarded.grant("roles/aiplatform.user", f"serviceAccount:{SERVER}")
    for spelled in ("service_account", "serviceAccount"):
        inputs = {spelled: f"trainer@{PROJECT}.iam.gserviceaccount.com", "worker_pool_specs": [{"container_spec": {"image_uri": "none"}}]}
        task = "gs://google-cloud-aiplatform/schema/trainingjob/definition/custom_task_1.0.0.yaml"
        body = {"displayName": "p", "trainingTaskDefinition": task, "trainingTaskInputs": inputs}
        status, answer = guarded.ask(SERVER, "POST", VERTEX, f"{LOCATION}/trainingPipelines", body)
        assert status == 403
        assert "iam.serviceAccounts.actAs" in answer["error"]["message"]


def test_an_identity_is_borrowed_by_whoever_may_make_its_tokens(guarded: Guarded) -> None:
    host, path = "iamcredentials.googleapis.com", f"/v1/projects/-/serviceAccounts/{SERVER}:generateAccessToken"
    assert guarded.ask("ci@example.com", "POST", host, path, {"scope": ["x"]})[0] == 403
    guarded.ask(E_MAIL, "POST", "iam.googleapis.com", f"/v1/projects/{PROJECT}/serviceAccounts", {"accountId": "server"})
    policy = {"bindings": [{"role": "roles/iam.serviceAccountTokenCreator", "members": ["user:ci@example.com"]}]}
    guarded.ask(E_MAIL, "POST", "iam.googleapis.com", f"/v1/projects/{PROJECT}/serviceAccounts/{SERVER}:setIamPolicy", {"policy": policy})
    status, answer = guarded.ask("ci@example.com", "POST", host, path, {"scope": ["x"]})
    assert (status, answer["accessToken"]) == (200, access_token(SERVER))


def jwt(**claims: str) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.sig"


def test_a_token_of_another_issuer_becomes_an_identity_only_under_the_providers_condition(guarded: Guarded) -> None:
    pools = f"/v1/projects/{PROJECT}/locations/global/workloadIdentityPools"
    issuer = "https://token.actions.githubusercontent.com"
    provider = {
        "oidc": {"issuerUri": issuer},
        "attributeMapping": {"google.subject": "assertion.sub", "attribute.repository_id": "assertion.repository_id"},
        "attributeCondition": "assertion.repository_id == '42' && assertion.ref == 'refs/heads/main'",
    }
    guarded.ask(E_MAIL, "POST", "iam.googleapis.com", f"{pools}?workloadIdentityPoolId=github", {})
    guarded.ask(E_MAIL, "POST", "iam.googleapis.com", f"{pools}/github/providers?workloadIdentityPoolProviderId=actions", provider)
    pool = f"projects/{PROJECT}/locations/global/workloadIdentityPools/github"

    def exchanged(**claims: str) -> tuple[int, Any]:
        body = {"audience": f"//iam.googleapis.com/{pool}/providers/actions", "subjectToken": jwt(**claims)}
        return guarded.ask("", "POST", "sts.googleapis.com", "/v1/token", body)

    main = {"iss": issuer, "sub": "repo:acme/mlops:ref:refs/heads/main", "repository_id": "42", "ref": "refs/heads/main"}
    assert exchanged(**{**main, "ref": "refs/heads/mine"})[1]["error"] == "unauthorized_client"
    assert exchanged(**{**main, "repository_id": "43"})[1]["error"] == "unauthorized_client"
    assert exchanged(**{**main, "iss": "https://elsewhere.example"})[1]["error"] == "invalid_grant"
    status, answer = exchanged(**main)
    assert status == 200
    principal = f"principal://iam.googleapis.com/{pool}/subject/{main['sub']}"
    assert answer["access_token"] == access_token(principal)
    assert guarded.ask(principal, "GET", VERTEX, f"{LOCATION}/endpoints")[0] == 403
    guarded.grant("roles/aiplatform.viewer", f"principalSet://iam.googleapis.com/{pool}/attribute.repository_id/42")
    assert guarded.ask(principal, "GET", VERTEX, f"{LOCATION}/endpoints")[0] == 200


def test_a_query_needs_the_data_that_it_reads(guarded: Guarded) -> None:
    host, datasets = "bigquery.googleapis.com", f"/bigquery/v2/projects/{PROJECT}/datasets"
    reference = {"projectId": PROJECT, "datasetId": "ml"}
    guarded.ask(E_MAIL, "POST", host, datasets, {"datasetReference": reference})
    fields = {"fields": [{"name": "n", "type": "INTEGER"}]}
    guarded.ask(E_MAIL, "POST", host, f"{datasets}/ml/tables", {"tableReference": {**reference, "tableId": "t"}, "schema": fields})
    query = {"query": "select n from ml.t", "useLegacySql": False}
    path = f"/bigquery/v2/projects/{PROJECT}/queries"
    assert guarded.ask(SERVER, "POST", host, path, query)[0] == 403
    guarded.grant("roles/bigquery.jobUser", f"serviceAccount:{SERVER}")
    status, answer = guarded.ask(SERVER, "POST", host, path, query)
    assert (status, answer["error"]["errors"][0]["reason"]) == (403, "accessDenied")
    access = guarded.ask(E_MAIL, "GET", host, f"{datasets}/ml")[1]["access"]
    guarded.ask(E_MAIL, "PATCH", host, f"{datasets}/ml", {"access": [*access, {"role": "READER", "userByEmail": SERVER}]})
    assert guarded.ask(SERVER, "POST", host, path, query)[0] == 200


def test_what_is_recorded_tells_identity_method_permission_and_what_granted_it(guarded: Guarded) -> None:
    for _ in range(2):
        guarded.ask(SERVER, "GET", STORAGE, f"/storage/v1/b/{BUCKET}/o")
    assert recorded(guarded, "storage.objects.list") == [
        {
            "identity": SERVER,
            "method": "storage.objects.list",
            "permission": "storage.objects.list",
            "resource": f"b/{BUCKET}",
            "granted": "",
        }
    ]


def test_what_many_objects_are_asked_for_is_recorded_once(guarded: Guarded) -> None:
    for name in ("a", "b", "c"):
        guarded.ask(SERVER, "GET", STORAGE, f"/download/storage/v1/b/{BUCKET}/o/{name}")
    (line,) = recorded(guarded, "storage.objects.get")
    assert (line["identity"], line["granted"]) == (SERVER, "")


def test_what_runs_in_the_cloud_signs_as_the_account_that_it_was_given(tmp_path: Path) -> None:
    ensure_key(tmp_path / "key.json")
    cloud = Cloud(tmp_path, {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json")}, Images({}))

    def signer(account: str) -> str:
        key = Path(cloud.environment_of(account, PROJECT)["GOOGLE_APPLICATION_CREDENTIALS"])
        assert key.stat().st_mode & 0o77 == 0
        return str(json.loads(key.read_text())["client_email"])

    assert signer(SERVER) == signer(f"projects/{PROJECT}/serviceAccounts/{SERVER}") == SERVER
    assert signer("").endswith("-compute@developer.gserviceaccount.com")


@pytest.mark.parametrize(
    ("service", "method", "permission"),
    [
        ("aiplatform", "projects.locations.endpoints.deployModel", "aiplatform.endpoints.deploy"),
        ("aiplatform", "projects.locations.featureGroups.features.patch", "aiplatform.features.update"),
        ("aiplatform", "projects.locations.tensorboards.experiments.runs.write", "aiplatform.tensorboardRuns.write"),
        ("compute", "networks.insert", "compute.networks.create"),
        ("cloudresourcemanager", "projects.setIamPolicy", "resourcemanager.projects.setIamPolicy"),
        ("iam", "projects.locations.workloadIdentityPools.providers.create", "iam.googleapis.com/workloadIdentityPoolProviders.create"),
        ("bigquery", "tabledata.insertAll", "bigquery.tables.updateData"),
        ("aiplatform", "projects.locations.operations.get", ""),
        ("pubsub", "projects.topics.testIamPermissions", ""),
    ],
)
def test_the_permission_of_a_method_is_the_documented_one(service: str, method: str, permission: str) -> None:
    assert permissions.by_method(service, method) == permission


def test_every_row_says_where_it_comes_from() -> None:
    assert all(row["source"] and row["permissions"] for row in roles.table().values())
    assert all(row["source"].startswith("https://cloud.google.com/") for row in permissions.table().values())


@pytest.mark.parametrize(
    ("role", "held", "lacked"),
    [
        ("roles/storage.objectUser", "storage.objects.delete", "storage.objects.setIamPolicy"),
        ("roles/aiplatform.user", "aiplatform.endpoints.predict", "aiplatform.endpoints.setIamPolicy"),
        ("roles/editor", "aiplatform.endpoints.create", "resourcemanager.projects.setIamPolicy"),
        ("roles/viewer", "aiplatform.endpoints.get", "storage.objects.get"),
        ("roles/logging.logWriter", "logging.logEntries.create", "logging.logEntries.list"),
    ],
)
def test_a_role_holds_what_google_lists_and_nothing_else(role: str, held: str, lacked: str) -> None:
    assert roles.holds(role, held)
    assert not roles.holds(role, lacked)
    assert not roles.holds("roles/unheard.of", held)


def upload(name: str) -> bytes:
    metadata = f'content-type: application/json\r\n\r\n{{"name": "{name}"}}'
    return f"--x\r\n{metadata}\r\n--x\r\ncontent-type: text/plain\r\n\r\n{{}}\r\n--x--".encode()


def test_a_condition_on_an_objects_name_holds_for_uploads_that_name_it_in_their_body(guarded: Guarded) -> None:
    locks = "resource.name.endsWith('/default.tflock')"
    guarded.grant("roles/storage.objectUser", f"serviceAccount:{SERVER}", locks)
    asked = {
        "multipart": (upload, {"content-type": "multipart/related; boundary=x"}),
        "resumable": (lambda name: json.dumps({"name": name}).encode(), {"content-type": "application/json"}),
    }
    for kind, (body, headers) in asked.items():
        path = f"/upload/storage/v1/b/{BUCKET}/o?uploadType={kind}"
        assert guarded.ask(SERVER, "POST", STORAGE, path, body(f"{kind}/default.tflock"), **headers)[0] == 200
        assert guarded.ask(SERVER, "POST", STORAGE, path, body(f"{kind}/default.tfstate"), **headers)[0] == 403
        assert guarded.ask(SERVER, "POST", STORAGE, path, b"7", **headers)[0] == 403, "what is no metadata names nothing"


def test_a_bucket_tells_its_changes_to_a_topic_only_where_cloud_storage_may_publish(guarded: Guarded) -> None:
    topic = f"projects/{PROJECT}/topics/changes"
    assert guarded.ask(E_MAIL, "PUT", "pubsub.googleapis.com", f"/v1/{topic}")[0] == 200
    configuration = {"topic": f"//pubsub.googleapis.com/{topic}", "payload_format": "NONE"}
    path = f"/storage/v1/b/{BUCKET}/notificationConfigs"
    status, answer = guarded.ask(E_MAIL, "POST", STORAGE, path, configuration)
    assert status == 403
    agent = guarded.ask(E_MAIL, "GET", STORAGE, f"/storage/v1/projects/{PROJECT}/serviceAccount")[1]["email_address"]
    assert agent in answer["error"]["message"]
    guarded.grant("roles/pubsub.publisher", f"serviceAccount:{agent}")
    assert guarded.ask(E_MAIL, "POST", STORAGE, path, configuration)[0] == 200
    assert guarded.ask(SERVER, "GET", STORAGE, path)[0] == 403
