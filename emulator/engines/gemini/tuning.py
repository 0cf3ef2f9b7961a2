"""Tuning jobs at work: rows of Cloud Storage → vectors → a head, on a thread of its own, kept with a model of the registry.

A job's numbers are its model's and its endpoint's, and the same rows give the same head: a job that a kill cut off is run
again from its beginning and leaves nothing twice.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from emulator.behaviours import Refusal
from emulator.engines import registry
from emulator.engines.gemini import rows as datasets
from emulator.engines.gemini.engine import PICTURE_TOKENS, Gemini
from emulator.engines.gemini.head import Fit, Head, Kind, fit, loaded, saved
from emulator.engines.gemini.minilm import Floats
from emulator.engines.gemini.prompt import file_uris
from emulator.engines.gemini.refused import Refused
from emulator.engines.gemini.rows import Dropped, Row
from emulator.engines.objects import split

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]
Result = TypeVar("Result")

HEAD = "head.npz"
MOST_BAD_SHARE = 0.1
"""A job with a larger share of rows that cannot be learnt from fails, so that nobody takes half a data set for the whole."""
BATCH = 64
"""Rows that are encoded between two looks at whether the job was cancelled."""
HEADS_IN_MEMORY = 16
STEPS = 1
"""The head's problem has one optimum, which one solve finds."""


@dataclass(frozen=True)
class Outcome:
    """What a job has learnt."""

    head: Head
    statistics: Json
    """`SupervisedTuningDataStats`."""
    metrics: Mapping[str, float]
    """Of rows that the head has not seen."""


class Tunings:
    """The tuning jobs that run, one at a time, and the heads of those that have."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tuning")
        self._turn = asyncio.Lock()
        self._running: dict[str, tuple[asyncio.Task[None], threading.Event]] = {}
        self._heads: OrderedDict[tuple[str, str], Head] = OrderedDict()
        cloud.at_end(self.close)

    def start(
        self,
        name: str,
        spec: Json,
        begun: Callable[[], None],
        ended: Callable[[Outcome | Refused | Refusal], None],
    ) -> None:
        """Runs a job.

        Args:
            name: Of the TuningJob.
            spec: Its `supervisedTuningSpec`.
            begun: Told when it is its turn.
            ended: Told what it has learnt, or why it could not; not told of a cancel.
        """
        stopped = threading.Event()

        async def work() -> None:
            try:
                async with self._turn:
                    begun()
                    ended(await self._learn(name, spec, stopped))
            except (Refused, Refusal) as refusal:
                ended(refusal)
            except Exception as error:
                self.cloud.log(name, f"failed: {error!r}")
                ended(Refused(f"the job failed: {error!r}", "Look at the console."))
            finally:
                stopped.set()
                self._running.pop(name, None)

        self._running[name] = (asyncio.create_task(work()), stopped)

    def cancel(self, name: str) -> bool:
        """Ends a job; whether it ran."""
        if running := self._running.pop(name, None):
            running[1].set()
            running[0].cancel()
        return running is not None

    async def wait(self, name: str, seconds: float) -> None:
        """Waits for the end of a job, `seconds` at most."""
        if running := self._running.get(name):
            await asyncio.wait([running[0]], timeout=seconds)

    async def close(self) -> None:
        """Ends all jobs; the next start runs them again."""
        running = list(self._running)
        tasks = [self._running[name][0] for name in running]
        for name in running:
            self.cancel(name)
        await asyncio.gather(*tasks, return_exceptions=True)
        self._thread.shutdown(cancel_futures=True)

    def keep(self, model: Json, head: Head) -> None:
        """Keeps a head with its model, which takes it along when it is deleted."""
        registry.write(self.cloud.objects, self.cloud.store, model, HEAD, saved(head))

    def head(self, model: str, version: str) -> Head:
        """The head of a tuned model.

        Raises:
            Refusal: The model was not tuned.
        """
        key = (model, version)
        if key not in self._heads:
            self._heads[key] = loaded(registry.read(self.cloud.objects, {"name": model, "versionId": version}, HEAD))
            while len(self._heads) > HEADS_IN_MEMORY:
                self._heads.popitem(last=False)
        self._heads.move_to_end(key)
        return self._heads[key]

    async def _learn(self, name: str, spec: Json, stopped: threading.Event) -> Outcome:
        def log(line: str) -> None:
            self.cloud.log(name, line)

        trained = await self._read(spec["trainingDatasetUri"], stopped)
        validated = await self._read(spec["validationDatasetUri"], stopped) if spec.get("validationDatasetUri") else None
        gemini: Gemini = self.cloud.gemini
        log(f"{len(trained.rows)} rows are learnt from, {len(trained.dropped)} are dropped")
        for one in trained.dropped:
            log(f"line {one.number} is dropped: {one.reason}")
        answers = [row.label for row in trained.rows]
        datasets.check_labels(answers)
        kind, vectors = trained.kind, trained.vectors

        def solve() -> tuple[Fit, Json]:
            fitted = fit(kind, vectors, answers)
            return fitted, datasets.statistics(trained.rows, trained.dropped, STEPS, gemini.count, PICTURE_TOKENS)

        fitted, statistics = await self._compute(solve)
        metrics = {"accuracy_leave_one_out": fitted.accuracy, "loss_leave_one_out": fitted.loss}
        if validated:
            if validated.kind != kind:
                raise Refused(f"the training rows are {kind}s and the validation rows {validated.kind}s", "Let both be of one kind.")
            metrics["accuracy_validation"] = fitted.head.accuracy(validated.vectors, [row.label for row in validated.rows])
        log(", ".join(f"{metric} {value:.4f}" for metric, value in metrics.items()))
        return Outcome(fitted.head, statistics, metrics)

    async def _read(self, uri: str, stopped: threading.Event) -> _Data:
        """The rows of a file, encoded."""
        path = self.cloud.objects.path(*split(uri))
        rows, dropped = await self._compute(lambda: datasets.read(path.read_bytes()))
        # What the state says is read here, what lies on the disk on the thread.
        files: dict[str, Path | str] = {}
        for row in rows:
            for address in file_uris(row.body):
                if address not in files:
                    files[address] = self._place(address)
                    await asyncio.sleep(0)
        data = await self._compute(lambda: _encoded(rows, dropped, files, self.cloud.gemini, stopped))
        share = len(data.dropped) / max(len(data.rows) + len(data.dropped), 1)
        if not data.rows or share > MOST_BAD_SHARE:
            named = "; ".join(f"line {one.number}: {one.reason}" for one in data.dropped[: datasets.SHOWN])
            raise Refused(
                f"{len(data.dropped)} of the {len(data.rows) + len(data.dropped)} rows of {uri} cannot be learnt from ({named})",
                f"Mend them: at most {MOST_BAD_SHARE:.0%} are dropped.",
            )
        return data

    def _place(self, address: str) -> Path | str:
        """The file of an object, or why there is none."""
        try:
            return self.cloud.objects.path(*split(address))
        except Refusal as refusal:
            return refusal.message

    async def _compute(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


@dataclass(frozen=True)
class _Data:
    """Encoded rows of one kind."""

    kind: Kind
    rows: Sequence[Row]
    vectors: Floats
    dropped: Sequence[Dropped]


def _encoded(
    rows: Sequence[Row], dropped: Sequence[Dropped], files: Mapping[str, Path | str], gemini: Gemini, stopped: threading.Event
) -> _Data:
    """A vector for each row that has one; the kind is that of the first.

    Raises:
        Refused: The job was cancelled.
    """
    kind: Kind | None = None
    kept: list[Row] = []
    vectors: list[Floats] = []
    problems = list(dropped)
    for at in range(0, len(rows), BATCH):
        if stopped.is_set():
            raise Refused("the job was cancelled", "Create it again.")
        batch: list[tuple[Row, Any]] = []
        for row in rows[at : at + BATCH]:
            try:
                content = datasets.content_of(row, {address: _bytes(files[address]) for address in file_uris(row.body)})
                own: Kind = "picture" if isinstance(content, bytes) else "text"
                kind = kind or own
                if own != kind:
                    raise Refused(f"the row is a {own} among {kind}s", "Tune a model on one kind.")
                # A picture is decoded here, where a broken one costs its own row only.
                batch.append((row, gemini.vectors([content])[1][0] if own == "picture" else content))
            except Refused as refused:
                problems.append(Dropped(row.number, refused.reason))
        kept += [row for row, _ in batch]
        found = [content for _, content in batch]
        if found:
            vectors.append(np.stack(found) if kind == "picture" else gemini.vectors(found)[1])
    stacked = np.concatenate(vectors) if vectors else np.zeros((0, 0), np.float32)
    return _Data(kind or "text", kept, stacked, sorted(problems, key=lambda one: one.number))


def _bytes(file: Path | str) -> bytes:
    if isinstance(file, str):
        raise Refused(f"a file cannot be read ({file})", "Upload it, or mend its address.")
    try:
        return file.read_bytes()
    except OSError as error:
        raise Refused(f"a file cannot be read ({error.strerror})", "Do not change the files of a job that runs.") from None
