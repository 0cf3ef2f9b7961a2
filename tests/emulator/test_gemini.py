"""The true clients reach the local Gemini unchanged: google-genai on Vertex AI and with a key, and google-generativeai."""

import subprocess
import sys
from typing import Any, Literal

import pytest
from pydantic import BaseModel

pytestmark = pytest.mark.usefixtures("google_cloud")

MODEL = "gemini-3.5-flash"
PROJECT = "acme-gemini-local"
TOPIC = {"type": "STRING", "enum": ["weather", "music"]}
ENUM = {"response_mime_type": "text/x.enum", "response_schema": TOPIC}


class Labelled(BaseModel):
    """One entry of the answer."""

    row: int
    label: Literal["weather", "music"]
    confidence: float


@pytest.fixture(scope="module")
def vertex() -> Any:
    from google import genai

    return genai.Client(vertexai=True, project=PROJECT, location="global")


@pytest.fixture(scope="module")
def keyed() -> Any:
    from google import genai

    return genai.Client(api_key="any")


def rows(*texts: str) -> list[str]:
    return [f"Row {number}: {text}" for number, text in enumerate(texts, 1)]


def test_an_array_of_pydantic_models_is_parsed_back(vertex: Any) -> None:
    config = {"response_mime_type": "application/json", "response_schema": list[Labelled]}
    response = vertex.models.generate_content(model=MODEL, contents=rows("It rained all day.", "Play the song again."), config=config)
    assert [(one.row, one.label) for one in response.parsed] == [(1, "weather"), (2, "music")]
    assert response.model_version.startswith("local-")
    assert response.usage_metadata.total_token_count > 10


def test_a_stream_joins_to_the_same_answer(vertex: Any) -> None:
    config = {"response_mime_type": "application/json", "response_schema": list[Labelled]}
    asked = {"model": MODEL, "contents": rows("It rained all day.", "Play the song again."), "config": config}
    chunks = list(vertex.models.generate_content_stream(**asked))
    assert len(chunks) > 1
    assert "".join(chunk.text for chunk in chunks) == vertex.models.generate_content(**asked).text


def test_pictures_in_cloud_storage_are_read(vertex: Any) -> None:
    import io

    from google.cloud import storage
    from google.genai import types
    from PIL import Image

    bucket = storage.Client(project=PROJECT).create_bucket("acme-gemini-pictures")
    parts: list[Any] = []
    for at, colour in enumerate(["red", "blue"] * 3 + ["red"]):
        file = io.BytesIO()
        Image.new("RGB", (40 + at, 60 - at), colour).save(file, "PNG")
        bucket.blob(f"{at}.png").upload_from_string(file.getvalue(), content_type="image/png")
        parts += [types.Part.from_uri(file_uri=f"gs://{bucket.name}/{at}.png", mime_type="image/png"), f"Label: {colour}"]
    config = {"response_mime_type": "text/x.enum", "response_schema": {"type": "STRING", "enum": ["red", "blue"]}}
    assert vertex.models.generate_content(model=MODEL, contents=parts[:-1], config=config).text == "red"


@pytest.mark.parametrize(
    ("asked", "code", "reason"),
    [
        ({"contents": "Write a poem about the sea."}, 400, "free text"),
        ({"contents": "Hello", "config": {"tools": [{"google_search": {}}]}}, 400, "tools"),
        ({"contents": "Hello", "model": "gemini-embedding-001"}, 400, "does not support generateContent"),
        ({"contents": "Hello", "model": "other-model"}, 404, "not found"),
    ],
)
def test_what_cannot_be_answered_is_an_error_that_is_not_retried(vertex: Any, asked: dict[str, Any], code: int, reason: str) -> None:
    from google.genai.errors import ClientError

    with pytest.raises(ClientError, match=reason) as caught:
        vertex.models.generate_content(**{"model": MODEL, **asked})
    assert caught.value.code == code


def test_a_file_that_is_missing_or_elsewhere_is_an_error(vertex: Any) -> None:
    from google.genai import types
    from google.genai.errors import ClientError

    for address, code in (("gs://no-such-bucket-here/a.png", 404), ("https://example.com/a.png", 400)):
        with pytest.raises(ClientError) as caught:
            vertex.models.generate_content(
                model=MODEL, contents=[types.Part.from_uri(file_uri=address, mime_type="image/png")], config=ENUM
            )
        assert caught.value.code == code


def test_tokens_and_embeddings(vertex: Any) -> None:
    from google.genai.errors import ClientError

    assert vertex.models.count_tokens(model=MODEL, contents="hello world").total_tokens == 2
    several = vertex.models.embed_content(
        model="gemini-embedding-001", contents=["a card", "a film"], config={"output_dimensionality": 128, "task_type": "CLUSTERING"}
    )
    assert [len(one.values) for one in several.embeddings] == [128, 128]
    assert several.embeddings[0].statistics.token_count == 4
    # Models from gemini-embedding-2 on are called by embedContent instead of predict.
    [one] = vertex.models.embed_content(model="gemini-embedding-2", contents="a card").embeddings
    assert len(one.values) == 384
    with pytest.raises(ClientError, match="has 384"):
        vertex.models.embed_content(model="gemini-embedding-001", contents="a card", config={"output_dimensionality": 3072})


def test_several_contents_are_embedded_by_one_request(google_cloud: dict[str, Any]) -> None:
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    credentials, _ = google.auth.default(["https://www.googleapis.com/auth/cloud-platform"])
    model = f"projects/{PROJECT}/locations/europe-west4/publishers/google/models/gemini-embedding-001"
    requests = [
        {
            "model": model,
            "content": {"parts": [{"text": text}]},
            "taskType": "CLUSTERING",
            "embedContentConfig": {"outputDimensionality": 8},
        }
        for text in ("a card", "a film")
    ]
    address = f"https://europe-west4-aiplatform.googleapis.com/v1/{model}:batchEmbedContents"
    answer = AuthorizedSession(credentials).post(address, json={"requests": requests}, timeout=10).json()
    assert [len(one["values"]) for one in answer["embeddings"]] == [8, 8]
    assert answer["usageMetadata"]["totalTokenCount"] == 8
    requests[0]["taskType"] = "GUESSING"
    assert AuthorizedSession(credentials).post(address, json={"requests": requests}, timeout=10).status_code == 400


def test_models_are_listed_and_described(vertex: Any, keyed: Any) -> None:
    for client in (vertex, keyed):
        names = [model.name.rpartition("/")[2] for model in client.models.list()]
        assert "gemini-embedding-001" in names
        assert client.models.get(model=MODEL).name.endswith(f"models/{MODEL}")


def test_a_key_reaches_the_same_methods(keyed: Any) -> None:
    assert keyed.models.generate_content(model=MODEL, contents="It rained all day.", config=ENUM).text == "weather"
    assert (
        "".join(chunk.text for chunk in keyed.models.generate_content_stream(model=MODEL, contents="It rained.", config=ENUM)) == "weather"
    )
    assert keyed.models.count_tokens(model=MODEL, contents="hello world").total_tokens == 2
    assert len(keyed.models.embed_content(model="gemini-embedding-001", contents=["a", "b"]).embeddings) == 2


def test_a_call_without_key_is_refused() -> None:
    import requests

    answer = requests.get("https://generativelanguage.googleapis.com/v1beta/models", timeout=10)
    assert answer.status_code == 403


MALFORMED = {
    "{": "Invalid JSON",
    '{"contents": "text"}': "contents",
    '{"content": []}': "content",
    '{"generationConfig": {"topP": "x"}}': "topP",
}


@pytest.mark.parametrize(("body", "reason"), MALFORMED.items())
def test_a_malformed_request_is_refused_and_named(body: str, reason: str) -> None:
    import requests

    url = f"https://generativelanguage.googleapis.com/v1beta/models/{MODEL}:generateContent"
    answer = requests.post(url, data=body, headers={"x-goog-api-key": "any"}, timeout=10)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]["message"]


VERTEX_CLIENT = """
import vertexai
from vertexai.generative_models import GenerationConfig, GenerativeModel
from vertexai.language_models import TextEmbeddingModel
vertexai.init(project="acme-gemini-local", location="europe-west4")
embedder = TextEmbeddingModel.from_pretrained("text-embedding-005")
assert [len(one.values) for one in embedder.get_embeddings(["a", "b"], output_dimensionality=64)] == [64, 64]
config = GenerationConfig(response_mime_type="text/x.enum", response_schema={"type": "STRING", "enum": ["weather", "music"]})
model = GenerativeModel("gemini-3.5-flash")
assert "".join(part.text for part in model.generate_content("It rained.", generation_config=config, stream=True)) == "weather"
assert model.count_tokens("hello world").total_tokens == 2
"""


@pytest.mark.long
def test_the_models_of_the_vertex_library_reach_it_over_grpc() -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", VERTEX_CLIENT], check=True, timeout=110)


OLD_CLIENT = """
import google.generativeai as genai
genai.configure(api_key="any", transport="{transport}")
schema = {{"type": "OBJECT", "properties": {{"the_topic": {{"type": "STRING", "enum": ["weather", "music"]}}}}}}
config = {{"response_mime_type": "application/json", "response_schema": schema}}
model = genai.GenerativeModel("gemini-3.5-flash", generation_config=config)
assert "".join(part.text for part in model.generate_content("It rained all day.", stream=True)) == '{{"the_topic": "weather"}}'
assert model.count_tokens("hello world").total_tokens == 2
assert len(genai.embed_content(model="models/text-embedding-004", content=["a", "b"], output_dimensionality=64)["embedding"][1]) == 64
assert "models/gemini-embedding-001" in [one.name for one in genai.list_models()]
"""


@pytest.mark.long
@pytest.mark.parametrize("transport", ["rest", "grpc"])
def test_the_older_client_reaches_it_over_rest_and_grpc(transport: str) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", OLD_CLIENT.format(transport=transport)], check=True, timeout=110)
