"""An environment whose file changes is changed in place; what Google cannot change is replaced, and then nothing is left to do."""

from pathlib import Path
from typing import Any

import pytest

from environments import Environment, load, organisation
from infra.terraform import apply, bootstrap, destroy, plan
from infra.terraform.together import Result
from tests.conftest import running_emulator

STACKS = ["serving", "monitoring", "delivery"]


def changed(environment: Environment, section: str, **values: Any) -> Environment:
    return environment.model_copy(update={section: getattr(environment, section).model_copy(update=values)})


def edited(name: str) -> Environment:
    """The environment after somebody has edited every section of these stacks."""
    environment = changed(load(name), "serving", max_replicas=2)
    environment = changed(environment, "web", domain="other.example.com")
    schedule = environment.monitoring.schedule
    assert schedule is not None
    environment = changed(environment, "monitoring", latency_ms=700.0, schedule=schedule.model_copy(update={"cron": "0 6 * * *"}))
    return changed(environment, "delivery", branch="release", approval=True, retention_days=2)


def done(results: list[Result]) -> list[Result]:
    assert [result.error for result in results if result.error] == []
    return results


@pytest.mark.long
def test_what_can_be_changed_in_place_is_and_a_certificate_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_emulator(tmp_path / "google-cloud") as described:
        for variable, value in described["environment"].items():
            monkeypatch.setenv(variable, value)
        folder = tmp_path / "terraform"
        bootstrap("local")
        made = done(apply("local", ["foundation", "network", "data", *STACKS], folder))
        before = {result.stack: result.counts.added + result.counts.adopted for result in made}
        labels = {**organisation().labels, "reviewed": "yes"}
        monkeypatch.setattr("infra.app.load_all", lambda: [edited("local")])
        monkeypatch.setattr("infra.app.organisation", lambda: organisation().model_copy(update={"labels": labels}))
        said: list[str] = []
        done(plan("local", STACKS, folder, said.append))
        assert [line.split()[1].partition(".")[0] for line in said if "REPLACED" in line] == ["google_compute_managed_ssl_certificate"]
        after = {result.stack: result.counts for result in done(apply("local", STACKS, folder))}
        assert sum(counts.changed for counts in after.values()) >= 25
        assert all(result.counts.nothing for result in done(plan("local", STACKS, folder)))
        gone = {result.stack: result.counts.destroyed for result in done(destroy("local", STACKS, folder))}
        assert gone == {stack: before[stack] for stack in gone}
