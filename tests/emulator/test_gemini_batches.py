"""Batches answer every row once, say in its status why a row has no answer, and go on after a stop."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from emulator.behaviours import Response
from emulator.dispatch import Request, answer
from emulator.engines.gemini import batches
from emulator.projects import project_number
from tests.emulator.conftest import Local

Json = dict[str, Any]
MODEL = "publishers/google/models/gemini-3.5-flash"
BIGQUERY = "bigquery.googleapis.com"
PROJECT = "acme-gemini-local"
TOPIC = {"type": "STRING", "enum": ["weather", "music"]}
TEXTS = {"It rained all day.": "weather", "Play the song again.": "music", "Snow will fall.": "weather"}


def request(text: str, **more: Any) -> Json:
    config = {"responseMimeType": "text/x.enum", "responseSchema": TOPIC}
    return {"contents": [{"role": "user", "parts": [{"text": text}]}], "generationConfig": config, **more}


ROWS: list[Json] = [{"request": request(text), "key": at} for at, text in enumerate(TEXTS)]


def body(local: Local, rows: list[Any], model: str = MODEL, name: str = "batch/in.jsonl", **fields: Any) -> Json:
    content = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    local.cloud.objects.put(local.bucket, name, content.encode())
    return {
        "displayName": "batch",
        "model": model,
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [f"gs://{local.bucket}/{name}"]}},
        "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": f"gs://{local.bucket}/batch/out"}},
        **fields,
    }


def ended(local: Local, name: str) -> Json:
    while (found := local.call("GET", name)[1])["state"] in ("JOB_STATE_PENDING", "JOB_STATE_RUNNING"):
        pass
    return dict(found)


def job(local: Local, given: Json) -> Json:
    status, made = local.call("POST", "batchPredictionJobs", given)
    assert status == 200, made
    return ended(local, made["name"])


def lines(local: Local, done: Json) -> list[Json]:
    bucket, _, prefix = done["outputInfo"]["gcsOutputDirectory"].removeprefix("gs://").partition("/")
    return [json.loads(line) for line in local.cloud.objects.read(bucket, f"{prefix}/predictions.jsonl").splitlines()]


def text_of(response: Json) -> str:
    return str(response["candidates"][0]["content"]["parts"][0]["text"])


def sql(local: Local, statement: str) -> list[list[Any]]:
    path = "/bigquery/v2/projects/acme-test/queries"
    status, answered = local.call("POST", path, {"query": statement, "useLegacySql": False}, host=BIGQUERY)
    assert status == 200, answered
    assert "errors" not in answered, answered
    return [[cell["v"] for cell in row["f"]] for row in answered.get("rows", [])]


@pytest.fixture(scope="module")
def table(local: Local) -> str:
    """A table of requests, as JSON and with a column beside them."""
    given = {"datasetReference": {"projectId": "acme-test", "datasetId": "requests"}, "location": "europe-west4"}
    assert local.call("POST", "/bigquery/v2/projects/acme-test/datasets", given, host=BIGQUERY)[0] == 200
    values = ", ".join(f"({at}, JSON '{json.dumps(request(text))}')" for at, text in enumerate(TEXTS))
    sql(local, "CREATE TABLE requests.asked (id INT64, request JSON)")
    sql(local, f"INSERT INTO requests.asked VALUES {values}")
    return "bq://acme-test.requests.asked"


@pytest.fixture(scope="module")
def tuned(local: Local) -> Json:
    """A tuned model."""
    rows = [
        {"contents": [*request(f"{text} {at}")["contents"], {"role": "model", "parts": [{"text": label}]}]}
        for at in range(6)
        for text, label in TEXTS.items()
    ]
    local.cloud.objects.put(local.bucket, "tune.jsonl", "\n".join(map(json.dumps, rows)).encode())
    spec = {"trainingDatasetUri": f"gs://{local.bucket}/tune.jsonl"}
    _, made = local.call("POST", "tuningJobs", {"baseModel": "gemini-3.5-flash", "supervisedTuningSpec": spec})
    return dict(ended(local, made["name"])["tunedModel"])


def test_rows_are_answered_as_if_each_had_been_sent_alone(local: Local) -> None:
    done = job(local, body(local, ROWS))
    assert done["state"] == "JOB_STATE_SUCCEEDED", done
    assert done["completionStats"] == {"successfulCount": "3", "failedCount": "0", "incompleteCount": "0"}
    found = lines(local, done)
    assert [(line["request"], line["key"], line["status"]) for line in found] == [(row["request"], row["key"], "") for row in ROWS]
    assert [text_of(line["response"]) for line in found] == list(TEXTS.values())
    _, alone = local.call("POST", f"{MODEL}:generateContent", ROWS[0]["request"])
    assert found[0]["response"] == alone
    assert all("processed_time" in line for line in found)


BAD: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "no JSON"),
    "no request": ({"contents": []}, "no object 'request'"),
    "free text": ({"request": {"contents": request("Write a poem.")["contents"]}}, "free text"),
    "an unknown field": ({"request": request("x", content=[])}, "Cannot find field"),
    "a missing file": (
        {
            "request": {
                "contents": [{"role": "user", "parts": [{"fileData": {"mimeType": "image/png", "fileUri": "gs://acme-test-bucket/no"}}]}]
            }
        },
        "No such object",
    ),
    "an array": ([1], "no object 'request'"),
    "half a character": ('{"request": "\\ud800"}', "not JSON"),
    "a deep one": ({"request": {"contents": json.loads("[" * 400 + "]" * 400)}}, "contents[0]"),
    "a missing cache": ({"request": request("x", cachedContent="cachedContents/1")}, "cached content"),
}


def test_a_row_without_an_answer_says_why_and_ends_nothing(local: Local) -> None:
    done = job(local, body(local, [*(row for row, _ in BAD.values()), *ROWS]))
    assert done["state"] == "JOB_STATE_SUCCEEDED"
    assert (done["completionStats"]["successfulCount"], done["completionStats"]["failedCount"]) == ("3", str(len(BAD)))
    found = lines(local, done)
    for line, (_, reason) in zip(found, BAD.values(), strict=False):
        assert line["status"].startswith("Bad Request: ")
        error = json.loads(line["status"].removeprefix("Bad Request: "))
        assert reason in error["message"]
        assert error["code"] in (400, 404)
        assert line["response"] == {}
    assert [line["status"] for line in found[len(BAD) :]] == [""] * 3


@pytest.mark.parametrize("name", ["model", "endpoint"])
def test_a_tuned_model_answers_batches(local: Local, tuned: Json, name: str) -> None:
    plain = [{"request": {"contents": row["request"]["contents"]}} for row in ROWS]
    done = job(local, body(local, plain, tuned[name]))
    assert done["state"] == "JOB_STATE_SUCCEEDED", done
    found = lines(local, done)
    assert [text_of(line["response"]) for line in found] == list(TEXTS.values())
    assert {line["response"]["modelVersion"] for line in found} == {"local-minilm-ridge-tuned-1"}


def test_rows_come_from_bigquery_and_answers_go_there(local: Local, table: str) -> None:
    given = body(local, ROWS)
    given["inputConfig"] = {"instancesFormat": "bigquery", "bigquerySource": {"inputUri": table}}
    given["outputConfig"] = {"predictionsFormat": "bigquery", "bigqueryDestination": {"outputUri": "bq://acme-test.requests.answered"}}
    done = job(local, given)
    assert done["state"] == "JOB_STATE_SUCCEEDED", done
    assert done["outputInfo"] == {"bigqueryOutputDataset": "bq://acme-test.requests", "bigqueryOutputTable": "answered"}
    path = "JSON_VALUE(response, '$.candidates[0].content.parts[0].text')"
    found = sql(local, f"SELECT id, {path}, status FROM requests.answered ORDER BY id")
    assert found == [[str(at), label, ""] for at, label in enumerate(TEXTS.values())]
    assert local.call("POST", "batchPredictionJobs", given)[0] == 409


def test_rows_of_a_file_go_to_bigquery_too(local: Local, table: str) -> None:
    given = body(local, ROWS)
    given["outputConfig"] = {"predictionsFormat": "bigquery", "bigqueryDestination": {"outputUri": "bq://acme-test.requests.of_file"}}
    done = job(local, given)
    assert done["state"] == "JOB_STATE_SUCCEEDED", done
    found = sql(local, "SELECT JSON_VALUE(request, '$.contents[0].parts[0].text') FROM requests.of_file")
    assert sorted(text for (text,) in found) == sorted(TEXTS)


def test_a_job_that_a_stop_cut_off_goes_on_where_it_was(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "PAGE", 2)
    many = [{"request": request(f"It rained for {at} days."), "key": at} for at in range(40)]
    _, made = local.call("POST", "batchPredictionJobs", body(local, many, name="batch/many.jsonl"))
    kept = local.cloud.store.of(batches.CHECKPOINTS)
    while not (kept.get(made["name"]) or {})["rows"]:
        local.run(local.ask("GET", "batchPredictionJobs?pageSize=1"))
    before = (kept.get(made["name"]) or {})["rows"][batches.ANSWERS]
    local.restart()
    assert 0 < before < 40
    done = ended(local, made["name"])
    assert done["state"] == "JOB_STATE_SUCCEEDED", done
    assert [line["key"] for line in lines(local, done)] == list(range(40))
    local.restart()
    assert not local.cloud.store.of(batches.CHECKPOINTS).items()


def test_a_cancelled_job_has_no_output(local: Local) -> None:
    _, made = local.call("POST", "batchPredictionJobs", body(local, ROWS * 20))
    assert local.call("POST", f"{made['name']}:cancel") == (200, {})
    assert ended(local, made["name"])["state"] == "JOB_STATE_CANCELLED"
    prefix = made["outputInfo"]["gcsOutputDirectory"].partition(f"{local.bucket}/")[2]
    assert not local.cloud.objects.list(local.bucket, prefix)


REFUSED: dict[str, Json] = {
    "an unknown model": {"model": "publishers/google/models/other"},
    "an embedding model": {"model": "publishers/google/models/gemini-embedding-001"},
    "another form": {"inputConfig": {"instancesFormat": "csv", "gcsSource": {"uris": ["gs://acme-test-bucket/batch/in.jsonl"]}}},
    "no file": {"inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://acme-test-bucket/nowhere"]}}},
    "machines": {"dedicatedResources": {"machineSpec": {"machineType": "n1-standard-2"}}},
    "no bucket": {"outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://no-such-bucket-here/x"}}},
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_job_that_cannot_run_is_refused_before_it_is_made(local: Local, case: str) -> None:
    before = local.call("GET", "batchPredictionJobs")[1]
    status, _ = local.call("POST", "batchPredictionJobs", body(local, ROWS, **REFUSED[case]))
    assert status in (400, 404)
    assert local.call("GET", "batchPredictionJobs")[1] == before


# The other host.


def keyed(local: Local, http: str, path: str, given: Any = None) -> tuple[int, Json]:
    path, _, query = path.partition("?")
    asked = Request(
        http, "generativelanguage.googleapis.com", f"/v1beta/{path}", query, {"x-goog-api-key": "any"}, json.dumps(given or {}).encode()
    )
    found: Response = local.run(answer(asked, local.cloud))
    assert isinstance(found.body, bytes)
    return found.status, json.loads(found.body)


def inline(requests: list[Any]) -> Json:
    return {"batch": {"displayName": "inline", "inputConfig": {"requests": {"requests": requests}}}}


CREATE = "models/gemini-3.5-flash:batchGenerateContent"


def test_requests_come_inline_with_a_key(local: Local) -> None:
    given: list[Json] = [{"request": request(text), "metadata": {"key": text}} for text in TEXTS]
    status, made = keyed(local, "POST", CREATE, inline([*given, {"request": {"contents": []}}]))
    assert status == 200, made
    _, done = keyed(local, "GET", made["name"])
    assert (done["done"], done["metadata"]["state"]) == (True, "BATCH_STATE_SUCCEEDED")
    *good, bad = done["response"]["inlinedResponses"]["inlinedResponses"]
    assert [text_of(one["response"]) for one in good] == list(TEXTS.values())
    assert [one["metadata"]["key"] for one in good] == list(TEXTS)
    assert bad["error"]["code"] == 3
    assert done["metadata"]["batchStats"] == {"requestCount": "4", "successfulRequestCount": "3", "failedRequestCount": "1"}
    assert keyed(local, "DELETE", made["name"]) == (200, {})
    assert keyed(local, "GET", made["name"])[0] == 404


def test_an_inline_batch_that_a_stop_cut_off_is_answered_after_it(local: Local) -> None:
    _, made = keyed(local, "POST", CREATE, inline([{"request": request(text)} for text in TEXTS]))
    local.restart()
    _, done = keyed(local, "GET", made["name"])
    assert len(done["response"]["inlinedResponses"]["inlinedResponses"]) == 3


def test_a_cancelled_inline_batch_stays_cancelled(local: Local) -> None:
    _, made = keyed(local, "POST", CREATE, inline([{"request": request(text)} for text in list(TEXTS) * 20]))
    assert keyed(local, "DELETE", made["name"])[0] == 400
    assert keyed(local, "POST", f"{made['name']}:cancel") == (200, {})
    local.restart()
    _, done = keyed(local, "GET", made["name"])
    assert (done["metadata"]["state"], "response" in done) == ("BATCH_STATE_CANCELLED", False)


@pytest.mark.parametrize(
    "given",
    [{}, {"batch": []}, inline([]), inline([1]), {"batch": {"inputConfig": {"fileName": "files/1"}}}, {"batch": {"inputConfig": 1}}],
)
def test_an_inline_batch_of_nothing_is_refused(local: Local, given: Json) -> None:
    assert keyed(local, "POST", CREATE, given)[0] == 400


# The true client.


def test_google_genai_batches_on_cloud_storage_and_with_a_key(google_cloud: Json) -> None:
    from google import genai
    from google.cloud import storage

    client = genai.Client(vertexai=True, project=PROJECT, location="europe-west4")
    bucket = storage.Client(project=PROJECT).create_bucket("acme-gemini-batches")
    bucket.blob("in.jsonl").upload_from_string("\n".join(map(json.dumps, ROWS)))
    made = client.batches.create(model="gemini-3.5-flash", src=f"gs://{bucket.name}/in.jsonl")
    while not made.done:
        made = client.batches.get(name=made.name)
    assert made.state.name == "JOB_STATE_SUCCEEDED", made.error
    [blob] = [one for one in bucket.list_blobs(prefix="in/dest/") if one.name.endswith("/predictions.jsonl")]
    assert [text_of(json.loads(line)["response"]) for line in blob.download_as_text().splitlines()] == list(TEXTS.values())
    assert made.name in [one.name for one in client.batches.list(config={"page_size": 1})]
    client.batches.delete(name=made.name)

    keyed_client = genai.Client(api_key="any")
    config = {"response_mime_type": "text/x.enum", "response_schema": TOPIC}
    inline_batch = keyed_client.batches.create(
        model="gemini-3.5-flash", src=[{"contents": text, "config": config} for text in TEXTS], config={"display_name": "inline"}
    )
    while not inline_batch.done:
        inline_batch = keyed_client.batches.get(name=inline_batch.name)
    assert [one.response.text for one in inline_batch.dest.inlined_responses] == list(TEXTS.values())
    assert inline_batch.name in [one.name for one in keyed_client.batches.list()]


def test_google_genai_batches_on_bigquery(google_cloud: Json) -> None:
    from google import genai
    from google.cloud import bigquery

    database = bigquery.Client(project=PROJECT)
    database.create_dataset("batches")
    values = ", ".join(f"JSON '{json.dumps(request(text))}'" for text in TEXTS)
    database.query(f"CREATE TABLE batches.asked AS SELECT request FROM UNNEST([{values}]) AS request").result()
    client = genai.Client(vertexai=True, project=PROJECT, location="europe-west4")
    source = f"bq://{PROJECT}.batches.asked"
    made = client.batches.create(model="gemini-3.5-flash", src=source, config={"dest": f"bq://{PROJECT}.batches.answered"})
    while not made.done:
        made = client.batches.get(name=made.name)
    assert made.state.name == "JOB_STATE_SUCCEEDED", made.error
    text = "JSON_VALUE(response, '$.candidates[0].content.parts[0].text')"
    found = sorted(row[0] for row in database.query(f"SELECT {text} FROM batches.answered WHERE status = ''").result())
    assert found == sorted(TEXTS.values())


VERTEX_CLIENT = """
import json, time
import vertexai
from google.cloud import storage
from vertexai.batch_prediction import BatchPredictionJob
from vertexai.caching import CachedContent
from vertexai.generative_models import Content, GenerativeModel, Part
from vertexai.tuning import sft

vertexai.init(project="{project}", location="europe-west4")
bucket = storage.Client(project="{project}").create_bucket("acme-gemini-vertex")
texts = {texts!r}

def row(text, label):
    return {{"contents": [{{"role": "user", "parts": [{{"text": text}}]}}, {{"role": "model", "parts": [{{"text": label}}]}}]}}

rows = [row(text + " " + str(at), label) for at in range(6) for text, label in texts.items()]
bucket.blob("tune.jsonl").upload_from_string("\\n".join(map(json.dumps, rows)))
job = sft.train(source_model="gemini-2.5-flash", train_dataset="gs://acme-gemini-vertex/tune.jsonl", epochs=2, adapter_size=4)
while not job.has_ended:
    time.sleep(0.2)
    job.refresh()
assert job.has_succeeded, job.to_dict()
tuned = GenerativeModel(job.tuned_model_endpoint_name)
assert tuned.generate_content("It rained.").text == "weather"
assert "".join(one.text for one in tuned.generate_content("It rained.", stream=True)) == "weather"
assert tuned.count_tokens("hello world").total_tokens == 2

bucket.blob("in.jsonl").upload_from_string("\\n".join(json.dumps({{"request": {{"contents": one["contents"][:1]}}}}) for one in rows[:3]))
# This client takes a project's number alone, and no version.
name = job.tuned_model_name.partition("@")[0].replace("{project}", "{number}")
batch = BatchPredictionJob.submit(
    source_model=name, input_dataset="gs://acme-gemini-vertex/in.jsonl", output_uri_prefix="gs://acme-gemini-vertex/out"
)
while not batch.has_ended:
    time.sleep(0.2)
    batch.refresh()
assert batch.has_succeeded, batch.error
[found] = [one for one in bucket.list_blobs(prefix="out/") if one.name.endswith("predictions.jsonl")]
assert [json.loads(line)["status"] for line in found.download_as_text().splitlines()] == [""] * 3

turns = [Content(role=role, parts=[Part.from_text(text)]) for pair in texts.items() for role, text in zip(("user", "model"), pair)]
cached = CachedContent.create(model_name="gemini-2.5-flash", system_instruction="Nothing else matters here. " * 500, contents=turns)
assert GenerativeModel.from_cached_content(cached).generate_content("Play it again.").text == "music"
cached.delete()
"""


@pytest.mark.long
def test_the_vertex_library_tunes_batches_and_caches_over_grpc(google_cloud: Json) -> None:
    code = VERTEX_CLIENT.format(project=PROJECT, number=project_number(PROJECT), texts=TEXTS)
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=150)
