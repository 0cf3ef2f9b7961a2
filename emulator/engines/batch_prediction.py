"""Batch prediction: instances go through a server of the model, which is deployed for the job alone; its answers become files or tables.

After each page of instances the store keeps how far the job is, so that a stop of the emulator costs the page at most.
https://cloud.google.com/vertex-ai/docs/predictions/get-batch-predictions
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.behaviours.models import find
from emulator.clock import now
from emulator.engines import explanations, instances, predictions, registry
from emulator.engines.instances import Drafts, Row, Source
from emulator.operations import CODES

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

KIND = "BatchPredictionJob"
CHECKPOINTS = "batch-predictions"
BATCH_SIZE = 64
"""Vertex AI's default for `manualBatchTuningParameters.batchSize`."""
AT_ONCE = 4
"""Batches that a server is asked for at a time; a page of instances is as many."""
TRIES = 3
MOST_FAULTS = 10
"""After so many batches in a row on which the server fails, the job does."""
SAID_BYTES = 2000
"""Of a server's answer in a message."""
RESULTS, ERRORS = "prediction.results", "prediction.errors_stats"


@dataclass(frozen=True)
class Lines:
    """What becomes of a batch."""

    results: list[str]
    """In the order of the rows."""
    errors: list[str]
    """Rows that cannot be read first."""
    faulty: bool
    """Whether the server failed on it."""


class BatchPredictions:
    """The batch prediction jobs that run."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._running: dict[str, asyncio.Task[None]] = {}
        self._cancelled: set[str] = set()
        cloud.at_end(self._close)

    def start(self, name: str, work: Coroutine[Any, Any, Json]) -> None:
        """Runs a job in the background: it is running now, and what `work` returns is written into it at its end.

        Args:
            name: Of the job, which exists.
            work: Returns fields of the job, `state` among them; a refusal that it raises is the job's error.
        """
        job = self._cloud.store.of("aiplatform").get(name) or {}
        change(self._cloud, name, state="JOB_STATE_RUNNING", startTime=job.get("startTime", now()))
        self._running[name] = asyncio.create_task(self._run(name, work))

    async def _run(self, name: str, work: Coroutine[Any, Any, Json]) -> None:
        try:
            ended = await work
        except Refusal as refusal:
            ended = failed(refusal)
        except asyncio.CancelledError:
            if name not in self._cancelled:
                # The emulator ends; the job goes on when it starts again.
                raise
            ended = {"state": "JOB_STATE_CANCELLED", "error": {"code": 1, "message": "The job was cancelled."}}
        except Exception as error:
            ended = failed(Refusal(500, "INTERNAL", f"The local Google Cloud failed: {error!r}"))
        finally:
            self._running.pop(name, None)
            self._cancelled.discard(name)
        with self._cloud.store.transaction():
            change(self._cloud, name, endTime=now(), **ended)
            self._cloud.store.of(CHECKPOINTS).remove(name)
        shutil.rmtree(drafts_of(self._cloud, name), ignore_errors=True)

    def runs(self, name: str) -> bool:
        """Whether the job runs."""
        return name in self._running

    async def wait(self, name: str, seconds: float) -> None:
        """Waits for the end of a job, `seconds` at most."""
        if work := self._running.get(name):
            await asyncio.wait([work], timeout=seconds)

    def cancel(self, name: str) -> None:
        """Ends a job; nothing happens to one that has ended."""
        if work := self._running.get(name):
            self._cancelled.add(name)
            work.cancel()

    async def _close(self) -> None:
        works = list(self._running.values())
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)


def change(cloud: Cloud, name: str, **fields: Any) -> None:
    """Writes fields of a job that may have been deleted meanwhile."""
    kept = cloud.store.of("aiplatform")
    if (job := kept.get(name)) is not None:
        kept.put(name, KIND, {**job, **fields, "updateTime": now()})


def failed(refusal: Refusal) -> Json:
    """The end of a job that failed."""
    return {"state": "JOB_STATE_FAILED", "error": {"code": CODES.get(refusal.status_name, 2), "message": refusal.message}}


def drafts_of(cloud: Cloud, name: str) -> Path:
    """The folder of what a job has written and not yet published."""
    return cloud.state / "batch-predictions" / name.rpartition("/")[2]


async def predict(cloud: Cloud, name: str) -> Json:
    """Runs a job from its checkpoint on; returns how it ended.

    Raises:
        Refusal: It cannot go on.
    """
    job, kept = cloud.store.of("aiplatform").get(name) or {}, cloud.store.of(CHECKPOINTS).get(name) or {}
    model = model_of(cloud, name, job)
    deployed = {
        "id": name.rpartition("/")[2],
        "serviceAccount": job.get("serviceAccount", ""),
        "dedicatedResources": job["dedicatedResources"],
    }
    work = Work(cloud, name, job, kept, model, deployed)
    try:
        problem = await work.run()
    finally:
        await cloud.servers.close(name, deployed["id"])
        if "unmanagedContainerModel" in job:
            registry.forget(cloud.objects, cloud.store, model)
    await work.publish()
    return {**(failed(problem) if problem else {"state": "JOB_STATE_SUCCEEDED"}), **work.counted()}


def model_of(cloud: Cloud, name: str, job: Json) -> Json:
    """The model that a job asks: a version in the registry, or one that the job brings along."""
    if "unmanagedContainerModel" not in job:
        return find(cloud, f"{job['model']}@{job['modelVersionId']}")
    model = {**job["unmanagedContainerModel"], "name": name, "versionId": "1"}
    registry.keep(cloud.objects, cloud.store, model)
    return model


class Work:
    """One job at work."""

    def __init__(self, cloud: Cloud, name: str, job: Json, kept: Json, model: Json, deployed: Json) -> None:
        self._cloud, self._name, self._job, self._model, self._deployed = cloud, name, job, model, deployed
        self._source = Source.of(kept["source"])
        self._position: instances.Position = (kept["position"][0], kept["position"][1])
        self._drafts = Drafts(drafts_of(cloud, name), kept["rows"], kept["sizes"])
        self._seconds: float = kept["seconds"]
        self._first_error: str = kept["error"]
        self._faults = 0
        self._ended = False
        self._batch_size = int(job.get("manualBatchTuningParameters", {}).get("batchSize") or BATCH_SIZE)
        self._explained = predictions.explanation_of(job, model)

    async def run(self) -> Refusal | None:
        """Predicts what is left; what went wrong with the job as a whole."""
        batch, begun = self._batch_size, time.monotonic()
        try:
            await self._server()
            async for page, after in instances.pages(self._cloud, self._source, self._position, batch * AT_ONCE):
                batches = [page[first : first + batch] for first in range(0, len(page), batch)]
                for lines in await self._together(batches):
                    self._drafts.append(RESULTS, lines.results)
                    self._drafts.append(ERRORS, lines.errors)
                    self._first_error = self._first_error or next((predictions.message_of(line) for line in lines.errors), "")
                    self._faults = self._faults + 1 if lines.faulty else 0
                ended, begun = time.monotonic() - begun, time.monotonic()
                self._seconds += ended
                self._keep(after)
                if self._faults >= MOST_FAULTS:
                    return Refusal(
                        503, "UNAVAILABLE", f"The model server failed on each of the last {self._faults} batches: {self._first_error}"
                    )
        except Refusal as refusal:
            return refusal
        self._ended = True
        rows = self._drafts.rows
        if rows.get(ERRORS) and not rows.get(RESULTS):
            return Refusal(400, "FAILED_PRECONDITION", f"No instance was predicted; {rows[ERRORS]} failed. The first: {self._first_error}")
        return None

    async def _together(self, batches: list[list[Row]]) -> list[Lines]:
        """What becomes of some batches, asked for at a time; those that a fault of the server met are asked for again, each alone."""
        done = await asyncio.gather(*(self._batch(rows, 1) for rows in batches), return_exceptions=True)
        lines = []
        for rows, one in zip(batches, done, strict=True):
            if isinstance(one, BaseException):
                raise one
            lines.append(one if not one.faulty else await self._batch(rows, TRIES))
        return lines

    def _keep(self, position: instances.Position) -> None:
        self._position = position
        checkpoint = {
            "source": self._source.kept(),
            "position": list(position),
            "rows": self._drafts.rows,
            "sizes": self._drafts.sizes,
            "seconds": self._seconds,
            "error": self._first_error,
        }
        with self._cloud.store.transaction():
            self._cloud.store.of(CHECKPOINTS).put(self._name, "Checkpoint", checkpoint)
            change(self._cloud, self._name, **self.counted())

    def counted(self) -> Json:
        """`completionStats`, `resourcesConsumed` and what cannot be read, as far as it is known."""
        rows = self._drafts.rows
        stats = {"successfulCount": str(rows.get(RESULTS, 0)), "failedCount": str(rows.get(ERRORS, 0))}
        stats |= {} if self._ended else {"incompleteCount": "-1"}
        failures = [{"code": 5, "message": f"There is nothing at {uri}."} for uri in self._source.missing[:20]]
        counted: Json = {"completionStats": stats, "resourcesConsumed": {"replicaHours": self._seconds / 3600}}
        return {**counted, **({"partialFailures": failures} if failures else {})}

    async def _server(self) -> Any:
        return await self._cloud.servers.open(self._name, self._deployed, self._model)

    async def _batch(self, rows: list[Row], tries: int) -> Lines:
        """Asks for the predictions of a batch."""
        results, errors, ready = [], [], []
        for row in rows:
            try:
                if row.error:
                    raise ValueError(row.error)
                ready.append((row, predictions.sent(self._job, row)))
            except ValueError as error:
                errors.append(self._error(row, row.value, CODES["INVALID_ARGUMENT"], str(error)))
        answer, faulty = await self._ask([instance for _, instance in ready], tries) if ready else ([], False)
        if isinstance(answer, Refusal):
            code, message = CODES[answer.status_name], answer.message
            errors += [self._error(row, instance, code, message) for row, instance in ready]
        else:
            for (row, instance), prediction in zip(ready, answer, strict=True):
                try:
                    said = {"prediction": prediction, **await self._explanation(instance, prediction)}
                    results.append(predictions.line(self._job, row, instance, said))
                except Refusal as refusal:
                    errors.append(self._error(row, instance, CODES[refusal.status_name], refusal.message))
        return Lines(results, errors, faulty)

    async def _explanation(self, instance: Any, prediction: Any) -> Json:
        """The `explanation` of a prediction, where the job asks for it."""
        if self._explained is None:
            return {}
        return {"explanation": await explanations.explain(self._mixtures, instance, prediction, self._explained)}

    async def _mixtures(self, mixtures: list[Any]) -> list[Any]:
        found: list[Any] = []
        for first in range(0, len(mixtures), self._batch_size):
            answer, _ = await self._ask(mixtures[first : first + self._batch_size], TRIES)
            if isinstance(answer, Refusal):
                raise answer
            found += answer
        return found

    def _error(self, row: Row, instance: Any, code: int, message: str) -> str:
        return predictions.line(self._job, row, instance, {"error": {"code": code, "message": message}})

    async def _ask(self, batch: list[Any], tries: int) -> tuple[list[Any] | Refusal, bool]:
        """The predictions of a batch, or what went wrong; and whether that is a fault of the server, which may pass."""
        parameters = {"parameters": self._job["modelParameters"]} if self._job.get("modelParameters") is not None else {}
        body = json.dumps({"instances": batch, **parameters}).encode()
        problem = Refusal(503, "UNAVAILABLE", "")
        for _ in range(tries):
            server = await self._server()
            try:
                status, _, content = await self._cloud.servers.ask(server, body, "application/json")
            except Refusal as refusal:
                problem = refusal
                continue
            said = content[:SAID_BYTES].decode(errors="replace")
            if status < 400:
                answered = predictions.answered(content, len(batch))
                message = f"The model server did not answer {len(batch)} `predictions` but {said}"
                return (Refusal(500, "INTERNAL", message) if answered is None else answered), False
            problem = Refusal(status, "INVALID_ARGUMENT" if status < 500 else "INTERNAL", f"The model server answered {status}: {said}")
            if status < 500:
                return problem, False
        return problem, True

    async def publish(self) -> None:
        """Gives results and errors their final places."""
        info, files = self._job["outputInfo"], {stream: self._drafts.files(stream) for stream in (RESULTS, ERRORS)}
        if "gcsOutputDirectory" in info:
            for stream, shards in files.items():
                shards = shards or [self._drafts.empty(stream)]
                names = {f"{stream}-{number:05}-of-{len(shards):05}": file for number, file in enumerate(shards)}
                instances.publish(self._cloud, info["gcsOutputDirectory"], names)
            return
        for stream, (table, fields) in zip(files, predictions.tables_of(self._cloud, self._job), strict=True):
            await instances.publish_rows(self._cloud, table, fields, files[stream], self._name)
