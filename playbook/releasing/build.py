"""A release of what an environment has made: of the whole commit where code is built, of its models alone where code is promoted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from environments import Names, catalogue, load_all, organisation, tasks
from environments.clients import Clients
from environments.tasks import Task
from ml.evaluation import gate
from pipelines import compile as specification
from pipelines import images, runs
from pipelines.definitions import retraining, training
from playbook.releasing import ReleaseError
from releases import objects, rules, running
from releases.commit import Commit
from releases.manifest import CodeRelease, Dataset, Evidence, File, Gate, Image, Metric, Model, ModelRelease, Template
from serving.registry import origin, versions

MAKERS = (training.NAME, retraining.NAME)
"""Pipelines that make models."""
PAGE, ASSETS = "index.html", "assets"
"""What the web bucket holds of the page itself, beside the models that it loads."""
CONSOLE = "https://console.cloud.google.com"


def code(clients: Clients, commit: Commit) -> CodeRelease:
    """The code release of this checkout, with the models that its pipelines have made champions here.

    Raises:
        ReleaseError: when something of it was never built, or was built by another code.
        ImagesError: when the images were not built.
    """
    _refuse_edits(commit)
    names = clients.names
    digests, tags = images.built(clients), images.tags()
    compiled = {one.environment.name: specification.compiled(one, digests) for one in (names, *_path(names))}
    mine = {name: specification.digest(one) for name, one in compiled[names.environment.name].items()}
    return CodeRelease(
        origin=names.environment.name,
        commit=commit.id,
        source=images.source(),
        approver=clients.principal(),
        images=[Image(name=name, digest=digest, tag=tags[name]) for name, digest in sorted(digests.items())],
        templates=[
            _template(clients, name, where, one) for where, every in sorted(compiled.items()) for name, one in sorted(every.items())
        ],
        models=[_model(clients, task, mine, digests) for task in tasks().tasks],
        page=_page(clients),
        evidence=[
            Evidence(what="images as built", link=names.built_images(images.source())),
            Evidence(what="ledger", link=f"gs://{names.release_bucket}/ledger/{names.environment.name}/"),
        ],
    )


def models(clients: Clients, runs_now: running.Running, bound: CodeRelease) -> ModelRelease:
    """The model release of the champions that are not those that the environment was given or has released before.

    Args:
        clients: of the environment in which they were born.
        runs_now: what runs there, as the ledger says.
        bound: the code release that runs there.

    Raises:
        ReleaseError: when there is nothing new, or a champion was not made by a pipeline of that code.
    """
    names = clients.names
    templates = {one.pipeline: one.digest for one in bound.templates if one.environment == names.environment.name}
    digests = {image.name: image.digest for image in bound.images}
    new = [
        _model(clients, task, templates, digests)
        for task in tasks().tasks
        if versions.digest(versions.find(clients, task.name, versions.CHAMPION)) != runs_now.models[task.name]
    ]
    if not new:
        raise ReleaseError(
            f"every champion in {names.environment.name} is the one that the ledger knows, so that there is nothing to release. "
            "A retraining makes another: python -m pipelines.retraining"
        )
    return ModelRelease(
        origin=names.environment.name,
        code=runs_now.code,
        approver=clients.principal(),
        models=new,
        evidence=[Evidence(what="code release", link=names.release(runs_now.code))],
    )


def _path(names: Names) -> Iterator[Names]:
    """The environments that releases of this one come to, however far."""
    every = {environment.name: environment for environment in load_all()}
    for name, environment in every.items():
        at = environment.promotion.source
        while at is not None and at != names.environment.name:
            at = every[at].promotion.source
        if at is not None and name != at:
            yield Names(organisation(), environment)


def _template(clients: Clients, pipeline: str, environment: str, compiled: Mapping[str, Any]) -> Template:
    """A pipeline for an environment, kept in the release bucket."""
    kept = Template(pipeline=pipeline, environment=environment, digest=specification.digest(compiled))
    objects.keep(clients.storage().bucket(clients.names.release_bucket), kept.name, specification.canonical(compiled))
    return kept


def _page(clients: Clients) -> list[File]:
    """The web page as it is published here, kept in the release bucket: where it is served, the next one takes its place."""
    source, kept = (clients.storage().bucket(name) for name in (clients.names.bucket("web"), clients.names.release_bucket))
    names = [name for name in (PAGE, *objects.below(source, ASSETS)) if source.blob(name).exists()]
    page = objects.described(source, names)
    total = hashlib.sha256("".join(f"{file.name} {file.digest}\n" for file in page).encode()).hexdigest()
    for file in page:
        objects.keep(kept, f"pages/{total}/{file.name}", source.blob(file.name).download_as_bytes())
    return objects.described(kept, [f"pages/{total}/{file.name}" for file in page])


def _refuse_edits(commit: Commit) -> None:
    if commit.dirty:
        raise ReleaseError(
            f"this checkout holds changes that commit {commit.id[:12]} does not, so that nobody could build this release again. "
            "Nothing was released. Commit them, or remove them: git status"
        )


def _model(clients: Clients, task: Task, templates: Mapping[str, str], digests: Mapping[str, str]) -> Model:
    """The champion of a task.

    Args:
        clients: of the environment.
        task: whose champion.
        templates: pipeline → digest, of which one must have made it.
        digests: image → `sha256:…`, of which one must serve it.
    """
    champion = versions.find(clients, task.name, versions.CHAMPION)
    where = clients.names.environment.name
    if champion is None:
        raise ReleaseError(
            f"{task.name} has no champion in {where}: a release is all or nothing. Nothing was released. Make one: make loop ENV={where}"
        )
    digest = versions.digest(champion)
    address = f"gs://{clients.names.bucket('models')}/{task.name}/{digest}"
    if champion.uri != address:
        raise ReleaseError(
            f"version {champion.version_id} of {task.name} lies at {champion.uri}, which is not named by what is in it ({address}): "
            "somebody could put something else there. Nothing was released. Register models by the pipelines."
        )
    image, _, served = str(champion.container_spec.image_uri).rpartition("/")[2].partition("@")
    if digests.get(image) != served:
        raise ReleaseError(
            f"version {champion.version_id} of {task.name} is served by {image}@{served or 'a tag'}, and this code by "
            f"{digests.get(image, 'no such image')}. Nothing was released. Train with this code: make loop ENV={where}"
        )
    run, pipeline = _born(clients, task, champion, digest, templates)
    learned = origin.read(clients, champion.uri)
    if learned is None:
        raise ReleaseError(
            f"{champion.uri} holds no {origin.NAME}, so that it is not known what version {champion.version_id} of {task.name} has learned "
            "from. Nothing was released. Register models by the pipelines."
        )
    storage = clients.storage()
    bucket, raw = storage.bucket(clients.names.bucket("models")), storage.bucket(clients.names.bucket("raw"))
    names = [name for name in objects.below(bucket, f"{task.name}/{digest}") if not name.endswith(f"/{origin.NAME}")]
    rows, *labelled = [objects.described(raw, [_inside(raw.name, uri)])[0] for uri in (learned.rows, *learned.labelled)]
    labelling = run.documents.get("label", {})
    return Model(
        task=task.name,
        digest=digest,
        version=str(champion.version_id),
        image=image,
        pipeline=pipeline,
        template=templates[pipeline],
        labeller=catalogue().id(labelling["model"]) if labelling.get("rows") else "",
        files=objects.described(bucket, names),
        dataset=Dataset(digest=run.documents["ingest"]["digest"], declared=learned.declared, rows=rows, labelled=labelled),
        gates=list(_gates(run, task, learned.declared)),
        metrics=list(_metrics(run)),
        evidence=list(_evidence(clients, champion, run)),
    )


def _inside(bucket: str, uri: str) -> str:
    if not uri.startswith(f"gs://{bucket}/"):
        raise ReleaseError(
            f"{uri} does not lie in {bucket}, so that nobody can say what is in it tomorrow. Nothing was released. Put the rows there, and "
            "train from them."
        )
    return uri.removeprefix(f"gs://{bucket}/")


def _born(clients: Clients, task: Task, champion: Any, digest: str, templates: Mapping[str, str]) -> tuple[runs.Run, str]:
    """The newest run that registered a version and let it serve, and which pipeline it was of."""
    aiplatform, others = clients.vertex(), 0
    for listed in aiplatform.PipelineJob.list(filter=f'labels.task="{task.name}"', order_by="create_time desc"):
        if runs.state(listed) != "SUCCEEDED":
            continue
        job = aiplatform.PipelineJob.get(listed.resource_name)
        carried = _carried(job)
        name = carried.get("pipelineInfo", {}).get("name")
        if name not in MAKERS:
            continue
        registered = runs.document(clients, job, "register")
        if (registered["version"], registered["digest"]) != (str(champion.version_id), digest):
            continue
        if specification.digest(carried) == templates.get(name):
            return runs.read(clients, job), name
        others += 1
    where = clients.names.environment.name
    found = f"{others} runs of another code did" if others else "no run did"
    raise ReleaseError(
        f"no run of this code has made version {champion.version_id} of {task.name} in {where} ({found}): the model and the code would not "
        f"be those that were tried together. Nothing was released. Train with this code: make loop ENV={where}"
    )


def _carried(job: Any) -> dict[str, Any]:
    """The specification that a run was started with."""
    from google.protobuf import json_format

    found: dict[str, Any] = json_format.MessageToDict(job.gca_resource._pb.pipeline_spec)
    return found


def _gates(run: runs.Run, task: Task, declared: bool) -> Iterator[Gate]:
    """Each gate, judged again from what was measured: what a label says is no evidence."""
    said, measured, rolled = (run.documents.get(step) for step in ("gate", "evaluate", "deploy"))
    if said and measured:
        again = gate.decide(measured, task.gates, declared)
        yield Gate(
            name="evaluation", passed=again.passed and said["passed"], reasons=list(again.reasons if said["passed"] else said["reasons"])
        )
    if compared := run.documents.get("compare"):
        judged = gate.non_inferior(compared, task.gates)
        yield Gate(name=rules.COMPARED, passed=judged.passed, reasons=list(judged.reasons))
    if rolled:
        yield Gate(name="rollout", passed=rolled["outcome"] == "serving", reasons=[rolled["text"]])


def _metrics(run: runs.Run) -> Iterator[Metric]:
    if measured := run.documents.get("evaluate"):
        rows = measured["rows"]
        above = measured["accuracy"] - measured["majority_accuracy"]
        yield Metric(name="accuracy", value=measured["accuracy"], interval=list(measured["interval"]), rows=rows)
        yield Metric(name="accuracy above the majority class", value=above, interval=list(measured["above_majority"]), rows=rows)
    for part, figures in run.documents.get("compare", {}).items():
        if figures["rows"]:
            name = f"accuracy above the champion before, {part} rows"
            yield Metric(name=name, value=figures["difference"], interval=list(figures["interval"]), rows=figures["rows"])


def _evidence(clients: Clients, champion: Any, run: runs.Run) -> Iterator[Evidence]:
    region, project = clients.names.environment.region, clients.names.project
    yield Evidence(what="version", link=f"{clients.names.model(run.task)}@{champion.version_id}")
    yield Evidence(what="run", link=f"{CONSOLE}/vertex-ai/locations/{region}/pipelines/runs/{run.job.rpartition('/')[2]}?project={project}")
    yield Evidence(what="evaluation", link=str(run.documents["register"]["evaluation"]))
