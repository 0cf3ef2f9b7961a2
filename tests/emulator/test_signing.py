"""Cloud KMS keys that sign: the signature is real, and only an enabled version of such a key makes one."""

import base64
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Protocol

import google_crc32c
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

KMS = "cloudkms.googleapis.com"
RING = "/v1/projects/acme-test/locations/europe-west4/keyRings"
SIGNS = {"purpose": "ASYMMETRIC_SIGN", "versionTemplate": {"algorithm": "EC_SIGN_P256_SHA256", "protectionLevel": "SOFTWARE"}}


class Cloud(Protocol):
    call: Callable[..., tuple[int, Any]]
    restart: Callable[[], None]


@pytest.fixture(scope="module")
def version(local: Cloud) -> str:
    """The path of the first version of a key that signs."""
    assert local.call("POST", f"{RING}?keyRingId=signers", {}, host=KMS)[0] == 200
    status, key = local.call("POST", f"{RING}/signers/cryptoKeys?cryptoKeyId=alice", SIGNS, host=KMS)
    assert (status, "primary" in key) == (200, False)
    return f"{RING}/signers/cryptoKeys/alice/cryptoKeyVersions/1"


def asked(digest: bytes) -> dict[str, Any]:
    return {"digest": {"sha256": base64.b64encode(digest).decode()}, "digestCrc32c": str(google_crc32c.value(digest))}


def public(local: Cloud, version: str) -> ec.EllipticCurvePublicKey:
    status, answer = local.call("GET", f"{version}/publicKey", host=KMS)
    assert status == 200, answer
    assert answer["pemCrc32c"] == str(google_crc32c.value(answer["pem"].encode()))
    key = load_pem_public_key(answer["pem"].encode())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def test_a_signature_is_verified_by_the_public_key_also_after_a_restart(local: Cloud, version: str) -> None:
    status, answer = local.call("POST", f"{version}:asymmetricSign", asked(sha256(b"a plan").digest()), host=KMS)
    assert status == 200, answer
    signature = base64.b64decode(answer["signature"])
    assert (answer["name"], answer["verifiedDigestCrc32c"]) == (version.removeprefix("/v1/"), True)
    assert answer["signatureCrc32c"] == str(google_crc32c.value(signature))
    local.restart()
    key = public(local, version)
    key.verify(signature, b"a plan", ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        key.verify(signature, b"another plan", ec.ECDSA(hashes.SHA256()))


def test_each_version_has_a_key_of_its_own(local: Cloud, version: str) -> None:
    status, second = local.call("POST", version.removesuffix("/1"), {}, host=KMS)
    assert (status, second["name"].rpartition("/")[2], second["algorithm"]) == (200, "2", "EC_SIGN_P256_SHA256")
    assert public(local, version).public_numbers() != public(local, f"/v1/{second['name']}").public_numbers()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"digest": {"sha256": base64.b64encode(b"short").decode()}}, "32 bytes"),
        ({}, "32 bytes"),
        ({**asked(sha256(b"x").digest()), "digestCrc32c": "1"}, "checksum"),
        ({"data": "eA=="}, "not emulated"),
    ],
)
def test_what_is_no_digest_is_not_signed(local: Cloud, version: str, body: dict[str, Any], problem: str) -> None:
    status, answer = local.call("POST", f"{version}:asymmetricSign", body, host=KMS)
    assert status == 400
    assert problem in answer["error"]["message"]


def test_a_disabled_version_neither_signs_nor_verifies(local: Cloud, version: str) -> None:
    local.call("POST", f"{RING}/signers/cryptoKeys?cryptoKeyId=gone", SIGNS, host=KMS)
    gone = version.replace("alice", "gone")
    assert local.call("PATCH", f"{gone}?updateMask=state", {"state": "DISABLED"}, host=KMS)[0] == 200
    for http, path, body in (("POST", f"{gone}:asymmetricSign", asked(sha256(b"x").digest())), ("GET", f"{gone}/publicKey", None)):
        status, answer = local.call(http, path, body, host=KMS)
        assert (status, answer["error"]["status"]) == (400, "FAILED_PRECONDITION")
        assert "DISABLED" in answer["error"]["message"]


def test_a_key_that_encrypts_does_not_sign(local: Cloud, version: str) -> None:
    local.call("POST", f"{RING}/signers/cryptoKeys?cryptoKeyId=data", {"purpose": "ENCRYPT_DECRYPT"}, host=KMS)
    status, answer = local.call("POST", f"{version.replace('alice', 'data')}:asymmetricSign", asked(sha256(b"x").digest()), host=KMS)
    assert status == 400
    assert "does not sign" in answer["error"]["message"]


@pytest.mark.parametrize(
    "key", [{"purpose": "ASYMMETRIC_SIGN"}, {**SIGNS, "rotationPeriod": "7776000s"}, {**SIGNS, "purpose": "ENCRYPT_DECRYPT"}]
)
def test_purpose_algorithm_and_rotation_fit_each_other(local: Cloud, version: str, key: dict[str, Any]) -> None:
    assert local.call("POST", f"{RING}/signers/cryptoKeys?cryptoKeyId=odd", key, host=KMS)[0] == 400
