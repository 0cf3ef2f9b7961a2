"""Parameter values: the types that JSON loses on the way."""

import json
from typing import Any

from emulator.expressions import text, whole


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
