"""The Terraform runner over the declared stacks, against the local Google Cloud."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from environments import Names, load, organisation
from environments.clients import Clients
from infra.policies import waivers
from infra.terraform import TerraformFailed, apply, bootstrap, destroy, plan, providers, settled, validate, wrapped
from infra.terraform.runner import plan_for_review
from infra.terraform.stack import Events
from infra.terraform.together import Result, as_json
from tests.conftest import running_emulator

ROOT = Path(wrapped.__file__).parents[2]
NAMES = Names(organisation(), load("staging"))


@pytest.fixture(scope="module")
def folder(google_cloud: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Working folders, beside a state bucket per environment that the tests use."""
    for environment in ("local", "dev", "staging"):
        bootstrap(environment)
    return tmp_path_factory.mktemp("terraform")


def total(results: list[Result], what: str) -> int:
    assert [result.error for result in results if result.error] == []
    return sum(getattr(result.counts, what) for result in results)


def test_a_second_bootstrap_changes_nothing(folder: Path) -> None:
    assert bootstrap("local") is False
    bucket = Clients.of("local").storage().get_bucket(Clients.of("local").names.state_bucket)
    assert bucket.versioning_enabled
    assert bucket.iam_configuration.uniform_bucket_level_access_enabled
    assert bucket.iam_configuration.public_access_prevention == "enforced"
    assert bucket.labels == Clients.of("local").names.labels


def test_a_second_plan_is_empty_and_a_change_behind_terraforms_back_is_found(folder: Path) -> None:
    stacks = ["monitoring"]
    assert settled("dev", stacks, folder) is None
    added = apply("dev", stacks, folder, rehearsal=True)
    assert total(added, "added") >= 6
    assert all(result.counts.nothing for result in apply("dev", stacks, folder, rehearsal=True))
    [left] = settled("dev", stacks, folder) or []
    assert (left.stack, left.provider) == ("dev-monitoring", added[0].provider)

    from google.cloud import pubsub_v1

    names = Clients.of("dev").names
    topic = f"projects/{names.project}/topics/{names.topic('alerts')}"
    pubsub_v1.PublisherClient().delete_topic(topic=topic)
    # The topic, and the grant that went with it.
    said: list[str] = []
    assert total(plan("dev", stacks, folder, said.append), "added") == 2
    assert [line.split()[1].split(".")[0] for line in said if line.endswith("to be created")] == [
        "google_pubsub_topic",
        "google_pubsub_topic_iam_member",
    ]

    assert total(apply("dev", stacks, folder, rehearsal=True), "added") == 2
    assert settled("dev", stacks, folder)
    kept = folder / "dev" / "stacks" / "dev-monitoring" / "applied.json"
    of_today = kept.read_text()
    kept.write_text(json.dumps({**json.loads(of_today), "declared": "as yesterday"}))
    assert settled("dev", stacks, folder) is None
    kept.write_text(json.dumps({**json.loads(of_today), "provider": "another one"}))
    assert settled("dev", stacks, folder) is None
    kept.write_text(of_today)
    assert settled("dev", ["data"], folder) is None, "never applied here"
    state = Clients.of("dev").storage().bucket(names.state_bucket).blob("dev-monitoring/default.tfstate")
    state.upload_from_string(state.download_as_bytes())
    assert settled("dev", stacks, folder) is None, "somebody else has written the state"
    assert total(destroy("dev", stacks, folder, rehearsal=True), "destroyed") == total(added, "added")
    assert settled("dev", stacks, folder) is None, "after a destroy"
    assert all(result.counts.nothing for result in destroy("dev", stacks, folder, rehearsal=True))


def test_results_are_json_and_name_the_provider(folder: Path) -> None:
    (result,) = json.loads(as_json(validate("local", ["network"], folder)))
    assert (result["stack"], result["verb"], result["status"]) == ("local-network", "validate", "done")
    assert "provider" in result["provider"]


def test_a_failed_stack_is_reported_in_terraforms_words_and_its_dependents_are_not_started(folder: Path) -> None:
    bucket = Clients.of("local").storage().bucket(Clients.of("local").names.state_bucket)
    lock = bucket.blob("local-foundation/default.tflock")
    lock.upload_from_string(json.dumps({"ID": "1", "Who": "colleague@elsewhere", "Operation": "OperationTypeApply", "Info": ""}))
    try:
        first, *others = apply("local", ["foundation", "network"], folder)
    finally:
        lock.delete()
    assert first.status == "failed"
    assert "colleague@elsewhere" in first.error
    assert "force-unlock" in first.error
    assert [result.status for result in others] == ["not started"]


def test_who_is_not_logged_in_is_told_once(google_cloud: dict[str, Any], tmp_path: Path) -> None:
    without = {name: value for name, value in os.environ.items() if name != "GOOGLE_APPLICATION_CREDENTIALS"}
    command = [sys.executable, "-m", "infra.terraform", "plan", "--env", "dev", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env={**without, "CLOUDSDK_CONFIG": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("gcloud auth application-default login") == 1


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"action": "replace", "reason": "cannot_update"}, "a.b to be REPLACED (cannot update)"),
        ({"action": "update", "importing": {"id": "x"}}, "a.b to be changed and adopted"),
        ({"action": "noop", "importing": {"id": "x"}}, "a.b to be adopted"),
        ({"action": "delete"}, "a.b to be destroyed"),
    ],
)
def test_a_planned_change_is_said_in_words(change: dict[str, Any], line: str) -> None:
    events = Events(print)
    resource = {"addr": "a.b"}
    events.line(json.dumps({"@message": "", "type": "planned_change", "change": {"resource": resource, **change}}))
    assert events.planned == [line]


def test_a_stack_that_is_not_declared_is_refused(folder: Path) -> None:
    with pytest.raises(TerraformFailed, match="there is no stack nothing in local"):
        plan("local", ["nothing"], folder)


def test_no_plan_is_made_of_what_breaks_a_policy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waivers, "load", lambda: waivers.Waivers(waivers=[]))
    for verb in (plan, apply):
        with pytest.raises(TerraformFailed, match=r"policies are broken.*waivers\.yaml"):
            verb("local", ["network"], folder)
    assert [result.status for result in validate("local", ["network"], folder)] == ["done"]


def test_what_breaks_a_policy_is_planned_for_the_review_that_tells_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waivers, "load", lambda: waivers.Waivers(waivers=[]))
    assert [result.error for result in plan_for_review("local", ["network"], folder)] == [""]


def test_a_protected_environment_is_not_destroyed(folder: Path) -> None:
    with pytest.raises(TerraformFailed, match="staging is protected"):
        destroy("staging", [], folder)


def test_a_protected_environment_applies_saved_plans_only_and_none_that_is_stale_or_foreign(folder: Path) -> None:
    (refused,) = apply("staging", ["network"], folder, rehearsal=True)
    assert "no saved plan" in refused.error
    plan("staging", ["network"], folder)
    # A rehearsal for which no plan was kept needs nobody's approval.
    reviewed = folder / "staging" / "stacks" / NAMES.stack("network") / "plan.json"
    content = json.loads(reviewed.read_text())
    reviewed.write_text(json.dumps({**content, "configuration": "another"}))
    (stale,) = apply("staging", ["network"], folder, rehearsal=True)
    assert "stale" in stale.error
    reviewed.write_text(json.dumps({**content, "provider": "google provider 1.0.0"}))
    (foreign,) = apply("staging", ["network"], folder, rehearsal=True)
    assert "was made by google provider 1.0.0" in foreign.error
    reviewed.write_text(json.dumps(content))
    assert total(apply("staging", ["network"], folder, rehearsal=True), "added") >= 3


@pytest.fixture
def only_the_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the google provider."""
    monkeypatch.setattr("infra.terraform.providers.installed", lambda *_: None)


@pytest.mark.parametrize("verb", [apply, destroy])
def test_the_stand_in_changes_nothing_at_googles_address(verb: Callable[..., Any], only_the_stand_in: None, folder: Path) -> None:
    with pytest.raises(TerraformFailed, match=r"Google itself answers for dev .*Nothing was changed\..*make deploy ENV=dev EMULATOR=1"):
        verb("dev", ["network"], folder)


def test_a_rehearsal_whose_requests_would_leave_this_machine_is_none() -> None:
    here, elsewhere = {"HTTPS_PROXY": "http://127.0.0.1:8080"}, {"HTTPS_PROXY": "http://proxy.example.com:8080"}
    dev, local = load("dev"), load("local")
    assert [providers.rehearsed(environment, False, here) for environment in (dev, local)] == [False, True]
    assert providers.rehearsed(dev, True, here)
    assert not any(providers.rehearsed(environment, True, away) for environment in (dev, local) for away in ({}, elsewhere))


@pytest.mark.parametrize(("environment", "words"), [("dev", ["apply", "-auto-approve"]), ("dev", ["destroy"]), ("nowhere", ["apply"])])
def test_the_wrapper_lets_the_stand_in_change_nothing_at_googles_address(
    environment: str,
    words: list[str],
    only_the_stand_in: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    configuration = {"terraform": {"backend": {"gcs": {"prefix": f"{environment}-network"}}}}
    (tmp_path / "cdk.tf.json").write_text(json.dumps(configuration))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert wrapped.main(words) == 1
    assert f"Google itself answers for {environment} " in capsys.readouterr().err


def test_a_rehearsal_makes_its_state_bucket_by_itself(google_cloud: dict[str, Any], tmp_path: Path) -> None:
    assert total(plan("prod", ["network"], tmp_path, rehearsal=True), "added") >= 3


@pytest.fixture
def empty_cloud(tmp_path: Path) -> Iterator[Path]:
    """A local Google Cloud that nobody has used; the working folders for it."""
    with running_emulator(tmp_path / "google-cloud") as described, pytest.MonkeyPatch.context() as patch:
        for variable, value in described["environment"].items():
            patch.setenv(variable, value)
        bootstrap("local")
        yield tmp_path / "terraform"


@pytest.mark.long
def test_everything_local_is_applied_and_destroyed(empty_cloud: Path) -> None:
    folder = empty_cloud
    assert total(apply("local", [], folder), "added") >= 80
    assert all(result.counts.nothing for result in apply("local", [], folder))
    assert total(destroy("local", [], folder), "destroyed") >= 80
    names = Clients.of("local").names
    left = Clients.of("local").storage().list_buckets(prefix=names.bucket("raw").removesuffix("raw"))
    assert [bucket.name for bucket in left] == [names.state_bucket]


@pytest.mark.long
def test_an_interrupt_lets_terraform_finish_and_save(folder: Path) -> None:
    stacks = ["network", "data", "monitoring"]  # enough that a busy machine has not applied them before the signal comes
    chosen = [word for stack in stacks for word in ("--stack", stack)]
    command = [sys.executable, "-m", "infra.terraform", "apply", "--env", "dev", *chosen, "--rehearsal", "--folder", str(folder)]

    def interruptible() -> None:
        # Whoever runs the tests in the background has children that ignore it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def interrupted() -> tuple[int, str]:
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if line.endswith(" created\n"):
                    process.send_signal(signal.SIGINT)
                    break
            rest = process.stderr.read()
        return process.returncode, rest

    status, rest = interrupted()
    assert status == 130
    assert "run the same command again" in rest
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0
    assert "adopted" not in again.stderr
    destroy("dev", stacks, folder, rehearsal=True)
