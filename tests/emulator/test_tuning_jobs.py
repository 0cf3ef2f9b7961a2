"""Hyperparameter tuning jobs, whose trials are run as processes; and the studies behind them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from emulator.engines.tuning import space
from emulator.engines.tuning.study import Study
from tests.emulator.training import (
    Json,
    Local,
    asked,
    categories,
    discrete,
    double,
    ended,
    integers,
    lines,
    points,
    pool,
    study,
    tuned,
    tuning,
)

CONDITIONAL = categories(
    "model", "linear", "tree", conditionalParameterSpecs=[
        {"parentCategoricalValues": {"values": ["linear"]}, "parameterSpec": double("rate", 1e-4, 1.0, scaleType="UNIT_LOG_SCALE")},
        {"parentCategoricalValues": {"values": ["tree"]}, "parameterSpec": integers("depth", 1, 3, conditionalParameterSpecs=[
            {"parentIntValues": {"values": ["3"]}, "parameterSpec": discrete("share", 0.25, 0.5)}])},
    ],
)  # fmt: skip


def test_trials_get_their_parameters_and_what_they_report_is_their_measurement(local: Local) -> None:
    base = {"baseOutputDirectory": {"outputUriPrefix": f"gs://{local.bucket}/tuned"}}
    source = """
print(sys.argv[1:], os.environ['AIP_MODEL_DIR'], os.environ['CLUSTER_SPEC'])
report(1, accuracy=0)
report(2, accuracy=given['units'])
"""
    job = tuned(local, study(integers("units", 3, 3), discrete("rate", 0.5, 8)), source, 2, parallel=2, job=base)
    assert job["state"] == "JOB_STATE_SUCCEEDED"
    assert [trial["id"] for trial in job["trials"]] == ["1", "2"]
    for trial, point in zip(job["trials"], points(job), strict=True):
        assert trial["state"] == "SUCCEEDED"
        assert trial["startTime"] < trial["endTime"]
        assert trial["finalMeasurement"]["metrics"] == [{"metricId": "accuracy", "value": 3.0}]
        assert trial["finalMeasurement"]["stepCount"] == "2"
        assert point["units"] == 3
        assert point["rate"] in (0.5, 8)
        (said,) = [
            entry["jsonPayload"]["message"] for entry in lines(local, job) if entry["labels"]["ml.googleapis.com/trial_id"] == trial["id"]
        ]
        assert f"'--units=3', '--rate={point['rate']:g}'" in said
        assert f"gs://{local.bucket}/tuned/{trial['id']}/model/" in said
        assert f'"trial": "{trial["id"]}"' in said
        _, custom = local.call("GET", trial["customJob"])
        assert custom["state"] == "JOB_STATE_SUCCEEDED"


def test_a_grid_is_tried_in_full_and_no_further(local: Local) -> None:
    conditions = CONDITIONAL["conditionalParameterSpecs"][1:]
    spec = study({**CONDITIONAL, "conditionalParameterSpecs": conditions}, algorithm="GRID_SEARCH")
    job = tuned(local, spec, "report(0, accuracy=1)", 20, parallel=3)
    deep = [{"model": "tree", "depth": 3, "share": share} for share in (0.25, 0.5)]
    assert points(job) == [{"model": "linear"}, *({"model": "tree", "depth": depth} for depth in (1, 2)), *deep]


def test_random_trials_are_the_same_for_a_job_of_the_same_name(local: Local) -> None:
    spec = study(double("rate", 1e-4, 1.0, scaleType="UNIT_LOG_SCALE"), algorithm="RANDOM_SEARCH")
    jobs = [tuned(local, spec, "report(0, accuracy=1)", 3, displayName=name) for name in ("same", "same", "another")]
    assert points(jobs[0]) == points(jobs[1]) != points(jobs[2])
    assert len({point["rate"] for point in points(jobs[0])}) == 3


def test_the_best_measurement_counts_where_the_study_says_so(local: Local) -> None:
    source = "report(1, accuracy=5); report(2, accuracy=9); report(3, accuracy=7)"
    job = tuned(local, study(double("x", 0, 1), measurementSelectionType="BEST_MEASUREMENT", goal="MINIMIZE"), source, 1)
    assert job["trials"][0]["finalMeasurement"]["stepCount"] == "1"
    assert job["trials"][0]["finalMeasurement"]["metrics"][0]["value"] == 5


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("sys.exit(3)", "exit code 3"),
        ("pass", "cloudml-hypertune"),
        ("report(1, accuracy='nan')", "finite"),
        ("report(1, other=1)", "accuracy"),
    ],
)
def test_a_trial_that_measures_nothing_is_infeasible_and_the_job_says_why(local: Local, source: str, reason: str) -> None:
    job = tuned(local, study(double("x", 0, 1)), source, 1)
    assert job["state"] == "JOB_STATE_FAILED"
    assert job["trials"][0]["state"] == "INFEASIBLE"
    assert reason in job["trials"][0]["infeasibleReason"]
    assert reason in job["error"]["message"]


def test_some_trials_may_fail_and_too_many_end_the_job(local: Local) -> None:
    spec = study(integers("x", 1, 6), algorithm="GRID_SEARCH")
    source = "report(1, accuracy=1) if int(given['x']) in (1, 4) else sys.exit(1)"
    job = tuned(local, spec, source, 6, maxFailedTrialCount=5)
    assert job["state"] == "JOB_STATE_SUCCEEDED"
    assert [trial["state"] == "SUCCEEDED" for trial in job["trials"]] == [True, False, False, True, False, False]
    job = tuned(local, spec, source, 6, maxFailedTrialCount=2)
    assert job["state"] == "JOB_STATE_FAILED"
    assert "maxFailedTrialCount" in job["error"]["message"]
    assert len(job["trials"]) == 3


def test_no_more_trials_run_at_a_time_than_asked_for(local: Local, tmp_path: Path) -> None:
    source = f"""
path = "{tmp_path}/" + os.environ["CLOUD_ML_TRIAL_ID"]
open(path, "w").close(); time.sleep(0.2); report(1, accuracy=len(os.listdir("{tmp_path}"))); os.remove(path)
"""
    job = tuned(local, study(double("x", 0, 1)), source, 4, parallel=2)
    assert max(trial["finalMeasurement"]["metrics"][0]["value"] for trial in job["trials"]) <= 2


def test_a_cancelled_tuning_job_ends_its_trials_and_can_then_be_deleted(local: Local) -> None:
    job = asked(local, "hyperparameterTuningJobs", tuning(study(double("x", 0, 1)), "time.sleep(30)", 5, parallel=2))
    assert local.call("DELETE", job["name"])[0] == 400
    assert local.call("POST", f"{job['name']}:cancel") == (200, {})
    job = ended(local, job)
    assert (job["state"], job["error"]["code"]) == ("JOB_STATE_CANCELLED", 1)
    for trial in job.get("trials", []):
        assert trial["state"] == "INFEASIBLE"
        assert local.call("GET", trial["customJob"])[1]["state"] == "JOB_STATE_CANCELLED"
    assert local.call("POST", f"{job['name']}:cancel") == (200, {})
    assert local.call("DELETE", job["name"])[0] == 200
    assert local.call("GET", job["name"])[0] == 404


def test_a_tuning_job_that_was_cut_off_keeps_what_was_measured_and_goes_on(local: Local, tmp_path: Path) -> None:
    source = f"""
path = "{tmp_path}/" + os.environ["CLOUD_ML_TRIAL_ID"]
first = not os.path.exists(path)
open(path, "a").write("x")
if os.environ["CLOUD_ML_TRIAL_ID"] == "2" and first: time.sleep(60)
report(1, accuracy=1)
"""
    job = asked(local, "hyperparameterTuningJobs", tuning(study(double("x", 0, 1), algorithm="RANDOM_SEARCH"), source, 3))
    while not (tmp_path / "2").exists():
        local.call("GET", "hyperparameterTuningJobs")  # not held until something happens
    (before,) = [one for one in local.call("GET", "hyperparameterTuningJobs")[1]["hyperparameterTuningJobs"] if one["name"] == job["name"]]
    local.restart()
    after = ended(local, job)
    assert after["state"] == "JOB_STATE_SUCCEEDED", after
    assert after["trials"][0] == before["trials"][0]
    assert after["trials"][1]["parameters"] == before["trials"][1]["parameters"]
    assert [(tmp_path / trial).read_text() for trial in ("1", "2", "3")] == ["x", "xx", "x"]
    assert local.call("GET", before["trials"][1]["customJob"])[1]["error"]["code"] == 14


WRONG_PARAMETERS = [
    double("x", 2, 1),
    double("x y", 0, 1),
    double("x", 0, 1, scaleType="UNIT_LOG_SCALE"),
    {"parameterId": "x"},
    discrete("x"),
    discrete("x", 2, 1),
    categories("x", "a", "a"),
    categories("x", "a", scaleType="UNIT_LINEAR_SCALE"),
    categories("x", "a", conditionalParameterSpecs=[{"parentCategoricalValues": {"values": ["b"]}, "parameterSpec": double("y", 0, 1)}]),
    categories("x", "a", conditionalParameterSpecs=[{"parentIntValues": {"values": ["1"]}, "parameterSpec": double("y", 0, 1)}]),
    categories("x", "a", conditionalParameterSpecs=[{"parentCategoricalValues": {"values": ["a"]}, "parameterSpec": double("x", 0, 1)}]),
    double("x", 0, 1, conditionalParameterSpecs=[{"parentDiscreteValues": {"values": [1]}, "parameterSpec": double("y", 0, 1)}]),
    integers("x", -(1 << 62), 1 << 62),
]


@pytest.mark.parametrize(
    "body",
    [
        *(tuning(study(parameter), "", 1) for parameter in WRONG_PARAMETERS),
        tuning(study(), "", 1),
        tuning(study(double("x", 0, 1), double("x", 0, 1)), "", 1),
        tuning(study(double("x", 0, 1), algorithm="GRID_SEARCH"), "", 1),
        tuning(study(double("x", 0, 1), goal="GOAL_TYPE_UNSPECIFIED"), "", 1),
        tuning(study(double("x", 0, 1), medianAutomatedStoppingSpec={}), "", 1),
        tuning(study(double("x", 0, 1)), "", 0),
        tuning(study(double("x", 0, 1)), "", 1, parallel=0),
        tuning(study(double("x", 0, 1)), "", 1, maxFailedTrialCount=-1),
        tuning(study(double("x", 0, 1)), "", 1, job={"workerPoolSpecs": []}),
        tuning(study(double("x", 0, 1)), "", 1, job={"scheduling": {"timeout": "-1s"}}),
    ],
)
def test_a_study_that_contradicts_itself_is_refused_and_nothing_is_kept(local: Local, body: Json) -> None:
    before = local.call("GET", "hyperparameterTuningJobs")
    status, answer = local.call("POST", "hyperparameterTuningJobs", {"displayName": "j", **body})
    assert status == 400, answer
    assert local.call("GET", "hyperparameterTuningJobs") == before


def test_trials_that_would_take_more_accelerators_than_the_region_grants_are_refused(local: Local) -> None:
    machine = {"machineType": "n1-standard-4", "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 1}
    body = tuning(study(double("x", 0, 1)), "", 3, parallel=3, job={"workerPoolSpecs": [{**pool("true"), "machineSpec": machine}]})
    status, answer = local.call("POST", "hyperparameterTuningJobs", {"displayName": "j", **body})
    assert (status, answer["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")


# Studies


def evaluated(spec: Json, count: int, measure: Callable[[Json], dict[str, float]], seed: str = "seed") -> list[Json]:
    """Trials as a tuning job would make them one after the other."""
    found, trials = Study.read(spec, seed), list[Json]()
    for number in range(1, count + 1):
        point = found.suggest(number, trials)
        assert point is not None
        metrics = [{"metricId": metric, "value": value} for metric, value in measure(point).items()]
        parameters = [{"parameterId": key, "value": value} for key, value in point.items()]
        trials.append({"id": str(number), "state": "SUCCEEDED", "parameters": parameters, "finalMeasurement": {"metrics": metrics}})
    return trials


def value_of(trial: Json, metric: str = "accuracy") -> float:
    return float(next(one["value"] for one in trial["finalMeasurement"]["metrics"] if one["metricId"] == metric))


@pytest.mark.parametrize("goal", [1, -1])
def test_what_was_measured_leads_to_better_points_than_chance(goal: int) -> None:
    spec = study(double("x", 0, 1), double("y", 1e-5, 1, scaleType="UNIT_LOG_SCALE"), categories("kind", "good", "bad"),
                 goal="MAXIMIZE" if goal == 1 else "MINIMIZE")  # fmt: skip

    def measure(point: Json) -> dict[str, float]:
        return {"accuracy": -goal * ((point["x"] - 0.3) ** 2 + (math.log10(point["y"]) / 5 + 0.6) ** 2 + (point["kind"] == "bad"))}

    worse = 0
    for seed in "abc":
        led, drawn = (
            min(-goal * value_of(trial) for trial in evaluated({**spec, "algorithm": algorithm}, 25, measure, seed))
            for algorithm in ("ALGORITHM_UNSPECIFIED", "RANDOM_SEARCH")
        )
        assert led < 0.003
        worse += led > drawn
    assert worse == 0


def test_of_two_metrics_neither_is_given_up(local: Local) -> None:
    spec = study(double("x", 0, 1)) | {"metrics": [{"metricId": "a", "goal": "MAXIMIZE"}, {"metricId": "b", "goal": "MAXIMIZE"}]}
    trials = evaluated(spec, 20, lambda point: {"a": -((point["x"] - 0.2) ** 2), "b": -((point["x"] - 0.8) ** 2)})
    chosen = [trial["parameters"][0]["value"] for trial in trials[3:]]
    between = [one for one in chosen if 0.1 < one < 0.9]
    assert len(between) > 0.8 * len(chosen)
    assert max(between) - min(between) > 0.3


def test_trials_that_run_beside_each_other_are_not_the_same() -> None:
    spec = study(double("x", 0, 1))
    trials = evaluated(spec, 6, lambda point: {"accuracy": -abs(point["x"] - 0.5)})
    for number in (7, 8, 9):
        point = Study.read(spec, "seed").suggest(number, trials)
        assert point is not None
        trials.append({"id": str(number), "state": "ACTIVE", "parameters": [{"parameterId": "x", "value": point["x"]}]})
    chosen = [trial["parameters"][0]["value"] for trial in trials[6:]]
    assert len(set(chosen)) == 3
    assert min(abs(one - other) for one, other in itertools.combinations(chosen, 2)) > 1e-3


@pytest.mark.parametrize("scale", ["UNIT_LINEAR_SCALE", "UNIT_LOG_SCALE", "UNIT_REVERSE_LOG_SCALE"])
@pytest.mark.parametrize("make", [double, integers])
def test_values_lie_on_their_scale_and_within_their_bounds(scale: str, make: Callable[..., Json]) -> None:
    (parameter,) = space.read([make("x", 1, 1000, scaleType=scale)])
    random = Random(1)
    values = sorted(float(parameter.draw(random)) for _ in range(2000))
    assert 1 <= values[0] <= values[-1] <= 1000
    middle = {"UNIT_LINEAR_SCALE": 500, "UNIT_LOG_SCALE": 1000**0.5, "UNIT_REVERSE_LOG_SCALE": 1001 - 1000**0.5}[scale]
    assert values[1000] == pytest.approx(middle, rel=0.2)
    assert all(0 <= parameter.position(value) <= 1 for value in values)
    assert parameter.position(parameter.at(0.3)) == pytest.approx(0.3)


@pytest.mark.parametrize("scale", ["UNIT_LINEAR_SCALE", "UNIT_LOG_SCALE", "UNIT_REVERSE_LOG_SCALE"])
def test_bounds_and_measures_may_be_as_far_apart_as_numbers_are(scale: str) -> None:
    measures = iter([1e308, -1e308, 0.0, 1e-308, 1e308] * 2)
    spec = study(double("x", 1e-300, 1e300, scaleType=scale), double("y", 0, 0), integers("z", 1, 1 << 53, scaleType=scale))
    for trial in evaluated(spec, 10, lambda point: {"accuracy": next(measures)}):
        x, y, z = (parameter["value"] for parameter in trial["parameters"])
        assert 1e-300 <= x <= 1e300
        assert (y, 1 <= z <= 1 << 53) == (0, True)
