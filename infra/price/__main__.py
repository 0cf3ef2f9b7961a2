"""`python -m infra.price --env E [--json]`: what the environment costs a month while nobody uses it."""

import argparse
import datetime
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from environments import ConfigurationError, tasks
from infra.app import synthesise
from infra.policies.subject import read
from infra.price.book import BOOK, Book, book
from infra.price.idle import Idle, Line, Total, idle, total
from infra.synthesis.node import NodeMissing


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the price per stack; 0, or 2 when the stacks or the price book cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m infra.price", description="Monthly price of an idle environment.")
    parser.add_argument("--env", required=True, metavar="E", help="environment")
    parser.add_argument("--json", action="store_true", help="print every line as JSON")
    options = parser.parse_args(arguments)
    try:
        found = of(options.env)
        prices = book()
    except (ConfigurationError, NodeMissing) as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(asdict(found), indent=2) if options.json else text(found, prices, datetime.date.today()))
    return 0


def of(environment: str) -> Idle:
    """The price of an environment, from stacks that are synthesised for it.

    Raises:
        ConfigurationError: when its files or the price book are wrong.
    """
    with tempfile.TemporaryDirectory(prefix="price-") as out:
        synthesise([environment], Path(out))
        return idle(read(Path(out), [environment]), book(), tasks())


def text(found: Idle, prices: Book, today: datetime.date) -> str:
    """The price for people: a line a stack with what it is made of, then what has no price, then how far to trust it."""
    said = [f"{found.environment}, idle: USD a month, least – expected – most"]
    for stack in dict.fromkeys(line.stack for line in found.lines):
        own = [line for line in found.lines if line.stack == stack]
        said.append(f"  {stack:<20}{_amounts(total(own))}")
        said += [f"    {sku:<26}{_amounts(total(lines))}" for sku, lines in _by_sku(own).items() if total(lines).high >= 0.005]
    said.append(f"  {'all stacks':<20}{_amounts(total(found.lines))}")
    if found.deployed:
        said.append(f"  {'deployed models':<20}{_amounts(total(found.deployed))}  on top, while one is behind every endpoint (make sleep)")
    if found.unpriced:
        reasons = Counter(gap.reason for gap in found.unpriced)
        said += ["unpriced, so not in the sums:", *(f"  {count} × {reason}" for reason, count in sorted(reasons.items()))]
    unsure = sorted({line.sku for line in [*found.lines, *found.deployed] if line.confidence == "low" and line.high})
    if unsure:
        said.append(f"low confidence (from memory or an old page): {', '.join(unsure)}")
    if old := prices.old(today):
        said.append(f"observed more than two years ago: {', '.join(sorted({price.sku for price in old}))}; mend {BOOK.name}")
    return "\n".join(said)


def _by_sku(lines: Sequence[Line]) -> dict[str, list[Line]]:
    return {sku: [line for line in lines if line.sku == sku] for sku in dict.fromkeys(line.sku for line in lines)}


def _amounts(sum_: Total) -> str:
    return f"{sum_.low:>9.2f} – {sum_.expected:>8.2f} – {sum_.high:>8.2f}"


if __name__ == "__main__":
    sys.exit(main())
