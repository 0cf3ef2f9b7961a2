"""Hyperparameter tuning jobs at work."""

from __future__ import annotations

import asyncio
import copy
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.clock import now, number
from emulator.engines.replicas import Trial
from emulator.engines.tuning.reports import read
from emulator.engines.tuning.space import Point, Value
from emulator.engines.tuning.study import Study, point_of
from emulator.quotas import check_training

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

KIND = "HyperparameterTuningJob"
MOST_TRIALS, MOST_AT_A_TIME = 1000, 100


class Tuning:
    """Hyperparameter tuning jobs. A job that a stop of the emulator cut off goes on: trials that had ended count, others run again."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.folder = cloud.state / "trials"
        shutil.rmtree(self.folder, ignore_errors=True)

    def check(self, location: str, job: Json) -> None:
        """Refuses a job that could not be run in `location`.

        Raises:
            Refusal: Says what of it is wrong or not emulated; or which quota its trials would exceed.
        """
        Study.read(job["studySpec"], "")
        for field, most in (("maxTrialCount", MOST_TRIALS), ("parallelTrialCount", MOST_AT_A_TIME)):
            if not 1 <= job.get(field, 0) <= most:
                raise Refusal(400, "INVALID_ARGUMENT", f"{field} is {job.get(field, 0)}. Nothing was tried. Choose 1 to {most}.")
        if job.get("maxFailedTrialCount", 0) < 0:
            raise Refusal(400, "INVALID_ARGUMENT", "maxFailedTrialCount is negative. Nothing was tried. Choose 0 or more.")
        self.cloud.jobs.check(location, job["trialJobSpec"])
        together = min(job["parallelTrialCount"], job["maxTrialCount"])
        check_training(self.cloud.store, location, {"workerPoolSpecs": job["trialJobSpec"]["workerPoolSpecs"] * together})

    def start(self, job: Json) -> Json:
        """Keeps a job that was checked, and starts it."""
        name = job["name"]
        self.cloud.store.of("aiplatform").put(name, KIND, job)
        job = self.cloud.background.become(name, KIND, "PENDING")
        self.cloud.background.start(name, KIND, self._work(name))
        return job

    def resume(self, name: str) -> None:
        """Goes on with a job that was cut off."""
        self.cloud.background.start(name, KIND, self._work(name))

    async def _work(self, name: str) -> Json:
        job = self.cloud.background.become(name, KIND, "RUNNING")
        study, trials = Study.read(job["studySpec"], job["displayName"]), job.get("trials", [])
        running: set[asyncio.Task[None]] = set()
        waiting = [trial for trial in trials if trial["state"] == "ACTIVE"]
        exhausted = False
        try:
            while True:
                while len(running) < job["parallelTrialCount"] and (waiting or (len(trials) < job["maxTrialCount"] and not exhausted)):
                    if waiting:
                        trial = waiting.pop(0)
                    elif point := await asyncio.to_thread(study.suggest, len(trials) + 1, copy.deepcopy(trials)):
                        trial = self._planned(str(len(trials) + 1), point)
                        trials.append(trial)
                    else:
                        exhausted = True
                        break
                    running.add(asyncio.create_task(self._try(job, study, trial)))
                if not running:
                    break
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                failed = [trial for trial in trials if trial["state"] == "INFEASIBLE"]
                if 0 < job.get("maxFailedTrialCount", 0) <= len(failed):
                    raise _failed(f"{len(failed)} trials failed, as many as maxFailedTrialCount allows", failed)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            shutil.rmtree(self._folder(name), ignore_errors=True)
        if not any(trial["state"] == "SUCCEEDED" for trial in trials):
            raise _failed("No trial succeeded", trials)
        return {}

    def _planned(self, trial: str, point: Point) -> Json:
        parameters = [{"parameterId": parameter, "value": value} for parameter, value in point.items()]
        return {"id": trial, "state": "ACTIVE", "parameters": parameters, "startTime": now()}

    async def _try(self, job: Json, study: Study, trial: Json) -> None:
        """Runs a trial to its end; `trial` is one of the job's, and changes in place."""
        name, started = f"{job['name'].partition('/hyperparameterTuningJobs/')[0]}/customJobs/{number()}", time.time()
        folder = self._folder(job["name"]) / trial["id"]
        stamp = now()
        inherited: Json = {field: job[field] for field in ("labels", "encryptionSpec") if field in job}
        custom: Json = {
            **inherited,
            "name": name,
            "displayName": f"{job['displayName']}-trial-{trial['id']}",
            "jobSpec": with_parameters(job["trialJobSpec"], trial["id"], point_of(trial)),
            "createTime": stamp,
            "updateTime": stamp,
        }
        reason = ""
        trial["customJob"] = name
        try:
            # One transaction: after a kill, no job is without its trial.
            with self.cloud.store.transaction():
                self._write(job["name"], trial)
                self.cloud.jobs.start(custom, Trial(job["name"], trial["id"], folder))
            ended = await self.cloud.background.ended(name)
            reason = ended.get("error", {}).get("message", "")
        except Refusal as refusal:
            reason = refusal.message
        except asyncio.CancelledError:
            if self.cloud.background.closing:
                raise
            self._end(job["name"], trial, "The job was ended.")
            raise
        reports = [] if reason else await asyncio.to_thread(read, folder, list(study.goals))
        if not reports and not reason:
            wanted = " and ".join(study.goals)
            reason = f"The trial reported no finite value of {wanted}: report it with cloudml-hypertune, to CLOUD_ML_HP_METRIC_FILE."
        if not reason:
            final = study.final(reports)
            trial["finalMeasurement"] = {
                "elapsedDuration": f"{max(final.seconds - started, 0.0):.6f}s",
                "stepCount": str(final.step),
                "metrics": [{"metricId": metric, "value": value} for metric, value in final.values.items()],
            }
        self._end(job["name"], trial, reason)

    def _end(self, job: str, trial: Json, reason: str) -> None:
        """Writes that a trial has ended: well, or for a reason for which it counts as failed."""
        trial |= {"state": "INFEASIBLE", "infeasibleReason": reason} if reason else {"state": "SUCCEEDED"}
        trial["endTime"] = now()
        self._write(job, trial)

    def _write(self, job: str, trial: Json) -> None:
        """Writes one trial into its job."""
        kept = self.cloud.store.of("aiplatform").get(job) or {}
        others = [one for one in kept.get("trials", []) if one["id"] != trial["id"]]
        self.cloud.background.become(job, KIND, "RUNNING", trials=sorted([*others, trial], key=lambda one: int(one["id"])))

    def _folder(self, job: str) -> Path:
        return self.folder / job.rpartition("/")[2]


def with_parameters(spec: Json, trial: str, point: Point) -> Json:
    """The CustomJobSpec of a trial: parameters as `--NAME=VALUE` behind its arguments, outputs in a folder named by its id."""
    spec = copy.deepcopy(spec)
    words = [f"--{name}={_written(value)}" for name, value in point.items()]
    for pool in spec["workerPoolSpecs"]:
        for program in (pool.get("containerSpec"), pool.get("pythonPackageSpec")):
            if program is not None:
                program["args"] = [*program.get("args", []), *words]
    base = spec.get("baseOutputDirectory", {}).get("outputUriPrefix", "").rstrip("/")
    if base:
        spec["baseOutputDirectory"] = {"outputUriPrefix": f"{base}/{trial}"}
    return spec


def _written(value: Value) -> str:
    """A value as an argument: whole numbers without a point, so that a program may read them as integers."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _failed(problem: str, trials: list[Json]) -> Refusal:
    reasons = "; ".join(f"trial {trial['id']}: {trial['infeasibleReason']}" for trial in trials[-3:] if "infeasibleReason" in trial)
    return Refusal(400, "FAILED_PRECONDITION", f"{problem}. The job ended. {reasons}")
