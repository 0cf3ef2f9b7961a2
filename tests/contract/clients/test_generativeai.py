"""The Gemini API by `google-generativeai`, the older client, which is called with a key.

On Google Cloud it runs where GEMINI_API_KEY holds one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from environments.loading import catalogue
from tests.contract.clients.place import VARIABLE

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls
IDS = {model.alias: model.id for model in catalogue().models}
CONFIG = {"response_mime_type": "text/x.enum", "response_schema": {"type": "STRING", "enum": ["weather", "music"]}, "temperature": 0}


@pytest.fixture(params=["grpc", "rest"])
def client(place: Place, request: pytest.FixtureRequest) -> Any:
    import google.generativeai as genai

    if VARIABLE in os.environ and "GEMINI_API_KEY" not in os.environ:
        pytest.skip("there is no key: set GEMINI_API_KEY to one of https://aistudio.google.com/apikey")
    genai.configure(api_key=os.environ.get("GEMINI_API_KEY", "any"), transport=request.param)
    return genai


@calls("generativelanguage.models.generateContent", "generativelanguage.models.streamGenerateContent")
def test_content_is_generated_whole_and_as_a_stream(client: Any) -> None:
    """https://ai.google.dev/api/generate-content"""
    model = client.GenerativeModel(IDS["flash"])
    assert model.generate_content("It rained the whole day.", generation_config=CONFIG).text == "weather"
    chunks = list(model.generate_content("It rained the whole day.", generation_config=CONFIG, stream=True))
    assert "".join(chunk.text for chunk in chunks) == "weather"


@calls("generativelanguage.models.countTokens", "generativelanguage.models.embedContent", "generativelanguage.models.batchEmbedContents")
def test_tokens_are_counted_and_texts_embedded(client: Any) -> None:
    """https://ai.google.dev/api/tokens, https://ai.google.dev/api/embeddings"""
    assert client.GenerativeModel(IDS["flash"]).count_tokens("It rained.").total_tokens > 1
    one = client.embed_content(model=f"models/{IDS['embedding']}", content="rain", output_dimensionality=128)["embedding"]
    many = client.embed_content(model=f"models/{IDS['embedding']}", content=["rain", "song"], output_dimensionality=128)["embedding"]
    assert (len(one), [len(vector) for vector in many]) == (128, [128, 128])


@calls("generativelanguage.models.list")
def test_models_are_listed(client: Any) -> None:
    """https://ai.google.dev/api/models"""
    found = {model.name: model.supported_generation_methods for model in client.list_models()}
    assert [name for name, methods in found.items() if name.startswith("models/gemini-") and "generateContent" in methods]
    assert "embedContent" in found[f"models/{IDS['embedding']}"]
