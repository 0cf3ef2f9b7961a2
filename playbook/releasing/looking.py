"""What the rules of a promotion are shown: the manifest, the ledgers, and every artifact as it lies where the release comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from environments import catalogue, parity, tasks
from environments.clients import Clients
from pipelines import compile as specification
from pipelines import images as built
from playbook.releasing import ReleaseError, reviewed
from releases import images, ledger, manifest, objects, running
from releases.commit import Commit
from releases.manifest import CodeRelease, File, ModelRelease
from releases.rules import Case, Found

TOGETHER = 8
"""Artifacts that are looked at at once."""
BY_CONTENT = re.compile(r"(^|/)[0-9a-f]{64}([/.]|$)")
"""A name that follows from what is in it."""


def release(clients: Clients, digest: str) -> CodeRelease | ModelRelease:
    """The manifest that the ledger knows by a digest, from the environment's own release bucket.

    Raises:
        ManifestError: when it is not what was written.
        NotFound: when it is not there.
    """
    from google.cloud.storage import Blob

    address = clients.names.release(digest)
    return manifest.read(Blob.from_uri(address, client=clients.storage()).download_as_bytes(), digest, address)


def code(clients: Clients, digest: str) -> CodeRelease:
    """The same of a code release."""
    found = release(clients, digest)
    if not isinstance(found, CodeRelease):
        raise ReleaseError(f"{clients.names.release(digest)} is a model release, and a code release was looked for. Nothing was changed.")
    return found


def case(source: Clients, target: Clients, release: CodeRelease, digest: str, commit: Commit, at: datetime) -> Case:
    """All that the rules look at, read now.

    Args:
        source: where the release comes from.
        target: where it is to go.
        release: its manifest.
        digest: of the manifest.
        commit: of this checkout.
        at: the moment that counts.
    """
    entries, compiled = ledger.entries(target), specification.compiled(target.names, {one.name: one.digest for one in release.images})
    return Case(
        digest=digest,
        manifest=release,
        source=source.names.environment,
        target=target.names.environment,
        source_entries=ledger.entries(source),
        target_entries=entries,
        parity=parity(),
        tasks=tasks(),
        catalogue=catalogue(),
        images=list(built.slices()),
        templates={name: specification.digest(one) for name, one in compiled.items()},
        found=list(artifacts(source, release)),
        commit="" if commit.dirty else commit.id,
        unapproved=reviewed.lacking(target, entries, commit, at),
        at=at,
    )


def artifacts(clients: Clients, release: CodeRelease) -> Iterator[Found]:
    """Every artifact of a release, as it lies in an environment."""
    names, session = clients.names, clients.session()
    fixed = images.fixed(session, f"{names.location}/repositories/{names.repository}")
    with ThreadPoolExecutor(TOGETHER) as pool:
        digests = pool.map(lambda image: images.found(session, names.image(image.name), image.digest), release.images)
        for image, digest in zip(release.images, digests, strict=True):
            yield Found(what=f"image {image.name}@{image.digest[:19]}…", expected=image.digest, digest=digest, fixed=fixed)
    for bucket, files in buckets(clients, release).items():
        held = clients.storage().get_bucket(bucket)
        with ThreadPoolExecutor(TOGETHER) as pool:
            digests = pool.map(lambda file, held=held: objects.found(held, file.name), files)
            for file, digest in zip(files, digests, strict=True):
                # Older generations of what is replaced stay, where a bucket keeps them.
                stays = bool(BY_CONTENT.search(file.name)) or held.versioning_enabled
                yield Found(what=f"gs://{bucket}/{file.name}", expected=file.digest, digest=digest, fixed=stays)


def buckets(clients: Clients, release: CodeRelease) -> dict[str, list[File]]:
    """Bucket of an environment → the files of a release that lie in it, each once."""
    names = clients.names
    models = [file for model in release.models for file in model.files]
    rows = [file for model in release.models for file in (model.dataset.rows, *model.dataset.labelled)]
    kept = [*release.page, *(File(name=template.name, digest=template.digest, bytes=0) for template in release.templates)]
    every = {names.bucket("models"): models, names.bucket("raw"): rows, names.release_bucket: kept}
    return {bucket: list({file.name: file for file in files}.values()) for bucket, files in every.items() if files}


def bound(clients: Clients) -> tuple[running.Running, CodeRelease]:
    """What runs in an environment, and the code release that it is bound to.

    Raises:
        ReleaseError: when nothing was ever released there.
    """
    runs = running.now(ledger.entries(clients))
    name = clients.names.environment.name
    if runs is None:
        source = clients.names.environment.promotion.source
        mend = f"make promote FROM={source} TO={name}" if source else f"make release ENV={name}"
        raise ReleaseError(f"nothing was ever released in {name}, so that nothing can be released on top of it. Begin with: {mend}")
    return runs, code(clients, runs.code)
