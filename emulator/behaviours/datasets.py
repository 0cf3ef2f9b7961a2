"""Managed datasets: made, imported into, looked at and exported. Tables stay where they are: a tabular dataset only points to them.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.datasets
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, at_start, completes, not_emulated, on, refuses
from emulator.engines.datasets import exports
from emulator.engines.datasets.formats import format_of
from emulator.engines.datasets.items import ITEMS, TOGETHER, Import, Importing, annotations_of, select
from emulator.engines.instances import table_of
from emulator.engines.objects import split

if TYPE_CHECKING:
    from emulator.cloud import Cloud

DATASETS = "projects.locations.datasets"
SCHEMA = re.compile(r"gs://google-cloud-aiplatform/schema/dataset/metadata/(\w+)_[\d.]+\.yaml")
SCHEMA_LABEL = "aiplatform.googleapis.com/dataset_metadata_schema"
TABLES = ("tabular", "time_series")
ITEM_SCHEMA = "gs://google-cloud-aiplatform/schema/dataset/dataitem/{}_1.0.0.yaml"
DONE_WITHIN_SECONDS = 20.0
LONGEST_PAGE, LONGEST_SEARCH, MOST_ANNOTATIONS = 1000, 100, 1000


@completes("aiplatform", "Dataset")
def complete(call: Call, cloud: Cloud, name: str, dataset: Json) -> None:
    """What its schema makes of a dataset."""
    kind = kind_of(dataset)
    metadata = dataset.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise Refusal(400, "", "The metadata of a dataset is an object. Nothing was changed.")
    if kind in TABLES and metadata:
        _check_table(metadata)
    if kind in ("image", "text"):
        dataset["metadata"] = {"dataItemSchemaUri": ITEM_SCHEMA.format(kind), **metadata}
        dataset.setdefault("dataItemCount", "0")
    dataset["labels"] = {**dataset.get("labels", {}), SCHEMA_LABEL: kind.upper()}


def kind_of(dataset: Json) -> str:
    """`image`, `text`, `tabular`, …: what the dataset holds, by its metadata's schema.

    Raises:
        Refusal: It is no schema of Vertex AI's.
    """
    uri = dataset["metadataSchemaUri"]
    match = SCHEMA.fullmatch(uri)
    if match is None:
        raise Refusal(400, "", f"metadataSchemaUri {uri!r} is no schema of a dataset. They look like {SCHEMA.pattern}.")
    return match[1]


def _check_table(metadata: Json) -> None:
    """`{"inputConfig": {"gcsSource": {"uri": […]}}}`, or `bigquerySource` with one address."""
    source = metadata.get("inputConfig")
    source = source if isinstance(source, dict) else {}
    files, table = source.get("gcsSource"), source.get("bigquerySource")
    uris = files.get("uri") if isinstance(files, dict) else None
    if isinstance(table, dict) and files is None and isinstance(table.get("uri"), str):
        table_of(table["uri"])
    elif table is None and isinstance(uris, list) and uris and all(isinstance(uri, str) for uri in uris):
        for uri in uris:
            split(uri)
    else:
        raise Refusal(
            400, "", "metadata.inputConfig names neither files (gcsSource.uri) nor a table (bigquerySource.uri). Nothing was made."
        )


@on("aiplatform", f"{DATASETS}.get")
async def get(call: Call, cloud: Cloud) -> Json:
    """A dataset, with its saved queries."""
    return _shown(cloud, cloud.resources.load(call))


@on("aiplatform", f"{DATASETS}.list")
async def list_(call: Call, cloud: Cloud) -> Json:
    """Datasets, each with its saved queries."""
    found = cloud.resources.list(call)
    return {**found, **({"datasets": [_shown(cloud, one) for one in found["datasets"]]} if "datasets" in found else {})}


def _shown(cloud: Cloud, dataset: Json) -> Json:
    queries = cloud.store.of("aiplatform").list(f"{dataset['name']}/savedQueries")
    return {**dataset, **({"savedQueries": queries} if queries else {})}


@on("aiplatform", f"{DATASETS}.delete")
async def delete(call: Call, cloud: Cloud) -> Json:
    """Deletes a dataset with all data items and annotations."""
    with cloud.store.transaction():
        answer = cloud.resources.delete(call)
        cloud.store.of(ITEMS).delete(call.name)
    return answer


@on("aiplatform", f"{DATASETS}.import")
async def import_(call: Call, cloud: Cloud) -> Json:
    """Imports data items and annotations from files."""
    kind = _of_items(cloud.resources.load(call))
    imports = [
        Import(
            format_of(one["importSchemaUri"], kind),
            tuple(one.get("gcsSource", {}).get("uris", [])),
            one.get("dataItemLabels", {}),
            one.get("annotationLabels", {}),
        )
        for one in call.body["importConfigs"]
    ]
    for uri in (uri for one in imports for uri in one.uris):
        split(uri)
    if not all(one.uris for one in imports) or not imports:
        raise Refusal(400, "", "An import names no files in gcsSource.uris. Nothing was imported.")
    importing = Importing(cloud, call.name)

    async def work() -> Json:
        try:
            read = await importing.run(imports)
        finally:
            if importing.failures:
                operation["metadata"]["genericMetadata"]["partialFailures"] = importing.failures
        if not read:
            first = importing.failures[0]["message"] if importing.failures else "the files are empty"
            raise Refusal(400, "INVALID_ARGUMENT", f"Nothing was imported. {first}")
        return {}

    operation = cloud.operations.start(call, work(), "ImportDataResponse", metadata_type="ImportDataOperationMetadata")
    return await cloud.operations.get(operation["name"], DONE_WITHIN_SECONDS)


@on("aiplatform", f"{DATASETS}.export")
async def export(call: Call, cloud: Cloud) -> Json:
    """Writes data items and annotations into files."""
    dataset, configuration = cloud.resources.load(call), call.body["exportConfig"]
    kind = _of_items(dataset)
    split(configuration.get("gcsDestination", {}).get("outputUriPrefix", ""))
    place = exports.directory(dataset, configuration)
    work = exports.export(cloud, dataset, kind, configuration, place)
    metadata = {"gcsOutputDirectory": f"{place}/"}
    operation = cloud.operations.start(call, work, "ExportDataResponse", metadata, "ExportDataOperationMetadata")
    return await cloud.operations.get(operation["name"], DONE_WITHIN_SECONDS)


def _of_items(dataset: Json) -> str:
    kind = kind_of(dataset)
    if kind in TABLES:
        raise Refusal(400, "", f"'{dataset['name']}' is a {kind} dataset: its table stays where it is. Read it, or write it, there.")
    if kind not in ("image", "text"):
        raise not_emulated(f"Import and export of {kind} datasets")
    return kind


@on("aiplatform", f"{DATASETS}.dataItems.list", f"{DATASETS}.dataItems.annotations.list")
async def list_items(call: Call, cloud: Cloud) -> Json:
    """A page of data items, or of the annotations on one."""
    owner = call.name.rpartition("/")[0]
    if cloud.store.of(ITEMS if "/dataItems/" in owner else "aiplatform").get(owner) is None:
        raise Refusal(404, "NOT_FOUND", f"Resource '{owner}' was not found.")
    if call.one("orderBy"):
        raise not_emulated(f"{call.service}.{call.method} with orderBy")
    column = call.name.rpartition("/")[2]
    return _page(call, cloud, call.name, column, LONGEST_PAGE, lambda rows: select(rows, call.one("filter")))


@on("aiplatform", f"{DATASETS}.searchDataItems")
async def search(call: Call, cloud: Cloud) -> Json:
    """A page of data items, each with its annotations."""
    cloud.resources.load(call)
    for parameter in ("orderBy", "orderByDataItem", "orderByAnnotation.orderBy", "dataLabelingJob", "annotationFilters"):
        if call.one(parameter):
            raise not_emulated(f"{call.service}.{call.method} with {parameter}")
    kept, text = cloud.store.of(ITEMS), call.one("annotationsFilter")
    limit = min(int(call.one("annotationsLimit") or MOST_ANNOTATIONS), MOST_ANNOTATIONS)
    wanted = call.one("savedQuery").rpartition("/")[2]
    within = cloud.resources.load(call, f"{call.name}/savedQueries/{wanted}")["annotationFilter"] if wanted else ""

    def views(rows: list[Json]) -> list[Json]:
        found = {row["name"]: annotations_of(kept, row["name"], within) for row in rows}

        def has(row: Json, specification: str) -> bool:
            return any(one["payload"]["annotationSpecId"] == specification for one in found[row["name"]])

        rows = [{**row, "labeled": bool(found[row["name"]])} for row in rows]
        rows = select(rows, call.one("dataItemFilter"), {"has_annotation": has})
        return [_view(row, select(found[row["name"]], text), limit) for row in rows]

    return _page(call, cloud, f"{call.name}/dataItems", "dataItemViews", LONGEST_SEARCH, views)


def _view(item: Json, annotations: list[Json], limit: int) -> Json:
    shown = {key: value for key, value in item.items() if key != "labeled"}
    cut = {"hasTruncatedAnnotations": True} if len(annotations) > limit else {}
    return {"name": item["name"], "dataItem": shown, "annotations": annotations[:limit], **cut}


def _page(call: Call, cloud: Cloud, place: str, column: str, longest: int, chosen: Callable[[list[Json]], list[Json]]) -> Json:
    """A page of the collection at `place`, of which no more is read than it takes."""
    size, token = min(int(call.one("pageSize") or longest) or longest, longest), call.one("pageToken")
    if not re.fullmatch(r"[0-9]{0,20}", token):
        raise Refusal(400, "INVALID_ARGUMENT", f"The page token {token[:80]!r} is none: send nextPageToken of the page before.")
    kept, after, rows = cloud.store.of(ITEMS), f"{place}/{token}", list[Json]()
    while len(rows) <= size and (chunk := kept.after(place, after, TOGETHER)):
        after = chunk[-1][0]
        rows += chosen([row for _, row in chunk])
    more = {"nextPageToken": rows[size - 1]["name"].rpartition("/")[2]} if len(rows) > size else {}
    shown = [{key: value for key, value in row.items() if key != "name" or column != "dataItemViews"} for row in rows[:size]]
    return {**({column: shown} if shown else {}), **more}


# A version that holds nothing must not look like one.
refuses("aiplatform", f"{DATASETS}.datasetVersions.create", f"{DATASETS}.datasetVersions.restore")


@at_start
async def sweep(cloud: Cloud) -> None:
    """Removes what a stop of the emulator left of exports; their operations have failed."""
    shutil.rmtree(cloud.state / "exports", ignore_errors=True)
