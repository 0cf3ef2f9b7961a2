"""Partial responses: `fields=items(name,size),nextPageToken` keeps of an answer what is named, at any depth.

https://cloud.google.com/storage/docs/json_api#partial-response
"""

from __future__ import annotations

import re
from collections import deque
from typing import Any

from emulator.behaviours import Refusal
from emulator.discovery import Document

Json = dict[str, Any]
Mask = dict[str, Any]
"""Field → mask of what lies below it; an empty one keeps all of it. `*` names every field."""

TOKEN = re.compile(r"[\w@.$-]+|[*(),/]")
DEPTH = 100
"""How often a mask may go deeper."""


def parsed(text: str) -> Mask:
    """The mask that a `fields` parameter writes.

    Raises:
        Refusal: It is none.
    """
    tokens = deque(TOKEN.findall(text))
    if "".join(tokens) != re.sub(r"\s", "", text) or text.count("(") + text.count("/") > DEPTH:
        raise _invalid(text)
    mask = _selection(tokens, text)
    if tokens:
        raise _invalid(text)
    return mask


def _selection(tokens: deque[str], text: str) -> Mask:
    """`a,b/c,d(e,f)`."""
    mask = _path(tokens, text)
    while tokens and tokens[0] == ",":
        tokens.popleft()
        _merge(mask, _path(tokens, text))
    return mask


def _path(tokens: deque[str], text: str) -> Mask:
    """`a`, `b/c` or `d(e,f)`."""
    if not tokens or tokens[0] in "(),/":
        raise _invalid(text)
    name = tokens.popleft()
    below: Mask = {}
    if tokens and tokens[0] == "/":
        tokens.popleft()
        below = _path(tokens, text)
    elif tokens and tokens[0] == "(":
        tokens.popleft()
        below = _selection(tokens, text)
        if not tokens or tokens.popleft() != ")":
            raise _invalid(text)
    return {name: below}


def _merge(mask: Mask, other: Mask) -> None:
    """A field that is named twice keeps what either asks for."""
    for name, below in other.items():
        if mask.get(name) and below:
            _merge(mask[name], below)
        else:
            mask[name] = {} if name in mask else below


def selected(value: Any, mask: Mask) -> Any:
    """What the mask keeps of a value; of a list, of each of its elements."""
    if not mask:
        return value
    if isinstance(value, list):
        return [selected(item, mask) for item in value]
    if not isinstance(value, dict):
        return value
    if "*" in mask:
        return {key: selected(item, mask[key] if key in mask else mask["*"]) for key, item in value.items()}
    return {key: selected(value[key], below) for key, below in mask.items() if key in value}


def check(document: Document, schema: Json, mask: Mask) -> None:
    """Refuses a mask that names what an answer of this schema never has.

    Raises:
        Refusal: Names the field.
    """
    if "$ref" in schema:
        schema = document.schemas[schema["$ref"]]
    if schema.get("type") == "array":
        check(document, schema["items"], mask)
        return
    properties = schema.get("properties")
    if properties is None or "additionalProperties" in schema:
        return
    for name, below in mask.items():
        if name != "*" and name not in properties:
            raise _invalid(name)
        for inner in properties.values() if name == "*" else [properties[name]]:
            if name != "*":
                check(document, inner, below)


def _invalid(text: str) -> Refusal:
    message = f"Invalid field selection {text[:200]}. Name fields of the answer, as in items(name,size),nextPageToken. Nothing was done."
    return Refusal(400, "INVALID_ARGUMENT", message, reason="invalidParameter")
