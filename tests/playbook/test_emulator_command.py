"""The local Google Cloud by itself, from the command line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from playbook import ROOT
from playbook.address import running
from tests.conftest import running_emulator

COMMAND = [sys.executable, "-m", "playbook", "emulator"]


def said(*arguments: str) -> tuple[int, str]:
    ended = subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stdout + ended.stderr


def test_it_is_started_found_and_ended(tmp_path: Path) -> None:
    where = ("--state", str(tmp_path))
    assert said("status", *where)[0] == 1
    with subprocess.Popen([*COMMAND, "start", *where], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "is ready" in process.stdout.readline()
        found = running(tmp_path)
        assert found is not None
        assert found["pid"] == process.pid, "it is the started process itself, so that Ctrl-C and a supervisor reach it"
        assert said("status", *where) == (
            0,
            f"The local Google Cloud runs on {tmp_path} (process {process.pid}). Console: {found['console']}\n",
        )
        assert said("stop", *where)[0] == 0
        assert process.wait(30) == 0
    assert running(tmp_path) is None
    assert said("stop", *where)[0] == 0


def test_lifecycle_rules_are_followed_on_demand(tmp_path: Path) -> None:
    code = """
import subprocess, sys
from google.cloud import storage
bucket = storage.Client().bucket("acme-aging")
bucket.add_lifecycle_delete_rule(matches_prefix=["old/"], age=0)
bucket.create(location="europe-west4")
for name in ("old/a", "new/a"):
    bucket.blob(name).upload_from_string(name)
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
while bucket.blob("old/a").exists():
    pass
print([blob.name for blob in bucket.list_blobs()])
"""
    with running_emulator(tmp_path) as described:
        variables = {**os.environ, **described["environment"], "GOOGLE_CLOUD_PROJECT": "acme-test"}
        command = [sys.executable, "-c", code, *COMMAND, "lifecycle", "--state", str(tmp_path)]
        ended = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout == "['new/a']\n", ended.stderr
    assert said("lifecycle", "--state", str(tmp_path))[0] == 1


def test_coverage_lists_what_answers_each_method() -> None:
    code, text = said("coverage", "--api", "storage")
    assert code == 0
    levels = {name: level for level, name in re.findall(r"^(\w[\w ]*?)  +(\S+)", text, re.MULTILINE)}
    assert levels["storage.objects.compose"] == "behaves"
    assert levels["storage.bucketAccessControls.get"] == "by rule"
    assert levels["storage.buckets.relocate"] == "not emulated"


def test_an_api_that_nobody_calls_has_no_coverage() -> None:
    code, text = said("coverage", "--api", "youtube")
    assert code == 2
    assert "leave --api out" in text
