"""Model Registry: a model is its default version; versions and aliases are kept beside it.

https://cloud.google.com/vertex-ai/docs/model-registry/versioning
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, Response, on
from emulator.clock import etag, now, number
from emulator.engines import registry
from emulator.engines.instances import FORMATS
from emulator.resources import apply_mask

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.store import Collection

MODELS = "projects.locations.models"
VERSIONS = "model-versions"
ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
TUNED = "GENIE"
"""The `modelSourceInfo.sourceType` by which clients know a tuned Gemini."""
SERVER_FIELDS = {"name", "versionId", "versionAliases", "versionCreateTime", "createTime", "deployedModels"}


@on("aiplatform", f"{MODELS}.upload")
async def upload(call: Call, cloud: Cloud) -> Json:
    """Makes a model, or with `parentModel` the next version of one."""
    parent, wanted = cloud.projects.by_id(call.body.get("parentModel", "")), call.body.get("modelId", "")
    name, version = register(cloud, call.location, call.body["model"], parent, wanted)
    response = {"model": name, "modelVersionId": version}
    return cloud.operations.done(call, response, "UploadModelResponse", metadata_type="UploadModelOperationMetadata")


def register(cloud: Cloud, location: str, given: Json, parent: str = "", wanted: str = "") -> tuple[str, str]:
    """Makes a model, or the next version of the model `parent`.

    Args:
        cloud: The local Google Cloud.
        location: `projects/P/locations/L`.
        given: The Model.
        parent: Name of a model; empty for a new one.
        wanted: Id of a new model; empty for any.

    Returns:
        The model's name and the version.

    Raises:
        Refusal: The parent is missing, the id taken, or there are no artifacts.
    """
    name = parent.partition("@")[0] or f"{location}/models/{wanted or number()}"
    kept = cloud.store.of("aiplatform").get(name)
    if parent and kept is None:
        raise Refusal(404, "NOT_FOUND", f"Resource '{name}' was not found.")
    if kept is not None and not parent:
        raise Refusal(409, "", f"Model '{name}' already exists. Nothing was uploaded. Name it as parentModel to add a version.")
    known = versions(cloud, name)
    aliases = list(given.get("versionAliases", []))
    for alias in aliases:
        _check_alias(alias)
    if not known and "default" not in aliases:
        aliases.append("default")
    stamp, version = now(), str(max((int(one["versionId"]) for one in known), default=0) + 1)
    model = {
        **given,
        "name": name,
        "versionId": version,
        "versionAliases": [],
        "createTime": known[0]["createTime"] if known else stamp,
        "updateTime": stamp,
        "versionCreateTime": stamp,
        "versionUpdateTime": stamp,
        "supportedDeploymentResourcesTypes": ["DEDICATED_RESOURCES"],
        "supportedInputStorageFormats": list(FORMATS),
        "supportedOutputStorageFormats": ["jsonl", "bigquery"],
        "etag": etag(),
    }
    registry.keep(cloud.objects, cloud.store, model)
    with cloud.store.transaction():
        _keep(cloud, model)
        _alias(cloud, name, version, aliases)
    return name, version


@on("aiplatform", f"{MODELS}.get")
async def get(call: Call, cloud: Cloud) -> Json:
    """A version by number or alias, or the default version."""
    return find(cloud, call.name)


@on("aiplatform", f"{MODELS}.listVersions")
async def list_versions(call: Call, cloud: Cloud) -> Json:
    """All versions of a model."""
    name = call.name.partition("@")[0]
    cloud.resources.load(call, name)
    return cloud.resources.list(call, rows=versions(cloud, name))


@on("aiplatform", f"{MODELS}.mergeVersionAliases")
async def merge_aliases(call: Call, cloud: Cloud) -> Json:
    """Moves aliases to a version; `-alias` removes one."""
    model = find(cloud, call.name)
    wanted = call.body["versionAliases"]
    for alias in wanted:
        _check_alias(alias.lstrip("-"))
    if "-default" in wanted:
        raise Refusal(400, "", "The alias 'default' cannot be removed. No alias was changed. Give it to another version.")
    with cloud.store.transaction():
        _alias(cloud, model["name"], model["versionId"], wanted)
    return find(cloud, f"{model['name']}@{model['versionId']}")


@on("aiplatform", f"{MODELS}.patch")
async def patch(call: Call, cloud: Cloud) -> Json:
    """Changes a version's description or labels."""
    model = find(cloud, call.name)
    properties = call.description.document.schemas[call.description.resource]["properties"] if call.description else {}
    changed = dict(model)
    for path in (call.one("updateMask") or ",".join(call.body)).split(","):
        if path.strip() and path.strip() not in SERVER_FIELDS:
            apply_mask(changed, call.body, _camel(path.strip()), properties)
    changed |= {"updateTime": now(), "versionUpdateTime": now(), "etag": etag()}
    _keep(cloud, changed)
    return changed


@on("aiplatform", f"{MODELS}.delete")
async def delete(call: Call, cloud: Cloud) -> Json:
    """Deletes a model with all its versions, unless one is deployed."""
    cloud.resources.load(call)
    _refuse_deployed(cloud, call.name, "")
    kept = versions(cloud, call.name)
    with cloud.store.transaction():
        cloud.store.of("aiplatform").delete(call.name)
        _kept(cloud).delete(call.name)
    for version in kept:
        registry.forget(cloud.objects, cloud.store, version)
    return cloud.operations.done(call, {}, "", metadata_type="DeleteOperationMetadata")


@on("aiplatform", f"{MODELS}.deleteVersion")
async def delete_version(call: Call, cloud: Cloud) -> Json:
    """Deletes a version that is neither the default nor deployed."""
    model = find(cloud, call.name)
    if "default" in model["versionAliases"]:
        message = (
            f"Version {model['versionId']} of '{model['name']}' has the alias 'default'. It was not deleted. "
            "Delete the model, or move the alias."
        )
        raise Refusal(400, "FAILED_PRECONDITION", message)
    _refuse_deployed(cloud, model["name"], model["versionId"])
    _kept(cloud).delete(f"{model['name']}/versions/{model['versionId']}")
    registry.forget(cloud.objects, cloud.store, model)
    return cloud.operations.done(call, {}, "", metadata_type="DeleteOperationMetadata")


@on("aiplatform", f"{MODELS}.evaluations.import")
async def import_evaluation(call: Call, cloud: Cloud) -> Json:
    """Records metrics of a version; answered with the resource, without an operation."""
    model = find(cloud, call.name.partition("/evaluations")[0])
    name = f"{model['name']}/evaluations/{number()}"
    evaluation = {**call.body["modelEvaluation"], "name": name, "createTime": now()}
    with cloud.store.transaction():
        _kept(cloud).put(
            f"{model['name']}/versions/{model['versionId']}/evaluations/{name.rpartition('/')[2]}", "Evaluation", {"name": name}
        )
        cloud.store.of("aiplatform").put(name, "ModelEvaluation", evaluation)
    return evaluation


@on("aiplatform", f"{MODELS}.evaluations.get")
async def get_evaluation(call: Call, cloud: Cloud) -> Json:
    """An evaluation, whichever version it is asked for by."""
    model, _, evaluation = call.name.partition("/evaluations/")
    return cloud.resources.load(call, f"{model.partition('@')[0]}/evaluations/{evaluation}")


@on("aiplatform", f"{MODELS}.evaluations.list")
async def list_evaluations(call: Call, cloud: Cloud) -> Json | Response:
    """The evaluations of a version."""
    model = find(cloud, call.name.partition("/evaluations")[0])
    marks = _kept(cloud).list(f"{model['name']}/versions/{model['versionId']}/evaluations")
    rows = [cloud.resources.load(call, mark["name"]) for mark in marks]
    return cloud.resources.list(call, rows=sorted(rows, key=lambda row: row["createTime"], reverse=True))


def find(cloud: Cloud, name: str) -> Json:
    """The version that `model`, `model@version` or `model@alias` names.

    Raises:
        Refusal: when there is none.
    """
    model, _, wanted = name.partition("@")
    wanted = wanted or "default"
    for version in versions(cloud, model):
        if wanted == version["versionId"] or wanted in version["versionAliases"]:
            return version
    raise Refusal(404, "", f"Model '{name}' was not found.")


def is_generative(model: Json) -> bool:
    """Whether a model is a tuned Gemini, which needs no server and predicts nothing but content."""
    return bool(model.get("modelSourceInfo", {}).get("sourceType") == TUNED)


def versions(cloud: Cloud, model: str) -> list[Json]:
    """The versions of a model, oldest first."""
    return sorted(_kept(cloud).list(f"{model}/versions"), key=lambda version: int(version["versionId"]))


def mark_deployed(cloud: Cloud, model: Json, endpoint: str, deployed_id: str, deployed: bool) -> None:
    """Note on a version that it is, or is no longer, deployed on an endpoint."""
    others = [one for one in model.get("deployedModels", []) if one["deployedModelId"] != deployed_id]
    mark = [{"endpoint": endpoint, "deployedModelId": deployed_id}] if deployed else []
    _keep(cloud, {**model, "deployedModels": [*others, *mark]})


def _kept(cloud: Cloud) -> Collection:
    return cloud.store.of(VERSIONS)


def _keep(cloud: Cloud, version: Json) -> None:
    """Store a version, and the model when it is its default version."""
    _kept(cloud).put(f"{version['name']}/versions/{version['versionId']}", "Model", version)
    if "default" in version["versionAliases"]:
        cloud.store.of("aiplatform").put(version["name"], "Model", version)


def _alias(cloud: Cloud, model: str, version: str, wanted: list[str]) -> None:
    """Give aliases to a version; an alias names one version of a model."""
    added = [alias for alias in wanted if not alias.startswith("-")]
    removed = {alias[1:] for alias in wanted if alias.startswith("-")}
    for one in versions(cloud, model):
        if one["versionId"] == version:
            aliases = [alias for alias in dict.fromkeys([*one["versionAliases"], *added]) if alias not in removed]
        else:
            aliases = [alias for alias in one["versionAliases"] if alias not in added]
        if aliases != one["versionAliases"]:
            _keep(cloud, {**one, "versionAliases": aliases})


def _check_alias(alias: str) -> None:
    if not ALIAS.fullmatch(alias):
        message = f"Alias {alias!r} is not valid: a letter first, then letters, digits and dashes, no number alone. Nothing was changed."
        raise Refusal(400, "", message)


def _refuse_deployed(cloud: Cloud, model: str, version: str) -> None:
    for one in versions(cloud, model):
        if one.get("deployedModels") and version in ("", one["versionId"]):
            where = ", ".join(mark["endpoint"] for mark in one["deployedModels"])
            message = f"Version {one['versionId']} of '{model}' is deployed on {where}. It was not deleted. Undeploy it first."
            raise Refusal(400, "FAILED_PRECONDITION", message)


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match.group(1).upper(), name)
