"""What a role holds: predefined roles from `roles.yaml`, custom ones from the store."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("roles.yaml")


@cache
def table() -> dict[str, Any]:
    """`roles.yaml`: `aiplatform.user` → its source and its patterns."""
    import yaml

    read: dict[str, Any] = yaml.safe_load(TABLE.read_text())["roles"]
    return read


def holds(role: str, permission: str, custom: tuple[str, ...] = ()) -> bool:
    """Whether `role` holds `permission`.

    Args:
        role: `roles/aiplatform.user`, or a custom role's name.
        permission: `aiplatform.endpoints.predict`.
        custom: What a custom role holds.
    """
    if not role.startswith("roles/"):
        return permission in custom
    given, taken = _patterns(role.removeprefix("roles/"))
    return bool(given.fullmatch(permission)) and not taken.fullmatch(permission)


@cache
def _patterns(role: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    listed = table().get(role, {}).get("permissions", [])
    given = [_expression(pattern) for pattern in listed if not pattern.startswith("-")]
    taken = [_expression(pattern[1:]) for pattern in listed if pattern.startswith("-")]
    # An alternative of nothing matches nothing.
    return re.compile("|".join(given) or "(?!)"), re.compile("|".join(taken) or "(?!)")


def _expression(pattern: str) -> str:
    """The regular expression of `storage.objects.{get,list}` or `storage.*`."""
    parts = re.split(r"(\{[^}]*\}|\*)", pattern)
    return "".join(
        ".*" if part == "*" else f"(?:{'|'.join(map(re.escape, part[1:-1].split(',')))})" if part.startswith("{") else re.escape(part)
        for part in parts
    )
