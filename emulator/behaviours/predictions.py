"""Predictions and explanations of deployed models: forwarded to their servers, at the region's host and at endpoints' own.

https://cloud.google.com/vertex-ai/docs/predictions/get-online-predictions
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator import validation
from emulator.behaviours import STATUS_NAMES, Call, Json, Refusal, Response, on, route
from emulator.behaviours.endpoints import ENDPOINTS, deployed_of
from emulator.behaviours.models import find, is_generative
from emulator.engines.requests import payloads

if TYPE_CHECKING:
    from emulator.cloud import Cloud

REQUEST_BYTES, DEDICATED_REQUEST_BYTES = 1_572_864, 10_485_760
"""The largest prediction request, at the shared host and at a dedicated endpoint's own."""
TOGETHER = 64
"""Mixtures that an explanation asks a server about in one request."""
OWN_HOST = r"[^.]+\.[a-z0-9-]+\.prediction\.vertexai\.goog"


@dataclass(frozen=True)
class Asked:
    """Who answers a prediction request."""

    endpoint: Json
    deployed: Json
    model: Json


@on("aiplatform", f"{ENDPOINTS}.predict")
async def predict(call: Call, cloud: Cloud) -> Json:
    """Forwards instances to a deployed model, chosen by the traffic split."""
    _check_size(call, REQUEST_BYTES)
    _check_host(call, cloud)
    return await _predict(cloud, call.name, call.body)


@on("aiplatform", f"{ENDPOINTS}.explain")
async def explain(call: Call, cloud: Cloud) -> Json:
    """Predictions of a deployed model, each with what the features of its instance add to it."""
    _check_size(call, REQUEST_BYTES)
    _check_host(call, cloud)
    return await _explain(cloud, call.name, call.body)


@on("aiplatform", f"{ENDPOINTS}.rawPredict")
async def raw_predict(call: Call, cloud: Cloud) -> Response:
    """Forwards any body to a deployed model, and its answer back."""
    _check_size(call, REQUEST_BYTES)
    _check_host(call, cloud)
    return await _raw_predict(cloud, call.name, call.raw, call.headers.get("content-type", "application/json"))


@on("aiplatform", f"{ENDPOINTS}.streamRawPredict")
async def stream_raw_predict(call: Call, cloud: Cloud) -> Response:
    """The same, and the answer arrives as the model's server writes it."""
    _check_size(call, REQUEST_BYTES)
    _check_host(call, cloud)
    return await _raw_predict(cloud, call.name, call.raw, call.headers.get("content-type", "application/json"), streams=True)


@route(OWN_HOST, "POST", r"/v1/(?P<name>projects/[^:]+):(?P<verb>predict|rawPredict|streamRawPredict)", "aiplatform.endpoints.predict")
async def dedicated(call: Call, cloud: Cloud) -> Json | Response:
    """The same at a dedicated endpoint's own host."""
    name = cloud.projects.by_id(call.params["name"])
    _check_size(call, DEDICATED_REQUEST_BYTES)
    if call.params["verb"] == "predict":
        return await _predict(cloud, name, validation.parsed(call.raw))
    content_type = call.headers.get("content-type", "application/json")
    return await _raw_predict(cloud, name, call.raw, content_type, streams=call.params["verb"] == "streamRawPredict")


def _check_size(call: Call, limit: int) -> None:
    if len(call.raw) > limit:
        raise Refusal(400, "INVALID_ARGUMENT", f"Request payload size exceeds the limit: {limit} bytes.")


def _check_host(call: Call, cloud: Cloud) -> None:
    """The region's common host does not answer for an endpoint that has its own, or that is reached from a network only."""
    endpoint = cloud.store.of("aiplatform").get(call.name) or {}
    if dns := endpoint.get("dedicatedEndpointDns"):
        message = f"Endpoint '{call.name}' is dedicated: it is asked at https://{dns} and not at {call.host}."
        raise Refusal(400, "FAILED_PRECONDITION", message)
    if endpoint.get("privateServiceConnectConfig", {}).get("enablePrivateServiceConnect"):
        message = f"Endpoint '{call.name}' is private: it is asked through Private Service Connect, from a network of its consumers."
        raise Refusal(400, "FAILED_PRECONDITION", message)


async def _predict(cloud: Cloud, name: str, body: Json) -> Json:
    asked = await _chosen(cloud, name)
    predictions, metadata = await _predictions(cloud, asked, body)
    extra = {"modelDisplayName": asked.model.get("displayName"), "metadata": metadata}
    return {
        "predictions": predictions,
        "deployedModelId": asked.deployed["id"],
        "model": asked.model["name"],
        "modelVersionId": asked.model["versionId"],
        **{key: value for key, value in extra.items() if value is not None},
    }


async def _explain(cloud: Cloud, name: str, body: Json) -> Json:
    from emulator.engines import explanations

    asked, instances = await _chosen(cloud, name, body.get("deployedModelId", "")), body["instances"]
    given = asked.deployed.get("explanationSpec") or asked.model.get("explanationSpec") or {}
    specification = explanations.specification(given, body.get("explanationSpecOverride") or {})
    parameters = {"parameters": body["parameters"]} if "parameters" in body else {}
    predictions, _ = await _predictions(cloud, asked, body)
    if len(predictions) != len(instances):
        raise Refusal(500, "INTERNAL", f"The model server answered {len(predictions)} predictions to {len(instances)} instances.")

    async def ask(mixtures: list[Any]) -> list[Any]:
        found: list[Any] = []
        for first in range(0, len(mixtures), TOGETHER):
            batch = mixtures[first : first + TOGETHER]
            found += (await _predictions(cloud, asked, {"instances": batch, **parameters}, counted=False))[0]
        if len(found) != len(mixtures):
            raise Refusal(500, "INTERNAL", f"The model server answered {len(found)} predictions to {len(mixtures)} instances.")
        return found

    explained = [await explanations.explain(ask, *pair, specification) for pair in zip(instances, predictions, strict=True)]
    return {"explanations": explained, "deployedModelId": asked.deployed["id"], "predictions": predictions}


async def _predictions(cloud: Cloud, asked: Asked, body: Json, counted: bool = True) -> tuple[list[Any], Any]:
    """The predictions in a server's answer, and its metadata."""
    request = {key: body[key] for key in ("instances", "parameters") if key in body}
    status, _, content = await _ask(cloud, asked, json.dumps(request).encode(), "application/json", counted)
    if status >= 400:
        raise Refusal(status, STATUS_NAMES.get(status, "INTERNAL"), content.decode(errors="replace"))
    try:
        answer = json.loads(content)
        return answer["predictions"], answer.get("metadata")
    except (ValueError, KeyError, TypeError):
        message = (
            f"Deployed model '{asked.deployed['id']}' did not answer JSON with `predictions` but {content[:200]!r}. "
            "Mend the server, or use rawPredict."
        )
        raise Refusal(500, "INTERNAL", message) from None


async def _raw_predict(cloud: Cloud, name: str, body: bytes, content_type: str, streams: bool = False) -> Response:
    asked = await _chosen(cloud, name)
    headers = {
        "X-Vertex-AI-Deployed-Model-Id": asked.deployed["id"],
        "X-Vertex-AI-Model": asked.model["name"],
        "X-Vertex-AI-Model-Version-Id": asked.model["versionId"],
    }
    status, answered, content = await (_stream if streams else _ask)(cloud, asked, body, content_type)
    return Response(content, status, headers, answered)


async def _chosen(cloud: Cloud, name: str, deployed_id: str = "") -> Asked:
    """The deployed model that a request names or else the traffic split chooses."""
    endpoint = cloud.store.of("aiplatform").get(name)
    if endpoint is None:
        raise Refusal(404, "", f"Endpoint '{name}' was not found.")
    split = {key: share for key, share in endpoint.get("trafficSplit", {}).items() if share}
    if not split and not deployed_id:
        raise Refusal(
            400, "FAILED_PRECONDITION", f"Endpoint '{name}' sends traffic to no deployed model. Deploy one, or set its trafficSplit."
        )
    deployed = deployed_of(endpoint, deployed_id or random.choices(list(split), weights=list(split.values()))[0])
    model = find(cloud, f"{deployed['model']}@{deployed['modelVersionId']}")
    if is_generative(model):
        raise Refusal(400, "FAILED_PRECONDITION", f"Endpoint '{name}' serves a tuned Gemini, which predicts nothing. Ask generateContent.")
    return Asked(endpoint, deployed, model)


async def _ask(cloud: Cloud, asked: Asked, body: bytes, content_type: str, counted: bool = True) -> tuple[int, str, bytes]:
    """Status, content type and body of a deployed model's answer."""
    server, begun = await cloud.servers.open(asked.endpoint["name"], asked.deployed, asked.model), time.perf_counter()
    try:
        answer = await cloud.servers.ask(server, body, content_type)
    except Refusal as refusal:
        _count(cloud, asked, refusal.status, begun)
        raise
    if counted:
        _count(cloud, asked, answer[0], begun)
        _log(cloud, asked, body, answer[2])
    return answer


async def _stream(cloud: Cloud, asked: Asked, body: bytes, content_type: str) -> tuple[int, str, AsyncIterator[bytes]]:
    """The same, with the body in the pieces in which the server writes it."""
    server, begun = await cloud.servers.open(asked.endpoint["name"], asked.deployed, asked.model), time.perf_counter()
    try:
        status, answered, parts = await cloud.servers.stream(server, body, content_type)
    except Refusal as refusal:
        _count(cloud, asked, refusal.status, begun)
        raise

    async def passed_on() -> AsyncIterator[bytes]:
        whole = []
        async for part in parts:
            if _logs(asked):
                whole.append(part)
            yield part
        _count(cloud, asked, status, begun)
        _log(cloud, asked, body, b"".join(whole))

    return status, answered, passed_on()


def _count(cloud: Cloud, asked: Asked, status: int, begun: float) -> None:
    cloud.traffic.count(asked.endpoint["name"], asked.deployed["id"], status, _milliseconds(begun))


def _logs(asked: Asked) -> bool:
    return bool(asked.endpoint.get("predictRequestResponseLoggingConfig", {}).get("enabled"))


def _log(cloud: Cloud, asked: Asked, body: bytes, answer: bytes) -> None:
    if _logs(asked):
        cloud.requests.add(asked.endpoint, asked.deployed["id"], payloads(body, "instances"), payloads(answer, "predictions"))


def _milliseconds(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000
