"""Pipeline runs: what ran, as a graph and step by step, when and for how long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from emulator.console.cancel import cancel_button
from emulator.console.graph import drawn
from emulator.console.markup import Child, Markup, duration, element, join, link, moment, seconds_between, section, state, state_text, table
from emulator.console.parts import NothingThere, Query, last, linked, log_of, number, pages, pretty, properties
from emulator.console.previews import artifact

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

ROWS = 25
"""Runs on a page: each is read whole, and some are long."""
CACHED = "SKIPPED"
SUCCEEDED = {"SUCCEEDED", "SKIPPED"}
"""A skipped step was answered from the cache."""
NEVER_RAN = "NOT_TRIGGERED"


async def view(cloud: Cloud, query: Query) -> Markup:
    """All runs, newest first; with `name` one of them; with `task` one of its steps."""
    if name := query.get("name"):
        job = cloud.store.of("aiplatform").get(name)
        if job is None or ("pipelineSpec" not in job and "jobDetail" not in job):
            raise NothingThere(f"There is no pipeline run {name}.")
        return _task(cloud, job, query["task"]) if query.get("task") else _run(cloud, job)
    return runs_table(cloud, query)


def runs_table(cloud: Cloud, query: Query, size: int = ROWS) -> Markup:
    """A page of runs."""
    at = number(query)
    jobs = cloud.store.of("aiplatform").newest("PipelineJob", at * size, size + 1)
    rows: list[list[Child]] = [
        [
            join([link(job.get("displayName") or last(name), "/runs", name=name), element("div", last(name), class_="id")]),
            state(job.get("state", "")),
            _progress(job),
            moment(job.get("startTime") or job.get("createTime", "")),
            duration(seconds_between(job.get("startTime", ""), job.get("endTime", ""))),
        ]
        for name, job in jobs[:size]
    ]
    empty = "No pipeline has run yet. A PipelineJob that is submitted to this cloud appears here, as a graph while it runs."
    return join(
        [
            table(["Run", "State", "Steps", "Started", "Took"], rows, empty),
            pages("/runs", query, len(jobs) > size, len(rows), size) if size == ROWS else None,
        ]
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
    cached = sum(step.get("state") == CACHED for step in steps)
    said = f"{sum(step.get('state') in SUCCEEDED for step in steps)} of {len(steps)}" if steps else ""
    return f"{said}, {cached} from the cache" if cached else said


def _run(cloud: Cloud, job: Json) -> Markup:
    name = job["name"]
    parameters = job.get("runtimeConfig", {}).get("parameterValues", {})
    given: list[list[Child]] = [[key, linked(value)] for key, value in sorted(parameters.items())]
    context = f"{name.partition('/pipelineJobs/')[0]}/metadataStores/default/contexts/{last(name)}"
    return join(
        [
            properties(
                {
                    "Run": job.get("displayName") or last(name),
                    "State": state(job.get("state", "")),
                    "Steps": _progress(job),
                    "Started": moment(job.get("startTime", "")),
                    "Took": duration(seconds_between(job.get("startTime", ""), job.get("endTime", ""))),
                    "Pipeline root": linked(job.get("runtimeConfig", {}).get("gcsOutputDirectory")),
                    "Service account": job.get("serviceAccount"),
                    "Schedule": linked(job.get("scheduleName")),
                    "Error": error_of(job),
                    "Experiment": link(last(context), "/experiments", name=context) if cloud.store.of("aiplatform").get(context) else None,
                    "Resource": link(name, "/resources", service="aiplatform", name=name),
                }
            ),
            cancel_button("aiplatform", "PipelineJob", name, job),
            section("Graph", graph) if (graph := drawn(job)) else None,
            section("Steps", _steps_table(name, _steps(job))),
            section("Parameters", table(["Parameter", "Value"], given, "The run has no parameters.")),
            section("Log", log_of(cloud, name)),
        ]
    )


def error_of(resource: Json) -> Markup | None:
    """The error of a resource that failed."""
    error = resource.get("error")
    message = error.get("message") if isinstance(error, dict) else error
    return element("span", str(message), class_="error") if message else None


def _task(cloud: Cloud, job: Json, identifier: str) -> Markup:
    """One step: what went in, what came out, what it wrote, what it cost."""
    tasks = job.get("jobDetail", {}).get("taskDetails", [])
    task = next((one for one in tasks if one["taskId"] == identifier), None)
    if task is None:
        raise NothingThere(f"The run {last(job['name'])} has no step {identifier}.")
    metadata = task.get("execution", {}).get("metadata", {})

    def of(way: str) -> dict[str, Any]:
        return {key.partition(":")[2]: value for key, value in metadata.items() if key.startswith(f"{way}:")}

    usage = of("usage")
    return join(
        [
            properties(
                {
                    "Step": task.get("taskUniqueName") or task.get("taskName", ""),
                    "Run": link(job.get("displayName") or last(job["name"]), "/runs", name=job["name"]),
                    "State": state(task.get("state", "")),
                    "From the cache": "yes: it ran before with the same inputs, and was not run again"
                    if task.get("state") == CACHED
                    else None,
                    "Started": moment(task.get("startTime", "")),
                    "Took": duration(seconds_between(task.get("startTime", ""), task.get("endTime", ""))),
                    "CPU time": duration(usage.get("cpuSeconds")),
                    "Memory at most": f"{usage['peakMb']} MB" if "peakMb" in usage else None,
                    "Attempts": usage.get("attempts"),
                    "Error": error_of(task),
                }
            ),
            *(_values(cloud, title, of(way), task.get(f"{way}s", {})) for title, way in (("Inputs", "input"), ("Outputs", "output"))),
            section("States", _history(task)),
            section("Log", log_of(cloud, job["name"], f"[{task.get('taskUniqueName') or task.get('taskName', '')}] ")),
        ]
    )


def _values(cloud: Cloud, title: str, parameters: Json, artifacts: Json) -> Markup:
    """Parameters, then artifacts with what they hold."""
    given: list[list[Child]] = [[name, linked(value)] for name, value in sorted(parameters.items())]
    boxes = [_artifact(cloud, name, one) for name, found in sorted(artifacts.items()) for one in found.get("artifacts", [])]
    if not boxes:
        return section(title, table(["Parameter", "Value"], given, f"The step has no {title.lower()}."))
    return section(title, table(["Parameter", "Value"], given, "No parameters, artifacts alone.") if given else None, *boxes)


def _artifact(cloud: Cloud, name: str, one: Json) -> Markup:
    metadata = one.get("metadata")
    facts = properties(
        {
            "Artifact": link(name, "/lineage", name=one["name"]),
            "Type": one.get("schemaTitle"),
            "Address": linked(one.get("uri")),
            "Metadata": element("pre", pretty(metadata)) if metadata else None,
        }
    )
    content = element("details", element("summary", "Content"), artifact(cloud, one.get("uri", "")))
    return element("div", facts, content, class_="artifact")


def _history(task: Json) -> Markup:
    rows: list[list[Child]] = [
        [state_text(one.get("state", "")), moment(one.get("updateTime", ""))] for one in task.get("pipelineTaskStatus", [])
    ]
    return table(["State", "Entered"], rows, "The step has not begun.")


def _steps_table(run: str, steps: Sequence[Json]) -> Markup:
    ran = [step for step in steps if step.get("startTime") and step.get("state") != NEVER_RAN]
    first = min((step["startTime"] for step in ran), default="")
    whole = max(seconds_between(first, max((step["endTime"] for step in ran if step.get("endTime")), default=first)) or 0, 1e-3)
    rows = []
    for step in steps:
        begun, ended = (step.get("startTime", ""), step.get("endTime", "")) if step in ran else ("", "")
        took = seconds_between(begun, ended)
        named = link(step.get("taskName", ""), "/runs", name=run, task=step["taskId"])
        name = element("span", named, id=f"task-{step['taskId']}", style=f"padding-left: {step['depth'] * 1.25}rem")
        error = step.get("error", {}).get("message")
        rows.append(
            [
                join([name, element("div", error, class_="error") if error else None]),
                _reached(step),
                moment(begun),
                duration(took),
                _bar(seconds_between(first, begun), took, whole),
            ]
        )
    return table(["Step", "State", "Started", "Took", "Timeline"], rows, "No step has started.")


def _reached(step: Json) -> Child:
    """The state; that of a step which was answered from the cache in those words."""
    return element("span", "cached", class_="state good") if step.get("state") == CACHED else state(step.get("state", ""))


def _bar(after: float | None, took: float | None, whole: float) -> Markup | None:
    """Where in the run's time the step ran."""
    if after is None or took is None:
        return None
    left = min(100 * after / whole, 99.5)
    width = min(max(100 * took / whole, 0.5), 100 - left)
    return element("div", element("i", style=f"margin-left: {left:.2f}%; width: {width:.2f}%"), class_="bar")
