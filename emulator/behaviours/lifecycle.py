"""Lifecycle rules are followed after the start, then daily, and whenever somebody asks for it by SIGUSR1."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from emulator.behaviours import at_start
from emulator.engines.lifecycle import LOG, run_lifecycle

if TYPE_CHECKING:
    from emulator.cloud import Cloud

DAY_SECONDS = 86_400.0


@at_start
async def begin(cloud: Cloud) -> None:
    """Starts what runs daily; changes that an earlier run did not tell are told first."""
    cloud.objects.changes.begin(cloud)
    wanted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, wanted.set)
    task = asyncio.create_task(_daily(cloud, wanted))

    async def end() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    cloud.at_end(end)


async def _daily(cloud: Cloud, wanted: asyncio.Event) -> None:
    while True:
        wanted.clear()
        try:
            await run_lifecycle(cloud, datetime.now(UTC))
        except Exception:
            # A fault here must not end the rules for good; the next day may find it mended.
            cloud.log(LOG, traceback.format_exc())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DAY_SECONDS):
                await wanted.wait()
