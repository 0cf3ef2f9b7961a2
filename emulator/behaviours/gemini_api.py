"""The Gemini API (generativelanguage), which clients with an API key call and of which no discovery document is shipped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from emulator import validation
from emulator.behaviours import Call, Json, Refusal, Response, not_emulated, route
from emulator.behaviours.gemini import (
    DESCRIPTION,
    EMBEDDING,
    GENERATION,
    LISTED,
    computed,
    embedded,
    files_of,
    generated,
    kind_of,
    require,
    streamed,
)
from emulator.engines.gemini.request import conformed

if TYPE_CHECKING:
    from emulator.cloud import Cloud

NUMBER = re.compile(r"[0-9]{1,9}")
HOST = r"generativelanguage\.googleapis\.com"


@route(HOST, "GET", r"/v1(beta)?/models(/(?P<model>[^/:]+))?")
async def describe(call: Call, cloud: Cloud) -> Json:
    """Describes one model of the Gemini API, or all."""
    require_key(call)
    if model := call.params.get("model"):
        return _described(model)
    return page(call, "models", [_described(model) for model in LISTED])


def page(call: Call, column: str, rows: list[Json]) -> Json:
    """A page of a collection, as `pageSize` and `pageToken` ask for it.

    Raises:
        Refusal: These are no numbers.
    """
    size, token = call.one("pageSize") or "0", call.one("pageToken") or "0"
    if not (NUMBER.fullmatch(size) and NUMBER.fullmatch(token)):
        raise Refusal(400, "", f"pageSize {size[:80]!r} or pageToken {token[:80]!r} is wrong. Send the nextPageToken of the page before.")
    first = int(token)
    after = first + (int(size) or len(rows))
    return {column: rows[first:after], **({"nextPageToken": str(after)} if after < len(rows) else {})}


def _described(model: str) -> Json:
    kind = kind_of(model)
    methods = ["generateContent", "countTokens"] if kind is GENERATION else ["embedContent", "countTokens"]
    return {
        "name": f"models/{model}",
        "baseModelId": model,
        "version": "local-1",
        "displayName": model,
        "description": DESCRIPTION[kind],
        "inputTokenLimit": 1048576 if kind is GENERATION else 256,
        "outputTokenLimit": 65536 if kind is GENERATION else 1,
        "supportedGenerationMethods": methods,
    }


@route(HOST, "POST", r"/v1(beta)?/models/(?P<model>[^/:]+):(?P<verb>(?!batchGenerateContent)\w+)")
async def gemini_api(call: Call, cloud: Cloud) -> Json | Response:
    """The methods of `models` in the Gemini API."""
    require_key(call)
    model, verb, given = call.params["model"], call.params["verb"], validation.parsed(call.raw)
    if verb == "countTokens":
        # A whole request may be counted instead of its contents.
        whole = given.get("generateContentRequest", given.get("generate_content_request"))
        body = conformed(verb, given) if whole is None else conformed("generateContent", whole)
        files = files_of(cloud, body)
        counted = await computed(lambda: cloud.gemini.count_tokens(body, files))
        return {name: value for name, value in counted.items() if name != "totalBillableCharacters"}
    body = conformed(verb, given)
    match verb:
        case "generateContent":
            return await generated(call, cloud, model, body)
        case "streamGenerateContent":
            return streamed(call, cloud, await generated(call, cloud, model, body))
        case "embedContent":
            require(call, model, EMBEDDING)
            [embedding] = await embedded(cloud, [body])
            return {"embedding": {"values": embedding.values}}
        case "batchEmbedContents":
            require(call, model, EMBEDDING)
            return {"embeddings": [{"values": one.values} for one in await embedded(cloud, body.get("requests", []))]}
    raise not_emulated(f"models:{verb} of the Gemini API")


def require_key(call: Call) -> None:
    """Any key will do, but code that forgets to send one would fail at Google."""
    if not (call.headers.get("x-goog-api-key") or call.one("key") or call.headers.get("authorization")):
        raise Refusal(403, "", "Method doesn't allow unregistered callers. Send an API key: x-goog-api-key, or ?key=.")
