"""What happens by the clock: resources that carry the time of their next event, and the one task that sleeps until the first is due.

The time in the resource is all that the clock knows, so a restart goes on where it stood. What fires moves that time on before it does
anything else; one time of a resource never fires twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from emulator.clock import read
from emulator.dispatch import FAULTS

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]
Fire = Callable[["Cloud", str, datetime], Awaitable[None]]
Missed = Callable[["Cloud", str, datetime], None]

LONGEST_SLEEP_SECONDS = 30.0
"""A machine that was suspended, or whose clock was set, is noticed so soon."""


@dataclass(frozen=True)
class Source:
    """A kind of resource to which something happens by the clock."""

    service: str
    kind: str
    due: Callable[[Json], str]
    """When the next event of a resource is due, as APIs write times; empty where none is."""
    fire: Fire
    missed: Missed | None
    """What becomes of an event that was due while nothing ran; without it, the event happens late."""


@dataclass(frozen=True)
class Tick:
    """One event that is due."""

    due: datetime
    name: str
    source: Source


SOURCES: list[Source] = []


def fires(service: str, kind: str, due: Callable[[Json], str], missed: Missed | None = None) -> Callable[[Fire], Fire]:
    """The decorated coroutine does what is due to a resource of `kind`: it is called with the cloud, the resource's name and the moment.

    Args:
        service: API in whose collection the resources are kept.
        kind: Their kind there.
        due: Reads the time of the next event off a resource.
        missed: Passes over an event that was due while the emulator was stopped.
    """

    def register(fire: Fire) -> Fire:
        SOURCES.append(Source(service, kind, due, fire, missed))
        return fire

    return register


class Clockwork:
    """The events of one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._fired: dict[tuple[str, str], datetime] = {}
        self._running: set[tuple[str, str]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        cloud.at_end(self._close)

    def start(self, moment: datetime) -> None:
        """Passes over what was missed before `moment`, and keeps time from now on."""
        for tick in self.due(moment):
            if tick.source.missed is not None:
                tick.source.missed(self._cloud, tick.name, moment)
        self.spawn(self._keep_time())

    def wake(self) -> None:
        """Some time of a resource has changed."""
        self._changed.set()

    def due(self, moment: datetime) -> list[Tick]:
        """What is due at `moment`, the longest overdue first."""
        return [tick for tick in self._ticks() if tick.due <= moment]

    async def fire(self, moment: datetime) -> None:
        """Does all that is due at `moment`, and waits until it is done."""
        if tasks := [self._begin(tick, moment) for tick in self.due(moment)]:
            await asyncio.wait(tasks)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs `work` beside everything else; it ends with the emulator at the latest."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _ticks(self) -> list[Tick]:
        """The next event of every resource that has one and is not just at it, in order of time."""
        found = []
        for source in SOURCES:
            for name, resource in self._cloud.store.of(source.service).items(kind=source.kind):
                key = (source.service, name)
                due = None if key in self._running else _moment(source.due(resource))
                if due is not None and self._fired.get(key) != due:
                    found.append(Tick(due, name, source))
        return sorted(found, key=lambda tick: (tick.due, tick.name))

    def _begin(self, tick: Tick, moment: datetime) -> asyncio.Task[None]:
        key = (tick.source.service, tick.name)
        self._fired[key] = tick.due
        self._running.add(key)
        return self.spawn(self._fire(key, tick, moment))

    async def _fire(self, key: tuple[str, str], tick: Tick, moment: datetime) -> None:
        try:
            await tick.source.fire(self._cloud, tick.name, moment)
        except Exception:
            self._cloud.log(FAULTS, traceback.format_exc())
        finally:
            self._running.discard(key)
            self.wake()

    async def _keep_time(self) -> None:
        while True:
            moment = datetime.now(UTC)
            for tick in self.due(moment):
                self._begin(tick, moment)
            self._changed.clear()
            waiting = self._ticks()
            pause = (waiting[0].due - datetime.now(UTC)).total_seconds() if waiting else LONGEST_SLEEP_SECONDS
            # Not wait_for, which can lose a cancellation that comes in the moment of the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(max(pause, 0.0), LONGEST_SLEEP_SECONDS)):
                    await self._changed.wait()

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _moment(text: str) -> datetime | None:
    """The time that a resource says; none where it says nothing, or what an older state file let through and is no time."""
    try:
        return read(text) if text else None
    except ValueError:
        return None
