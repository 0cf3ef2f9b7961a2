"""Context caches hold contents until they expire, answer as if these had been sent, and are kept to Google's rules on both hosts."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from PIL import Image

from emulator.behaviours import Response
from emulator.dispatch import Request, answer
from tests.emulator.conftest import Local

Json = dict[str, Any]
PROJECT = "acme-gemini-local"
MODEL = "gemini-2.5-flash"
HOST = "generativelanguage.googleapis.com"

EXAMPLES = [
    ("What will the weather be tomorrow?", "weather"),
    ("Is it going to rain this weekend?", "weather"),
    ("How hot does it get in Rome in July?", "weather"),
    ("Play some jazz in the kitchen.", "music"),
    ("Put on the new album by Adele.", "music"),
    ("Skip this song, please.", "music"),
]
PADDING = "The guideline says nothing else that matters here. " * 300
"""About 3,000 tokens of instruction."""


def turn(role: str, *parts: str | Json) -> Json:
    return {"role": role, "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


CONTENTS = [one for text, label in EXAMPLES for one in (turn("user", text), turn("model", label))]


def made(local: Local, **given: Any) -> tuple[int, Json]:
    instruction = {"parts": [{"text": PADDING}]}
    body = {"model": f"publishers/google/models/{MODEL}", "contents": CONTENTS, "systemInstruction": instruction, **given}
    status, answered = local.call("POST", "cachedContents", {field: value for field, value in body.items() if value is not None})
    return status, answered


def ask(local: Local, cache: str, question: str = "Any storms coming?", model: str = MODEL, **more: Any) -> tuple[int, Json]:
    body = {"contents": [turn("user", question)], "cachedContent": cache, **more}
    status, answered = local.call("POST", f"publishers/google/models/{model}:generateContent", body)
    return status, answered


def text_of(answered: Json) -> str:
    return str(answered["candidates"][0]["content"]["parts"][0]["text"])


@pytest.fixture(scope="module")
def cache(local: Local) -> Json:
    status, answered = made(local, displayName="topics", ttl="600s")
    assert status == 200, answered
    return answered


def test_a_cache_is_described_without_its_contents(local: Local, cache: Json) -> None:
    assert local.call("GET", cache["name"]) == (200, cache)
    assert cache["model"] == f"{local.location}/publishers/google/models/{MODEL}"
    assert {"contents", "systemInstruction"}.isdisjoint(cache)
    age = datetime.fromisoformat(cache["expireTime"]) - datetime.fromisoformat(cache["createTime"])
    assert age == timedelta(seconds=600)
    assert cache["usageMetadata"]["totalTokenCount"] > 2048


def test_a_request_is_answered_as_if_the_cached_contents_had_been_sent(local: Local, cache: Json) -> None:
    status, answered = ask(local, cache["name"])
    body = {"contents": [*CONTENTS, turn("user", "Any storms coming?")], "systemInstruction": {"parts": [{"text": PADDING}]}}
    _, whole = local.call("POST", f"publishers/google/models/{MODEL}:generateContent", body)
    assert (status, text_of(answered)) == (200, "weather")
    assert answered["candidates"] == whole["candidates"]
    usage = answered["usageMetadata"]
    assert usage["cachedContentTokenCount"] == cache["usageMetadata"]["totalTokenCount"]
    assert usage["promptTokenCount"] == whole["usageMetadata"]["promptTokenCount"] > usage["cachedContentTokenCount"]


def test_a_number_of_any_length_is_a_number(local: Local, cache: Json) -> None:
    assert ask(local, cache["name"], generationConfig={"seed": 10**400})[0] == 200


def test_the_cache_of_another_model_is_refused(local: Local, cache: Json) -> None:
    status, answered = ask(local, cache["name"], model="gemini-2.5-pro")
    assert status == 400
    assert "has to be the same" in answered["error"]["message"]


@pytest.mark.parametrize("field", ["systemInstruction", "tools", "toolConfig"])
def test_what_belongs_into_the_cache_is_refused_beside_it(local: Local, cache: Json, field: str) -> None:
    given: Json = {
        "systemInstruction": {"parts": [{"text": "x"}]},
        "tools": [{"googleSearch": {}}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
    }
    status, answered = ask(local, cache["name"], **{field: given[field]})
    assert status == 400
    assert "CachedContent can not be used with GenerateContent request" in answered["error"]["message"]


def test_an_expired_cache_is_gone_everywhere(local: Local) -> None:
    _, expired = made(local)
    kept = local.cloud.store.of("aiplatform")
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    kept.put(expired["name"], "CachedContent", {**expired, "expireTime": past})
    assert ask(local, expired["name"])[0] == 404
    assert local.call("GET", expired["name"])[0] == 404
    assert local.call("PATCH", expired["name"], {"ttl": "60s"})[0] == 404
    assert not local.cloud.store.of("cached-contents").get(f"aiplatform/{expired['name']}")


def test_a_deleted_cache_is_gone(local: Local) -> None:
    _, deleted = made(local)
    assert local.call("DELETE", deleted["name"]) == (200, {})
    assert ask(local, deleted["name"])[0] == 404
    assert local.call("DELETE", deleted["name"])[0] == 404


def test_only_the_expiry_of_a_cache_changes(local: Local, cache: Json) -> None:
    status, longer = local.call("PATCH", f"{cache['name']}?updateMask=ttl", {"ttl": "7200s"})
    assert status == 200
    assert longer["expireTime"] > cache["expireTime"]
    later = (datetime.now(UTC) + timedelta(days=2)).isoformat().replace("+00:00", "Z")
    _, longest = local.call("PATCH", cache["name"], {"expireTime": later})
    assert datetime.fromisoformat(longest["expireTime"]) == datetime.fromisoformat(later)
    for given in ({"displayName": "other"}, {}, {"ttl": "1s", "expireTime": later}, {"ttl": "0s"}, {"expireTime": "2020-01-01T00:00:00Z"}):
        assert local.call("PATCH", cache["name"], given)[0] == 400, given
    assert local.call("GET", cache["name"])[1] == longest


def test_caches_are_listed_page_by_page(local: Local, cache: Json) -> None:
    made(local)
    _, first = local.call("GET", "cachedContents?pageSize=1")
    _, second = local.call("GET", f"cachedContents?pageSize=1&pageToken={first['nextPageToken']}")
    assert len(first["cachedContents"]) == len(second["cachedContents"]) == 1
    assert first["cachedContents"] != second["cachedContents"]


REFUSED: dict[str, tuple[Json, str]] = {
    "few tokens": ({"systemInstruction": None}, "minimum token count to start caching is 2048"),
    "more tokens for a newer model": ({"model": "publishers/google/models/gemini-3.5-flash"}, "caching is 4096"),
    "an embedding model": ({"model": "gemini-embedding-001"}, "no context caches"),
    "tools": ({"tools": [{"googleSearch": {}}]}, "no tools"),
    "nothing": ({"contents": None, "systemInstruction": None}, "nothing to cache"),
    "two expiries": ({"ttl": "60s", "expireTime": "2999-01-01T00:00:00Z"}, "exclude each other"),
    "a ttl that never ends": ({"ttl": "99999999999s"}, "time to live"),
    "a past expiry": ({"expireTime": "2020-01-01T00:00:00Z"}, "passed"),
    "a missing file": ({"contents": [turn("user", {"fileData": {"mimeType": "image/png", "fileUri": "gs://acme-test-bucket/none"}})]}, ""),
    "a long name": ({"displayName": "x" * 129}, "128"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_cached_is_refused(local: Local, case: str) -> None:
    given, reason = REFUSED[case]
    before = local.call("GET", "cachedContents")[1]
    status, answered = made(local, **given)
    assert status in (400, 404), answered
    assert reason in answered["error"]["message"]
    assert local.call("GET", "cachedContents")[1] == before


def test_a_cached_picture_outlives_its_file(local: Local) -> None:
    turns = []
    for at, colour in enumerate(["red", "blue"] * 8):
        file = io.BytesIO()
        Image.new("RGB", (40 + at, 60 - at), colour).save(file, "PNG")
        local.cloud.objects.put(local.bucket, f"cached/{at}.png", file.getvalue())
        part = {"fileData": {"mimeType": "image/png", "fileUri": f"gs://{local.bucket}/cached/{at}.png"}}
        turns += [turn("user", part), turn("model", colour)]
    status, cached = made(local, contents=turns[:-2])
    assert status == 200, cached
    assert cached["usageMetadata"]["imageCount"] == 15
    body = {"contents": [turns[-2]], "cachedContent": cached["name"]}
    for at in range(15):
        local.cloud.objects.delete(local.bucket, f"cached/{at}.png")
    _, answered = local.call("POST", f"publishers/google/models/{MODEL}:generateContent", body)
    assert text_of(answered) == "blue"


def test_caches_outlive_a_restart(local: Local) -> None:
    _, kept = made(local)
    local.restart()
    assert text_of(ask(local, kept["name"])[1]) == "weather"


def keyed(local: Local, http: str, path: str, body: Json | None = None) -> tuple[int, Json]:
    """A request with a key to the other host."""
    path, _, query = path.partition("?")
    request = Request(http, HOST, f"/v1beta/{path}", query, {"x-goog-api-key": "any"}, json.dumps(body or {}).encode())
    found: Response = local.run(answer(request, local.cloud))
    assert isinstance(found.body, bytes)
    return found.status, json.loads(found.body)


def test_the_gemini_api_has_the_same_caches(local: Local) -> None:
    body = {"model": f"models/{MODEL}", "contents": CONTENTS, "systemInstruction": {"parts": [{"text": PADDING}]}, "ttl": "60s"}
    status, cached = keyed(local, "POST", "cachedContents", body)
    assert status == 200, cached
    assert cached["model"] == f"models/{MODEL}"
    question = {"contents": [turn("user", "Any storms coming?")], "cachedContent": cached["name"]}
    status, answered = keyed(local, "POST", f"models/{MODEL}:generateContent", question)
    assert (status, text_of(answered)) == (200, "weather")
    assert keyed(local, "GET", "cachedContents?pageSize=1")[1] == {"cachedContents": [cached]}
    assert keyed(local, "PATCH", cached["name"], {"ttl": "600s"})[1]["expireTime"] > cached["expireTime"]
    assert keyed(local, "DELETE", cached["name"]) == (200, {})
    status, answered = keyed(local, "POST", f"models/{MODEL}:generateContent", question)
    assert (status, answered["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert keyed(local, "POST", "cachedContents", {"model": None, "contents": None})[0] == 400
    status, answered = keyed(local, "POST", "cachedContents", {"model": "models/gemini-2.5-pro", "contents": CONTENTS})
    assert status == 400
    assert "min_total_token_count=4096" in answered["error"]["message"]


def test_a_cache_of_one_host_is_none_of_the_other(local: Local, cache: Json) -> None:
    number = cache["name"].rpartition("/")[2]
    assert keyed(local, "GET", f"cachedContents/{number}")[0] == 403


@pytest.mark.parametrize("vertexai", [True, False])
def test_google_genai_caches_unchanged(google_cloud: Json, vertexai: bool) -> None:
    from google import genai
    from google.genai.errors import ClientError

    client = genai.Client(vertexai=True, project=PROJECT, location="europe-west4") if vertexai else genai.Client(api_key="any")
    cached = client.caches.create(
        model=MODEL, config={"contents": CONTENTS, "system_instruction": PADDING, "ttl": "600s", "display_name": "topics"}
    )
    answered = client.models.generate_content(model=MODEL, contents="Any storms coming?", config={"cached_content": cached.name})
    assert answered.text == "weather"
    assert answered.usage_metadata.cached_content_token_count == cached.usage_metadata.total_token_count
    assert client.caches.get(name=cached.name).display_name == "topics"
    assert client.caches.update(name=cached.name, config={"ttl": "7200s"}).expire_time > cached.expire_time
    assert cached.name in [one.name for one in client.caches.list(config={"page_size": 1})]
    client.caches.delete(name=cached.name)
    with pytest.raises(ClientError):
        client.caches.get(name=cached.name)


OLD_CLIENT = """
import datetime
import google.generativeai as genai
from google.generativeai import caching
genai.configure(api_key="any", transport="{transport}")
cached = caching.CachedContent.create(
    model="models/gemini-2.5-flash",
    system_instruction={padding!r},
    contents={contents!r},
    ttl=datetime.timedelta(minutes=5),
)
model = genai.GenerativeModel.from_cached_content(cached)
answered = model.generate_content("Any storms coming?")
assert answered.text == "weather", answered
assert answered.usage_metadata.cached_content_token_count > 1024
cached.update(ttl=datetime.timedelta(hours=2))
assert cached.name in [one.name for one in caching.CachedContent.list()]
cached.delete()
"""


@pytest.mark.long
@pytest.mark.parametrize("transport", ["rest", "grpc"])
def test_the_older_client_caches_over_rest_and_grpc(google_cloud: Json, transport: str) -> None:
    code = OLD_CLIENT.format(transport=transport, padding=PADDING, contents=CONTENTS)
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=110)
