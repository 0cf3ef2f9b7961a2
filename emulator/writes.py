"""What makes a write safe: an etag against overwriting another's, an id against doing it twice, and a trial that changes nothing."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Call, Refusal

if TYPE_CHECKING:
    from emulator.store import Store

Json = dict[str, Any]

UNCHECKED_ETAGS = {"storage", "bigquery"}
"""APIs that pay no heed to an etag in a body: conditions come in their query, or in a header."""
REQUESTS = "write-requests"
"""Id of a write → what it asked for, and what it was answered."""
REQUEST_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
REQUEST_SECONDS = 3600.0
"""How long an id is remembered."""


def is_set(call: Call, parameter: str) -> bool:
    """Whether a query parameter that the method has says yes."""
    return call.description is not None and parameter in call.description.parameters and call.one(parameter).lower() == "true"


def carried_out(call: Call, store: Store, write: Callable[[], Json]) -> Json:
    """The answer of `write`, which is done in full, as a trial, or not again, as the call asks.

    Args:
        call: Its `validateOnly` and its `requestId` are honoured where its method has them.
        store: What `write` writes into.
        write: Does it; it waits for nothing.

    Raises:
        Refusal: The call's id is none, or was used for another request; and what `write` raises.
    """
    if is_set(call, "validateOnly"):
        return _tried(store, write)
    known = call.description is not None and "requestId" in call.description.parameters
    return _once(call, store, write) if known and call.one("requestId") else write()


def check_etag(call: Call, resource: Json, given: Json) -> None:
    """Refuses a write that was made from an older state of the resource than it has now.

    Args:
        call: Its query and its `If-Match` may name an etag.
        resource: As it is.
        given: What is written; its `etag` or fingerprint is that of the state from which it was made.

    Raises:
        Refusal: In the form of the API's family.
    """
    message = f"'{call.name}' was changed meanwhile. Nothing was written. Read it again, and retry the whole read-modify-write."
    for tag in ("fingerprint", "labelFingerprint"):
        if given.get(tag) and resource.get(tag) and given[tag] != resource[tag]:
            raise Refusal(412, "FAILED_PRECONDITION", message)
    now = resource.get("etag")
    if now and call.headers.get("if-match", "*").strip('"') not in ("*", now):
        raise Refusal(412, "FAILED_PRECONDITION", message)
    claimed = call.one("etag") or (given.get("etag") if call.service not in UNCHECKED_ETAGS else "")
    if now and claimed and claimed.strip('"') != now.strip('"'):
        # https://google.aip.dev/154; Secret Manager is older than that.
        raise Refusal(400, "FAILED_PRECONDITION", message) if call.service == "secretmanager" else Refusal(409, "ABORTED", message)


class _Tried(Exception):
    """Carries an answer out of a transaction that it undoes."""

    def __init__(self, answer: Json) -> None:
        super().__init__()
        self.answer = answer


def _tried(store: Store, write: Callable[[], Json]) -> Json:
    try:
        with store.transaction():
            raise _Tried(write())
    except _Tried as tried:
        return tried.answer


def _once(call: Call, store: Store, write: Callable[[], Json]) -> Json:
    """A write that comes again under its id is answered as before, and done no second time; one that failed may be tried again."""
    identifier = call.one("requestId").lower()
    if not REQUEST_ID.fullmatch(identifier) or not int(identifier.replace("-", ""), 16):
        raise Refusal(400, "INVALID_ARGUMENT", f"Invalid value for field 'requestId': {identifier[:80]!r} is no UUID other than zero.")
    asked = hashlib.sha256(json.dumps([call.method, call.name, call.body], sort_keys=True).encode()).hexdigest()
    kept, moment, key = store.of(REQUESTS), time.time(), f"{call.service}/{call.project}/{identifier}"
    with store.transaction():
        for name, request in kept.items():
            if request["time"] < moment - REQUEST_SECONDS:
                kept.remove(name)
        before = kept.get(key) or kept.put(key, "Request", {"time": moment, "asked": asked, "answer": write()})
    if before["asked"] != asked:
        message = f"The requestId {identifier} was used for another request. Nothing was done. Use a new id for each request."
        raise Refusal(400, "INVALID_ARGUMENT", message)
    answer: Json = before["answer"]
    return answer
