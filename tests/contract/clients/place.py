"""Where the calls of this folder are made: a project, and names in it that belong to one run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

VARIABLE = "CONTRACT_PLACE"
"""Holds the place as JSON where `tests.contract.verify` has chosen it."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A project, and a prefix that no other run uses."""

    project: str
    region: str
    prefix: str
    """Begins every name that a run gives: lower-case letters, digits and dashes, at most 20 characters."""
    image: str
    """The container image `pipelines` of this repository: Python with Google's clients and kfp."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """On everything that carries labels; `ttl` is the day after which `make sweep` deletes it."""

    @property
    def bucket(self) -> str:
        """The run's own bucket."""
        return f"{self.project}-{self.prefix}"

    @property
    def location(self) -> str:
        """`projects/P/locations/R`, the parent of what is regional."""
        return f"projects/{self.project}/locations/{self.region}"

    def name(self, purpose: str) -> str:
        """A name that only this run gives."""
        return f"{self.prefix}-{purpose}"

    def identifier(self, purpose: str) -> str:
        """The same for BigQuery and Feature Store, which forbid dashes."""
        return self.name(purpose).replace("-", "_")

    def uri(self, path: str) -> str:
        """`gs://` and a path in the run's bucket."""
        return f"gs://{self.bucket}/{path}"

    def dump(self) -> str:
        """The place as JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The place that `dump` wrote."""
        return cls(**json.loads(text))
