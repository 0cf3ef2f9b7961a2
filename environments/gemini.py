"""The Gemini catalogue (`models.yaml`): the only place with a model id, so that a retirement is one edit."""

import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from environments.schema import Strict, Word

NOTICE = datetime.timedelta(days=60)
"""Google closes new access one month before retirement; the check fails a month earlier still."""


class GeminiModel(Strict):
    """One model of the catalogue."""

    alias: Word
    """The name that code uses."""
    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+$")]
    purpose: Literal["generation", "embedding"]
    released: datetime.date
    retires: datetime.date | None
    """The earliest announced end, or nothing announced."""
    tunable: bool

    def expires_within_notice(self, today: datetime.date) -> bool:
        """Whether the model retires within `NOTICE` of `today` (or has already)."""
        return self.retires is not None and self.retires - today <= NOTICE


class Catalogue(Strict):
    """The content of `models.yaml`."""

    models: Annotated[list[GeminiModel], Field(min_length=1)]

    def id(self, alias: str) -> str:
        """The model id behind `alias`; raises `KeyError` naming the known aliases."""
        known = {model.alias: model.id for model in self.models}
        if alias not in known:
            raise KeyError(f"no Gemini model has the alias {alias!r}; environments/models.yaml knows {sorted(known)}; add it there")
        return known[alias]
