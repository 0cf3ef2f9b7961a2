"""Numbers of enums. Clients of the GAPIC family send enums as integers over REST, and a number is not an index into a document's list.

The numbers stand in the installed client libraries, in the source of their `types` packages; they are read as text, since importing one
of these packages costs seconds.
"""

from __future__ import annotations

import re
import sysconfig
from functools import cache
from pathlib import Path

CLASS = re.compile(r"^( *)class (\w+)\(proto\.Enum\):\n((?:\1 +.*\n|\n)+)", re.M)
MEMBER = re.compile(r"^ +([A-Z][A-Z0-9_]*) = (-?\d+)$", re.M)


def enum_name(service: str, version: str, choices: tuple[str, ...], number: int) -> str | int:
    """Name of `number` in the enum whose names a document lists as `choices`; the number itself where no library knows that enum."""
    known = max(_enums(service, version), key=lambda members: len(set(members.values()) & set(choices)), default={})
    name = known.get(number)
    return name if name in choices else number


@cache
def _enums(service: str, version: str) -> tuple[dict[int, str], ...]:
    """All enums of the library for `service`: number → name."""
    google = Path(sysconfig.get_path("purelib"), "google")
    package = f"{PACKAGES.get(service, service)}_{version}"
    return tuple(
        {int(number): name for name, number in MEMBER.findall(match.group(3))}
        for folder in (google / package / "types", google / "cloud" / package / "types")
        for module in sorted(folder.glob("*.py"))
        for match in CLASS.finditer(module.read_text())
    )


PACKAGES = {"cloudresourcemanager": "resourcemanager"}
"""Libraries whose package is not called after the API."""
