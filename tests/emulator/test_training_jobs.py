"""Custom jobs, hyperparameter tuning jobs and training pipelines, run as processes."""

from __future__ import annotations

import io
import itertools
import json
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from emulator.cloud import Cloud
from emulator.engines.tuning import space
from emulator.engines.tuning.study import Study

Json = dict[str, Any]
DEFINITIONS = "gs://google-cloud-aiplatform/schema/trainingjob/definition"
REPORT = """
import json, os, sys, time
given = dict(word[2:].split("=", 1) for word in sys.argv[1:])
def report(step, **metrics):
    with open(os.environ["CLOUD_ML_HP_METRIC_FILE"], "a") as file:
        for metric, value in metrics.items():
            line = {"timestamp": time.time(), "trial": os.environ["CLOUD_ML_TRIAL_ID"], metric: str(float(value)), "global_step": str(step)}
            file.write(json.dumps(line) + "\\n")
"""
"""What `cloudml-hypertune` does."""


class Local(Protocol):
    cloud: Cloud
    call: Callable[..., tuple[int, Any]]
    run: Callable[..., Any]
    restart: Callable[[], None]
    location: str
    bucket: str


def pool(*command: str, args: tuple[str, ...] = (), replicas: int = 1, **env: str) -> Json:
    container: Json = {"imageUri": "acme/shell", "command": list(command), "args": list(args)}
    container["env"] = [{"name": name, "value": value} for name, value in env.items()]
    return {"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": str(replicas), "containerSpec": container}


def python(source: str) -> Json:
    return pool(sys.executable, "-c", source)


def asked(local: Local, collection: str, body: Json) -> Json:
    status, answer = local.call("POST", collection, {"displayName": "job", **body})
    assert status == 200, answer
    return dict(answer)


def ended(local: Local, job: Json) -> Json:
    for _ in range(10):
        status, found = local.call("GET", job["name"])
        assert status == 200, found
        if found["state"].rpartition("_")[2] in ("SUCCEEDED", "FAILED", "CANCELLED"):
            return dict(found)
    raise AssertionError(found)


def ran(local: Local, *pools: Json, **spec: Any) -> Json:
    return ended(local, asked(local, "customJobs", {"jobSpec": {"workerPoolSpecs": list(pools), **spec}}))


def double(name: str, low: float, high: float, **more: Any) -> Json:
    return {"parameterId": name, "doubleValueSpec": {"minValue": low, "maxValue": high}, **more}


def categories(name: str, *values: str, **more: Any) -> Json:
    return {"parameterId": name, "categoricalValueSpec": {"values": list(values)}, **more}


def integers(name: str, low: int, high: int, **more: Any) -> Json:
    return {"parameterId": name, "integerValueSpec": {"minValue": str(low), "maxValue": str(high)}, **more}


def discrete(name: str, *values: float, **more: Any) -> Json:
    return {"parameterId": name, "discreteValueSpec": {"values": list(values)}, **more}


def study(*parameters: Json, goal: str = "MAXIMIZE", metric: str = "accuracy", **more: Any) -> Json:
    return {"metrics": [{"metricId": metric, "goal": goal}], "parameters": list(parameters), **more}


def tuning(spec: Json, source: str, trials: int, parallel: int = 1, **more: Any) -> Json:
    job = {"workerPoolSpecs": [python(REPORT + source)], **more.pop("job", {})}
    return {"studySpec": spec, "trialJobSpec": job, "maxTrialCount": trials, "parallelTrialCount": parallel, **more}


def tuned(local: Local, *of: Any, **more: Any) -> Json:
    return ended(local, asked(local, "hyperparameterTuningJobs", tuning(*of, **more)))


def points(job: Json) -> list[Json]:
    return [{one["parameterId"]: one["value"] for one in trial["parameters"]} for trial in job["trials"]]


def put(local: Local, name: str, content: bytes) -> str:
    local.cloud.objects.put(local.bucket, name, content)
    return f"gs://{local.bucket}/{name}"


def source_distribution(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def wheel(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def package(*uris: str, module: str = "trainer.task", args: tuple[str, ...] = (), image: str = "acme/pipelines", **env: str) -> Json:
    spec: Json = {"executorImageUri": image, "packageUris": list(uris), "pythonModule": module, "args": list(args)}
    return {"replicaCount": "1", "pythonPackageSpec": {**spec, "env": [{"name": name, "value": env[name]} for name in env]}}


def lines(local: Local, job: Json, more: str = "") -> list[Json]:
    query = {"resourceNames": ["projects/acme-test"], "filter": f'resource.labels.job_id="{job["name"].rpartition("/")[2]}"{more}'}
    status, answer = local.call("POST", "/v2/entries:list", query, host="logging.googleapis.com")
    assert status == 200, answer
    return list(answer["entries"])


# Custom jobs


def test_what_a_job_prints_is_found_in_cloud_logging_by_its_id(local: Local) -> None:
    text = 'echo one; echo two >&2; echo \'{"message": "three", "severity": "warning", "step": 3}\''
    job = ran(local, pool("sh", "-c", text), pool(), pool("sh", "-c", "echo four"))
    found = lines(local, job)
    assert {entry["jsonPayload"]["message"] for entry in found} == {"one", "two", "three", "four"}
    (four,) = lines(local, job, ' AND resource.labels.task_name="workerpool2-0"')
    assert four["resource"]["type"] == "ml_job"
    assert four["jsonPayload"] == {"message": "four"}
    (warning,) = lines(local, job, " AND severity=WARNING")
    assert warning["jsonPayload"] == {"message": "three", "step": 3}
    assert [line for _, _, line in local.cloud.store.logs(job["name"]) if "four" in line] == ["[workerpool2-0] four"]


def test_replicas_that_wait_for_each_other_all_run_at_once(local: Local, tmp_path: Path) -> None:
    meet = f'touch {tmp_path}/$$; until [ "$(ls {tmp_path} | wc -l)" = 9 ]; do sleep 0.05; done'
    job = ran(local, pool("sh", "-c", meet), pool("sh", "-c", meet, replicas=8), scheduling={"timeout": "8s"})
    assert job["state"] == "JOB_STATE_SUCCEEDED", job.get("error")


def test_a_job_that_runs_longer_than_its_timeout_fails_with_that_reason(local: Local) -> None:
    job = ran(local, pool("sh", "-c", "sleep 20"), scheduling={"timeout": "0.3s", "maxWaitDuration": "60s"})
    assert (job["state"], job["error"]["code"]) == ("JOB_STATE_FAILED", 4)
    assert "scheduling.timeout" in job["error"]["message"]


ONCE = 'echo x >> {0}; [ "$(wc -l < {0})" -gt {1} ] || kill -9 $$'


@pytest.mark.parametrize(("scheduling", "starts", "state"), [({}, 2, "SUCCEEDED"), ({"disableRetries": True}, 1, "FAILED")])
def test_a_replica_that_was_killed_from_outside_starts_again(
    local: Local, tmp_path: Path, scheduling: Json, starts: int, state: str
) -> None:
    job = ran(local, pool("sh", "-c", ONCE.format(tmp_path / "killed", 1)), scheduling=scheduling)
    assert job["state"] == f"JOB_STATE_{state}"
    assert (tmp_path / "killed").read_text().count("x") == starts


def test_all_replicas_start_again_where_the_job_asks_for_it(local: Local, tmp_path: Path) -> None:
    worker = pool("sh", "-c", f"echo x >> {tmp_path}/worker")
    chief = pool("sh", "-c", f"until [ -e {tmp_path}/worker ]; do sleep 0.02; done; {ONCE.format(tmp_path / 'killed', 1)}")
    job = ran(local, chief, worker, scheduling={"restartJobOnWorkerRestart": True})
    assert job["state"] == "JOB_STATE_SUCCEEDED", job
    assert (tmp_path / "worker").read_text().count("x") == 2


def test_a_replica_that_dies_each_time_ends_the_job(local: Local, tmp_path: Path) -> None:
    job = ran(local, pool("sh", "-c", ONCE.format(tmp_path / "killed", 99)))
    assert job["state"] == "JOB_STATE_FAILED"
    assert "signal 9" in job["error"]["message"]
    assert (tmp_path / "killed").read_text().count("x") == 4


def test_each_replica_is_told_its_place_in_the_cluster(local: Local) -> None:
    show = "echo cluster $CLUSTER_SPEC; echo tensorflow $TF_CONFIG"
    job = ran(local, pool("sh", "-c", show), pool("sh", "-c", show, replicas=2), {}, pool("sh", "-c", show))
    said = {(entry["resource"]["labels"]["task_name"], *entry["jsonPayload"]["message"].partition(" ")[::2]) for entry in lines(local, job)}
    clusters = {task: json.loads(value) for task, kind, value in said if kind == "cluster"}
    configs = {task: json.loads(value) for task, kind, value in said if kind == "tensorflow"}
    assert set(clusters) == set(configs) == {"workerpool0-0", "workerpool1-0", "workerpool1-1", "workerpool3-0"}
    addresses = clusters["workerpool0-0"]["cluster"]
    assert [len(addresses[name]) for name in ("workerpool0", "workerpool1", "workerpool3")] == [1, 2, 1]
    assert len({address for pool in addresses.values() for address in pool}) == 4
    assert clusters["workerpool1-1"]["task"] == {"type": "workerpool1", "index": 1}
    assert clusters["workerpool1-1"]["job"] == job["jobSpec"]
    assert configs["workerpool3-0"]["task"] == {"type": "evaluator", "index": 0}
    assert configs["workerpool3-0"]["cluster"] == {"chief": addresses["workerpool0"], "worker": addresses["workerpool1"]}
    (alone,) = lines(local, ran(local, pool("sh", "-c", "echo ${TF_CONFIG-none}")))
    assert alone["jsonPayload"]["message"] == "none"


def test_a_job_is_told_where_it_writes(local: Local) -> None:
    names = {field: f"{local.location}/{field}/1" for field in ("tensorboard", "experiment", "experimentRun")}
    shown = "echo $AIP_TENSORBOARD_RESOURCE_NAME $AIP_EXPERIMENT_NAME $AIP_EXPERIMENT_RUN_NAME $AIP_CHECKPOINT_DIR"
    job = ran(local, pool("sh", "-c", shown), baseOutputDirectory={"outputUriPrefix": "gs://b/out/"}, **names)
    (entry,) = lines(local, job)
    assert entry["jsonPayload"]["message"].split() == [*names.values(), "gs://b/out/checkpoints/"]


@pytest.mark.parametrize("pools", [[], [{}], [{"replicaCount": "1"}], [pool("true", replicas=65)], [pool("true")] * 5])
def test_worker_pools_that_cannot_be_run_are_refused(local: Local, pools: list[Json]) -> None:
    before = local.call("GET", "customJobs")
    assert local.call("POST", "customJobs", {"displayName": "j", "jobSpec": {"workerPoolSpecs": pools}})[0] == 400
    assert local.call("GET", "customJobs") == before


# Python packages

TASK = "import os, sys, trainer.words; print(trainer.words.SAID, *sys.argv[1:], os.environ['WHO'])"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "trainer-0.1.tar.gz",
            source_distribution({
                "trainer-0.1/trainer/__init__.py": "",
                "trainer-0.1/trainer/task.py": TASK,
                "trainer-0.1/trainer/words.py": "SAID = 'hello'",
            }),
        ),
        (
            "laid-out.tar.gz",
            source_distribution({"t/src/trainer/task.py": TASK, "t/src/trainer/words.py": "SAID = 'hello'", "t/setup.py": "1 / 0"}),
        ),
        ("trainer-0.1-py3-none-any.whl", wheel({"trainer/task.py": TASK, "t.data/purelib/trainer/words.py": "SAID = 'hello'"})),
    ],
)  # fmt: skip
def test_the_module_of_a_package_runs_with_its_arguments(local: Local, name: str, content: bytes) -> None:
    job = ran(local, package(put(local, name, content), args=("--epochs=2", "x y"), WHO="me"))
    assert job["state"] == "JOB_STATE_SUCCEEDED", job["error"]
    assert "hello --epochs=2 x y me" in [entry["jsonPayload"]["message"] for entry in lines(local, job)]


def test_a_script_that_the_sdk_would_install_in_a_container_runs_without_an_installer(local: Local) -> None:
    put(local, "script.tar.gz", source_distribution({"s/trainer/task.py": "import sys; print(*sys.argv[1:])"}))
    install = f"pip install --upgrade pip && pip3 install -q --user /gcs/{local.bucket}/script.tar.gz"
    job = ran(local, pool("sh", "-c", f"{install} && python3 -m trainer.task --rate 0.5 'x y'"))
    assert job["state"] == "JOB_STATE_SUCCEEDED", job["error"]
    assert "--rate 0.5 x y" in [entry["jsonPayload"]["message"] for entry in lines(local, job)]


def test_packages_see_each_other_and_not_this_repository(local: Local) -> None:
    first = put(local, "first.tar.gz", source_distribution({"a/trainer/task.py": "import second, sys; print(second.SAID, sys.path)"}))
    second = put(local, "second.whl", wheel({"second.py": "SAID = 'second'"}))
    prebuilt = "europe-docker.pkg.dev/vertex-ai/training/scikit-learn-cpu.1-6.py310:latest"
    job = ran(local, package(first, second, image=prebuilt))
    said = " ".join(entry["jsonPayload"]["message"] for entry in lines(local, job))
    assert "second [" in said
    assert f"'{Path(__file__).parents[2]}'" not in said


LINK = tarfile.TarInfo("t/link")
LINK.type, LINK.linkname = tarfile.SYMTYPE, "/etc/passwd"


def linked() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(LINK)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("out.tar.gz", source_distribution({"t/../../../out": "x"})),
        ("link.tar.gz", linked()),
        ("out.whl", wheel({"../../out.py": "x"})),
        ("torn.tar.gz", source_distribution({"t/a.py": "x" * 9999})[:60]),
        ("none.whl", b"no archive"),
    ],
)
def test_a_package_that_leaves_its_folder_or_is_torn_fails_the_job(local: Local, name: str, content: bytes) -> None:
    job = ran(local, package(put(local, name, content)))
    assert job["state"] == "JOB_STATE_FAILED"
    assert name in job["error"]["message"]
    assert (
        not list(local.cloud.state.rglob("out*")) or name not in ("out.tar.gz", "out.whl") or len(list(local.cloud.state.rglob("out"))) == 0
    )


def test_a_package_that_is_missing_fails_the_job(local: Local) -> None:
    job = ran(local, package(f"gs://{local.bucket}/missing.tar.gz"))
    assert (job["state"], job["error"]["code"]) == ("JOB_STATE_FAILED", 5)


@pytest.mark.parametrize(
    "spec",
    [
        package("gs://b/trainer.zip"),
        package("trainer.whl"),
        package("gs://b/t.whl", image="acme/shell"),
        package("gs://b/t.whl", image="us-docker.pkg.dev/vertex-ai/training/xgboost-cpu.2-1:latest"),
        package("gs://b/t.whl", image="us-docker.pkg.dev/vertex-ai/training/nonesuch-cpu.1:latest"),
    ],
)
def test_a_package_that_cannot_be_run_is_refused(local: Local, spec: Json) -> None:
    status, answer = local.call("POST", "customJobs", {"displayName": "j", "jobSpec": {"workerPoolSpecs": [spec]}})
    assert status == 400
    assert "Nothing was run" in answer["error"]["message"]


# Hyperparameter tuning

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
        import math

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
    from random import Random

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


# Training pipelines


def inputs(local: Local, folder: str, *command: str, **more: Any) -> Json:
    """As the SDK sends them: snake_case in a value without a schema, in which every number is a double and what is not given is null."""
    container = {"image_uri": "acme/shell", "command": ["sh", "-c", *(command or ["true"])]}
    spec = {"machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": 1.0, "container_spec": container}
    scheduling = {"timeout": None, "restart_job_on_worker_restart": False, "strategy": 1.0}
    base = {"base_output_directory": {"output_uri_prefix": f"gs://{local.bucket}/{folder}"}}
    return {"worker_pool_specs": [spec], "scheduling": scheduling, **base, **more}


def pipeline(task: Json, definition: str = "custom_task", **more: Any) -> Json:
    return {"trainingTaskDefinition": f"{DEFINITIONS}/{definition}_1.0.0.yaml", "trainingTaskInputs": task, **more}


def model(**more: Any) -> Json:
    return {"displayName": "m", "containerSpec": {"imageUri": "acme/server"}, **more}


def test_the_model_that_a_pipeline_trained_is_in_the_registry(local: Local) -> None:
    put(local, "trained/model/weights", b"1")
    body = pipeline(inputs(local, "trained"), modelToUpload=model(versionAliases=["new"]), modelId="trained")
    done = ended(local, asked(local, "trainingPipelines", body))
    assert done["state"] == "PIPELINE_STATE_SUCCEEDED", done
    assert (done["modelToUpload"]["name"], done["modelToUpload"]["versionId"]) == (f"{local.location}/models/trained", "1")
    _, found = local.call("GET", "models/trained@new")
    assert found["artifactUri"] == f"gs://{local.bucket}/trained/model"
    assert found["trainingPipeline"] == done["name"]
    _, custom = local.call("GET", done["trainingTaskMetadata"]["backingCustomJob"])
    assert (custom["displayName"], custom["state"]) == ("job-custom-job", "JOB_STATE_SUCCEEDED")
    parent = f"{local.location}/models/trained"
    again = ended(local, asked(local, "trainingPipelines", pipeline(inputs(local, "trained"), modelToUpload=model(), parentModel=parent)))
    assert (again["modelToUpload"]["name"], again["modelToUpload"]["versionId"]) == (parent, "2")


def test_a_pipeline_uploads_the_model_of_the_best_trial(local: Local) -> None:
    for trial in ("1", "2", "3"):
        put(local, f"best/{trial}/model/weights", trial.encode())
    job = tuning(study(discrete("x", 1, 4, 9), algorithm="GRID_SEARCH"), "report(1, accuracy=given['x'])", 3)
    job["trialJobSpec"]["baseOutputDirectory"] = {"outputUriPrefix": f"gs://{local.bucket}/best"}
    done = ended(local, asked(local, "trainingPipelines", pipeline(job, "hyperparameter_tuning_task", modelToUpload=model())))
    assert done["state"] == "PIPELINE_STATE_SUCCEEDED", done
    _, tuned_job = local.call("GET", done["trainingTaskMetadata"]["backingHyperparameterTuningJob"])
    assert done["trainingTaskMetadata"]["bestTrialBackingCustomJob"] == tuned_job["trials"][2]["customJob"]
    assert done["modelToUpload"]["artifactUri"] == f"gs://{local.bucket}/best/3/model"


def test_a_pipeline_fails_with_its_job_and_uploads_nothing(local: Local) -> None:
    put(local, "failing/model/weights", b"1")
    body = pipeline(inputs(local, "failing", "echo broken; exit 3"), modelToUpload=model(), modelId="failing")
    done = ended(local, asked(local, "trainingPipelines", body))
    assert done["state"] == "PIPELINE_STATE_FAILED"
    assert "exit code 3: broken" in done["error"]["message"]
    assert local.call("GET", "models/failing")[0] == 404


def test_a_pipeline_whose_job_wrote_no_model_fails(local: Local) -> None:
    done = ended(local, asked(local, "trainingPipelines", pipeline(inputs(local, "nothing"), modelToUpload=model())))
    assert done["state"] == "PIPELINE_STATE_FAILED"
    assert "holds no objects" in done["error"]["message"]


def test_a_cancelled_pipeline_ends_its_job_and_can_then_be_deleted(local: Local) -> None:
    made = asked(local, "trainingPipelines", pipeline(inputs(local, "cancelled", "sleep 30")))
    assert local.call("DELETE", made["name"])[0] == 400
    assert local.call("POST", f"{made['name']}:cancel") == (200, {})
    done = ended(local, made)
    assert (done["state"], done["error"]["code"]) == ("PIPELINE_STATE_CANCELLED", 1)
    assert local.call("GET", done["trainingTaskMetadata"]["backingCustomJob"])[1]["state"] == "JOB_STATE_CANCELLED"
    assert local.call("DELETE", made["name"])[0] == 200


def test_jobs_that_a_stop_cut_off_are_said_so(local: Local) -> None:
    made = asked(local, "trainingPipelines", pipeline(inputs(local, "cut", "sleep 30"), modelToUpload=model()))
    local.restart()
    done = ended(local, made)
    assert done["state"] == "PIPELINE_STATE_FAILED"
    assert "stopped while the job ran" in done["error"]["message"]
    assert local.call("GET", done["trainingTaskMetadata"]["backingCustomJob"])[1]["error"]["code"] == 14


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"trainingTaskDefinition": f"{DEFINITIONS}/automl_tabular_1.0.0.yaml"}, "not emulated"),
        ({"inputDataConfig": {"datasetId": "1"}}, "not emulated"),
        ({"trainingTaskInputs": {"worker_pool_specs": [{"colour": 1}]}}, "colour"),
        ({"trainingTaskInputs": [1]}, "trainingTaskInputs"),
        ({"trainingTaskInputs": {}}, "workerPoolSpecs"),
        ({"parentModel": "projects/acme-test/locations/europe-west4/models/missing"}, "missing"),
        ({"modelId": "a/b"}, "modelId"),
        ({"trainingTaskInputs": {"workerPoolSpecs": [pool("true")]}}, "baseOutputDirectory"),
        ({"trainingTaskInputs": {"workerPoolSpecs": [{"containerSpec": {"imageUri": "elsewhere"}}]}, "modelToUpload": None}, "elsewhere"),
        ({"trainingTaskDefinition": f"{DEFINITIONS}/hyperparameter_tuning_task_1.0.0.yaml"}, "worker_pool_specs"),
    ],
)
def test_a_pipeline_that_cannot_be_run_is_refused_and_nothing_is_kept(local: Local, more: Json, said: str) -> None:
    before = [local.call("GET", kind) for kind in ("trainingPipelines", "customJobs", "hyperparameterTuningJobs")]
    body = {"displayName": "p", **pipeline(inputs(local, "refused"), modelToUpload=model()), **more}
    status, answer = local.call("POST", "trainingPipelines", body)
    assert 400 <= status < 500, answer
    assert said in answer["error"]["message"]
    assert [local.call("GET", kind) for kind in ("trainingPipelines", "customJobs", "hyperparameterTuningJobs")] == before
