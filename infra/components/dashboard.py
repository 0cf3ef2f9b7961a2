"""A page of charts in Cloud Monitoring."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cdktf_cdktf_provider_google.monitoring_dashboard import MonitoringDashboard
from constructs import Construct

from infra.components.series import Series

COLUMNS, WIDTH, HEIGHT = 48, 24, 16


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Lines over time, and the line that none of them should cross."""

    title: str
    series: Sequence[Series]
    threshold: float | None = None


@dataclass(frozen=True, kw_only=True)
class DashboardProps:
    """A page and its charts, in reading order, two in a row."""

    name: str
    """Display name."""
    charts: Sequence[Chart]


class Dashboard(Construct):
    """Creates one dashboard.

    Deliberately takes its series from whoever declares the alerts, so that people see what the alerts saw. What somebody changes by
    hand is set back by the next apply; a dashboard of one's own is a copy.
    """

    def __init__(self, scope: Construct, id: str, props: DashboardProps) -> None:
        super().__init__(scope, id)
        tiles = [{**place(number), "widget": widget(chart)} for number, chart in enumerate(props.charts)]
        page = {"displayName": props.name, "mosaicLayout": {"columns": COLUMNS, "tiles": tiles}}
        MonitoringDashboard(self, "dashboard", dashboard_json=json.dumps(page, sort_keys=True))


def place(number: int) -> dict[str, int]:
    """Where a chart stands; Google leaves out a zero, and so do we."""
    row, column = divmod(number, COLUMNS // WIDTH)
    position = {"xPos": column * WIDTH, "yPos": row * HEIGHT}
    return {**{key: value for key, value in position.items() if value}, "width": WIDTH, "height": HEIGHT}


def widget(chart: Chart) -> dict[str, Any]:
    """The chart as the Dashboards API takes it."""
    drawn: dict[str, Any] = {"dataSets": [data_set(series) for series in chart.series]}
    if chart.threshold is not None:
        drawn["thresholds"] = [{"value": chart.threshold}]
    return {"title": chart.title, "xyChart": drawn}


def data_set(series: Series) -> dict[str, Any]:
    """Series as one line each."""
    aggregation: dict[str, Any] = {"alignmentPeriod": series.period, "perSeriesAligner": series.aligner}
    if series.reducer:
        aggregation |= {"crossSeriesReducer": series.reducer, "groupByFields": list(series.group_by)}
    return {"plotType": "LINE", "timeSeriesQuery": {"timeSeriesFilter": {"filter": series.filter, "aggregation": aggregation}}}
