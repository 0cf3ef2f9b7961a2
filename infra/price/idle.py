"""Monthly price of an idle environment, per stack, never as one number: least, expected, most, and what has no price here."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from environments.tasks import Tasks
from infra.policies.subject import SynthesisedStack
from infra.price.book import Book, Price
from infra.price.quantities import Unpriced, Use, replicas, used

GRANT = re.compile(r"_iam_(member|binding|policy|audit_config)$")


@dataclass(frozen=True, kw_only=True)
class Line:
    """What one resource costs a month for one thing that is paid for, in US dollars."""

    stack: str
    address: str
    sku: str
    low: float
    expected: float
    high: float
    confidence: str


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A resource without a price."""

    stack: str
    address: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Idle:
    """What an environment costs while nobody uses it."""

    environment: str
    lines: Sequence[Line]
    unpriced: Sequence[Gap]
    deployed: Sequence[Line]
    """What comes on top while the rollout has a model behind every endpoint; no stack declares that."""


@dataclass(frozen=True, kw_only=True)
class Total:
    """A sum of lines."""

    low: float
    expected: float
    high: float


def total(lines: Iterable[Line]) -> Total:
    """The sum."""
    listed = list(lines)
    return Total(
        low=sum(line.low for line in listed), expected=sum(line.expected for line in listed), high=sum(line.high for line in listed)
    )


def idle(stacks: Sequence[SynthesisedStack], book: Book, tasks: Tasks) -> Idle:
    """The price of the synthesised stacks of one environment.

    Args:
        stacks: all of one environment.
        book: the price book.
        tasks: each has an endpoint.
    """
    lines: list[Line] = []
    gaps: list[Gap] = []
    for stack in stacks:
        for resource in stack.resources:
            try:
                found = used(resource, stack.environment.region, book.assumptions)
            except Unpriced as reason:
                gaps.append(Gap(stack=stack.id, address=resource.address, reason=str(reason)))
                continue
            if found is None:
                if not is_free(resource.type, book):
                    gaps.append(
                        Gap(stack=stack.id, address=resource.address, reason=f"{resource.type} is neither priced nor known as free")
                    )
                continue
            _price(stack.id, resource.address, found, book, lines, gaps)
    environment = stacks[0].environment
    serving, deployed = environment.serving, list[Line]()
    for task in tasks.tasks:
        address = f"endpoint of {task.name}"
        try:
            uses = replicas(serving.machine_type, None, serving.min_replicas, serving.max_replicas, environment.region)
        except Unpriced as reason:
            gaps.append(Gap(stack="", address=address, reason=str(reason)))
        else:
            _price("", address, uses, book, deployed, gaps)
    return Idle(environment=environment.name, lines=lines, unpriced=gaps, deployed=deployed)


def _price(stack: str, address: str, uses: Iterable[Use], book: Book, lines: list[Line], gaps: list[Gap]) -> None:
    for use in uses:
        found = unit_price(use.sku, use.region, book)
        if found is None:
            gaps.append(Gap(stack=stack, address=address, reason=f"the price book has no {use.sku} for {use.region}"))
            continue
        usd, price = found
        lines.append(
            Line(
                stack=stack,
                address=address,
                sku=use.sku,
                low=use.low * usd,
                expected=use.expected * usd,
                high=use.high * usd,
                confidence=price.confidence,
            )
        )


def unit_price(sku: str, region: str, book: Book) -> tuple[float, Price] | None:
    """US dollars for one unit, and the price that they follow from; None where the book has none."""
    # Vertex AI bills the parts of a serving machine as Compute Engine does, with a surcharge.
    surcharge = book.price("vertex-surcharge", region) if sku.startswith("vertex-") else None
    price = book.price(sku.removeprefix("vertex-"), region)
    return None if price is None else (price.usd * (1 + (surcharge.usd if surcharge else 0)), price)


def is_free(type_: str, book: Book) -> bool:
    """Whether a resource of the type costs nothing by being there, as a grant of any kind does."""
    return type_ in book.free or GRANT.search(type_) is not None
