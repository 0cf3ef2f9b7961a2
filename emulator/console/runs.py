"""Pipeline runs: what ran, as a graph and step by step, when and for how long."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emulator.console.graph import drawn
from emulator.console.markup import Markup, duration, element, join, link, moment, seconds_between, section, state, table
from emulator.console.parts import NothingThere, last, log_of, properties

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

SUCCEEDED = {"SUCCEEDED", "SKIPPED"}
"""A skipped step was answered from the cache."""
NEVER_RAN = "NOT_TRIGGERED"


def view(cloud: Cloud, query: Mapping[str, str]) -> Markup:
    """All runs, newest first, or with `name` one of them."""
    if name := query.get("name"):
        return _run(cloud, name)
    return runs_table(cloud)


def runs_table(cloud: Cloud, limit: int = 200) -> Markup:
    """The newest runs."""
    jobs = sorted(cloud.store.of("aiplatform").list(kind="PipelineJob"), key=lambda job: str(job.get("createTime", "")), reverse=True)
    return table(
        ["Run", "State", "Steps", "Started", "Took", "Region"],
        [
            [
                link(job.get("displayName") or last(job["name"]), "/runs", name=job["name"]),
                state(job.get("state", "")),
                _progress(job),
                moment(job.get("startTime", "")),
                duration(seconds_between(job.get("startTime", ""), job.get("endTime", ""))),
                job["name"].split("/")[3],
            ]
            for job in jobs[:limit]
        ],
        "No pipeline has run yet. A PipelineJob that is submitted to this cloud appears here.",
    )


def _steps(job: Json) -> list[Json]:
    """The tasks of a run, each after its parent and with its depth, in order of their start.

    The one task that stands for the run itself is left out.
    """
    tasks: list[Json] = job.get("jobDetail", {}).get("taskDetails", [])
    known = {task["taskId"] for task in tasks}

    def below(parent: str, depth: int) -> Iterator[Json]:
        children = [task for task in tasks if parent == (task["parentTaskId"] if task.get("parentTaskId") in known else "")]
        for child in sorted(children, key=_begun):
            yield {**child, "depth": depth}
            yield from below(child["taskId"], depth + 1)

    steps = list(below("", 0))
    if sum(step["depth"] == 0 for step in steps) == 1 and len(steps) > 1:
        return [{**step, "depth": step["depth"] - 1} for step in steps[1:]]
    return steps


def _begun(task: Json) -> str:
    return str(task.get("startTime") or task.get("createTime") or "9")


def _progress(job: Json) -> str:
    steps = _steps(job)
    return f"{sum(step.get('state') in SUCCEEDED for step in steps)} of {len(steps)}" if steps else ""


def _run(cloud: Cloud, name: str) -> Markup:
    job = cloud.store.of("aiplatform").get(name)
    if job is None or ("pipelineSpec" not in job and "jobDetail" not in job):
        raise NothingThere(f"There is no pipeline run {name}.")
    parameters = job.get("runtimeConfig", {}).get("parameterValues", {})
    given = sorted((key, value if isinstance(value, str) else json.dumps(value)) for key, value in parameters.items())
    return join(
        [
            properties(
                {
                    "Run": job.get("displayName") or last(name),
                    "State": state(job.get("state", "")),
                    "Started": moment(job.get("startTime", "")),
                    "Took": duration(seconds_between(job.get("startTime", ""), job.get("endTime", ""))),
                    "Pipeline root": job.get("runtimeConfig", {}).get("gcsOutputDirectory"),
                    "Service account": job.get("serviceAccount"),
                    "Error": job.get("error", {}).get("message"),
                    "Resource": link(name, "/resources", service="aiplatform", name=name),
                }
            ),
            section("Graph", graph) if (graph := drawn(job)) else None,
            section("Steps", _steps_table(_steps(job))),
            section("Parameters", table(["Parameter", "Value"], given, "The run has no parameters.")),
            section("Log", log_of(cloud, name)),
        ]
    )


def _steps_table(steps: Sequence[Json]) -> Markup:
    ran = [step for step in steps if step.get("startTime") and step.get("state") != NEVER_RAN]
    first = min((step["startTime"] for step in ran), default="")
    whole = max(seconds_between(first, max((step["endTime"] for step in ran if step.get("endTime")), default=first)) or 0, 1e-3)
    rows = []
    for step in steps:
        begun, ended = (step.get("startTime", ""), step.get("endTime", "")) if step in ran else ("", "")
        took = seconds_between(begun, ended)
        name = element("span", step.get("taskName", ""), id=f"task-{step['taskId']}", style=f"padding-left: {step['depth'] * 1.25}rem")
        error = step.get("error", {}).get("message")
        rows.append(
            [
                join([name, element("div", error, class_="error") if error else None]),
                state(step.get("state", "")),
                moment(begun),
                duration(took),
                _bar(seconds_between(first, begun), took, whole),
            ]
        )
    return table(["Step", "State", "Started", "Took", "Timeline"], rows, "No step has started.")


def _bar(after: float | None, took: float | None, whole: float) -> Markup | None:
    """Where in the run's time the step ran."""
    if after is None or took is None:
        return None
    left = min(100 * after / whole, 99.5)
    width = min(max(100 * took / whole, 0.5), 100 - left)
    return element("div", element("i", style=f"margin-left: {left:.2f}%; width: {width:.2f}%"), class_="bar")
