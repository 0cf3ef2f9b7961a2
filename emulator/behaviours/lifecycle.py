"""Lifecycle rules are followed after the start, and then daily."""

from __future__ import annotations

import asyncio
import contextlib
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
    task = asyncio.create_task(_daily(cloud))

    async def end() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    cloud.at_end(end)


async def _daily(cloud: Cloud) -> None:
    while True:
        try:
            await run_lifecycle(cloud, datetime.now(UTC))
        except Exception:
            # A fault here must not end the rules for good; the next day may find it mended.
            cloud.log(LOG, traceback.format_exc())
        await asyncio.sleep(DAY_SECONDS)
