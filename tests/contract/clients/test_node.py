"""Cloud Storage, by `@google-cloud/storage` in Node."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

SCRIPT = """
import assert from "node:assert/strict";
import { Storage } from "@google-cloud/storage";
const bucket = new Storage().bucket(process.argv[1]);
await bucket.file("node/a.txt").save("hello", { metadata: { metadata: { task: "vision" } } });
const [content] = await bucket.file("node/a.txt").download();
assert.equal(content.toString(), "hello");
const large = Buffer.alloc(600_000, 7);
await bucket.file("node/large.bin").save(large, { resumable: true });
const [part] = await bucket.file("node/large.bin").download({ start: 10, end: 19 });
assert.deepEqual(part, large.subarray(10, 20));
const [files] = await bucket.getFiles({ prefix: "node/" });
assert.deepEqual(files.map((file) => file.name), ["node/a.txt", "node/large.bin"]);
const [metadata] = await bucket.file("node/a.txt").getMetadata();
assert.deepEqual(metadata.metadata, { task: "vision" });
await assert.rejects(bucket.file("node/a.txt").save("again", { preconditionOpts: { ifGenerationMatch: 0 } }), { code: 412 });
await bucket.file("node/a.txt").copy(bucket.file("node/b.txt"));
await bucket.file("node/a.txt").delete();
await assert.rejects(bucket.file("node/a.txt").download(), { code: 404 });
console.log("all done");
"""


@pytest.mark.calls("storage.objects.insert", "storage.objects.get", "storage.objects.list", "storage.objects.delete")
def test_node_uploads_reads_lists_and_deletes(place: Place) -> None:
    """https://cloud.google.com/nodejs/docs/reference/storage/latest"""
    node = shutil.which("node") or ""
    assert node, "make setup installs Node"
    assert (ROOT / "node_modules" / "@google-cloud" / "storage").exists(), "make setup installs Node's packages"
    command = [node, "--input-type=module", "--eval", SCRIPT, place.bucket]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout.strip(), done.returncode) == ("all done", 0), done.stderr[-2000:]
