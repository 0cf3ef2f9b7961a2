"""Set-up does each thing once, refuses other platforms, and says what it needs."""

import json
import platform
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from playbook import ROOT
from playbook.setup import doctor, machine, packages, steps


def counted(path: Path, calls: list[str]) -> steps.Step:
    return steps.Step("example", (path,), lambda: "", path, lambda: "an example", lambda: calls.append("done"))


def test_a_step_is_done_once_and_again_when_its_input_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "STAMPS", tmp_path / "stamps")
    calls: list[str] = []
    lock = tmp_path / "requirements.lock"
    lock.write_text("a==1")
    steps.set_up([counted(lock, calls)])
    steps.set_up([counted(lock, calls)])
    assert len(calls) == 1
    lock.write_text("a==2")
    steps.set_up([counted(lock, calls)])
    assert len(calls) == 2


def test_a_step_that_failed_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "STAMPS", tmp_path / "stamps")

    def fail() -> None:
        raise packages.SetupError("no registry")

    step = steps.Step("example", (), lambda: "", tmp_path, lambda: "an example", fail)
    with pytest.raises(packages.SetupError):
        steps.set_up([step])
    assert not step.done


def test_a_step_whose_result_was_removed_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "STAMPS", tmp_path / "stamps")
    result = tmp_path / "result"
    step = steps.Step("example", (), lambda: "", result, lambda: "an example", result.mkdir)
    steps.set_up([step])
    assert step.done
    result.rmdir()
    assert not step.done


@pytest.mark.parametrize(("system", "processor"), [("Darwin", "arm64"), ("Linux", "aarch64"), ("Windows", "AMD64")])
def test_another_platform_is_refused_before_anything_is_done(monkeypatch: pytest.MonkeyPatch, system: str, processor: str) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: processor)
    calls: list[str] = []
    with pytest.raises(machine.PlatformError, match="Linux x86-64"):
        steps.set_up([counted(Path(__file__), calls)])
    with pytest.raises(machine.PlatformError, match="WSL2"):
        doctor.report()
    assert not calls


def test_a_machine_without_node_and_terraform_takes_the_packaged_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [path.name for path in packages.locks()] == ["requirements.lock", "requirements-node.lock", "requirements-terraform.lock"]
    assert "BUSL-1.1" in steps.uses()


def test_a_node_without_npm_does_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("node", "npm"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho 'v22.1.0'\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "requirements-node.lock" not in {path.name for path in packages.locks()}
    (tmp_path / "npm").unlink()
    assert "requirements-node.lock" in {path.name for path in packages.locks()}


def test_the_javascript_lock_pins_by_hash_and_names_no_registry() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    installed = {name: package for name, package in lock.items() if name.startswith("node_modules/") and not package.get("link")}
    assert installed
    assert all("integrity" in package and "resolved" not in package for package in installed.values())


def test_an_older_tool_does_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "terraform"
    old.write_text("#!/bin/sh\necho 'Terraform v1.8.5'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.terraform() is None
    old.write_text("#!/bin/sh\necho 'Terraform v1.9.0'\n")
    assert machine.terraform() == machine.Tool("terraform", str(old), (1, 9, 0))


def test_every_lock_file_pins_by_hash_and_names_no_registry() -> None:
    locks = [*ROOT.glob("requirements*.lock"), *(ROOT / "cloudbuild").glob("requirements*.lock")]
    assert len(locks) == 9
    for lock in locks:
        text = lock.read_text(encoding="utf-8")
        pinned = re.findall(r"^\S+==\S+.*(?:\n .*)*", text, re.MULTILINE)
        assert pinned
        assert all("--hash=sha256:" in package for package in pinned), lock
        assert "://" not in text, lock


def test_make_alone_lists_every_verb() -> None:
    command = ["make", "--no-print-directory"]  # the tests may run below another make, which would say where it is
    listed = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout.splitlines()[1:]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    verbs = next(line for line in makefile.splitlines() if line.startswith(".PHONY: help")).split()[1:]
    assert sorted(line.split()[0] for line in listed) == sorted(verbs)
    assert all(len(line.split()) > 2 for line in listed)


def test_make_writes_bytecode_and_forgets_a_terraform_configuration_that_does_not_exist(tmp_path: Path) -> None:
    shown = subprocess.run(
        ["make", "-s", "-f", str(ROOT / "Makefile"), "-f", "-", "shown"],
        input="shown:\n\t@env\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "TF_CLI_CONFIG_FILE": str(tmp_path / "none")},
    ).stdout
    assert "PYTHONDONTWRITEBYTECODE" not in shown
    assert "TF_CLI_CONFIG_FILE" not in shown


def test_a_provider_that_could_not_be_had_is_tried_again_the_next_day_and_never_again_once_it_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(steps, "STATE", tmp_path)
    monkeypatch.setattr(steps, "STAMPS", tmp_path / "stamps")
    monkeypatch.setattr(steps, "date", Day)
    [providers] = [step for step in steps.steps() if step.name == "providers"]
    Day.value = "2026-01-01"
    providers.stamp()
    assert providers.done
    Day.value = "2026-01-02"
    assert not providers.done
    (tmp_path / "providers").mkdir()
    (tmp_path / "providers" / "terraform-provider-google_v6").touch()
    providers.stamp()
    Day.value = "2026-01-03"
    assert providers.done


class Day:
    value = ""

    @classmethod
    def today(cls) -> str:
        return cls.value


def test_an_error_of_terraform_is_told_in_one_line_without_colours() -> None:
    said = "\x1b[31m╷\x1b[0m\n\x1b[31m│\x1b[0m \x1b[1mError: \x1b[0mno such\n\x1b[31m│\x1b[0m host\n╵\n"
    assert steps.one_line(said) == "Error: no such host"


def test_doctor_says_what_installs_packages_and_what_its_absence_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "tool", lambda name, at_least: None)
    monkeypatch.setattr(doctor, "STATE", Path("/nowhere"))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(packages, "offers", lambda module: False)
    monkeypatch.setattr(packages, "registry", lambda program: "no route to host")
    found = {finding.what: finding for finding in doctor._installers(needed=True)}
    assert {what: finding.state for what, finding in found.items()} == {
        "uv": "missing",
        "pip, venv": "there",
        "apt-get": "missing",
        "registry": "missing",
    }
    assert all(finding.costs and finding.mend for finding in found.values() if finding.state == "missing")
    assert found["uv"].stops
    assert not any(finding.stops for finding in doctor._installers(needed=False))


def test_a_registry_that_does_not_answer_is_found_out_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    began = time.monotonic()
    assert packages.registry(None)
    assert time.monotonic() - began < packages.ASK_SECONDS + 10
