"""What an environment runs, since when and by whom, as its ledger tells: pure, since entries come in as arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from releases.ledger import Entry

ACTIVE = ("release", "promotion", "rollback")
"""Kinds of entries after which an environment runs something else."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """What runs after an entry.

    Attributes:
        code: digest of the code release.
        commit: of that release.
        models: task → digest of the model that serves.
        release: digest of the release that brought it: of the code or of the models.
        kind: `code` or `model`.
        since: when.
        by: e-mail of who did it.
        entry: number in the ledger.
    """

    code: str
    commit: str
    models: Mapping[str, str]
    release: str
    kind: str
    since: datetime
    by: str
    entry: int


def history(entries: Sequence[Entry]) -> list[Running]:
    """What ran and was not taken back, oldest first; the last of them runs now."""
    kept: list[Running] = []
    for entry in entries:
        if entry.kind == "rollback":
            # Back to one that is below: whatever was put on top of it is gone.
            while kept and kept[-1].entry != entry.body["to"]:
                kept.pop()
            if kept:
                kept[-1] = replace(kept[-1], since=entry.at, by=entry.by)
        elif entry.kind in ACTIVE:
            kept.append(_running(entry))
    return kept


def now(entries: Sequence[Entry]) -> Running | None:
    """What runs; nothing before the first release."""
    found = history(entries)
    return found[-1] if found else None


def last_good(entries: Sequence[Entry]) -> Running | None:
    """What a rollback returns to; nothing where there was no release before the one that runs."""
    found = history(entries)
    return found[-2] if len(found) > 1 else None


def code_since(entries: Sequence[Entry], code: str) -> datetime | None:
    """Since when a code release runs without a break, whatever models came and went on top of it; None where it does not run."""
    current, since = "", None
    for entry in entries:
        if entry.kind in ACTIVE and entry.body["code"] != current:
            current, since = entry.body["code"], entry.at
    return since if current == code else None


def taken_back(entries: Sequence[Entry]) -> dict[str, str]:
    """Digest of each release that was rolled back → why."""
    return {str(entry.body["from"]): str(entry.body["reason"]) for entry in entries if entry.kind == "rollback"}


def body(*, release: str, kind: str, code: str, commit: str, models: Mapping[str, str]) -> dict[str, object]:
    """What the entry of a release or a promotion says."""
    return {"release": release, "release_kind": kind, "code": code, "commit": commit, "models": dict(sorted(models.items()))}


def _running(entry: Entry) -> Running:
    said = entry.body
    return Running(
        code=said["code"],
        commit=said["commit"],
        models=said["models"],
        release=said["release"],
        kind=said["release_kind"],
        since=entry.at,
        by=entry.by,
        entry=entry.number,
    )
