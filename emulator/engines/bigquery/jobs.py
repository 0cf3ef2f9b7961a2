"""Jobs: made, run to their end, and kept with what they did.

https://cloud.google.com/bigquery/docs/reference/rest/v2/Job
"""

from __future__ import annotations

import asyncio
import re
import time
import traceback
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.clock import etag
from emulator.engines.bigquery.names import name_of, reference_of
from emulator.engines.bigquery.transfers import copy, extract, load

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.engines.bigquery.scripts import Step
    from emulator.engines.bigquery.statement import Written

Json = dict[str, Any]

UPLOADS = "bigquery-uploads"
FAULTS = "faults"
GLANCE_SECONDS = 1.0
"""How long the answer to a new job waits for its end, which saves the client a poll."""
KINDS = ("query", "load", "extract", "copy")
HOME = "US"
"""Where a job runs that names nothing that has a location."""


async def start(cloud: Cloud, project: str, body: Json, files: list[Path], identity: str) -> Json:
    """Makes a job and starts it; answers it when it has ended, or after a moment.

    Args:
        cloud: Where it runs.
        project: That it is billed to.
        body: `Job`.
        files: What came along with a load job.
        identity: Who starts it.

    Raises:
        Refusal: The job is no job, its id is taken, or a dry run failed.
    """
    configuration = body.get("configuration", {})
    kind = next((kind for kind in KINDS if configuration.get(kind)), "")
    if not kind:
        raise Refusal(400, "INVALID_ARGUMENT", f"A job needs one of {', '.join(KINDS)} in its configuration.", reason="required")
    reference = body.get("jobReference", {})
    job_id = reference.get("jobId") or f"job_{uuid.uuid4().hex}"
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,1024}", job_id):
        raise Refusal(400, "INVALID_ARGUMENT", f"{job_id[:80]!r} is no job id: letters, digits, underscores and dashes.", reason="invalid")
    name = f"projects/{project}/jobs/{job_id}"
    kept = cloud.store.of("bigquery")
    if kept.get(name) is not None:
        raise Refusal(409, "ALREADY_EXISTS", f"Already Exists: Job {project}:{job_id}", reason="duplicate")
    location = _location(cloud, project, configuration, reference.get("location", ""))
    job = _new(project, job_id, location, identity, {**configuration, "jobType": kind.upper()})
    if configuration.get("dryRun"):
        return await _dry(cloud, job, project, kind, name, identity)
    kept.put(name, "Job", job)
    cloud.bigquery.running[name] = asyncio.ensure_future(_run(cloud, name, job, kind, files))
    await ended(cloud, name, GLANCE_SECONDS)
    return kept.get(name) or job


def _new(project: str, job_id: str, location: str, identity: str, configuration: Json) -> Json:
    stamp = _milliseconds()
    return {
        "kind": "bigquery#job",
        "etag": etag(),
        "id": f"{project}:{location}.{job_id}",
        "selfLink": f"https://bigquery.googleapis.com/bigquery/v2/projects/{project}/jobs/{job_id}?location={location}",
        "user_email": identity,
        "jobReference": {"projectId": project, "jobId": job_id, "location": location},
        "configuration": configuration,
        "statistics": {"creationTime": stamp, "startTime": stamp},
        "status": {"state": "RUNNING"},
    }


def _milliseconds() -> str:
    return str(int(time.time() * 1000))


def _location(cloud: Cloud, project: str, configuration: Json, asked: str) -> str:
    """Where a job runs: where it asks to, or where the first dataset is that it names.

    Raises:
        Refusal: It asks to run elsewhere than a dataset is that it names.
    """
    kept, found = cloud.store.of("bigquery"), ""
    for owner, dataset in _datasets(project, configuration):
        resource = kept.get(f"projects/{owner}/datasets/{dataset}")
        place = (resource or {}).get("location", "")
        if asked and place and place.upper() != asked.upper():
            message = f"Not found: Dataset {owner}:{dataset} was not found in location {asked}: it is in {place}. Run the job there."
            raise Refusal(404, "NOT_FOUND", message, reason="notFound")
        found = found or place
    return asked or found or HOME


def _datasets(project: str, configuration: Json) -> Iterator[tuple[str, str]]:
    """Project and dataset of the tables that a job names beside its SQL."""
    query, moved = (
        configuration.get("query", {}),
        {**configuration.get("load", {}), **configuration.get("copy", {}), **configuration.get("extract", {})},
    )
    for one in (moved.get("destinationTable"), moved.get("sourceTable"), *moved.get("sourceTables", []), query.get("destinationTable"),
                query.get("defaultDataset")):  # fmt: skip
        if one and one.get("datasetId"):
            yield one.get("projectId", project), one["datasetId"]
    for owner, dataset in re.findall(
        r"(?i)\b(?:FROM|JOIN|INTO|UPDATE|TABLE|MERGE|INSERT)\s+`?(?:([\w-]+)\.)?`?(\w+)`?\.`?\w+", query.get("query", "")
    ):
        yield owner or project, dataset


async def ended(cloud: Cloud, name: str, wait: float) -> None:
    """Waits for the end of a job, `wait` seconds at most."""
    if task := cloud.bigquery.running.get(name):
        await asyncio.wait([task], timeout=wait)


async def _dry(cloud: Cloud, job: Json, project: str, kind: str, name: str, identity: str) -> Json:
    """A dry run: whether a query would run, and on how many bytes."""
    from emulator.engines.bigquery.scripts import read

    if kind != "query":
        raise Refusal(400, "INVALID_ARGUMENT", f"A dry run of a {kind} job is not emulated: only queries have one.", reason="invalid")
    asked = job["configuration"]["query"]
    if read(asked.get("query", "")) is not None:
        # What a script reads depends on how it runs.
        job["statistics"] |= {"totalBytesProcessed": "0", "query": {"statementType": "SCRIPT", "totalBytesProcessed": "0"}}
        return {**job, "status": {"state": "DONE"}}
    written = await cloud.bigquery.query(asked.get("query", ""), asked, project, name, identity, dry=True)
    statistics = {**_statistics(written), "schema": {"fields": list(written.fields)}}
    job["statistics"] |= {"totalBytesProcessed": str(written.bytes), "query": statistics}
    return {**job, "status": {"state": "DONE"}}


async def _run(cloud: Cloud, name: str, job: Json, kind: str, files: list[Path]) -> None:
    """Runs a job to its end and stores it."""
    from emulator.access import bigquery as needed

    status: Json = {"state": "DONE"}
    try:
        for need in needed.of_job(job["configuration"]):
            cloud.access.demand(job["user_email"], need, "bigquery.jobs.insert")
        if kind == "query":
            await _query(cloud, name, job)
        elif kind == "load":
            await load(cloud, name, job, files)
        else:
            await (extract if kind == "extract" else copy)(cloud, name, job)
    except Refusal as refusal:
        fault = _fault(refusal)
        status |= {"errorResult": fault, "errors": [fault]}
    except Exception as error:
        cloud.log(FAULTS, traceback.format_exc())
        # Not `internalError`, which clients repeat for ten minutes.
        fault = {"reason": "invalid", "message": f"The local Google Cloud failed: {error!r}"}
        status |= {"errorResult": fault, "errors": [fault]}
    finally:
        cloud.bigquery.running.pop(name, None)
        for file in files:
            file.unlink(missing_ok=True)
    job["statistics"]["endTime"] = _milliseconds()
    cloud.store.of("bigquery").put(name, "Job", {**job, "status": status})


def _fault(refusal: Refusal) -> Json:
    return {"reason": refusal.reason, "message": refusal.message}


async def _query(cloud: Cloud, name: str, job: Json) -> None:
    from emulator.engines.bigquery.scripts import read

    configuration = job["configuration"]["query"]
    text = configuration.get("query", "")
    steps = None if configuration.get("useLegacySql") else read(text)
    if steps is not None:
        await _script(cloud, name, job, steps)
        return
    written = await cloud.bigquery.query(text, configuration, name.split("/")[1], name, job["user_email"])
    job["statistics"] |= {"totalBytesProcessed": str(written.bytes), "query": _statistics(written)}
    if written.destination:
        configuration["destinationTable"] = reference_of(written.destination)


async def _script(cloud: Cloud, name: str, job: Json, steps: tuple[Step, ...]) -> None:
    """A script, each of whose statements is a job of its own; its rows are those of the last query."""
    from emulator.engines.bigquery.running import Script

    project, identity, location = name.split("/")[1], job["user_email"], job["jobReference"]["location"]
    kept = cloud.store.of("bigquery")
    configuration = job["configuration"]["query"]
    children = 0

    def child(text: str, written: Written | None, refusal: Refusal | None) -> None:
        nonlocal children
        job_id = f"script_job_{uuid.uuid4().hex}_{children}"
        children += 1
        own = _new(project, job_id, location, identity, {"jobType": "QUERY", "query": {"query": text, "useLegacySql": False}})
        own["statistics"] |= {"parentJobId": job["jobReference"]["jobId"], "endTime": _milliseconds()}
        status: Json = {"state": "DONE"}
        if written is not None:
            own["statistics"] |= {"totalBytesProcessed": str(written.bytes), "query": _statistics(written)}
            if written.destination:
                own["configuration"]["query"]["destinationTable"] = reference_of(written.destination)
        elif refusal is not None:
            status |= {"errorResult": _fault(refusal), "errors": [_fault(refusal)]}
        kept.put(f"projects/{project}/jobs/{job_id}", "Job", {**own, "status": status})

    script = Script(cloud.bigquery, configuration, project, name, identity, child)
    try:
        await script.run(steps)
    finally:
        told = {
            "statementType": "SCRIPT",
            "totalBytesProcessed": str(script.bytes),
            "totalBytesBilled": str(script.bytes),
            "cacheHit": False,
        }
        job["statistics"] |= {"numChildJobs": str(children), "totalBytesProcessed": str(script.bytes), "query": told}
    if script.last is not None:
        configuration["destinationTable"] = reference_of(script.last.destination)


def _statistics(written: Written) -> Json:
    """`statistics.query` of a statement."""
    statement = written.statement
    found: Json = {
        "statementType": statement.kind,
        "totalBytesProcessed": str(written.bytes),
        "totalBytesBilled": str(written.bytes),
        "cacheHit": False,
        "referencedTables": [reference_of(table.name) for table in statement.tables.values()],
    }
    if statement.target and statement.kind.endswith("_SCHEMA"):
        _, project, _, dataset = statement.target.split("/")
        found |= {"ddlOperationPerformed": written.operation, "ddlTargetDataset": {"projectId": project, "datasetId": dataset}}
    elif statement.target and statement.kind.startswith(("CREATE", "DROP", "ALTER")):
        found |= {"ddlOperationPerformed": written.operation, "ddlTargetTable": reference_of(statement.target)}
    elif statement.target:
        found["numDmlAffectedRows"] = str(written.affected)
    return found


def destination_of(job: Json) -> str:
    """The table that holds a query's rows; empty where it gave none."""
    if job["statistics"]["query"]["statementType"] not in ("SELECT", "SCRIPT"):
        return ""
    return name_of(job["configuration"]["query"].get("destinationTable", {}))
