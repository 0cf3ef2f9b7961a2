"""What answers each method is said as it is, and every behaviour has a client."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emulator import coverage
from tests.emulator.conftest import Local

ROOT = Path(__file__).parents[2]


def test_a_method_is_answered_by_what_the_coverage_says(local: Local) -> None:
    rows = {f"{row.api}.{row.method}": row.level for row in coverage.methods({})}
    assert rows["aiplatform.projects.locations.endpoints.deployModel"] == coverage.BEHAVES
    assert rows["aiplatform.projects.locations.nasJobs.create"] == coverage.REFUSED
    assert rows["aiplatform.projects.locations.specialistPools.create"] == coverage.BY_RULE
    assert rows["aiplatform.projects.locations.endpoints.directPredict"] == coverage.REFUSED
    assert local.call("POST", "specialistPools", {"specialistPool": {"displayName": "experts"}})[0] in (200, 400)
    status, answer = local.call("POST", "nasJobs", {"displayName": "n", "nasJobSpec": {}})
    assert status == 400
    assert "not emulated" in answer["error"]["message"]
    status, answer = local.call("POST", "endpoints/1:directPredict", {})
    assert status == 400
    assert "not emulated" in answer["error"]["message"]


def test_calls_are_recorded_with_who_made_them(local: Local) -> None:
    assert local.call("GET", "endpoints")[0] == 200
    assert local.call("GET", "endpoints/404")[0] == 404
    called = coverage.record({"loop": [local.state]})
    assert called["aiplatform"]["projects.locations.endpoints.list"] == ["loop"]
    assert "projects.locations.endpoints.get" not in called["aiplatform"], "a call that was refused covers nothing"


def test_a_record_of_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["coverage", "--record", f"loop={tmp_path}"])
    before = coverage.CALLED.read_bytes()
    assert coverage.main() == 2
    assert "holds a state.db" in capsys.readouterr().err
    assert coverage.CALLED.read_bytes() == before


def test_evidence_is_what_passed_on_google_cloud_and_nothing_else(tmp_path: Path) -> None:
    def written(name: str, address: str, **outcomes: str) -> None:
        calls = [{"method": f"storage.objects.{verb}", "outcome": outcome} for verb, outcome in outcomes.items()]
        content = {"address": address, "started": f"{name}T10:00:00Z", "calls": calls}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))

    written("2026-11-01", "google", get="passed", list="failed", copy="skipped")
    written("2026-11-02", "local", list="passed", copy="passed")
    verified = coverage.days(tmp_path)
    assert verified == {"storage.objects.get": "2026-11-01"}
    rows = {row.method: row.evidence for row in coverage.methods({"storage": {"objects.list": ["loop"]}}, "storage", verified)}
    assert rows["objects.get"] == "run on Google Cloud, 2026-11-01"
    assert rows["objects.list"] == "accepted by the true provider or client"
    assert rows["objects.copy"] == "valid by the published schema"


def test_every_behaviour_is_called_by_a_client() -> None:
    assert coverage.uncalled(coverage.read()) == []


def test_a_behaviour_that_nobody_calls_is_found() -> None:
    called = coverage.read()
    del called["storage"]["objects.compose"]
    assert "storage.objects.compose" in coverage.uncalled(called)


def test_the_local_google_cloud_stays_below_a_third_of_the_code() -> None:
    rooms = ("bench", "emulator", "environments", "infra", "ml", "pipelines", "playbook", "releases", "serving", "tests")
    sizes = {room: sum(len(path.read_bytes().splitlines()) for path in (ROOT / room).rglob("*.py")) for room in rooms}
    assert all(sizes.values())
    assert sizes["emulator"] / sum(sizes.values()) < 1 / 3, sizes


def test_the_page_of_the_documentation_is_up_to_date() -> None:
    written = (ROOT / "docs" / "emulator-coverage.md").read_text(encoding="utf-8")
    assert written == coverage.page(list(coverage.methods(coverage.read(), verified=coverage.days(coverage.EVIDENCE)))), (
        "python -m emulator.coverage --markdown"
    )
