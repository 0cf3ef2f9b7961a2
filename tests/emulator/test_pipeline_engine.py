"""Compiled pipelines through the API: create a PipelineJob, read it until it has ended."""

import asyncio
import builtins
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from kfp import compiler, dsl
from kfp.dsl import Artifact, Dataset, Input, Output, PipelineTaskFinalStatus

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

IMAGE = "europe-west4-docker.pkg.dev/acme-test/images/pipelines:v1"
component = dsl.component(base_image=IMAGE, install_kfp_package=False)
ids = (f"job-{number}" for number in itertools.count())


@component
def add(a: int, b: int = 0) -> int:
    assert type(a) is int
    return a + b


@component
def write(text: str, out: Output[Dataset]) -> None:
    with open(out.path, "w") as file:
        file.write(text)
    out.metadata["length"] = len(text)


@component
def read(given: Input[Artifact]) -> str:
    with open(given.path) as file:
        return file.read()


@component
def join(given: Input[list[Dataset]]) -> str:
    texts = []
    for one in given:
        with open(one.path) as file:
            texts.append(file.read())
    return ",".join(texts)


@component
def show(values: list) -> str:  # type: ignore[type-arg]
    return str(values)


@component
def items(n: int) -> list:  # type: ignore[type-arg]
    return [{"a": number, "b": str(number)} for number in range(n)]


@component
def glue(a: str, b: str) -> str:
    return a + b


@component
def fail(message: str) -> int:
    raise RuntimeError(message)


@component
def flaky(path: str) -> str:
    import os

    with open(path, "a") as file:
        file.write("x")
    if os.path.getsize(path) < 3:
        raise RuntimeError("not yet")
    return "at last"


@component
def sleep(path: str) -> None:
    import os
    import time

    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(60)


@component
def hoard(megabytes: int) -> int:
    import time

    held = bytearray(megabytes * 10**6)
    for at in range(0, len(held), 4096):
        held[at] = 1
    time.sleep(2)
    return len(held)


@component
def once(path: str) -> int:
    with open(path, "a") as file:
        file.write("ran ")
    return 1


@component
def note(path: str, status: PipelineTaskFinalStatus) -> None:
    with open(path, "w") as file:
        file.write(f"{status.state} {status.pipeline_task_name} {status.error_message}")


@component
def observe(variable: str) -> str:
    import os

    return os.environ.get(variable, "")


@dsl.container_component
def shell(word: str, out: dsl.OutputPath(str)):  # type: ignore[no-untyped-def, valid-type]
    return dsl.ContainerSpec(image="acme/shell", command=["sh", "-c"], args=['printf "%s" "$0" > "$1"', word, out])


def specification(pipeline: Any, folder: Path) -> dict[str, Any]:
    path = folder / f"{pipeline.name}.yaml"
    compiler.Compiler().compile(pipeline, str(path))
    return dict(next(yaml.safe_load_all(path.read_text())))


async def submitted(local: "Local", spec: dict[str, Any], parameters: dict[str, Any] | None = None, policy: str = "") -> str:
    runtime = {"gcsOutputDirectory": f"gs://{local.bucket}/root", "parameterValues": parameters or {}}
    if policy:
        runtime["failurePolicy"] = policy
    status, job = await local.ask("POST", f"pipelineJobs?pipelineJobId={next(ids)}", {"pipelineSpec": spec, "runtimeConfig": runtime})
    assert status == 200, job
    return str(job["name"])


def test_input_artifacts_are_refused_and_not_ignored(local: "Local", tmp_path: Path) -> None:
    @dsl.pipeline
    def alone() -> None:
        add(a=1, b=2)

    runtime = {"gcsOutputDirectory": f"gs://{local.bucket}/root", "inputArtifacts": {"given": {"artifactId": "1"}}}
    body = {"pipelineSpec": specification(alone, tmp_path), "runtimeConfig": runtime}
    status, answer = local.run(local.ask("POST", f"pipelineJobs?pipelineJobId={next(ids)}", body))
    assert (status, "inputArtifacts is not emulated" in answer["error"]["message"]) == (400, True)


async def ended(local: "Local", name: str) -> dict[str, Any]:
    while True:
        status, job = await local.ask("GET", name)
        assert status == 200, job
        if "endTime" in job:
            return dict(job)
        await local.cloud.pipelines.wait(name, 10)


def run(local: "Local", spec: dict[str, Any], parameters: dict[str, Any] | None = None, policy: str = "") -> dict[str, Any]:
    async def work() -> dict[str, Any]:
        return await ended(local, await submitted(local, spec, parameters, policy))

    return dict(local.run(work()))


def tasks(job: dict[str, Any]) -> dict[str, Any]:
    return {task.get("taskUniqueName", ""): task for task in job["jobDetail"]["taskDetails"]}


def states(job: dict[str, Any]) -> dict[str, str]:
    return {path: task["state"] for path, task in tasks(job).items() if path}


def output(job: dict[str, Any], path: str, name: str = "Output") -> Any:
    return tasks(job)[path]["execution"]["metadata"][f"output:{name}"]


def test_control_flow_gives_what_it_says(local: "Local", tmp_path: Path) -> None:
    @dsl.pipeline
    def many() -> list[Dataset]:
        with dsl.ParallelFor(["x", "y", "z"]) as text:
            made = write(text=text)
        return dsl.Collected(made.outputs["out"])

    @dsl.pipeline
    def flow(n: int = 2) -> str:
        with dsl.ParallelFor([1, 2], name="outer") as a, dsl.ParallelFor([10, 20], name="inner") as b:
            sums = add(a=a, b=b)
        shown = show(values=dsl.Collected(sums.output))
        with dsl.ParallelFor(items(n=3).output, parallelism=2) as item:
            picked = add(a=item.a, b=100)
            with dsl.If(item.a == 2):
                add(a=picked.output).set_display_name("two")
        show(values=dsl.Collected(picked.output))
        join(given=many().output)
        with dsl.ParallelFor(many().output) as one:
            read(given=one)
        with dsl.If(n > 5):
            chosen = write(text="big")
        with dsl.Elif(n > 1):
            chosen_2 = write(text="middle")
        with dsl.Else():
            chosen_3 = write(text="small")
        read(given=dsl.OneOf(chosen.outputs["out"], chosen_2.outputs["out"], chosen_3.outputs["out"])).set_display_name("read-chosen")
        return shown.output

    job = run(local, specification(flow, tmp_path))
    assert job["state"] == "PIPELINE_STATE_SUCCEEDED"
    assert output(job, "show") == "[[11, 21], [12, 22]]"
    assert output(job, "show-2") == "[100, 101, 102]"
    assert output(job, "join") == "x,y,z"
    outputs = [one["execution"]["metadata"].get("output:Output") for one in tasks(job).values()]
    assert {"x", "y", "z", "middle"} <= {value for value in outputs if isinstance(value, str)}
    assert sum(state == "NOT_TRIGGERED" for state in states(job).values()) == 4
    assert output(job, "") == "[[11, 21], [12, 22]]"


def test_retries_importers_containers_and_placeholders_work(local: "Local", tmp_path: Path) -> None:
    @dsl.pipeline
    def mixed(path: str, uri: str) -> str:
        flaky(path=path).set_retry(3, backoff_duration="0s")
        imported = dsl.importer(artifact_uri=uri, artifact_class=Artifact)
        read(given=imported.output)
        return shell(word=f"in {dsl.PIPELINE_JOB_NAME_PLACEHOLDER}").output

    local.cloud.objects.put(local.bucket, "kept.txt", b"imported")
    job = run(local, specification(mixed, tmp_path), {"path": str(tmp_path / "tries"), "uri": f"gs://{local.bucket}/kept.txt"})
    assert job["state"] == "PIPELINE_STATE_SUCCEEDED", job.get("error")
    assert output(job, "flaky") == "at last"
    assert tasks(job)["flaky"]["execution"]["metadata"]["usage:attempts"] == 3
    assert output(job, "read") == "imported"
    assert output(job, "shell", "out") == f"in {job['name'].rpartition('/')[2]}"


def test_a_failed_step_fails_the_job_and_says_why_and_the_exit_handler_hears_of_it(local: "Local", tmp_path: Path) -> None:
    @dsl.pipeline
    def failing(path: str) -> None:
        with dsl.ExitHandler(note(path=path), name="guarded"):
            broken = fail(message="the disk is on fire")
            add(a=1).after(broken)
            add(a=2)

    job = run(local, specification(failing, tmp_path), {"path": str(tmp_path / "note")})
    assert job["state"] == "PIPELINE_STATE_FAILED"
    assert "fail (exit code 1: RuntimeError: the disk is on fire)" in job["error"]["message"]
    assert (tmp_path / "note").read_text().startswith("FAILED exit-handler-1")
    assert states(job) == {
        "exit-handler-1": "FAILED",
        "exit-handler-1.fail": "FAILED",
        "exit-handler-1.add": "NOT_TRIGGERED",
        "exit-handler-1.add-2": "SUCCEEDED",
        "note": "SUCCEEDED",
    }
    own = f'resource.labels.pipeline_job_id = "{job["name"].rpartition("/")[2]}"'
    asked = {"resourceNames": ["projects/acme-test"], "filter": own}
    _, answer = local.call("POST", "/v2/entries:list", asked, host="logging.googleapis.com")
    assert [entry["jsonPayload"] for entry in answer["entries"]] == [{"pipelineName": "failing", "state": "PIPELINE_STATE_FAILED"}]


def test_the_fail_fast_policy_starts_nothing_after_a_failure(local: "Local", tmp_path: Path) -> None:
    @dsl.pipeline
    def hasty() -> None:
        add(a=add(a=fail(message="no").after(add(a=41)).output).output)
        add(a=add(a=add(a=43).output).output).after(add(a=42))

    job = run(local, specification(hasty, tmp_path), policy="PIPELINE_FAILURE_POLICY_FAIL_FAST")
    assert job["state"] == "PIPELINE_STATE_FAILED"
    assert "NOT_TRIGGERED" in states(job).values()


def test_a_cancelled_job_ends_its_processes_and_still_runs_its_exit_handler(local: "Local", tmp_path: Path) -> None:
    @dsl.pipeline
    def slow(started: str, noted: str) -> None:
        with dsl.ExitHandler(note(path=noted)):
            add(a=1).after(sleep(path=started))

    spec = specification(slow, tmp_path)
    started, noted = tmp_path / "started", tmp_path / "noted"

    async def work() -> tuple[dict[str, Any], int]:
        name = await submitted(local, spec, {"started": str(started), "noted": str(noted)})
        while not (started.exists() and started.read_text()):
            await asyncio.sleep(0.01)
        assert (await local.ask("POST", f"{name}:cancel")) == (200, {})
        return await ended(local, name), int(started.read_text())

    job, pid = local.run(work())
    assert job["state"] == "PIPELINE_STATE_CANCELLED"
    assert not Path(f"/proc/{pid}").exists()
    assert noted.read_text().startswith("CANCELLED")
    assert states(job)["exit-handler-1.add"] == "CANCELLED"


def test_artifacts_are_objects_with_true_metadata(local: "Local", tmp_path: Path) -> None:
    @dsl.pipeline
    def writing() -> None:
        write(text="hello")

    job = run(local, specification(writing, tmp_path))
    artifact = tasks(job)["write"]["outputs"]["out"]["artifacts"][0]
    name = artifact["uri"].removeprefix(f"gs://{local.bucket}/")
    found = local.cloud.objects.get(local.bucket, name)
    assert found is not None
    assert (found["size"], found["md5Hash"], found["crc32c"]) == ("5", "XUFAKrxLKna5cZ2REBfFkg==", "mnG7TA==")
    assert artifact["metadata"] == {"length": 5}
    assert artifact["schemaTitle"] == "system.Dataset"


def test_a_step_is_cached_only_while_its_artifacts_exist_and_its_inputs_are_equal(local: "Local", tmp_path: Path) -> None:
    def pipeline(digest: str, caching: bool = True) -> dict[str, Any]:
        @dsl.pipeline(name="cached")
        def cached(text: str) -> None:
            written = write(text=text).set_env_variable("CODE_DIGEST", digest).set_caching_options(caching)
            read(given=written.outputs["out"])

        return specification(cached, tmp_path)

    def states_of(spec: dict[str, Any], text: str) -> tuple[str, ...]:
        job = run(local, spec, {"text": text})
        return tuple(states(job)[name] for name in ("write", "read"))

    first = run(local, pipeline("1"), {"text": "cached"})
    assert set(states(first).values()) == {"SUCCEEDED"}
    assert states_of(pipeline("1"), "cached") == ("SKIPPED", "SKIPPED")
    assert states_of(pipeline("1"), "other") == ("SUCCEEDED", "SUCCEEDED")
    # Another digest writes the same content again: what depends on the content alone is known.
    assert states_of(pipeline("2"), "cached") == ("SUCCEEDED", "SKIPPED")
    assert states_of(pipeline("1", caching=False), "cached") == ("SUCCEEDED", "SKIPPED")
    uri = tasks(first)["write"]["outputs"]["out"]["artifacts"][0]["uri"]
    local.cloud.objects.delete(local.bucket, uri.removeprefix(f"gs://{local.bucket}/"))
    assert states_of(pipeline("1"), "cached") == ("SUCCEEDED", "SKIPPED")


def test_what_cannot_run_here_is_refused_with_a_remedy(local: "Local", tmp_path: Path) -> None:
    @dsl.component(base_image=IMAGE, packages_to_install=["leftpad"])
    def installing() -> None:
        pass

    @dsl.component(base_image="python:3.11", install_kfp_package=False)
    def elsewhere() -> None:
        pass

    @dsl.pipeline
    def installs() -> None:
        installing()

    @dsl.pipeline
    def unknown() -> None:
        elsewhere()

    runtime = {"gcsOutputDirectory": f"gs://{local.bucket}/root"}
    status, answer = local.call("POST", "pipelineJobs", {"pipelineSpec": specification(installs, tmp_path), "runtimeConfig": runtime})
    assert status == 400
    assert "install_kfp_package=False" in answer["error"]["message"]
    spec = specification(unknown, tmp_path)
    runtime = {"gcsOutputDirectory": "gs://no-such-bucket/root"}
    assert local.call("POST", "pipelineJobs", {"pipelineSpec": spec, "runtimeConfig": runtime})[0] == 404
    job = run(local, spec)
    assert job["state"] == "PIPELINE_STATE_FAILED"
    assert "images.yaml" in job["error"]["message"]
    assert "unknown parameters ['typo']" in run(local, spec, {"typo": 1})["error"]["message"]


def test_steps_are_led_to_the_cloud_and_know_their_project(local: "Local", tmp_path: Path) -> None:
    @dsl.pipeline
    def observing() -> None:
        for name in ("CLOUD_ML_PROJECT_ID", "GOOGLE_CLOUD_PROJECT", "CLOUD_ML_REGION"):
            observe(variable=name)

    job = run(local, specification(observing, tmp_path))
    found = [output(job, name) for name in ("observe", "observe-2", "observe-3")]
    assert found[0].isdigit()
    assert found[1:] == ["acme-test", "europe-west4"]


def test_a_job_that_a_stop_cut_off_goes_on_where_it_stood(local: "Local", tmp_path: Path) -> None:
    @dsl.pipeline
    def interrupted(path: str, log: str) -> None:
        made = once(path=log).set_caching_options(False)
        with dsl.ParallelFor([1, 2]) as item:
            add(a=item, b=made.output)
        fail(message="before").set_caching_options(False)
        glue(a="known", b=" before")
        sleep(path=path).set_caching_options(False)

    @dsl.pipeline
    def cached() -> None:
        glue(a="known", b=" before")

    run(local, specification(cached, tmp_path))
    spec = specification(interrupted, tmp_path)
    started, ran = tmp_path / "started", tmp_path / "ran"
    ended_before = ("once", "for-loop-2.for-loop-2-1.add", "fail", "glue")

    async def work() -> str:
        name = await submitted(local, spec, {"path": str(started), "log": str(ran)})
        while not (started.exists() and started.read_text()):
            await asyncio.sleep(0.01)
        found: dict[str, Any] = {}
        while not all("endTime" in found.get(path, {}) for path in ended_before):
            await asyncio.sleep(0.01)
            found = tasks((await local.ask("GET", name))[1])
        return name

    name = local.run(work())
    before = tasks(local.call("GET", name)[1])
    local.restart()
    assert not Path(f"/proc/{started.read_text()}").exists(), "the step that ran was ended with the cloud"
    started.unlink()

    async def again() -> dict[str, Any]:
        while not started.exists():
            await asyncio.sleep(0.01)
        await local.ask("POST", f"{name}:cancel")
        return await ended(local, name)

    job = local.run(again())
    after = tasks(local.call("GET", name)[1])
    assert job["state"] == "PIPELINE_STATE_CANCELLED"
    assert ran.read_text() == "ran ", "a step that has ended does not run again"
    assert (after["glue"]["state"], output(job, "glue")) == ("SKIPPED", "known before")
    for path in ended_before:
        assert after[path] == before[path], "what had ended is as it was: identity, times, state, error, outputs"
    assert after["sleep"]["taskId"] == before["sleep"]["taskId"]
    assert after["sleep"]["state"] == "CANCELLED"
    executions = [one["displayName"] for one in local.call("GET", "metadataStores/default/executions?pageSize=1000")[1]["executions"]]
    assert executions.count(job["name"].rpartition("/")[2]) == 1, "one run in the lineage, not one for each start"


def test_a_step_that_takes_more_memory_than_it_may_is_ended(local: "Local", tmp_path: Path) -> None:
    @dsl.pipeline
    def greedy() -> None:
        hoard(megabytes=400).set_memory_limit("300M").set_caching_options(False)
        hoard(megabytes=20).set_memory_limit("286Mi").set_caching_options(False)

    job = run(local, specification(greedy, tmp_path))
    assert states(job) == {"hoard": "FAILED", "hoard-2": "SUCCEEDED"}
    assert tasks(job)["hoard"]["error"]["message"].startswith("memory limit of 300 MB")


def test_kfp_keeps_the_mount_point_where_the_steps_set_it() -> None:
    from kfp.dsl.types import artifact_types

    assert artifact_types._GCS_LOCAL_MOUNT_PREFIX == "/gcs/"


@pytest.mark.long
def test_kfp_local_gives_the_same(local: "Local", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kfp import components
    from kfp import local as kfp_local

    # Without numbers in texts: kfp.local gives steps 3.0 where Vertex AI gives 3.
    @dsl.pipeline
    def both(n: int = 3) -> str:
        with dsl.ParallelFor(["c", "a", "b"]) as item:
            made = write(text=glue(a=f"item {item}", b="!").output)
        with dsl.If(n > 2):
            chosen = glue(a="more", b=" than two")
        with dsl.Else():
            chosen_2 = glue(a="two", b=" at most")
        joined = join(given=dsl.Collected(made.outputs["out"]))
        return glue(a=joined.output, b=dsl.OneOf(chosen.output, chosen_2.output)).output

    job = run(local, specification(both, tmp_path))
    monkeypatch.setattr(builtins, "print", print)  # kfp.local indents by another print, and two tasks at a time may leave that behind
    kfp_local.init(kfp_local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "root"))
    assert components.load_component_from_file(str(tmp_path / "both.yaml"))().output == output(job, "")
    assert output(job, "") == "item c!,item a!,item b!more than two"
