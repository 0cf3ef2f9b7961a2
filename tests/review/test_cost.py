"""What a change costs: figures by the price book, what has none, and who has to agree."""

import datetime
from collections.abc import Sequence
from typing import Any

import pytest

from environments import Environment, load
from infra.price.book import Book, book
from infra.price.quantities import HOURS
from infra.review.change import Planned
from infra.review.cost import costs
from infra.review.report import CostChanges, Finding, Span
from tests.review.planned import entry, read, stands

TODAY = datetime.date(2026, 11, 27)
REGIONS = {"dev-workbench": "europe-west4", "dev-serving": "europe-west4", "dev-features": "europe-west4"}
STORE = "google_vertex_ai_feature_online_store.online"
WORKBENCH = "google_workbench_instance.python"


def priced(resources: Sequence[Planned], environment: Environment | None = None, base: Environment | None = None) -> CostChanges:
    return costs(resources, REGIONS, book(), TODAY, environment, base)


def found(section: CostChanges, id_: str) -> list[Finding]:
    return [finding for finding in section.findings if finding.id == id_]


def workbench(machine: str = "n1-standard-8", timeout: str | None = "3600", gpus: int = 0) -> dict[str, Any]:
    """As a plan has it: what is not set is null or empty."""
    return {
        "name": "acme-gemini-dev-workbench-python",
        "location": "europe-west4-a",
        "labels": None,
        "gce_setup": [
            {
                "machine_type": machine,
                "metadata": {"idle-timeout-seconds": timeout} if timeout else None,
                "accelerator_configs": [{"type": "NVIDIA_TESLA_T4", "core_count": str(gpus)}] if gpus else [],
                "boot_disk": [{"disk_size_gb": "200", "disk_type": "PD_BALANCED", "kms_key": None}],
                "data_disks": [],
                "vm_image": [],
            }
        ],
    }


def test_a_resource_that_is_made_costs_more_and_one_that_goes_costs_less_by_the_price_book() -> None:
    price = book().price("optimized-online-node-hour", "europe-west4")
    assert price
    body = {"name": "online", "region": "europe-west4", "bigtable": [], "optimized": [{}]}
    made = priced(read("dev-features", entry(STORE, None, body)))
    assert made.delta == Span(
        low=round(HOURS * price.usd, 2), expected=round(2 * HOURS * price.usd, 2), high=round(2 * HOURS * price.usd, 2)
    )
    gone = priced(read("dev-features", entry(STORE, body, None)))
    assert gone.delta == Span(low=-made.delta.low, expected=-made.delta.expected, high=-made.delta.high)
    assert [line.sku for line in made.lines] == ["optimized-online-node-hour"]
    assert found(made, "cost-jump")
    assert not found(gone, "cost-jump")


def test_what_stays_is_in_the_sums_and_not_among_the_lines() -> None:
    body = {"name": "online", "region": "europe-west4", "bigtable": [{"auto_scaling": [{"min_node_count": 1, "max_node_count": 3}]}]}
    section = priced(read("dev-features", stands(STORE, **body)))
    assert section.before == section.after
    assert section.after.low < section.after.high
    assert section.delta == Span()
    assert section.lines == ()
    assert section.findings == ()


def test_a_change_of_labels_costs_nothing() -> None:
    section = priced(read("dev-workbench", entry(WORKBENCH, workbench(), {**workbench(), "labels": {"team": "ml"}})))
    assert section.delta == Span()
    assert section.findings == ()


def test_gpu_hours_are_counted_and_somebody_has_to_agree_to_more_of_them() -> None:
    section = priced(read("dev-workbench", entry(WORKBENCH, workbench(), workbench(gpus=2))))
    assert section.gpu_hours_before == Span()
    assert section.gpu_hours_after == Span(high=2 * 22)
    assert [finding.level for finding in found(section, "gpu-hours")] == ["sign-off"]
    less = priced(read("dev-workbench", entry(WORKBENCH, workbench(gpus=2), workbench())))
    assert found(less, "gpu-hours") == []


def test_a_gpu_without_a_price_is_counted_and_said_to_be_in_no_sum() -> None:
    section = priced(read("dev-workbench", entry(WORKBENCH, workbench(), workbench("a3-highgpu-1g"))))
    assert section.gpu_hours_after == Span(high=22)
    assert any("nvidia-h100-80gb-hour" in one.reason for one in section.unpriced)
    assert found(section, "gpu-hours")
    assert found(section, "unpriced")


@pytest.mark.parametrize(
    ("before", "after", "level"),
    [("3600", None, "sign-off"), ("3600", "36000", "note"), ("3600", "1800", None), (None, None, None), ("3600", "0", "sign-off")],
)
def test_a_workbench_that_no_longer_stops_by_itself_is_found(before: str | None, after: str | None, level: str | None) -> None:
    after_ = {**workbench(timeout=after), "labels": {"changed": "yes"}}
    section = priced(read("dev-workbench", entry(WORKBENCH, workbench(timeout=before), after_)))
    assert [finding.level for finding in found(section, "idle-shutdown-off")] == ([level] if level else [])
    assert section.assumptions[0].before.startswith("stops after 60" if before else "runs all month")


def test_the_replicas_behind_an_endpoint_follow_from_the_environment_since_no_plan_tells_of_them() -> None:
    prod, dev = load("prod"), load("dev")
    endpoint = stands("google_vertex_ai_endpoint.vision", name="7419027502", location="europe-west4")
    same = priced(read("dev-serving", endpoint), prod)
    assert same.endpoint_hours_after == Span(expected=2 * HOURS, high=10 * HOURS)
    assert same.delta == Span()
    assert same.after.low == 0 < same.after.expected < same.after.high
    grown = priced(read("dev-serving", endpoint), prod, dev)
    assert grown.endpoint_hours_before == Span(expected=HOURS, high=HOURS)
    assert found(grown, "cost-jump")
    assert grown.assumptions[0].after == "2 to 10 replicas of n1-standard-4 all month, none while it sleeps"


def test_replicas_on_a_machine_that_nobody_knows_are_unpriced() -> None:
    prod = load("prod")
    strange = prod.model_copy(update={"serving": prod.serving.model_copy(update={"machine_type": "z9-standard-4"})})
    section = priced(read("dev-serving", stands("google_vertex_ai_endpoint.vision", name="1", location="europe-west4")), strange)
    assert [one.reason for one in section.unpriced] == ["the parts of machine type z9-standard-4 are not known"]


def environment(budget: int) -> Environment:
    dev = load("dev")
    assert dev.budget
    return dev.model_copy(update={"budget": dev.budget.model_copy(update={"monthly": budget})})


@pytest.mark.parametrize(("budget", "level"), [(100, "block"), (450, None), (300, "block"), (440, None)])
def test_a_change_that_is_expected_to_cost_more_than_the_budget_is_stopped(budget: int, level: str | None) -> None:
    body = {"name": "online", "region": "europe-west4", "optimized": [{}]}
    section = priced(read("dev-features", entry(STORE, None, body)), environment(budget))
    assert section.after.expected == pytest.approx(438)
    assert [finding.level for finding in found(section, "over-budget")] == ([level] if level else [])
    assert section.budget == budget


def test_what_was_over_budget_before_and_gets_no_dearer_is_no_reason_to_stop() -> None:
    body = {"name": "online", "region": "europe-west4", "optimized": [{}]}
    section = priced(read("dev-features", stands(STORE, **body)), environment(100))
    assert [finding.level for finding in found(section, "over-budget")] == ["sign-off"]


def test_what_has_no_price_is_listed_once_a_reason() -> None:
    clusters = [entry(f"google_dataproc_cluster.c{number}", None, {"name": f"c{number}"}) for number in range(3)]
    stays = stands("google_dataproc_cluster.old", name="old")
    section = priced(read("dev-workbench", *clusters, stays, entry("google_service_account.a", None, {"account_id": "a"})))
    assert [one.address for one in section.unpriced] == [f"google_dataproc_cluster.{name}" for name in ("c0", "c1", "c2", "old")]
    (finding,) = found(section, "unpriced")
    assert (finding.level, finding.address) == ("note", "")
    assert "3 resources" in finding.text


def test_a_price_that_goes_away_asks_for_a_signature_since_the_change_looks_cheaper_than_it_is() -> None:
    pool = "google_vertex_ai_deployment_resource_pool.p"
    before, after = (
        {
            "name": "p",
            "region": "europe-west4",
            "dedicated_resources": [{"min_replica_count": 1, "machine_spec": [{"machine_type": type_}]}],
        }
        for type_ in ("n1-standard-8", "z9-standard-8")
    )
    section = priced(read("dev-serving", entry(pool, before, after)))
    assert section.delta.expected < 0
    assert [finding.level for finding in found(section, "unpriced")] == ["sign-off"]
    gone = priced(read("dev-serving", entry(pool, after, None)))
    assert [finding.level for finding in found(gone, "unpriced")] == ["note"]


def test_a_grant_of_any_kind_is_free() -> None:
    section = priced(read("dev-workbench", entry("google_pubsub_topic_iam_binding.a", None, {"topic": "t", "members": ["user:a@b.c"]})))
    assert section.unpriced == ()


def test_a_size_that_only_the_apply_tells_is_unpriced_and_not_free() -> None:
    made = entry("google_kms_crypto_key.data", None, {"name": "data", "rotation_period": None})
    made["change"]["after_unknown"] = {"rotation_period": True}
    section = priced(read("dev-workbench", made))
    assert [one.reason for one in section.unpriced] == ["how much of it is used is only known after the apply"]


def test_a_place_without_a_price_is_unpriced() -> None:
    body = {**workbench(), "location": "mars-east1-a"}
    section = priced(read("dev-workbench", entry(WORKBENCH, None, body)))
    assert any("for mars-east1" in one.reason for one in section.unpriced)


def test_what_is_forgotten_is_still_paid_for() -> None:
    body = {"name": "online", "region": "europe-west4", "optimized": [{}]}
    section = priced(read("dev-features", entry(STORE, body, None, ["forget"])))
    assert section.before == section.after != Span()


def test_the_age_of_the_prices_is_said_and_those_from_memory_have_none() -> None:
    price = book().price("nat-vm-hour", "europe-west4")
    assert price
    assert price.observed_on
    section = priced(read("dev-workbench", entry("google_compute_router_nat.nat", None, {"name": "nat", "region": "europe-west4"})))
    assert section.prices_from == section.prices_to == price.observed_on
    assert section.oldest_days == (TODAY - price.observed_on).days
    undated = Book(
        prices=[one.model_copy(update={"observed_on": None, "confidence": "low"}) for one in book().prices],
        assumptions=book().assumptions,
        free={},
    )
    resources = read("dev-workbench", entry("google_compute_router_nat.nat", None, {"name": "nat", "region": "europe-west4"}))
    assert costs(resources, REGIONS, undated, TODAY).oldest_days is None


def test_the_same_plans_give_the_same_section_in_whatever_order_their_resources_come() -> None:
    entries = [entry(STORE, None, {"name": "online", "optimized": [{}]}), entry(WORKBENCH, workbench(), workbench(gpus=1))]
    assert priced(read("dev-features", *entries)) == priced(tuple(reversed(read("dev-features", *reversed(entries)))))
