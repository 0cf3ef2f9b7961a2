"""The cdktf command line from npm, as its users know it, with our wrapper as its Terraform."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from environments.clients import Clients
from infra import app
from infra.terraform import bootstrap, providers, wrapped
from infra.terraform.providers import Source
from infra.terraform.rest import Google, Refused
from playbook import ROOT, address
from tests.conftest import running_emulator

CLI = shutil.which("cdktf") or shutil.which("cdktf", path=str(ROOT / "node_modules" / ".bin"))
NETWORKS = "https://compute.googleapis.com/compute/v1"


def test_a_command_is_led_to_our_terraform_and_reports_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TERRAFORM_BINARY_NAME", raising=False)
    monkeypatch.delenv("CHECKPOINT_DISABLE", raising=False)
    variables = address.full({})
    assert variables["CHECKPOINT_DISABLE"] == "1"
    assert os.access(variables["TERRAFORM_BINARY_NAME"], os.X_OK)
    monkeypatch.setenv("TERRAFORM_BINARY_NAME", "tofu")
    assert address.full({})["TERRAFORM_BINARY_NAME"] == "tofu", "who names another one gets it"


def test_the_wrapper_locks_what_the_mirror_holds_and_asks_no_registry(tmp_path: Path) -> None:
    package = tmp_path / "mirror" / providers.REGISTRIES[0] / providers.PROVIDER / providers.VERSION / "linux_amd64"
    package.mkdir(parents=True)
    (package / f"terraform-provider-google_v{providers.VERSION}_x5").write_text("a provider")
    (tmp_path / "terraformrc").write_text(f'provider_installation {{ filesystem_mirror {{ path = "{tmp_path}/mirror" }} }}')
    required = {"google": {"source": providers.PROVIDER, "version": providers.VERSION}}
    (tmp_path / "cdk.tf.json").write_text(json.dumps({"terraform": {"required_providers": required}}))

    def locked(**variables: str) -> str:
        command = [str(address.WRAPPER), "providers", "lock", "-platform=linux_amd64"]
        unreachable = {**os.environ, "HTTPS_PROXY": "http://127.0.0.1:9", "HOME": str(tmp_path), **variables}
        done = subprocess.run(command, cwd=tmp_path, env=unreachable, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    lock = tmp_path / ".terraform.lock.hcl"
    if providers.installed({"TF_CLI_CONFIG_FILE": "none"}, tmp_path) is None:
        assert "nothing to lock" in locked(TF_CLI_CONFIG_FILE="none")
        assert not lock.exists()
    assert "nothing to lock" not in locked(TF_CLI_CONFIG_FILE=str(tmp_path / "terraformrc"))
    assert f'version     = "{providers.VERSION}"' in lock.read_text()
    assert "h1:" in lock.read_text()


def test_a_protected_environment_is_not_changed_by_a_plan_that_nobody_reviewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(providers, "installed", lambda *_: Source("google provider", {}))
    configuration = {"terraform": {"backend": {"gcs": {"prefix": "prod-network"}}}}
    (tmp_path / "cdk.tf.json").write_text(json.dumps(configuration))
    monkeypatch.chdir(tmp_path)
    assert wrapped.main(["apply", "-auto-approve", "plan"]) == 1
    said = capsys.readouterr().err
    assert "prod is protected" in said
    assert "make diff ENV=prod" in said


def test_the_stacks_are_written_where_the_command_line_expects_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDKTF_OUTDIR", str(tmp_path / "out"))
    assert app.main(["--env", "local"]) == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (tmp_path / "out" / manifest["stacks"]["local-network"]["synthesizedStackPath"]).exists()


def test_the_declared_app_is_this_one() -> None:
    assert json.loads((ROOT / "cdktf.json").read_text())["app"] == "python -m infra.app"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A local Google Cloud of its own; the process environment in which `playbook run` reaches it."""
    with running_emulator(tmp_path / "google-cloud") as described, pytest.MonkeyPatch.context() as patch:
        for variable, value in described["environment"].items():
            patch.setenv(variable, value)
        bootstrap("local")
        yield address.full({"GOOGLE_CLOUD_PROJECT": Clients.of("local").names.project})


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    CLI is None, reason="the cdktf CLI is not on this machine, so nobody has tried it: npm install --global cdktf-cli@0.21.0"
)
def test_the_command_line_from_npm_synthesises_diffs_deploys_and_destroys(cloud: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "cdktf.out"

    def cdktf(verb: str, *arguments: str) -> str:
        assert CLI is not None
        command = [CLI, verb, *arguments, "--output", str(out)]
        done = subprocess.run(command, cwd=ROOT, env=cloud, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout + done.stderr

    def network() -> dict[str, Any] | None:
        names = Clients.of("local").names
        try:
            return Google().call("GET", f"{NETWORKS}/projects/{names.project}/global/networks/{names.network}")
        except Refused as error:
            if error.status != 404:
                raise
            return None

    cdktf("synth")
    assert (out / "stacks" / "local-network" / "cdk.tf.json").exists()
    cdktf("deploy", "local-foundation", "local-network", "--auto-approve")
    assert network() is not None
    alone = ("local-network", "--ignore-missing-stack-dependencies")
    assert "No changes" in cdktf("diff", "local-network")
    assert "No changes" in cdktf("deploy", *alone, "--auto-approve")
    cdktf("destroy", *alone, "--auto-approve")
    assert network() is None
