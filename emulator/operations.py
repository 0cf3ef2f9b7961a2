"""Long-running operations, in the family of shapes that each API uses, and the tasks behind them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import uuid
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Call, Refusal
from emulator.clock import now, number

if TYPE_CHECKING:
    from emulator.store import Store

Json = dict[str, Any]

EMPTY = "google.protobuf.Empty"
CODES = {
    "CANCELLED": 1,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "UNAUTHENTICATED": 16,
}
"""google.rpc.Code, which an operation's error carries in place of an HTTP status."""
GLANCE_SECONDS = 2.0
"""How long a read of a running operation is held: clients sleep between two reads, longer each time, and would see its end late."""
WAIT_SECONDS = 30.0
SERVICE = "operations"
"""Operations have names of their own, whatever API made them; they are kept in one collection."""


class Operations:
    """`google.longrunning` operations. They survive a restart; what was still running then has failed."""

    def __init__(self, store: Store) -> None:
        self._kept = store.of(SERVICE)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        for name, operation in self._kept.items():
            if operation.get("done") is False:
                error = {"code": 10, "message": "Interrupted: the local Google Cloud was stopped while this operation ran. Start it again."}
                self._kept.put(name, "Operation", {**operation, "done": True, "error": error})

    def done(self, call: Call, response: Json, type_name: str, metadata: Json | None = None, metadata_type: str = "") -> Json:
        """An operation that has ended well.

        Args:
            call: The request that it answers.
            response: The result.
            type_name: Its message type: the name in `call`'s API (`DeployModelResponse`), a full one (`google.protobuf.Empty`),
                or empty for `google.protobuf.Empty`.
            metadata: The operation's metadata, if any.
            metadata_type: Its message type, as for `type_name`; a type that does not exist breaks clients, so none is better.
        """
        operation = self._new(call, metadata, metadata_type)
        operation |= {"done": True, "response": {"@type": type_url(call, type_name), **response}}
        return self._kept.put(operation["name"], "Operation", operation)

    def start(self, call: Call, work: Awaitable[Json], type_name: str, metadata: Json | None = None, metadata_type: str = "") -> Json:
        """An operation that runs `work` in the background and ends with its result, or with the refusal that it raises."""
        operation = {**self._new(call, metadata, metadata_type), "done": False}
        name = operation["name"]
        self._kept.put(name, "Operation", operation)
        self._tasks[name] = asyncio.ensure_future(self._run(name, operation, work, type_url(call, type_name)))
        return operation

    async def _run(self, name: str, operation: Json, work: Awaitable[Json], url: str) -> None:
        try:
            ended: Json = {"response": {"@type": url, **await work}}
        except Refusal as refusal:
            ended = {"error": {"code": CODES.get(refusal.status_name, 2), "message": refusal.message}}
        except asyncio.CancelledError:
            ended = {"error": {"code": 1, "message": "The operation was cancelled."}}
        except Exception as error:
            ended = {"error": {"code": 13, "message": f"The local Google Cloud failed: {error!r}"}}
        finally:
            self._tasks.pop(name, None)
        self._kept.put(name, "Operation", {**operation, "done": True, **ended})

    async def get(self, name: str, wait: float = 0) -> Json:
        """The operation; waits up to `wait` seconds for its end.

        Raises:
            Refusal: There is none of that name.
        """
        if wait and (task := self._tasks.get(name)):
            await asyncio.wait([task], timeout=wait)
        operation = self._kept.get(name)
        if operation is None:
            raise Refusal(404, "NOT_FOUND", f"Operation {name!r} was not found.")
        return operation

    def cancel(self, name: str) -> None:
        """Ends a running operation; nothing happens to one that has ended."""
        if task := self._tasks.get(name):
            task.cancel()

    def list(self, parent: str) -> list[Json]:
        """The operations directly below `parent` (`projects/P/locations/L/operations`)."""
        return self._kept.list(parent)

    def keep(self, name: str, operation: Json) -> Json:
        """Stores an operation of another family (Compute's, for one) under its full name."""
        return self._kept.put(name, "Operation", operation)

    async def close(self) -> None:
        """Cancels what still runs."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)

    def _new(self, call: Call, metadata: Json | None, metadata_type: str) -> Json:
        parent = operation_parent(call)
        operation: Json = {"name": f"{parent}operations/{number() if call.service == 'aiplatform' else uuid.uuid4().hex[:16]}"}
        if metadata_type:
            stamp = now()
            generic = {"genericMetadata": {"createTime": stamp, "updateTime": stamp}} if call.service == "aiplatform" else {}
            operation["metadata"] = {"@type": type_url(call, metadata_type), **generic, **(metadata or {})}
        return operation


def operation_parent(call: Call) -> str:
    """`projects/P/locations/L/` where the API keeps operations by location, empty where it keeps them flat (`operations/…`)."""
    if call.description is not None and not call.description.document.has_located_operations:
        return ""
    match = re.match(r"(?:projects|folders|organizations)/[^/]+(?:/locations/[^/]+)?", call.name)
    return f"{match.group(0)}/" if match else ""


def type_url(call: Call, type_name: str) -> str:
    """Type of an `Any`: a schema's name loses the prefix that discovery documents give it (`GoogleCloudAiplatformV1Model` → `Model`)."""
    if not type_name:
        return f"type.googleapis.com/{EMPTY}"
    if type_name.startswith("google."):
        return f"type.googleapis.com/{type_name}"
    short = re.sub(r"^(Google\w*?)?V\d+((alpha|beta)\d+)?(p\d+)?(?=[A-Z])", "", type_name)
    return f"type.googleapis.com/google.cloud.{call.service}.{call.version}.{short}"
