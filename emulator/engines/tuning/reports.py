"""What a trial reported: the file that `cloudml-hypertune` writes, one JSON object a line.

https://github.com/GoogleCloudPlatform/cloudml-hypertune: `{"timestamp": 1.7e9, "trial": "1", METRIC: "0.5", "global_step": "3",
"checkpoint_path": ""}`; the library writes the last hundred reports anew at each report, so that a reader may find a line cut off.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from emulator.engines.replicas import METRICS

LARGEST_BYTES = 1 << 20


@dataclass(frozen=True)
class Report:
    """All metrics of the study, as they stood at one report."""

    step: int
    seconds: float
    """Since the epoch."""
    values: dict[str, float]


def read(folder: Path, metrics: list[str]) -> list[Report]:
    """The reports of a trial's replicas in their order, from the first at which every metric has a value.

    Args:
        folder: Holds a folder for each replica.
        metrics: Ids of the study's metrics; others are not looked at.
    """
    lines = []
    for path in sorted(folder.glob(f"*/{METRICS}")):
        with path.open("rb") as file:
            lines += file.read(LARGEST_BYTES).decode(errors="replace").splitlines()
    found = [report for line in lines if (report := _read(line, metrics)) is not None]
    values: dict[str, float] = {}
    reports = []
    for report in sorted(found, key=lambda one: one.seconds):
        values = {**values, **report.values}
        if len(values) == len(metrics):
            reports.append(Report(report.step, report.seconds, values))
    return reports


def _read(line: str, metrics: list[str]) -> Report | None:
    """The report of a line; none where it is no report of these metrics, or a value is no number."""
    try:
        given = json.loads(line)
        values = {metric: float(given[metric]) for metric in metrics if metric in given}
        report = Report(int(float(given.get("global_step") or 0)), float(given.get("timestamp") or 0), values)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    numbers = [report.seconds, *values.values()]
    return report if values and all(math.isfinite(number) for number in numbers) else None
