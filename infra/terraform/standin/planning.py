"""What a change will make of a resource: unknown values, labels, and what replaces it."""

from dataclasses import dataclass, field
from typing import Any

from infra.terraform.standin.schema import Block
from infra.terraform.standin.types import Resource
from infra.terraform.standin.values import PLACES, UNKNOWN, has_labels

Values = dict[str, Any]
ATTRIBUTION = {"goog-terraform-provisioned": "true"}


@dataclass(frozen=True)
class Provider:
    """The provider's configuration, as far as resources depend on it."""

    project: str | None = None
    region: str | None = None
    zone: str | None = None
    default_labels: dict[str, str] = field(default_factory=dict)
    attribution: bool = True

    def place(self, name: str) -> str | None:
        """What `project`, `region`, `location` or `zone` is where the resource does not say."""
        return {"project": self.project, "region": self.region, "location": self.region, "zone": self.zone}[name]


def plan(block: Block, prior: Values | None, proposed: Values, provider: Provider) -> Values:
    """The values after the change, unknown where only Google will say."""
    planned = dict(proposed) if prior is not None else _unknown(block, proposed)
    for name in PLACES:
        # Only where the provider computes it: the region of an endpoint, which has a location, stays unset.
        computed = name in block.attributes and block.attributes[name].computed
        if computed and planned.get(name) in (None, UNKNOWN) and provider.place(name) and proposed.get(name) is None:
            planned[name] = provider.place(name)
    if has_labels(block):
        planned |= _labels(prior, proposed, provider)
    return planned


def _unknown(block: Block, values: Values) -> Values:
    """Computed and not set: unknown until Google answers."""
    filled = dict(values)
    for name, attribute in block.attributes.items():
        if attribute.computed and filled.get(name) is None:
            filled[name] = UNKNOWN
    for name, nested in block.blocks.items():
        if isinstance(filled.get(name), list):
            filled[name] = [_unknown(nested.block, item) if isinstance(item, dict) else item for item in filled[name]]
    return filled


def _labels(prior: Values | None, proposed: Values, provider: Provider) -> Values:
    """Ours over the provider's defaults; labels that others put on the resource stay."""
    own = proposed.get("labels") or {}
    if own is UNKNOWN or UNKNOWN in own.values():
        return {"terraform_labels": UNKNOWN, "effective_labels": UNKNOWN}
    before: dict[str, str] = (prior or {}).get("terraform_labels") or {}
    # The attribution is added at creation and kept afterwards, as the provider does.
    attribution = ATTRIBUTION if provider.attribution and (prior is None or ATTRIBUTION.items() <= before.items()) else {}
    ours = provider.default_labels | attribution | own
    theirs = {key: value for key, value in ((prior or {}).get("effective_labels") or {}).items() if key not in before}
    return {"terraform_labels": ours, "effective_labels": theirs | ours}


def replacing(type_: Resource, prior: Values, planned: Values) -> list[list[str | int]]:
    """Paths of the immutable attributes that change, in Terraform's steps (name, index, name, …)."""
    paths = []
    for immutable in type_.immutable:
        steps: list[str | int] = []
        old: Any = prior
        new: Any = planned
        for name in immutable.split("."):
            if steps:
                old, new = (old or [{}])[0], (new or [{}])[0]
                steps.append(0)
            steps.append(name)
            old, new = old.get(name), new.get(name)
        if (old or None) != (new or None):
            paths.append(steps)
    return paths
