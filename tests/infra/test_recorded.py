"""The emulator, and the provider stand-in, against what the google provider was seen to send."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.cloud import Cloud
from emulator.identity import E_MAIL
from emulator.store import Store
from environments import Names, load, organisation
from infra.policies.subject import SynthesisedStack
from infra.terraform import apply, bootstrap
from tests.conftest import running_emulator
from tests.infra import recording

KEPT = {
    "Project", "Service", "ProjectBillingInfo", "KeyRing", "CryptoKey", "CryptoKeyVersion", "Policy", "WorkloadIdentityPool",
    "WorkloadIdentityPoolProvider", "LogBucket",
}  # fmt: skip
"""What is there after a destroy: the project with its APIs, keys, which can never be deleted, what can be had back for some days, and
policies without members."""
ABOVE = ("https://orgpolicy.googleapis.com/", "https://billingbudgets.googleapis.com/")
"""What no role on a project grants: it is granted on the organisation and on the billing account, which are not ours."""

ACCEPTED = {
    # Defaults of the provider's own schema, which the bindings do not tell: it sends them where the stand-in says nothing.
    "Address": (".addressType", ".ipVersion", ".networkTier"),
    "Budget": (".budgetFilter.calendarPeriod", ".notificationsRule.schemaVersion"),
    "NotificationChannel": (".enabled",),
    "Repository": (".mode",),
    "Router": (".nats",),
    "SslCertificate": (".type",),
    "Subnetwork": (".logConfig.filterExpr",),
    "TargetHttpsProxy": (".quicOverride",),
}
"""Kind → where the end states may differ."""


@pytest.fixture
def cloud(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[asyncio.Runner, Cloud]]:
    """A local Google Cloud that nobody has used, with its event loop; its parameter says whether it enforces permissions."""
    with asyncio.Runner() as runner:

        async def opened() -> Cloud:
            return recording.opened(tmp_path, getattr(request, "param", False))

        running = runner.run(opened())
        try:
            yield runner, running
        finally:
            runner.run(running.close())


def test_what_the_provider_sent_is_answered_as_it_was_and_nothing_is_left_but_keys(cloud: tuple[asyncio.Runner, Cloud]) -> None:
    runner, running = cloud
    ids: dict[str, str] = {}
    stacks = recording.contents()["stacks"]
    for stack in (recording.BOOTSTRAP, *stacks):
        assert recording.replayed(running, runner, recording.read(stack, "apply"), ids) == []
    assert len(recording.end_state(running.store)) > 100
    for stack in reversed(stacks):
        assert recording.replayed(running, runner, recording.read(stack, "destroy"), ids) == []
    left = {key for key in recording.end_state(running.store) if key.split()[1] not in KEPT}
    assert {key for key in left if not key.startswith("storage ") or "tfstate" not in key} == set()


def test_a_request_that_is_answered_otherwise_is_told(cloud: tuple[asyncio.Runner, Cloud]) -> None:
    runner, running = cloud
    request = {"ask": "GET https://pubsub.googleapis.com/v1/projects/acme-test/topics/none", "status": 200}
    (difference,) = recording.replayed(running, runner, [request], {})
    assert difference.startswith(f"{request['ask']}: 404 and not 200")


@pytest.mark.parametrize("cloud", [True], indirect=True, ids=["enforced"])
def test_the_identity_that_applies_may_do_all_that_an_apply_asks_for(cloud: tuple[asyncio.Runner, Cloud]) -> None:
    runner, running = cloud
    ids: dict[str, str] = {}
    assert recording.replayed(running, runner, recording.read(recording.BOOTSTRAP, "apply"), ids) == []
    applier = Names(organisation(), load(recording.ENVIRONMENT)).service_account("apply")
    for stack in recording.contents()["stacks"]:
        for request in recording.read(stack, "apply"):
            identity = E_MAIL if any(host in request["ask"] for host in ABOVE) else applier
            assert recording.replayed(running, runner, [request], ids, identity) == []


def test_every_type_that_is_declared_was_recorded(stacks: dict[str, SynthesisedStack]) -> None:
    declared = {resource.type for stack in stacks.values() if stack.id.startswith("local-") for resource in stack.resources}
    missing = sorted(declared - set(recording.contents()["types"]))
    assert missing == [], "run `make record` where the google provider can be had"


@pytest.mark.long
def test_the_stand_in_leaves_what_the_provider_left(
    cloud: tuple[asyncio.Runner, Cloud], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, running = cloud
    ids: dict[str, str] = {}
    for stack in (recording.BOOTSTRAP, *recording.contents()["stacks"]):
        recording.replayed(running, runner, recording.read(stack, "apply"), ids)
    wanted = recording.end_state(running.store)
    monkeypatch.setattr("infra.terraform.providers.installed", lambda *_: None)
    with running_emulator(tmp_path / "google-cloud") as described:
        for variable, value in described["environment"].items():
            monkeypatch.setenv(variable, value)
        bootstrap(recording.ENVIRONMENT)
        results = apply(recording.ENVIRONMENT, [], tmp_path / "terraform")
        assert [result.error for result in results if result.error] == []
        found = recording.end_state(Store(tmp_path / "google-cloud" / "state.db"))
    common = wanted.keys() & found.keys()
    assert len(common) > len(wanted) * 0.9
    differing = [
        f"{key} {difference}"
        for key in sorted(common)
        for difference in recording.difference(wanted[key], found[key])
        if not difference.startswith(ACCEPTED.get(key.split()[1], ("never",)))
    ]
    assert differing == []
