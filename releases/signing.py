"""Signatures of Cloud KMS: made as who is logged in, and verified by the public half of the very key that they name."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession
    from requests import Response

KMS = "https://cloudkms.googleapis.com/v1"
ALGORITHM = "EC_SIGN_P256_SHA256"
TIMEOUT_SECONDS = 60
VERSIONS = 20
"""Versions of a key that are tried, from the first, until one is enabled: a lost one is disabled and has a successor."""


class SigningError(Exception):
    """Google does not sign, or a signature does not fit; the message is complete and meant for people."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """A signature and what made it.

    Attributes:
        version: full resource name of the version of the key.
        value: the signature, in base64.
    """

    version: str
    value: str

    @property
    def key(self) -> str:
        """Full resource name of the key."""
        return self.version.partition("/cryptoKeyVersions/")[0]


def sign(session: AuthorizedSession, key: str, content: bytes) -> Signature:
    """Sign with the first enabled version of a key.

    Args:
        session: of who signs.
        key: full resource name.
        content: what is signed.

    Raises:
        SigningError: when Google refuses, or the answer did not arrive as it was sent.
    """
    digest = hashlib.sha256(content).digest()
    body = {"digest": {"sha256": base64.b64encode(digest).decode()}, "digestCrc32c": _checksum(digest)}
    for number in range(1, VERSIONS + 1):
        version = f"{key}/cryptoKeyVersions/{number}"
        answer = session.post(f"{KMS}/{version}:asymmetricSign", json=body, timeout=TIMEOUT_SECONDS)
        if _disabled(answer):
            continue
        said = _said(answer, f"did not sign with {version}")
        signature = base64.b64decode(said["signature"])
        if not said.get("verifiedDigestCrc32c") or said["signatureCrc32c"] != _checksum(signature) or said["name"] != version:
            raise SigningError(
                "Cloud KMS signed something else than was sent to it: the connection spoilt it. Nothing was kept. Try again."
            )
        return Signature(version=version, value=said["signature"])
    raise SigningError(f"none of the first {VERSIONS} versions of {key} is enabled, so that nobody signs with it. Enable one, or make one.")


def verify(session: AuthorizedSession, signature: Signature, content: bytes) -> bool:
    """Whether the signature is of this content, by the version of the key that it names.

    Raises:
        SigningError: when Google does not give the public key, e.g. since that version was disabled.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    answer = session.get(f"{KMS}/{signature.version}/publicKey", timeout=TIMEOUT_SECONDS)
    said = _said(answer, f"does not give the public key of {signature.version}")
    if said["name"] != signature.version or said["algorithm"] != ALGORITHM or said["pemCrc32c"] != _checksum(said["pem"].encode()):
        raise SigningError(
            f"Cloud KMS gave another public key than that of {signature.version} ({ALGORITHM}). Nothing was changed. Try again."
        )
    public = load_pem_public_key(said["pem"].encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    try:
        public.verify(base64.b64decode(signature.value, validate=True), content, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _disabled(answer: Response) -> bool:
    return bool(answer.status_code == 400 and "is not enabled" in answer.text)


def _said(answer: Response, what: str) -> dict[str, Any]:
    if not answer.ok:
        try:
            why = answer.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            why = answer.text[:300]
        raise SigningError(f"Cloud KMS {what} ({answer.status_code}: {why}). Nothing was changed.")
    said: dict[str, Any] = answer.json()
    return said


def _checksum(content: bytes) -> str:
    import google_crc32c

    return str(google_crc32c.value(content))
