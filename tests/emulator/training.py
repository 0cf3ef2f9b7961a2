"""What the tests of jobs that train have in common: requests, packages, and what a job printed."""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any, Protocol

from emulator.cloud import Cloud

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
