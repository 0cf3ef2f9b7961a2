"""Gemini on Vertex AI: publisher models, which small models on this machine answer for (`emulator.engines.gemini`)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from emulator.behaviours import Call, Json, Refusal, Response, on
from emulator.engines.gemini import caches
from emulator.engines.gemini.prompt import file_uris
from emulator.engines.gemini.refused import Refused

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.engines.gemini.caches import Place
    from emulator.engines.gemini.head import Head

Answer = TypeVar("Answer")

GENERATION = re.compile(r"gemini-(?!embedding).+")
EMBEDDING = re.compile(r"gemini-embedding-.+|text-(multilingual-)?embedding-.+|embedding-\d+")
EMBEDDING_SCHEMA = "gs://google-cloud-aiplatform/schema/predict/instance/text_embedding_1.0.0.yaml"
LISTED = ("gemini-flash-latest", "gemini-flash-lite-latest", "gemini-embedding-001")
"""What a list shows; every other Gemini model is answered for alike."""
DESCRIPTION = {
    GENERATION: "Answered for by small models on this machine: it labels texts and pictures by examples and refuses everything else.",
    EMBEDDING: "Answered for by all-MiniLM-L6-v2 on this machine: 384 dimensions or fewer.",
}
WORKERS = ThreadPoolExecutor(2, thread_name_prefix="gemini")
"""Requests are computed beside the event loop, each on one core."""


def kind_of(model: str) -> re.Pattern[str]:
    """`GENERATION` or `EMBEDDING`.

    Raises:
        Refusal: Nothing here answers for the model.
    """
    for kind in DESCRIPTION:
        if kind.fullmatch(model):
            return kind
    raise Refusal(404, "", f"Model {model!r} was not found: the local Google Cloud answers for gemini-… and …embedding-… models.")


def require(call: Call, model: str, kind: re.Pattern[str]) -> None:
    """Refuses a model that does not exist, or that does not have the method."""
    if kind_of(model) is not kind:
        raise Refusal(400, "", f"Model {model!r} does not support {call.path.rpartition(':')[2]}.")


def last(name: str) -> str:
    """The last part of a name: the id of a model."""
    return name.rpartition("/")[2]


@on("aiplatform", "publishers.models.get")
async def get(call: Call, cloud: Cloud) -> Json:
    """Describes a publisher model."""
    return _publisher_model(last(call.name))


@on("aiplatform", "publishers.models.list")
async def list_models(call: Call, cloud: Cloud) -> Json:
    """The publisher models of Google."""
    return cloud.resources.list(call, rows=[_publisher_model(model) for model in LISTED])


def _publisher_model(model: str) -> Json:
    # The older SDK takes its class of models from the schema, and the address from the template.
    schema = {"predictSchemata": {"instanceSchemaUri": EMBEDDING_SCHEMA}} if kind_of(model) is EMBEDDING else {}
    return {
        "name": f"publishers/google/models/{model}",
        "versionId": "local-1",
        "launchStage": "GA",
        "openSourceCategory": "PROPRIETARY",
        "publisherModelTemplate": f"projects/{{user-project}}/locations/{{location}}/publishers/google/models/{model}",
        **schema,
    }


@on("aiplatform", "projects.locations.publishers.models.generateContent", "publishers.models.generateContent")
async def generate(call: Call, cloud: Cloud) -> Json:
    """Generates content."""
    return await generated(call, cloud, last(call.name), call.body)


@on("aiplatform", "projects.locations.publishers.models.streamGenerateContent", "publishers.models.streamGenerateContent")
async def stream_generate(call: Call, cloud: Cloud) -> Response:
    """Generates content as a stream."""
    return streamed(call, cloud, await generated(call, cloud, last(call.name), call.body))


@on("aiplatform", "projects.locations.publishers.models.countTokens", "publishers.models.countTokens")
async def count_tokens(call: Call, cloud: Cloud) -> Json:
    """Counts the tokens of contents, or of the texts of prediction instances."""
    return await tokens_of(call, cloud)


async def tokens_of(call: Call, cloud: Cloud) -> Json:
    """A CountTokensResponse."""
    instances = [{"parts": [{"text": str(one.get("content", ""))}]} for one in call.body.get("instances", []) if isinstance(one, dict)]
    body = {**call.body, "contents": [*call.body.get("contents", []), *instances]}
    files = files_of(cloud, body)
    return await computed(lambda: cloud.gemini.count_tokens(body, files))


@on("aiplatform", "projects.locations.publishers.models.predict", "publishers.models.predict")
async def predict(call: Call, cloud: Cloud) -> Json:
    """Embeds the texts of prediction instances, as the text embedding models do."""
    require(call, last(call.name), EMBEDDING)
    parameters = call.body.get("parameters") or {}
    instances = call.body.get("instances", [])
    if not isinstance(parameters, dict) or not all(isinstance(one, dict) for one in instances):
        raise Refusal(400, "", "Instances and parameters of a text embedding are objects.")
    requests = []
    for instance in instances:
        if not all(isinstance(instance.get(field, ""), str) for field in ("content", "title")):
            raise Refusal(400, "", "An instance of a text embedding has a string 'content' and, if wanted, a string 'title'.")
        requests.append({**parameters, "title": instance.get("title"), "content": {"parts": [{"text": instance.get("content", "")}]}})
    embeddings = await embedded(cloud, requests)
    return {
        "predictions": [
            {"embeddings": {"values": one.values, "statistics": {"token_count": one.tokens, "truncated": one.truncated}}}
            for one in embeddings
        ],
        "metadata": {"modelVersion": cloud.gemini.embedding_model, "dimensions": len(embeddings[0].values) if embeddings else 0},
    }


@on("aiplatform", "projects.locations.publishers.models.embedContent")
async def embed_content(call: Call, cloud: Cloud) -> Json:
    """Embeds one content."""
    require(call, last(call.name), EMBEDDING)
    [embedding] = await embedded(cloud, [_with_config(call.body)])
    usage = {"promptTokenCount": embedding.tokens, "totalTokenCount": embedding.tokens}
    return {"embedding": {"values": embedding.values}, "truncated": embedding.truncated, "usageMetadata": usage}


@on("aiplatform", "projects.locations.publishers.models.batchEmbedContents")
async def batch_embed_contents(call: Call, cloud: Cloud) -> Json:
    """Embeds several contents."""
    require(call, last(call.name), EMBEDDING)
    embeddings = await embedded(cloud, [_with_config(one) for one in call.body.get("requests", [])])
    tokens = sum(one.tokens for one in embeddings)
    return {
        "embeddings": [{"values": one.values} for one in embeddings],
        "usageMetadata": {"promptTokenCount": tokens, "totalTokenCount": tokens},
    }


def _with_config(request: Json) -> Json:
    """A request to embed whose settings may lie in `embedContentConfig`."""
    return {**request, **request.get("embedContentConfig", {})}


async def generated(call: Call, cloud: Cloud, model: str, body: Json, head: Head | None = None) -> Json:
    """A GenerateContentResponse.

    Args:
        call: The request.
        cloud: Who answers it.
        model: Id of the publisher model, or the endpoint of a tuned one.
        body: The request's body.
        head: What a tuned model has learnt.
    """
    if head is None:
        require(call, model, GENERATION)
    place = caches.GEMINI_API if call.service == caches.GEMINI_API.service else caches.VERTEX
    return await answered(cloud, model, body, place, call.location, head)


async def answered(cloud: Cloud, model: str, body: Json, place: Place, location: str, head: Head | None = None) -> Json:
    """A GenerateContentResponse to a request that may come from a file, too.

    Args:
        cloud: Who answers it.
        model: Id of the publisher model, or the name of a tuned one.
        body: The request's body.
        place: The API whose caches the request names.
        location: Where these are, on Vertex AI.
        head: What a tuned model has learnt.
    """
    cached: Json = {}
    if named := body.get("cachedContent"):
        if place is caches.VERTEX:
            named = cloud.projects.by_id(named) if named.startswith("projects/") else f"{location}/cachedContents/{last(named)}"
        body, cached = caches.extended(cloud.store, place, body, named, model)
    files = files_of(cloud, body)
    response: Json = await computed(lambda: cloud.gemini.generate(body, files, head))
    usage = response["usageMetadata"]
    if cached:
        inside = await computed(lambda: cloud.gemini.count_tokens(cached, {}))
        usage |= {"cachedContentTokenCount": inside["totalTokens"], "cacheTokensDetails": inside["promptTokensDetails"]}
    log = model if head else f"publishers/google/models/{model}"
    cloud.log(log, f"{response['modelVersion']} answered a prompt of {usage['promptTokenCount']} tokens")
    return response


def streamed(call: Call, cloud: Cloud, response: Json) -> Response:
    """The response in chunks: server-sent events where the client asks for them, else one JSON array."""
    chunks = [json.dumps(chunk) for chunk in cloud.gemini.stream(response)]
    if call.one("alt") == "sse":
        return Response(_lines(f"data: {chunk}\r\n\r\n" for chunk in chunks), content_type="text/event-stream")
    return Response(f"[{','.join(chunks)}]".encode(), content_type="application/json; charset=UTF-8")


async def _lines(lines: Iterable[str]) -> AsyncIterator[bytes]:
    for line in lines:
        yield line.encode()


async def embedded(cloud: Cloud, requests: list[Json]) -> list[Any]:
    """An embedding for each request with `content`; the task type is accepted and changes nothing, since the encoder has one."""
    texts = []
    for request in requests:
        parts = request.get("content", {}).get("parts", [])
        if not parts or any("text" not in part for part in parts):
            raise Refusal(400, "", "Only text can be embedded by the local Gemini: give 'content' with text parts.")
        texts.append("\n".join(filter(None, [request.get("title"), *(part["text"] for part in parts)])))
    sizes = {request.get("outputDimensionality") for request in requests}
    # Parameters of a prediction carry numbers as doubles.
    if len(sizes) > 1 or any(size is not None and (isinstance(size, (bool, str)) or size != int(size)) for size in sizes):
        raise Refusal(400, "", "outputDimensionality is one whole number for all texts of a request.")
    truncate = all(request.get("autoTruncate", True) for request in requests)
    size = next(iter(sizes), None)
    return await computed(lambda: cloud.gemini.embed(texts, size if size is None else int(size), truncate))


async def computed(work: Callable[[], Answer]) -> Answer:
    """`work` on a worker thread; what it refuses becomes Google's error."""
    try:
        return await asyncio.get_running_loop().run_in_executor(WORKERS, work)
    except Refused as refused:
        raise Refusal(400, "", str(refused)) from None


def files_of(cloud: Cloud, body: Json) -> dict[str, bytes]:
    """The files that a request refers to, from Cloud Storage."""
    return {uri: _object(cloud, uri) for uri in file_uris(body)}


def _object(cloud: Cloud, uri: str) -> bytes:
    found = re.fullmatch(r"gs://(?P<bucket>[^/]+)/(?P<name>.+)", uri)
    if not found:
        raise Refusal(400, "", f"File {uri!r} cannot be read: the local Gemini reads gs:// addresses only.")
    return cloud.objects.read(found["bucket"], found["name"])
