"""Cloud KMS and Secret Manager: versions that are numbered, switched and destroyed."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, Response, completes, defaults, on
from emulator.clock import etag, now

if TYPE_CHECKING:
    from emulator.cloud import Cloud

KEYS = "projects.locations.keyRings.cryptoKeys"
SECRETS = "projects.secrets"
STATES = {"enable": "ENABLED", "disable": "DISABLED", "destroy": "DESTROYED"}
ALGORITHM = "GOOGLE_SYMMETRIC_ENCRYPTION"

defaults(
    "cloudkms",
    "CryptoKey",
    purpose="ENCRYPT_DECRYPT",
    destroyScheduledDuration="2592000s",
    versionTemplate={"protectionLevel": "SOFTWARE", "algorithm": ALGORITHM},
)


@completes("cloudkms", "CryptoKey")
def crypto_key(call: Call, cloud: Cloud, name: str, key: Json) -> None:
    """A key is born with version 1, the primary one of a symmetric key. Keys and rings can never be deleted."""
    if key["purpose"] != "ENCRYPT_DECRYPT" and ("rotationPeriod" in key or "nextRotationTime" in key):
        raise Refusal(400, "INVALID_ARGUMENT", f"A key whose purpose is {key['purpose']} is not rotated by itself.")
    algorithm = key.get("versionTemplate", {}).get("algorithm", ALGORITHM)
    if call.verb == "create" and (key["purpose"] == "ENCRYPT_DECRYPT") != (algorithm == ALGORITHM):
        raise Refusal(400, "INVALID_ARGUMENT", f"The algorithm {algorithm} does not fit a key whose purpose is {key['purpose']}.")
    if call.verb != "create" or call.one("skipInitialVersionCreation") == "true":
        return
    version = {
        "name": f"{name}/cryptoKeyVersions/1",
        "state": "ENABLED",
        "protectionLevel": key["versionTemplate"].get("protectionLevel", "SOFTWARE"),
        "algorithm": algorithm,
        "createTime": key["createTime"],
        "generateTime": key["createTime"],
    }
    cloud.store.of("cloudkms").put(version["name"], "CryptoKeyVersion", version)
    if key["purpose"] == "ENCRYPT_DECRYPT":
        key["primary"] = version


@on("cloudkms", f"{KEYS}.cryptoKeyVersions.create")
async def create_key_version(call: Call, cloud: Cloud) -> Json:
    """Versions are numbered from 1."""
    key = cloud.resources.load(call, call.name.rpartition("/")[0])
    name = f"{call.name}/{1 + len(cloud.store.of('cloudkms').list(call.name))}"
    version = {"name": name, "state": "ENABLED", **key["versionTemplate"], "createTime": now(), "generateTime": now()}
    return cloud.resources.save(call, name, version, "CryptoKeyVersion")


@on("cloudkms", f"{KEYS}.cryptoKeyVersions.destroy")
async def destroy_key_version(call: Call, cloud: Cloud) -> Json:
    """Scheduled, so that it can be taken back for a month."""
    return cloud.resources.save(call, call.name, {**cloud.resources.load(call), "state": "DESTROY_SCHEDULED"}, "CryptoKeyVersion")


@on("cloudkms", "projects.locations.keyRings.delete", f"{KEYS}.delete", f"{KEYS}.cryptoKeyVersions.delete")
async def delete_key(call: Call, cloud: Cloud) -> Json | Response:
    """A ring goes after its keys, a key after its versions, a version after its material."""
    state = cloud.resources.load(call).get("state", "DESTROYED")
    left = [name for name, _ in cloud.store.of("cloudkms").under(call.name)]
    if left or state != "DESTROYED":
        why = f"it still holds '{left[0]}'" if left else f"it is in state {state}"
        raise Refusal(400, "FAILED_PRECONDITION", f"'{call.name}' was not deleted: {why}. Delete what is below it, or destroy it, first.")
    return await cloud.resources.default(call)


@on("cloudkms", f"{KEYS}.cryptoKeyVersions.restore")
async def restore_key_version(call: Call, cloud: Cloud) -> Json:
    """Back, and disabled: whoever wants to use it enables it."""
    version = cloud.resources.load(call)
    if version["state"] != "DESTROY_SCHEDULED":
        raise Refusal(400, "FAILED_PRECONDITION", f"'{call.name}' is in state {version['state']}: only DESTROY_SCHEDULED can be restored.")
    return cloud.resources.save(call, call.name, {**version, "state": "DISABLED"}, "CryptoKeyVersion")


@on("secretmanager", f"{SECRETS}.addVersion")
async def add_secret_version(call: Call, cloud: Cloud) -> Json:
    """Versions are numbered from 1."""
    cloud.resources.load(call)
    kept = cloud.store.of("secretmanager")
    name = f"{call.name}/versions/{1 + len(kept.list(f'{call.name}/versions'))}"
    payload = call.body.get("payload", {}).get("data", "")
    version = {"name": name, "createTime": now(), "state": "ENABLED", "etag": etag(), "replicationStatus": {"automatic": {}}}
    cloud.store.of("secret-payloads").put(name, "Payload", {"data": payload})
    return kept.put(name, "SecretVersion", version)


@on("secretmanager", f"{SECRETS}.versions.get", f"{SECRETS}.versions.access")
async def secret_version(call: Call, cloud: Cloud) -> Json:
    """`latest` is the newest version."""
    call = replace(call, name=_numbered(call, cloud))
    version = cloud.resources.load(call)
    if call.verb == "get":
        return version
    if version["state"] != "ENABLED":
        raise Refusal(400, "FAILED_PRECONDITION", f"Secret version {call.name} is in state {version['state']}: enable it, or use another.")
    payload = cloud.store.of("secret-payloads").get(call.name) or {"data": ""}
    import google_crc32c

    checksum = google_crc32c.value(base64.b64decode(payload["data"]))
    return {"name": call.name, "payload": {**payload, "dataCrc32c": str(checksum)}}


@on("secretmanager", *(f"{SECRETS}.versions.{verb}" for verb in STATES))
async def switch_secret_version(call: Call, cloud: Cloud) -> Json:
    """A destroyed version has lost its payload."""
    version = {**cloud.resources.load(call), "state": STATES[call.verb]}
    if call.verb == "destroy":
        cloud.store.of("secret-payloads").delete(call.name)
    return cloud.resources.save(call, call.name, version, "SecretVersion")


def _numbered(call: Call, cloud: Cloud) -> str:
    parent, _, version = call.name.rpartition("/")
    if version != "latest":
        return call.name
    numbers = [int(row["name"].rpartition("/")[2]) for row in cloud.store.of("secretmanager").list(parent)]
    if not numbers:
        raise Refusal(404, "NOT_FOUND", f"Secret {parent.removesuffix('/versions')} has no versions: add one.")
    return f"{parent}/{max(numbers)}"
