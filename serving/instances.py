"""Pictures and texts as the serving contract takes them, in requests that Vertex AI accepts."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

REQUEST_BYTES = 1_400_000
"""Vertex AI refuses prediction requests beyond 1.5 MB."""

Item = TypeVar("Item")


def instance(content: bytes | str) -> dict[str, str]:
    """An encoded picture or a text as an instance."""
    return {"text": content} if isinstance(content, str) else {"b64": base64.b64encode(content).decode()}


def fits(one: Mapping[str, str]) -> bool:
    """Whether a request can hold the instance."""
    return _size(one) <= REQUEST_BYTES


def batches(items: Iterable[Item], most: int, as_instance: Callable[[Item], Mapping[str, str]]) -> list[list[Item]]:
    """Requests of `most` items, or fewer where they would grow too large; what does not fit alone is left out."""
    found: list[list[Item]] = []
    room = 0
    for item in items:
        one = as_instance(item)
        if not fits(one):
            continue
        size = _size(one)
        if not found or len(found[-1]) == most or size > room:
            found.append([])
            room = REQUEST_BYTES
        found[-1].append(item)
        room -= size
    return found


def _size(one: Mapping[str, str]) -> int:
    """Bytes in a request's JSON, with what separates it from the next."""
    return len(json.dumps(one)) + 2
