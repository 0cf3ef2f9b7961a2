"""Patterns of object names as listings take them: `matchGlob=data/**/part-*.{csv,json}`.

https://cloud.google.com/storage/docs/json_api/v1/objects/list#list-objects-and-prefixes-using-glob
"""

from __future__ import annotations

import re
from functools import lru_cache

from emulator.behaviours import Refusal

SPECIAL = re.compile(r"[\\\[\]^&~|]")
"""What means something in a set of an expression, and nothing in one of a pattern; a dash means the same in both."""
PART = re.compile(r"\*\*/|\*\*|\*|\?|\[[!^]?\]?[^\]]*\]|\\.|[{},]|[^*?\[\\{},]+|.", re.S)


@lru_cache(64)
def pattern(glob: str) -> re.Pattern[str]:
    """The expression that a name must match in full: `*` and `?` stop at a slash, `**` does not, `{a,b}` is either.

    Raises:
        Refusal: It is no pattern.
    """
    pieces, depth = [], 0
    for part in PART.findall(glob):
        if part == "**/":
            pieces.append("(?:.*/)?")
        elif part == "**":
            pieces.append(".*")
        elif part in "*?":
            pieces.append("[^/]*" if part == "*" else "[^/]")
        elif part == "{":
            depth += 1
            pieces.append("(?:")
        elif part == "}" and depth:
            depth -= 1
            pieces.append(")")
        elif part == "," and depth:
            pieces.append("|")
        elif part.startswith("[") and len(part) > 2:
            inner = part[1:-1]
            negated = inner[0] in "!^"
            pieces.append("[" + "^" * negated + SPECIAL.sub(r"\\\g<0>", inner[negated:]) + "]")
        else:
            pieces.append(re.escape(part[1:] if part.startswith("\\") and len(part) == 2 else part))
    try:
        if depth:
            raise re.error("a brace is not closed")
        return re.compile("".join(pieces), re.S)
    except re.error as error:
        raise Refusal(400, "INVALID_ARGUMENT", f"Invalid matchGlob {glob[:200]!r}: {error}. Nothing was listed.") from None
