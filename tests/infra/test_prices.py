"""What an idle environment costs, and how far the price book can be trusted."""

import datetime
from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from environments import tasks
from infra.policies.subject import Resource, SynthesisedStack
from infra.price.__main__ import text
from infra.price.book import OLD_DAYS, Book, Price, book
from infra.price.idle import Idle, idle, total
from infra.price.machines import machine
from infra.price.quantities import HOURS, Unpriced, used

ENVIRONMENTS = ("dev", "local", "prod", "staging")
BY_THE_HOUR = ("online-node-hour", "forwarding-rule-hour", "psc-endpoint-hour", "vcpu-hour", "gib-hour", "nvidia-")
"""Online stores, load balancers, replicas and machines, GPUs."""


@pytest.fixture(scope="module")
def priced(stacks: dict[str, SynthesisedStack]) -> dict[str, Idle]:
    """Environment → its price."""
    return {name: idle([stack for stack in stacks.values() if stack.environment.name == name], book(), tasks()) for name in ENVIRONMENTS}


def hourly(found: Idle) -> set[str]:
    """What is paid for by the hour although nobody works."""
    return {line.sku for line in found.lines if line.expected > 0 and any(word in line.sku for word in BY_THE_HOUR)}


def use(type_: str, **body: object) -> dict[str, tuple[float, float, float]]:
    """SKU → least, expected and most of one resource."""
    found = used(Resource(type=type_, id="it", body=dict(body)), "europe-west4", book().assumptions)
    assert found is not None
    return {one.sku: (one.low, one.expected, one.high) for one in found}


def test_an_idle_dev_has_no_online_store_no_replica_no_gpu_and_no_load_balancer(priced: dict[str, Idle]) -> None:
    assert hourly(priced["dev"]) == set()
    assert total(priced["dev"].lines).expected < 150


def test_an_environment_that_has_one_would_be_found(priced: dict[str, Idle]) -> None:
    assert "optimized-online-node-hour" in hourly(priced["local"])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_declared_resource_has_a_price_or_a_reason_to_have_none(priced: dict[str, Idle], environment: str) -> None:
    assert [f"{gap.address}: {gap.reason}" for gap in priced[environment].unpriced] == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_price_is_never_one_number(priced: dict[str, Idle], environment: str) -> None:
    found = priced[environment]
    assert all(line.low <= line.expected <= line.high for line in [*found.lines, *found.deployed])
    sum_ = total(found.lines)
    assert sum_.low < sum_.expected < sum_.high


def test_what_has_no_price_is_listed_and_not_summed_up(stacks: dict[str, SynthesisedStack]) -> None:
    prices = book()
    without = Book(
        prices=[price for price in prices.prices if price.sku != "kms-software-version"], assumptions=prices.assumptions, free={}
    )
    found = idle([stack for stack in stacks.values() if stack.environment.name == "dev"], without, tasks())
    reasons = {gap.reason for gap in found.unpriced}
    assert any("the price book has no kms-software-version" in reason for reason in reasons)
    assert "google_service_account is neither priced nor known as free" in reasons
    said = text(found, without, datetime.date(2026, 12, 1))
    assert "unpriced, so not in the sums:" in said
    assert "kms-software-version for" in said


def test_the_price_of_deployed_models_is_said_beside_and_not_in_the_sum(priced: dict[str, Idle]) -> None:
    found = priced["dev"]
    assert total(found.deployed).expected > 50 * len(tasks().tasks)
    assert not {line.sku for line in found.lines} & {line.sku for line in found.deployed}


def test_a_workbench_pays_for_its_disks_and_for_its_machine_only_until_it_shuts_itself_down() -> None:
    setup = {
        "machine_type": "n1-standard-8",
        "boot_disk": {"disk_type": "PD_BALANCED", "disk_size_gb": "200"},
        "accelerator_configs": [{"type": "NVIDIA_TESLA_T4", "core_count": "1"}],
    }
    asleep = use("google_workbench_instance", gce_setup={**setup, "metadata": {"idle-timeout-seconds": "3600"}})
    assert asleep["pd-balanced-gib"] == (200, 200, 200)
    assert asleep["nvidia-tesla-t4-hour"] == (0, 0, 22)
    assert use("google_workbench_instance", gce_setup=setup)["nvidia-tesla-t4-hour"] == (0, HOURS, HOURS)


def test_replicas_and_nodes_are_counted_from_least_to_most() -> None:
    scaling = {"bigtable": [{"auto_scaling": [{"min_node_count": 1, "max_node_count": 3}]}]}
    assert use("google_vertex_ai_feature_online_store", **scaling) == {"bigtable-online-node-hour": (HOURS, HOURS, 3 * HOURS)}
    resources = {"min_replica_count": 1, "max_replica_count": 2, "machine_spec": {"machine_type": "g2-standard-4"}}
    pool = use("google_vertex_ai_deployment_resource_pool", dedicated_resources=resources)
    assert pool["vertex-nvidia-l4-hour"] == (HOURS, HOURS, 2 * HOURS)


def test_a_machine_type_that_nobody_knows_is_unpriced_and_not_free() -> None:
    assert machine("z9-standard-4") is None
    with pytest.raises(Unpriced, match="z9-standard-4"):
        use("google_workbench_instance", gce_setup={"machine_type": "z9-standard-4"})


def test_a_machine_that_is_built_around_its_gpus_brings_them_along() -> None:
    spec = {"machine_type": "a2-highgpu-2g", "accelerator_type": "NVIDIA_TESLA_A100", "accelerator_count": 2}
    resources = {"min_replica_count": 1, "machine_spec": spec}
    pool = use("google_vertex_ai_deployment_resource_pool", dedicated_resources=resources)
    assert pool["vertex-nvidia-tesla-a100-hour"] == (2 * HOURS, 2 * HOURS, 2 * HOURS)
    assert pool["vertex-a2-vcpu-hour"] == (24 * HOURS, 24 * HOURS, 24 * HOURS)


def test_the_rotation_of_a_key_adds_versions_that_are_paid_for() -> None:
    assert use("google_kms_crypto_key", rotation_period="7776000s")["kms-software-version"] == (1, 3, 5)
    assert use("google_kms_crypto_key")["kms-software-version"] == (1, 1, 1)


def observed(day: datetime.date | None, confidence: str = "low") -> Price:
    return Price.model_validate(
        {
            "sku": "a",
            "region": "any",
            "unit": "u",
            "usd": 1.0,
            "source": "https://example.com",
            "observed_on": day,
            "confidence": confidence,
        }
    )


def test_a_price_that_nobody_looked_up_is_not_trusted() -> None:
    with pytest.raises(ValidationError, match="was never observed and claims confidence 'high'"):
        observed(None, "high")


def test_no_price_is_old_and_an_old_one_would_be_found() -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    assert [price.sku for price in book().old(today)] == []
    one = observed(today - datetime.timedelta(days=OLD_DAYS + 1))
    assert Book(prices=[one], assumptions=book().assumptions, free={}).old(today) == [one]


def test_a_price_that_stands_twice_is_refused() -> None:
    prices: Sequence[Price] = [observed(None), observed(None)]
    with pytest.raises(ValidationError, match="stand twice"):
        Book(prices=list(prices), assumptions=book().assumptions, free={})
