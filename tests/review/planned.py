"""Plans as `terraform show -json` writes them, of a few resources, for the tests of what is found around a change."""

from collections.abc import Mapping, Sequence
from typing import Any

from infra.review import plan
from infra.review.change import Planned

Values = Mapping[str, Any]
ACTIONS = {(True, True): ["update"], (False, True): ["create"], (True, False): ["delete"]}


def entry(address: str, before: Values | None, after: Values | None, actions: Sequence[str] = ()) -> dict[str, Any]:
    """One resource of a plan; without `actions`, what follows from before and after."""
    type_, _, name = address.partition(".")
    found = ["no-op"] if before == after else ACTIONS[before is not None, after is not None]
    return {
        "address": address,
        "mode": "managed",
        "type": type_,
        "name": name,
        "provider_name": "registry.terraform.io/hashicorp/google",
        "change": {
            "actions": list(actions or found),
            "before": before,
            "after": after,
            "after_unknown": {},
            "before_sensitive": {},
            "after_sensitive": {},
        },
    }


def stands(address: str, **values: Any) -> dict[str, Any]:
    """A resource to which nothing happens."""
    return entry(address, values, values)


def read(stack: str, *entries: Mapping[str, Any], region: str = "europe-west4") -> tuple[Planned, ...]:
    """The resources of one plan."""
    document = {
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "resource_changes": list(entries),
        "configuration": {"provider_config": {"google": {"expressions": {"region": {"constant_value": region}}}}, "root_module": {}},
    }
    found = plan.read(document, stack)
    assert found.region == region
    return found.resources
