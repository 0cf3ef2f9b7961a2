"""BigQuery's jobs: queries, loads, extracts and copies, and the rows of queries.

https://cloud.google.com/bigquery/docs/reference/rest/v2/Job
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, Response, at_start, on
from emulator.behaviours.bigquery import first_row, page, with_rows
from emulator.engines.bigquery.jobs import GLANCE_SECONDS, UPLOADS, destination_of, ended, start

if TYPE_CHECKING:
    from emulator.cloud import Cloud

WEEK_SECONDS = 7 * 24 * 3600.0
"""How long an upload can be gone on with."""
WAIT_SECONDS = 10.0
"""BigQuery's own default for a query's results."""


@at_start
async def mend(cloud: Cloud) -> None:
    """Jobs that a kill ended have failed, and files that nobody loads any more are removed."""
    kept, sessions = cloud.store.of("bigquery"), cloud.store.of(UPLOADS)
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
    others = ("labels", "location", "jobCreationMode", "jobTimeoutMs")
    configuration = {key: value for key, value in body.items() if key not in others}
    # Without a word, `jobs.query` means legacy SQL; so it does here, and is refused with the reason.
    configuration.setdefault("useLegacySql", True)
    asked = {"query": configuration, "dryRun": dry, **({"labels": body["labels"]} if "labels" in body else {})}
    reference = {"location": body["location"]} if "location" in body else {}
    if (request_id := call.body.get("requestId")) and not dry:
        # A request whose answer was lost is sent again under the same id, and must not run twice.
        reference["jobId"] = f"job_{hashlib.sha256(request_id.encode()).hexdigest()[:32]}"
        if (before := cloud.store.of("bigquery").get(f"projects/{call.project}/jobs/{reference['jobId']}")) is not None:
            return await _answered(call, cloud, before)
    job = await start(cloud, call.project, {"configuration": asked, "jobReference": reference}, [], call.identity)
    if dry:
        statistics = job["statistics"]
        return {
            "kind": "bigquery#queryResponse",
            "jobComplete": True,
            "jobReference": job["jobReference"],
            "schema": statistics["query"].get("schema", {}),
            "totalBytesProcessed": statistics["totalBytesProcessed"],
        }
    return await _answered(call, cloud, job)


async def _answered(call: Call, cloud: Cloud, job: Json) -> Json | Response:
    """The first rows of a query, in the form that `jobs.query` asks for."""
    wait = int(call.body.get("timeoutMs", 1000 * WAIT_SECONDS)) / 1000
    limit = int(call.body.get("maxResults") or 2**31)
    micros = bool(call.body.get("formatOptions", {}).get("useInt64Timestamp"))
    return await results(cloud, job_name(job), wait, 0, limit, micros, "bigquery#queryResponse")


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
    await ended(cloud, call.name, GLANCE_SECONDS)
    job = cloud.resources.load(call)
    asked, place = call.one("location"), job.get("jobReference", {}).get("location", "")
    if asked and place and asked.upper() != place.upper():
        message = f"Not found: Job {call.project}:{asked}.{call.name.rpartition('/')[2]}: it ran in {place}."
        raise Refusal(404, "NOT_FOUND", message, reason="notFound")
    return job


@on("bigquery", "jobs.cancel")
async def cancel(call: Call, cloud: Cloud) -> Json:
    """Ends a job that runs."""
    name = call.name.removesuffix("/cancel")
    cloud.resources.load(call, name)
    cloud.bigquery.warehouse.interrupt(name)
    await ended(cloud, name, GLANCE_SECONDS)
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
    states = {state.upper() for state in call.query.get("stateFilter", [])}
    parent, everyone = call.one("parentJobId"), call.one("allUsers").lower() == "true"
    first, last = int(call.one("minCreationTime") or 0), int(call.one("maxCreationTime") or 2**63)
    rows = [
        {**job, "errorResult": job["status"].get("errorResult"), "state": job["status"]["state"]}
        for job in cloud.store.of("bigquery").list(call.name, "Job")
        if job["statistics"].get("parentJobId", "") == parent
        and (not states or job["status"]["state"] in states)
        and (everyone or job.get("user_email", "") == call.identity)
        and first <= int(job["statistics"]["creationTime"]) <= last
    ]
    keys = ("kind", "id", "jobReference", "state", "errorResult", "statistics", "configuration", "status", "user_email")
    return page(call, sorted(rows, key=lambda row: str(row["statistics"]["creationTime"]), reverse=True), keys, "jobs")


def job_name(job: Json) -> str:
    """`projects/P/jobs/J`."""
    reference = job["jobReference"]
    return f"projects/{reference['projectId']}/jobs/{reference['jobId']}"


async def results(cloud: Cloud, name: str, wait: float, first: int, limit: int, micros: bool, kind: str) -> Json | Response:
    """The rows of a query from `first` on, or that it still runs.

    Raises:
        Refusal: The query failed.
    """
    await ended(cloud, name, wait)
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
    destination = destination_of(job)
    if not destination:
        return {**head, "schema": {"fields": []}}
    table = cloud.bigquery.tables.table(destination)
    head |= {"totalRows": table["numRows"], "schema": table["schema"]}
    shown = (await cloud.bigquery.page(destination, first, limit, micros=micros))[0] if limit else []
    if limit and first + len(shown) < int(table["numRows"]):
        head["pageToken"] = str(first + len(shown))
    return with_rows(head, shown)
