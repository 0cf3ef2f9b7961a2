"""Cloud KMS keys that sign: a real elliptic-curve key a version, which never leaves, and its public half for whoever verifies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, not_emulated, on
from emulator.behaviours.kms import MATERIAL, VERSIONS, check_enabled
from emulator.engines.integrity import checksum, received, sent

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from emulator.cloud import Cloud

ALGORITHM = "EC_SIGN_P256_SHA256"
LIMIT = 64
"""Bytes of the longest digest that there is."""


@on("cloudkms", f"{VERSIONS}.asymmetricSign")
async def sign(call: Call, cloud: Cloud) -> Json:
    """The signature of a SHA-256 digest; what the caller says about its checksum is checked."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    version = _usable(call, cloud, call.name)
    if "data" in call.body:
        raise not_emulated("cloudkms asymmetricSign of data in place of its digest")
    digest, checked = received({**call.body, "digest": call.body.get("digest", {}).get("sha256", "")}, "digest", LIMIT)
    if len(digest) != 32:
        raise Refusal(400, "INVALID_ARGUMENT", f"{version['algorithm']} signs a SHA-256 digest of 32 bytes, not of {len(digest)}.")
    signature = _material(cloud, call.name).sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    return {
        **sent("signature", signature),
        "verifiedDigestCrc32c": checked,
        "name": call.name,
        "protectionLevel": version["protectionLevel"],
    }


@on("cloudkms", f"{VERSIONS}.getPublicKey")
async def public_key(call: Call, cloud: Cloud) -> Json:
    """The public half, in PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    name = call.name.removesuffix("/publicKey")
    version = _usable(call, cloud, name)
    pem = _material(cloud, name).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "pem": pem.decode(),
        "algorithm": version["algorithm"],
        "pemCrc32c": checksum(pem),
        "name": name,
        "protectionLevel": version["protectionLevel"],
        "publicKeyFormat": "PEM",
    }


def _usable(call: Call, cloud: Cloud, name: str) -> Json:
    """The version, if it signs and may be used."""
    version = cloud.resources.load(call, name)
    if version["algorithm"] != ALGORITHM:
        raise Refusal(400, "FAILED_PRECONDITION", f"{name} has the algorithm {version['algorithm']}, which does not sign.")
    check_enabled(version)
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
