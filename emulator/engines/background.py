"""What goes on behind a resource after its request was answered, and the state that the resource is in meanwhile."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.clock import now
from emulator.operations import CODES

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


class Background:
    """Custom jobs, hyperparameter tuning jobs and training pipelines at work, by their names."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._kept = cloud.store.of("aiplatform")
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._cancelled: set[str] = set()
        self.closing = False
        cloud.at_end(self.close)

    def start(self, name: str, kind: str, work: Coroutine[Any, Any, Json]) -> None:
        """Runs `work` behind the resource `name`, which succeeds with the fields that it returns, or fails with the refusal it raises."""
        self._tasks[name] = asyncio.create_task(self._run(name, kind, work))

    async def _run(self, name: str, kind: str, work: Coroutine[Any, Any, Json]) -> None:
        try:
            fields = await work
            self.become(name, kind, "SUCCEEDED", **fields)
        except Refusal as refusal:
            self.fail(name, kind, refusal)
        except asyncio.CancelledError:
            # The end of the emulator leaves the state as it is: the next start says what was cut off.
            if name not in self._cancelled:
                raise
            self.become(name, kind, "CANCELLED", error={"code": CODES["CANCELLED"], "message": "The job was cancelled."})
        except Exception as error:
            self._cloud.log(name, traceback.format_exc())
            self.fail(name, kind, Refusal(500, "INTERNAL", f"The local Google Cloud failed: {error!r}"))
        finally:
            self._tasks.pop(name, None)
            self._cancelled.discard(name)

    def become(self, name: str, kind: str, state: str, **fields: Any) -> Json:
        """Writes a new state (`RUNNING`) and other fields into the resource; returns it."""
        resource = self._kept.get(name) or {"name": name}
        prefix = "PIPELINE_STATE" if kind == "TrainingPipeline" else "JOB_STATE"
        stamp = now()
        moments = {"endTime": stamp} if state in ENDED else {"startTime": resource.get("startTime", stamp)} if state == "RUNNING" else {}
        return self._kept.put(name, kind, {**resource, "state": f"{prefix}_{state}", "updateTime": stamp, **moments, **fields})

    def fail(self, name: str, kind: str, refusal: Refusal) -> None:
        """Writes that the work failed, and why."""
        self.become(name, kind, "FAILED", error={"code": CODES.get(refusal.status_name, 2), "message": refusal.message})

    def unfinished(self, kind: str) -> list[str]:
        """Names of the resources of a kind whose state says that something goes on."""
        return [name for name, one in self._kept.items(kind=kind) if str(one.get("state", "")).endswith(("_PENDING", "_RUNNING"))]

    def runs(self, name: str) -> bool:
        """Whether something goes on behind the resource."""
        return name in self._tasks

    async def wait(self, name: str, seconds: float | None = None) -> None:
        """Waits for the end of what goes on, `seconds` at most."""
        if task := self._tasks.get(name):
            await asyncio.wait([task], timeout=seconds)

    async def ended(self, name: str) -> Json:
        """The resource after its end; where the work that waits for it is cancelled, it is cancelled too."""
        try:
            await self.wait(name)
        except asyncio.CancelledError:
            if not self.closing:
                self.cancel(name)
                await self.wait(name)
            raise
        if self.closing:
            raise asyncio.CancelledError
        return self._kept.get(name) or {}

    def cancel(self, name: str) -> None:
        """Ends what goes on; nothing happens to what has ended."""
        if task := self._tasks.get(name):
            self._cancelled.add(name)
            task.cancel()

    async def close(self) -> None:
        """Ends everything at once."""
        self.closing = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
