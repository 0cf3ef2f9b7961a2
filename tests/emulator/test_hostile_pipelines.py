"""Specifications and steps that name what lies outside Cloud Storage: the step fails, and nothing is read, written or made there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

Json = dict[str, Any]

DATASET = {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}
OUTSIDE = [
    "gs://acme-test-bucket/../../outside",
    "gs://acme-test-bucket/a/./../../../outside",
    "gs:///OUTSIDE",
    "gs://../outside",
    "gs://.odd/x",
    "gs://.incoming/x",
    "gs://acme-test-bucket/a\0b",
    f"gs://acme-test-bucket/{'x' * 300}",
    "/OUTSIDE",
    "file:///OUTSIDE",
]
TEXT = {"parameterType": "STRING"}
WRITE = 'printf "%s" "$1" > "$0"'
EXECUTOR_OUTPUT = "{{$.outputs.output_file}}"
ids = (f"hostile-{number}" for number in itertools.count())


def pipeline(script: str, *words: str, parameters: Json | None = None, artifacts: Json | None = None, importer: str = "") -> Json:
    """A step that runs `script`, after an importer of the artifact `given` where there is one."""
    outputs = {"parameters": parameters or {}, "artifacts": artifacts or {}}
    step: Json = {"executorLabel": "exec-step", "outputDefinitions": outputs}
    tasks: Json = {"step": {"taskInfo": {"name": "step"}, "componentRef": {"name": "comp-step"}}}
    executors: Json = {"exec-step": {"container": {"image": "acme/shell", "command": ["sh", "-c"], "args": [script, *words]}}}
    components: Json = {"comp-step": step}
    if importer:
        step["inputDefinitions"] = {"artifacts": {"given": {"artifactType": DATASET}}}
        source = {"taskOutputArtifact": {"producerTask": "importer", "outputArtifactKey": "artifact"}}
        tasks["step"] |= {"inputs": {"artifacts": {"given": source}}, "dependentTasks": ["importer"]}
        tasks["importer"] = {"taskInfo": {"name": "importer"}, "componentRef": {"name": "comp-importer"}}
        components["comp-importer"] = {"executorLabel": "exec-importer"}
        executors["exec-importer"] = {"importer": {"artifactUri": {"constant": importer}, "typeSchema": DATASET}}
    root = {"dag": {"tasks": tasks}}
    return {"pipelineInfo": {"name": "p"}, "deploymentSpec": {"executors": executors}, "components": components, "root": root}


def ended(local: Local, spec: Json, root: str = "root") -> Json:
    async def work() -> Json:
        body = {"pipelineSpec": spec, "runtimeConfig": {"gcsOutputDirectory": f"gs://{local.bucket}/{root}"}}
        status, job = await local.ask("POST", f"pipelineJobs?pipelineJobId={next(ids)}", body)
        assert status == 200, job
        await local.cloud.pipelines.wait(job["name"], 30)
        return dict((await local.ask("GET", job["name"]))[1])

    return dict(local.run(work()))


def failure(local: Local, spec: Json, task: str = "step", root: str = "root") -> str:
    job = ended(local, spec, root)
    assert job["state"] == "PIPELINE_STATE_FAILED"
    (found,) = [one for one in job["jobDetail"]["taskDetails"] if one["taskName"] == task]
    assert found["state"] == "FAILED", found
    return str(found["error"]["message"])


@pytest.fixture(autouse=True)
def outside(local: Local, tmp_path: Path) -> Iterator[Path]:
    """A folder outside the state, with a secret that no step may be handed; and a look at what lies around the objects afterwards."""
    (tmp_path / "secret").write_text("secret")
    yield tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert {path.name for path in (local.state / "objects").iterdir()} <= {".incoming", local.bucket}
    assert not [path for around in (local.state, *local.state.parents) if (path := around / "outside").exists()]


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_importer_that_names_a_file_outside_fails(local: Local, outside: Path, address: str) -> None:
    spec = pipeline("cat $0", "{{$.inputs.artifacts['given'].path}}", importer=address.replace("/OUTSIDE", f"{outside}/secret"))
    assert "no address of an artifact" in failure(local, spec, "importer")


def test_an_importer_of_what_is_no_file_goes_on(local: Local) -> None:
    spec = pipeline("echo $0", "{{$.inputs.artifacts['given'].uri}}", importer="https://europe-west4-aiplatform.googleapis.com/v1/m")
    assert ended(local, spec)["state"] == "PIPELINE_STATE_SUCCEEDED"


@pytest.mark.parametrize("root", ["../../outside", "a/../../b", "\0", "x" * 300, "a/.."])
def test_a_pipeline_root_outside_its_bucket_fails_the_step(local: Local, root: str) -> None:
    artifacts = {"out": {"artifactType": DATASET}}
    assert "no address of an artifact" in failure(local, pipeline("true", artifacts=artifacts), root=root)


@pytest.mark.parametrize("name", ["../../../../../outside", "..", "a/../../b"])
def test_outputs_and_tasks_that_are_named_as_paths_fail(local: Local, name: str) -> None:
    write = 'mkdir -p "$(dirname "$0")"; echo pwned > "$0"'
    spec = pipeline(write, f"{{{{$.outputs.parameters['{name}'].output_file}}}}", parameters={name: TEXT})
    assert "no address of an artifact" in failure(local, spec)
    assert "no address of an artifact" in failure(local, pipeline("true", artifacts={name: {"artifactType": DATASET}}))
    spec = pipeline("true")
    spec["root"]["dag"]["tasks"] = {f"{name}/": spec["root"]["dag"]["tasks"]["step"]}
    assert ended(local, spec)["state"] == "PIPELINE_STATE_FAILED"


def test_an_output_parameter_is_no_way_to_read_a_file(local: Local, outside: Path) -> None:
    name = f"{outside}/secret"
    job = ended(local, pipeline("true", parameters={name: TEXT}))
    assert '"secret"' not in str(job).replace("'", '"')
    link = pipeline(f'ln -s {outside}/secret "$0"', "{{$.outputs.parameters['p'].output_file}}", parameters={"p": TEXT})
    assert '"secret"' not in str(ended(local, link)).replace("'", '"')


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_artifact_that_a_step_moves_outside_fails_the_step(local: Local, outside: Path, address: str) -> None:
    text = address.replace("/OUTSIDE", f"{outside}/secret").replace("\0", "\\u0000")
    said = f'{{"artifacts": {{"out": {{"artifacts": [{{"uri": "{text}"}}]}}}}}}'
    spec = pipeline(WRITE, EXECUTOR_OUTPUT, said, artifacts={"out": {"artifactType": DATASET}})
    assert "no address of an artifact" in failure(local, spec)


@pytest.mark.parametrize(
    "said",
    [
        "no JSON",
        "[]",
        "[" * 5000,
        '{"parameterValues": 7}',
        '{"parameterValues": {"n": "many"}}',
        '{"artifacts": []}',
        '{"artifacts": {"out": {"artifacts": [7]}}}',
        '{"artifacts": {"out": {"artifacts": [{"uri": 7}]}}}',
        '{"artifacts": {"out": {"artifacts": [{"metadata": 7}]}}}',
    ],
)
def test_an_executor_output_that_is_none_fails_the_step(local: Local, said: str) -> None:
    parameters = {"n": {"parameterType": "NUMBER_INTEGER"}}
    spec = pipeline(WRITE, EXECUTOR_OUTPUT, said, parameters=parameters, artifacts={"out": {"artifactType": DATASET}})
    assert "engine failed" not in failure(local, spec)


def test_links_that_a_step_leaves_lead_nowhere(local: Local, outside: Path) -> None:
    links = f'mkdir -p "$0"; ln -s {outside} "$0/folder"; ln -s {outside}/secret "$0/file"'
    script = links + '; echo kept > "$0/kept"; touch "$0/$(printf "\\377")"'
    job = ended(local, pipeline(script, "{{$.outputs.artifacts['out'].path}}", artifacts={"out": {"artifactType": DATASET}}))
    assert job["state"] == "PIPELINE_STATE_SUCCEEDED", job
    (task,) = [one for one in job["jobDetail"]["taskDetails"] if one["taskName"] == "step"]
    prefix = task["outputs"]["out"]["artifacts"][0]["uri"].removeprefix(f"gs://{local.bucket}/")
    names = [one["name"].removeprefix(f"{prefix}/") for one in local.cloud.objects.list(local.bucket, prefix)]
    assert names == ["kept"]
    storage = {"host": "storage.googleapis.com"}
    for name in ("file", "folder/secret"):
        path = f"{prefix}/{name}".replace("/", "%2F")
        assert local.call("GET", f"/storage/v1/b/{local.bucket}/o/{path}", **storage)[0] == 404
    path = f"{prefix}/folder/new".replace("/", "%2F")
    assert local.call("POST", f"/upload/storage/v1/b/{local.bucket}/o?uploadType=media&name={path}", **storage)[0] == 200
    assert [one.name for one in outside.iterdir()] == ["secret"]


def test_an_output_in_a_bucket_that_does_not_exist_fails_the_step(local: Local) -> None:
    said = '{"artifacts": {"out": {"artifacts": [{"uri": "gs://no-such-bucket/x"}]}}}'
    spec = pipeline(WRITE, EXECUTOR_OUTPUT, said, artifacts={"out": {"artifactType": DATASET}})
    assert "no-such-bucket" in failure(local, spec)


def test_a_percent_sign_is_no_way_out(local: Local) -> None:
    script = 'mkdir -p "$(dirname "$0")"; echo here > "$0"'
    artifacts = {"..%2F..%2Foutside": {"artifactType": DATASET}}
    job = ended(local, pipeline(script, "{{$.outputs.artifacts['..%2F..%2Foutside'].path}}", artifacts=artifacts))
    assert job["state"] == "PIPELINE_STATE_SUCCEEDED"


def test_tasks_that_wait_for_one_another_fail_at_once(local: Local) -> None:
    spec = pipeline("true", importer="https://x")
    spec["root"]["dag"]["tasks"]["importer"]["dependentTasks"] = ["step"]
    assert ended(local, spec)["state"] == "PIPELINE_STATE_FAILED"


@pytest.mark.parametrize("part", ["pipelineInfo", "deploymentSpec", "components", "root"])
@pytest.mark.parametrize("value", [None, 7, [], "text", {"name": 7, "dag": 7, "executors": 7}])
def test_a_specification_that_is_none_is_refused(local: Local, part: str, value: Any) -> None:
    spec = {**pipeline("true"), part: value}
    if part == "components" and isinstance(value, dict):
        return
    body = {"pipelineSpec": spec, "runtimeConfig": {"gcsOutputDirectory": f"gs://{local.bucket}/root"}}
    status, answer = local.call("POST", f"pipelineJobs?pipelineJobId={next(ids)}", body)
    assert (status, "no compiled pipeline" in answer["error"]["message"]) == (400, True), answer
