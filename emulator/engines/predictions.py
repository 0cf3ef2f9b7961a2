"""What a batch prediction job is given, and what it gives: instances as its server takes them, and the places and lines of its output.

https://cloud.google.com/vertex-ai/docs/predictions/get-batch-predictions
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.engines import instances
from emulator.engines.explanations import Specification, specification
from emulator.engines.instances import BIGQUERY, CSV, Row, Source
from emulator.engines.objects import split

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

ERROR_FIELDS = [{"name": "code", "type": "INTEGER"}, {"name": "message", "type": "STRING"}]


def check(cloud: Cloud, job: Json) -> Source:
    """The source of a job that can be run.

    Raises:
        Refusal: It cannot; the message says why.
    """
    configuration, form = job.get("instanceConfig", {}), job["inputConfig"].get("instancesFormat")
    fields = [key for key in ("includedFields", "excludedFields", "keyField") if configuration.get(key)]
    if configuration.get("instanceType", "") not in ("", "object", "array"):
        raise Refusal(400, "", "instanceConfig.instanceType is neither `object` nor `array`. No job was made.")
    if "includedFields" in fields and "excludedFields" in fields:
        raise Refusal(400, "", "includedFields and excludedFields exclude each other. No job was made. Set one of them.")
    if fields and form not in (instances.JSONL, CSV, BIGQUERY):
        raise Refusal(400, "", f"{fields[0]} does not apply to instances in the format {form}, which have no fields. No job was made.")
    if form == instances.JSONL and configuration.get("instanceType") == "array" and "excludedFields" in fields:
        raise Refusal(400, "", "Arrays of JSON objects' values need includedFields, which say their order. No job was made.")
    if int(job.get("manualBatchTuningParameters", {}).get("batchSize", 1)) < 0:
        raise Refusal(400, "", "manualBatchTuningParameters.batchSize is negative. No job was made. Leave it out, or set 1 or more.")
    _check_destination(cloud, job["outputConfig"])
    return instances.source_of(cloud, job["inputConfig"])


def _check_destination(cloud: Cloud, configuration: Json) -> None:
    form = configuration.get("predictionsFormat")
    if form not in ("jsonl", BIGQUERY):
        raise Refusal(400, "", f"Prediction format {form!r} is not supported. No job was made. Supported values are: jsonl, bigquery.")
    place = "gcsDestination" if form == "jsonl" else "bigqueryDestination"
    if place not in configuration:
        raise Refusal(400, "", f"Predictions in the format {form} go to outputConfig.{place}, which is not set. No job was made.")
    if form == "jsonl":
        cloud.objects.bucket(split(configuration[place].get("outputUriPrefix", ""))[0])
        return
    project, dataset, table = _destination(configuration)
    if dataset and cloud.store.of("bigquery").get(f"projects/{project}/datasets/{dataset}") is None:
        raise Refusal(404, "", f"Not found: Dataset {project}:{dataset}. No job was made. Make it first, or name the project alone.")
    if table and cloud.store.of("bigquery").get(f"projects/{project}/datasets/{dataset}/tables/{table}") is not None:
        raise Refusal(
            409, "", f"Already Exists: Table {project}:{dataset}.{table}. No job was made. Name a new table, or the dataset alone."
        )


def _destination(configuration: Json) -> tuple[str, str, str]:
    """Project, dataset and table that a BigQuery destination names."""
    uri = configuration["bigqueryDestination"].get("outputUri", "")
    given = uri.removeprefix("bq://").replace(":", ".").split(".")
    if not given[0] or len(given) > 3 or not all(re.fullmatch(r"[\w-]+", part) for part in given):
        raise Refusal(400, "", f"{uri!r} is no destination in BigQuery. They look like bq://PROJECT or bq://PROJECT.DATASET.")
    project, dataset, table = [*given, "", ""][:3]
    return project, dataset, table


def output_of(job: Json, shown: str) -> Json:
    """`outputInfo`: where a job writes, named by its time and by what its model is called."""
    stamp = re.sub(r"[-:.]", "_", job["createTime"][:23]) + "Z"
    configuration = job["outputConfig"]
    if "gcsDestination" in configuration:
        prefix, called = configuration["gcsDestination"]["outputUriPrefix"].rstrip("/"), re.sub(r"[^\w.-]", "_", shown)
        return {"gcsOutputDirectory": f"{prefix}/prediction-{called}-{stamp}"}
    project, dataset, table = _destination(configuration)
    if not dataset:
        called = re.sub(r"\W", "_", shown, flags=re.ASCII)
        return {"bigqueryOutputDataset": f"bq://{project}.prediction_{called}_{stamp}", "bigqueryOutputTable": "predictions"}
    return {"bigqueryOutputDataset": f"bq://{project}.{dataset}", "bigqueryOutputTable": table or f"predictions_{stamp}"}


def explanation_of(job: Json, model: Json) -> Specification | None:
    """How the predictions of a job are to be explained; none where they are not.

    Raises:
        Refusal: They cannot be.
    """
    if not job.get("generateExplanation"):
        return None
    return specification({**model.get("explanationSpec", {}), **job.get("explanationSpec", {})}, {})


def tables_of(cloud: Cloud, job: Json) -> list[tuple[str, list[Json]]]:
    """The tables of a job's results and of its errors, each with its columns."""
    project, dataset = job["outputInfo"]["bigqueryOutputDataset"].removeprefix("bq://").split(".")
    table = job["outputInfo"]["bigqueryOutputTable"]
    errors = re.sub(r"^predictions", "errors", table) if table.startswith("predictions") else f"{table}_errors"
    said = ["prediction", *(["explanation"] if job.get("generateExplanation") else [])]
    place, columns = f"projects/{project}/datasets/{dataset}/tables", _columns(cloud, job)
    return [
        (f"{place}/{table}", [*columns, *({"name": name, "type": "STRING"} for name in said)]),
        (f"{place}/{errors}", [*columns, {"name": "errors", "type": "RECORD", "fields": ERROR_FIELDS}]),
    ]


def _columns(cloud: Cloud, job: Json) -> list[Json]:
    """The columns of the instances in the tables of results and errors."""
    key = job.get("instanceConfig", {}).get("keyField")
    if job["inputConfig"]["instancesFormat"] != BIGQUERY:
        return [{"name": "key" if key else "instance", "type": "STRING"}]
    source = instances.table_of(job["inputConfig"]["bigquerySource"]["inputUri"])
    fields = cloud.bigquery.tables.table(source).get("schema", {}).get("fields", [])
    held = [{**field, "mode": "REPEATED" if field.get("mode") == "REPEATED" else "NULLABLE"} for field in fields]
    return [{**field, "name": "key"} for field in held if field["name"] == key] if key else held


def sent(job: Json, row: Row) -> Any:
    """The instance that the model's server is given for a row.

    Raises:
        ValueError: The row has not the fields that it should have.
    """
    if row.content is not None:
        return {"b64": base64.b64encode(row.content).decode()}
    form, configuration = job["inputConfig"]["instancesFormat"], job.get("instanceConfig", {})
    included, left_out = configuration.get("includedFields", []), {*configuration.get("excludedFields", [])}
    left_out |= {configuration["keyField"]} if configuration.get("keyField") else set()
    kind = "array" if form == CSV else configuration.get("instanceType") or ("array" if form == BIGQUERY else "")
    if not isinstance(row.value, dict):
        if included or left_out or kind == "object":
            raise ValueError("The instance is no object: it has no fields.")
        return row.value
    if missing := [name for name in included if name not in row.value]:
        raise ValueError(f"The instance has no field {missing[0]!r}.")
    if kind == "array" and form == instances.JSONL and not included:
        raise ValueError("The instance is an object, whose fields have no order: set includedFields.")
    names = [name for name in included or row.value if name not in left_out]
    return [row.value[name] for name in names] if kind == "array" else {name: row.value[name] for name in names}


def answered(content: bytes, count: int) -> list[Any] | None:
    """The predictions in a server's answer; none where it does not hold so many."""
    try:
        found = json.loads(content)["predictions"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, list) and len(found) == count else None


def message_of(error_line: str) -> str:
    """What a line of errors says."""
    said = json.loads(error_line)
    return str((said.get("errors") or said["error"])["message"])


def line(job: Json, row: Row, instance: Any, said: Json) -> str:
    """A line of output: the instance or its key, and what is said of it.

    Args:
        job: The job.
        row: The instance as it was read.
        instance: As it was sent.
        said: `prediction` and perhaps `explanation`, or `error` with code and message.
    """
    form, configuration = job["inputConfig"]["instancesFormat"], job.get("instanceConfig", {})
    given = row.value if isinstance(row.value, dict) else {}
    in_table = job["outputConfig"]["predictionsFormat"] == BIGQUERY
    if key := configuration.get("keyField"):
        shown: Json = {"key": given.get(key)}
    elif in_table and form == BIGQUERY:
        shown = given
    else:
        # A file's content would drown the results; what was left out for the model is attached again.
        as_given = form == instances.FILES or (given and (configuration.get("includedFields") or configuration.get("excludedFields")))
        shown = {"instance": row.value if as_given else instance}
    if not in_table:
        # In ASCII, since a text may hold half a character.
        return json.dumps({**shown, **said})
    shown = shown if form == BIGQUERY else {name: _text(value) for name, value in shown.items()}
    told = {"errors": said["error"]} if "error" in said else {name: _text(value) for name, value in said.items()}
    return json.dumps({**shown, **told})


def _text(value: Any) -> str | None:
    """A value in a column of texts."""
    if isinstance(value, str):
        # DuckDB takes no half characters.
        return value.encode(errors="replace").decode()
    return None if value is None else json.dumps(value)
