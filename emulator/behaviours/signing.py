"""Cloud KMS keys that sign: a real elliptic-curve key a version, which never leaves, and its public half for whoever verifies."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, not_emulated, on
from emulator.behaviours.security import KEYS

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from emulator.cloud import Cloud

ALGORITHM = "EC_SIGN_P256_SHA256"
MATERIAL = "key-material"
"""Version → its private key, in PEM."""


@on("cloudkms", f"{KEYS}.cryptoKeyVersions.asymmetricSign")
async def sign(call: Call, cloud: Cloud) -> Json:
    """The signature of a SHA-256 digest; what the caller says about its checksum is checked."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    version = _usable(call, cloud, call.name)
    if "data" in call.body:
        raise not_emulated("cloudkms asymmetricSign of data in place of its digest")
    digest = base64.b64decode(call.body.get("digest", {}).get("sha256", ""))
    if len(digest) != 32:
        raise Refusal(400, "INVALID_ARGUMENT", f"{version['algorithm']} signs a SHA-256 digest of 32 bytes, not of {len(digest)}.")
    claimed = call.body.get("digestCrc32c")
    if claimed is not None and claimed != _checksum(digest):
        raise Refusal(400, "INVALID_ARGUMENT", "The checksum in field digest_crc32c did not match the data in field digest.")
    signature = _material(cloud, call.name).sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    return {
        "signature": base64.b64encode(signature).decode(),
        "signatureCrc32c": _checksum(signature),
        "verifiedDigestCrc32c": claimed is not None,
        "name": call.name,
        "protectionLevel": version["protectionLevel"],
    }


@on("cloudkms", f"{KEYS}.cryptoKeyVersions.getPublicKey")
async def public_key(call: Call, cloud: Cloud) -> Json:
    """The public half, in PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    name = call.name.removesuffix("/publicKey")
    version = _usable(call, cloud, name)
    pem = _material(cloud, name).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "pem": pem.decode(),
        "algorithm": version["algorithm"],
        "pemCrc32c": _checksum(pem),
        "name": name,
        "protectionLevel": version["protectionLevel"],
        "publicKeyFormat": "PEM",
    }


def _usable(call: Call, cloud: Cloud, name: str) -> Json:
    """The version, if it signs and may be used."""
    version = cloud.resources.load(call, name)
    if version["algorithm"] != ALGORITHM:
        raise Refusal(400, "FAILED_PRECONDITION", f"{name} has the algorithm {version['algorithm']}, which does not sign.")
    if version["state"] != "ENABLED":
        raise Refusal(400, "FAILED_PRECONDITION", f"{name} is not enabled, current state is: {version['state']}.")
    return version


def _material(cloud: Cloud, name: str) -> EllipticCurvePrivateKey:
    """The private key of a version, made when it is first asked for."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

    kept = cloud.store.of(MATERIAL)
    if found := kept.get(name):
        private = load_pem_private_key(found["pem"].encode(), None)
    else:
        private = ec.generate_private_key(ec.SECP256R1())
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        kept.put(name, "Material", {"pem": pem.decode()})
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    return private


def _checksum(content: bytes) -> str:
    import google_crc32c

    return str(google_crc32c.value(content))
