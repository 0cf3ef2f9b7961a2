"""A code release goes on to the next environment: judged, copied by digest, registered, rolled out, and only then written down.

Every part looks at what is there, so that a promotion that was cut off is finished by the next; what runs in the target changes with
the rollouts alone, and what the target runs is read from its own buckets and registry.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from environments.clients import Clients
from playbook.releasing import ReleaseError, Say, about, looking
from playbook.releasing.rollback import back_to
from releases import images, ledger, manifest, objects, rules, running
from releases.commit import Commit
from releases.manifest import CodeRelease, Model
from serving.registry import origin, versions
from serving.rollout import promotion as rollout
from serving.rollout import web
from serving.rollout.probing import Probe, probes

SERVING = ("serving", "superseded")
"""Outcomes of a rollout with which a release may live: a later version of the same rows and more is no step back."""


def promote(source: Clients, target: Clients, commit: Commit, at: datetime, say: Say = print) -> running.Running:
    """Bring what the source runs to the target; what the target then runs.

    Args:
        source: of the environment that the release comes from.
        target: of the environment that it goes to; its identity reads the one and writes the other.
        commit: of this checkout.
        at: the moment that counts.
        say: told what was done.

    Raises:
        ReleaseError: when a rule refuses, naming each, or a rollout does.
        CopyError: when something cannot be copied as it is.
        ManifestError, LedgerError: when what was written down is not what was written.
    """
    runs = running.now(ledger.entries(source))
    names = source.names.environment.name, target.names.environment.name
    if runs is None:
        raise ReleaseError(
            f"{names[0]} runs no release, so that none can go on. Nothing was copied. Build one: make release ENV={names[0]}"
        )
    there = running.now(ledger.entries(target))
    if there is not None and there.code == runs.code:
        say(f"{names[1]} runs {runs.code[:12]}… already")
        return there
    release = looking.code(source, runs.code)
    judge(looking.case(source, target, release, runs.code, commit, at), say)
    copy(source, target, release, say)
    models = activate(target, release, say)
    body = running.body(release=runs.code, kind="code", code=runs.code, commit=release.commit, models=models)
    ledger.append(target, "promotion", {**body, "source": names[0]}, at)
    say(f"{names[1]} runs {runs.code[:12]}… of commit {release.commit[:12]}")
    found = running.now(ledger.entries(target))
    assert found is not None
    return found


def judge(case: rules.Case, say: Say) -> None:
    """Ask every rule.

    Raises:
        ReleaseError: when one refuses; the text names each that does.
    """
    refused = rules.refusals(case)
    if refused:
        lines = "\n".join(f"  {one.rule}: {one.text}" for one in refused)
        raise ReleaseError(
            f"{case.digest[:12]}… does not go from {case.source.name} to {case.target.name}. Nothing was copied, and {case.target.name} "
            f"runs what it ran:\n{lines}"
        )
    say(f"{len(rules.RULES)} rules let {case.digest[:12]}… go from {case.source.name} to {case.target.name}")


def copy(source: Clients, target: Clients, release: CodeRelease, say: Say) -> None:
    """Bring every artifact into the target's own registry and buckets, the manifest last."""
    session, copied = target.session(), 0
    for image in release.images:
        copied += images.copy(session, source.names.image(image.name), target.names.image(image.name), image.digest, image.tag)
    say(f"{copied} of {len(release.images)} images copied by digest, the others were there")
    storage = target.storage()
    here, there = looking.buckets(source, release), looking.buckets(target, release)
    copied = 0
    for (from_, files), to in zip(here.items(), there, strict=True):
        copied += objects.copy(storage.bucket(from_), storage.bucket(to), files)
    say(f"{copied} of {sum(map(len, here.values()))} objects copied by digest, the others were there")
    content = manifest.written(release)
    objects.keep(storage.bucket(target.names.release_bucket), f"releases/{manifest.digest(content)}.json", content)


def activate(target: Clients, release: CodeRelease, say: Say) -> dict[str, str]:
    """Let the models serve, each by its canary, and the page and the pipelines follow; task → digest that serves.

    Raises:
        ReleaseError: when a canary refuses one: then those that had gone before it are taken back.
    """
    from google.cloud.storage import Blob

    built = Blob.from_uri(target.names.built_images(release.source), client=target.storage())
    # Runs of this commit find its images by this record; it names digests, so that no other build can take their place.
    built.upload_from_string(
        json.dumps({image.name: image.digest for image in release.images}, indent=2, sort_keys=True), "application/json"
    )
    digests = {image.name: image.digest for image in release.images}
    registered = {model.task: _registered(target, model, digests) for model in release.models}
    before = _before(target, release)
    moved: list[str] = []
    for model in release.models:
        version = registered[model.task].version
        done = rollout.release(
            target,
            model.task,
            version,
            _probes(target, model),
            partial(web.show, target, model.task) if _converted(model) else None,
            report=partial(about, say, model.task),
        )
        if done.outcome not in SERVING:
            _take_back(target, moved, before, say)
            raise ReleaseError(
                f"the canary of {model.task} refused version {version}: {done.text}. A code release is all or nothing, so that "
                f"{target.names.environment.name} runs what it ran. Find out why it does worse there than where it was built, and build "
                "another release."
            )
        moved.append(model.task)
    _publish_page(target, release, say)
    return {model.task: _champion(target, model.task) or model.digest for model in release.models}


def _registered(target: Clients, model: Model, digests: Mapping[str, str]) -> versions.Version:
    """The version in the target's registry, with what it has learned from at the target's own addresses."""
    names = target.names
    version = versions.adopt(target, model.task, model.digest, f"{names.image(model.image)}@{digests[model.image]}")
    learned = model.dataset
    origin.write(
        target,
        version.uri,
        origin.Origin(
            names.uri("raw", learned.rows.name), learned.declared, tuple(names.uri("raw", file.name) for file in learned.labelled)
        ),
    )
    versions.label(target, model.task, version.version, {"gate": "passed"})
    return version


def _champion(target: Clients, task: str) -> str:
    """Digest of the model that serves a task; empty where none does."""
    return versions.digest(versions.find(target, task, versions.CHAMPION))


def _probes(target: Clients, model: Model) -> list[Probe]:
    """Frozen rows that no model has learned from, out of the target's own bucket."""
    from ml.data.splits import split

    with tempfile.TemporaryDirectory(prefix="probes-") as folder:
        raw = Path(folder, "raw.parquet")
        target.storage().bucket(target.names.bucket("raw")).blob(model.dataset.rows.name).download_to_filename(str(raw))
        split(raw, Path(folder, "split"))
        return probes(Path(folder, "split", "rows.parquet"))


def _converted(model: Model) -> bool:
    return any(file.name.endswith("/web/web.json") for file in model.files)


def _before(target: Clients, release: CodeRelease) -> dict[str, str]:
    """Task → digest of the model that served before this promotion, also where an earlier try of it was cut off after that had gone."""
    runs = running.now(ledger.entries(target))
    found = {}
    for model in release.models:
        champion = _champion(target, model.task)
        if champion == model.digest and runs is not None:
            champion = runs.models.get(model.task, champion)
        if champion:
            found[model.task] = champion
    return found


def _take_back(target: Clients, moved: Sequence[str], before: Mapping[str, str], say: Say) -> None:
    """Return each task that has another champion now to the one before; one that had none keeps its first."""
    for task in moved:
        former = versions.find(target, task, versions.by_digest(before[task])) if task in before else None
        if former is not None:
            back_to(target, task, former, "another task of its release was refused", say)


def _publish_page(target: Clients, release: CodeRelease, say: Say) -> None:
    """Publish the page from the target's own release bucket."""
    if not release.page:
        return
    kept = target.storage().bucket(target.names.release_bucket)
    with tempfile.TemporaryDirectory(prefix="page-") as folder:
        for file in release.page:
            path = Path(folder, *Path(file.name).parts[2:])
            path.parent.mkdir(parents=True, exist_ok=True)
            kept.blob(file.name).download_to_filename(str(path))
        web.publish_page(target, Path(folder))
    say(f"the page is that of {len(release.page)} files")
