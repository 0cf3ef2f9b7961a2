"""What was done to an environment, when and by whom: a chain of entries in its release bucket, to which one can only add.

An entry is one object, `ledger/<environment>/000001.json`, made under the condition that there is none, so that of two who write at once
one comes second and nobody replaces anything. Each holds the digest of the one before it: whoever edits, removes or reorders one breaks
every later link. What the chain cannot see, that its newest entries were taken away, the bucket forbids (retention, and no identity of
ours that may delete there).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from google.cloud import storage

    from environments.clients import Clients

Kind = Literal["plan", "approval", "apply", "release", "promotion", "rollback", "break-glass", "break-glass-closed", "drift"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FIRST = "0" * 64
"""What the first entry holds in place of a digest."""
TOGETHER = 8
"""Entries that are read at once."""
ATTEMPTS = 10
"""How often somebody else may come first before that is said."""


class LedgerError(Exception):
    """The ledger is not what was written, or cannot be added to; the message is complete and meant for people."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that was done.

    Attributes:
        number: place in the chain, from 1.
        kind: what was done.
        at: when, in UTC.
        by: e-mail of who did it.
        digest: SHA-256 of the entry's own object, which the next one holds.
        body: what the kind says; JSON.
    """

    number: int
    kind: Kind
    at: datetime
    by: str
    digest: str
    body: dict[str, Any]


def append(clients: Clients, kind: Kind, body: Mapping[str, Any], at: datetime | None = None) -> Entry:
    """Add an entry in the name of who is logged in.

    Args:
        clients: of the environment that it happened to.
        kind: what was done.
        body: what there is to say about it; JSON.
        at: when; now, unless somebody tells of what Google did at another time.

    Raises:
        LedgerError: when the ledger is broken, or others write faster.
        GoogleAPIError: when the bucket is not there or may not be added to.
    """
    from google.api_core.exceptions import PreconditionFailed

    bucket, by = clients.storage().bucket(clients.names.release_bucket), clients.principal()
    at = at or datetime.now(UTC)
    for _ in range(ATTEMPTS):
        # The newest alone says what comes next; whoever relies on the others reads and checks them all.
        names = sorted(blob.name for blob in clients.storage().list_blobs(bucket, prefix=_folder(clients)))
        previous = _newest(bucket, names[-1], len(names)) if names else FIRST
        content = written(number=len(names) + 1, kind=kind, at=at, by=by, previous=previous, body=body)
        blob = bucket.blob(f"{_folder(clients)}{len(names) + 1:06}.json")
        try:
            blob.upload_from_string(content, content_type="application/json", if_generation_match=0)
        except PreconditionFailed:
            # Either somebody else was first, or our own request arrived and its answer got lost.
            if blob.download_as_bytes() != content:
                continue
        return _entry(content)
    raise LedgerError(
        f"others wrote to the ledger of {clients.names.environment.name} {ATTEMPTS} times before this {kind} could be. It was not written "
        "down. Run it again."
    )


def _newest(bucket: storage.Bucket, name: str, count: int) -> str:
    """Digest of the newest entry.

    Raises:
        LedgerError: when it was changed, or another is missing.
    """
    where = f"gs://{bucket.name}/{name}"
    entry, _ = _opened(where, bucket.blob(name).download_as_bytes())
    if entry.number != count:
        raise LedgerError(_broken(where, f"is number {entry.number} of {count}: an entry is missing"))
    return entry.digest


def entries(clients: Clients) -> list[Entry]:
    """Every entry, oldest first, after checking that it is what was written; none where there is no release bucket yet.

    Raises:
        LedgerError: when an entry was changed, removed or put elsewhere.
    """
    from google.api_core.exceptions import NotFound

    folder = _folder(clients)
    try:
        blobs = list(clients.storage().list_blobs(clients.names.release_bucket, prefix=folder))
    except NotFound:
        return []
    with ThreadPoolExecutor(TOGETHER) as pool:
        contents = list(pool.map(lambda blob: blob.download_as_bytes(), blobs))
    where = f"gs://{clients.names.release_bucket}/{folder}"
    return list(verified({blob.name.removeprefix(folder): content for blob, content in zip(blobs, contents, strict=True)}, where))


def newest(found: Iterable[Entry], *kinds: Kind) -> Entry | None:
    """The last entry of one of the kinds."""
    return next((entry for entry in reversed(list(found)) if entry.kind in kinds), None)


def written(*, number: int, kind: Kind, at: datetime, by: str, previous: str, body: Mapping[str, Any]) -> bytes:
    """The content of an entry's object: equal entries are equal bytes."""
    said = {"number": number, "kind": kind, "at": at.astimezone(UTC).isoformat(), "by": by, "previous": previous, "body": body}
    return _sealed(said)


def verified(contents: Mapping[str, bytes], where: str = "the ledger") -> Iterator[Entry]:
    """The entries of these objects (`000001.json` → content), in order.

    Args:
        contents: objects.
        where: what to call their folder in an error.

    Raises:
        LedgerError: when one of them is not what was written, is missing, or is out of its place.
    """
    previous = FIRST
    for number, name in enumerate(sorted(contents), 1):
        expected = f"{number:06}.json"
        if name != expected:
            raise LedgerError(_broken(f"{where}{expected}", f"is missing, and {name} comes in its place"))
        entry, before = _opened(f"{where}{name}", contents[name])
        if before != previous or entry.number != number:
            raise LedgerError(_broken(f"{where}{name}", "does not follow the entry before it: one of the two was changed or moved"))
        previous = entry.digest
        yield entry


def _opened(name: str, content: bytes) -> tuple[Entry, str]:
    """An entry of an unbroken seal, and the digest that it holds of the one before.

    Raises:
        LedgerError: when it was changed, or is no entry.
    """
    try:
        said = json.loads(content)
        if content != _sealed({key: value for key, value in said.items() if key != "seal"}):
            raise LedgerError(_broken(name, "was changed after it was written"))
        return _entry(content), said["previous"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LedgerError(_broken(name, f"is no entry ({type(error).__name__}: {error})")) from None


def _broken(name: str, what: str) -> str:
    return (
        f"{name} {what}. Nothing that the ledger says can be relied on, so that nothing is approved, applied or promoted. Find out who did "
        "it (Cloud Audit Logs, storage.objects.create and delete on this bucket) and restore the object that the log names."
    )


def _sealed(said: Mapping[str, Any]) -> bytes:
    """The canonical bytes, with a digest of the rest, so that the newest entry too shows when it was edited."""
    seal = hashlib.sha256(_canonical(said)).hexdigest()
    return _canonical({**said, "seal": seal})


def _canonical(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1).encode() + b"\n"


def _entry(content: bytes) -> Entry:
    said = json.loads(content)
    if said["kind"] not in KINDS:
        raise ValueError(f"there is no kind {said['kind']!r}")
    return Entry(
        number=said["number"],
        kind=said["kind"],
        at=datetime.fromisoformat(said["at"]),
        by=said["by"],
        digest=hashlib.sha256(content).hexdigest(),
        body=said["body"],
    )


def _folder(clients: Clients) -> str:
    return f"ledger/{clients.names.environment.name}/"
