"""One JSON line per event on standard output, in the shape that Cloud Logging parses."""

import sys
from datetime import UTC, datetime
from typing import Any

import orjson


def log(severity: str, message: str, **fields: Any) -> None:
    """Write one entry.

    Args:
        severity: `INFO`, `WARNING` or `ERROR`.
        message: one sentence.
        fields: further members of the entry, e.g. `httpRequest`.
    """
    entry = {"severity": severity, "time": datetime.now(UTC).isoformat(), "message": message, **fields}
    sys.stdout.write(orjson.dumps(entry).decode() + "\n")
    sys.stdout.flush()
