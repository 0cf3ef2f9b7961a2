"""Jobs that move rows: loads of files, extracts into files, copies of tables."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.engines.bigquery.names import name_of

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]


async def load(cloud: Cloud, name: str, job: Json, files: list[Path]) -> None:
    """Loads the files of a request, or of buckets, into a table."""
    configuration = job["configuration"]["load"]
    given = dict.fromkeys(files, "the file of the request")
    for uri in configuration.get("sourceUris", []):
        given |= _objects(cloud, uri)
    if not given:
        raise Refusal(400, "INVALID_ARGUMENT", "A load job needs sourceUris or a file.", reason="required")
    loaded, bad = await cloud.bigquery.load(given, configuration, name)
    size = sum(file.stat().st_size for file in given)
    counts = {"inputFiles": len(given), "inputFileBytes": size, "outputRows": loaded, "outputBytes": size, "badRecords": bad}
    job["statistics"]["load"] = {key: str(value) for key, value in counts.items()}


def _objects(cloud: Cloud, uri: str) -> dict[Path, str]:
    """The files behind a `gs://` address, in which a star stands for any characters."""
    match = re.fullmatch(r"gs://([^/]+)/(.+)", uri)
    if match is None:
        raise Refusal(400, "INVALID_ARGUMENT", f"{uri!r} is not a gs:// address.", reason="invalid")
    bucket, pattern = match[1], match[2]
    if "*" not in pattern:
        return {cloud.objects.path(bucket, pattern): uri}
    prefix = pattern.partition("*")[0]
    names = [one["name"] for one in cloud.objects.list(bucket, prefix) if fnmatchcase(one["name"], pattern)]
    if not names:
        raise Refusal(404, "NOT_FOUND", f"Not found: URI {uri}", reason="notFound")
    return {cloud.objects.path(bucket, one): f"gs://{bucket}/{one}" for one in names}


async def extract(cloud: Cloud, name: str, job: Json) -> None:
    """Writes a table into files of buckets."""
    configuration = job["configuration"]["extract"]
    uris = configuration.get("destinationUris") or [configuration.get("destinationUri", "")]
    if "sourceTable" not in configuration:
        raise Refusal(400, "INVALID_ARGUMENT", "Exports of models are not emulated by the local Google Cloud.")
    for uri in uris:
        match = re.fullmatch(r"gs://([^/]+)/(.+)", uri)
        if match is None:
            raise Refusal(400, "INVALID_ARGUMENT", f"{uri!r} is not a gs:// address.", reason="invalid")
        file = cloud.objects.incoming()
        await cloud.bigquery.extract(configuration["sourceTable"], file, configuration, name)
        cloud.objects.put(match[1], match[2].replace("*", "000000000000"), file)
    job["statistics"]["extract"] = {"destinationUriFileCounts": ["1" for _ in uris]}


async def copy(cloud: Cloud, name: str, job: Json) -> None:
    """Copies tables into one."""
    configuration = job["configuration"]["copy"]
    sources = [name_of(one) for one in configuration.get("sourceTables") or [configuration["sourceTable"]]]
    await cloud.bigquery.copy(sources, configuration["destinationTable"], configuration, name)
