"""A tuning job learns a head from rows in Cloud Storage, and its endpoint answers with it; what it cannot learn is named."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from emulator.engines.gemini.engine import Gemini
from emulator.engines.gemini.head import fit, loaded, saved
from tests.emulator.conftest import Local

Json = dict[str, Any]
PROJECT = "acme-gemini-local"

THINGS = {
    "weather": ["Will it rain in {}?", "How hot is it in {} today?", "Is there snow in {}?", "Any storm coming to {}?"],
    "music": ["Play a song by {}.", "Put on the album about {}.", "Which band sings about {}?", "Turn up the music from {}."],
    "alarm": ["Wake me at seven in {}.", "Set a timer for {}.", "Cancel my alarm in {}.", "Remind me to get up for {}."],
}
PLACES = ("Rome", "Oslo", "Paris", "Lima", "Kyoto", "Cairo")


def row(question: Any, answer: str, **more: Any) -> Json:
    parts = [{"text": question}] if isinstance(question, str) else question
    return {**more, "contents": [{"role": "user", "parts": parts}, {"role": "model", "parts": [{"text": answer}]}]}


def rows(places: tuple[str, ...] = PLACES) -> list[Json]:
    return [row(form.format(place), label) for place in places for label, forms in THINGS.items() for form in forms]


def jsonl(lines: list[Json | str]) -> bytes:
    return "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()


def picture(colour: str, seed: int) -> bytes:
    noisy = np.random.default_rng(seed).normal(0, 20, (40 + seed % 9, 50, 3)) + np.array(
        {"red": (200, 20, 20), "blue": (20, 20, 200)}[colour]
    )
    file = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def started(local: Local, name: str, lines: list[Json | str], **job: Any) -> tuple[int, Json]:
    local.cloud.objects.put(local.bucket, name, jsonl(lines))
    spec = {"trainingDatasetUri": f"gs://{local.bucket}/{name}", **job.pop("spec", {})}
    status, answer = local.call("POST", "tuningJobs", {"baseModel": "gemini-3.5-flash", "supervisedTuningSpec": spec, **job})
    return status, answer


def ended(local: Local, name: str) -> Json:
    for _ in range(10):
        _, job = local.call("GET", name)
        if job["state"] not in ("JOB_STATE_PENDING", "JOB_STATE_RUNNING"):
            break
    return dict(job)


def tuned(local: Local, name: str, lines: list[Json | str], **job: Any) -> Json:
    status, answer = started(local, name, lines, **job)
    assert status == 200, answer
    return ended(local, answer["name"])


def ask(local: Local, endpoint: str, question: str, verb: str = "generateContent", **config: Any) -> tuple[int, Any]:
    body: Json = {"contents": [{"role": "user", "parts": [{"text": question}]}]}
    if config:
        body["generationConfig"] = config
    return local.call("POST", f"{endpoint}:{verb}", body)


def text_of(answer: Json) -> str:
    return str(answer["candidates"][0]["content"]["parts"][0]["text"])


@pytest.fixture(scope="module")
def job(local: Local) -> Json:
    """A job that has learnt, from rows of which one is broken."""
    return tuned(
        local,
        "topics.jsonl",
        [*rows(), "{broken"],
        tunedModelDisplayName="topics",
        labels={"team": "nlp"},
        spec={"hyperParameters": {"epochCount": "3", "adapterSize": "ADAPTER_SIZE_FOUR", "learningRateMultiplier": 0.5}},
    )


# What comes of a job.


def test_a_tuned_endpoint_answers_what_its_rows_taught(local: Local, job: Json) -> None:
    assert job["state"] == "JOB_STATE_SUCCEEDED", job
    for question, label in (("Is it foggy in Madrid?", "weather"), ("Play a tune from Spain.", "music"), ("Wake me up at nine.", "alarm")):
        status, answer = ask(local, job["tunedModel"]["endpoint"], question)
        assert (status, text_of(answer)) == (200, label)
        assert answer["modelVersion"] == "local-minilm-ridge-tuned-1"


def test_a_tuned_model_is_in_the_registry_and_deployed(local: Local, job: Json) -> None:
    _, model = local.call("GET", job["tunedModel"]["model"])
    _, endpoint = local.call("GET", job["tunedModel"]["endpoint"])
    assert (model["displayName"], model["labels"]["team"], model["versionId"]) == ("topics", "nlp", "1")
    assert endpoint["deployedModels"][0]["model"] == model["name"]
    assert endpoint["trafficSplit"] == {endpoint["deployedModels"][0]["id"]: 100}


def test_the_statistics_count_the_rows_and_name_the_dropped_one(job: Json) -> None:
    found = job["tuningDataStats"]["supervisedTuningDataStats"]
    assert (found["tuningDatasetExampleCount"], found["totalTruncatedExampleCount"]) == ("73", "1")
    assert found["truncatedExampleIndices"] == ["73"]
    assert "not JSON" in found["droppedExampleReasons"][0]
    tokens = found["userInputTokenDistribution"]
    assert sum(bucket["count"] for bucket in tokens["buckets"]) == 72
    assert int(found["totalBillableTokenCount"]) == int(tokens["sum"]) + int(found["userOutputTokenDistribution"]["sum"])


def test_a_tuned_endpoint_streams_and_counts(local: Local, job: Json) -> None:
    endpoint = job["tunedModel"]["endpoint"]
    _, chunks = ask(local, endpoint, "Play a tune from Spain.", "streamGenerateContent")
    assert "".join(text_of(chunk) for chunk in chunks) == "music"
    status, counted = ask(local, endpoint, "hello world", "countTokens")
    assert (status, counted["totalTokens"]) == (200, 2)


def test_an_answer_is_held_to_the_labels_of_the_response_schema(local: Local, job: Json) -> None:
    endpoint = job["tunedModel"]["endpoint"]
    topic: Json = {"type": "STRING", "enum": ["weather", "alarm"]}
    schema = {"type": "OBJECT", "properties": {"topic": topic, "confidence": {"type": "NUMBER"}}}
    _, answer = ask(local, endpoint, "Play a tune from Spain.", responseMimeType="application/json", responseSchema=schema)
    assert json.loads(text_of(answer))["topic"] in ("weather", "alarm")
    topic["enum"] = ["sport", "politics"]
    status, answer = ask(local, endpoint, "Play a tune.", responseMimeType="application/json", responseSchema=schema)
    assert status == 400
    assert "allows none of the labels" in answer["error"]["message"]


def test_examples_in_a_request_to_a_tuned_model_are_refused_not_ignored(local: Local, job: Json) -> None:
    turns = [("user", "How is the sky?"), ("model", "weather"), ("user", "Play a tune.")]
    body = {"contents": [{"role": role, "parts": [{"text": text}]} for role, text in turns]}
    status, answer = local.call("POST", f"{job['tunedModel']['endpoint']}:generateContent", body)
    assert status == 400
    assert "not by examples" in answer["error"]["message"]


def test_answers_in_json_are_learnt_as_they_are(local: Local) -> None:
    lines: list[Json | str] = [
        row(one["contents"][0]["parts"], json.dumps({"topic": one["contents"][1]["parts"][0]["text"]})) for one in rows()
    ]
    endpoint = tuned(local, "json.jsonl", lines)["tunedModel"]["endpoint"]
    schema = {"type": "OBJECT", "properties": {"topic": {"type": "STRING", "enum": ["weather", "music"]}}}
    for config in ({}, {"responseMimeType": "application/json"}, {"responseMimeType": "application/json", "responseSchema": schema}):
        _, answer = ask(local, endpoint, "Play a tune from Spain.", **config)
        assert json.loads(text_of(answer)) == {"topic": "music"}


def test_pictures_are_learnt_inline_and_from_cloud_storage(local: Local) -> None:
    lines: list[Json | str] = []
    for at in range(16):
        colour = ("red", "blue")[at % 2]
        content = picture(colour, at)
        if at < 8:
            local.cloud.objects.put(local.bucket, f"pictures/{at}.png", content)
            part = {"fileData": {"mimeType": "image/png", "fileUri": f"gs://{local.bucket}/pictures/{at}.png"}}
        else:
            part = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(content).decode()}}
        lines.append(row([part, {"text": "Which colour is it?"}], colour))
    job = tuned(local, "pictures.jsonl", lines)
    part = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(picture("blue", 99)).decode()}}
    body = {"contents": [{"role": "user", "parts": [part, {"text": "Which colour is it?"}]}]}
    _, answer = local.call("POST", f"{job['tunedModel']['endpoint']}:generateContent", body)
    assert text_of(answer) == "blue"
    status, answer = ask(local, job["tunedModel"]["endpoint"], "Which colour is the sky?")
    assert status == 400
    assert "tuned on pictures" in answer["error"]["message"]


# What is not learnt.


UNLEARNT: dict[str, tuple[list[Json | str], str]] = {
    "free text": ([row(f"Question {at}", f"A long answer number {at}") for at in range(20)], "free text cannot be learnt"),
    "one label": ([row(f"Question {at}", "yes") for at in range(20)], "1 different answers"),
    "bad rows": ([*rows(("Rome",)), *[row(f"Question {at}", "") for at in range(3)]], "line 13: .*no text.*at most 10%"),
    "a row that is too deep": (['{"contents":' + "[" * 100_000], "a line is not JSON"),
    "no rows": ([], "0 of the 0 rows"),
    "turns": ([{"contents": [{"role": "user", "parts": [{"text": "x"}]}]}], "one turn of the user and one of the model"),
    "a missing file": (
        [row([{"fileData": {"mimeType": "image/png", "fileUri": "gs://acme-test-bucket/none.png"}}], "a")],
        "No such object",
    ),
}


@pytest.mark.parametrize("case", UNLEARNT)
def test_a_job_that_cannot_learn_fails_with_the_reason(local: Local, case: str) -> None:
    lines, reason = UNLEARNT[case]
    job = tuned(local, "unlearnt.jsonl", lines)
    assert job["state"] == "JOB_STATE_FAILED"
    assert re.search(reason, job["error"]["message"]), job["error"]["message"]
    assert "tunedModel" not in job


REFUSED: dict[str, tuple[Json, int]] = {
    "another way of tuning": ({"preferenceOptimizationSpec": {}}, 400),
    "continued tuning": ({"preTunedModel": {"tunedModelName": "projects/p/locations/l/models/1"}}, 400),
    "a base that is none": ({"baseModel": "gemini-embedding-001"}, 400),
    "an unknown base": ({"baseModel": "other"}, 404),
    "a missing file": ({"supervisedTuningSpec": {"trainingDatasetUri": "gs://acme-test-bucket/nowhere.jsonl"}}, 404),
    "no file of Cloud Storage": ({"supervisedTuningSpec": {"trainingDatasetUri": "bq://p.d.t"}}, 400),
    "no epochs": ({"supervisedTuningSpec": {"trainingDatasetUri": "gs://acme-test-bucket/x", "hyperParameters": {"epochCount": "0"}}}, 400),
    "an unknown size": (
        {"supervisedTuningSpec": {"trainingDatasetUri": "gs://acme-test-bucket/x", "hyperParameters": {"adapterSize": "HUGE"}}},
        400,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_tuned_is_refused_before_anything_starts(local: Local, case: str) -> None:
    given, code = REFUSED[case]
    before = local.call("GET", "tuningJobs")[1]
    status, answer = (
        started(local, "refused.jsonl", list(rows()), **given)
        if "supervisedTuningSpec" not in given
        else local.call("POST", "tuningJobs", {"baseModel": "gemini-3.5-flash", **given})
    )
    assert status == code, answer
    assert local.call("GET", "tuningJobs")[1] == before


def test_a_tuned_model_cannot_be_rebased(local: Local) -> None:
    status, answer = local.call("POST", "tuningJobs:rebaseTunedModel", {"tunedModelRef": {"tunedModel": "x"}})
    assert status == 400
    assert "no base model changes" in answer["error"]["message"]


def test_a_tuned_model_is_deployed_elsewhere_and_predicts_nothing(local: Local, job: Json) -> None:
    _, operation = local.call("POST", "endpoints", {"displayName": "other"})
    endpoint = operation["response"]["name"]
    given = {"deployedModel": {"model": job["tunedModel"]["model"], "displayName": "again"}, "trafficSplit": {"0": 100}}
    status, operation = local.call("POST", f"{endpoint}:deployModel", given)
    assert (status, "error" in operation) == (200, False), operation
    assert text_of(ask(local, endpoint, "Play a tune from Spain.")[1]) == "music"
    status, answer = local.call("POST", f"{endpoint}:predict", {"instances": ["x"]})
    assert status == 400
    assert "generateContent" in answer["error"]["message"]


def test_an_endpoint_without_a_tuned_model_generates_nothing(local: Local) -> None:
    _, operation = local.call("POST", "endpoints", {"displayName": "plain"})
    status, answer = ask(local, operation["response"]["name"], "Hello")
    assert (status, answer["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert ask(local, f"{local.location}/endpoints/1", "Hello")[0] == 404


# Jobs in time.


def test_a_cancelled_job_stays_cancelled_and_makes_nothing(local: Local) -> None:
    _, job = started(local, "cancelled.jsonl", list(rows(tuple(str(at) for at in range(200)))))
    assert local.call("POST", f"{job['name']}:cancel") == (200, {})
    assert ended(local, job["name"])["state"] == "JOB_STATE_CANCELLED"
    number = job["name"].rpartition("/")[2]
    assert local.call("GET", f"models/{number}")[0] == 404
    _, again = local.call("GET", job["name"])
    assert again["state"] == "JOB_STATE_CANCELLED"


def test_requests_are_answered_while_a_job_learns(local: Local, job: Json) -> None:
    _, long = started(local, "long.jsonl", list(rows(tuple(str(at) for at in range(200)))))
    assert ask(local, job["tunedModel"]["endpoint"], "Play a tune from Spain.")[0] == 200
    assert local.run(local.ask("GET", f"{local.location}/tuningJobs?pageSize=1"))[0] == 200
    assert (local.cloud.store.of("aiplatform").get(long["name"]) or {})["state"] == "JOB_STATE_RUNNING"
    local.call("POST", f"{long['name']}:cancel")


def test_a_job_that_a_stop_cut_off_begins_again_and_its_head_outlives_it(local: Local) -> None:
    _, job = started(local, "restart.jsonl", list(rows()))
    local.restart()
    found = ended(local, job["name"])
    assert found["state"] == "JOB_STATE_SUCCEEDED"
    local.restart()
    _, answer = ask(local, found["tunedModel"]["endpoint"], "Play a tune from Spain.")
    assert text_of(answer) == "music"


def test_an_undeployed_model_is_deleted_with_its_head(local: Local) -> None:
    job = tuned(local, "deleted.jsonl", list(rows()))
    endpoint, model = job["tunedModel"]["endpoint"], job["tunedModel"]["model"].partition("@")[0]
    assert local.call("DELETE", model)[0] == 400
    _, described = local.call("GET", endpoint)
    assert local.call("POST", f"{endpoint}:undeployModel", {"deployedModelId": described["deployedModels"][0]["id"]})[0] == 200
    assert ask(local, endpoint, "Hello")[0] == 400
    assert local.call("DELETE", model)[0] == 200
    assert local.call("DELETE", endpoint)[0] == 200
    assert not [path for path in (local.state / "objects" / "caip-tenant-local").rglob("*.npz") if model.rpartition("/")[2] in str(path)]


# The head itself.


def test_validation_rows_measure_the_head(local: Local) -> None:
    local.cloud.objects.put(local.bucket, "validation.jsonl", jsonl(list(rows(("Madrid", "Bonn")))))
    job = tuned(local, "measured.jsonl", list(rows()), spec={"validationDatasetUri": f"gs://{local.bucket}/validation.jsonl"})
    _, runs = local.call("GET", f'{job["experiment"].rpartition("/")[0]}?filter=schema_title="system.ExperimentRun"')
    [run] = [run for run in runs["contexts"] if run["parentContexts"] == [job["experiment"]]]
    assert run["metadata"]["_metrics"]["accuracy_validation"] > 0.9
    assert 0.8 < run["metadata"]["_metrics"]["accuracy_leave_one_out"] <= 1


@pytest.mark.parametrize("features", [20, 200])
def test_a_head_tells_noisy_classes_apart_with_an_honest_probability(features: int) -> None:
    random = np.random.default_rng(0)
    centres = random.normal(size=(3, features))
    answers = [at % 3 for at in range(400)]
    vectors = centres[answers] + random.normal(0, features**0.5 / 2.5, (400, features))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    labels = ["abc"[answer] for answer in answers]
    fitted = fit("text", vectors[:100], labels[:100])
    accuracy = fitted.head.accuracy(vectors[100:], labels[100:])
    assert accuracy > 0.75
    assert abs(fitted.accuracy - accuracy) < 0.1
    confidence = fitted.head.probabilities(vectors[100:]).max(1)
    assert abs(confidence.mean() - accuracy) < 0.12


def test_labels_that_have_nothing_to_do_with_the_rows_get_no_confidence() -> None:
    vectors = np.random.default_rng(1).normal(size=(300, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    fitted = fit("text", vectors[:200], list("abcd") * 50)
    assert fitted.accuracy < 0.4
    assert fitted.head.probabilities(vectors[200:]).max() < 0.5


def test_a_head_is_kept_without_pickle_and_read_as_it_was() -> None:
    vectors = Gemini().vectors(["It rains.", "Play a song.", "Snow falls.", "Sing it."])[1]
    head = fit("text", vectors, ["weather", "music", "weather", "music"]).head
    read = loaded(saved(head))
    np.testing.assert_array_equal(read.weights, head.weights)
    assert (read.labels, read.temperature, read.kind) == (head.labels, head.temperature, head.kind)
    harmful = io.BytesIO()
    np.savez(harmful, said=np.array([{"a": 1}], object), weights=vectors, intercepts=vectors)
    with pytest.raises(ValueError, match="allow_pickle"):
        loaded(harmful.getvalue())


# The true client.


@pytest.mark.filterwarnings("ignore:The SDK's tuning implementation is experimental")
def test_google_genai_tunes_and_asks_the_tuned_model(google_cloud: Json) -> None:
    from google import genai
    from google.cloud import storage

    client = genai.Client(vertexai=True, project=PROJECT, location="europe-west4")
    bucket = storage.Client(project=PROJECT).create_bucket("acme-gemini-tuning")
    bucket.blob("rows.jsonl").upload_from_string(jsonl(list(rows())))
    bucket.blob("other.jsonl").upload_from_string(jsonl(list(rows(("Bonn",)))))
    job = client.tunings.tune(
        base_model="gemini-3.5-flash",
        training_dataset={"gcs_uri": f"gs://{bucket.name}/rows.jsonl"},
        config={
            "validation_dataset": {"gcs_uri": f"gs://{bucket.name}/other.jsonl"},
            "epoch_count": 2,
            "adapter_size": "ADAPTER_SIZE_ONE",
            "tuned_model_display_name": "topics",
        },
    )
    while not job.has_ended:
        job = client.tunings.get(name=job.name)
    assert job.has_succeeded, job.error
    assert job.tuning_data_stats.supervised_tuning_data_stats.tuning_dataset_example_count == 72
    model = job.tuned_model.endpoint
    assert client.models.generate_content(model=model, contents="Play a tune from Spain.").text == "music"
    assert "".join(one.text for one in client.models.generate_content_stream(model=model, contents="Is it foggy?")) == "weather"
    assert client.models.count_tokens(model=model, contents="hello world").total_tokens == 2
    assert job.name in [one.name for one in client.tunings.list(config={"page_size": 1})]
