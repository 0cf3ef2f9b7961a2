"""What has been acknowledged is there: over restarts and kills, with the digests and under the preconditions that were asked for."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from emulator import dispatch
from emulator.engines.objects import Objects
from emulator.store import Store

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

Json = dict[str, Any]

HOST = "storage.googleapis.com"
KILLS = 6


def send(local: Local, http: str, path: str, content: bytes = b"", **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of the answer to a request with content that is no JSON; `_` in a header's name stands for a dash."""
    path, _, query = path.partition("?")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = local.run(dispatch.answer(dispatch.Request(http, HOST, path, query, named, content), local.cloud))
    assert isinstance(answer.body, bytes)
    return answer.status, answer.body, answer.headers


def begin(local: Local, name: str, query: str = "", **fields: Any) -> str:
    """Path of a new session."""
    path = f"/upload/storage/v1/b/{local.bucket}/o?uploadType=resumable&name={name}{query}"
    status, _, headers = send(local, "POST", path, json.dumps(fields).encode(), content_type="application/json")
    assert status == 200
    return headers["Location"].removeprefix(f"https://{HOST}")


def read(local: Local, name: str) -> bytes:
    content: bytes = local.cloud.objects.read(local.bucket, name)
    return content


def md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def test_a_session_goes_on_after_a_restart_and_remembers_that_it_was_finished(local: Local) -> None:
    session = begin(local, "resumed", metadata={"x": "1"})
    assert send(local, "PUT", session, b"01234", content_range="bytes 0-4/10")[0] == 308
    local.restart()
    status, _, headers = send(local, "PUT", session, content_range="bytes */10")
    assert (status, headers["Range"]) == (308, "bytes=0-4")
    assert send(local, "PUT", session, b"56789", content_range="bytes 5-9/10")[0] == 200
    local.restart()
    status, answer, _ = send(local, "PUT", session, content_range="bytes */10")
    assert (status, json.loads(answer)["metadata"]) == (200, {"x": "1"})
    assert read(local, "resumed") == b"0123456789"


def test_what_a_kill_cut_off_in_the_middle_of_a_part_is_reported_as_it_is(local: Local) -> None:
    session = begin(local, "torn")
    assert send(local, "PUT", session, b"01234", content_range="bytes 0-4/10")[0] == 308
    # As a kill leaves it: of the second part, two bytes have been written and none acknowledged.
    file = local.cloud.objects.folder / ".incoming" / session.rpartition("upload_id=")[2]
    with file.open("ab") as torn:
        torn.write(b"56")
    local.restart()
    assert send(local, "PUT", session, content_range="bytes */10")[2]["Range"] == "bytes=0-6"
    # The client may also begin where it was acknowledged.
    assert send(local, "PUT", session, b"56789", content_range="bytes 5-9/10")[0] == 200
    assert read(local, "torn") == b"0123456789"


def test_bytes_that_were_acknowledged_are_never_taken_back(local: Local) -> None:
    session = begin(local, "overlap")
    assert send(local, "PUT", session, b"01234567", content_range="bytes 0-7/10")[0] == 308
    assert send(local, "PUT", session, b"012", content_range="bytes 0-2/10")[2]["Range"] == "bytes=0-7"
    assert send(local, "PUT", session, b"456789", content_range="bytes 4-9/10")[0] == 200
    assert read(local, "overlap") == b"0123456789"


def test_a_part_that_is_not_what_it_says_is_refused_and_the_session_stays(local: Local) -> None:
    session = begin(local, "short")
    assert send(local, "PUT", session, b"0123", content_range="bytes 0-4/5")[0] == 400
    assert send(local, "PUT", session, b"01234", content_range="bytes 0-4/5")[0] == 200


def test_preconditions_hold_when_the_last_byte_arrives(local: Local) -> None:
    session = begin(local, "guarded", "&ifGenerationMatch=0")
    local.cloud.objects.put(local.bucket, "guarded", b"somebody was faster")
    assert send(local, "PUT", session, b"x", content_range="bytes 0-0/1")[0] == 412
    assert read(local, "guarded") == b"somebody was faster"
    assert send(local, "PUT", session, content_range="bytes */1")[0] == 404


@pytest.mark.parametrize("digest", ["md5", "crc32c", "content-md5"])
def test_content_that_is_not_what_its_header_says_makes_no_object(local: Local, digest: str) -> None:
    name = f"of-{digest}"
    wrong = {"x_goog_hash": f"{digest}={md5(b'other')}"} if digest != "content-md5" else {"content_md5": md5(b"other")}
    media, xml = f"/upload/storage/v1/b/{local.bucket}/o?uploadType=media&name={name}", f"/{local.bucket}/{name}"
    assert send(local, "POST", media, b"content", **wrong)[0] == 400
    assert send(local, "PUT", xml, b"content", **wrong)[0] == 400
    assert send(local, "PUT", begin(local, name), b"content", content_range="bytes 0-6/7", **wrong)[0] == 400
    assert local.cloud.objects.get(local.bucket, name) is None
    assert send(local, "PUT", xml, b"content", x_goog_hash=f"md5={md5(b'content')}")[0] == 200


def test_headers_of_the_xml_api_become_metadata_and_come_back(local: Local) -> None:
    headers = {"cache_control": "no-store", "x_goog_meta_task": "vision", "content_type": "text/plain", "x_goog_storage_class": "NEARLINE"}
    assert send(local, "PUT", f"/{local.bucket}/described", b"x", **headers)[0] == 200
    status, body, found = send(local, "HEAD", f"/{local.bucket}/described")
    assert (status, body, found["Content-Length"]) == (200, b"", "1")
    assert (found["Cache-Control"], found["X-Goog-Meta-task"], found["X-Goog-Storage-Class"]) == ("no-store", "vision", "NEARLINE")
    assert send(local, "PUT", f"/{local.bucket}/described", b"y", x_goog_if_generation_match="0")[0] == 412
    assert send(local, "DELETE", f"/{local.bucket}/described")[0] == 204
    assert send(local, "GET", f"/{local.bucket}/described")[0] == 404


def test_parts_that_arrive_side_by_side_become_one_object_also_after_a_restart(local: Local) -> None:
    path = f"/{local.bucket}/{quote('whole/ü')}"
    _, answer, _ = send(local, "POST", f"{path}?uploads", content_type="text/x", x_goog_meta_a="1")
    upload = answer.partition(b"<UploadId>")[2].partition(b"<")[0].decode()
    tags = {number: send(local, "PUT", f"{path}?partNumber={number}&uploadId={upload}", b"%d" % number)[2]["ETag"] for number in (3, 1, 2)}
    assert send(local, "PUT", f"{path}?partNumber=2&uploadId={upload}", b"two", content_md5=md5(b"2"))[0] == 400
    tags[2] = send(local, "PUT", f"{path}?partNumber=2&uploadId={upload}", b"two")[2]["ETag"]
    local.restart()

    def listed(*numbers: int) -> bytes:
        inner = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{tags[number]}</ETag></Part>" for number in numbers)
        return f"<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>".encode()

    tags[4] = tags[1]
    for wrong in (listed(2, 1), listed(1, 4), listed(), b"nonsense"):
        assert send(local, "POST", f"{path}?uploadId={upload}", wrong)[0] == 400
    assert send(local, "POST", f"{path}?uploadId={upload}", listed(1, 2, 3))[0] == 200
    made = local.cloud.objects.get(local.bucket, "whole/ü")
    assert made is not None
    assert (read(local, "whole/ü"), made["contentType"], made["metadata"]) == (b"1two3", "text/x", {"a": "1"})
    assert "md5Hash" not in made
    assert send(local, "POST", f"{path}?uploadId={upload}", listed(1))[0] == 404


def test_a_rewrite_goes_on_where_its_token_says_also_after_a_restart(local: Local) -> None:
    content = random.Random(5).randbytes((5 << 20) // 2)
    local.cloud.objects.put(local.bucket, "source", content, {"metadata": {"a": "1"}})
    path = f"/storage/v1/b/{local.bucket}/o/source/rewriteTo/b/{local.bucket}/o/target?maxBytesRewrittenPerCall={1 << 20}"
    _, first = local.call("POST", path, host=HOST)
    assert (first["done"], first["totalBytesRewritten"], first["objectSize"]) == (False, str(1 << 20), str(len(content)))
    local.restart()
    token = f"&rewriteToken={first['rewriteToken']}"
    other = path.replace("/o/target", "/o/other")
    assert local.call("POST", other + token, host=HOST)[0] == 400
    assert local.call("POST", path + token, host=HOST)[1]["totalBytesRewritten"] == str(2 << 20)
    assert local.cloud.objects.get(local.bucket, "target") is None
    _, last = local.call("POST", path + token, host=HOST)
    assert (last["done"], last["resource"]["metadata"]) == (True, {"a": "1"})
    assert read(local, "target") == content
    assert local.call("POST", path + token, host=HOST)[0] == 400


def test_sources_of_a_composition_are_held_to_their_generations(local: Local) -> None:
    generation = local.cloud.objects.put(local.bucket, "one", b"1")["generation"]
    path = f"/storage/v1/b/{local.bucket}/o/joined/compose"
    body: Json = {"sourceObjects": [{"name": "one", "objectPreconditions": {"ifGenerationMatch": "1"}}]}
    assert local.call("POST", path, body, host=HOST)[0] == 412
    body = {"sourceObjects": [{"name": "one", "generation": generation}, {"name": "one"}], "destination": {"contentType": "text/x"}}
    _, made = local.call("POST", path, body, host=HOST)
    assert (made["componentCount"], made["contentType"], made["size"]) == (2, "text/x", "2")
    assert "md5Hash" not in made


def test_a_reader_that_knows_the_generation_is_told_that_nothing_changed(local: Local) -> None:
    generation = local.cloud.objects.put(local.bucket, "known", b"1")["generation"]
    path = f"/storage/v1/b/{local.bucket}/o/known"
    assert local.call("GET", f"{path}?ifGenerationNotMatch={generation}", host=HOST)[0] == 304
    assert local.call("GET", f"{path}?ifGenerationNotMatch=1", host=HOST)[0] == 200
    assert local.call("DELETE", f"{path}?ifGenerationNotMatch={generation}", host=HOST)[0] == 412


WRITER = """
import sys
from pathlib import Path
from emulator.engines.objects import Objects
from emulator.store import Store

state = Path(sys.argv[1])
objects = Objects(state / "objects", Store(state / "state.db"))
for number in range(int(sys.argv[2]), 10**9):
    name = f"folder/{number % 7}"
    objects.put("bucket", name, b"%d" % number * 50, {"contentType": "text/x", "metadata": {"number": str(number)}})
    if number % 5 == 0:
        objects.delete("bucket", name)
    print(number, flush=True)
"""


def test_a_kill_at_any_moment_leaves_every_acknowledged_object_with_its_metadata(tmp_path: Path) -> None:
    lot = random.Random(11)
    (tmp_path / "objects").mkdir()
    with closing(Store(tmp_path / "state.db")) as store:
        versioned = {"name": "bucket", "versioning": {"enabled": True}}
        store.of("storage").put("b/bucket", "Bucket", versioned)
    number = 1
    for _ in range(KILLS):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as writer:
            assert writer.stdout is not None
            for _ in range(lot.randrange(20, 120)):
                number = int(writer.stdout.readline())
            os.kill(writer.pid, signal.SIGKILL)
            number = max([number, *(int(line) for line in writer.stdout if line.endswith("\n"))])
        with closing(Store(tmp_path / "state.db")) as store:
            objects = Objects(tmp_path / "objects", store)
            for name in (f"folder/{part}" for part in range(7)):
                held(objects, name, number)
            assert not store.of("storage-journal").items()
            assert len({(one["name"], one["generation"]) for one in objects.older.list("bucket", "")}) == len(
                objects.older.list("bucket", "")
            )
        number += 1


def held(objects: Objects, name: str, last: int) -> None:
    """The object is as the last acknowledged write left it, or as the one after that, which was under way, did."""
    own = [number for number in range(last + 2) if number % 7 == int(name[-1]) and number]
    found, expected = objects.get("bucket", name), own[-1] if own else 0
    if found is None:
        assert any(number % 5 == 0 for number in own[-2:]) or len(own) < 2, (name, last)
        return
    number = int(found["metadata"]["number"])
    assert number in own[-2:], (name, last, number, expected)
    assert objects.read("bucket", name) == b"%d" % number * 50
    assert found["md5Hash"] == md5(b"%d" % number * 50)
    assert found["contentType"] == "text/x"
