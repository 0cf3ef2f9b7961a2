"""Every permission that our code asks for is granted to the identity that asks, and no grant is unused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from emulator.access import roles
from emulator.identity import key_of
from environments import Names, load, organisation
from infra.app import synthesise
from infra.duties import DUTIES
from infra.policies.subject import SynthesisedStack, read
from tests.conftest import running_emulator
from tests.contract import access
from tests.contract.access import Grant

ROOT = Path(__file__).parents[2]
LOGS = "what the processes of this identity print is logged under it, by agents of Google's that are not emulated"
IMAGES = "Google pulls the images of this identity's processes under it; no process asks for one itself"
UNUSED: dict[Grant, str] = {
    Grant(duty="pipelines", role="roles/artifactregistry.reader"): IMAGES,
    Grant(duty="pipelines", role="roles/logging.logWriter"): LOGS,
    Grant(duty="pipelines", role="roles/pubsub.subscriber"): "what listens for drift runs as this identity; in a loop the person listens",
    Grant(duty="serving", role="roles/artifactregistry.reader"): IMAGES,
    Grant(duty="serving", role="roles/logging.logWriter"): LOGS,
}
"""Grants that no recorded call needs, each with who needs it."""
NOT_IN_A_LOOP = {
    "plan": "Terraform plans as this identity; see the last test",
    "apply": "Terraform applies as this identity; see the last test",
    "builder": "Cloud Build builds as this identity, and no loop builds an image",
    "training": "custom jobs run as this identity; a loop trains in steps of its pipelines",
    "workbench": "people work as this identity, and no loop does",
    "dataflow": "Google's workers run as this identity, and no loop starts one",
}
"""Duties that a loop does not perform."""
ABOVE = "granted on the organisation or the billing account, which no stack of a project reaches"
ELSEWHERE = {
    ("apply", "billing."): ABOVE,
    ("apply", "orgpolicy."): ABOVE,
    ("plan", "billing."): ABOVE,
    ("plan", "orgpolicy."): ABOVE,
    ("plan", "serviceusage.services.enable"): "the local Google Cloud is prepared by whoever plans there; elsewhere the bootstrap does it",
    ("plan", "storage.objects.create"): "granted for locks alone; their name stands in the body of an upload, which is not looked into",
}
"""Duty and beginning of a permission that it asks for, and that is not granted in the project, with the reason."""
BY_THE_BOOTSTRAP = {("plan", "storage.objects.delete"): "its own lock in the state bucket, which no stack owns"}
COPES = {
    (
        "pipelines",
        "storage.buckets.get",
    ): "google-cloud-storage looks for a bucket's name for traces, in the background, and copes without it",
    (
        "serving",
        "storage.buckets.get",
    ): "google-cloud-storage looks for a bucket's name for traces, in the background, and copes without it",
}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> set[Grant]:
    out = tmp_path_factory.mktemp("grants")
    synthesise(["local"], out)
    return access.grants(read(out, ["local"]))


def test_what_an_identity_asks_for_it_is_granted(held: set[Grant]) -> None:
    asked = access.load()
    assert sum(map(len, asked.values())) > 100, "the check would have run on nothing"
    excused = (*ELSEWHERE, *BY_THE_BOOTSTRAP, *COPES)
    lacking = {
        key for key in access.missing(asked, held) if not any(key[0] == duty and key[1].startswith(start) for duty, start in excused)
    }
    assert lacking == set(), "grant a role that holds it, as infra/duties.py or the stack that owns the resource does"


def test_no_grant_is_unused(held: set[Grant]) -> None:
    found = {grant for grant in access.unused(access.load(), held) if grant.duty not in NOT_IN_A_LOOP}
    assert found == UNUSED.keys()


def test_a_missing_and_an_unused_grant_are_found() -> None:
    asked = {"serving": {"storage.objects.get": ["storage.objects.get"]}}
    held = {Grant(duty="serving", role="roles/pubsub.publisher")}
    assert access.missing(asked, held) == {("serving", "storage.objects.get")}
    assert access.unused(asked, held) == held
    assert access.missing(asked, {Grant(duty="serving", role="roles/storage.objectViewer")}) == set()


def test_every_role_that_is_granted_is_known_with_its_source(held: set[Grant]) -> None:
    known = roles.table()
    assert {grant.role for grant in held if grant.role.removeprefix("roles/") not in known} == set()
    assert all(role.get("source") for role in known.values())


def test_every_duty_is_performed_in_a_loop_or_excused(held: set[Grant]) -> None:
    assert access.load().keys() | NOT_IN_A_LOOP.keys() >= {grant.duty for grant in held}
    assert NOT_IN_A_LOOP.keys() <= DUTIES.keys()


def test_a_reference_to_an_account_of_the_stack_is_followed() -> None:
    names = Names(organisation(), load("local"))
    stack = SynthesisedStack(
        id="local-foundation",
        names=names,
        document={
            "resource": {
                "google_service_account": {"it": {"account_id": names.service_account_id("serving")}},
                "google_project_iam_member": {"it": {"member": "${google_service_account.it.member}", "role": "roles/run.invoker"}},
            }
        },
    )
    assert access.grants([stack]) == {Grant(duty="serving", role="roles/run.invoker")}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_who_applies_and_who_plans_are_granted_what_terraform_asks_for(tmp_path: Path) -> None:
    names, state = Names(organisation(), load("local")), tmp_path / "emulator"
    with running_emulator(state) as described:
        environ = {**os.environ, **described["environment"]}
        key = environ["GOOGLE_APPLICATION_CREDENTIALS"]

        def terraform(*arguments: str, credentials: str = key) -> None:
            command = [sys.executable, "-m", "infra.terraform", *arguments, "--env", "local"]
            done = subprocess.run(
                command, cwd=ROOT, env={**environ, "GOOGLE_APPLICATION_CREDENTIALS": credentials}, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr

        terraform("bootstrap")
        for verb in ("apply", "plan"):
            account = str(key_of(names.service_account(verb), Path(key)))
            terraform(verb, "--folder", str(tmp_path / "folders"), credentials=account)
    asked, found = access.recorded(state, names), access.refused(state, names)
    assert len(asked["apply"]) > 60
    assert len(asked["plan"]) > 30
    lacking = {
        (duty, permission, resource)
        for duty, permission, resource in found
        if not any(duty == other and permission.startswith(start) for other, start in ELSEWHERE)
    }
    assert lacking == set()
    unneeded = {key for key in ELSEWHERE if not any(duty == key[0] and asks.startswith(key[1]) for duty, asks, _ in found)}
    assert unneeded == set(), "these are granted now"
