"""BigQuery's jobs: queries, loads, extracts and copies, also with the file in the request.

https://cloud.google.com/bigquery/docs/reference/rest/v2/Job
"""

from __future__ import annotations

import asyncio
import re
import time
import traceback
import uuid
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator import discovery, validation
from emulator.behaviours import Call, Json, Refusal, Response, at_start, on, route
from emulator.behaviours.bigquery import first_row, page, with_rows
from emulator.clock import etag
from emulator.engines.bigquery.names import name_of, reference_of

if TYPE_CHECKING:
    from emulator.cloud import Cloud

UPLOAD = r"/(?:resumable/)?upload/bigquery/v2/projects/(?P<project>[^/]+)/jobs"
HOSTS = r"(?:bigquery|www)\.googleapis\.com"
SESSIONS = "bigquery-uploads"
FAULTS = "faults"
WEEK_SECONDS = 7 * 24 * 3600.0
"""How long an upload can be gone on with."""
GLANCE_SECONDS = 1.0
"""How long the answer to a new job waits for its end, which saves the client a poll."""
WAIT_SECONDS = 10.0
"""BigQuery's own default for a query's results."""
KINDS = ("query", "load", "extract", "copy")


@at_start
async def mend(cloud: Cloud) -> None:
    """Jobs that a kill ended have failed, and files that nobody loads any more are removed."""
    kept, sessions = cloud.store.of("bigquery"), cloud.store.of(SESSIONS)
    week_ago = time.time() - WEEK_SECONDS
    for file in (cloud.state / "bigquery").glob("[0-9a-f]*"):
        if sessions.get(file.name) is None or file.stat().st_mtime < week_ago:
            sessions.remove(file.name)
            file.unlink()
    for name, job in kept.items(kind="Job"):
        if job["status"]["state"] != "DONE":
            fault = {"reason": "stopped", "message": "Interrupted: the local Google Cloud was stopped while this job ran. Start it again."}
            kept.put(name, "Job", {**job, "status": {"state": "DONE", "errorResult": fault, "errors": [fault]}})


@on("bigquery", "jobs.insert")
async def insert(call: Call, cloud: Cloud) -> Json:
    """Starts a job."""
    return await start(cloud, call.project, call.body, [], call.identity)


@on("bigquery", "jobs.query")
async def query(call: Call, cloud: Cloud) -> Json | Response:
    """Runs a query and answers its first rows."""
    body = {key: value for key, value in call.body.items() if key not in ("kind", "maxResults", "timeoutMs", "requestId", "formatOptions")}
    dry = body.pop("dryRun", False)
    configuration = {key: value for key, value in body.items() if key not in ("labels", "location", "jobCreationMode", "jobTimeoutMs")}
    # Without a word, `jobs.query` means legacy SQL; so it does here, and is refused with the reason.
    configuration.setdefault("useLegacySql", True)
    job = await start(cloud, call.project, {"configuration": {"query": configuration, "dryRun": dry}}, [], call.identity)
    options = call.body.get("formatOptions", {})
    if dry:
        statistics = job["statistics"]
        return {
            "kind": "bigquery#queryResponse",
            "jobComplete": True,
            "jobReference": job["jobReference"],
            "schema": statistics["query"].get("schema", {}),
            "totalBytesProcessed": statistics["totalBytesProcessed"],
        }
    wait = int(call.body.get("timeoutMs", 1000 * WAIT_SECONDS)) / 1000
    limit = int(call.body.get("maxResults") or 2**31)
    return await results(cloud, job_name(job), wait, 0, limit, bool(options.get("useInt64Timestamp")), "bigquery#queryResponse")


@on("bigquery", "jobs.getQueryResults")
async def query_results(call: Call, cloud: Cloud) -> Json | Response:
    """Waits for a query and answers a page of its rows."""
    name = f"projects/{call.project}/jobs/{call.name.rpartition('/')[2]}"
    given = call.one("timeoutMs")
    wait = int(given) / 1000 if given else WAIT_SECONDS
    first = first_row(call)
    limit = int(call.one("maxResults")) if call.one("maxResults") else 2**31
    micros = call.one("formatOptions.useInt64Timestamp").lower() == "true"
    return await results(cloud, name, wait, first, limit, micros, "bigquery#getQueryResultsResponse")


@on("bigquery", "jobs.get")
async def get(call: Call, cloud: Cloud) -> Json:
    """The job; one that still runs is waited for a moment."""
    await _ended(cloud, call.name, GLANCE_SECONDS)
    return cloud.resources.load(call)


@on("bigquery", "jobs.cancel")
async def cancel(call: Call, cloud: Cloud) -> Json:
    """Ends a job that runs."""
    name = call.name.removesuffix("/cancel")
    cloud.resources.load(call, name)
    cloud.bigquery.warehouse.interrupt(name)
    await _ended(cloud, name, GLANCE_SECONDS)
    return {"kind": "bigquery#jobCancelResponse", "job": cloud.resources.load(call, name)}


@on("bigquery", "jobs.delete")
async def delete(call: Call, cloud: Cloud) -> Json:
    """Forgets a job."""
    cloud.resources.load(call, call.name.removesuffix("/delete"))
    cloud.store.of("bigquery").remove(call.name.removesuffix("/delete"))
    return {}


@on("bigquery", "jobs.list")
async def jobs(call: Call, cloud: Cloud) -> Json:
    """Jobs, the newest first."""
    rows = [
        {**job, "errorResult": job["status"].get("errorResult"), "state": job["status"]["state"]}
        for job in cloud.store.of("bigquery").list(call.name, "Job")
    ]
    states = {state.upper() for state in call.query.get("stateFilter", [])}
    rows = [row for row in rows if not states or row["state"] in states]
    keys = ("kind", "id", "jobReference", "state", "errorResult", "statistics", "configuration", "status", "user_email")
    return page(call, sorted(rows, key=lambda row: str(row["statistics"]["creationTime"]), reverse=True), keys, "jobs")


@route(HOSTS, "POST", UPLOAD, "bigquery.jobs.create")
async def upload(call: Call, cloud: Cloud) -> Json | Response:
    """A load job with its file, in one request or as a session."""
    folder = cloud.state / "bigquery"
    folder.mkdir(exist_ok=True)
    session = uuid.uuid4().hex
    project = call.params["project"]
    if call.one("uploadType") == "resumable":
        body = _job(call.raw)
        (folder / session).touch()
        cloud.store.of(SESSIONS).put(session, "Upload", {"project": project, "job": body, "identity": call.identity})
        address = f"https://{call.host}/upload/bigquery/v2/projects/{project}/jobs?uploadType=resumable&upload_id={session}"
        return Response.of({}, 200, {"Location": address, "X-GUploader-UploadID": session})
    match = re.search(r'boundary="?([^";]+)', call.headers.get("content-type", ""))
    if match is None:
        raise Refusal(400, "INVALID_ARGUMENT", "A multipart upload needs two parts: the job and the file.")
    metadata, content = _two(call.raw, match[1].encode())
    (folder / session).write_bytes(content)
    return await start(cloud, project, _job(metadata), [folder / session], call.identity)


@route(HOSTS, "PUT", UPLOAD, "bigquery.jobs.create", takes_files=True)
async def resume(call: Call, cloud: Cloud) -> Json | Response:
    """Takes a part of the file; the last one starts the job."""
    session = call.one("upload_id")
    kept = cloud.store.of(SESSIONS).get(session)
    if kept is None:
        raise Refusal(404, "NOT_FOUND", "There is no such upload session.")
    file = cloud.state / "bigquery" / session
    match = re.fullmatch(r"bytes (?:(\d+)-(\d+|\*)|\*)/(\d+|\*)", call.headers.get("content-range", ""))
    have, total = file.stat().st_size, match[3] if match else str(call.size)
    if match is None or match[1] is not None:
        begin = int(match[1]) if match else 0
        if begin > have:
            raise Refusal(400, "INVALID_ARGUMENT", f"The upload has {have} bytes; a part that starts at {begin} would leave a hole.")
        with file.open("r+b") as target:
            target.seek(begin)
            target.truncate()
            target.writelines(call.blocks())
        have = begin + call.size
    if total == "*" or have < int(total):
        return Response(b"", 308, {"Range": f"bytes=0-{have - 1}"} if have else {})
    cloud.store.of(SESSIONS).remove(session)
    return await start(cloud, kept["project"], kept["job"], [file], kept["identity"])


def _two(raw: bytes, boundary: bytes) -> tuple[bytes, bytes]:
    """The two parts of a `multipart/related` body, without their heads."""
    pieces = raw.split(b"--" + boundary, 2)
    end = raw.rfind(b"--" + boundary)
    if len(pieces) < 3 or end < len(raw) - len(pieces[2]):
        raise Refusal(400, "INVALID_ARGUMENT", "A multipart upload needs two parts: the job and the file.")
    first, second = pieces[1], raw[len(raw) - len(pieces[2]) : end]
    return first.partition(b"\r\n\r\n")[2], second.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")


def _job(raw: bytes) -> Json:
    """A job of an upload, held to its schema."""
    described = discovery.document("bigquery", "v2")
    assert described is not None
    return validation.body(described.by_id["jobs.insert"], validation.parsed(raw), partial=False)


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
    location = reference.get("location") or "US"
    stamp = str(int(time.time() * 1000))
    job: Json = {
        "kind": "bigquery#job",
        "etag": etag(),
        "id": f"{project}:{location}.{job_id}",
        "selfLink": f"https://bigquery.googleapis.com/bigquery/v2/{name}?location={location}",
        "user_email": identity,
        "jobReference": {"projectId": project, "jobId": job_id, "location": location},
        "configuration": {**configuration, "jobType": kind.upper()},
        "statistics": {"creationTime": stamp, "startTime": stamp},
        "status": {"state": "RUNNING"},
    }
    if configuration.get("dryRun"):
        if kind != "query":
            raise Refusal(400, "INVALID_ARGUMENT", f"A dry run of a {kind} job is not emulated: only queries have one.", reason="invalid")
        asked = configuration["query"]
        written = await cloud.bigquery.query(asked.get("query", ""), asked, project, name, identity, dry=True)
        statistics = {**_query_statistics(written), "schema": {"fields": list(written.fields)}}
        job["statistics"] |= {"totalBytesProcessed": str(written.bytes), "query": statistics}
        return {**job, "status": {"state": "DONE"}}
    kept.put(name, "Job", job)
    cloud.bigquery.running[name] = asyncio.ensure_future(_run(cloud, name, job, kind, files))
    await _ended(cloud, name, GLANCE_SECONDS)
    return kept.get(name) or job


async def _ended(cloud: Cloud, name: str, wait: float) -> None:
    if task := cloud.bigquery.running.get(name):
        await asyncio.wait([task], timeout=wait)


async def _run(cloud: Cloud, name: str, job: Json, kind: str, files: list[Path]) -> None:
    """Runs a job to its end and stores it."""
    from emulator.access import bigquery as needed

    work = {"query": _query, "load": _load, "extract": _extract, "copy": _copy}[kind]
    status: Json = {"state": "DONE"}
    try:
        for need in needed.of_job(job["configuration"]):
            cloud.access.demand(job["user_email"], need, "bigquery.jobs.insert")
        await work(cloud, name, job, files)
    except Refusal as refusal:
        fault = {"reason": refusal.reason, "message": refusal.message}
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
    job["statistics"]["endTime"] = str(int(time.time() * 1000))
    cloud.store.of("bigquery").put(name, "Job", {**job, "status": status})


async def _query(cloud: Cloud, name: str, job: Json, files: list[Path]) -> None:
    configuration = job["configuration"]["query"]
    written = await cloud.bigquery.query(configuration.get("query", ""), configuration, name.split("/")[1], name, job["user_email"])
    job["statistics"] |= {"totalBytesProcessed": str(written.bytes), "query": _query_statistics(written)}
    if written.destination:
        configuration["destinationTable"] = reference_of(written.destination)


def _query_statistics(written: Any) -> Json:
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


async def _load(cloud: Cloud, name: str, job: Json, files: list[Path]) -> None:
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


async def _extract(cloud: Cloud, name: str, job: Json, files: list[Path]) -> None:
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


async def _copy(cloud: Cloud, name: str, job: Json, files: list[Path]) -> None:
    configuration = job["configuration"]["copy"]
    sources = [name_of(one) for one in configuration.get("sourceTables") or [configuration["sourceTable"]]]
    await cloud.bigquery.copy(sources, configuration["destinationTable"], configuration, name)


def job_name(job: Json) -> str:
    """`projects/P/jobs/J`."""
    reference = job["jobReference"]
    return f"projects/{reference['projectId']}/jobs/{reference['jobId']}"


async def results(cloud: Cloud, name: str, wait: float, first: int, limit: int, micros: bool, kind: str) -> Json | Response:
    """The rows of a query from `first` on, or that it still runs.

    Raises:
        Refusal: The query failed.
    """
    await _ended(cloud, name, wait)
    job = cloud.store.of("bigquery").get(name)
    if job is None or "query" not in job["configuration"]:
        raise Refusal(404, "NOT_FOUND", f"Not found: Query job {name.rpartition('/')[2]}", reason="notFound")
    head: Json = {"kind": kind, "etag": job["etag"], "jobReference": job["jobReference"], "jobComplete": job["status"]["state"] == "DONE"}
    if not head["jobComplete"]:
        return head
    if fault := job["status"].get("errorResult"):
        status = {"notFound": 404, "duplicate": 409, "accessDenied": 403}.get(fault["reason"], 400)
        raise Refusal(status, "", fault["message"], reason=fault["reason"])
    statistics = job["statistics"]["query"]
    head |= {"totalBytesProcessed": statistics["totalBytesProcessed"], "cacheHit": False, "totalRows": "0"}
    if "numDmlAffectedRows" in statistics:
        head["numDmlAffectedRows"] = statistics["numDmlAffectedRows"]
    destination = name_of(job["configuration"]["query"].get("destinationTable", {}))
    if statistics["statementType"] != "SELECT" or not destination:
        return {**head, "schema": {"fields": []}}
    table = cloud.bigquery.tables.table(destination)
    head |= {"totalRows": table["numRows"], "schema": table["schema"]}
    shown = (await cloud.bigquery.page(destination, first, limit, micros=micros))[0] if limit else []
    if limit and first + len(shown) < int(table["numRows"]):
        head["pageToken"] = str(first + len(shown))
    return with_rows(head, shown)
