"""Jobs of every kind, each by what its resource says: custom, tuning, training, batch prediction, schedules, builds, Dataflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.console.cancel import cancel_button
from emulator.console.curves import chart
from emulator.console.markup import Child, Markup, duration, element, join, link, moment, seconds_between, section, state, table
from emulator.console.parts import PAGE, NothingThere, Query, code, figure, last, linked, log_of, number, pages, properties, scalars, tags
from emulator.console.runs import error_of

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

RECENT = 10
KINDS = {
    ("aiplatform", "CustomJob"): "Custom jobs",
    ("aiplatform", "HyperparameterTuningJob"): "Hyperparameter tuning",
    ("aiplatform", "TrainingPipeline"): "Training pipelines",
    ("aiplatform", "BatchPredictionJob"): "Batch prediction",
    ("aiplatform", "TuningJob"): "Model tuning",
    ("aiplatform", "Schedule"): "Schedules",
    ("cloudbuild", "Build"): "Builds",
    ("dataflow", "Job"): "Dataflow",
}
KNOWN = (
    "name",
    "displayName",
    "state",
    "createTime",
    "startTime",
    "endTime",
    "updateTime",
    "etag",
    "error",
    "labels",
    "id",
    "currentState",
)
HEADS = ["Job", "State", "Progress", "Started", "Took"]


async def view(cloud: Cloud, query: Query) -> Markup:
    """The newest of each kind; with `kind` all of one; with `name` one job."""
    if name := query.get("name"):
        return _job(cloud, query.get("service") or "aiplatform", name)
    chosen = [pair for pair in KINDS if query.get("kind") == pair[1] and query.get("service", pair[0]) == pair[0]]
    if chosen:
        service, kind = chosen[0]
        at = number(query)
        found = cloud.store.of(service).newest(kind, at * PAGE, PAGE + 1)
        rows = [_row(service, name, one) for name, one in found[:PAGE]]
        return section(KINDS[chosen[0]], table(HEADS, rows, "There is none."), pages("/jobs", query, len(found) > PAGE, len(rows)))
    shown = []
    for (service, kind), title in KINDS.items():
        if found := cloud.store.of(service).newest(kind, 0, RECENT + 1):
            more = element("p", link(f"All of {title.lower()}", "/jobs", service=service, kind=kind)) if len(found) > RECENT else None
            shown.append(section(title, table(HEADS, [_row(service, name, one) for name, one in found[:RECENT]], ""), more))
    empty = "No job has been started. A CustomJob, a tuning job, a batch prediction or a build appears here when a client makes one."
    return join(shown) if shown else element("p", empty, class_="empty")


def _row(service: str, name: str, one: Json) -> list[Child]:
    begun, ended = _times(one)
    error = error_of(one)
    return [
        join(
            [
                link(one.get("displayName") or last(name), "/jobs", name=name, service="" if service == "aiplatform" else service),
                element("div", error) if error else None,
            ]
        ),
        state(reached(one)),
        progress(one),
        moment(begun or one.get("createTime", "")),
        duration(seconds_between(begun, ended)),
    ]


def reached(one: Json) -> str:
    """The state of a job, whatever its API calls it."""
    return str(one.get("state") or one.get("status") or one.get("currentState") or "")


def _times(one: Json) -> tuple[str, str]:
    return str(one.get("startTime", "")), str(one.get("endTime") or one.get("finishTime") or "")


def progress(one: Json) -> Child:
    """How far a job is, in the words of its kind."""
    if trials := one.get("trials"):
        ended = sum(trial.get("state") in ("SUCCEEDED", "FAILED", "INFEASIBLE", "STOPPED") for trial in trials)
        return f"{ended} of {one.get('maxTrialCount', len(trials))} trials"
    if counted := one.get("completionStats"):
        said = [
            f"{counted[key]} {word}"
            for key, word in (("successfulCount", "answered"), ("failedCount", "failed"), ("incompleteCount", "left"))
            if int(counted.get(key) or 0) > 0
        ]
        return ", ".join(said) or "none answered"
    if one.get("cron"):
        return join(["next ", moment(one.get("nextRunTime", ""))]) if one.get("nextRunTime") else one["cron"]
    if steps := one.get("steps"):
        return f"{len(steps)} steps"
    return None


def _job(cloud: Cloud, service: str, name: str) -> Markup:
    one = cloud.store.of(service).get(name) if any(service == known for known, _ in KINDS) else None
    if one is None:
        raise NothingThere(f"There is no job {name}.")
    kind = next((kind for known, kind in KINDS if known == service and f"/{kind[0].lower()}{kind[1:]}s/" in name), "")
    begun, ended = _times(one)
    facts = {
        "Job": one.get("displayName") or last(name),
        "State": state(reached(one)),
        "Progress": progress(one),
        "Created": moment(str(one.get("createTime", ""))),
        "Started": moment(begun),
        "Ended": moment(ended),
        "Took": duration(seconds_between(begun, ended)),
        "Error": error_of(one),
        "Labels": tags([f"{key}: {value}" for key, value in (one.get("labels") or {}).items()]) or None,
        **scalars(one, KNOWN),
        **_made(one),
        "Resource": link(name, "/resources", service=service, name=name),
    }
    return join(
        [
            properties(facts),
            cancel_button(service, kind, name, one),
            _trials(one),
            section("Log", log_of(cloud, name)),
            *(section(title, code(one[key])) for key, title in PARTS.items() if one.get(key)),
        ]
    )


PARTS = {
    "jobSpec": "Job",
    "trialJobSpec": "Job of a trial",
    "studySpec": "Study",
    "inputConfig": "Input",
    "outputConfig": "Output",
    "outputInfo": "Output information",
    "inputDataConfig": "Input data",
    "trainingTaskInputs": "Inputs of the training task",
    "trainingTaskMetadata": "What the training task says",
    "modelToUpload": "Model to upload",
    "supervisedTuningSpec": "Tuning",
    "tuningDataStats": "Data of the tuning",
    "tunedModel": "Tuned model",
    "completionStats": "Completion",
    "partialFailures": "Failures of instances",
    "resourcesConsumed": "Resources consumed",
    "createPipelineJobRequest": "What it starts",
    "lastScheduledRunResponse": "Last run",
    "results": "Results",
}
"""Parts of a job that are shown as they are kept."""


def _made(one: Json) -> dict[str, Child]:
    """Links to what a job wrote or made."""
    output, tuned, model = (one.get(key) or {} for key in ("outputInfo", "tunedModel", "modelToUpload"))
    table_ = f"{output['bigqueryOutputDataset']}.{output.get('bigqueryOutputTable', '')}" if output.get("bigqueryOutputDataset") else None
    made = {
        "Output": output.get("gcsOutputDirectory") or table_,
        "Tuned model": tuned.get("model"),
        "Endpoint": tuned.get("endpoint"),
        "Uploaded model": model.get("name"),
    }
    return {name: linked(value) for name, value in made.items() if value}


def _trials(one: Json) -> Markup | None:
    """The trials of a study: what each tried, what it reached, and the metric from trial to trial."""
    trials: list[Json] = one.get("trials") or []
    if not trials:
        return None
    parameters = list(dict.fromkeys(given["parameterId"] for trial in trials for given in trial.get("parameters", [])))
    metrics = list(dict.fromkeys(given["metricId"] for trial in trials for given in trial.get("finalMeasurement", {}).get("metrics", [])))
    rows: list[list[Child]] = []
    for trial in trials:
        given = {parameter["parameterId"]: parameter.get("value") for parameter in trial.get("parameters", [])}
        found = _measured(trial)
        times = seconds_between(trial.get("startTime", ""), trial.get("endTime", ""))
        rows.append(
            [
                link(trial.get("id", ""), "/jobs", name=trial["customJob"]) if trial.get("customJob") else trial.get("id", ""),
                state("RUNNING" if trial.get("state") == "ACTIVE" else trial.get("state", "")),
                *(figure(given.get(key)) for key in parameters),
                *(figure(found.get(key)) for key in metrics),
                duration(times),
            ]
        )
    curves = [
        chart(
            f"{metric} by trial",
            {metric: [(at + 1.0, float(found[metric])) for at, trial in enumerate(trials) if metric in (found := _measured(trial))]},
            "trial",
        )
        for metric in metrics
    ]
    return section("Trials", table(["Trial", "State", *parameters, *metrics, "Took"], rows, ""), *curves)


def _measured(trial: Json) -> dict[str, float]:
    return {one["metricId"]: one.get("value", 0.0) for one in trial.get("finalMeasurement", {}).get("metrics", [])}
