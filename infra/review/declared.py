"""Values of a plan as a declaration has them: a plan writes every attribute that a type knows, most of them null or empty."""

from collections.abc import Mapping
from typing import Any


def declared(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without nulls, empty texts, lists and blocks, at any depth."""
    kept = {key: _kept(value) for key, value in values.items()}
    return {key: value for key, value in kept.items() if value not in (None, "", [], {})}


def _kept(value: Any) -> Any:
    if isinstance(value, Mapping):
        return declared(value)
    if isinstance(value, list):
        return [kept for kept in map(_kept, value) if kept not in (None, "", [], {})]
    return value
