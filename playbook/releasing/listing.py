"""Who runs what, since when: one line for each environment, from its ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from environments import Names, load_all, organisation
from environments.clients import Clients
from releases import ledger, running
from releases.ledger import LedgerError


def listed(environment: str | None = None) -> list[dict[str, Any]]:
    """What each environment runs, as JSON; one that cannot be read says why.

    Args:
        environment: only that one.
    """
    every = [one for one in load_all() if environment in (None, one.name)]
    return [_one(Clients(Names(organisation(), one))) for one in sorted(every, key=lambda one: (_depth(one.promotion.source), one.name))]


def _depth(source: str | None) -> int:
    """How far an environment is from where its releases are built."""
    sources = {one.name: one.promotion.source for one in load_all()}
    depth = 0
    while source is not None:
        depth, source = depth + 1, sources[source]
    return depth


def _one(clients: Clients) -> dict[str, Any]:
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError

    name = clients.names.environment.name
    try:
        entries = ledger.entries(clients)
    except (LedgerError, GoogleAPICallError, GoogleAuthError) as error:
        return {"environment": name, "problem": str(error)}
    runs, good = running.now(entries), running.last_good(entries)
    if runs is None:
        return {"environment": name, "release": None}
    since = running.code_since(entries, runs.code)
    return {
        "environment": name,
        "release": runs.release,
        "kind": runs.kind,
        "code": runs.code,
        "commit": runs.commit,
        "models": dict(runs.models),
        "since": runs.since.isoformat(),
        "code_since": since.isoformat() if since else None,
        "by": runs.by,
        "before": good.release if good else None,
        "rolled_back": running.taken_back(entries),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The same for people."""
    return "\n".join(_line(row) for row in rows)


def _line(row: Mapping[str, Any]) -> str:
    name = f"{row['environment']:<10}"
    if "problem" in row:
        return f"{name}cannot be read: {row['problem']}"
    if row["release"] is None:
        return f"{name}runs no release"
    models = ", ".join(f"{task} {digest[:8]}" for task, digest in row["models"].items())
    back = "".join(f"\n{'':<10}rolled back: {digest[:12]}… ({reason})" for digest, reason in row["rolled_back"].items())
    return (
        f"{name}{row['kind']} release {row['release'][:12]}… of commit {row['commit'][:12]} since {row['since'][:16].replace('T', ' ')} UTC"
        f" by {row['by']}\n{'':<10}models: {models}; before: {row['before'][:12] + '…' if row['before'] else 'none'}{back}"
    )
