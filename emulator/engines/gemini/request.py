"""A request as it came, in a file's row or from a client without a discovery document, held to Google's own description of it."""

from __future__ import annotations

from typing import Any

from emulator import discovery, validation
from emulator.behaviours import Refusal, not_emulated

Json = dict[str, Any]


def conformed(verb: str, given: Json, collection: str = "publishers.models") -> Json:
    """The body of a method of Vertex AI, in camelCase.

    Args:
        verb: `generateContent`, `countTokens`, `create`, …
        given: The body; the Gemini API's messages are the same.
        collection: Whose method it is.

    Raises:
        Refusal: It does not fit; the message names each field.
    """
    described = discovery.document("aiplatform", "v1beta1")
    method = described.by_id.get(f"projects.locations.{collection}.{verb}") if described else None
    if method is None:
        raise not_emulated(f"{collection.rpartition('.')[2]}:{verb} of the Gemini API")
    # Only the Gemini API may repeat the model of the path in the body.
    kept = {name: value for name, value in given.items() if name != "model" or collection != "publishers.models"}
    try:
        body: Json = _without_nulls(validation.body(method, kept, partial=True))
        return body
    except RecursionError:
        raise Refusal(400, "", "Invalid JSON payload received. Message too deep.") from None


def _without_nulls(value: Any) -> Any:
    """A field that is null is not set."""
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value
