"""Who calls: tokens of the local Google Cloud, and the key that clients sign with.

Tokens carry the caller's e-mail and are not checked for anything else: whoever can reach the emulator owns the machine's account anyway.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

PREFIX = "ya29.local-"
E_MAIL = "developer@local.iam.gserviceaccount.com"
LIFETIME_SECONDS = 3600


def access_token(e_mail: str) -> str:
    """A bearer token for `e_mail`."""
    return PREFIX + base64.urlsafe_b64encode(e_mail.encode()).decode().rstrip("=")


def caller(authorization: str) -> str:
    """E-mail in an `Authorization` header: from a token of ours or from a JWT that the client signed itself; empty where it has none."""
    token = authorization.removeprefix("Bearer ").strip()
    if token.startswith(PREFIX):
        return _decoded(token.removeprefix(PREFIX)).decode(errors="replace")
    if token.count(".") == 2:
        return issuer(token)
    return ""


def signer(query: dict[str, list[str]]) -> str:
    """E-mail of who signed a URL; empty where it is not signed."""
    signed = query.get("X-Goog-Credential") or query.get("GoogleAccessId") or [""]
    return signed[0].partition("/")[0]


def claims(assertion: str) -> dict[str, Any]:
    """What a JWT says; nothing where it is none."""
    try:
        said: Any = json.loads(_decoded(assertion.split(".")[1]))
    except (ValueError, IndexError):
        return {}
    return said if isinstance(said, dict) else {}


def issuer(assertion: str) -> str:
    """Who signed a JWT; empty where it says nothing."""
    said = claims(assertion)
    return str(said.get("sub") or said.get("iss") or "")


def identity_token(e_mail: str, audience: str, moment: int) -> str:
    """An OpenID Connect token that nobody signed: enough for clients, which read their own and do not check them."""
    claims = {
        "iss": "https://accounts.google.com",
        "sub": e_mail,
        "email": e_mail,
        "aud": audience,
        "iat": moment,
        "exp": moment + LIFETIME_SECONDS,
    }
    parts = [*(json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)), b"local"]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def ensure_key(path: Path) -> None:
    """Writes a service-account key for clients to sign with, unless there is one."""
    if path.exists():
        return
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    # The emulator asks nobody for a signature, while every client checks the key when it reads it: 8 ms instead of 50.
    private = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key = {
        "type": "service_account",
        "project_id": "local",
        "private_key_id": "local",
        "private_key": pem.decode(),
        "client_email": E_MAIL,
        "client_id": "1",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    }
    write_secret(path, json.dumps(key, indent=2).encode())


def key_of(account: str, own: Path) -> Path:
    """A key of `account` beside our `own`, whose private half it shares."""
    path = own.with_name("keys") / f"{account}.json"
    if not path.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_secret(path, json.dumps({**json.loads(own.read_text()), "client_email": account}, indent=2).encode())
    return path


def write_secret(path: Path, content: bytes) -> None:
    """Writes a file that only its owner can read, whole or not at all."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    os.replace(beside, path)


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""
