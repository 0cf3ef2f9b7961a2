"""Container images from one repository to another, byte for byte: their digest is their name, and it stays.

Spoken over the registry's HTTP API, which is the same for every registry
(https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md); a machine needs no Docker for it.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urljoin

from environments.clients import TIMEOUT_SECONDS

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession
    from requests import Response

KINDS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
BLOCK = 1 << 20
DIGEST = "Docker-Content-Digest"
ARTIFACTS = "https://artifactregistry.googleapis.com/v1"


class CopyError(Exception):
    """Something could not be copied as it is; the message is complete and meant for people."""


def found(session: AuthorizedSession, address: str, digest: str) -> str:
    """The digest of what a repository gives for an image by its digest; empty where it has none.

    Args:
        session: of whoever may read it.
        address: the image without tag or digest: `europe-west4-docker.pkg.dev/P/acme-gemini-dev-images/serving`.
        digest: `sha256:…`.
    """
    answer = session.get(_url(address, "manifests", digest), headers={"Accept": ", ".join(KINDS)}, timeout=TIMEOUT_SECONDS)
    if answer.status_code == 404:
        return ""
    return f"sha256:{hashlib.sha256(_good(answer, address).content).hexdigest()}"


def fixed(session: AuthorizedSession, repository: str) -> bool:
    """Whether the tags of a repository (`projects/P/locations/R/repositories/N`) never move."""
    answer = session.get(f"{ARTIFACTS}/{repository}", timeout=TIMEOUT_SECONDS)
    return bool(_good(answer, repository).json().get("dockerConfig", {}).get("immutableTags", False))


def copy(session: AuthorizedSession, source: str, target: str, digest: str, tag: str = "") -> bool:
    """Bring an image into another repository, unless it is there; whether that was needed.

    Its parts go first and its manifest last, so that a copy that was cut off shows nothing and is simply done again.

    Args:
        session: of whoever may read the source and write the target.
        source: image without tag or digest.
        target: the same where it is to be.
        digest: `sha256:…` of its manifest.
        tag: label at the target; without one, the clean-up of a repository takes it for forgotten.

    Raises:
        CopyError: when a registry refuses, or what arrives is not what the digest says.
    """
    if found(session, target, tag or digest) == digest:
        return False
    answer = session.get(_url(source, "manifests", digest), headers={"Accept": ", ".join(KINDS)}, timeout=TIMEOUT_SECONDS)
    content = _good(answer, source).content
    if (is_ := f"sha256:{hashlib.sha256(content).hexdigest()}") != digest:
        raise CopyError(f"{source}@{digest} arrives as {is_}. It was not copied. Find out who changed it, and build the release anew.")
    manifest = json.loads(content)
    for part in manifest.get("manifests", []):
        copy(session, source, target, part["digest"])
    for blob in _blobs(manifest):
        _copy_blob(session, source, target, blob["digest"])
    kept = session.put(
        _url(target, "manifests", tag or digest),
        data=content,
        headers={"Content-Type": answer.headers.get("Content-Type", manifest.get("mediaType", KINDS[0]))},
        timeout=TIMEOUT_SECONDS,
    )
    if _good(kept, target).headers.get(DIGEST, digest) != digest:
        raise CopyError(f"{target} keeps {source}@{digest} as {kept.headers[DIGEST]}. It is not used. Look at that registry.")
    return True


def _blobs(manifest: Any) -> Iterator[Any]:
    if "config" in manifest:
        yield manifest["config"]
    yield from manifest.get("layers", [])


def _copy_blob(session: AuthorizedSession, source: str, target: str, digest: str) -> None:
    if session.head(_url(target, "blobs", digest), timeout=TIMEOUT_SECONDS).ok:
        return
    host, _, inside = source.partition("/")
    same = target.partition("/")[0] == host
    begun = session.post(
        _url(target, "blobs", "uploads/"), params={"mount": digest, "from": inside} if same else None, timeout=TIMEOUT_SECONDS
    )
    if _good(begun, target).status_code == 201:
        return  # it lies in the same registry, which showed it here
    with tempfile.TemporaryFile() as kept:
        _fetch(session, source, digest, kept)
        end = urljoin(_url(target, "blobs", ""), begun.headers["Location"])
        done = session.put(
            end, params={"digest": digest}, data=kept, headers={"Content-Type": "application/octet-stream"}, timeout=TIMEOUT_SECONDS
        )
        _good(done, target)


def _fetch(session: AuthorizedSession, source: str, digest: str, kept: IO[bytes]) -> None:
    """Write a blob into a file, from its start, after comparing it with its digest."""
    total = hashlib.sha256()
    with session.get(_url(source, "blobs", digest), stream=True, timeout=TIMEOUT_SECONDS) as answer:
        for block in _good(answer, source).iter_content(BLOCK):
            total.update(block)
            kept.write(block)
    if (is_ := f"sha256:{total.hexdigest()}") != digest:
        raise CopyError(f"a layer of {source} arrives as {is_}, not as {digest}. It was not copied. Run it again.")
    kept.seek(0)


def _url(address: str, what: str, name: str) -> str:
    host, _, image = address.partition("/")
    return f"https://{host}/v2/{image}/{what}/{name}"


def _good(answer: Response, address: str) -> Response:
    if answer.ok:
        return answer
    try:
        said = answer.json()
        reason = said["errors"][0]["message"] if "errors" in said else said["error"]["message"]
    except (ValueError, KeyError, TypeError, IndexError):
        reason = answer.text.strip()[:300] or answer.reason
    raise CopyError(
        f"{address} refused ({answer.status_code}): {str(reason).rstrip('.')}. What was copied before stays and is not copied again. "
        "Whoever copies reads the source (promotion.target in its environment's file grants that) and writes the target; then run it again."
    )
