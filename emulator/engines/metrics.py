"""Time series: written point by point, kept for six weeks, aligned and reduced as Cloud Monitoring does.

https://cloud.google.com/monitoring/api/v3/aggregation
"""

from __future__ import annotations

import bisect
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any

from emulator import filters
from emulator.behaviours import Refusal, not_emulated

if TYPE_CHECKING:
    from emulator.store import Store

Json = dict[str, Any]

SERIES, POINTS = "time-series", "time-series-points"
RETENTION_SECONDS = 42 * 86_400.0
BUCKET_SECONDS = 60.0
"""Events that the cloud counts itself are summed into one point a minute."""
FOREVER = 1e12
DEFAULT_PERIOD = "60s"
SINGULAR = re.compile(r"\b(metric|resource|metadata)\.label\.")


@dataclass(frozen=True)
class Series:
    """One time series, or one that was computed from several."""

    header: Json
    """`metric`, `resource`, `metricKind`, `valueType`."""
    points: Sequence[tuple[float, Json]]
    """End in seconds since the epoch, and the point as the API writes it; oldest first."""


class Metrics:
    """The time series of all projects."""

    def __init__(self, store: Store) -> None:
        self._series, self._points = store.of(SERIES), store.of(POINTS)

    def append(self, project: str, header: Json, point: Json) -> None:
        """Adds a point to the series that `header` describes.

        Raises:
            Refusal: The series has a point that is as late or later.
        """
        name, end = _name(project, header), instant(point["interval"]["endTime"])
        kept = self._series.get(name)
        if kept is not None and end <= kept["last"]:
            message = (
                "Points must be written in order. One or more of the points specified had an older end time than the most recent point "
                f"({moment(kept['last'])})."
            )
            raise Refusal(400, "INVALID_ARGUMENT", message)
        self._write(name, header, end, end, point)

    def count(self, project: str, header: Json, at: float) -> None:
        """Counts one event, into the point of the present minute."""
        name, begun = _name(project, header), at - at % BUCKET_SECONDS
        before = self._points.get(_key(name, begun))
        total = int(before["value"]["int64Value"]) + 1 if before else 1
        point = {"interval": {"startTime": moment(begun), "endTime": moment(at)}, "value": {"int64Value": str(total)}}
        self._write(name, header, begun, at, point)

    def measure(self, project: str, header: Json, at: float, value: float) -> None:
        """Adds one value to the distribution of the present minute."""
        name, begun = _name(project, header), at - at % BUCKET_SECONDS
        before = self._points.get(_key(name, begun))
        counts = (
            [int(count) for count in before["value"]["distributionValue"]["bucketCounts"]]
            if before
            else [0] * (BUCKETS["numFiniteBuckets"] + 2)
        )
        counts[bisect.bisect_right(_bounds(BUCKETS), value)] += 1
        found: Json = before["value"]["distributionValue"] if before else {"count": "0", "mean": 0.0}
        total = int(found["count"]) + 1
        mean = found["mean"] + (value - found["mean"]) / total
        distribution = {
            "count": str(total),
            "mean": mean,
            "bucketOptions": {"exponentialBuckets": BUCKETS},
            "bucketCounts": [str(count) for count in counts],
        }
        point = {"interval": {"startTime": moment(begun), "endTime": moment(at)}, "value": {"distributionValue": distribution}}
        self._write(name, header, begun, at, point)

    def select(self, project: str, text: str, after: float, until: float = FOREVER) -> list[Series]:
        """The series of a project that a filter lets through, with the points whose ends lie in `(after, until]`.

        Raises:
            Refusal: The filter uses what is not emulated.
        """
        named = [(name, row["series"]) for name, row in self._series.items(f"{project}/timeSeries")]
        found = filters.select([{**header, "_name": name} for name, header in named], SINGULAR.sub(r"\1.labels.", text))
        result = []
        for row in found:
            name = row.pop("_name")
            rows = self._points.between(_key(name, max(0.0, after - BUCKET_SECONDS)), _key(name, until + 1))
            ended = [(instant(point["interval"]["endTime"]), point) for _, point in rows]
            result.append(Series(row, [(end, point) for end, point in ended if after < end <= until]))
        return result

    def forget(self, project: str, metric_type: str) -> None:
        """Removes all series of a metric."""
        for name, row in self._series.items(f"{project}/timeSeries"):
            if row["series"]["metric"]["type"] == metric_type:
                self._points.delete(name)
                self._series.remove(name)

    def _write(self, name: str, header: Json, key: float, end: float, point: Json) -> None:
        self._series.put(name, "TimeSeries", {"series": header, "last": end})
        self._points.put(_key(name, key), "Point", point)
        self._points.remove_between(f"{name}/", _key(name, max(0.0, end - RETENTION_SECONDS)))


def _name(project: str, header: Json) -> str:
    identity = json.dumps([header["metric"], header["resource"]], sort_keys=True)
    return f"{project}/timeSeries/{hashlib.sha256(identity.encode()).hexdigest()[:24]}"


def _key(name: str, at: float) -> str:
    return f"{name}/{round(at * 1e6):019d}"


def instant(stamp: str) -> float:
    """Seconds since the epoch.

    Raises:
        Refusal: It is no time.
    """
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except (ValueError, OverflowError):
        raise Refusal(400, "INVALID_ARGUMENT", f"{stamp[:80]!r} is no time. Write it as 2026-11-25T09:00:00Z.") from None


def moment(at: float) -> str:
    """The reverse of `instant`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds(duration: str) -> float:
    """`300s` → 300."""
    return float(duration.rstrip("s") or 0)


def value_of(point: Json) -> float:
    """A point's number; a Boolean counts as 0 or 1.

    Raises:
        Refusal: It is text or a distribution.
    """
    value: Json = point.get("value", {})
    for kind in ("doubleValue", "int64Value", "boolValue"):
        if kind in value:
            return float(value[kind])
    raise not_emulated(f"Aggregation of points with {', '.join(value) or 'no value'}")


# Aggregation

Values = Sequence[float]

ALIGNERS: dict[str, tuple[Callable[[Values, float], float], str, frozenset[str]]] = {
    "ALIGN_MIN": (lambda values, _: min(values), "", frozenset({"GAUGE"})),
    "ALIGN_MAX": (lambda values, _: max(values), "", frozenset({"GAUGE"})),
    "ALIGN_MEAN": (lambda values, _: fmean(values), "DOUBLE", frozenset({"GAUGE"})),
    "ALIGN_STDDEV": (lambda values, _: pstdev(values), "DOUBLE", frozenset({"GAUGE"})),
    "ALIGN_NEXT_OLDER": (lambda values, _: values[-1], "", frozenset({"GAUGE"})),
    "ALIGN_COUNT": (lambda values, _: float(len(values)), "INT64", frozenset({"GAUGE", "DELTA"})),
    "ALIGN_SUM": (lambda values, _: math.fsum(values), "", frozenset({"GAUGE", "DELTA"})),
    "ALIGN_DELTA": (lambda values, _: math.fsum(values), "", frozenset({"DELTA"})),
    "ALIGN_RATE": (lambda values, period: math.fsum(values) / period, "DOUBLE", frozenset({"DELTA"})),
    "ALIGN_COUNT_TRUE": (lambda values, _: math.fsum(values), "INT64", frozenset({"GAUGE"})),
    "ALIGN_FRACTION_TRUE": (lambda values, _: fmean(values), "DOUBLE", frozenset({"GAUGE"})),
}
"""Aligner → value of a period (its values oldest first, its length in seconds), type of the result (empty: as before), kinds it is for."""
PERCENTILES = {"ALIGN_PERCENTILE_99": 0.99, "ALIGN_PERCENTILE_95": 0.95, "ALIGN_PERCENTILE_50": 0.5, "ALIGN_PERCENTILE_05": 0.05}
"""Aligner of distributions → the share of values that lie below its result."""
BUCKETS: Json = {"numFiniteBuckets": 64, "growthFactor": 1.2, "scale": 1.0}
"""Of the distributions that the cloud measures itself: 1 to about 117,000 milliseconds, each bucket a fifth wider than the one before."""
REDUCERS: dict[str, tuple[Callable[[Values], float], str]] = {
    "REDUCE_MIN": (min, ""),
    "REDUCE_MAX": (max, ""),
    "REDUCE_SUM": (math.fsum, ""),
    "REDUCE_MEAN": (fmean, "DOUBLE"),
    "REDUCE_STDDEV": (pstdev, "DOUBLE"),
    "REDUCE_COUNT": (lambda values: float(len(values)), "INT64"),
}
"""Reducer → value across series, type of the result."""


def check_aggregation(aggregation: Json) -> None:
    """Refuses what `aggregated` cannot do.

    Raises:
        Refusal: Unknown aligner or reducer, one that needs the other, or too short a period.
    """
    aligner, reducer = _named(aggregation)
    if (aligner and aligner not in ALIGNERS and aligner not in PERCENTILES) or (reducer and reducer not in REDUCERS):
        raise not_emulated(f"Aggregation by {aligner or 'no aligner'} and {reducer or 'no reducer'}")
    if reducer and not aligner:
        raise Refusal(
            400, "INVALID_ARGUMENT", f"The reducer {reducer} needs series that are aligned: set perSeriesAligner and alignmentPeriod."
        )
    if aligner and seconds(aggregation.get("alignmentPeriod") or DEFAULT_PERIOD) < BUCKET_SECONDS:
        raise Refusal(400, "INVALID_ARGUMENT", "The alignmentPeriod is shorter than 60 s. Give at least 60s.")


def aggregated(found: Iterable[Series], aggregation: Json, after: float, until: float) -> list[Series]:
    """Series after alignment to periods that end at `until` and reduction across series.

    Args:
        found: Series with their points in `(after, until]`.
        aggregation: As in the API: aligner, period, reducer, fields to group by.
        after: Where the first period may start.
        until: Where the last period ends.

    Raises:
        Refusal: The aligner is not for the series' kind of metric.
    """
    check_aggregation(aggregation)
    aligner, reducer = _named(aggregation)
    if not aligner:
        return list(found)
    period = seconds(aggregation.get("alignmentPeriod") or DEFAULT_PERIOD)
    aligned = [one for series in found if (one := _aligned(series, aligner, period, after, until)).points]
    return _reduced(aligned, reducer, aggregation.get("groupByFields", [])) if reducer else aligned


def _named(aggregation: Json) -> tuple[str, str]:
    aligner, reducer = aggregation.get("perSeriesAligner", ""), aggregation.get("crossSeriesReducer", "")
    return "" if aligner == "ALIGN_NONE" else aligner, "" if reducer == "REDUCE_NONE" else reducer


def _aligned(series: Series, aligner: str, period: float, after: float, until: float) -> Series:
    if aligner in PERCENTILES:
        return _percentiles(series, PERCENTILES[aligner], period, after, until)
    compute, kind, fitting = ALIGNERS[aligner]
    if series.header["metricKind"] not in fitting:
        message = (
            f"{aligner} is for metrics of the kinds {', '.join(sorted(fitting))}, and {series.header['metric']['type']} "
            f"is {series.header['metricKind']}. Nothing was computed. Choose another aligner."
        )
        raise Refusal(400, "INVALID_ARGUMENT", message)
    periods: dict[int, list[float]] = {}
    for end, point in series.points:
        periods.setdefault(int((until - end) // period), []).append(value_of(point))
    header = {**series.header, "metricKind": "GAUGE", "valueType": kind or series.header["valueType"]}
    points = [
        _point(header, until - back * period, compute(values, period))
        for back, values in sorted(periods.items(), reverse=True)
        if until - (back + 1) * period >= after - period
    ]
    return Series(header, points)


def _percentiles(series: Series, share: float, period: float, after: float, until: float) -> Series:
    """The value below which `share` of a period's values lie, by the buckets of its distributions."""
    if series.header["valueType"] != "DISTRIBUTION":
        what = f"{series.header['metric']['type']} is {series.header['valueType']}"
        raise Refusal(400, "INVALID_ARGUMENT", f"A percentile is of distributions, and {what}. Choose another aligner.")
    periods: dict[int, list[Json]] = {}
    for end, point in series.points:
        periods.setdefault(int((until - end) // period), []).append(point["value"]["distributionValue"])
    header = {**series.header, "metricKind": "GAUGE", "valueType": "DOUBLE"}
    points = [
        _point(header, until - back * period, _percentile(found, share))
        for back, found in sorted(periods.items(), reverse=True)
        if until - (back + 1) * period >= after - period
    ]
    return Series(header, points)


def _percentile(found: Sequence[Json], share: float) -> float:
    """As Cloud Monitoring estimates it: values lie evenly in their bucket."""
    bounds = _bounds(found[0]["bucketOptions"].get("exponentialBuckets", {}))
    if not bounds or any(one["bucketOptions"] != found[0]["bucketOptions"] for one in found):
        raise not_emulated("A percentile of distributions whose buckets differ or are not exponential")
    counts = [sum(int(one["bucketCounts"][at]) for one in found) for at in range(len(bounds) + 1)]
    wanted, seen = share * sum(counts), 0.0
    for at, count in enumerate(counts):
        if count and seen + count >= wanted:
            low, high = bounds[at - 1] if at else 0.0, bounds[min(at, len(bounds) - 1)]
            return low + (high - low) * (wanted - seen) / count
        seen += count
    return bounds[-1]


def _bounds(buckets: Json) -> list[float]:
    """Where one exponential bucket ends and the next begins."""
    if not buckets:
        return []
    return [buckets["scale"] * buckets["growthFactor"] ** at for at in range(int(buckets["numFiniteBuckets"]) + 1)]


def _reduced(found: Sequence[Series], reducer: str, fields: Sequence[str]) -> list[Series]:
    compute, kind = REDUCERS[reducer]
    groups: dict[str, list[Series]] = {}
    for series in found:
        groups.setdefault(json.dumps(_grouped(series.header, fields), sort_keys=True), []).append(series)
    result = []
    for key, members in groups.items():
        kept = json.loads(key)
        header = {**members[0].header, **kept, "valueType": kind or members[0].header["valueType"]}
        ends: dict[float, list[float]] = {}
        for series in members:
            for end, point in series.points:
                ends.setdefault(end, []).append(value_of(point))
        result.append(Series(header, [_point(header, end, compute(values)) for end, values in sorted(ends.items())]))
    return result


def _grouped(header: Json, fields: Sequence[str]) -> Json:
    """Metric and resource of a group: the types, and those labels that are grouped by."""
    wanted = {SINGULAR.sub(r"\1.labels.", field) for field in fields}
    return {
        part: {
            "type": header[part]["type"],
            "labels": {key: value for key, value in header[part].get("labels", {}).items() if f"{part}.labels.{key}" in wanted},
        }
        for part in ("metric", "resource")
    }


def _point(header: Json, end: float, value: float) -> tuple[float, Json]:
    written: Json = {"doubleValue": value}
    if header["valueType"] == "INT64":
        written = {"int64Value": str(round(value))}
    elif header["valueType"] == "BOOL":
        written = {"boolValue": bool(value)}
    return end, {"interval": {"startTime": moment(end), "endTime": moment(end)}, "value": written}
