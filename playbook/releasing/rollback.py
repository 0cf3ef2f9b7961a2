"""The last good release runs again: its models get the traffic back, at once and without a build."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from environments.clients import Clients
from playbook.releasing import ReleaseError, Say, about, answered, looking
from releases import ledger, manifest, running
from serving.registry import versions
from serving.rollout import deployment, web
from serving.rollout import promotion as rollout


def rollback(clients: Clients, reason: str, at: datetime, say: Say = print) -> running.Running:
    """Return to what ran before; what runs then.

    Args:
        clients: of the environment.
        reason: why; it becomes a label of the versions that go, and stands in the ledger.
        at: the moment that counts.
        say: told what was done.

    Raises:
        ReleaseError: when nothing ran before, or a version of it is not there any more.
        RolloutError: when a rollout cannot go back.
    """
    if not reason.strip():
        raise ReleaseError("a rollback without a reason tells nobody what not to try again. Nothing was changed. Give one: REASON='…'")
    entries = ledger.entries(clients)
    runs, good = running.now(entries), running.last_good(entries)
    name = clients.names.environment.name
    if runs is None or good is None:
        what = "only one release was ever there" if runs else "nothing was ever released there"
        raise ReleaseError(
            f"{name} has no release to return to: {what}. Nothing was changed. A single task returns to its champion before by: "
            f"python -m serving.rollout rollback --env {name} --task TASK --reason WHY"
        )
    wanted = {task: versions.find(clients, task, versions.by_digest(digest)) for task, digest in good.models.items()}
    if missing := sorted(task for task, version in wanted.items() if version is None):
        raise ReleaseError(
            f"the registry of {name} does not hold the version of {', '.join(missing)} that {good.release[:12]}… served. Nothing was "
            f"changed. Promote a release that is whole: make promote TO={name}"
        )
    if good.kind == "model":
        # What was born here stands or falls with who answers for it here.
        made = next(entry for entry in entries if entry.number == good.entry)
        answered.verify(clients, made, manifest.written(looking.release(clients, good.release)))
    for task, version in wanted.items():
        back_to(clients, task, version, reason, say)
    body = {"to": good.entry, "from": runs.release, "left": runs.code, "reason": reason}
    state = running.body(release=good.release, kind=good.kind, code=good.code, commit=good.commit, models=good.models)
    ledger.append(clients, "rollback", {**state, **body}, at)
    say(f"{name} runs {good.release[:12]}… again, of commit {good.commit[:12]}")
    if good.commit != runs.commit:
        say(
            f"infrastructure and pipelines are still of commit {runs.commit[:12]}; those of before: git switch --detach {good.commit}, "
            f"then make diff ENV={name}, have it approved, make deploy ENV={name}"
        )
    found = running.now(ledger.entries(clients))
    assert found is not None
    return found


def back_to(clients: Clients, task: str, version: Any, reason: str, say: Say) -> None:
    """Let a version that has served before serve again; one that is the champion already only gets what a cut off try may lack.

    Args:
        clients: of the environment.
        task: whose version.
        version: as the registry describes it.
        reason: why; it becomes a label of the version that goes.
        say: told what was done.
    """
    champion = versions.find(clients, task, versions.CHAMPION)
    show = partial(web.show, clients, task) if _converted(clients, version.uri) else None
    if champion is not None and champion.version_id == version.version_id:
        deployment.deploy(clients, task, version.version_id)
        if show is not None:
            show(version.version_id)
        say(f"{task}: version {version.version_id} serves")
        return
    # A rollout returns to the version with this alias, whichever was before.
    versions.alias(clients, task, version.version_id, rollout.PREVIOUS)
    rollout.rollback(clients, task, reason, show, report=partial(about, say, task))


def _converted(clients: Clients, uri: str) -> bool:
    """Whether a version has a model for the page."""
    bucket, _, folder = uri.removeprefix("gs://").partition("/")
    return bool(clients.storage().bucket(bucket).blob(f"{folder}/web/web.json").exists())
