"""A release is written down: its manifest by its digest, and then the entry in the ledger that makes it what runs."""

from __future__ import annotations

from datetime import datetime

from environments import catalogue
from environments.clients import Clients
from playbook.releasing import ReleaseError, Say, answered, build, looking
from releases import ledger, manifest, objects, rules, running
from releases.commit import Commit
from releases.manifest import CodeRelease, ModelRelease


def release(clients: Clients, commit: Commit, at: datetime, say: Say = print) -> running.Running:
    """Release what was made in an environment; what it then runs.

    Args:
        clients: of the environment: one that builds its own code releases that, any other one its retrained models.
        commit: of this checkout.
        at: the moment that counts.
        say: told what was done.

    Raises:
        ReleaseError: when it is not whole, a gate refused it, or who releases may not.
        ImagesError: when the images were not built.
    """
    environment = clients.names.environment
    runs = running.now(ledger.entries(clients))
    made: CodeRelease | ModelRelease
    if environment.promotion.source is None:
        made, models = build.code(clients, commit), {}
    else:
        runs, bound = looking.bound(clients)
        made, models = build.models(clients, runs, bound), dict(runs.models)
    if refused := rules.of_models(made, catalogue(), at):
        lines = "\n".join(f"  {one.rule}: {one.text}" for one in refused)
        raise ReleaseError(f"what {environment.name} has made is not released. Nothing was written down:\n{lines}")
    content = manifest.written(made)
    digest = manifest.digest(content)
    if runs is not None and runs.release == digest:
        say(f"{environment.name} runs {digest[:12]}… already")
        return runs
    signature = answered.sign(clients, made.approver, content)
    objects.keep(clients.storage().bucket(clients.names.release_bucket), f"releases/{digest}.json", content)
    body = running.body(
        release=digest,
        kind=made.kind,
        code=digest if isinstance(made, CodeRelease) else made.code,
        commit=made.commit if isinstance(made, CodeRelease) else bound.commit,
        models={**models, **{model.task: model.digest for model in made.models}},
    )
    ledger.append(clients, "release", {**body, **signature}, at)
    say(f"{made.kind} release {digest[:12]}…: {clients.names.release(digest)}")
    found = running.now(ledger.entries(clients))
    assert found is not None
    return found
