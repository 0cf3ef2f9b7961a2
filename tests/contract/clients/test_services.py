"""Secret Manager, Cloud Scheduler, Cloud KMS, Artifact Registry and Cloud Build by `google-api-python-client`.

The typed libraries of these APIs are not among the packages of this repository.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def secret(place: Place) -> Iterator[tuple[Any, str]]:
    """The API of secrets, and a new secret."""
    from googleapiclient import discovery

    secrets = discovery.build("secretmanager", "v1").projects().secrets()
    body = {"replication": {"automatic": {}}, "labels": dict(place.labels)}
    name = secrets.create(parent=f"projects/{place.project}", secretId=place.name("secret"), body=body).execute()["name"]
    yield secrets, name
    secrets.delete(name=name).execute()


@calls(
    "secretmanager.projects.secrets.create", "secretmanager.projects.secrets.addVersion", "secretmanager.projects.secrets.versions.access",
    "secretmanager.projects.secrets.versions.disable", "secretmanager.projects.secrets.versions.destroy",
    "secretmanager.projects.secrets.versions.list",
)  # fmt: skip
def test_versions_of_a_secret_are_numbered_disabled_and_destroyed(place: Place, secret: tuple[Any, str]) -> None:
    """`latest` is the newest version; one that is disabled or destroyed is not to be had: FAILED_PRECONDITION.

    https://cloud.google.com/secret-manager/docs/access-secret-version, https://cloud.google.com/secret-manager/docs/destroy-secret-version
    """
    from googleapiclient.errors import HttpError

    secrets, name = secret
    versions = secrets.versions()
    with pytest.raises(HttpError) as absent:
        versions.access(name=f"{name}/versions/latest").execute()
    assert absent.value.status_code == 404
    for text in ("one", "two"):
        added = secrets.addVersion(parent=name, body={"payload": {"data": encoded(text)}}).execute()
    assert (added["name"].rpartition("/")[2], added["state"]) == ("2", "ENABLED")
    assert versions.access(name=f"{name}/versions/latest").execute()["payload"]["data"] == encoded("two")
    assert versions.access(name=f"{name}/versions/1").execute()["payload"]["data"] == encoded("one")
    assert versions.disable(name=f"{name}/versions/2", body={}).execute()["state"] == "DISABLED"
    with pytest.raises(HttpError) as disabled:
        versions.access(name=f"{name}/versions/2").execute()
    assert disabled.value.status_code == 400
    assert versions.destroy(name=f"{name}/versions/1", body={}).execute()["state"] == "DESTROYED"
    # The newest comes first.
    assert [version["state"] for version in versions.list(parent=name).execute()["versions"]] == ["DISABLED", "DESTROYED"]


@calls("secretmanager.projects.secrets.setIamPolicy", "secretmanager.projects.secrets.getIamPolicy", "secretmanager.projects.secrets.patch")
def test_a_secret_has_a_policy_of_its_own(place: Place, secret: tuple[Any, str]) -> None:
    """A policy that was read before another was written is stale: its etag tells.

    https://cloud.google.com/iam/docs/allow-policies#etag
    """
    from googleapiclient.errors import HttpError

    secrets, name = secret
    stale = secrets.getIamPolicy(resource=name).execute()
    bindings = [{"role": "roles/secretmanager.secretAccessor", "members": [f"projectViewer:{place.project}"]}]
    written = secrets.setIamPolicy(resource=name, body={"policy": {**stale, "bindings": bindings}}).execute()
    assert secrets.getIamPolicy(resource=name).execute()["bindings"] == written["bindings"] == bindings
    with pytest.raises(HttpError) as caught:
        secrets.setIamPolicy(resource=name, body={"policy": {"bindings": [], "etag": stale.get("etag") or encoded("none")}}).execute()
    assert caught.value.status_code == 409
    changed = secrets.patch(name=name, updateMask="labels", body={"labels": {**place.labels, "task": "nlp"}}).execute()
    assert (changed["labels"]["task"], changed["replication"]) == ("nlp", {"automatic": {}})


@calls(
    "cloudscheduler.projects.locations.jobs.create", "cloudscheduler.projects.locations.jobs.pause",
    "cloudscheduler.projects.locations.jobs.run", "cloudscheduler.projects.locations.jobs.delete",
)  # fmt: skip
def test_a_scheduled_job_publishes_when_it_is_run(place: Place) -> None:
    """https://cloud.google.com/scheduler/docs/creating, https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs"""
    from google.cloud import pubsub_v1
    from googleapiclient import discovery
    from googleapiclient.errors import HttpError

    jobs = discovery.build("cloudscheduler", "v1").projects().locations().jobs()
    publisher, subscriber = pubsub_v1.PublisherClient(), pubsub_v1.SubscriberClient()
    topic = publisher.create_topic(request={"name": publisher.topic_path(place.project, place.name("timer")), "labels": dict(place.labels)})
    inbox = subscriber.create_subscription(
        request={"name": topic.name.replace("/topics/", "/subscriptions/"), "topic": topic.name, "labels": dict(place.labels)}
    )
    target = {"topicName": topic.name, "data": encoded("tick"), "attributes": {"task": "nlp"}}
    name = f"{place.location}/jobs/{place.name('timer')}"
    body = {"name": name, "schedule": "0 5 1 1 *", "timeZone": "Europe/Zurich", "pubsubTarget": target}
    try:
        job = jobs.create(parent=place.location, body=body).execute()
        try:
            assert (job["state"], job["timeZone"]) == ("ENABLED", "Europe/Zurich")
            assert jobs.pause(name=job["name"], body={}).execute()["state"] == "PAUSED"
            assert jobs.resume(name=job["name"], body={}).execute()["state"] == "ENABLED"
            jobs.run(name=job["name"], body={}).execute()
            [message] = subscriber.pull(request={"subscription": inbox.name, "max_messages": 1}).received_messages
            assert (message.message.data, message.message.attributes["task"]) == (b"tick", "nlp")
            with pytest.raises(HttpError) as caught:
                jobs.create(parent=place.location, body={**body, "name": f"{name}-2", "schedule": "at night"}).execute()
            assert caught.value.status_code == 400
        finally:
            jobs.delete(name=job["name"]).execute()
    finally:
        subscriber.delete_subscription(subscription=inbox.name)
        publisher.delete_topic(topic=topic.name)


@calls(
    "artifactregistry.projects.locations.repositories.create", "artifactregistry.projects.locations.repositories.get",
    "artifactregistry.projects.locations.repositories.patch", "artifactregistry.projects.locations.repositories.delete",
)  # fmt: skip
def test_a_repository_is_made_changed_and_deleted_by_operations(place: Place) -> None:
    """https://cloud.google.com/artifact-registry/docs/repositories/create-repos"""
    from googleapiclient import discovery
    from googleapiclient.errors import HttpError

    locations = discovery.build("artifactregistry", "v1").projects().locations()
    repositories = locations.repositories()
    body = {"format": "DOCKER", "labels": dict(place.labels)}
    operation = repositories.create(parent=place.location, repositoryId=place.name("images"), body=body).execute()
    while not operation.get("done"):
        operation = locations.operations().get(name=operation["name"]).execute()
    name = f"{place.location}/repositories/{place.name('images')}"
    assert operation["response"]["name"] == name
    assert repositories.patch(name=name, updateMask="description", body={"description": "images"}).execute()["description"] == "images"
    found = repositories.get(name=name).execute()
    assert (found["format"], found["labels"]) == ("DOCKER", dict(place.labels))
    repositories.delete(name=name).execute()
    with pytest.raises(HttpError) as caught:
        repositories.delete(name=f"{name}-none").execute()
    assert caught.value.status_code == 404
    with pytest.raises(HttpError) as caught:
        repositories.create(parent=place.location, repositoryId="Upper Case", body=body).execute()
    assert caught.value.status_code == 400


@calls("cloudkms.projects.locations.keyRings.cryptoKeys.encrypt", "cloudkms.projects.locations.keyRings.cryptoKeys.decrypt")
def test_a_key_encrypts_for_whoever_may_decrypt(place: Place) -> None:
    """A ciphertext is bound to its additional data. Keys and rings can never be deleted, so that one is shared by all runs.

    https://cloud.google.com/kms/docs/encrypt-decrypt
    """
    from googleapiclient import discovery
    from googleapiclient.errors import HttpError

    rings = discovery.build("cloudkms", "v1").projects().locations().keyRings()
    ring, key = f"{place.location}/keyRings/verify", f"{place.location}/keyRings/verify/cryptoKeys/verify"
    for creating in (
        rings.create(parent=place.location, keyRingId="verify", body={}),
        rings.cryptoKeys().create(parent=ring, cryptoKeyId="verify", body={"purpose": "ENCRYPT_DECRYPT"}),
    ):
        try:
            creating.execute()
        except HttpError as error:
            if error.status_code != 409:
                raise
    asked = {"plaintext": encoded("secret"), "additionalAuthenticatedData": encoded("vision")}
    sealed = rings.cryptoKeys().encrypt(name=key, body=asked).execute()
    assert sealed["name"].startswith(f"{key}/cryptoKeyVersions/")
    opening = {"ciphertext": sealed["ciphertext"], "additionalAuthenticatedData": encoded("vision")}
    assert rings.cryptoKeys().decrypt(name=key, body=opening).execute()["plaintext"] == encoded("secret")
    with pytest.raises(HttpError) as caught:
        rings.cryptoKeys().decrypt(name=key, body={**opening, "additionalAuthenticatedData": encoded("nlp")}).execute()
    assert caught.value.status_code == 400


@calls("storage.buckets.list", "aiplatform.projects.locations.endpoints.list", "bigquery.datasets.list")
def test_the_generic_client_reaches_every_api(place: Place) -> None:
    """https://googleapis.github.io/google-api-python-client/docs/start.html"""
    from googleapiclient import discovery

    options = {"api_endpoint": f"https://{place.region}-aiplatform.googleapis.com"}
    vertex = discovery.build("aiplatform", "v1", client_options=options)
    assert isinstance(vertex.projects().locations().endpoints().list(parent=place.location).execute(), dict)
    buckets = discovery.build("storage", "v1").buckets().list(project=place.project, prefix=place.bucket).execute()
    assert place.bucket in [bucket["name"] for bucket in buckets["items"]]
    assert discovery.build("bigquery", "v2").datasets().list(projectId=place.project).execute()["kind"] == "bigquery#datasetList"


@calls(
    "cloudkms.projects.locations.keyRings.cryptoKeys.cryptoKeyVersions.asymmetricSign",
    "cloudkms.projects.locations.keyRings.cryptoKeys.cryptoKeyVersions.getPublicKey",
)
def test_a_key_signs_what_its_public_half_verifies(place: Place) -> None:
    """https://cloud.google.com/kms/docs/create-validate-signatures"""  # fmt: skip
    import hashlib

    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from googleapiclient import discovery
    from googleapiclient.errors import HttpError

    rings = discovery.build("cloudkms", "v1").projects().locations().keyRings()
    ring = f"{place.location}/keyRings/verify"
    template = {"algorithm": "EC_SIGN_P256_SHA256"}
    for creating in (
        rings.create(parent=place.location, keyRingId="verify", body={}),
        rings.cryptoKeys().create(parent=ring, cryptoKeyId="verify-sign", body={"purpose": "ASYMMETRIC_SIGN", "versionTemplate": template}),
    ):
        try:
            creating.execute()
        except HttpError as error:
            if error.status_code != 409:
                raise
    versions = rings.cryptoKeys().cryptoKeyVersions()
    version = f"{ring}/cryptoKeys/verify-sign/cryptoKeyVersions/1"
    digest = base64.b64encode(hashlib.sha256(b"release").digest()).decode()
    signature = base64.b64decode(versions.asymmetricSign(name=version, body={"digest": {"sha256": digest}}).execute()["signature"])
    public = serialization.load_pem_public_key(versions.getPublicKey(name=version).execute()["pem"].encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signature, b"release", ec.ECDSA(hashes.SHA256()))


@calls("cloudresourcemanager.projects.search", "serviceusage.services.list", "serviceusage.services.get")
def test_projects_and_their_services_are_found(place: Place) -> None:
    """https://cloud.google.com/resource-manager/reference/rest/v3/projects/search, https://cloud.google.com/service-usage/docs/list-services"""
    from googleapiclient import discovery

    projects = discovery.build("cloudresourcemanager", "v3").projects().search(query=f"id:{place.project}").execute()["projects"]
    assert place.project in [project["projectId"] for project in projects]
    services = discovery.build("serviceusage", "v1").services()
    parent = f"projects/{place.project}"
    listed = services.list(parent=parent, filter="state:ENABLED").execute().get("services", [])
    assert all(service["state"] == "ENABLED" for service in listed)
    assert services.get(name=f"{parent}/services/storage.googleapis.com").execute()["state"] in {"ENABLED", "DISABLED"}


@calls(
    "iam.projects.serviceAccounts.create",
    "iam.projects.serviceAccounts.keys.create",
    "iam.projects.serviceAccounts.disable",
    "iam.projects.serviceAccounts.get",
)
def test_a_service_account_has_keys_and_is_switched_off(place: Place) -> None:
    """https://cloud.google.com/iam/docs/keys-create-delete, https://cloud.google.com/iam/docs/service-accounts-disable-enable"""
    import json

    from googleapiclient import discovery

    accounts = discovery.build("iam", "v1").projects().serviceAccounts()
    body = {"accountId": place.name("keys")[:30], "serviceAccount": {"displayName": "keys"}}
    account = accounts.create(name=f"projects/{place.project}", body=body).execute()
    try:
        key = accounts.keys().create(name=account["name"], body={}).execute()
        written = json.loads(base64.b64decode(key["privateKeyData"]))
        assert (written["type"], written["client_email"]) == ("service_account", account["email"])
        accounts.disable(name=account["name"], body={}).execute()
        assert accounts.get(name=account["name"]).execute()["disabled"]
        accounts.enable(name=account["name"], body={}).execute()
        assert not accounts.get(name=account["name"]).execute().get("disabled", False)
    finally:
        accounts.delete(name=account["name"]).execute()
