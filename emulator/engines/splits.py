"""The data of a managed dataset as a training pipeline hands them to its job: rows in three sets, written as objects.

https://cloud.google.com/vertex-ai/docs/training/using-managed-datasets
"""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal, not_emulated
from emulator.engines.objects import split

if TYPE_CHECKING:
    from emulator.engines.objects import Objects

Json = dict[str, Any]
Row = list[str]

SETS = ("training", "validation", "test")
DEFAULT = {"training": 0.8, "validation": 0.1, "test": 0.1}
CONFIG = {"datasetId", "gcsDestination", "fractionSplit", "predefinedSplit"}
"""Fields of an InputDataConfig that are known here."""


def check(dataset: Json, config: Json) -> None:
    """Refuses data that cannot be exported.

    Args:
        dataset: The Dataset; one of tables, in CSV files.
        config: The InputDataConfig.

    Raises:
        Refusal: Says what is not emulated.
    """
    if unknown := sorted(set(config) - CONFIG):
        raise not_emulated(f"inputDataConfig.{unknown[0]}")
    if "/tabular_" not in dataset.get("metadataSchemaUri", "") or not _sources(dataset):
        raise not_emulated("An inputDataConfig with a dataset that is no table in CSV files")
    split(config.get("gcsDestination", {}).get("outputUriPrefix", ""))
    _fractions(config)


async def export(objects: Objects, dataset: Json, config: Json) -> dict[str, str]:
    """Writes the sets as CSV files, each with its header; returns the variables that tell a job where.

    Raises:
        Refusal: A file is missing or no CSV; or what `check` refuses.
    """
    check(dataset, config)
    header: Row = []
    rows: list[Row] = []
    for uri in _sources(dataset):
        found = await asyncio.to_thread(_read, uri, objects.read(*split(uri)))
        if header and found[:1] != [header]:
            problem = f"The files of {dataset['name']} have different columns: {header} and, in {uri}, {found[:1]}."
            raise Refusal(400, "FAILED_PRECONDITION", f"{problem} Nothing was trained. Give each the same header.")
        header = found[0] if found else header
        rows += found[1:]
    if "predefinedSplit" in config:
        sets = _predefined(header, rows, config["predefinedSplit"]["key"])
    else:
        # The same rows for each training with the dataset.
        Random(dataset["name"]).shuffle(rows)
        sets = _divided(rows, _fractions(config))
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    prefix = config["gcsDestination"]["outputUriPrefix"].rstrip("/")
    folder = f"{prefix}/dataset-{dataset['name'].rpartition('/')[2]}-tabular-{moment}"
    variables = {"AIP_DATA_FORMAT": "csv"}
    for name in SETS:
        bucket, path = split(f"{folder}/{name}-00000-of-00001.csv")
        objects.put(bucket, path, await asyncio.to_thread(_written, [header, *sets[name]]), {"contentType": "text/csv"})
        variables[f"AIP_{name.upper()}_DATA_URI"] = f"{folder}/{name}-*.csv"
    return variables


def _sources(dataset: Json) -> list[str]:
    """Addresses of the dataset's CSV files."""
    metadata = dataset.get("metadata")
    config = (metadata.get("inputConfig") or {}) if isinstance(metadata, dict) else {}
    uris = (config.get("gcsSource") or {}).get("uri", []) if isinstance(config, dict) else []
    return [uris] if isinstance(uris, str) else [str(uri) for uri in uris]


def _fractions(config: Json) -> dict[str, float]:
    """The share of each set; what is left over is for training."""
    given = {name: float(config.get("fractionSplit", {}).get(f"{name}Fraction", 0)) for name in SETS}
    total = sum(given.values())
    if min(given.values()) < 0 or not total <= 1 + 1e-9:
        raise Refusal(400, "INVALID_ARGUMENT", f"The fractions of fractionSplit sum to {total:g}. Nothing was trained. Let them sum to 1.")
    return {**given, "training": 1 - given["validation"] - given["test"]} if total else DEFAULT


def _divided(rows: list[Row], fractions: dict[str, float]) -> dict[str, list[Row]]:
    validation = round(len(rows) * fractions["validation"])
    test = round(len(rows) * fractions["test"])
    return {"validation": rows[:validation], "test": rows[validation : validation + test], "training": rows[validation + test :]}


def _predefined(header: Row, rows: list[Row], key: str) -> dict[str, list[Row]]:
    """Rows by the set that their column `key` names; others are left out."""
    if key not in header:
        raise Refusal(400, "FAILED_PRECONDITION", f"The dataset has no column {key!r}, which predefinedSplit names: it has {header}.")
    column = header.index(key)
    return {name: [row for row in rows if len(row) > column and row[column] == name] for name in SETS}


def _read(uri: str, content: bytes) -> list[Row]:
    try:
        return [row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refusal(400, "FAILED_PRECONDITION", f"{uri} is no CSV file in UTF-8: {error}. Nothing was trained.") from error


def _written(rows: list[Row]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
