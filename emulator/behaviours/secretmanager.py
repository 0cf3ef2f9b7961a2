"""Secret Manager: versions that are numbered, named by aliases, switched and destroyed; secrets that expire.

https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, completes, on
from emulator.clock import duration, etag, now, read, written
from emulator.engines.clockwork import fires
from emulator.engines.integrity import received, sent

if TYPE_CHECKING:
    from emulator.cloud import Cloud

SERVICE = "secretmanager"
SECRETS = ("projects.secrets", "projects.locations.secrets")
PAYLOADS = "secret-payloads"
STATES = {"enable": "ENABLED", "disable": "DISABLED", "destroy": "DESTROYED"}
LIMIT = 65_536
ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
RESERVED = {"latest", "NEW"}
ALIASES = 50
LIFE = (timedelta(seconds=60), timedelta(days=36_500))
DESTRUCTION = (timedelta(days=1), timedelta(days=1000))
"""How long a version waits for its destruction, at least and at most, where its secret lets it wait."""


@completes(SERVICE, "Secret")
def complete(call: Call, cloud: Cloud, name: str, secret: Json) -> None:
    """A life span becomes the time at which it ends; aliases name versions that there are."""
    versions = {row["name"].rpartition("/")[2] for row in cloud.store.of(SERVICE).list(f"{name}/versions")}
    aliases = secret.get("versionAliases", {})
    if len(aliases) > ALIASES or any(not ALIAS.fullmatch(alias) or alias in RESERVED for alias in aliases):
        raise Refusal(
            400, "INVALID_ARGUMENT", f"Aliases begin with a letter, have 63 characters, are not 'latest', and are {ALIASES} at most."
        )
    if missing := [number for number in aliases.values() if str(number) not in versions]:
        raise Refusal(
            400, "FAILED_PRECONDITION", f"An alias names version {missing[0]}, which {name} does not have. Add the version first."
        )
    try:
        if "versionDestroyTtl" in secret:
            duration(secret["versionDestroyTtl"], *DESTRUCTION)
        if "ttl" in secret:
            secret["expireTime"] = written(datetime.now(UTC) + duration(secret.pop("ttl"), *LIFE))
    except ValueError as error:
        raise Refusal(400, "INVALID_ARGUMENT", f"{name} was not written: a duration of it, {error}.") from None
    if "expireTime" in secret:
        _check_future(secret["expireTime"])
        cloud.clockwork.wake()


@on(SERVICE, *(f"{secrets}.versions.list" for secrets in SECRETS))
async def list_versions(call: Call, cloud: Cloud) -> Json:
    """The newest version comes first."""
    rows = cloud.store.of(SERVICE).list(call.name)
    return cloud.resources.list(call, sorted(rows, key=lambda row: int(row["name"].rpartition("/")[2]), reverse=True))


@on(SERVICE, *(f"{secrets}.delete" for secrets in SECRETS))
async def delete(call: Call, cloud: Cloud) -> Json:
    """What a secret's versions held goes with it."""
    with cloud.store.transaction():
        result = cloud.resources.delete(call)
        cloud.store.of(PAYLOADS).delete(call.name)
    return result


@fires(SERVICE, "Secret", due=lambda secret: str(secret.get("expireTime", "")))
async def expire(cloud: Cloud, name: str, moment: datetime) -> None:
    """A secret that has expired is gone, with all its versions."""
    with cloud.store.transaction():
        cloud.store.of(SERVICE).delete(name)
        cloud.store.of(PAYLOADS).delete(name)
    cloud.log(name, "The secret has expired and was deleted.")


@on(SERVICE, *(f"{secrets}.addVersion" for secrets in SECRETS))
async def add_version(call: Call, cloud: Cloud) -> Json:
    """Versions are numbered from 1."""
    cloud.resources.load(call)
    kept = cloud.store.of(SERVICE)
    content, checked = received(call.body.get("payload", {}), "data", LIMIT)
    name = f"{call.name}/versions/{1 + len(kept.list(f'{call.name}/versions'))}"
    version: Json = {"name": name, "createTime": now(), "state": "ENABLED", "etag": etag(), "replicationStatus": {"automatic": {}}}
    if checked:
        version["clientSpecifiedPayloadChecksum"] = True
    with cloud.store.transaction():
        cloud.store.of(PAYLOADS).put(name, "Payload", sent("data", content))
        return kept.put(name, "SecretVersion", version)


@on(SERVICE, *(f"{secrets}.versions.{verb}" for secrets in SECRETS for verb in ("get", "access")))
async def read_version(call: Call, cloud: Cloud) -> Json:
    """A version by its number, by an alias, or as the `latest`."""
    call = replace(call, name=_numbered(call, cloud))
    version = cloud.resources.load(call)
    if call.verb == "get":
        return version
    if version["state"] != "ENABLED":
        raise Refusal(400, "FAILED_PRECONDITION", f"Secret version {call.name} is in state {version['state']}: enable it, or use another.")
    return {"name": call.name, "payload": cloud.store.of(PAYLOADS).get(call.name)}


@on(SERVICE, *(f"{secrets}.versions.{verb}" for secrets in SECRETS for verb in STATES))
async def switch_version(call: Call, cloud: Cloud) -> Json:
    """A destroyed version has lost its payload for good; a secret may let it wait for that, disabled."""
    call = replace(call, name=_numbered(call, cloud))
    version, state = cloud.resources.load(call), STATES[call.verb]
    if call.body.get("etag", version["etag"]) != version["etag"]:
        raise Refusal(400, "FAILED_PRECONDITION", f"{call.name} was changed meanwhile: its etag is another. Read it again.")
    if version["state"] == "DESTROYED":
        raise Refusal(400, "FAILED_PRECONDITION", f"{call.name} is destroyed, and stays so. Add a new version.")
    version.pop("scheduledDestroyTime", None)
    if call.verb == "destroy":
        secret = cloud.store.of(SERVICE).get(call.name.partition("/versions/")[0]) or {}
        if "versionDestroyTtl" not in secret:
            return _destroy(cloud, version, datetime.now(UTC))
        after = timedelta(seconds=float(secret["versionDestroyTtl"].rstrip("s")))
        version["scheduledDestroyTime"], state = written(datetime.now(UTC) + after), "DISABLED"
        cloud.clockwork.wake()
    return cloud.resources.save(call, call.name, {**version, "state": state, "etag": etag()}, "SecretVersion")


@fires(SERVICE, "SecretVersion", due=lambda version: str(version.get("scheduledDestroyTime", "")))
async def destroy_scheduled(cloud: Cloud, name: str, moment: datetime) -> None:
    """What nobody has enabled again meanwhile is destroyed."""
    version = cloud.store.of(SERVICE).get(name)
    if version is not None:
        del version["scheduledDestroyTime"]
        _destroy(cloud, version, moment)


def _destroy(cloud: Cloud, version: Json, moment: datetime) -> Json:
    with cloud.store.transaction():
        cloud.store.of(PAYLOADS).remove(version["name"])
        destroyed = {**version, "state": "DESTROYED", "destroyTime": written(moment), "etag": etag()}
        return cloud.store.of(SERVICE).put(version["name"], "SecretVersion", destroyed)


def _numbered(call: Call, cloud: Cloud) -> str:
    """The version that a number, an alias or `latest` names."""
    parent, _, version = call.name.rpartition("/")
    secret = parent.removesuffix("/versions")
    if version == "latest":
        numbers = [int(row["name"].rpartition("/")[2]) for row in cloud.store.of(SERVICE).list(parent)]
        if not numbers:
            raise Refusal(404, "NOT_FOUND", f"Secret {secret} has no versions: add one.")
        return f"{parent}/{max(numbers)}"
    aliases = (cloud.store.of(SERVICE).get(secret) or {}).get("versionAliases", {})
    return f"{parent}/{aliases.get(version, version)}"


def _check_future(text: str) -> None:
    try:
        moment = read(text)
    except ValueError as error:
        raise Refusal(400, "INVALID_ARGUMENT", f"expire_time {text!r} is no time: {error}.") from None
    if moment <= datetime.now(UTC):
        raise Refusal(400, "INVALID_ARGUMENT", f"expire_time {text} is in the past: the secret would be gone at once.")
