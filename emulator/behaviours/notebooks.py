"""Workbench instances: they are started and stopped. No machine runs, so that each change is done at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, on

if TYPE_CHECKING:
    from emulator.cloud import Cloud

INSTANCES = "projects.locations.instances"
STATES = {"start": "ACTIVE", "stop": "STOPPED", "reset": "ACTIVE"}


@on("notebooks", *(f"{INSTANCES}.{verb}" for verb in STATES))
async def switch(call: Call, cloud: Cloud) -> Json:
    """A stopped instance keeps its disks."""
    instance = {**cloud.resources.load(call), "state": STATES[call.verb]}
    cloud.resources.save(call, call.name, instance, "Instance")
    return cloud.operations.done(call, instance, "Instance")
