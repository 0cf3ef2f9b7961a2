"""Whatever arrives, the local Google Cloud answers it, refuses it with a 4xx, and touches nothing outside its state folder."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import string
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from emulator import discovery, dispatch
from emulator.behaviours import METHODS, ROUTES

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

Json = dict[str, Any]

APIS = [
    ("aiplatform", "v1"), ("aiplatform", "v1beta1"), ("storage", "v1"), ("bigquery", "v2"), ("pubsub", "v1"), ("secretmanager", "v1"),
    ("iam", "v1"), ("cloudresourcemanager", "v3"), ("cloudresourcemanager", "v1"), ("serviceusage", "v1"), ("logging", "v2"),
    ("monitoring", "v3"), ("cloudbuild", "v1"), ("cloudscheduler", "v1"), ("compute", "v1"), ("dns", "v1"), ("artifactregistry", "v1"),
    ("run", "v2"), ("cloudkms", "v1"), ("cloudbilling", "v1"),
]  # fmt: skip
HOSTS = {"storage": "storage.googleapis.com", "aiplatform": "europe-west4-aiplatform.googleapis.com"}
TEXTS = [
    "", "a", "default", "-", "..", "../../../outside", "/outside", "a/../b", "%2e%2e%2foutside", "\0", "\r\nX: y", "x" * 300,
    "é", "💥", "\ud800", "gs://acme-test-bucket/../outside", "gs:///outside", "gs://acme-test-bucket/", "projects/acme-test", "1", "-1",
    "9" * 20, "NaN", "true", "3s", "2026-01-01T00:00:00Z", "{{$}}", "name = \"", "a AND (", "select 1", "acme-test-bucket", "acme-test",
    "europe-west4",
]  # fmt: skip
PROJECT_APIS = {"serviceusage", "cloudresourcemanager", "cloudbilling"}
ANYTHING: list[Any] = [None, True, 0, -1, 10**30, 1.5, [], {}, [[]], {"a": {"b": [1]}}, *TEXTS]
HOSTS_OF_ROUTES = [
    "storage.googleapis.com", "oauth2.googleapis.com", "generativelanguage.googleapis.com", "e.europe-west4-1.prediction.vertexai.goog",
    "www.googleapis.com", "iamcredentials.googleapis.com", "a.googleapis.com", "europe-west4-kfp.pkg.dev", "pkg.dev",
]  # fmt: skip
PATHS_OF_ROUTES = [
    "/{bucket}/{name}", "/{name}", "/token", "/v1beta/models/gemini-2.5-flash:{name}", "/v1beta/models/m:generateContent",
    "/oauth2/v4/token", "/v1/projects/acme-test/locations/europe-west4/endpoints/{name}:predict", "/batch/{name}", "/", "//", "/v1/%00",
]  # fmt: skip
HANG_SECONDS = 20.0
NOT_ASKED = {"endpoints.deployModel"}
"""Waits for a model server, up to two minutes by design."""


class Chance:
    """Requests drawn at random, mostly almost right: what is wrong everywhere is refused at the door and tests nothing behind it."""

    def __init__(self, seed: int, local: Local) -> None:
        self.random = random.Random(seed)
        self.local = local
        self.project = "acme-test"
        self.wrong = 0.0
        """Share of values that do not fit their schema."""

    def text(self) -> str:
        if self.random.random() < 0.1:
            return "".join(self.random.choices(string.printable, k=self.random.randrange(40)))
        return self.random.choice(TEXTS)

    def value(self, document: discovery.Document, schema: Json, depth: int = 0) -> Any:
        """A value that fits a schema, mostly."""
        if self.random.random() < self.wrong or depth > 5:
            return self.random.choice(ANYTHING)
        if "$ref" in schema:
            schema = document.schemas[schema["$ref"]]
        kind = schema.get("type", "any")
        if kind == "object":
            fields = {name: child for name, child in schema.get("properties", {}).items() if self.kept(child, depth)}
            made = {name: self.value(document, child, depth + 1) for name, child in fields.items()}
            if "additionalProperties" in schema:
                made[self.text()] = self.value(document, schema["additionalProperties"], depth + 1)
            return made
        if kind == "array":
            return [self.value(document, schema["items"], depth + 1) for _ in range(self.random.randrange(3))]
        if kind == "string":
            return self.random.choice(schema["enum"]) if "enum" in schema and self.random.random() < 0.9 else self.text()
        if kind in ("integer", "number"):
            return self.random.choice([0, 1, -1, 7, 100, 2**31, 10**18])
        return self.random.random() < 0.5 if kind == "boolean" else self.random.choice(ANYTHING)

    def kept(self, schema: Json, depth: int) -> bool:
        return schema.get("mark") == "required" or self.random.random() < 0.5 / (depth + 1)

    def segment(self, parameter: str) -> str:
        known = {"projectsId": self.project, "projectId": self.project, "project": self.project, "locationsId": "europe-west4"}
        known |= {"bucket": self.local.bucket, "object": "a", "metadataStoresId": "default"}
        if self.random.random() < 0.9 and parameter in known:
            return known[parameter]
        if self.random.random() < 0.5:
            return self.random.choice(["a", "b"])
        return quote(self.text().encode(errors="surrogatepass"), safe=self.random.choice(["", "/", ":"]))

    def query(self, method: discovery.Method) -> str:
        chosen = [name for name in method.parameters if self.random.random() < 0.2]
        chosen += [
            name for name in ("pageSize", "maxResults", "pageToken", "filter", "orderBy", "updateMask") if self.random.random() < 0.05
        ]
        return "&".join(f"{name}={quote(self.text().encode(errors='surrogatepass'))}" for name in chosen)

    def body(self, document: discovery.Document, method: discovery.Method) -> bytes:
        if self.random.random() < self.wrong:
            return self.random.choice(
                [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"a":' * 900 + b"1" + b"}" * 900, b'"\\ud800"', b"1e999", b"NaN"]
            )
        value = self.value(document, {"$ref": method.request}) if method.request in document.schemas else {}
        return json.dumps(value).encode()

    def described(self, document: discovery.Document, method: discovery.Method) -> dispatch.Request:
        """A call of a method that a document describes."""
        # What switches services off or deletes projects would close the door to all others.
        self.project = "acme-other" if document.name in PROJECT_APIS else "acme-test"
        path = "/".join(self.filled(part) for part in method.template.split("/"))
        prefix = "/upload" if self.random.random() < 0.02 else ""
        host = HOSTS.get(document.name, f"{document.name}.googleapis.com")
        return dispatch.Request(method.http, host, f"{prefix}/{path}", self.query(method), self.headers(), self.body(document, method))

    def filled(self, part: str) -> str:
        if not part.startswith("{"):
            return part
        variable, _, verb = part[1:].partition("}")
        return self.segment(variable.lstrip("+/")) + verb

    def headers(self) -> dict[str, str]:
        found = {"content-type": "application/json"}
        for name in ("range", "content-range", "authorization", "content-type", "x-upload-content-type", "x-goog-api-key"):
            if self.random.random() < 0.1:
                found[name] = self.random.choice(
                    ["bytes=0-", "bytes=9-1", "bytes=-9", "bytes 0-3/*", "bytes */*", "bytes=" + "9" * 5000, *TEXTS[:14]]
                )
        if self.random.random() < 0.1:
            found["authorization"] = "Bearer " + self.random.choice(["ya29.local-!", "a.b.c", f"x.{base64.b64encode(b'[7]').decode()}.y"])
        return found

    def upload(self) -> dispatch.Request:
        """An upload or a batch, in parts that may be broken."""
        name = quote(self.text().encode(errors="surrogatepass"))
        kind = self.random.choice(["media", "multipart", "resumable", "x"])
        metadata = self.random.choice(
            ['{"name": "a"}', json.dumps({"name": self.text(), "metadata": {"a": self.text()}}), "{", "[]", '{"crc32c": "x", "name": "a"}']
        )
        line = self.random.choice(["\r\n", "\n", ""])
        body = line.join(
            ["--b", "Content-Type: application/json", "", metadata, "--b", "Content-Type: text/plain", "", "content", "--b--", ""]
        )
        named = self.random.choice(["", f"&name={name}"])
        session = self.random.choice(["", "", f"&upload_id={name}"])
        headers = {
            **self.headers(),
            "content-type": self.random.choice(["multipart/related; boundary=b", 'multipart/related; boundary="b"', "x", "é"]),
        }
        request = dispatch.Request(
            self.random.choice(["POST", "PUT", "DELETE"]), "storage.googleapis.com", f"/upload/storage/v1/b/{self.segment('bucket')}/o",
            f"uploadType={kind}{named}{session}", headers, body.encode(),
        )  # fmt: skip
        if self.random.random() < 0.7:
            return request
        inner = self.random.choice(
            [f"GET /storage/v1/b/{self.local.bucket}/o/{name} HTTP/1.1", "GET", "", "POST /batch HTTP/1.1", "\xff \xff", f"DELETE {name}"]
        )
        part = line.join(["--b", "Content-ID: <1>", "", inner, "Content-Type: x", "", self.text()])
        return dispatch.Request(
            "POST", "storage.googleapis.com", "/batch/storage/v1", "", headers | {"content-type": "multipart/mixed; boundary=b"},
            line.join([part, part, "--b--"]).encode(errors="replace"),
        )  # fmt: skip

    def routed(self) -> dispatch.Request:
        """A path that no document describes."""
        host = self.random.choice(HOSTS_OF_ROUTES)
        name = self.segment("x")
        path = self.random.choice(PATHS_OF_ROUTES).format(name=name, bucket=self.local.bucket)
        body = self.random.choice(
            [
                b"",
                b"{}",
                b"{",
                b"[7]",
                b"\xff",
                b"grant_type=x&assertion=a.b.c",
                json.dumps({"contents": self.random.choice(ANYTHING)}).encode(),
            ]
        )
        return dispatch.Request(self.random.choice(["GET", "POST", "PUT", "HEAD", "DELETE", "X"]), host, path, name, self.headers(), body)


def requests(chance: Chance, count: int) -> Iterator[dispatch.Request]:
    documents = [document for service, version in APIS if (document := discovery.document(service, version))]
    own = [
        (document, document.by_id[method])
        for document in documents
        for service, method in METHODS
        if service == document.name and method in document.by_id and not any(method.endswith(one) for one in NOT_ASKED)
    ]
    for _ in range(count):
        lot, chance.wrong = chance.random.random(), chance.random.choice([0.0, 0.01, 0.1])
        if lot < 0.15:
            yield chance.upload()
        elif lot < 0.25:
            yield chance.routed()
        elif lot < 0.65:
            yield chance.described(*chance.random.choice(own))
        else:
            document = chance.random.choice(documents)
            yield chance.described(document, chance.random.choice(list(document.by_id.values())))


async def answered(local: Local, request: dispatch.Request) -> int:
    response = await asyncio.wait_for(dispatch.answer(request, local.cloud), HANG_SECONDS)
    if not isinstance(response.body, bytes):
        async for _ in response.body:
            pass
    return response.status


def listing(local: Local) -> set[Path]:
    around = {
        path for folder in (local.state, *local.state.parents) for path in (folder / "outside", folder / "outside.txt") if path.exists()
    }
    return around | {path for path in local.state.iterdir() if path.is_file()} | set((local.state / "objects").glob(".odd*"))


def hold(local: Local, seed: int, count: int) -> None:
    """Holds the invariant against `count` requests; the message repeats the first that broke it."""
    assert ROUTES
    before = listing(local) | {local.state / "state.db-wal", local.state / "state.db-shm"}
    for request in requests(Chance(seed, local), count):
        status = local.run(answered(local, request))
        assert status < 500, (status, request, local.cloud.store.last_lines(dispatch.FAULTS, 1))
    assert listing(local) <= before
    folders = {path.name for path in (local.state / "objects").iterdir()} - {".incoming", ".older"}
    buckets = {name.removeprefix("b/") for name, body in local.cloud.store.of("storage").items("b", "Bucket")}
    assert folders <= buckets


@pytest.mark.parametrize("seed", range(3))
def test_no_request_breaks_the_local_google_cloud(local: Local, seed: int) -> None:
    hold(local, seed, 1200)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 110))
def test_no_request_of_many_breaks_the_local_google_cloud(local: Local, seed: int) -> None:
    hold(local, seed + int(os.environ.get("FUZZ_SEED", "0")), 10_000)
