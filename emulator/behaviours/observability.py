"""Cloud Logging and Cloud Monitoring: sinks, entries; metrics, time series, alert policies, notification channels."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from emulator import filters
from emulator.behaviours import Call, Json, Refusal, Response, at_start, completes, not_emulated, on, short_name
from emulator.clock import now, number
from emulator.engines import entries
from emulator.engines.metrics import BUCKET_SECONDS, PERCENTILES, SINGULAR, aggregated, check_aggregation, instant, seconds
from emulator.engines.notifications import COMPARISONS
from emulator.projects import project_number

if TYPE_CHECKING:
    from emulator.cloud import Cloud

SERIES_IN_A_REQUEST = 200
OLDEST_SECONDS, NEWEST_SECONDS = 25 * 3600.0, 300.0
"""How far in the past and in the future a point may end."""
WRITABLE = ("custom.googleapis.com/", "external.googleapis.com/", "workload.googleapis.com/")
METRIC_TYPE = re.compile(r'\bmetric\.type\s*=\s*"([^"]+)"')
METRIC_PATH = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*(/[A-Za-z0-9_.-]+)+")
VALUE_TYPES = {
    "boolValue": "BOOL", "int64Value": "INT64", "doubleValue": "DOUBLE", "stringValue": "STRING", "distributionValue": "DISTRIBUTION",
}  # fmt: skip

short_name("logging", "LogMetric", "LogSink")


@completes("logging", "LogSink")
def sink(call: Call, cloud: Cloud, name: str, resource: Json) -> None:
    """A sink writes under an identity of its own."""
    owner = project_number(call.project) if call.project else name.split("/")[1]
    resource["writerIdentity"] = f"serviceAccount:service-{owner}@gcp-sa-logging.iam.gserviceaccount.com"


@on("logging", "entries.write")
async def write_entries(call: Call, cloud: Cloud) -> Json:
    """Entries are kept in the order in which they arrive."""
    given = call.body.get("entries", [])
    common = {"resource": {"type": "global"}, **{key: call.body[key] for key in ("logName", "resource") if call.body.get(key)}}
    nameless = [index for index, entry in enumerate(given) if not (entry.get("logName") or common.get("logName"))]
    if nameless:
        message = f"Entry {nameless[0]} has no logName, and the request has none for all. Nothing was written. Name a log in one of them."
        raise Refusal(400, "INVALID_ARGUMENT", message)
    labels = call.body.get("labels", {})
    entries.write(cloud, [{**common, **entry, **({"labels": {**labels, **entry.get("labels", {})}} if labels else {})} for entry in given])
    return {}


@completes("logging", "LogMetric")
def log_metric(call: Call, cloud: Cloud, name: str, resource: Json) -> None:
    """A metric counts; its labels are taken from fields of the entries."""
    if "valueExtractor" in resource or resource.get("metricDescriptor", {}).get("valueType", "INT64") != "INT64":
        raise not_emulated("A log-based metric that is no counter")
    filters.select([], resource.get("filter", ""))
    wrong = [how for how in resource.get("labelExtractors", {}).values() if not entries.EXTRACT.fullmatch(how)]
    if wrong:
        raise not_emulated(f"The extractor {wrong[0]}")


@on("logging", "entries.list")
async def list_entries(call: Call, cloud: Cloud) -> Json:
    """Entries of the named resources that pass the filter."""
    rows = cloud.store.of(entries.ENTRIES).list()
    names = tuple(f"{name}/" for name in call.body.get("resourceNames", []))
    rows = [row for row in rows if not names or row["logName"].startswith(names)]
    rows = sorted(filters.select(rows, call.body.get("filter", "")), key=lambda row: str(row["timestamp"]))
    return {"entries": rows[::-1] if call.body.get("orderBy", "").endswith("desc") else rows}


@on("logging", "projects.logs.list")
async def list_logs(call: Call, cloud: Cloud) -> Json:
    """Names of the logs that have entries."""
    rows = cloud.store.of(entries.ENTRIES).under(call.name)
    return {"logNames": sorted({row["logName"] for _, row in rows})}


@on("logging", "projects.logs.delete")
async def delete_log(call: Call, cloud: Cloud) -> Json:
    """All entries of a log go with it; its id is kept as it was sent, since a slash in it is encoded."""
    log = f"projects/{call.project}/logs/{call.path.rpartition('/logs/')[2]}"
    kept = cloud.store.of(entries.ENTRIES)
    if not kept.under(log):
        raise Refusal(404, "NOT_FOUND", f"Log {log} does not exist.")
    kept.delete(log)
    return {}


# Metric descriptors


@on("monitoring", "projects.metricDescriptors.create")
async def describe_metric(call: Call, cloud: Cloud) -> Json:
    """A descriptor is named by its type; creating one that exists changes it, as long as kind and type of its values stay."""
    given = call.body
    type_ = given.get("type", "")
    _check_writable(type_)
    name = f"{call.name}/{type_}"
    before = cloud.resources.load(call, name) if cloud.store.of("monitoring").get(name) else {}
    for key in ("metricKind", "valueType"):
        if before and given.get(key) != before[key]:
            message = f"Metric {type_} has {key} {before[key]}, which cannot become {given.get(key)}. Delete its descriptor first."
            raise Refusal(400, "INVALID_ARGUMENT", message)
    return cloud.store.of("monitoring").put(name, "MetricDescriptor", {**given, "name": name})


@on("monitoring", "projects.metricDescriptors.list")
async def list_metrics(call: Call, cloud: Cloud) -> Json:
    """Descriptors of custom metrics; the filter sees their type as `metric.type`."""
    rows = [row for _, row in cloud.store.of("monitoring").under(call.name, "MetricDescriptor")]
    kept = filters.select([{**row, "metric": {"type": row["type"]}} for row in rows], call.one("filter"))
    names = {row["name"] for row in kept}
    unfiltered = replace(call, query={key: values for key, values in call.query.items() if key != "filter"})
    return cloud.resources.list(unfiltered, [row for row in rows if row["name"] in names])


@on("monitoring", "projects.metricDescriptors.delete")
async def delete_metric(call: Call, cloud: Cloud) -> Json | Response:
    """A custom metric's data goes with its descriptor."""
    type_ = cloud.resources.load(call)["type"]
    cloud.metrics.forget(f"projects/{call.project}", type_)
    return await cloud.resources.default(call)


def _check_writable(type_: str) -> None:
    if not type_.startswith(WRITABLE) or not METRIC_PATH.fullmatch(type_) or len(type_) > 200:
        mend = "Name it custom.googleapis.com/…, with letters, digits, / _ . and -."
        message = f"{type_[:200]!r} is no type of a custom metric. Nothing was written. {mend}"
        raise Refusal(400, "INVALID_ARGUMENT", message)


# Time series


@on("monitoring", "projects.timeSeries.create", "projects.timeSeries.createService")
async def write_series(call: Call, cloud: Cloud) -> Json:
    """Points of custom metrics; those that do not fit are named, the others are written and held against the alert policies.

    Not held to: the quota of one point in five seconds for a series.
    """
    given, project = call.body.get("timeSeries", []), f"projects/{call.project}"
    if len(given) > SERIES_IN_A_REQUEST:
        raise Refusal(
            400, "INVALID_ARGUMENT", f"{len(given)} series in one request: at most {SERIES_IN_A_REQUEST} can be written at a time."
        )
    problems: list[str] = []
    written: dict[str, float] = {}
    for index, series in enumerate(given):
        try:
            with cloud.store.transaction():
                type_, end = _write(cloud, project, series)
            written[type_] = max(end, written.get(type_, end))
        except Refusal as refusal:
            problems.append(f"Field timeSeries[{index}] had an invalid value: {refusal.message}")
    if written:
        cloud.alerts.written(project, set(written), max(written.values()))
    if problems:
        summary = {
            "@type": "type.googleapis.com/google.monitoring.v3.CreateTimeSeriesSummary",
            "totalPointCount": len(given),
            "successPointCount": len(given) - len(problems),
            "errors": [{"status": {"code": 3, "message": problem}, "pointCount": 1} for problem in problems],
        }
        message = f"One or more TimeSeries could not be written: {'; '.join(problems)}"
        raise Refusal(400, "INVALID_ARGUMENT", message, details=(summary,))
    return {}


def _write(cloud: Cloud, project: str, series: Json) -> tuple[str, float]:
    """Writes the point of one series; the metric's type, and when the point ends."""
    metric = {"labels": {}, **series.get("metric", {})}
    type_, points = metric.get("type", ""), series.get("points", [])
    _check_writable(type_)
    if len(points) != 1:
        raise Refusal(400, "", f"{len(points)} points of {type_}: a request holds exactly one point of a series.")
    (point,) = points
    kinds = [kind for kind in point.get("value", {}) if kind in VALUE_TYPES]
    interval = point.get("interval", {})
    if len(kinds) != 1 or not interval.get("endTime"):
        raise Refusal(400, "", f"The point of {type_} needs one value and an interval with an endTime.")
    end, present = instant(interval["endTime"]), time.time()
    if not present - OLDEST_SECONDS <= end <= present + NEWEST_SECONDS:
        raise Refusal(400, "", f"The point of {type_} ends at {interval['endTime']}: more than 25 hours ago or 5 minutes ahead.")
    kind = series.get("metricKind", "METRIC_KIND_UNSPECIFIED")
    described = {
        "metricKind": "GAUGE" if kind.endswith("UNSPECIFIED") else kind,
        "valueType": VALUE_TYPES[kinds[0]],
    }
    resource = {"type": "global", **series.get("resource", {})}
    resource["labels"] = {"project_id": project.partition("/")[2], **resource.get("labels", {})}
    started = interval.get("startTime", interval["endTime"])
    if described["metricKind"] == "GAUGE" and instant(started) != end:
        raise Refusal(400, "", f"The point of {type_} is of a GAUGE: its interval starts where it ends. Leave startTime out.")
    _describe(cloud, project, metric, described)
    interval = {"startTime": started, "endTime": interval["endTime"]}
    cloud.metrics.append(project, {"metric": metric, "resource": resource, **described}, {"interval": interval, "value": point["value"]})
    return type_, end


def _describe(cloud: Cloud, project: str, metric: Json, described: Json) -> None:
    """The first point of a custom metric makes its descriptor; a new label is added to it."""
    name = f"{project}/metricDescriptors/{metric['type']}"
    found = cloud.store.of("monitoring").get(name) or {"name": name, "type": metric["type"], "labels": [], **described}
    for key, value in described.items():
        if found.get(key) != value:
            raise Refusal(400, "", f"Metric {metric['type']} has {key} {found.get(key)}, and the point has {value}.")
    labels = found.get("labels", [])
    new = sorted(metric["labels"].keys() - {label["key"] for label in labels})
    found["labels"] = [*labels, *({"key": key, "valueType": "STRING"} for key in new)]
    cloud.store.of("monitoring").put(name, "MetricDescriptor", found)


@on("monitoring", "projects.timeSeries.list")
async def list_series(call: Call, cloud: Cloud) -> Json:
    """Series that pass the filter with the points that end in the interval, newest first; aligned and reduced where that is asked for."""
    if not METRIC_TYPE.search(call.one("filter")) and "metric.type" not in call.one("filter"):
        raise Refusal(400, "INVALID_ARGUMENT", 'The filter must name a metric: metric.type = "custom.googleapis.com/…".')
    if any(name.startswith("secondaryAggregation") for name in call.query):
        raise not_emulated("A secondary aggregation of time series")
    until = instant(call.one("interval.endTime"))
    after = instant(call.one("interval.startTime")) if call.one("interval.startTime") else until - 1e-6
    aggregation: Json = {key: call.one(f"aggregation.{key}") for key in ("alignmentPeriod", "perSeriesAligner", "crossSeriesReducer")}
    aggregation["groupByFields"] = call.query.get("aggregation.groupByFields", [])
    found = cloud.metrics.select(f"projects/{call.project}", call.one("filter"), after, until)
    found = aggregated([series for series in found if series.points], aggregation, after, until)
    headers = call.one("view") in ("HEADERS", "1")
    rows = [{**series.header, **({} if headers else {"points": [point for _, point in reversed(series.points)]})} for series in found]
    size, first = int(call.one("pageSize") or 0) or len(rows), int(call.one("pageToken") or 0)
    page: Json = {"timeSeries": rows[first : first + size]}
    return page if first + size >= len(rows) else {**page, "nextPageToken": str(first + size)}


# Alert policies and notification channels


@at_start
async def resume(cloud: Cloud) -> None:
    """Notifications that a kill interrupted are sent; policies of an older state get what their evaluation needs."""
    kept = cloud.store.of("monitoring")
    for name, policy in kept.items(kind="AlertPolicy"):
        kept.put(name, "AlertPolicy", _named(name, policy))
    cloud.alerts.deliver()


@completes("monitoring", "AlertPolicy")
def policy(call: Call, cloud: Cloud, name: str, resource: Json) -> None:
    """A policy is held to what the evaluation understands, so that none is silently never evaluated; its conditions are named."""
    conditions = resource.get("conditions", [])
    if not conditions:
        raise Refusal(400, "INVALID_ARGUMENT", "An alert policy needs at least one condition.")
    if resource.get("combiner", "OR") != "OR" and len(conditions) > 1:
        raise not_emulated(f"The combiner {resource['combiner']} of several conditions")
    for condition in conditions:
        if "conditionThreshold" not in condition:
            raise not_emulated(f"A condition other than a threshold ({condition.get('displayName', '')})")
        _check_threshold(cloud, call.project, condition["conditionThreshold"])
    _named(name, resource)
    missing = [one for one in resource.get("notificationChannels", []) if not cloud.store.of("monitoring").get(cloud.projects.by_id(one))]
    if missing:
        message = f"Notification channel {missing[0]} does not exist. The policy was not written. Create the channel first."
        raise Refusal(404, "NOT_FOUND", message)
    record = {"mutateTime": now(), "mutatedBy": call.identity}
    resource |= {"enabled": resource.get("enabled", True), "mutationRecord": record}
    resource.setdefault("creationRecord", record)


def _named(name: str, policy: Json) -> Json:
    """The policy, each of its conditions with a name."""
    for condition in policy.get("conditions", []):
        condition.setdefault("name", f"{name}/conditions/{number()}")
    return policy


def _check_threshold(cloud: Cloud, project: str, threshold: Json) -> None:
    if threshold.get("comparison") not in COMPARISONS:
        raise Refusal(400, "INVALID_ARGUMENT", "The condition's comparison is not set: COMPARISON_GT, for one.")
    if seconds(threshold.get("duration", "0s")) % BUCKET_SECONDS:
        raise Refusal(400, "INVALID_ARGUMENT", f"The duration {threshold['duration']} is no multiple of a minute.")
    for text in filter(None, (threshold.get("filter", ""), threshold.get("denominatorFilter", ""))):
        filters.select([], SINGULAR.sub(r"\1.labels.", text))
        types = METRIC_TYPE.findall(text)
        if len(types) != 1 or "resource.type" not in text:
            raise Refusal(400, "INVALID_ARGUMENT", f"The filter must name one metric.type and one resource.type: {text[:300]}")
        if types[0].startswith(entries.USER):
            _check_log_metric(cloud, project, types[0])
        if types[0].startswith(WRITABLE) and not cloud.store.of("monitoring").get(f"projects/{project}/metricDescriptors/{types[0]}"):
            mend = "The policy was not written. Create its descriptor first, or write a point."
            message = f'Cannot find metric that matches type = "{types[0]}". {mend}'
            raise Refusal(404, "NOT_FOUND", message)
    for aggregation in [*threshold.get("aggregations", []), *threshold.get("denominatorAggregations", [])]:
        check_aggregation(aggregation)
        if aggregation.get("perSeriesAligner") in PERCENTILES:
            _check_distribution(cloud, project, METRIC_TYPE.findall(threshold.get("filter", ""))[0])


def _check_distribution(cloud: Cloud, project: str, type_: str) -> None:
    described = cloud.store.of("monitoring").get(f"projects/{project}/metricDescriptors/{type_}")
    if described and described.get("valueType") != "DISTRIBUTION":
        message = f"A percentile is of distributions, and {type_} is {described.get('valueType')}. Choose another aligner."
        raise Refusal(400, "INVALID_ARGUMENT", message)


def _check_log_metric(cloud: Cloud, project: str, type_: str) -> None:
    if not cloud.store.of("logging").get(f"projects/{project}/metrics/{type_.removeprefix(entries.USER)}"):
        mend = "The policy was not written. Create the log-based metric first."
        raise Refusal(404, "NOT_FOUND", f'Cannot find metric that matches type = "{type_}". {mend}')


@on("monitoring", "projects.alertPolicies.patch", "projects.alertPolicies.delete")
async def change_policy(call: Call, cloud: Cloud) -> Json | Response:
    """What is open under the old conditions is closed."""
    result = await cloud.resources.default(call)
    cloud.alerts.retire(call.name, time.time())
    return result


@on("monitoring", "projects.notificationChannels.delete")
async def delete_channel(call: Call, cloud: Cloud) -> Json | Response:
    """A channel that a policy uses is kept, unless its deletion is forced: then the policies lose it."""
    kept = cloud.store.of("monitoring")
    users = [
        (name, row)
        for name, row in kept.items(kind="AlertPolicy")
        if call.name in map(cloud.projects.by_id, row.get("notificationChannels", []))
    ]
    if users and call.one("force").lower() != "true":
        message = f"Notification channel {call.name} is used by {users[0][0]}. It was not deleted. Take it out of the policy, or set force."
        raise Refusal(400, "FAILED_PRECONDITION", message)
    for name, row in users:
        others = [one for one in row["notificationChannels"] if cloud.projects.by_id(one) != call.name]
        kept.put(name, "AlertPolicy", {**row, "notificationChannels": others})
    return await cloud.resources.default(call)
