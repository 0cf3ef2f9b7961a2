"""Break-glass: for hours and with a reason, told to everybody, and closed by somebody else after a look."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from environments import load
from environments.clients import Clients
from infra.terraform import bootstrap, breakglass
from infra.terraform.errors import TerraformFailed
from infra.terraform.rest import Google
from infra.terraform.together import types_in
from infra.watched import BREAK_GLASS
from releases import breakglass as rules
from releases import ledger
from releases.breakglass import BreakGlassRefused, Opened
from releases.ledger import Entry
from tests.conftest import running_emulator
from tests.releases.people import KEY, acting_as

OPENER, APPROVER = "platform-lead@example.com", "ml-lead@example.com"
REASON = "predictions fail for every customer"
IAM = "https://iam.googleapis.com/v1"


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A local Google Cloud that enforces permissions, with a bootstrapped staging whose accounts one person administers."""
    with running_emulator(tmp_path_factory.mktemp("google-cloud"), "--enforce") as described, pytest.MonkeyPatch.context() as patch:
        for variable, value in described["environment"].items():
            patch.setenv(variable, value)
        bootstrap("staging", lambda _: None)
        account = _account()
        policy = {"bindings": [*_bindings(), {"role": "roles/iam.serviceAccountAdmin", "members": [f"user:{OPENER}"]}]}
        Google().call("POST", f"{IAM}/{account}:setIamPolicy", None, {"policy": policy})
        yield described["environment"][KEY]


def _account() -> str:
    names = Clients.of("staging").names
    return f"projects/{names.project}/serviceAccounts/{names.service_account('apply')}"


def _bindings() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = Google().call("POST", f"{IAM}/{_account()}:getIamPolicy").get("bindings", [])
    return found


def grants() -> list[dict[str, Any]]:
    return [binding for binding in _bindings() if binding.get("condition", {}).get("title") == rules.TITLE]


def noticed() -> list[dict[str, Any]]:
    """What the audit log holds of what the alert watches for."""
    asked = {"resourceNames": [f"projects/{Clients.of('staging').names.project}"], "filter": BREAK_GLASS}
    found: list[dict[str, Any]] = Google().call("POST", "https://logging.googleapis.com/v2/entries:list", None, asked)["entries"]
    return [entry["protoPayload"] for entry in found]


def impersonated(who: str) -> int:
    """Status of an attempt to act as the identity that applies."""
    with acting_as(who, "staging") as clients:
        url = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{clients.names.service_account('apply')}"
        body = {"scope": ["https://www.googleapis.com/auth/cloud-platform"]}
        return int(clients.session().post(f"{url}:generateAccessToken", json=body).status_code)


def test_a_person_is_let_past_for_a_while_and_another_closes_it_after_a_look(staging: str) -> None:
    assert impersonated(OPENER) == 403
    assert noticed() == [], "other grants are no reason to wake anybody"
    said: list[str] = []
    with acting_as(OPENER, "staging"):
        breakglass.open_("staging", REASON, 2, Google(), said.append)
    [grant] = grants()
    assert grant["members"] == [f"user:{OPENER}"]
    assert grant["condition"]["expression"].startswith("request.time < timestamp(")
    assert impersonated(OPENER) == 200
    assert impersonated(APPROVER) == 403
    [entry] = noticed()
    assert entry["authenticationInfo"] == {"principalEmail": OPENER}
    assert entry["serviceData"]["policyDelta"]["bindingDeltas"] == [
        {"action": "ADD", "role": grant["role"], "member": f"user:{OPENER}", "condition": grant["condition"]}
    ]
    clients = Clients.of("staging")
    [one] = rules.opened(ledger.entries(clients))
    assert (one.by, one.reason, one.until - one.since) == (OPENER, REASON, timedelta(hours=2))
    assert any("playbook drift --env staging" in line for line in said)

    with acting_as(OPENER, "staging"), pytest.raises(BreakGlassRefused, match="somebody else closes it"):
        breakglass.close("staging", Google(), said.append)
    with acting_as(APPROVER, "staging"), pytest.raises(BreakGlassRefused, match="nobody has looked at what was changed since"):
        breakglass.close("staging", Google(), said.append)
    ledger.append(clients, "drift", {"report": "", "changes": 0, "stacks": []})
    with acting_as(APPROVER, "staging"):
        # Who approves does not administer accounts: it is closed, and who does is asked to tidy up.
        breakglass.close("staging", Google(), said.append)
    assert rules.opened(ledger.entries(clients)) == []
    assert "ask somebody who holds roles/iam.serviceAccountAdmin" in said[-1]
    with pytest.raises(BreakGlassRefused, match="nothing is open in staging"):
        breakglass.close("staging", Google(), said.append)
    policy = {"bindings": [binding for binding in _bindings() if binding not in grants()]}
    Google().call("POST", f"{IAM}/{_account()}:setIamPolicy", None, {"policy": policy})
    assert len(noticed()) == 1, "that it ends wakes nobody"


def test_who_may_not_grant_gets_nothing_and_the_ledger_knows_that_they_tried(staging: str) -> None:
    before = grants()
    with acting_as(APPROVER, "staging"), pytest.raises(TerraformFailed, match=r"Google does not let ml-lead@example\.com change who acts"):
        breakglass.open_("staging", REASON, 1, Google(), lambda _: None)
    assert grants() == before
    assert rules.opened(ledger.entries(Clients.of("staging")))[-1].by == APPROVER


@pytest.mark.parametrize(
    ("reason", "hours", "words"),
    [
        ("", 1, "says nobody why"),
        ("broken", 1, "says nobody why"),
        (REASON, 0, "0 hours are none"),
        (REASON, 9, "too long for an emergency"),
    ],
)
def test_without_a_reason_or_for_too_long_nothing_is_granted(reason: str, hours: float, words: str) -> None:
    with pytest.raises(BreakGlassRefused, match=words):
        rules.refuse_opening(reason, hours)


def test_a_stranger_does_not_close_it() -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    one = Opened(number=1, by=OPENER, reason=REASON, since=now, until=now + timedelta(hours=1))
    looked = [Entry(number=2, kind="drift", at=now, by=APPROVER, digest="", body={})]
    rules.refuse_closing(looked, one, APPROVER, load("staging"))
    with pytest.raises(BreakGlassRefused, match=r"stranger@example\.com is not among the approvers"):
        rules.refuse_closing(looked, one, "stranger@example.com", load("staging"))


@pytest.mark.long
def test_terraform_as_a_person_is_refused_by_google_itself(staging: str, tmp_path: Any) -> None:
    """The boundary is IAM: without any of our commands, a person changes nothing."""
    import os
    import subprocess

    from infra.terraform import plan
    from infra.terraform.providers import stand_in

    assert [it.error for it in plan("staging", ["network"], tmp_path, lambda _: None, rehearsal=True)] == [""]
    folder = tmp_path / "staging" / "stacks" / "staging-network"
    with acting_as("engineer@example.com", "staging"), stand_in(types_in(tmp_path / "staging")) as ready:
        variables = {**os.environ, **ready().variables}
        words = ["terraform", "apply", "-input=false", "-no-color", "-lock=false", "plan"]
        done = subprocess.run(words, cwd=folder, env=variables, capture_output=True, text=True)
    assert done.returncode != 0
    assert "403" in done.stderr or "does not have storage.objects" in done.stderr
    names = Clients.of("staging").names
    assert not Google().call("GET", f"https://compute.googleapis.com/compute/v1/projects/{names.project}/global/networks").get("items")
