"""What Gemini does in the background: batches, tuning, and contents that are kept for later requests. By `google-genai`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from environments.loading import catalogue

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls
FLASH = next(model.id for model in catalogue().models if model.alias == "flash")
LABELS = {"response_mime_type": "text/x.enum", "response_schema": {"type": "STRING", "enum": ["weather", "music"]}, "temperature": 0}
LABELLED = {"responseMimeType": "text/x.enum", "responseSchema": LABELS["response_schema"], "temperature": 0}
"""The same as a file has it."""


@pytest.fixture(scope="module")
def client(place: Place) -> Any:
    from google import genai

    return genai.Client(vertexai=True, project=place.project, location=place.region)


def ended(get: Any, name: str) -> Any:
    """The job when it has ended."""
    while not (job := get(name=name)).state.name.endswith(("SUCCEEDED", "FAILED", "CANCELLED")):
        time.sleep(1)
    return job


@calls("aiplatform.projects.locations.batchPredictionJobs.create", "aiplatform.projects.locations.batchPredictionJobs.get")
@pytest.mark.timeout(7200)
def test_requests_of_a_file_are_answered_in_a_batch(client: Any, place: Place, bucket: Any) -> None:
    """https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-gemini"""
    texts = ("It rained the whole day.", "They played the song again.")
    lines = [{"request": {"contents": [{"role": "user", "parts": [{"text": text}]}], "generationConfig": LABELLED}} for text in texts]
    bucket.blob("genai/batch.jsonl").upload_from_string("\n".join(map(json.dumps, lines)))
    job = client.batches.create(model=FLASH, src=place.uri("genai/batch.jsonl"), config={"dest": place.uri("genai/answers")})
    job = ended(client.batches.get, job.name)
    assert job.state.name == "JOB_STATE_SUCCEEDED"
    blobs = [blob for blob in bucket.list_blobs(prefix="genai/answers/") if blob.name.endswith("predictions.jsonl")]
    answers = [json.loads(line) for blob in blobs for line in blob.download_as_text().splitlines()]
    found = {
        one["request"]["contents"][0]["parts"][0]["text"]: one["response"]["candidates"][0]["content"]["parts"][0]["text"]
        for one in answers
    }
    assert found == {texts[0]: "weather", texts[1]: "music"}
    client.batches.delete(name=job.name)


@calls("aiplatform.projects.locations.batchPredictionJobs.cancel")
@pytest.mark.timeout(3600)
def test_a_batch_is_cancelled(client: Any, place: Place, bucket: Any) -> None:
    """https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.batchPredictionJobs/cancel"""
    line = json.dumps({"request": {"contents": [{"role": "user", "parts": [{"text": "It rained."}]}], "generationConfig": LABELLED}})
    bucket.blob("genai/cancelled.jsonl").upload_from_string("\n".join([line] * 2000))
    job = client.batches.create(model=FLASH, src=place.uri("genai/cancelled.jsonl"), config={"dest": place.uri("genai/cancelled")})
    client.batches.cancel(name=job.name)
    assert ended(client.batches.get, job.name).state.name == "JOB_STATE_CANCELLED"
    client.batches.delete(name=job.name)


@calls("aiplatform.projects.locations.cachedContents.create", "aiplatform.projects.locations.cachedContents.patch")
def test_contents_are_kept_for_later_requests(client: Any) -> None:
    """A request names what is kept, whose tokens its usage tells apart. What is kept has at least 4,096 tokens.

    https://cloud.google.com/vertex-ai/generative-ai/docs/context-cache/context-cache-overview
    """
    from google.genai import errors, types

    text = "Sort what people say: talk about rain and sun is weather, talk about songs is music. " * 400
    kept = client.caches.create(
        model=FLASH,
        config={"contents": [types.Content(role="user", parts=[types.Part.from_text(text=text)])], "ttl": "3600s", "display_name": "kept"},
    )
    try:
        answer = client.models.generate_content(
            model=FLASH, contents="It rained the whole day.", config={**LABELS, "cached_content": kept.name}
        )
        assert (answer.text, answer.usage_metadata.cached_content_token_count > 4000) == ("weather", True)
        assert client.caches.update(name=kept.name, config={"ttl": "7200s"}).expire_time > kept.expire_time
    finally:
        client.caches.delete(name=kept.name)
    with pytest.raises(errors.ClientError):
        client.caches.get(name=kept.name)


@pytest.mark.long
@calls("aiplatform.projects.locations.tuningJobs.create", "aiplatform.projects.locations.tuningJobs.get")
@pytest.mark.timeout(4 * 3600)
def test_a_model_is_tuned_and_answers_at_its_endpoint(client: Any, vertex: Any, place: Place, bucket: Any) -> None:
    """https://cloud.google.com/vertex-ai/generative-ai/docs/models/gemini-use-supervised-tuning"""
    cities = ("Rome", "Paris", "Oslo", "Lima", "Cairo", "Delhi", "Quito", "Seoul")
    asked = {"weather": ("Is it raining in {}?", "How warm is it in {}?"), "music": ("Play a song from {}.", "Who sings about {}?")}
    lines = [
        {"contents": [{"role": "user", "parts": [{"text": form.format(city)}]}, {"role": "model", "parts": [{"text": label}]}]}
        for label, forms in asked.items()
        for form in forms
        for city in cities
    ]
    bucket.blob("genai/tuning.jsonl").upload_from_string("\n".join(map(json.dumps, lines)))
    job = client.tunings.tune(
        base_model=FLASH,
        training_dataset={"gcs_uri": place.uri("genai/tuning.jsonl")},
        config={"tuned_model_display_name": place.name("tuned"), "epoch_count": 1},
    )
    job = ended(client.tunings.get, job.name)
    assert job.state.name == "JOB_STATE_SUCCEEDED"
    try:
        answer = client.models.generate_content(model=job.tuned_model.endpoint, contents="Play a song from Madrid.")
        assert answer.text.strip() == "music"
    finally:
        vertex.Endpoint(job.tuned_model.endpoint).delete(force=True)
        vertex.Model(job.tuned_model.model).delete()


@calls("aiplatform.projects.locations.tuningJobs.cancel")
@pytest.mark.timeout(3600)
def test_a_tuning_is_cancelled(client: Any, place: Place, bucket: Any) -> None:
    """https://cloud.google.com/vertex-ai/generative-ai/docs/models/gemini-use-supervised-tuning#cancel-tuning-job"""
    lines = [
        {"contents": [{"role": "user", "parts": [{"text": f"Play song {at}."}]}, {"role": "model", "parts": [{"text": label}]}]}
        for at in range(500)
        for label in ("music", "weather")
    ]
    bucket.blob("genai/cancelled-tuning.jsonl").upload_from_string("\n".join(map(json.dumps, lines)))
    job = client.tunings.tune(
        base_model=FLASH,
        training_dataset={"gcs_uri": place.uri("genai/cancelled-tuning.jsonl")},
        config={"tuned_model_display_name": place.name("cancelled"), "epoch_count": 1},
    )
    client.tunings.cancel(name=job.name)
    assert ended(client.tunings.get, job.name).state.name == "JOB_STATE_CANCELLED"
