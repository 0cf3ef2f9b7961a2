"""Custom jobs as processes: each replica of each worker pool runs until all have ended, or one has failed.

Machine types bound nothing: a job has this machine. `maxWaitDuration` and `strategy` of `scheduling` say how to wait for machines, and
nothing here waits for any.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.engines import packages
from emulator.engines.joblog import JobLog
from emulator.engines.objects import split
from emulator.engines.replicas import Replica, Trial, replicas
from emulator.processes.said import Said
from emulator.processes.supervisor import LauncherFailed

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

KIND = "CustomJob"
LIMIT_SECONDS = 7 * 24 * 3600.0
"""Vertex AI's default for `scheduling.timeout`."""
RESTARTS = 3
"""How often a replica whose process was killed from outside is started again, as Vertex AI does when it loses a machine."""


class Lost(Exception):
    """A replica was lost, and the whole job shall start again."""


class Jobs:
    """Custom jobs, which run in the background of their resources."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.folder = cloud.state / "jobs"
        shutil.rmtree(self.folder, ignore_errors=True)

    def check(self, location: str, spec: Json) -> None:
        """Refuses a CustomJobSpec that could not be run in `location`.

        Raises:
            Refusal: Says what of it is not emulated.
        """
        replicas(self.cloud, f"{location}/customJobs/0", spec, self.folder)

    def start(self, job: Json, trial: Trial | None = None) -> Json:
        """Keeps a custom job and starts its processes; `job` is complete but for its state.

        Raises:
            Refusal: A replica asks for what cannot be run here; nothing is kept.
        """
        name, spec = job["name"], job["jobSpec"]
        parts = replicas(self.cloud, name, spec, self.folder / name.rpartition("/")[2], trial)
        if trial:
            for part in parts:
                (trial.folder / part.name).mkdir(parents=True, exist_ok=True)
        self.cloud.store.of("aiplatform").put(name, KIND, job)
        job = self.cloud.background.become(name, KIND, "PENDING")
        log = JobLog(self.cloud, name, trial.study if trial else name, trial.id if trial else "")
        self.cloud.background.start(name, KIND, self._work(name, spec, parts, log))
        return job

    async def _work(self, name: str, spec: Json, parts: list[Replica], log: JobLog) -> Json:
        scheduling = spec.get("scheduling", {})
        limit = float(scheduling.get("timeout", "").rstrip("s") or 0) or LIMIT_SECONDS
        try:
            async with self.cloud.supervisor.slots:
                self.cloud.background.become(name, KIND, "RUNNING")
                async with asyncio.timeout(limit):
                    await self._unpack(parts, log)
                    await self._run(parts, scheduling, log)
        except TimeoutError:
            problem = f"The job ran longer than its timeout of {limit:g} s. It was stopped. Raise scheduling.timeout."
            raise Refusal(504, "DEADLINE_EXCEEDED", problem) from None
        except LauncherFailed as failure:
            raise Refusal(503, "UNAVAILABLE", str(failure)) from failure
        finally:
            log.flush()
            shutil.rmtree(self.folder / name.rpartition("/")[2], ignore_errors=True)
        return {}

    async def _unpack(self, parts: list[Replica], log: JobLog) -> None:
        """Puts the Python packages in their places, those of a pool once."""
        for uri, folder in dict.fromkeys(package for part in parts for package in part.packages):
            log.add("service", f"{uri} is unpacked; what it depends on is not installed.")
            await asyncio.to_thread(packages.unpack, self.cloud.objects.path(*split(uri)), uri, folder)

    async def _run(self, parts: list[Replica], scheduling: Json, log: JobLog) -> None:
        """Runs the replicas together; the first that fails ends the others."""
        retries = 0 if scheduling.get("disableRetries") else RESTARTS
        together = bool(scheduling.get("restartJobOnWorkerRestart"))
        for left in range(retries, -1, -1):
            running = [asyncio.create_task(self._replica(part, retries, together and left > 0, log)) for part in parts]
            try:
                for ended in asyncio.as_completed(running):
                    await ended
                return
            except Lost as lost:
                log.add("service", f"{lost} The job starts again.")
            finally:
                for one in running:
                    one.cancel()
                await asyncio.gather(*running, return_exceptions=True)

    async def _replica(self, part: Replica, retries: int, together: bool, log: JobLog) -> None:
        """Runs one replica to its end.

        Raises:
            Refusal: It failed.
            Lost: It was killed from outside, and the job starts again as a whole.
        """
        for left in range(0 if together else retries, -1, -1):
            said = Said()

            def take(line: str, said: Said = said) -> None:
                said.add(line)
                log.add(part.name, line)

            end = await self.cloud.supervisor.run_beside(part.command, take)
            if end.code == 0:
                return
            problem = f"The replica {part.name} ended with {end.reason or f'exit code {end.code}'}: {said.last}"
            lost = end.code == -signal.SIGKILL
            if lost and together:
                raise Lost(problem)
            if not lost or not left:
                raise Refusal(400, "FAILED_PRECONDITION", problem)
            log.add("service", f"{problem} It starts again.")
