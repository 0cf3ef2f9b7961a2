"""From a commit to prod and back: dev is deployed, staging and prod by approved plans, one release goes through all of them.

Everything is a command in a checkout of its own, as a team runs it; the local Google Cloud answers for three projects.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from emulator.identity import key_of
from environments import Names, load, organisation
from playbook import ROOT
from tests.conftest import running_emulator
from tests.releases.people import KEY

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]

ENGINEER, APPROVER = "engineer@example.com", "ml-lead@example.com"
LINKED = (".playbook/data", ".playbook/providers", "node_modules")
"""What a checkout needs beside its files and is the same for each."""
BUILT = ("serving/node/dist", "serving/web/dist")
TRAIN = "import sys; from pathlib import Path; from environments.clients import Clients; from tests.releases import places; \
places.trained(Clients.of('dev'), Path(sys.argv[1]), int(sys.argv[2]))"

REPLACE = "import sys; from environments.clients import Clients; clients = Clients.of(sys.argv[1]); \
clients.storage().bucket(clients.names.plan_bucket).blob(sys.argv[2]).upload_from_string('another plan')"

GRANT = """
import sys
from environments import Names, load, organisation
from infra.terraform.rest import Google
names, google = Names(organisation(), load(sys.argv[1])), Google()
project = names.environment.project
for place, role in (
    (f"https://cloudresourcemanager.googleapis.com/v3/folders/{project.folder}", "roles/orgpolicy.policyAdmin"),
    (f"https://cloudbilling.googleapis.com/v1/billingAccounts/{project.billing_account}", "roles/billing.costsManager"),
):
    verb = "GET" if "billing" in place else "POST"
    policy = google.call(verb, f"{place}:getIamPolicy")
    binding = {"role": role, "members": [f"serviceAccount:{names.service_account('apply')}"]}
    google.call("POST", f"{place}:setIamPolicy", None, {"policy": {**policy, "bindings": [*policy.get("bindings", []), binding]}})
"""
"""What no project can grant (docs/deploy.md), which whoever administers the organisation and its costs gives once."""


class Team:
    """People with a checkout, and the local Google Cloud that they reach."""

    def __init__(self, checkout: Path, google: Mapping[str, str], console: str) -> None:
        self.checkout, self.google, self.console = checkout, google, console

    def run(self, *command: str, who: str = "", status: int = 0) -> str:
        """What a command says, run as the owner of the machine or as somebody else."""
        environment = {**os.environ, **self.google}
        if who:
            environment[KEY] = str(key_of(who, Path(self.google[KEY])))
        done = subprocess.run([sys.executable, *command], cwd=self.checkout, env=environment, capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def terraform(self, verb: str, environment: str, *more: str, who: str = "", status: int = 0) -> str:
        """A verb of infrastructure, in the folders of a rehearsal."""
        words = ["--folder", ".playbook/rehearsal", *more] if verb != "bootstrap" else []
        return self.run("-m", "infra.terraform", verb, "--env", environment, *words, who=who, status=status)

    def release(self, verb: str, *more: str, who: str = "", status: int = 0) -> str:
        """A verb of releases."""
        return self.run("-m", "playbook.releasing", verb, *more, who=who, status=status)

    def git(self, *arguments: str) -> str:
        """What git says."""
        who = ["-c", f"user.email={ENGINEER}", "-c", "user.name=Engineer", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", *who, *arguments], cwd=self.checkout, capture_output=True, text=True, check=True).stdout.strip()

    def stored(self, address: str) -> Path:
        """The file of an object in the local Google Cloud."""
        return self.checkout / ".playbook" / "emulator" / "objects" / address

    def inbox(self) -> str:
        """What the people on call were sent, as the console shows it."""
        with urllib.request.urlopen(f"{self.console}inbox") as page:
            return str(page.read().decode())

    def ledger(self, environment: str) -> list[dict[str, Any]]:
        """What was done to an environment."""
        folder = self.stored(f"acme-gemini-{environment}-releases/ledger/{environment}")
        return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    """A checkout at a commit of its own, in which releases need no time to soak, and each environment lets the next one read."""
    checkout = tmp_path / "checkout"
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, checkout / name)
    for name in LINKED:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).symlink_to(ROOT / name)
    for name in BUILT:
        shutil.copytree(ROOT / name, checkout / name)
    for environment, target in (("dev", "staging"), ("staging", "prod"), ("prod", "null")):
        path = checkout / "environments" / f"{environment}.yaml"
        path.write_text(re.sub(r"soak_hours: \d+, target: null", f"soak_hours: 0, target: {target}", path.read_text()))
        assert f"soak_hours: 0, target: {target}" in path.read_text()
    state = checkout / ".playbook" / "emulator"
    with running_emulator(state, "--enforce") as described:
        made = Team(checkout, described["environment"], described["console"])
        made.git("init", "--quiet")
        (checkout / ".git" / "info" / "exclude").write_text("node_modules\n")
        made.git("add", "--all")
        made.git("commit", "--quiet", "--message", "Everything")
        yield made


def test_a_release_goes_from_dev_to_prod_by_approved_plans_and_comes_back(team: Team, tmp_path: Path) -> None:
    for environment in ("dev", "staging", "prod"):
        team.terraform("bootstrap", environment)
    team.terraform("apply", "dev", "--rehearsal")
    team.run("-c", TRAIN, str(tmp_path), "1")
    assert "code release" in team.release("release", "--env", "dev")

    refused = team.release("promote", "--from", "dev", "--to", "staging", status=1)
    assert "not-approved: nobody has approved a plan of staging-foundation" in refused
    deployed_by_consent(team, "staging", against="dev", tampered=True)
    team.release("promote", "--from", "dev", "--to", "staging", who=identity("staging", "apply"))
    deployed_by_consent(team, "prod", against="staging")
    assert "path: prod takes its releases from staging" in team.release("promote", "--from", "dev", "--to", "prod", status=1)
    team.release("promote", "--from", "staging", "--to", "prod", who=identity("prod", "apply"))
    first = {row["environment"]: row["release"] for row in json.loads(team.release("list", "--json"))}
    assert first["dev"] == first["staging"] == first["prod"] is not None

    team.run("-c", TRAIN, str(tmp_path), "5")
    team.release("release", "--env", "dev")
    team.release("promote", "--from", "dev", "--to", "staging", who=identity("staging", "apply"))
    second = {row["environment"]: row["release"] for row in json.loads(team.release("list", "--json"))}
    assert second["dev"] == second["staging"] != second["prod"] == first["prod"]

    team.release("rollback", "--env", "staging", "--reason", "answers are slow", who=identity("staging", "apply"))
    third = {row["environment"]: row for row in json.loads(team.release("list", "--json"))}
    assert third["staging"]["release"] == first["staging"]
    assert third["staging"]["rolled_back"] == {second["staging"]: "answers are slow"}
    again = team.release("promote", "--from", "dev", "--to", "staging", status=1)
    assert "rolled-back" in again
    kinds = [entry["kind"] for entry in team.ledger("staging")]
    assert [kind for kind in kinds if kind != "apply"] == ["plan", "approval", "promotion", "promotion", "rollback"]
    who_breaks_the_glass_is_told_to_everybody_on_call(team, "prod")


def who_breaks_the_glass_is_told_to_everybody_on_call(team: Team, environment: str) -> None:
    policy = f"{Names(organisation(), load(environment)).name('break-glass')} on "
    assert policy not in team.inbox()
    team.run("-m", "infra.terraform", "break-glass", "--env", environment, "--reason", "predictions fail for everybody", "--hours", "1")
    assert policy in team.inbox()


def identity(environment: str, duty: Literal["plan", "apply"]) -> str:
    """E-mail of who plans, or of who alone may change a protected environment."""
    return Names(organisation(), load(environment)).service_account(duty)


def deployed_by_consent(team: Team, environment: str, against: str, tampered: bool = False) -> None:
    """Reviewed, kept, approved by somebody else, applied."""
    team.run("-c", GRANT, environment)
    folder = ("--rehearsal", "--folder", ".playbook/rehearsal")
    team.run("-m", "infra.review", "--env", environment, "--against", against, *folder)
    team.terraform("keep", environment, who=identity(environment, "plan"))
    assert "nobody has approved a plan" in team.terraform("apply", environment, "--rehearsal", status=1)
    team.terraform("approve", environment, "--until", "8h", who=APPROVER)
    if tampered:
        a_tampered_plan_is_refused(team, environment)
        an_approval_of_another_commit_is_stale(team, environment)
    team.terraform("apply", environment, "--rehearsal", who=identity(environment, "apply"))


def a_tampered_plan_is_refused(team: Team, environment: str) -> None:
    plan = team.checkout / ".playbook" / "rehearsal" / environment / "stacks" / f"{environment}-foundation" / "plan"
    [entry] = [entry for entry in team.ledger(environment) if entry["kind"] == "plan"]
    mine = plan.read_bytes()
    plan.unlink()
    team.run("-c", REPLACE, environment, entry["body"]["stacks"][f"{environment}-foundation"]["object"])
    said = team.terraform("apply", environment, "--rehearsal", "--stack", "foundation", status=1)
    assert "is no longer at" in said, "another generation lies there"
    plan.write_bytes(mine)


def an_approval_of_another_commit_is_stale(team: Team, environment: str) -> None:
    before = team.git("rev-parse", "HEAD")
    (team.checkout / "docs" / "note.md").write_text("Something else.\n")
    team.git("add", "--all")
    team.git("commit", "--quiet", "--message", "Something else")
    said = team.terraform("apply", environment, "--rehearsal", "--stack", "foundation", status=1)
    assert "this checkout is at" in said
    team.git("reset", "--quiet", "--hard", before)
