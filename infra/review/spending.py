"""What a resource costs a month before and after: what it uses, by the formulas of `infra/price`, times what the price book says."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from environments import Environment
from infra.policies.subject import Resource
from infra.price.book import Book
from infra.price.idle import is_free, unit_price
from infra.price.quantities import FORMULAS, HOURS, Unpriced, Use, replicas, used
from infra.review.change import Planned, Values, blocks
from infra.review.declared import declared
from infra.review.report import CostLine, Span, UnpricedResource

ENDPOINT = "google_vertex_ai_endpoint"
POOL = "google_vertex_ai_deployment_resource_pool"


@dataclass(frozen=True, kw_only=True)
class Side:
    """One resource before or after, as far as it is paid for."""

    uses: tuple[Use, ...]
    replica_hours: Span
    """Hours a month of replicas that serve a model, all of them together."""
    why_not: str
    """Why it has no price."""

    @property
    def gpu_hours(self) -> Span:
        """Hours a month of GPUs, all of them together."""
        return total(Span(low=use.low, expected=use.expected, high=use.high) for use in self.uses if "nvidia-" in use.sku)


@dataclass(frozen=True, kw_only=True)
class Spending:
    """One resource and what it costs before and after."""

    of: Planned
    before: Side
    after: Side

    def lines(self, book: Book) -> Iterator[CostLine]:
        """What is paid for, a line a thing."""
        old, new = ({(use.sku, use.region): use for use in side.uses} for side in (self.before, self.after))
        for sku, region in sorted(old.keys() | new.keys()):
            if found := unit_price(sku, region, book):
                usd, price = found
                yield CostLine(
                    stack=self.of.stack,
                    address=self.of.address,
                    sku=sku,
                    unit=price.unit,
                    before=_times(old.get((sku, region)), usd),
                    after=_times(new.get((sku, region)), usd),
                    confidence=price.confidence,
                    observed_on=price.observed_on,
                )

    def unpriced(self, book: Book) -> Iterator[UnpricedResource]:
        """Why it, or a part of it, has no price."""
        reasons = {side.why_not for side in (self.before, self.after) if side.why_not}
        for use in (*self.before.uses, *self.after.uses):
            if unit_price(use.sku, use.region, book) is None:
                reasons.add(f"the price book has no {use.sku} for {use.region or 'a resource without region'}")
        for reason in sorted(reasons):
            yield UnpricedResource(stack=self.of.stack, address=self.of.address, type=self.of.type, reason=reason)


def spending(
    resources: Iterable[Planned], regions: Mapping[str, str], book: Book, base: Environment | None, environment: Environment | None
) -> list[Spending]:
    """What every resource uses, unchanged ones too, by stack and address.

    Args:
        resources: of all plans.
        regions: stack id → region of its provider, which holds where a resource names no place.
        book: the price book.
        base: the environment before the change.
        environment: the environment after it; None for plans that are not ours.
    """
    return [
        Spending(
            of=it,
            before=_side(it, it.before, regions, book, base),
            # What is forgotten stays there and is paid for.
            after=_side(it, it.before if it.action == "forget" else it.after, regions, book, environment),
        )
        for it in sorted(resources, key=lambda it: (it.stack, it.address))
        if it.action != "read"
    ]


def _side(it: Planned, values: Values | None, regions: Mapping[str, str], book: Book, environment: Environment | None) -> Side:
    if values is None:
        return _used()
    if it.type != ENDPOINT and it.type not in FORMULAS:
        return _used(why_not="" if is_free(it.type, book) else f"{it.type} is neither priced nor known as free")
    body = declared(values)
    try:
        if it.type == ENDPOINT:
            return _deployed(environment)
        found = used(Resource(type=it.type, id=it.address, body=body), regions.get(it.stack, ""), book.assumptions)
        hours = _pooled(body) if it.type == POOL else Span()
    except Unpriced as reason:
        return _used(why_not=str(reason))
    except (AttributeError, KeyError, TypeError, ValueError):
        # A plan may leave open what a formula counts.
        return _used(why_not="how much of it is used is only known after the apply")
    return _used(found or (), hours)


def _used(uses: Iterable[Use] = (), replica_hours: Span | None = None, why_not: str = "") -> Side:
    return Side(uses=tuple(uses), replica_hours=replica_hours or Span(), why_not=why_not)


def _deployed(environment: Environment | None) -> Side:
    """The replicas behind an endpoint, of which no plan tells: none while it sleeps, as many as a rollout deploys, the most that it may."""
    if environment is None or environment.serving.resource_pool:
        return _used()
    serving = environment.serving
    uses = replicas(serving.machine_type, None, serving.min_replicas, serving.max_replicas, environment.region)
    return _used(
        (Use(sku=use.sku, region=use.region, low=0, expected=use.expected, high=use.high) for use in uses),
        Span(expected=HOURS * serving.min_replicas, high=HOURS * serving.max_replicas),
    )


def _pooled(body: Values) -> Span:
    resources = blocks(body, "dedicated_resources")[0]
    least = float(resources.get("min_replica_count", 1))
    return Span(low=HOURS * least, expected=HOURS * least, high=HOURS * float(resources.get("max_replica_count", least)))


def _times(use: Use | None, usd: float) -> Span:
    return Span() if use is None else Span(low=_cents(use.low * usd), expected=_cents(use.expected * usd), high=_cents(use.high * usd))


def total(spans: Iterable[Span]) -> Span:
    """The sum."""
    listed = list(spans)
    return Span(
        low=_cents(sum(span.low for span in listed)),
        expected=_cents(sum(span.expected for span in listed)),
        high=_cents(sum(span.high for span in listed)),
    )


def difference(after: Span, before: Span) -> Span:
    """How much more each of the three figures is."""
    return Span(
        low=_cents(after.low - before.low), expected=_cents(after.expected - before.expected), high=_cents(after.high - before.high)
    )


def _cents(amount: float) -> float:
    """Rounded, so that equal prices are equal bytes; never a negative nought."""
    return round(amount, 2) + 0.0
