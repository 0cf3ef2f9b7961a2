"""Context caches on both of Gemini's hosts: `cachedContents` of Vertex AI, and of the API that clients with a key call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, at_start, on, route
from emulator.behaviours.gemini import GENERATION, computed, files_of, kind_of, last
from emulator.behaviours.gemini_api import HOST, page, require_key
from emulator.clock import number
from emulator.engines.gemini import caches
from emulator.engines.gemini.caches import GEMINI_API, INLINE_BYTES, KIND, VERTEX, Place
from emulator.engines.gemini.pieces import parts_of
from emulator.engines.gemini.request import conformed
from emulator.validation import parsed

if TYPE_CHECKING:
    from emulator.cloud import Cloud

CACHES = "projects.locations.cachedContents"
PATH = r"/v1(beta)?/cachedContents"
ONE = rf"{PATH}/(?P<cache>[^/:]+)"


@on("aiplatform", f"{CACHES}.create")
async def create(call: Call, cloud: Cloud) -> Json:
    """Makes a cache."""
    model = f"{call.location}/publishers/google/models/{last(call.body.get('model', ''))}"
    return await _made(call, cloud, VERTEX, f"{call.name}/{number()}", model, call.body)


async def _made(call: Call, cloud: Cloud, place: Place, name: str, model: str, given: Json) -> Json:
    own = last(model)
    if not given.get("model") or kind_of(own) is not GENERATION:
        raise Refusal(400, "", f"Model {given.get('model', '')!r} has no context caches. Nothing was cached. Name a gemini-… model.")
    if given.get("tools") or given.get("toolConfig"):
        raise Refusal(400, "", "The local Gemini has no tools, cached or not. Nothing was cached. Leave tools and toolConfig out.")
    if not given.get("contents") and not given.get("systemInstruction"):
        raise Refusal(400, "", "There is nothing to cache. Give contents or a systemInstruction.")
    if len(call.raw) > INLINE_BYTES:
        raise Refusal(400, "", f"The request is larger than {INLINE_BYTES >> 20} MB. Nothing was cached. Name the files in Cloud Storage.")
    files = files_of(cloud, given)
    counted = await computed(lambda: cloud.gemini.count_tokens(given, files))
    caches.check_size(own, counted["totalTokens"], place)
    turns = [given.get("systemInstruction") or {}, *given.get("contents", [])]
    parts = [part for turn in turns for part in parts_of(turn)]
    usage = {
        "totalTokenCount": counted["totalTokens"],
        "textCount": sum(len(part["text"]) for part in parts if "text" in part),
        "imageCount": sum("text" not in part for part in parts),
    }
    return caches.keep(cloud.store, place, name, given, files, {"model": model, "usageMetadata": usage})


@on("aiplatform", f"{CACHES}.get")
async def get(call: Call, cloud: Cloud) -> Json:
    """Describes a cache, without what lies in it."""
    return caches.find(cloud.store, VERTEX, call.name)


@on("aiplatform", f"{CACHES}.list")
async def list_caches(call: Call, cloud: Cloud) -> Json:
    """The caches that have not expired."""
    caches.sweep(cloud.store)
    return cloud.resources.list(call)


@on("aiplatform", f"{CACHES}.patch")
async def patch(call: Call, cloud: Cloud) -> Json:
    """Changes when a cache expires."""
    return caches.prolong(cloud.store, VERTEX, call.name, call.body)


@on("aiplatform", f"{CACHES}.delete")
async def delete(call: Call, cloud: Cloud) -> Json:
    """Deletes a cache."""
    caches.forget(cloud.store, VERTEX, call.name)
    return {}


@route(HOST, "POST", PATH)
async def create_with_key(call: Call, cloud: Cloud) -> Json:
    """Makes a cache."""
    given = _body(call)
    return await _made(call, cloud, GEMINI_API, f"cachedContents/{number()}", f"models/{last(given.get('model', ''))}", given)


@route(HOST, "GET", PATH)
async def list_with_key(call: Call, cloud: Cloud) -> Json:
    """The caches that have not expired."""
    require_key(call)
    caches.sweep(cloud.store)
    return page(call, "cachedContents", cloud.store.of(GEMINI_API.service).list(kind=KIND))


@route(HOST, "GET", ONE)
async def get_with_key(call: Call, cloud: Cloud) -> Json:
    """Describes a cache, without what lies in it."""
    require_key(call)
    return caches.find(cloud.store, GEMINI_API, _named(call))


@route(HOST, "PATCH", ONE)
async def patch_with_key(call: Call, cloud: Cloud) -> Json:
    """Changes when a cache expires."""
    return caches.prolong(cloud.store, GEMINI_API, _named(call), _body(call))


@route(HOST, "DELETE", ONE)
async def delete_with_key(call: Call, cloud: Cloud) -> Json:
    """Deletes a cache."""
    require_key(call)
    caches.forget(cloud.store, GEMINI_API, _named(call))
    return {}


def _named(call: Call) -> str:
    return f"cachedContents/{call.params['cache']}"


def _body(call: Call) -> Json:
    require_key(call)
    return conformed("create", parsed(call.raw), "cachedContents")


@at_start
async def sweep(cloud: Cloud) -> None:
    """Removes what expired while nothing ran."""
    caches.sweep(cloud.store)
