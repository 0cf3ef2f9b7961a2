"""Context caches: contents that are sent once and named afterwards, until they expire. The same for both of Gemini's APIs.

What a cache refers to in Cloud Storage is taken into it, so that later changes there change nothing.
https://cloud.google.com/vertex-ai/generative-ai/docs/context-cache/context-cache-overview
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from emulator.behaviours import Refusal
from emulator.clock import now
from emulator.store import Store

Json = dict[str, Any]

KIND = "CachedContent"
CONTENTS = "cached-contents"
"""The collection of what lies in the caches, which no answer shows."""
LIFETIME = timedelta(hours=1)
LONGEST_NAME = 128
INLINE_BYTES = 10 << 20
DURATION = re.compile(r"(?P<seconds>\d{1,10})(\.\d{1,9})?s")
GIVEN_ONCE = ("systemInstruction", "tools", "toolConfig")
"""What a request with a cache may not repeat."""


@dataclass(frozen=True)
class Place:
    """One of the APIs, and what it says about caches."""

    service: str
    missing: Refusal
    """For a cache that is not there, or no more."""


VERTEX = Place("aiplatform", Refusal(404, "NOT_FOUND", "Not found: cached content metadata."))
GEMINI_API = Place("generativelanguage", Refusal(403, "PERMISSION_DENIED", "CachedContent not found (or permission denied)"))


def least_tokens(model: str, place: Place) -> int:
    """The smallest cache of a model that Google documents."""
    if place is GEMINI_API:
        return 1024 if "flash" in model else 4096
    return 2048 if re.match(r"gemini-(1|2)\b", model) else 4096


def check_size(model: str, tokens: int, place: Place) -> None:
    """Refuses contents that are too few for a cache.

    Raises:
        Refusal: Says how many there are and how many there must be.
    """
    least = least_tokens(model, place)
    if tokens >= least:
        return
    if place is GEMINI_API:
        raise Refusal(400, "", f"Cached content is too small. total_token_count={tokens}, min_total_token_count={least}")
    raise Refusal(400, "", f"The cached content is of {tokens} tokens. The minimum token count to start caching is {least}.")


def expiry(given: Json, moment: datetime) -> datetime:
    """When a cache expires, by the `ttl` or the `expireTime` of a request.

    Raises:
        Refusal: Both are given, or it would be in the past.
    """
    if "ttl" in given and "expireTime" in given:
        raise Refusal(400, "", "ttl and expireTime exclude each other. Give one of them.")
    if "ttl" in given:
        length = DURATION.fullmatch(str(given["ttl"]))
        if not length or not int(length["seconds"]):
            raise Refusal(400, "", f"The ttl {given['ttl']!r} is no time to live. Give seconds, such as 3600s.")
        return moment + timedelta(seconds=int(length["seconds"]))
    if "expireTime" in given:
        found = _moment(given["expireTime"])
        if found <= moment:
            raise Refusal(400, "", f"The expireTime {given['expireTime']} has passed. Give a later one.")
        return found
    return moment + LIFETIME


def keep(store: Store, place: Place, name: str, given: Json, files: Mapping[str, bytes], shown: Json) -> Json:
    """Makes a cache.

    Args:
        store: Where it is kept.
        place: The API it belongs to.
        name: Its name.
        given: The request's body.
        files: Content of the files that it refers to, by address.
        shown: What the API adds: `model`, `usageMetadata`.
    """
    if len(given.get("displayName", "")) > LONGEST_NAME:
        raise Refusal(400, "", f"The displayName has {len(given['displayName'])} characters. Give {LONGEST_NAME} at most.")
    stamp = now()
    cache = {"name": name, **shown, "createTime": stamp, "updateTime": stamp, "expireTime": _written(expiry(given, _moment(stamp)))}
    if "displayName" in given:
        cache["displayName"] = given["displayName"]
    inside: Json = {"contents": [_with_files(turn, files) for turn in given.get("contents", [])]}
    if "systemInstruction" in given:
        inside["systemInstruction"] = given["systemInstruction"]
    with store.transaction():
        store.of(CONTENTS).put(f"{place.service}/{name}", KIND, inside)
        store.of(place.service).put(name, KIND, cache)
    return cache


def find(store: Store, place: Place, name: str) -> Json:
    """A cache that has not expired.

    Raises:
        Refusal: There is none.
    """
    sweep(store)
    found = store.of(place.service).get(name)
    if found is None:
        raise place.missing
    return found


def prolong(store: Store, place: Place, name: str, given: Json) -> Json:
    """A cache with another time of expiry, which is all of it that can change.

    Raises:
        Refusal: There is none, or the request changes something else.
    """
    cache = find(store, place, name)
    if others := sorted(given.keys() - {"ttl", "expireTime", "name"}):
        raise Refusal(400, "", f"A cached content's {', '.join(others)} cannot be changed. Nothing was. Make another cache.")
    if not given.keys() & {"ttl", "expireTime"}:
        raise Refusal(400, "", "Only the expiry of a cached content can be changed. Give a ttl or an expireTime.")
    cache |= {"updateTime": now(), "expireTime": _written(expiry(given, datetime.now(UTC)))}
    return store.of(place.service).put(name, KIND, cache)


def forget(store: Store, place: Place, name: str) -> None:
    """Removes a cache.

    Raises:
        Refusal: There is none.
    """
    find(store, place, name)
    _remove(store, place, name)


def sweep(store: Store) -> None:
    """Removes what has expired."""
    moment = datetime.now(UTC)
    for place in (VERTEX, GEMINI_API):
        for name, cache in store.of(place.service).items(kind=KIND):
            if _moment(cache["expireTime"]) <= moment:
                _remove(store, place, name)


def extended(store: Store, place: Place, body: Json, name: str, model: str) -> tuple[Json, Json]:
    """A request with what its cache holds, and that alone.

    Args:
        store: Where caches are kept.
        place: The API that was asked.
        body: The request.
        name: The cache that it names.
        model: The model that was asked.

    Raises:
        Refusal: There is no such cache, it is another model's, or the request repeats what belongs to it.
    """
    cache = find(store, place, name)
    own = cache["model"].rpartition("/")[2]
    if own != model:
        message = f"Model used by GenerateContent request ({model}) and CachedContent ({own}) has to be the same."
        raise Refusal(400, "", message)
    if any(body.get(field) for field in GIVEN_ONCE):
        message = (
            "CachedContent can not be used with GenerateContent request setting system_instruction, tools or tool_config. "
            "Proposed fix: move those values to CachedContent from GenerateContent request."
        )
        raise Refusal(400, "", message)
    inside = store.of(CONTENTS).get(f"{place.service}/{name}") or {}
    rest = {field: value for field, value in body.items() if field != "cachedContent"}
    return {**rest, **inside, "contents": [*inside["contents"], *body.get("contents", [])]}, inside


def _remove(store: Store, place: Place, name: str) -> None:
    with store.transaction():
        store.of(place.service).remove(name)
        store.of(CONTENTS).remove(f"{place.service}/{name}")


def _with_files(turn: Json, files: Mapping[str, bytes]) -> Json:
    """A turn whose files are inline."""
    parts = turn.get("parts") or []
    return {**turn, "parts": [_inline(part, files) for part in (parts if isinstance(parts, list) else [parts])]}


def _inline(part: Json, files: Mapping[str, bytes]) -> Json:
    if "fileData" not in part:
        return part
    given = part["fileData"]
    data = base64.b64encode(files[given.get("fileUri", "")]).decode()
    rest = {field: value for field, value in part.items() if field != "fileData"}
    return {**rest, "inlineData": {"mimeType": given.get("mimeType", ""), "data": data}}


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
