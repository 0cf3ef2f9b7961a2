"""`infra/prices.yaml`: prices copied by hand from Google's public pages, each with its source, its day and how far it can be trusted."""

import datetime
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from environments.loading import read
from environments.schema import Strict

BOOK = Path(__file__).parents[1] / "prices.yaml"
ANYWHERE = "any"
OLD_DAYS = 730
"""An observation older than this fails a test: it is looked up again, and its day is written anew."""

Sku = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
ResourceType = Annotated[str, StringConstraints(pattern=r"^google_[a-z0-9_]+$")]


class Price(Strict):
    """One price."""

    sku: Sku
    """Our own word for what is paid for."""
    region: Annotated[str, StringConstraints(pattern=r"^([a-z]+-[a-z]+[0-9]+|eu|us|any)$")]
    """Where it holds; `any` where the page knows one price for all."""
    unit: str
    usd: Annotated[float, Field(ge=0)]
    source: Annotated[str, StringConstraints(pattern=r"^https://")]
    """The page that states it."""
    observed_on: datetime.date | None
    """The day on which the page, or a dated copy of it, was read; null for a price from memory that nobody has compared yet."""
    confidence: Literal["high", "medium", "low"]

    @model_validator(mode="after")
    def _what_nobody_looked_up_is_not_trusted(self) -> Self:
        if self.observed_on is None and self.confidence != "low":
            raise ValueError(
                f"{self.sku} was never observed and claims confidence {self.confidence!r}; read its page and date it, or say low"
            )
        return self


class Amount(Strict):
    """How much an idle environment uses of something that no stack declares, in a month."""

    low: Annotated[float, Field(ge=0)]
    expected: Annotated[float, Field(ge=0)]
    high: Annotated[float, Field(ge=0)]
    reason: Annotated[str, StringConstraints(min_length=10)]

    @model_validator(mode="after")
    def _amounts_are_ordered(self) -> Self:
        if not self.low <= self.expected <= self.high:
            raise ValueError(f"low {self.low}, expected {self.expected}, high {self.high} are out of order; sort them")
        return self


class Assumptions(Strict):
    """What is in an idle environment beside its shells."""

    bucket_gib: Amount
    """Objects of one bucket."""
    table_gib: Amount
    """Rows of one BigQuery table."""
    images_gib: Amount
    """Images of one repository."""
    tensorboard_gib: Amount
    secret_versions: Amount
    """Active versions of one secret."""
    logs_gib: Amount
    """Logs of one log bucket that are kept beyond the free thirty days."""


class Book(Strict):
    """The content of `prices.yaml`."""

    prices: Annotated[list[Price], Field(min_length=1)]
    assumptions: Assumptions
    free: dict[ResourceType, Annotated[str, StringConstraints(min_length=6)]]
    """Resource types that cost nothing by being there, each with the reason."""

    @model_validator(mode="after")
    def _each_price_stands_once(self) -> Self:
        keys = [(price.sku, price.region) for price in self.prices]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise ValueError(f"prices stand twice: {twice}; one of the two would silently win; keep one")
        return self

    def price(self, sku: str, region: str) -> Price | None:
        """The price of `sku` in `region`, or the one that holds anywhere; None where the book has neither."""
        found: Mapping[tuple[str, str], Price] = {(price.sku, price.region): price for price in self.prices}
        return found.get((sku, region.lower())) or found.get((sku, ANYWHERE))

    def old(self, today: datetime.date) -> list[Price]:
        """Prices that were observed longer than `OLD_DAYS` ago."""
        return [price for price in self.prices if price.observed_on and (today - price.observed_on).days > OLD_DAYS]


@cache
def book(path: Path = BOOK) -> Book:
    """The price book.

    Raises:
        ConfigurationError: when the file is wrong.
    """
    return read(path, Book)
