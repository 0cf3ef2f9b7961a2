"""Cloud KMS keys that encrypt: AES-256-GCM with a secret a version, which never leaves.

A ciphertext says which version made it, and holds only for the key that it was made with.
https://cloud.google.com/kms/docs/encrypt-decrypt
"""

from __future__ import annotations

import base64
import os
import struct
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, on
from emulator.behaviours.kms import KEYS, MATERIAL, SYMMETRIC, check_enabled
from emulator.engines.integrity import received, sent

if TYPE_CHECKING:
    from emulator.cloud import Cloud

LIMIT = 65_536
"""Bytes of plaintext, and of additional authenticated data, for keys in software."""
HEADER = struct.Struct(">BI12s")
"""What a ciphertext begins with: its format, the number of its version, and its nonce."""
FORMAT = 1
TAG_BYTES = 16


@on("cloudkms", f"{KEYS}.encrypt")
async def encrypt(call: Call, cloud: Cloud) -> Json:
    """Encrypts with a key's primary version, or with the version that is addressed."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    name = call.name
    if "/cryptoKeyVersions/" not in name:
        primary = cloud.resources.load(call).get("primary")
        if primary is None:
            raise Refusal(400, "FAILED_PRECONDITION", f"{name} has no primary version: create one, and make it the primary.")
        name = primary["name"]
    version = _usable(call, cloud, name)
    plaintext, checked = received(call.body, "plaintext", LIMIT)
    additional, additional_checked = received(call.body, "additionalAuthenticatedData", LIMIT)
    head = HEADER.pack(FORMAT, int(name.rpartition("/")[2]), os.urandom(12))
    ciphertext = head + AESGCM(_secret(cloud, name)).encrypt(head[-12:], plaintext, _bound(name, additional))
    return {
        "name": name,
        **sent("ciphertext", ciphertext),
        "verifiedPlaintextCrc32c": checked,
        "verifiedAdditionalAuthenticatedDataCrc32c": additional_checked,
        "protectionLevel": version["protectionLevel"],
    }


@on("cloudkms", f"{KEYS}.decrypt")
async def decrypt(call: Call, cloud: Cloud) -> Json:
    """Decrypts what any version of the key has encrypted, as long as that version is enabled."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key = cloud.resources.load(call)
    ciphertext, _ = received(call.body, "ciphertext", HEADER.size + LIMIT + TAG_BYTES)
    additional, _ = received(call.body, "additionalAuthenticatedData", LIMIT)
    wrong = Refusal(400, "INVALID_ARGUMENT", "Decryption failed: the ciphertext is invalid.")
    if len(ciphertext) < HEADER.size + TAG_BYTES:
        raise wrong
    form, number, nonce = HEADER.unpack_from(ciphertext)
    name = f"{call.name}/cryptoKeyVersions/{number}"
    if form != FORMAT or cloud.store.of("cloudkms").get(name) is None:
        raise wrong
    version = _usable(call, cloud, name)
    try:
        plaintext = AESGCM(_secret(cloud, name)).decrypt(nonce, ciphertext[HEADER.size :], _bound(name, additional))
    except InvalidTag:
        raise wrong from None
    used = key.get("primary", {}).get("name") == name
    return {**sent("plaintext", plaintext), "usedPrimary": used, "protectionLevel": version["protectionLevel"]}


def _usable(call: Call, cloud: Cloud, name: str) -> Json:
    version = cloud.resources.load(call, name)
    if version["algorithm"] != SYMMETRIC:
        raise Refusal(400, "FAILED_PRECONDITION", f"{name} has the algorithm {version['algorithm']}, which does not encrypt.")
    check_enabled(version)
    return version


def _bound(version: str, additional: bytes) -> bytes:
    """What is authenticated with a ciphertext: the version that made it, and what the caller adds."""
    return version.encode() + b"\0" + additional


def _secret(cloud: Cloud, version: str) -> bytes:
    """The secret of a version, made when it is first used."""
    kept = cloud.store.of(MATERIAL)
    found = kept.get(version) or kept.put(version, "Material", {"secret": base64.b64encode(os.urandom(32)).decode()})
    return base64.b64decode(found["secret"])
