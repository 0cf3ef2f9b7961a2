"""Gemini and embeddings, by `google-genai` on Vertex AI.

What a model says is its own affair: asked is for answers whose form is documented, and whose content a model of any size gets right.
"""

from __future__ import annotations

import asyncio
import io
import math
from typing import TYPE_CHECKING, Any, Literal

import pytest
from pydantic import BaseModel

from environments.loading import catalogue

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls
MODELS = "aiplatform.projects.locations.publishers.models"
IDS = {model.alias: model.id for model in catalogue().models}
FLASH, EMBEDDING = IDS["flash"], IDS["embedding"]


class Labelled(BaseModel):
    """One entry of an answer."""

    row: int
    label: Literal["weather", "music"]


@pytest.fixture(scope="module")
def client(place: Place) -> Any:
    from google import genai

    return genai.Client(vertexai=True, project=place.project, location="global")


TEXTS = ["Row 1: It rained the whole day.", "Row 2: They played the song again."]
LABELLING: dict[str, Any] = {
    "response_mime_type": "application/json", "response_schema": list[Labelled], "temperature": 0, "system_instruction": "Label every row.",
}  # fmt: skip


@calls(f"{MODELS}.generateContent")
def test_an_answer_fits_its_schema(client: Any) -> None:
    """`parsed` is the answer as objects of the schema; tokens are counted in its usage.

    https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/control-generated-output
    """
    answer = client.models.generate_content(model=FLASH, contents=TEXTS, config=LABELLING)
    assert [(one.row, one.label) for one in answer.parsed] == [(1, "weather"), (2, "music")]
    usage = answer.usage_metadata
    assert (answer.candidates[0].finish_reason.name, usage.prompt_token_count > 0) == ("STOP", True)
    assert usage.total_token_count >= usage.prompt_token_count + usage.candidates_token_count


@calls(f"{MODELS}.generateContent")
def test_an_answer_is_one_of_the_values_of_an_enum(client: Any) -> None:
    """https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/control-generated-output#enum"""
    config = {"response_mime_type": "text/x.enum", "response_schema": {"type": "STRING", "enum": ["weather", "music"]}, "temperature": 0}
    assert client.models.generate_content(model=FLASH, contents="It rained the whole day.", config=config).text == "weather"


@calls(f"{MODELS}.streamGenerateContent")
def test_a_stream_joins_to_one_answer(client: Any) -> None:
    """Server-sent events; the last one tells why the model stopped.

    https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference#stream
    """
    chunks = list(client.models.generate_content_stream(model=FLASH, contents=TEXTS, config=LABELLING))
    assert '"weather"' in "".join(chunk.text or "" for chunk in chunks)
    assert chunks[-1].candidates[0].finish_reason.name == "STOP"


@calls(f"{MODELS}.generateContent", f"{MODELS}.streamGenerateContent")
def test_the_asynchronous_client_asks_alike(client: Any) -> None:
    """https://googleapis.github.io/python-genai/#generate-content-asynchronous-non-streaming"""

    async def both() -> tuple[Any, str]:
        answer = await client.aio.models.generate_content(model=FLASH, contents=TEXTS, config=LABELLING)
        stream = await client.aio.models.generate_content_stream(model=FLASH, contents=TEXTS, config=LABELLING)
        return answer.parsed, "".join([chunk.text or "" async for chunk in stream])

    parsed, streamed = asyncio.run(both())
    assert [one.label for one in parsed] == ["weather", "music"]
    assert "music" in streamed


@calls(f"{MODELS}.generateContent")
def test_pictures_are_read_from_the_request_and_from_a_bucket(client: Any, bucket: Any) -> None:
    """https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/image-understanding"""
    from google.genai import types
    from PIL import Image

    def picture(number: int, colour: str) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (40 + number, 60 - number), colour).save(file, "PNG")
        return file.getvalue()

    examples: list[Any] = []
    for number, colour in enumerate(["red", "blue"] * 3):
        bucket.blob(f"genai/{number}.png").upload_from_string(picture(number, colour), content_type="image/png")
        uri = f"gs://{bucket.name}/genai/{number}.png"
        examples += [types.Part.from_uri(file_uri=uri, mime_type="image/png"), f"Label: {colour}"]
    config = {"response_mime_type": "text/x.enum", "response_schema": {"type": "STRING", "enum": ["red", "blue"]}, "temperature": 0}
    for colour in ("red", "blue"):
        asked = types.Part.from_bytes(data=picture(9, colour), mime_type="image/png")
        assert client.models.generate_content(model=FLASH, contents=[*examples, asked], config=config).text == colour


@calls(f"{MODELS}.countTokens")
def test_tokens_are_counted(client: Any) -> None:
    """https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/get-token-count"""
    short = client.models.count_tokens(model=FLASH, contents="It rained.").total_tokens
    assert 0 < short < client.models.count_tokens(model=FLASH, contents="It rained. " * 20).total_tokens


@calls(f"{MODELS}.predict")
def test_embeddings_are_near_where_texts_are(client: Any) -> None:
    """One vector a text, of the dimensionality that is asked for.

    https://cloud.google.com/vertex-ai/generative-ai/docs/embeddings/get-text-embeddings
    """

    def embedded(text: str) -> list[float]:
        answer = client.models.embed_content(model=EMBEDDING, contents=text, config={"output_dimensionality": 256})
        [one] = answer.embeddings
        assert len(one.values) == 256
        size = math.hypot(*one.values)
        return [value / size for value in one.values]

    rain, storm, song = map(embedded, ("It rained the whole day.", "The storm brought a lot of rain.", "She plays the violin."))
    assert sum(a * b for a, b in zip(rain, storm, strict=True)) > sum(a * b for a, b in zip(rain, song, strict=True))


@calls(f"{MODELS}.generateContent")
def test_faults_are_said_and_not_retried(client: Any) -> None:
    """404 where there is no such model, 400 where a request is malformed.

    https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/api-errors
    """
    from google.genai import errors

    with pytest.raises(errors.ClientError) as missing:
        client.models.generate_content(model="no-such-model", contents="x")
    with pytest.raises(errors.ClientError) as malformed:
        client.models.generate_content(model=FLASH, contents="x", config={"temperature": 9.0})
    assert (missing.value.code, malformed.value.code) == (404, 400)


@calls("aiplatform.publishers.models.get")
def test_a_model_is_described(client: Any) -> None:
    """https://cloud.google.com/vertex-ai/docs/reference/rest/v1beta1/publishers.models/get"""
    assert client.models.get(model=FLASH).name.endswith(f"publishers/google/models/{FLASH}")
