"""Parameter values: the types that JSON loses on the way, and the text in which a value stands in a command line."""

import json
from typing import Any

EXACT = 2**53
"""Above it a double no longer names one integer."""


def typed(value: Any, parameter_type: str | None) -> Any:
    """`value` in the Python type of `parameter_type`; every number in a compiled specification is a double."""
    if value is None:
        return None
    if parameter_type == "NUMBER_INTEGER" and not isinstance(value, bool):
        return int(float(value))
    if parameter_type == "NUMBER_DOUBLE" and not isinstance(value, bool):
        return float(value)
    if parameter_type == "BOOLEAN" and isinstance(value, str):
        return value.lower() == "true"
    if parameter_type in ("LIST", "STRUCT"):
        return whole(json.loads(value) if isinstance(value, str) else value)
    if parameter_type == "STRING" and not isinstance(value, str):
        return text(value)
    return value


def whole(value: Any) -> Any:
    """Vertex AI prints 1.0 as 1, so that a list `[1, 2]` reaches the step as integers."""
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return int(value)
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    return value


def text(value: Any) -> str:
    """`value` inside a string."""
    return value if isinstance(value, str) else json.dumps(whole(value))
