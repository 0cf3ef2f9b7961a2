"""The Gemini API (generativelanguage), which clients with an API key call and of which no discovery document is shipped."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from emulator.cloud import Cloud

HOST = r"generativelanguage\.googleapis\.com"


@route(HOST, "GET", r"/v1(beta)?/models(/(?P<model>[^/:]+))?")
async def describe(call: Call, cloud: Cloud) -> Json:
    """Describes one model of the Gemini API, or all."""
    _require_key(call)
    if model := call.params.get("model"):
        return _described(model)
    return {"models": [_described(model) for model in LISTED]}


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


@route(HOST, "POST", r"/v1(beta)?/models/(?P<model>[^/:]+):(?P<verb>\w+)")
async def gemini_api(call: Call, cloud: Cloud) -> Json | Response:
    """The methods of `models` in the Gemini API."""
    _require_key(call)
    model, body = call.params["model"], _in_camel_case(json.loads(call.raw or b"{}"))
    match call.params["verb"]:
        case "generateContent":
            return await generated(call, cloud, model, body)
        case "streamGenerateContent":
            return streamed(call, cloud, await generated(call, cloud, model, body))
        case "countTokens":
            asked = body.get("generateContentRequest", body)
            files = files_of(cloud, asked)
            counted = await computed(lambda: cloud.gemini.count_tokens(asked, files))
            return {name: value for name, value in counted.items() if name != "totalBillableCharacters"}
        case "embedContent":
            require(call, model, EMBEDDING)
            [embedding] = await embedded(cloud, [body])
            return {"embedding": {"values": embedding.values}}
        case "batchEmbedContents":
            require(call, model, EMBEDDING)
            return {"embeddings": [{"values": one.values} for one in await embedded(cloud, body.get("requests", []))]}
        case verb:
            raise not_emulated(f"models:{verb} of the Gemini API")


def _require_key(call: Call) -> None:
    """Any key will do, but code that forgets to send one would fail at Google."""
    if not (call.headers.get("x-goog-api-key") or call.one("key") or call.headers.get("authorization")):
        raise Refusal(403, "", "Method doesn't allow unregistered callers. Send an API key: x-goog-api-key, or ?key=.")


SCHEMA_TYPES = ("TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")


def _in_camel_case(value: Any, names_are_data: bool = False) -> Any:
    """The JSON form of a message from either spelling, with the types of schemas by name where a client sends their numbers."""
    if isinstance(value, list):
        return [_in_camel_case(one) for one in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for name, one in value.items():
        key = name if names_are_data else re.sub(r"_([a-z])", lambda letter: letter[1].upper(), name)
        if key == "responseJsonSchema":
            result[key] = one
        elif key == "type" and isinstance(one, int) and not names_are_data:
            result[key] = SCHEMA_TYPES[one]
        else:
            result[key] = _in_camel_case(one, names_are_data=key == "properties" and not names_are_data)
    return result
