"""Keys that encrypt and secrets that are kept: what goes in comes out, for whoever may still have it and for nobody else."""

from __future__ import annotations

import base64
import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import google_crc32c
import pytest

from emulator.clock import read, written

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

KMS, SECRETS = "cloudkms.googleapis.com", "secretmanager.googleapis.com"
RINGS = "projects/acme-test/locations/europe-west4/keyRings"
PROJECT = "projects/acme-test"
DAY = timedelta(days=1)
numbers = itertools.count()


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def checksum(content: bytes) -> str:
    return str(google_crc32c.value(content))


def asked(local: Local, http: str, path: str, body: Any = None, host: str = KMS) -> dict[str, Any]:
    status, answer = local.call(http, path, body, host=host)
    assert status == 200, answer
    return dict(answer)


def refused(local: Local, http: str, path: str, body: Any = None, host: str = KMS) -> tuple[int, str, str]:
    status, answer = local.call(http, path, body, host=host)
    return status, answer["error"]["status"], answer["error"]["message"]


def key_of(local: Local, **fields: Any) -> str:
    """Name of a new key."""
    local.call("POST", f"{RINGS}?keyRingId=ring", {}, host=KMS)
    return str(asked(local, "POST", f"{RINGS}/ring/cryptoKeys?cryptoKeyId=key-{next(numbers)}", fields)["name"])


def encrypted(local: Local, key: str, content: bytes = b"a secret", **fields: Any) -> str:
    return str(asked(local, "POST", f"{key}:encrypt", {"plaintext": encoded(content), **fields})["ciphertext"])


def decrypted(local: Local, key: str, ciphertext: str, **fields: Any) -> bytes:
    return base64.b64decode(asked(local, "POST", f"{key}:decrypt", {"ciphertext": ciphertext, **fields})["plaintext"])


# Keys that encrypt


def test_what_is_encrypted_is_decrypted_also_after_a_restart(local: Local) -> None:
    key = key_of(local)
    content = bytes(range(256)) * 256
    body = {"plaintext": encoded(content), "plaintextCrc32c": checksum(content)}
    answer = asked(local, "POST", f"{key}:encrypt", body)
    ciphertext = base64.b64decode(answer["ciphertext"])
    assert (answer["name"], answer["verifiedPlaintextCrc32c"]) == (f"{key}/cryptoKeyVersions/1", True)
    assert answer["verifiedAdditionalAuthenticatedDataCrc32c"] is False
    assert answer["ciphertextCrc32c"] == checksum(ciphertext)
    assert content[:64] not in ciphertext
    assert ciphertext != base64.b64decode(asked(local, "POST", f"{key}:encrypt", body)["ciphertext"])
    local.restart()
    answer = asked(local, "POST", f"{key}:decrypt", {"ciphertext": encoded(ciphertext), "ciphertextCrc32c": checksum(ciphertext)})
    assert base64.b64decode(answer["plaintext"]) == content
    assert (answer["plaintextCrc32c"], answer["usedPrimary"]) == (checksum(content), True)


def test_a_ciphertext_holds_for_its_key_and_its_context_alone(local: Local) -> None:
    key, other = key_of(local), key_of(local)
    context: dict[str, Any] = {"additionalAuthenticatedData": encoded(b"row 7"), "additionalAuthenticatedDataCrc32c": checksum(b"row 7")}
    ciphertext = encrypted(local, key, **context)
    assert decrypted(local, key, ciphertext, **context) == b"a secret"
    raw = base64.b64decode(ciphertext)
    changed = encoded(raw[:-1] + bytes([raw[-1] ^ 1]))
    encrypted(local, other)
    for name, body in (
        (key, {"ciphertext": ciphertext}),
        (key, {"ciphertext": ciphertext, "additionalAuthenticatedData": encoded(b"row 8")}),
        (key, {"ciphertext": changed, **context}),
        (key, {"ciphertext": encoded(raw[:20]), **context}),
        (key, {"ciphertext": encoded(b"\x09" + raw[1:]), **context}),
        (key, {"ciphertext": "", **context}),
        (other, {"ciphertext": ciphertext, **context}),
    ):
        status, _, message = refused(local, "POST", f"{name}:decrypt", body)
        assert (status, message) == (400, "Decryption failed: the ciphertext is invalid.")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"plaintext": encoded(b"a"), "plaintextCrc32c": "7"}, "The checksum in field plaintext_crc32c did not match"),
        ({"plaintext": "", "additionalAuthenticatedData": "YQ==", "additionalAuthenticatedDataCrc32c": "7"}, "authenticated_data_crc32c"),
        ({"plaintext": encoded(b"a" * 65_537)}, "at most 65536"),
        ({"plaintext": "no base64!"}, "TYPE_BYTES"),
    ],
)
def test_a_request_that_was_damaged_on_its_way_is_refused(local: Local, body: dict[str, Any], problem: str) -> None:
    status, name, message = refused(local, "POST", f"{key_of(local)}:encrypt", body)
    assert (status, name, problem in message) == (400, "INVALID_ARGUMENT", True)


def test_a_version_that_is_disabled_or_destroyed_decrypts_nothing(local: Local) -> None:
    key = key_of(local)
    version, ciphertext = f"{key}/cryptoKeyVersions/1", encrypted(local, key)
    asked(local, "PATCH", f"{version}?updateMask=state", {"state": "DISABLED"})
    assert asked(local, "GET", key)["primary"]["state"] == "DISABLED"
    for verb, body in (("encrypt", {"plaintext": "YQ=="}), ("decrypt", {"ciphertext": ciphertext})):
        assert refused(local, "POST", f"{key}:{verb}", body)[1:] == (
            "FAILED_PRECONDITION", f"{version} is not enabled, current state is: DISABLED.",
        )  # fmt: skip
    asked(local, "PATCH", f"{version}?updateMask=state", {"state": "ENABLED"})
    assert decrypted(local, key, ciphertext) == b"a secret"
    assert refused(local, "PATCH", f"{version}?updateMask=state", {"state": "DESTROYED"})[1] == "FAILED_PRECONDITION"
    asked(local, "POST", f"{version}:destroy")
    assert refused(local, "POST", f"{key}:decrypt", {"ciphertext": ciphertext})[1] == "FAILED_PRECONDITION"
    asked(local, "POST", f"{version}:restore")
    asked(local, "PATCH", f"{version}?updateMask=state", {"state": "ENABLED"})
    assert decrypted(local, key, ciphertext) == b"a secret"


def test_a_version_is_destroyed_by_the_clock_and_its_material_with_it(local: Local) -> None:
    key = key_of(local, destroyScheduledDuration="86400s")
    version, ciphertext = f"{key}/cryptoKeyVersions/1", encrypted(local, key)
    scheduled = asked(local, "POST", f"{version}:destroy")
    destroyed = read(scheduled["destroyTime"])
    assert abs(destroyed - datetime.now(UTC) - DAY) < timedelta(minutes=5)
    local.run(local.cloud.clockwork.fire(destroyed - timedelta(seconds=1)))
    assert asked(local, "GET", version)["state"] == "DESTROY_SCHEDULED"
    local.run(local.cloud.clockwork.fire(destroyed))
    found = asked(local, "GET", version)
    assert (found["state"], "destroyTime" in found, found["destroyEventTime"]) == ("DESTROYED", False, written(destroyed))
    assert local.cloud.store.of("key-material").get(version) is None
    assert refused(local, "POST", f"{version}:restore")[1] == "FAILED_PRECONDITION"
    assert refused(local, "POST", f"{key}:decrypt", {"ciphertext": ciphertext})[1] == "FAILED_PRECONDITION"


def test_another_primary_version_encrypts_what_comes_and_the_old_one_decrypts_what_was(local: Local) -> None:
    key = key_of(local)
    old = encrypted(local, key)
    asked(local, "POST", f"{key}/cryptoKeyVersions")
    assert asked(local, "POST", f"{key}:encrypt", {"plaintext": "YQ=="})["name"].endswith("/1")
    asked(local, "POST", f"{key}:updatePrimaryVersion", {"cryptoKeyVersionId": "2"})
    assert asked(local, "POST", f"{key}:encrypt", {"plaintext": "YQ=="})["name"].endswith("/2")
    assert asked(local, "POST", f"{key}:decrypt", {"ciphertext": old})["usedPrimary"] is False
    assert asked(local, "POST", f"{key}/cryptoKeyVersions/1:encrypt", {"plaintext": "YQ=="})["name"].endswith("/1")
    assert refused(local, "POST", f"{key}:updatePrimaryVersion", {"cryptoKeyVersionId": "3"})[0] == 404


def test_a_key_is_rotated_by_the_clock(local: Local) -> None:
    first = datetime.now(UTC) + 2 * DAY
    key = key_of(local, rotationPeriod="86400s", nextRotationTime=written(first))
    old = encrypted(local, key)
    local.run(local.cloud.clockwork.fire(first))
    rotated = asked(local, "GET", key)
    assert (rotated["primary"]["name"], rotated["nextRotationTime"]) == (f"{key}/cryptoKeyVersions/2", written(first + DAY))
    assert decrypted(local, key, old) == b"a secret"
    # Of several rotations that were missed, one is made up for.
    local.run(local.cloud.clockwork.fire(first + 5 * DAY))
    rotated = asked(local, "GET", key)
    assert (rotated["primary"]["name"], rotated["nextRotationTime"]) == (f"{key}/cryptoKeyVersions/3", written(first + 6 * DAY))
    local.call("PATCH", f"{key}?updateMask=rotationPeriod,nextRotationTime", {}, host=KMS)


@pytest.mark.parametrize(
    "fields",
    [
        {"destroyScheduledDuration": "999999999999s"},
        {"rotationPeriod": "3600s", "nextRotationTime": "2099-01-01T00:00:00Z"},
        {"nextRotationTime": "2099-13-01T00:00:00Z"},
        {"purpose": "MAC", "versionTemplate": {"algorithm": "HMAC_SHA256"}, "nextRotationTime": "2099-01-01T00:00:00Z"},
    ],
)
def test_a_rotation_or_a_destruction_that_could_not_be_is_refused(local: Local, fields: dict[str, Any]) -> None:
    key_of(local)
    assert refused(local, "POST", f"{RINGS}/ring/cryptoKeys?cryptoKeyId=never", fields)[:2] == (400, "INVALID_ARGUMENT")


# Secrets


def secret_of(local: Local, *payloads: bytes, **fields: Any) -> str:
    """Name of a new secret with these versions."""
    path = f"{PROJECT}/secrets?secretId=secret-{next(numbers)}"
    name = str(asked(local, "POST", path, {"replication": {"automatic": {}}, **fields}, SECRETS)["name"])
    for payload in payloads:
        asked(local, "POST", f"{name}:addVersion", {"payload": {"data": encoded(payload)}}, SECRETS)
    return name


def accessed(local: Local, version: str) -> bytes:
    return base64.b64decode(asked(local, "GET", f"{version}:access", host=SECRETS)["payload"]["data"])


def test_a_version_is_read_by_its_number_by_an_alias_and_as_the_latest(local: Local) -> None:
    name = secret_of(local, b"one", b"two")
    body = {"versionAliases": {"stable": "1"}}
    assert asked(local, "PATCH", f"{name}?updateMask=versionAliases", body, SECRETS)["versionAliases"] == {"stable": "1"}
    versions = {version: accessed(local, f"{name}/versions/{version}") for version in ("1", "2", "stable", "latest")}
    assert versions == {"1": b"one", "2": b"two", "stable": b"one", "latest": b"two"}
    assert asked(local, "GET", f"{name}/versions/stable", host=SECRETS)["name"] == f"{name}/versions/1"
    for aliases, problem in (({"stable": "3"}, "does not have"), ({"latest": "1"}, "Aliases"), ({"1st": "1"}, "Aliases")):
        status, _, message = refused(local, "PATCH", f"{name}?updateMask=versionAliases", {"versionAliases": aliases}, SECRETS)
        assert (status, problem in message) == (400, True)
    assert refused(local, "GET", f"{name}/versions/unknown:access", host=SECRETS)[0] == 404


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ({"data": encoded(b"a" * 65_537)}, "at most 65536"),
        ({"data": encoded(b"a"), "dataCrc32c": "7"}, "The checksum in field data_crc32c did not match"),
    ],
)
def test_a_payload_that_is_too_large_or_damaged_is_refused(local: Local, payload: dict[str, str], problem: str) -> None:
    name = secret_of(local)
    status, _, message = refused(local, "POST", f"{name}:addVersion", {"payload": payload}, SECRETS)
    assert (status, problem in message) == (400, True)
    assert local.call("GET", f"{name}/versions", host=SECRETS) == (200, {})


def test_a_payload_comes_with_its_checksum(local: Local) -> None:
    name = secret_of(local)
    payload = {"data": encoded(b"a" * 65_536), "dataCrc32c": checksum(b"a" * 65_536)}
    assert asked(local, "POST", f"{name}:addVersion", {"payload": payload}, SECRETS)["clientSpecifiedPayloadChecksum"] is True
    assert asked(local, "GET", f"{name}/versions/1:access", host=SECRETS)["payload"] == payload


def test_only_an_enabled_version_is_read_and_a_destroyed_one_never_again(local: Local) -> None:
    name = secret_of(local, b"one", b"two")
    version = f"{name}/versions/1"
    asked(local, "POST", f"{version}:disable", {}, SECRETS)
    assert refused(local, "GET", f"{version}:access", host=SECRETS)[1] == "FAILED_PRECONDITION"
    listed = asked(local, "GET", f"{name}/versions?filter=state:ENABLED", host=SECRETS)["versions"]
    assert [row["name"] for row in listed] == [f"{name}/versions/2"]
    asked(local, "POST", f"{version}:enable", {}, SECRETS)
    assert accessed(local, version) == b"one"
    assert asked(local, "POST", f"{version}:destroy", {}, SECRETS)["destroyTime"]
    assert refused(local, "POST", f"{version}:enable", {}, SECRETS)[1] == "FAILED_PRECONDITION"
    assert local.cloud.store.of("secret-payloads").get(version) is None


def test_an_etag_that_is_stale_switches_no_version(local: Local) -> None:
    name = secret_of(local, b"one")
    version = f"{name}/versions/1"
    stale = asked(local, "GET", version, host=SECRETS)["etag"]
    fresh = asked(local, "POST", f"{version}:disable", {"etag": stale}, SECRETS)["etag"]
    assert refused(local, "POST", f"{version}:enable", {"etag": stale}, SECRETS)[1] == "FAILED_PRECONDITION"
    assert asked(local, "POST", f"{version}:enable", {"etag": fresh}, SECRETS)["state"] == "ENABLED"


def test_a_secret_expires_by_the_clock(local: Local) -> None:
    name = secret_of(local, b"one", ttl="3600s")
    secret = asked(local, "GET", name, host=SECRETS)
    assert "ttl" not in secret
    expires = read(secret["expireTime"])
    assert abs(expires - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=5)
    local.run(local.cloud.clockwork.fire(expires - timedelta(seconds=1)))
    assert accessed(local, f"{name}/versions/1") == b"one"
    local.run(local.cloud.clockwork.fire(expires))
    assert refused(local, "GET", name, host=SECRETS)[0] == 404
    assert local.cloud.store.of("secret-payloads").get(f"{name}/versions/1") is None
    status, _, message = refused(local, "POST", f"{PROJECT}/secrets?secretId=past", {"expireTime": "2020-01-01T00:00:00Z"}, SECRETS)
    assert (status, "in the past" in message) == (400, True)


def test_a_secret_that_is_deleted_leaves_nothing_behind(local: Local) -> None:
    name = secret_of(local, b"one")
    asked(local, "DELETE", name, host=SECRETS)
    assert local.cloud.store.of("secret-payloads").get(f"{name}/versions/1") is None


def test_a_secret_may_let_a_version_wait_for_its_destruction(local: Local) -> None:
    name = secret_of(local, b"one", b"two", versionDestroyTtl="86400s")
    waiting = asked(local, "POST", f"{name}/versions/1:destroy", {}, SECRETS)
    saved = asked(local, "POST", f"{name}/versions/2:destroy", {}, SECRETS)
    assert (waiting["state"], saved["state"]) == ("DISABLED", "DISABLED")
    assert "scheduledDestroyTime" not in asked(local, "POST", f"{name}/versions/2:enable", {}, SECRETS)
    local.run(local.cloud.clockwork.fire(read(waiting["scheduledDestroyTime"])))
    assert asked(local, "GET", f"{name}/versions/1", host=SECRETS)["state"] == "DESTROYED"
    assert accessed(local, f"{name}/versions/2") == b"two"
