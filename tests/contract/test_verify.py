"""`make verify`: what it writes down is what happened, it takes away what it made, and without a login it makes nothing."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from environments import schemas
from environments.clients import Clients
from infra.price.book import Book, book
from infra.terraform.rest import Google
from tests.conftest import PROJECT, ROOT
from tests.contract import verify
from tests.contract.clients.served import method
from tests.contract.evidence import leftovers
from tests.contract.evidence.__main__ import FOLDER, MODELS
from tests.contract.evidence.recorder import Recorder
from tests.contract.evidence.report import Evidence, write

STARTED = datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.UTC)
VERIFY = [sys.executable, "-m", "tests.contract.verify", "--env", "local", "--yes"]


def evidence(**fields: Any) -> Evidence:
    given: dict[str, Any] = {
        "address": "local", "environment": "local", "project": PROJECT, "region": "europe-west4", "commit": "a" * 40, "dirty": False,
        "started": STARTED, "seconds": 1.0, "complete": True, "python": "3.11", "packages": {}, "calls": [],
    }  # fmt: skip
    return Evidence(**{**given, **fields})


def call(outcome: str, message: str = "", api: str = "storage.objects.get") -> dict[str, Any]:
    return {"method": api, "test": "t", "outcome": outcome, "seconds": 0.1, "message": message}


@pytest.mark.usefixtures("google_cloud")
def test_the_local_google_cloud_is_verified_and_called_by_its_name(tmp_path: Path) -> None:
    command = [*VERIFY, "--to", str(tmp_path), "--select", "delimiter"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = tmp_path.iterdir()
    found = Evidence.model_validate_json(path.read_text())
    assert (found.address, found.complete, found.leftovers) == ("local", False, [])
    assert found.verified == {"storage.objects.list"}
    assert "costs nothing" in done.stdout
    names = Clients.of("local").names
    assert list(leftovers.found(names, Google(), lambda run: leftovers.over(run, found.started.timestamp() + 10**6))) == []


@pytest.mark.usefixtures("google_cloud")
def test_what_an_earlier_run_left_behind_is_swept_and_what_a_present_one_needs_is_not() -> None:
    from google.cloud import bigquery, pubsub_v1, storage

    now = STARTED.timestamp()
    old, young = leftovers.name(now - 7 * 3600), leftovers.name(now - 3600)
    for run in (old, young):
        bucket = storage.Client().create_bucket(f"{PROJECT}-{run}", location="europe-west4")
        bucket.versioning_enabled = True
        bucket.patch()
        for content in ("one", "two"):
            bucket.blob("a/b").upload_from_string(content)
        bigquery.Client().create_dataset(f"{run.replace('-', '_')}_bq")
        pubsub_v1.PublisherClient().create_topic(name=f"projects/{PROJECT}/topics/{run}-t")
    names, google = Clients.of("local").names, Google()
    assert leftovers.delete(names, google, lambda run: leftovers.over(run, now)) == []
    left = [one.name for one in leftovers.found(names, google, lambda run: True)]
    assert len(left) == 3
    assert all(young in name.replace("_", "-") for name in left)
    assert leftovers.delete(names, google, lambda run: run == young) == []
    assert list(leftovers.found(names, google, lambda run: True)) == []


def test_without_a_login_nothing_is_made_and_the_mend_is_said(tmp_path: Path) -> None:
    hidden = ("GOOGLE_APPLICATION_CREDENTIALS", "HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"HOME": str(tmp_path), "NO_GCE_CHECK": "true", "CLOUDSDK_CONFIG": str(tmp_path)}
    command = [*VERIFY, "--to", str(tmp_path / "evidence")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, (tmp_path / "evidence").exists()) == (2, "", False)
    assert "gcloud auth application-default login" in done.stderr
    assert "Nothing was made" in done.stderr
    assert "Traceback" not in done.stderr


def test_each_call_is_noted_with_how_its_test_ended(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        """
import pytest
@pytest.fixture
def broken(): raise OSError("no disk")
@pytest.mark.calls("a.one", "a.two")
def test_passes(): pass
@pytest.mark.calls("a.two")
def test_fails(): assert 1 == 2, "is not so"
@pytest.mark.calls("a.three")
def test_is_left_out(): pytest.skip("no key")
@pytest.mark.calls("a.four")
def test_has_no_disk(broken): pass
"""
    )
    recorder = Recorder()
    pytest.main([str(tmp_path), "-q", "-c", os.devnull, "--rootdir", str(tmp_path), "-p", "no:cacheprovider"], plugins=[recorder])
    ends = [(one.method, one.outcome, one.message.splitlines()[:1]) for one in recorder.calls]
    assert ends == [
        ("a.one", "passed", []),
        ("a.two", "passed", []),
        ("a.two", "failed", ["AssertionError: is not so"]),
        ("a.three", "skipped", ["Skipped: no key"]),
        ("a.four", "failed", ["OSError: no disk"]),
    ]
    assert evidence(calls=recorder.calls).verified == {"a.one"}


@pytest.mark.parametrize(
    "fields",
    [
        {"address": "elsewhere"},
        {"commit": "main"},
        {"started": datetime.datetime(2026, 11, 28)},
        {"calls": [call("failed")]},
        {"calls": [call("passed", api="not a method")]},
        {"unknown": 1},
    ],
)
def test_evidence_that_says_too_little_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        evidence(**fields)


def test_a_second_run_of_a_day_is_written_beside_the_first(tmp_path: Path) -> None:
    paths = [write(evidence(seconds=float(number)), tmp_path) for number in range(3)]
    assert [path.name for path in paths] == ["2026-11-28.json", "2026-11-28-2.json", "2026-11-28-3.json"]
    assert [Evidence.model_validate_json(path.read_text()).seconds for path in paths] == [0.0, 1.0, 2.0]


def test_every_file_of_evidence_fits_its_schema_which_is_not_stale() -> None:
    assert schemas.stale(FOLDER, MODELS) == [], "run make schemas"
    for path in verify.FOLDER.glob("*.json"):
        Evidence.model_validate_json(path.read_text(encoding="utf-8"))


def test_the_price_counts_what_is_paid_by_the_hour_and_needs_every_price() -> None:
    prices = book()
    [deployed, jobs, optimized, bigtable] = [usd for _, usd in verify.costs("europe-west4", prices)]
    assert deployed == pytest.approx(1.5 * (2 * 0.0348 + 7.5 * 0.00466) * 1.15)
    assert jobs == pytest.approx((4 * 0.0348 + 15 * 0.00466) * 1.15)
    assert (optimized, bigtable) == pytest.approx((0.60, 0.94))
    without = Book.model_construct(
        prices=[one for one in prices.prices if one.sku != "n1-gib-hour"], assumptions=prices.assumptions, free=prices.free
    )
    with pytest.raises(verify.VerifyError, match="n1-gib-hour"):
        verify.costs("europe-west4", without)


@pytest.mark.parametrize(
    ("http", "address", "logged", "expected"),
    [
        (
            "POST",
            "pubsub.googleapis.com/v1/projects/p/topics/t:publish",
            "pubsub.projects.topics.publish",
            "pubsub.projects.topics.publish",
        ),
        ("POST", "storage.googleapis.com/resumable/upload/storage/v1/b/b/o", "storage.upload", "storage.objects.insert"),
        ("GET", "storage.googleapis.com/bucket/a/b", "storage.read", "storage.objects.get"),
        ("GET", "storage.googleapis.com/storage/v1/b/b", "storage.buckets.get", "storage.buckets.get"),
        ("POST", "1.r-2.prediction.vertexai.goog/v1/e:rawPredict", "1.dedicated", "aiplatform.projects.locations.endpoints.rawPredict"),
        ("POST", "generativelanguage.googleapis.com/v1beta/models/m:countTokens", "g.gemini_api", "generativelanguage.models.countTokens"),
    ],
)
def test_a_line_of_the_log_tells_its_method(http: str, address: str, logged: str, expected: str) -> None:
    assert method(json.dumps({"http": http, "address": address, "method": logged})) == expected
