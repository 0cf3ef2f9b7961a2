"""What makes an object of others: compose, copy, rewrite, move, and the restoration of what was deleted."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from emulator.behaviours import BLOCK, Call, Json, Refusal, on
from emulator.behaviours.storage import SMALL_BYTES, UNMET, existing, soft_deleted, writable
from emulator.engines.content import Digests, digested, joined
from emulator.engines.journal import SESSIONS
from emulator.engines.object_resource import copied, missing
from emulator.engines.objects import INCOMING

if TYPE_CHECKING:
    from emulator.cloud import Cloud

REWRITE_UNIT = BLOCK


@on("storage", "objects.compose")
async def compose(call: Call, cloud: Cloud) -> Json:
    """Joins up to 32 objects of a bucket."""
    bucket, name = call.params["destinationBucket"], call.params["destinationObject"]
    wanted = call.body.get("sourceObjects", [])
    if not 1 <= len(wanted) <= 32:
        raise Refusal(400, "INVALID_ARGUMENT", f"The number of source components must be between 1 and 32, not {len(wanted)}.")
    writable(call, cloud, bucket, name)
    sources = [_component(cloud, bucket, one) for one in wanted]
    with ExitStack() as stack:
        files = [stack.enter_context(cloud.objects.open(one)) for one in sources]
        file, (_, crc32c) = await _copied(cloud, files, sum(int(one["size"]) for one in sources))
    try:
        writable(call, cloud, bucket, name)
        components = sum(one.get("componentCount", 1) for one in sources)
        fields = {**call.body.get("destination", {}), "componentCount": components}
        # Of composed objects, Cloud Storage knows no MD5.
        return cloud.objects.put(bucket, name, file, fields, ("", crc32c))
    finally:
        file.unlink(missing_ok=True)


def _component(cloud: Cloud, bucket: str, source: Json) -> Json:
    found = cloud.objects.get(bucket, source.get("name", ""), source.get("generation", ""))
    if found is None:
        raise missing(bucket, source.get("name", ""))
    if source.get("objectPreconditions", {}).get("ifGenerationMatch", found["generation"]) != found["generation"]:
        raise Refusal(412, "", UNMET)
    return found


async def _copied(cloud: Cloud, files: list[BinaryIO], size: int) -> tuple[Path, Digests]:
    """A new file with the content of open ones, and its digests."""
    target = cloud.objects.incoming()
    try:
        return target, joined(files, target) if size <= SMALL_BYTES else await asyncio.to_thread(joined, files, target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


@on("storage", "objects.copy", "objects.rewrite")
async def copy(call: Call, cloud: Cloud) -> Json:
    """Copies an object; a rewrite, in as many calls as its limit asks for."""
    params = call.params
    bucket, name = params["destinationBucket"], params["destinationObject"]
    source = existing(call, cloud, params["sourceBucket"], params["sourceObject"], "ifSource", "sourceGeneration")
    writable(call, cloud, bucket, name)
    size, limit = int(source["size"]), int(call.one("maxBytesRewrittenPerCall") or 0)
    if limit % REWRITE_UNIT or limit < 0:
        raise Refusal(400, "INVALID_ARGUMENT", f"maxBytesRewrittenPerCall is a multiple of {REWRITE_UNIT}, not {limit}.")
    if call.verb == "rewrite" and (call.one("rewriteToken") or 0 < limit < size):
        return await _rewrite_part(call, cloud, source, limit or size)
    copied_object = await _duplicate(call, cloud, source, bucket, name)
    return copied_object if call.verb == "copy" else _rewritten(size, copied_object)


async def _duplicate(call: Call, cloud: Cloud, source: Json, bucket: str, name: str) -> Json:
    with cloud.objects.open(source) as content:
        file, digests = await _copied(cloud, [content], int(source["size"]))
    try:
        writable(call, cloud, bucket, name)
        return cloud.objects.put(bucket, name, file, {**copied(source), **call.body}, digests)
    finally:
        file.unlink(missing_ok=True)


async def _rewrite_part(call: Call, cloud: Cloud, source: Json, limit: int) -> Json:
    """Copies at most `limit` bytes more; the token of the answer says where the next call goes on, also after a restart."""
    sessions, token = cloud.store.of(SESSIONS), call.one("rewriteToken")
    bucket, name = call.params["destinationBucket"], call.params["destinationObject"]
    asked = {"source": source["id"], "bucket": bucket, "name": name, "body": call.body}
    if not token:
        token = cloud.objects.incoming().name
        sessions.put(token, "Rewrite", asked)
    elif sessions.get(token) != asked:
        raise Refusal(
            400, "INVALID_ARGUMENT", "The rewrite token is none of this source and destination, or over a week old. Begin without one."
        )
    file, size = cloud.objects.folder / INCOMING / token, int(source["size"])
    have = file.stat().st_size if file.exists() else 0
    with cloud.objects.open(source) as content:
        await asyncio.to_thread(_extend, file, content, have, min(have + limit, size))
    done = min(have + limit, size)
    if done < size:
        progress = {"kind": "storage#rewriteResponse", "totalBytesRewritten": str(done), "objectSize": str(size)}
        return {**progress, "done": False, "rewriteToken": token}
    digests = await asyncio.to_thread(digested, file)
    writable(call, cloud, bucket, name)
    made = cloud.objects.put(bucket, name, file, {**copied(source), **call.body}, digests)
    sessions.remove(token)
    return _rewritten(size, made)


def _extend(file: Path, content: BinaryIO, first: int, end: int) -> None:
    content.seek(first)
    with file.open("ab") as target:
        target.truncate(first)
        for at in range(first, end, BLOCK):
            target.write(content.read(min(BLOCK, end - at)))


def _rewritten(size: int, made: Json) -> Json:
    return {
        "kind": "storage#rewriteResponse",
        "totalBytesRewritten": str(size),
        "objectSize": str(size),
        "done": True,
        "resource": made,
    }


@on("storage", "objects.move")
async def move(call: Call, cloud: Cloud) -> Json:
    """Renames an object inside its bucket."""
    bucket, name = call.params["bucket"], call.params["destinationObject"]
    source = existing(call, cloud, bucket, call.params["sourceObject"], "ifSource", "sourceGeneration")
    writable(call, cloud, bucket, name)
    cloud.objects.check_deletion(bucket, source["name"])
    moved = await _duplicate(call, cloud, source, bucket, name)
    cloud.objects.delete(bucket, source["name"])
    return moved


@on("storage", "objects.restore")
async def restore(call: Call, cloud: Cloud) -> Json:
    """Makes a soft-deleted generation live again."""
    bucket, name = call.params["bucket"], call.params["object"]
    soft = soft_deleted(call, cloud, bucket, name)
    writable(call, cloud, bucket, name)
    with cloud.objects.older.path(soft).open("rb") as source:
        file, digests = await _copied(cloud, [source], int(soft["size"]))
    try:
        writable(call, cloud, bucket, name)
        return cloud.objects.restore(soft, file, digests)
    finally:
        file.unlink(missing_ok=True)
