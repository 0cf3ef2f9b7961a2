"""What a release is made of: a document that is written once, known by the digest of its bytes, and carried unchanged.

A code release is what one commit does: images, pipelines, and the models that these have made where it was built. A model release
is what a pipeline of that code has learned elsewhere, where the data may be read; it names the code release and changes none of it.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from environments.fields import Strict

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 in hexadecimal."""
ImageDigest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Text = Annotated[str, StringConstraints(min_length=1)]


class ManifestError(Exception):
    """A manifest is not what was written; the message is complete and meant for people."""


class File(Strict):
    """One object, by what is in it."""

    name: Text
    """Inside its bucket."""
    digest: Digest
    bytes: Annotated[int, Field(ge=0)]


class Image(Strict):
    """One container image."""

    name: Text
    digest: ImageDigest
    tag: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
    """Digest of what it was built from; a label, which keeps the image from the clean-up of untagged ones."""


class Template(Strict):
    """One pipeline, compiled for one environment: it names that environment's registry and machines, so each has its own."""

    pipeline: Text
    environment: Text
    digest: Digest

    @property
    def name(self) -> str:
        """Of its object in the release bucket, whose bytes have the digest."""
        return f"templates/{self.digest}.json"


class Gate(Strict):
    """What was asked of a model, and the answer."""

    name: Text
    passed: bool
    reasons: Annotated[list[str], Field(min_length=1)]


class Metric(Strict):
    """A figure with how far it may be from the truth."""

    name: Text
    value: float
    interval: Annotated[list[float], Field(min_length=2, max_length=2)]
    """Of 95 %."""
    rows: Annotated[int, Field(ge=1)]


class Dataset(Strict):
    """What a model has learned from, in the raw bucket."""

    digest: Digest
    """Of all ids, labels and splits."""
    declared: bool
    """Whether it is the task's declared data set."""
    rows: File
    labelled: list[File]
    """Rows that were labelled later and joined with them."""


class Evidence(Strict):
    """Where somebody can look for themselves."""

    what: Text
    link: Text


class Model(Strict):
    """One model version."""

    task: Text
    digest: Digest
    """Of what is served; its folder in the models bucket and its alias in the registry are named by it."""
    version: Text
    """In the registry where it was made; elsewhere it has another number."""
    image: Text
    """Name of the image that serves it."""
    pipeline: Text
    """That made it."""
    template: Digest
    """Of the specification that the run carried."""
    labeller: str
    """Id of the Gemini model that labels for it; empty where none does."""
    files: Annotated[list[File], Field(min_length=1)]
    """Of its folder, without what says where it was made."""
    dataset: Dataset
    gates: list[Gate]
    metrics: list[Metric]
    evidence: list[Evidence]


class CodeRelease(Strict):
    """One commit, built once."""

    kind: Literal["code"] = "code"
    schema_version: Literal[1] = 1
    origin: Text
    """The environment that it was built in."""
    commit: Commit
    source: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
    """Digest of everything that the images are built from."""
    approver: Text
    """E-mail of who answers for it."""
    images: list[Image]
    templates: list[Template]
    models: list[Model]
    page: list[File]
    """The web page, in the release bucket; empty where none was published."""
    evidence: list[Evidence]


class ModelRelease(Strict):
    """Models that were retrained in one environment by the pipelines of an unchanged code release."""

    kind: Literal["model"] = "model"
    schema_version: Literal[1] = 1
    origin: Text
    """The environment that it was born in, which it does not leave."""
    code: Digest
    """Of the code release's manifest."""
    approver: Text
    """E-mail of who answers for it."""
    models: Annotated[list[Model], Field(min_length=1)]
    evidence: list[Evidence]


Manifest = Annotated[CodeRelease | ModelRelease, Field(discriminator="kind")]
_READER: TypeAdapter[CodeRelease | ModelRelease] = TypeAdapter(Manifest)


def written(manifest: CodeRelease | ModelRelease) -> bytes:
    """Its bytes: the same release gives the same."""
    return manifest.model_dump_json(indent=1).encode() + b"\n"


def digest(content: bytes) -> str:
    """What a release is known by."""
    return hashlib.sha256(content).hexdigest()


def read(content: bytes, expected: str, where: str = "the manifest") -> CodeRelease | ModelRelease:
    """The manifest with these bytes.

    Args:
        content: its bytes.
        expected: the digest that it is known by.
        where: what to call it in an error.

    Raises:
        ManifestError: when it is another one, or none.
    """
    if digest(content) != expected:
        raise ManifestError(
            f"{where} has the digest {digest(content)[:12]}…, and the ledger says {expected[:12]}…: it was changed after it was written. "
            "Nothing of it may run anywhere else, so nothing was copied. Find out who did it, and build the release anew: make release"
        )
    try:
        return _READER.validate_json(content)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:5])
        raise ManifestError(
            f"{where} is no release manifest ({faults}). Nothing was copied. It may have been written by another version of this code: use "
            "the checkout of its commit."
        ) from None
