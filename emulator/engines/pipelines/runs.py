"""The runs of one emulator: started, watched, cancelled."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.engines.pipelines.journal import Journal
from emulator.engines.pipelines.run import Run
from emulator.engines.pipelines.step import Job, Steps
from emulator.engines.pipelines.tasks import Task

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Changed = Callable[[Run, Task], None]


@dataclass(frozen=True)
class Live:
    """A run and the asyncio task that executes it."""

    run: Run
    work: asyncio.Task[None]


class Pipelines:
    """Every pipeline that runs now."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.folder = cloud.state / "pipelines"
        # What a killed emulator left of steps that were cut off: they begin anew.
        shutil.rmtree(self.folder, ignore_errors=True)
        self._live: dict[str, Live] = {}
        cloud.at_end(self.close)

    def start(self, job: Job, changed: Changed) -> Run:
        """Run `job`, from where it stood if a kill cut it off; `changed` is told of every task that enters a state, the root task last."""
        folder = self.folder / job.id
        journal = Journal(self.cloud.store, job.name)
        run = Run(job, Steps(self.cloud, folder, job), journal, lambda task: changed(run, task))

        async def work() -> None:
            try:
                await run.execute()
            except Exception as error:
                run.root.become("FAILED", f"The local pipeline engine failed: {error!r}")
                changed(run, run.root)
                journal.forget()
                raise
            else:
                journal.forget()
            finally:
                self._live.pop(job.name, None)
                shutil.rmtree(folder, ignore_errors=True)

        self._live[job.name] = Live(run, asyncio.create_task(work()))
        return run

    def get(self, name: str) -> Run | None:
        """The run of the job `name`, while it runs."""
        live = self._live.get(name)
        return live.run if live else None

    async def wait(self, name: str, seconds: float) -> None:
        """Wait for the end of a run, `seconds` at most."""
        if live := self._live.get(name):
            await asyncio.wait([live.work], timeout=seconds)

    async def close(self) -> None:
        """End every run at once."""
        works = [live.work for live in self._live.values()]
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
