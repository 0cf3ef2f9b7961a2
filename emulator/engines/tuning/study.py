"""A study: which points are tried, in which order, and which measure of a trial counts.

https://cloud.google.com/vertex-ai/docs/training/hyperparameter-tuning-overview
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any

from emulator.behaviours import Refusal, not_emulated
from emulator.engines.tuning import bayesian, space
from emulator.engines.tuning.reports import Report
from emulator.engines.tuning.space import Parameter, Point

Json = dict[str, Any]

REFUSED = (
    "decayCurveStoppingSpec",
    "medianAutomatedStoppingSpec",
    "convexAutomatedStoppingSpec",
    "studyStoppingConfig",
    "observationNoise",
)
"""Trials run to their end here; the last two are Vizier's alone."""


@dataclass(frozen=True)
class Study:
    """A StudySpec that was found right."""

    parameters: Sequence[Parameter]
    goals: dict[str, int]
    """Metric → 1 where more of it is better, else -1; the first decides where one must."""
    algorithm: str
    selection: str
    seed: str

    @classmethod
    def read(cls, spec: Json, seed: str) -> Study:
        """Reads a StudySpec.

        Args:
            spec: As it was sent, in the form of its schema.
            seed: What random draws depend on: a study of the same seed draws the same.

        Raises:
            Refusal: It contradicts itself, or asks for what is not emulated.
        """
        if asked := [key for key in REFUSED if key in spec]:
            raise not_emulated(f"studySpec.{asked[0]}")
        goals: dict[str, int] = {}
        for metric in spec["metrics"]:
            name, goal = metric["metricId"], metric.get("goal", "GOAL_TYPE_UNSPECIFIED")
            if "safetyConfig" in metric:
                raise not_emulated("studySpec.metrics.safetyConfig")
            if not name or any(letter.isspace() for letter in name) or name in goals or goal == "GOAL_TYPE_UNSPECIFIED":
                problem = f"The metric {name!r} needs a name of its own without spaces, and the goal MAXIMIZE or MINIMIZE."
                raise Refusal(400, "INVALID_ARGUMENT", f"{problem} Nothing was tried.")
            goals[name] = 1 if goal == "MAXIMIZE" else -1
        if not goals:
            raise Refusal(400, "INVALID_ARGUMENT", "The study has no metrics, so no trial would be better than another. Name one.")
        study = cls(space.read(spec["parameters"]), goals, spec.get("algorithm", ""), spec.get("measurementSelectionType", ""), seed)
        if study.algorithm == "GRID_SEARCH" and any(_has_double(parameter) for parameter in study.parameters):
            raise Refusal(
                400, "INVALID_ARGUMENT", "A grid has no DOUBLE parameters. Nothing was tried. List their values as DISCRETE ones."
            )
        return study

    def suggest(self, number: int, trials: list[Json]) -> Point | None:
        """The point of the trial `number`, counted from 1; none where a grid is exhausted."""
        random = Random(f"{self.seed}/{number}")
        if self.algorithm == "GRID_SEARCH":
            return next(islice(space.grid(self.parameters), number - 1, None), None)
        if self.algorithm == "RANDOM_SEARCH":
            return space.walk(self.parameters, lambda parameter: parameter.draw(random))
        pending = [point_of(trial) for trial in trials if trial["state"] == "ACTIVE"]
        return bayesian.suggest(self.parameters, self._measured(trials, random), pending, random)

    def _measured(self, trials: list[Json], random: Random) -> list[tuple[Point, float]]:
        """Points with one number each: of several metrics the worst, weighted anew for each trial, which spreads them along the front.

        Knowles 2006, ParEGO. What could not be measured is as bad as the worst.
        """
        done = [trial for trial in trials if "finalMeasurement" in trial]
        columns = [[goal * measure_of(trial, metric) for trial in done] for metric, goal in self.goals.items()]
        if len(columns) > 1:
            weights = [random.random() for _ in columns]
            shares = [[weight * share for share in _shares(column)] for weight, column in zip(weights, columns, strict=True)]
            measures = [min(row) for row in zip(*shares, strict=True)]
        else:
            (measures,) = columns
        failed = [trial for trial in trials if trial["state"] == "INFEASIBLE"]
        return [(point_of(trial), measure) for trial, measure in zip(done, measures, strict=True)] + [
            (point_of(trial), min(measures)) for trial in failed if measures
        ]

    def final(self, reports: list[Report]) -> Report:
        """The report that a trial is measured by: its last one, or the best where the study says so."""
        if self.selection == "BEST_MEASUREMENT":
            metric, goal = next(iter(self.goals.items()))
            return max(reports, key=lambda report: goal * report.values[metric])
        return reports[-1]

    def best(self, trials: list[Json]) -> Json:
        """The trial that succeeded with the best value of the first metric."""
        metric, goal = next(iter(self.goals.items()))
        return max((trial for trial in trials if "finalMeasurement" in trial), key=lambda trial: goal * measure_of(trial, metric))


def point_of(trial: Json) -> Point:
    """The parameters of a trial."""
    return {one["parameterId"]: one["value"] for one in trial["parameters"]}


def measure_of(trial: Json, metric: str) -> float:
    """What a trial measured at last."""
    return next(float(one["value"]) for one in trial["finalMeasurement"]["metrics"] if one["metricId"] == metric)


def _shares(column: list[float]) -> list[float]:
    """Values as shares of their range, -1 the worst and 0 the best."""
    best, width = max(column, default=0.0), max(column, default=0.0) - min(column, default=0.0)
    return [(value - best) / (width or 1.0) for value in column]


def _has_double(parameter: Parameter) -> bool:
    return parameter.kind == "double" or any(_has_double(child) for _, child in parameter.children)
