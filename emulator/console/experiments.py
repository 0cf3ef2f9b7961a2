"""Experiments: runs side by side with their parameters and metrics, and the curves that they logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.behaviours.tensorboards import SERIES
from emulator.console.curves import chart
from emulator.console.markup import Child, Markup, element, join, link, moment, section, state, table
from emulator.console.parts import PAGE, NothingThere, Query, figure, last, linked, number, pages, properties, resource_link
from emulator.engines.metadata import Metadata

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

CONTEXTS = 1000
"""So many of the newest contexts are looked through for the runs of an experiment."""
MEMBERS = 60
"""Executions and artifacts of one run that are read."""
RUNS = 25
"""Runs on a page."""
SERIES_READ = 200
"""Time series of one experiment that are drawn."""
EXPERIMENTS = {"system.Experiment", "system.Pipeline"}
LONG = 60
"""Letters of a value in the table of runs."""


async def view(cloud: Cloud, query: Query) -> Markup:
    """All experiments, or with `name` one: a context of ML Metadata, or an experiment of TensorBoard."""
    if name := query.get("name"):
        one = cloud.store.of("aiplatform").get(name)
        if one is None or ("/contexts/" not in name and "/experiments/" not in name):
            raise NothingThere(f"There is no experiment {name}.")
        return _experiment(cloud, query, name, one) if "/contexts/" in name else _board(cloud, name, one)
    return _all(cloud, query)


def _all(cloud: Cloud, query: Query) -> Markup:
    contexts = cloud.store.of("aiplatform").newest("Context", 0, CONTEXTS)
    counts: dict[str, int] = {}
    for _, one in contexts:
        for parent in one.get("parentContexts", []):
            counts[parent] = counts.get(parent, 0) + 1
    rows: list[list[Child]] = [
        [
            link(one.get("displayName") or last(name), "/experiments", name=name),
            "experiment" if one["schemaTitle"] == "system.Experiment" else "pipeline",
            counts.get(name, 0),
            one.get("description", ""),
            moment(one.get("createTime", "")),
        ]
        for name, one in contexts
        if one.get("schemaTitle") in EXPERIMENTS
    ]
    at = number(query) * PAGE
    boards = cloud.store.of("aiplatform").newest("TensorboardExperiment", at, PAGE + 1)
    shown: list[list[Child]] = [
        [
            resource_link(one.get("displayName") or last(name), "aiplatform", "TensorboardExperiment", name),
            name.split("/")[5],
            moment(one.get("createTime", "")),
        ]
        for name, one in boards[:PAGE]
    ]
    empty = (
        "No experiment yet. aiplatform.init(experiment=…) and start_run(), or a pipeline that is submitted with an experiment, makes one."
    )
    return join(
        [
            section("Experiments", table(["Experiment", "Kind", "Runs", "Description", "Created"], rows[at : at + PAGE], empty)),
            section(
                "TensorBoard",
                table(
                    ["Experiment", "TensorBoard", "Created"], shown, "No experiment of TensorBoard: log_time_series_metrics() makes one."
                ),
            ),
            pages("/experiments", query, len(rows) > at + PAGE or len(boards) > PAGE, max(len(rows[at : at + PAGE]), len(shown))),
        ]
    )


def _experiment(cloud: Cloud, query: Query, name: str, one: Json) -> Markup:
    contexts = cloud.store.of("aiplatform").newest("Context", 0, CONTEXTS)
    runs = [(run, context) for run, context in contexts if name in context.get("parentContexts", [])]
    if not runs and one.get("schemaTitle") not in EXPERIMENTS:
        runs = [(name, one)]
    at = number(query) * RUNS
    shown = runs[at : at + RUNS]
    parents = one.get("parentContexts", [])
    board = cloud.store.search(f"/experiments/{last(name)}", "aiplatform", "TensorboardExperiment", 0, 1)
    return join(
        [
            properties(
                {
                    "Experiment": one.get("displayName") or last(name),
                    "Description": one.get("description"),
                    "Belongs to": join(element("div", linked(parent)) for parent in parents) if parents else None,
                    "Created": moment(one.get("createTime", "")),
                    "Runs": len(runs),
                    "Resource": link(name, "/resources", service="aiplatform", name=name),
                }
            ),
            section("Runs", _runs(cloud, shown), pages("/experiments", query, len(runs) > at + RUNS, len(shown), RUNS)),
            section("Curves", *_curves(cloud, board[0].name)) if board else None,
        ]
    )


def _runs(cloud: Cloud, runs: list[tuple[str, Json]]) -> Markup:
    """A row for each run, a column for each parameter and each metric."""
    read = [(name, one, *_logged(cloud, name, one)) for name, one in runs]
    parameters = list(dict.fromkeys(key for _, _, given, _ in read for key in given))
    metrics = list(dict.fromkeys(key for _, _, _, found in read for key in found))
    rows: list[list[Child]] = []
    for name, one, given, found in read:
        rows.append(
            [
                _run_link(cloud, name, one),
                state(str(one.get("metadata", {}).get("_state", ""))),
                moment(one.get("createTime", "")),
                *(_short(found.get(key)) for key in metrics),
                *(_short(given.get(key)) for key in parameters),
            ]
        )
    if not any(row[1] for row in rows):
        # Only runs of the SDK have one; those of pipelines say it on their own page.
        rows, lead = [[row[0], *row[2:]] for row in rows], ["Run", "Started"]
    else:
        lead = ["Run", "State", "Started"]
    heads = [*lead, *(f"{key} (metric)" for key in metrics), *(f"{key} (parameter)" for key in parameters)]
    return table(heads, rows, "The experiment has no run yet: start_run() begins one.")


def _run_link(cloud: Cloud, name: str, one: Json) -> Markup:
    job = f"{name.partition('/metadataStores/')[0]}/pipelineJobs/{last(name)}"
    if one.get("schemaTitle") == "system.PipelineRun" and cloud.store.of("aiplatform").get(job) is not None:
        return link(one.get("displayName") or last(name), "/runs", name=job)
    return link(one.get("displayName") or last(name), "/resources", service="aiplatform", name=name)


def _logged(cloud: Cloud, name: str, one: Json) -> tuple[Json, Json]:
    """Parameters and metrics of a run: in its context, or in the executions and artifacts that belong to it."""
    metadata = one.get("metadata", {})
    parameters, metrics = dict(metadata.get("_params") or {}), dict(metadata.get("_metrics") or {})
    kept = cloud.store.of("aiplatform")
    for member in Metadata(cloud.store).members(name)[:MEMBERS]:
        found = kept.get(member) or {}
        said = found.get("metadata") or {}
        if found.get("schemaTitle") == "system.Run":
            parameters |= {key.removeprefix("input:"): value for key, value in said.items() if key.startswith("input:")}
        elif found.get("schemaTitle") == "system.Metrics":
            metrics |= {key: value for key, value in said.items() if isinstance(value, (int, float)) and not isinstance(value, bool)}
    return parameters, metrics


def _short(value: Any) -> Child:
    if isinstance(value, str) and len(value) > LONG:
        return element("span", f"{value[:LONG]}…", title=value)
    return figure(value)


def _board(cloud: Cloud, name: str, one: Json) -> Markup:
    facts = {
        "Experiment": one.get("displayName") or last(name),
        "TensorBoard": name.split("/")[5],
        "Created": moment(one.get("createTime", "")),
        "Resource": link(name, "/resources", service="aiplatform", name=name),
    }
    return join([properties(facts), section("Curves", *_curves(cloud, name))])


def _curves(cloud: Cloud, experiment: str) -> list[Markup]:
    """A chart for each name of a time series, with a line for each run."""
    kept = cloud.store.of("aiplatform")
    lines: dict[str, dict[str, list[tuple[float, float]]]] = {}
    others = 0
    for name, series in cloud.store.of(SERIES).between(f"{experiment}/runs/", f"{experiment}/runs0", SERIES_READ):
        run = name.partition("/timeSeries/")[0]
        title = (kept.get(name) or {}).get("displayName") or last(name)
        values = [
            (float(point.get("step") or 0), float(point["scalar"].get("value") or 0.0))
            for point in series.get("values", [])
            if "scalar" in point
        ]
        others += len(series.get("values", [])) - len(values)
        shown = (kept.get(run) or {}).get("displayName") or last(run)
        lines.setdefault(title, {})[shown] = sorted(values)
    charts = [chart(title, found) for title, found in sorted(lines.items())]
    if others:
        charts.append(element("p", f"{others} points are no numbers (histograms, pictures) and are not drawn.", class_="empty"))
    return charts or [element("p", "No time series has been logged: log_time_series_metrics() draws curves here.", class_="empty")]
