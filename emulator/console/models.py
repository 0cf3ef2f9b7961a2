"""The model registry: models, and one with its versions, aliases, evaluations and origin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.behaviours.models import versions
from emulator.console.markup import Child, Markup, element, join, link, moment, section, table
from emulator.console.parts import PAGE, NothingThere, Query, last, linked, number, pages, pretty, properties, tags

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

ARTIFACTS = 500
"""Among so many of the newest artifacts, those are looked for that lie where a version's files lie."""
VERSIONS_SHOWN = 100


async def view(cloud: Cloud, query: Query) -> Markup:
    """All models, newest first, or with `name` one of them."""
    if name := query.get("name"):
        return _model(cloud, name.partition("@")[0])
    at = number(query)
    found = cloud.store.of("aiplatform").newest("Model", at * PAGE, PAGE + 1)
    rows: list[list[Child]] = [
        [
            link(one.get("displayName") or last(name), "/models", name=name),
            one.get("versionId", "1"),
            tags(one.get("versionAliases", [])),
            len(one.get("deployedModels", [])) or None,
            moment(one.get("versionCreateTime") or one.get("createTime", "")),
            linked(one.get("artifactUri")),
        ]
        for name, one in found[:PAGE]
    ]
    empty = "No model has been uploaded. Model.upload(), a pipeline or a training pipeline with a modelToUpload makes one."
    heads = ["Model", "Default version", "Aliases", "Deployments", "Created", "Artifacts"]
    return join([table(heads, rows, empty), pages("/models", query, len(found) > PAGE, len(rows))])


def _model(cloud: Cloud, name: str) -> Markup:
    kept = cloud.store.of("aiplatform")
    model = kept.get(name)
    found = versions(cloud, name)[::-1]
    if model is None and not found:
        raise NothingThere(f"There is no model {name}.")
    model = model or found[0]
    evaluations = kept.between(f"{name}/evaluations/", f"{name}/evaluations0", PAGE)
    return join(
        [
            properties(
                {
                    "Model": model.get("displayName"),
                    "Description": model.get("description"),
                    "Labels": tags([f"{key}: {value}" for key, value in model.get("labels", {}).items()]),
                    "Container": model.get("containerSpec", {}).get("imageUri"),
                    "Base model": linked(model.get("baseModelSource")) if model.get("baseModelSource") else None,
                    "Resource": link(name, "/resources", service="aiplatform", name=name),
                }
            ),
            section("Versions", _versions(cloud, name, found[:VERSIONS_SHOWN])),
            section("Evaluations", *_evaluations(cloud, name, evaluations)),
            section("Origin", _origin(cloud, found[:VERSIONS_SHOWN])),
        ]
    )


def _versions(cloud: Cloud, name: str, found: list[Json]) -> Markup:
    rows: list[list[Child]] = [
        [
            link(one["versionId"], "/resources", service="model-versions", name=f"{name}/versions/{one['versionId']}"),
            tags(one.get("versionAliases", [])),
            tags([f"{key}: {value}" for key, value in one.get("labels", {}).items()]),
            join(
                element("div", link(last(mark["endpoint"]), "/endpoints", name=mark["endpoint"])) for mark in one.get("deployedModels", [])
            ),
            moment(one.get("versionCreateTime", "")),
            linked(one.get("artifactUri")),
        ]
        for one in found
    ]
    return table(["Version", "Aliases", "Labels", "Deployed at", "Created", "Artifacts"], rows, "The model has no version.")


def _evaluations(cloud: Cloud, name: str, found: list[tuple[str, Json]]) -> list[Markup]:
    """Each with the metrics that are one number, and all of them folded."""
    if not found:
        return [
            element("p", "No evaluation has been imported. Evaluations.import, or a pipeline's evaluation step, adds one.", class_="empty")
        ]
    marks = cloud.store.of("model-versions").under(f"{name}/versions", "Evaluation")
    of_version = {last(mark): mark.rpartition("/versions/")[2].partition("/")[0] for mark, _ in marks}
    shown = []
    for evaluation, one in sorted(found, key=lambda item: str(item[1].get("createTime", "")), reverse=True):
        metrics = one.get("metrics", {})
        numbers = {key: f"{value:.4g}" for key, value in _numbers(metrics)}
        facts = properties(
            {
                "Evaluation": one.get("displayName") or last(evaluation),
                "Version": of_version.get(last(evaluation)),
                "Created": moment(one.get("createTime", "")),
                **numbers,
            }
        )
        whole = element("details", element("summary", "All metrics"), _confusion(metrics), element("pre", pretty(metrics), class_="json"))
        shown.append(element("div", facts, whole, class_="artifact"))
    return shown


def _numbers(metrics: Any) -> list[tuple[str, float]]:
    """The metrics that are one number; of those by confidence, those at the lowest threshold."""
    if not isinstance(metrics, dict):
        return []
    by_confidence = metrics.get("confidenceMetrics")
    first = by_confidence[0] if isinstance(by_confidence, list) and by_confidence and isinstance(by_confidence[0], dict) else {}
    merged = {**first, **metrics}
    return [(key, value) for key, value in merged.items() if isinstance(value, (int, float)) and not isinstance(value, bool)]


def _confusion(metrics: Any) -> Markup | None:
    """The confusion matrix: a row for each true class."""
    matrix = metrics.get("confusionMatrix", {}) if isinstance(metrics, dict) else {}
    names = [str(one.get("displayName", one.get("id", ""))) for one in matrix.get("annotationSpecs", [])]
    rows = matrix.get("rows", [])
    if not names or len(rows) != len(names):
        return None
    return table(
        ["True class", *(f"predicted {name}" for name in names)],
        [[name, *(f"{count:,.0f}" for count in row)] for name, row in zip(names, rows, strict=True)],
        "",
    )


def _origin(cloud: Cloud, found: list[Json]) -> Markup:
    """The artifacts that lie where the versions' files lie: each leads to the run that made it."""
    uris = {one["artifactUri"]: one["versionId"] for one in found if one.get("artifactUri")}
    newest = cloud.store.of("aiplatform").newest("Artifact", 0, ARTIFACTS) if uris else []
    rows: list[list[Child]] = [
        [
            link(one.get("displayName") or last(name), "/lineage", name=name),
            uris[one["uri"]],
            one.get("schemaTitle", ""),
            moment(one.get("createTime", "")),
        ]
        for name, one in newest
        if one.get("uri") in uris
    ]
    return table(
        ["Artifact", "Version", "Type", "Created"],
        rows,
        "No artifact of ML Metadata lies where the versions' files lie, so it is not known what made them.",
    )
