"""The section on money: what the stacks cost a month before and after, what has no price, and who has to agree."""

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from environments import Environment
from infra.price.book import Book
from infra.review.change import Planned, Values, at, number
from infra.review.report import (
    Assumption,
    CostChanges,
    CostLine,
    Finding,
    Level,
    Span,
    StackCost,
    ordered,
)
from infra.review.spending import ENDPOINT, POOL, Spending, difference, spending, total

JUMP_USD = 50.0
"""What a stack may be expected to cost more a month before somebody has to agree."""
JUMP_HIGH_USD = 500.0
"""The same for what it may cost at most."""
WORKBENCH = "google_workbench_instance"
IDLE = "idle-timeout-seconds"


def costs(
    resources: Sequence[Planned],
    regions: Mapping[str, str],
    book: Book,
    today: datetime.date,
    environment: Environment | None = None,
    base: Environment | None = None,
) -> CostChanges:
    """What the resources of some plans cost a month, before and after.

    Args:
        resources: all of them, unchanged ones too, since a budget is about the whole.
        regions: stack id → region of its provider, which holds where a resource names no place.
        book: the price book.
        today: the day of the review.
        environment: whose plans they are; it says what is deployed behind its endpoints. None for plans that are not ours.
        base: the environment before the change, where that is known; else as `environment`.
    """
    spent = spending(resources, regions, book, base or environment, environment)
    lines = [line for one in spent for line in one.lines(book)]
    unpriced = [reason for one in spent for reason in one.unpriced(book)]
    stacks = [_stack(stack, [line for line in lines if line.stack == stack]) for stack in sorted({it.stack for it in resources})]
    before, after = total(stack.before for stack in stacks), total(stack.after for stack in stacks)
    observed = [line.observed_on for line in lines if line.observed_on]
    budget = environment.budget if environment else None
    found = [
        *_jumps(stacks),
        *(_over(before, after, budget.monthly, budget.currency) if budget else ()),
        *(finding for one in spent for finding in (*_gpu_hours(one), *_idle_shutdown(one.of))),
        *_unpriced(spent, book),
    ]
    return CostChanges(
        findings=ordered(found),
        before=before,
        after=after,
        delta=difference(after, before),
        stacks=tuple(stacks),
        lines=tuple(line for line in lines if line.before != line.after),
        unpriced=tuple(unpriced),
        gpu_hours_before=total(one.before.gpu_hours for one in spent),
        gpu_hours_after=total(one.after.gpu_hours for one in spent),
        endpoint_hours_before=total(one.before.replica_hours for one in spent),
        endpoint_hours_after=total(one.after.replica_hours for one in spent),
        assumptions=tuple(assumption for one in spent for assumption in _assumptions(one.of, base or environment, environment)),
        budget=float(budget.monthly) if budget else None,
        prices_from=min(observed, default=None),
        prices_to=max(observed, default=None),
        oldest_days=(today - min(observed)).days if observed else None,
    )


def _stack(stack: str, lines: Sequence[CostLine]) -> StackCost:
    before, after = total(line.before for line in lines), total(line.after for line in lines)
    return StackCost(stack=stack, before=before, after=after, delta=difference(after, before))


def _jumps(stacks: Iterable[StackCost]) -> Iterator[Finding]:
    for it in stacks:
        if it.delta.expected >= JUMP_USD or it.delta.high >= JUMP_HIGH_USD:
            yield Finding(
                id="cost-jump",
                level="sign-off",
                stack=it.stack,
                address="",
                text=f"the stack would cost {_money(it.after)} USD a month instead of {_money(it.before)} (least – expected – most)",
                remedy="Take back the size that makes the difference, or agree to the price.",
            )


def _over(before: Span, after: Span, budget: int, currency: str) -> Iterator[Finding]:
    """Expected above the budget stops a change that makes it dearer; most above it asks whether that is meant."""
    if after.high <= budget:
        return
    level: Level = "note"
    if after.expected > budget:
        level = "block" if after.expected > before.expected else "sign-off"
    elif after.high > before.high:
        level = "sign-off"
    rate = "" if currency == "USD" else f", {currency} and USD taken as equal"
    yield Finding(
        id="over-budget",
        level=level,
        stack="",
        address="",
        text=f"the environment would cost {_money(after)} USD a month (before: {_money(before)}) of {budget} {currency}{rate}",
        remedy="Choose smaller or fewer machines, or raise budget.monthly in the environment's file and say why.",
    )


def _gpu_hours(one: Spending) -> Iterator[Finding]:
    old, new = one.before.gpu_hours, one.after.gpu_hours
    if new.high > old.high or new.expected > old.expected:
        text = f"would run GPUs for {_hours(new)} hours a month instead of {_hours(old)}"
        yield one.of.finding("gpu-hours", "sign-off", text, "Take a machine without accelerator, or agree to the hours.")


def _idle_shutdown(it: Planned) -> Iterator[Finding]:
    """A workbench that no longer stops by itself, or later than before."""
    if it.type != WORKBENCH or it.after is None or not it.change:
        return
    old, new = _minutes(it.before), _minutes(it.after)
    if new is None and (it.before is None or old is not None):
        text = "would not stop by itself when nobody works: it is paid for day and night"
        yield it.finding("idle-shutdown-off", "sign-off", text, f"Set {IDLE} in its metadata (idle_shutdown_minutes).")
    elif new is not None and old is not None and new > old:
        text = f"would stop after {new:.0f} idle minutes instead of {old:.0f}"
        yield it.finding("idle-shutdown-off", "note", text, "Take idle_shutdown_minutes of the instance back.")


def _minutes(workbench: Values | None) -> float | None:
    """Idle minutes after which a workbench stops; None where it never does, or is not there."""
    metadata = at(workbench, "gce_setup.metadata")
    found = number(metadata.get(IDLE)) if isinstance(metadata, Mapping) else None
    return found / 60 if found else None


def _unpriced(spent: Iterable[Spending], book: Book) -> Iterator[Finding]:
    """What changes and has no price: one finding a stack and reason, since a plan of a thousand resources would say it a thousand times."""
    groups: dict[tuple[str, str], list[Spending]] = {}
    for one in spent:
        for gap in one.unpriced(book) if one.of.change else ():
            groups.setdefault((gap.stack, gap.reason), []).append(one)
    for (stack, reason), alike in groups.items():
        # Where a price went away, the sums look lower than they are.
        hidden = [one for one in alike if one.of.after is not None and total(line.before for line in one.lines(book)).high >= JUMP_USD]
        yield Finding(
            id="unpriced",
            level="sign-off" if hidden else "note",
            stack=stack,
            address=alike[0].of.address if len(alike) == 1 else "",
            text=f"in no sum, since {reason}"
            + (f" ({len(alike)} resources)" if len(alike) > 1 else "")
            + ("; what it costs today has a price, so that the change looks cheaper than it is" if hidden else ""),
            remedy="Add the price to infra/prices.yaml, or the reason why it is free.",
        )


def _assumptions(it: Planned, base: Environment | None, environment: Environment | None) -> Iterator[Assumption]:
    """What the hours of a resource rest on."""
    if says := RESTS_ON.get(it.type):
        before, after = ("" if side is None else says(side, of) for side, of in ((it.before, base), (it.after, environment)))
        yield Assumption(stack=it.stack, address=it.address, before=before, after=after)


def _stops(workbench: Values, environment: Environment | None) -> str:
    minutes = _minutes(workbench)
    return f"stops after {minutes:.0f} idle minutes" if minutes else "runs all month, since it never stops by itself"


def _scales(endpoint: Values, environment: Environment | None) -> str:
    if environment is None:
        return "what is deployed behind it is in no plan"
    serving = environment.serving
    if serving.resource_pool:
        return "its models run in the pool"
    return f"{serving.min_replicas} to {serving.max_replicas} replicas of {serving.machine_type} all month, none while it sleeps"


def _pools(pool: Values, environment: Environment | None) -> str:
    return "its replicas run all month, with and without requests"


RESTS_ON: dict[str, Callable[[Values, Environment | None], str]] = {WORKBENCH: _stops, ENDPOINT: _scales, POOL: _pools}


def _money(span: Span) -> str:
    return f"{span.low:,.2f} – {span.expected:,.2f} – {span.high:,.2f}"


def _hours(span: Span) -> str:
    return f"{span.low:,.0f} – {span.expected:,.0f} – {span.high:,.0f}"
