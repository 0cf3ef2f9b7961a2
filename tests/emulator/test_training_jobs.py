"""Custom jobs, run as processes; and the Python packages that they run."""

from __future__ import annotations

import asyncio
import io
import json
import re
import tarfile
from pathlib import Path

import pytest

from emulator.engines.jobs import AT_A_TIME
from tests.emulator.training import Json, Local, lines, package, pool, put, ran, source_distribution, wheel


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


def test_a_job_does_not_wait_for_a_step_that_waits_for_it(local: Local) -> None:
    slots = local.cloud.supervisor.slots

    async def taken() -> None:
        while not slots.locked():
            await slots.acquire()

    local.run(taken())
    try:
        assert ran(local, pool("true"), scheduling={"timeout": "8s"})["state"] == "JOB_STATE_SUCCEEDED"
    finally:
        local.cloud.supervisor.slots = asyncio.Semaphore(AT_A_TIME)


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


def test_packages_see_each_other_and_their_own_folder_first(local: Local) -> None:
    first = put(
        local,
        "first.tar.gz",
        source_distribution({"a/trainer/task.py": "import second, sys; print(second.SAID, sys.path[0], '' in sys.path)"}),
    )
    second = put(local, "second.whl", wheel({"second.py": "SAID = 'second'"}))
    prebuilt = "europe-docker.pkg.dev/vertex-ai/training/scikit-learn-cpu.1-6.py310:latest"
    job = ran(local, package(first, second, image=prebuilt))
    said = " ".join(entry["jsonPayload"]["message"] for entry in lines(local, job))
    assert re.search(rf"second {re.escape(str(local.cloud.state))}\S+ False", said), said


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
        ("out.whl", wheel({"../../../out.py": "x"})),
        ("torn.tar.gz", source_distribution({"t/a.py": "x" * 9999})[:60]),
        ("none.whl", b"no archive"),
    ],
)
def test_a_package_that_leaves_its_folder_or_is_torn_fails_the_job(local: Local, name: str, content: bytes) -> None:
    job = ran(local, package(put(local, name, content)))
    assert job["state"] == "JOB_STATE_FAILED"
    assert name in job["error"]["message"]
    assert not [path for path in local.cloud.state.rglob("*") if path.name in ("out", "out.py")]


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
