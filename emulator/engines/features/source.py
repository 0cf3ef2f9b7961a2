"""From a feature view to the BigQuery tables behind it, and the statement that reads the newest values of each entity.

https://cloud.google.com/vertex-ai/docs/featurestore/latest/prepare-data-source
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from emulator.behaviours import Refusal
from emulator.engines.bigquery.types import kind, quoted, repeated, text
from emulator.store import Collection

Json = dict[str, Any]
Fields = Sequence[Json]

ENTITY = "entity_id"
TIMESTAMP = "feature_timestamp"
VALUES = {
    "STRING": "stringValue",
    "BYTES": "bytesValue",
    "INTEGER": "int64Value",
    "FLOAT": "doubleValue",
    "BOOLEAN": "boolValue",
    "TIMESTAMP": "int64Value",
    "RECORD": "structValue",
}
"""BigQuery's types that have a form among `FeatureValue`; a TIMESTAMP is served in microseconds."""
ARRAYS = {"STRING": "stringArrayValue", "INTEGER": "int64ArrayValue", "FLOAT": "doubleArrayValue", "BOOLEAN": "boolArrayValue"}


@dataclass(frozen=True)
class Source:
    """One table or view of BigQuery that a feature view reads."""

    table: str
    """`projects/P/datasets/D/tables/T`."""
    entity: tuple[str, ...]
    """Columns that make up the id of an entity."""
    features: tuple[tuple[str, str], ...] = ()
    """Pairs of a feature and its column; none means every other column, under its own name."""
    timestamp: str = ""
    """Column by which one row is newer than another; empty where each entity has one row alone."""
    dense: bool = False
    """Whether all values come from the newest row; otherwise each is the newest that is not null."""


def sources(name: str, view: Json, kept: Collection, project: str) -> list[Source]:
    """What a view reads.

    Args:
        name: Of the view.
        view: The resource.
        kept: Vertex AI's resources, which hold the feature groups.
        project: Of the feature groups.

    Raises:
        Refusal: A feature group or a feature does not exist, or the view names no source that is emulated.
    """
    if direct := view.get("bigQuerySource"):
        return [Source(address(direct.get("uri", "")), tuple(direct.get("entityIdColumns", [])))]
    location = f"projects/{project}/" + "/".join(name.split("/")[2:4])
    found = [
        _registered(f"{location}/featureGroups/{one['featureGroupId']}", one.get("featureIds", []), kept)
        for one in view.get("featureRegistrySource", {}).get("featureGroups", [])
    ]
    if not found:
        raise Refusal(400, "INVALID_ARGUMENT", f"{name} has no source: set feature_registry_source or big_query_source.")
    if len({len(source.entity) for source in found}) > 1:
        raise Refusal(400, "INVALID_ARGUMENT", f"The feature groups of {name} name entities by different numbers of columns.")
    names = [feature for source in found for feature, _ in source.features]
    if twice := sorted({feature for feature in names if names.count(feature) > 1}):
        raise Refusal(400, "INVALID_ARGUMENT", f"{name} would serve two features of the name {twice[0]!r}.")
    return found


def _registered(group: str, ids: Sequence[str], kept: Collection) -> Source:
    described = kept.get(group)
    if described is None:
        raise Refusal(404, "NOT_FOUND", f"The FeatureGroup '{group}' does not exist: create it, with its features, before its view.")
    features = []
    for one in ids:
        feature = kept.get(f"{group}/features/{one}")
        if feature is None:
            raise Refusal(404, "NOT_FOUND", f"The Feature '{group}/features/{one}' does not exist: register it, or leave it out.")
        features.append((one, feature.get("versionColumnName") or one))
    origin = described.get("bigQuery", {})
    timestamp = "" if origin.get("staticDataSource") else origin.get("timeSeries", {}).get("timestampColumn") or TIMESTAMP
    entity = tuple(origin.get("entityIdColumns") or [ENTITY])
    table = address(origin.get("bigQuerySource", {}).get("inputUri", ""))
    return Source(table, entity, tuple(features), timestamp, bool(origin.get("dense")))


def address(uri: str) -> str:
    """`bq://project.dataset.table` → `projects/P/datasets/D/tables/T`.

    Raises:
        Refusal: It is no such address.
    """
    match = re.fullmatch(r"bq://([^./\s]+)\.([^./\s]+)\.([^./\s]+)", uri)
    if match is None:
        raise Refusal(400, "INVALID_ARGUMENT", f"{uri!r} is not the address of a table: bq://project.dataset.table.")
    return "projects/{}/datasets/{}/tables/{}".format(*match.groups())


def statement(source: Source, fields: Fields) -> str:
    """DuckDB's SQL over `rows`: the columns of an entity's id as text, then its features as JSON, one row an entity.

    Raises:
        Refusal: The table lacks a column, or one is of a type that is not served.
    """
    columns = {field["name"].lower(): field for field in fields}

    def column(name: str) -> Json:
        if name.lower() not in columns:
            short = ".".join(source.table.split("/")[1::2])
            raise _unfit(f"The table {short} has no column {name!r}, which the feature view reads.")
        return columns[name.lower()]

    keys = [column(name) for name in source.entity]
    for field in keys:
        if repeated(field) or kind(field) not in ("STRING", "INTEGER"):
            raise _unfit(f"Column {field['name']!r} identifies entities and must be STRING or INT64.")
    own = {name.lower() for name in source.entity}
    served = [(feature, column(name)) for feature, name in source.features]
    served = served or [(field["name"], field) for field in fields if field["name"].lower() not in own]
    values = [_whole(field) for _, field in served]
    conditions = [f"{quoted(field['name'])} IS NOT NULL" for field in keys]
    if source.timestamp:
        moment = column(source.timestamp)
        if repeated(moment) or kind(moment) != "TIMESTAMP":
            raise _unfit(f"Column {source.timestamp!r} says which row is newest and must be TIMESTAMP.")
        newest = quoted(moment["name"])
        conditions.append(f"{newest} IS NOT NULL")
        if source.dense:
            packed = ", ".join(f"f{at} := {value}" for at, value in enumerate(values))
            picked = f"arg_max(struct_pack({packed}), {newest}) AS newest"
        else:
            picked = ", ".join(f"arg_max({value}, {newest}) AS f{at}" for at, value in enumerate(values))
        grouping = " GROUP BY ALL"
    else:
        picked = ", ".join(f"{value} AS f{at}" for at, value in enumerate(values))
        grouping = ""
    ids = ", ".join(f"CAST({quoted(field['name'])} AS VARCHAR) AS k{at}" for at, field in enumerate(keys))
    where = "newest.f" if source.dense and source.timestamp else "f"
    pairs = ", ".join(
        f"json_object('name', {text(feature)}, 'value', {_value(field, f'{where}{at}')})" for at, (feature, field) in enumerate(served)
    )
    chosen = f"SELECT {ids}, {picked} FROM rows WHERE {' AND '.join(conditions)}{grouping}"
    named = ", ".join(f"k{at}" for at in range(len(keys)))
    return f"SELECT {named}, CAST(json_array({pairs}) AS VARCHAR) FROM ({chosen}) AS chosen"


def _unfit(message: str) -> Refusal:
    return Refusal(400, "INVALID_ARGUMENT", f"{message} Nothing was synchronised.")


def _whole(field: Json) -> str:
    """A column's value; an empty array is one, for BigQuery keeps no array that is null."""
    name = quoted(field["name"])
    return f"coalesce({name}, [])" if repeated(field) else name


def _value(field: Json, value: str, depth: int = 0) -> str:
    """SQL of a `FeatureValue` as JSON, null where there is none."""
    name = kind(field)
    if repeated(field):
        if name not in ARRAYS:
            raise _unfit(f"Column {field['name']!r} is an array of {name}, which online stores do not serve.")
        one = f"e{depth}"
        values = f"list_transform(coalesce({value}, []), lambda {one}: {_scalar(name, one)})"
        return f"json_object('{ARRAYS[name]}', json_object('values', {values}))"
    if name not in VALUES:
        raise _unfit(f"Column {field['name']!r} is of type {name}, which the local online stores do not serve.")
    if name == "RECORD":
        children = [(child, f"{value}.{quoted(child['name'])}") for child in field.get("fields", [])]
        inner = ", ".join(
            f"json_object('name', {text(child['name'])}, 'value', {_value(child, own, depth + 1)})" for child, own in children
        )
        content = f"json_object('values', json_array({inner}))"
    else:
        content = _scalar(name, value)
    return f"CASE WHEN {value} IS NULL THEN NULL ELSE json_object('{VALUES[name]}', {content}) END"


def _scalar(name: str, value: str) -> str:
    """SQL of one value in protobuf's JSON: whole numbers are text there, and so are infinity and NaN."""
    if name == "INTEGER":
        return f"CAST({value} AS VARCHAR)"
    if name == "TIMESTAMP":
        return f"CAST(epoch_us({value}) AS VARCHAR)"
    if name == "BYTES":
        return f"base64({value})"
    if name == "FLOAT":
        endless = f"CASE WHEN isnan({value}) THEN 'NaN' WHEN {value} > 0 THEN 'Infinity' ELSE '-Infinity' END"
        return f"CASE WHEN isfinite({value}) THEN to_json({value}) ELSE to_json({endless}) END"
    return value
