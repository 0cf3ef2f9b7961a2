import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from environments import load_all
from infra import app
from infra.policies.subject import SynthesisedStack
from infra.stacks import ORDER
from infra.synthesis import node, warm

ROOT = Path(app.__file__).parents[1]


def test_every_environment_has_every_stack_in_order(stacks: dict[str, SynthesisedStack]) -> None:
    assert sorted(stacks) == sorted(f"{environment.name}-{stack}" for environment in load_all() for stack in ORDER)


def test_two_runs_with_different_hash_seeds_write_the_same_bytes(synthesised: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "infra.app", "--env", "local", "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "7"}, check=True, capture_output=True)
    again = sorted(tmp_path.glob("stacks/*/cdk.tf.json"))
    assert len(again) == len(ORDER)
    for path in again:
        assert path.read_bytes() == (synthesised / path.relative_to(tmp_path)).read_bytes()


def test_no_path_of_this_machine_is_written(synthesised: Path) -> None:
    for path in synthesised.rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert str(ROOT) not in text
        assert str(Path.home()) + "/" not in text
        assert "/tmp/" not in text


def test_terraforms_own_files_survive_a_synthesis(tmp_path: Path) -> None:
    lock = tmp_path / "stacks" / "local-serving" / ".terraform.lock.hcl"
    lock.parent.mkdir(parents=True)
    lock.write_text("kept")
    app.synthesise(["local"], tmp_path)
    assert lock.read_text() == "kept"
    assert not list(tmp_path.rglob(".cdk.tf.json.*"))


def test_an_unknown_environment_is_refused_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["--env", "nowhere", "--out", str(tmp_path)]) == 2
    assert "there is no environment 'nowhere'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_state_lies_in_the_environments_bucket_under_the_stack_id(stacks: dict[str, SynthesisedStack]) -> None:
    for id_, stack in stacks.items():
        assert stack.document["terraform"]["backend"]["gcs"] == {"bucket": stack.names.state_bucket, "prefix": id_}


def test_addresses_are_equal_in_every_environment(stacks: dict[str, SynthesisedStack]) -> None:
    staging = {resource.address for resource in stacks["staging-data"].resources}
    assert staging == {resource.address for resource in stacks["prod-data"].resources}


def test_labels_keep_their_dashes(stacks: dict[str, SynthesisedStack]) -> None:
    for stack in stacks.values():
        assert stack.provider["default_labels"] == stack.names.labels


def test_what_is_switched_off_costs_no_api_and_no_identity(stacks: dict[str, SynthesisedStack]) -> None:
    prod = json.dumps(stacks["prod-foundation"].document)
    assert "notebooks.googleapis.com" not in prod
    assert "workbench" not in prod
    assert "notebooks.googleapis.com" in json.dumps(stacks["dev-foundation"].document)


def test_an_endpoint_leaves_its_traffic_to_the_rollout(stacks: dict[str, SynthesisedStack]) -> None:
    endpoints = [r for stack in stacks.values() for r in stack.resources if r.type == "google_vertex_ai_endpoint"]
    assert endpoints
    assert all(endpoint.body["lifecycle"]["ignore_changes"] == ["traffic_split"] for endpoint in endpoints)
    assert not any("traffic_split" in endpoint.body for endpoint in endpoints)


def test_the_environment_of_this_process_is_left_as_it_was() -> None:
    before = dict(os.environ)
    with node.variables():
        assert "lazy-index.cjs" in os.environ["NODE_OPTIONS"]
    assert dict(os.environ) == before


def test_an_old_node_is_refused(tmp_path: Path) -> None:
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v16.20.0\n")
    old.chmod(0o755)
    assert node.major(old) == 16
    with pytest.raises(node.NodeMissing, match="uv sync --group node"):
        node.find({"PATH": str(tmp_path)})


def test_the_lazy_provider_package_still_finds_its_modules() -> None:
    import cdktf_cdktf_provider_google as provider

    assert provider.pubsub_topic.PubsubTopic.__name__ == "PubsubTopic"
    assert not hasattr(provider, "no_such_resource")


@pytest.mark.long
def test_the_first_run_on_a_machine_leaves_an_index_for_the_second(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    command = [sys.executable, "-m", "infra.app", "--env", "local", "--out", str(tmp_path / "out")]
    environ = {**os.environ, "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(cache)}
    first = subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, text=True)
    assert "indexing the provider bindings, once" in first.stderr
    assert list(cache.glob(warm.INDEX.format(framework="cdktf")))
    assert subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, text=True).stderr == ""
