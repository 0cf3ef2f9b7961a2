"""Which Terraform and which google provider are found, and what is said when none is."""

import os
import stat
from pathlib import Path

import pytest

from infra.stacks.base import TERRAFORM
from infra.terraform import binary, providers
from infra.terraform.binary import TerraformMissing
from playbook.setup import machine


def fake(folder: Path, version: str) -> Path:
    path = folder / "terraform"
    path.write_text(f'#!/bin/sh\necho \'{{"terraform_version": "{version}"}}\'\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def nothing_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


def test_terraform_on_path_is_used(tmp_path: Path) -> None:
    path = fake(tmp_path, "1.9.2")
    found = binary.find({"PATH": f"{tmp_path}:/bin"})
    assert (found.command, found.version) == ((str(path),), "1.9.2")


def test_an_old_terraform_is_refused_with_what_to_do(tmp_path: Path, nothing_embedded: None) -> None:
    path = fake(tmp_path, "1.8.5")
    with pytest.raises(TerraformMissing, match=rf"{path} is 1\.8\.5.*playbook setup.*Business Source License"):
        binary.find({"PATH": f"{tmp_path}:/bin"})


def test_the_oldest_terraform_that_is_taken_is_the_oldest_that_the_stacks_take() -> None:
    assert f">= {binary.OLDEST[0]}.{binary.OLDEST[1]}, < 2" == TERRAFORM
    assert machine.TERRAFORM == binary.OLDEST


def test_a_machine_without_terraform_is_told_what_to_do(tmp_path: Path, nothing_embedded: None) -> None:
    with pytest.raises(TerraformMissing, match="Install one of them"):
        binary.find({"PATH": str(tmp_path)})


def test_a_configuration_file_that_is_not_there_is_ignored(tmp_path: Path) -> None:
    assert "TF_CLI_CONFIG_FILE" not in binary.environment({"TF_CLI_CONFIG_FILE": str(tmp_path / "none")})
    there = tmp_path / "terraformrc"
    there.touch()
    assert binary.environment({"TF_CLI_CONFIG_FILE": str(there)})["TF_CLI_CONFIG_FILE"] == str(there)


def test_the_users_own_configuration_wins_over_the_mirror_and_the_mirror_over_the_stand_in(tmp_path: Path) -> None:
    home, mirror = tmp_path / "home", tmp_path / "mirror"
    home.mkdir()
    assert providers.installed({}, home, mirror) is None
    (mirror / providers.REGISTRIES[0] / providers.PROVIDER / providers.VERSION).mkdir(parents=True)
    found = providers.installed({}, home, mirror)
    assert found is not None
    assert str(mirror) in Path(found.variables["TF_CLI_CONFIG_FILE"]).read_text()
    configuration = home / ".terraformrc"
    configuration.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n')
    chosen = providers.installed({}, home, tmp_path / "none")
    assert chosen is not None
    assert chosen.variables == {}
    assert str(configuration) in chosen.name


def test_a_configuration_that_leads_to_no_google_provider_does_not_hide_the_stand_in(tmp_path: Path) -> None:
    configuration = tmp_path / "terraformrc"
    configuration.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{tmp_path}"\n  }}\n}}\n')
    (tmp_path / providers.REGISTRIES[0] / providers.PROVIDER / "5.0.0").mkdir(parents=True)
    assert providers.installed({"TF_CLI_CONFIG_FILE": str(configuration)}, tmp_path / "home", tmp_path / "mirror") is None


def test_the_environment_of_this_process_is_left_alone() -> None:
    before = dict(os.environ)
    binary.environment(os.environ)
    assert dict(os.environ) == before
