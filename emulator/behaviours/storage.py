"""Cloud Storage's JSON API: buckets by the generic rule, objects by `emulator.engines.objects`. Uploads and XML are in `uploads`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, Response, completes, defaults, on
from emulator.engines.objects import BLOCK, BUCKET, blocks
from emulator.projects import project_number

if TYPE_CHECKING:
    from emulator.cloud import Cloud

MULTI_REGIONS = {"US", "EU", "ASIA"}
PAGE = 1000

defaults(
    "storage",
    "Bucket",
    location="US",
    storageClass="STANDARD",
    softDeletePolicy={"retentionDurationSeconds": "604800"},
    iamConfiguration={"publicAccessPrevention": "inherited", "uniformBucketLevelAccess": {"enabled": False}},
)


@completes("storage", "Bucket")
def bucket_completed(call: Call, cloud: Cloud, name: str, bucket: Json) -> None:
    """Locations come back in capitals: in lower case, Terraform would replace the bucket. A class that is taken away is the usual one."""
    bucket.setdefault("storageClass", "STANDARD")
    bucket["location"] = bucket.get("location", "US").upper()
    bucket["locationType"] = "multi-region" if bucket["location"] in MULTI_REGIONS else "region"
    if project := call.one("project"):
        bucket["projectNumber"] = project_number(cloud.projects.by_id(f"projects/{project}").removeprefix("projects/"))
    access = bucket.setdefault("iamConfiguration", {})
    access.setdefault("publicAccessPrevention", "inherited")


@on("storage", "buckets.insert")
async def insert_bucket(call: Call, cloud: Cloud) -> Json | Response:
    """Bucket names are taken by whoever comes first, in all projects."""
    project = call.one("project")
    if not project:
        raise Refusal(400, "INVALID_ARGUMENT", "Required parameter: project", reason="required")
    cloud.projects.check(cloud.projects.by_id(f"projects/{project}").removeprefix("projects/"), "storage")
    bucket = call.body.get("name", "")
    if not BUCKET.fullmatch(bucket):
        raise Refusal(400, "INVALID_ARGUMENT", f"Invalid bucket name: '{bucket}'")
    if cloud.store.of("storage").get(f"b/{bucket}") is not None:
        raise Refusal(409, "ALREADY_EXISTS", f"The requested bucket name '{bucket}' is not available: it is taken. Use another name.")
    return await cloud.resources.default(call)


@on("storage", "buckets.list")
async def list_buckets(call: Call, cloud: Cloud) -> Json:
    """The buckets of one project."""
    number = project_number(cloud.projects.by_id(f"projects/{call.one('project')}").removeprefix("projects/"))
    rows = [row for row in cloud.store.of("storage").list("b", "Bucket") if row.get("projectNumber") == number]
    return cloud.resources.list(call, [row for row in rows if row["name"].startswith(call.one("prefix"))])


@on(
    "storage",
    "buckets.get",
    "buckets.patch",
    "buckets.update",
    "buckets.getIamPolicy",
    "buckets.setIamPolicy",
    "buckets.testIamPermissions",
)
async def one_bucket(call: Call, cloud: Cloud) -> Json | Response:
    """The generic rule, under the bucket's preconditions."""
    bucket = cloud.objects.bucket(call.params["bucket"])
    _check_metageneration(call, bucket)
    return await cloud.resources.default(call)


@on("storage", "buckets.delete")
async def delete_bucket(call: Call, cloud: Cloud) -> Json | Response:
    """Only an empty bucket can be deleted, and older generations are content too."""
    bucket = call.params["bucket"]
    _check_metageneration(call, cloud.objects.bucket(bucket))
    if found := [*cloud.objects.list(bucket), *cloud.objects.older.list(bucket, "")]:
        message = (
            f"The bucket you tried to delete is not empty: it holds {len(found)} objects, e.g. '{found[0]['name']}'. Delete them first."
        )
        raise Refusal(409, "FAILED_PRECONDITION", message)
    result = await cloud.resources.default(call)
    cloud.objects.drop_bucket(bucket)
    return Response(status=204) if result == {} else result


@on("storage", "projects.serviceAccount.get")
async def service_agent(call: Call, cloud: Cloud) -> Json:
    """The identity under which Cloud Storage itself acts in a project."""
    number = project_number(call.params["projectId"])
    return {"kind": "storage#serviceAccount", "email_address": f"service-{number}@gs-project-accounts.iam.gserviceaccount.com"}


@on("storage", "objects.list")
async def list_objects(call: Call, cloud: Cloud) -> Json:
    """Objects in order of their names; with a delimiter, what lies deeper is named by its prefix alone."""
    bucket, prefix, delimiter = call.params["bucket"], call.one("prefix"), call.one("delimiter")
    _enabled(cloud, bucket)
    size, after = int(call.one("maxResults") or 0) or PAGE, call.one("pageToken")
    start, end = call.one("startOffset"), call.one("endOffset")
    items: list[Json] = []
    prefixes: list[str] = []
    last = ""
    rows = cloud.objects.list(bucket, prefix)
    if call.one("versions").lower() == "true":
        rows = sorted([*rows, *cloud.objects.older.list(bucket, prefix)], key=lambda one: (one["name"], int(one["generation"])))
    for found in rows:
        name = found["name"]
        folder = prefix + name[len(prefix) :].partition(delimiter)[0] + delimiter if delimiter and delimiter in name[len(prefix) :] else ""
        place = folder or name
        if place <= after or name < start or (end and name >= end):
            continue
        if len(items) + len(prefixes) >= size and place != last:
            return _page(items, prefixes, last)
        if not folder:
            items.append(found)
        elif folder != last:
            prefixes.append(folder)
            if name == folder and call.one("includeTrailingDelimiter") == "true":
                items.append(found)
        last = place
    return _page(items, prefixes, "")


def _page(items: list[Json], prefixes: list[str], token: str) -> Json:
    page: Json = {"kind": "storage#objects"}
    page |= {"items": items} if items else {}
    page |= {"prefixes": prefixes} if prefixes else {}
    return page | ({"nextPageToken": token} if token else {})


@on("storage", "objects.get")
async def get_object(call: Call, cloud: Cloud) -> Json | Response:
    """Metadata, or the content with `alt=media`."""
    bucket, name = call.params["bucket"], call.params["object"]
    found = existing(call, cloud, bucket, name)
    if call.one("alt") != "media":
        return found
    return content(call, cloud, found)


@on("storage", "objects.patch", "objects.update")
async def update_object(call: Call, cloud: Cloud) -> Json:
    """Metadata is merged by PATCH and replaced by PUT."""
    bucket, name = call.params["bucket"], call.params["object"]
    found = existing(call, cloud, bucket, name)
    fields = {key: value for key, value in call.body.items() if key not in ("name", "bucket", "generation", "size")}
    if call.http == "PATCH" and fields.get("metadata"):
        merged = {**found.get("metadata", {}), **fields["metadata"]}
        fields["metadata"] = {key: value for key, value in merged.items() if value is not None} or None
    return cloud.objects.update(bucket, name, fields)


@on("storage", "objects.delete")
async def delete_object(call: Call, cloud: Cloud) -> Response:
    """Deletes the live generation, which a bucket with versioning keeps, or the one that is named, for good."""
    bucket, name = call.params["bucket"], call.params["object"]
    existing(call, cloud, bucket, name)
    cloud.objects.delete(bucket, name, call.one("generation"))
    return Response(status=204)


@on("storage", "objects.compose")
async def compose(call: Call, cloud: Cloud) -> Json:
    """Joins up to 32 objects of a bucket."""
    bucket, name = call.params["destinationBucket"], call.params["destinationObject"]
    sources = [source.get("name", "") for source in call.body.get("sourceObjects", [])]
    if not 1 <= len(sources) <= 32:
        raise Refusal(400, "INVALID_ARGUMENT", f"The number of source components must be between 1 and 32, not {len(sources)}.")
    writable(call, cloud, bucket, name)
    paths = [cloud.objects.path(bucket, source) for source in sources]
    joined = cloud.objects.incoming()
    with joined.open("wb") as file:
        for path in paths:
            file.writelines(blocks(path))
    return cloud.objects.put(bucket, name, joined, {**call.body.get("destination", {}), "componentCount": len(sources)})


@on("storage", "objects.copy", "objects.rewrite")
async def copy(call: Call, cloud: Cloud) -> Json:
    """Copies an object, always in one step."""
    params = call.params
    source = existing(call, cloud, params["sourceBucket"], params["sourceObject"], "ifSource", "sourceGeneration")
    writable(call, cloud, params["destinationBucket"], params["destinationObject"])
    copied = cloud.objects.copy(source, params["destinationBucket"], params["destinationObject"], call.body)
    if call.verb == "copy":
        return copied
    size = copied["size"]
    return {"kind": "storage#rewriteResponse", "totalBytesRewritten": size, "objectSize": size, "done": True, "resource": copied}


@on("storage", "objects.move")
async def move(call: Call, cloud: Cloud) -> Json:
    """Renames an object inside its bucket."""
    bucket = call.params["bucket"]
    source = existing(call, cloud, bucket, call.params["sourceObject"], "ifSource", "sourceGeneration")
    writable(call, cloud, bucket, call.params["destinationObject"])
    moved = cloud.objects.copy(source, bucket, call.params["destinationObject"])
    cloud.objects.delete(bucket, source["name"])
    return moved


def existing(call: Call, cloud: Cloud, bucket: str, name: str, conditions: str = "if", generation: str = "generation") -> Json:
    """The object that a call reads or changes.

    Raises:
        Refusal: It does not exist, or not under the call's preconditions.
    """
    _enabled(cloud, bucket)
    found = cloud.objects.get(bucket, name, call.one(generation))
    if found is None:
        raise Refusal(404, "NOT_FOUND", f"No such object: {bucket}/{name}")
    _check_generation(call, found, conditions)
    _check_metageneration(call, found, conditions)
    return found


def writable(call: Call, cloud: Cloud, bucket: str, name: str) -> None:
    """Refuses a write to an object that is not as the call's preconditions want it.

    Raises:
        Refusal: They do not hold, or the bucket is missing.
    """
    _enabled(cloud, bucket)
    found = cloud.objects.get(bucket, name)
    _check_generation(call, found, "if")
    if found is not None:
        _check_metageneration(call, found)


def _check_generation(call: Call, found: Json | None, conditions: str) -> None:
    generation = found["generation"] if found else "0"
    match, unlike = call.one(f"{conditions}GenerationMatch"), call.one(f"{conditions}GenerationNotMatch")
    if (match and match != generation) or (unlike and unlike == generation):
        raise Refusal(412, "", "At least one of the pre-conditions you specified did not hold.")


def _check_metageneration(call: Call, found: Json, conditions: str = "if") -> None:
    match, unlike = call.one(f"{conditions}MetagenerationMatch"), call.one(f"{conditions}MetagenerationNotMatch")
    if (match and match != found["metageneration"]) or (unlike and unlike == found["metageneration"]):
        raise Refusal(412, "", "At least one of the pre-conditions you specified did not hold.")


def _enabled(cloud: Cloud, bucket: str) -> None:
    """Refuses a missing bucket, and one in whose project Cloud Storage is not enabled."""
    number = cloud.objects.bucket(bucket).get("projectNumber", "")
    cloud.projects.check(cloud.projects.by_id(f"projects/{number}").removeprefix("projects/"), "storage")


def content(call: Call, cloud: Cloud, found: Json) -> Response:
    """The object's bytes, or the range that the call asks for."""
    path, size = cloud.objects.path(found["bucket"], found["name"], found["generation"]), int(found["size"])
    headers = {
        "X-Goog-Generation": found["generation"],
        "X-Goog-Metageneration": found["metageneration"],
        "X-Goog-Hash": f"crc32c={found['crc32c']},md5={found['md5Hash']}",
        "X-Goog-Storage-Class": found["storageClass"],
        "X-Goog-Stored-Content-Length": found["size"],
        "X-Goog-Stored-Content-Encoding": found.get("contentEncoding", "identity"),
        "ETag": f'"{found["etag"]}"',
        "Last-Modified": _http_date(found["updated"]),
        "Accept-Ranges": "bytes",
    }
    first, last, status = 0, size - 1, 200
    if match := re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", call.headers.get("range", "")):
        if match[1]:
            first, last = int(match[1]), min(int(match[2] or last), last)
        elif match[2]:
            first = max(0, size - int(match[2]))
        if first >= size or first > last:
            return Response(b"", 416, {"Content-Range": f"bytes */{size}"})
        status = 206
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    length = last - first + 1
    body: bytes | AsyncIterator[bytes] = b"".join(blocks(path, first, last)) if length <= BLOCK * 8 else _stream(path, first, last)
    headers["Content-Length"] = str(length)
    return Response(body, status, headers, found.get("contentType", "application/octet-stream"))


async def _stream(path: Path, first: int, last: int) -> AsyncIterator[bytes]:
    for block in blocks(path, first, last):
        yield block


def _http_date(stamp: str) -> str:
    from datetime import datetime
    from email.utils import format_datetime

    return format_datetime(datetime.fromisoformat(stamp), usegmt=True)
