"""Cloud KMS: keys and their versions, which are numbered, switched, rotated by the clock, and destroyed after a while.

What a version can be used for is in `encryption` and `signing`.
https://cloud.google.com/kms/docs/key-states
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, completes, defaults, on, refuses
from emulator.clock import duration, now, read, written
from emulator.engines.clockwork import fires

if TYPE_CHECKING:
    from emulator.cloud import Cloud

SERVICE = "cloudkms"
KEYS = "projects.locations.keyRings.cryptoKeys"
VERSIONS = f"{KEYS}.cryptoKeyVersions"
SYMMETRIC = "GOOGLE_SYMMETRIC_ENCRYPTION"
MATERIAL = "key-material"
"""Version → the secret that it stands for, made when it is first used."""
SWITCHED = {"ENABLED", "DISABLED"}
"""States between which a version is switched by an update."""
DAY = timedelta(days=1)
ROTATION = (DAY, timedelta(hours=876_000))
DESTRUCTION = (DAY, 120 * DAY)
"""How long a version waits for its destruction, at least and at most; imported ones need not wait."""

defaults(
    SERVICE,
    "CryptoKey",
    purpose="ENCRYPT_DECRYPT",
    destroyScheduledDuration="2592000s",
    versionTemplate={"protectionLevel": "SOFTWARE", "algorithm": SYMMETRIC},
)


@completes(SERVICE, "CryptoKey")
def crypto_key(call: Call, cloud: Cloud, name: str, key: Json) -> None:
    """A key is born with version 1, the primary one of a symmetric key. Keys and rings can never be deleted."""
    _check_rotation(key)
    _duration(key, "destroyScheduledDuration", (timedelta(0), DESTRUCTION[1]) if key.get("importOnly") else DESTRUCTION)
    algorithm = key.get("versionTemplate", {}).get("algorithm", SYMMETRIC)
    if call.verb == "create" and (key["purpose"] == "ENCRYPT_DECRYPT") != (algorithm == SYMMETRIC):
        raise Refusal(400, "INVALID_ARGUMENT", f"The algorithm {algorithm} does not fit a key whose purpose is {key['purpose']}.")
    cloud.clockwork.wake()
    if call.verb != "create" or call.one("skipInitialVersionCreation") == "true":
        return
    version = _new_version(cloud, name, key)
    if key["purpose"] == "ENCRYPT_DECRYPT":
        key["primary"] = version


@on(SERVICE, f"{KEYS}.updatePrimaryVersion")
async def update_primary(call: Call, cloud: Cloud) -> Json:
    """What is encrypted from now on is encrypted with another version."""
    key = cloud.resources.load(call)
    if key["purpose"] != "ENCRYPT_DECRYPT":
        raise Refusal(
            400, "FAILED_PRECONDITION", f"{call.name} has the purpose {key['purpose']}, and only keys that encrypt have a primary."
        )
    version = cloud.resources.load(call, f"{call.name}/cryptoKeyVersions/{call.body.get('cryptoKeyVersionId', '')}")
    check_enabled(version)
    return cloud.resources.save(call, call.name, {**key, "primary": version}, "CryptoKey")


@fires(SERVICE, "CryptoKey", due=lambda key: str(key.get("nextRotationTime", "")))
async def rotate(cloud: Cloud, name: str, moment: datetime) -> None:
    """A new version becomes the primary one; rotations that were missed are made up for by one."""
    key = cloud.store.of(SERVICE).get(name)
    if key is None:
        return
    following = read(key.pop("nextRotationTime"))
    while "rotationPeriod" in key and following <= moment:
        following += timedelta(seconds=float(key["rotationPeriod"].rstrip("s")))
        key["nextRotationTime"] = written(following)
    with cloud.store.transaction():
        cloud.store.of(SERVICE).put(name, "CryptoKey", {**key, "primary": _new_version(cloud, name, key)})


@on(SERVICE, f"{VERSIONS}.create")
async def create_version(call: Call, cloud: Cloud) -> Json:
    """Versions are numbered from 1."""
    key_name = call.name.rpartition("/")[0]
    return _new_version(cloud, key_name, cloud.resources.load(call, key_name))


@completes(SERVICE, "CryptoKeyVersion")
def switch(call: Call, cloud: Cloud, name: str, version: Json) -> None:
    """An update enables and disables; everything else has methods of its own."""
    before = cloud.resources.load(call, name)["state"]
    if version["state"] != before and not {version["state"], before} <= SWITCHED:
        message = f"{name} is {before} and cannot be set to {version['state']}: an update enables and disables, and nothing else."
        raise Refusal(400, "FAILED_PRECONDITION", message)
    _save(cloud, version)


@on(SERVICE, f"{VERSIONS}.destroy")
async def destroy(call: Call, cloud: Cloud) -> Json:
    """Scheduled, so that it can be taken back for as long as the key says."""
    version, key = cloud.resources.load(call), cloud.resources.load(call, _key_of(call.name))
    if version["state"] not in SWITCHED:
        raise Refusal(400, "FAILED_PRECONDITION", f"{call.name} is {version['state']}: only what is enabled or disabled is destroyed.")
    after = timedelta(seconds=float(key["destroyScheduledDuration"].rstrip("s")))
    cloud.clockwork.wake()
    return _save(cloud, {**version, "state": "DESTROY_SCHEDULED", "destroyTime": written(datetime.now(UTC) + after)})


@fires(SERVICE, "CryptoKeyVersion", due=lambda version: str(version.get("destroyTime", "")))
async def destroy_scheduled(cloud: Cloud, name: str, moment: datetime) -> None:
    """The material is gone for good, and with it whatever was encrypted with it."""
    version = cloud.store.of(SERVICE).get(name)
    if version is not None:
        del version["destroyTime"]
        with cloud.store.transaction():
            cloud.store.of(MATERIAL).remove(name)
            _save(cloud, {**version, "state": "DESTROYED", "destroyEventTime": written(moment)})


@on(SERVICE, f"{VERSIONS}.restore")
async def restore(call: Call, cloud: Cloud) -> Json:
    """Back, and disabled: whoever wants to use it enables it."""
    version = cloud.resources.load(call)
    if version["state"] != "DESTROY_SCHEDULED":
        raise Refusal(400, "FAILED_PRECONDITION", f"'{call.name}' is in state {version['state']}: only DESTROY_SCHEDULED can be restored.")
    version.pop("destroyTime", None)
    return _save(cloud, {**version, "state": "DISABLED"})


refuses(
    SERVICE,
    "projects.locations.keyRings.delete",
    f"{KEYS}.delete",
    f"{VERSIONS}.delete",
    because="Key rings, keys and versions stay: the local Google Cloud deletes none of them. Destroy the versions, or use new names.",
)


def check_enabled(version: Json) -> None:
    """Refuses a version that may not be used.

    Raises:
        Refusal: It is disabled, or destroyed.
    """
    if version["state"] != "ENABLED":
        raise Refusal(400, "FAILED_PRECONDITION", f"{version['name']} is not enabled, current state is: {version['state']}.")


def _check_rotation(key: Json) -> None:
    if key["purpose"] != "ENCRYPT_DECRYPT" and ("rotationPeriod" in key or "nextRotationTime" in key):
        raise Refusal(400, "INVALID_ARGUMENT", f"A key whose purpose is {key['purpose']} is not rotated by itself.")
    if "nextRotationTime" in key:
        _moment(key["nextRotationTime"])
    if "rotationPeriod" in key:
        period = _duration(key, "rotationPeriod", ROTATION)
        # Google wants it in the request; its Terraform provider adds it there, a stand-in for that provider does not.
        key.setdefault("nextRotationTime", written(datetime.now(UTC) + period))


def _duration(key: Json, field: str, bounds: tuple[timedelta, timedelta]) -> timedelta:
    try:
        return duration(key[field], *bounds)
    except ValueError as error:
        raise Refusal(400, "INVALID_ARGUMENT", f"{field}: {error}. Nothing was written.") from None


def _moment(text: str) -> datetime:
    try:
        return read(text)
    except ValueError as error:
        raise Refusal(400, "INVALID_ARGUMENT", f"{text!r} is no time: {error}.") from None


def _new_version(cloud: Cloud, key_name: str, key: Json) -> Json:
    """Versions are numbered from 1; no number is used twice while a later one is there."""
    siblings = cloud.store.of(SERVICE).list(f"{key_name}/cryptoKeyVersions")
    number = 1 + max((int(one["name"].rpartition("/")[2]) for one in siblings), default=0)
    template = {"protectionLevel": "SOFTWARE", "algorithm": SYMMETRIC, **key.get("versionTemplate", {})}
    made = {"name": f"{key_name}/cryptoKeyVersions/{number}", "state": "ENABLED", **template, "createTime": now(), "generateTime": now()}
    return cloud.store.of(SERVICE).put(made["name"], "CryptoKeyVersion", made)


def _save(cloud: Cloud, version: Json) -> Json:
    """Stores a version, and the copy of it in its key where it is the primary one."""
    kept, key_name = cloud.store.of(SERVICE), _key_of(version["name"])
    with cloud.store.transaction():
        key = kept.get(key_name)
        if key is not None and key.get("primary", {}).get("name") == version["name"]:
            kept.put(key_name, "CryptoKey", {**key, "primary": version})
        return kept.put(version["name"], "CryptoKeyVersion", version)


def _key_of(version: str) -> str:
    return version.partition("/cryptoKeyVersions/")[0]
