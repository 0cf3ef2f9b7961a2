"""How the old and the new value of an attribute are written: short ones in a line, documents as the lines that differ."""

import difflib
import json
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import JsonValue

from infra.review.report import HIDDEN, UNKNOWN, AttributeChange

Sign = Literal["-", "+", " ", "…"]
ABSENT = "(none)"
AROUND = 2
"""Lines of a document that are shown around those that differ."""
COMPARED = 2_000
"""Lines of two documents that are compared line by line; longer ones are shown whole."""


def value(content: JsonValue) -> str:
    """A value in one line: text as it is, anything else as JSON."""
    if content is None:
        return ABSENT
    if isinstance(content, str) and content.strip():
        return content
    return json.dumps(content, ensure_ascii=False, sort_keys=True)


def pair(attribute: AttributeChange) -> tuple[str, str]:
    """The old and the new value; what is sensitive or not known yet is said in words."""
    if attribute.sensitive:
        return (ABSENT if attribute.before is None else HIDDEN, ABSENT if attribute.after is None and not attribute.unknown else HIDDEN)
    before, after = value(attribute.before), UNKNOWN if attribute.unknown else value(attribute.after)
    if before == after:
        # The text "1" became the number 1.
        return json.dumps(attribute.before), json.dumps(attribute.after)
    return before, after


def document(content: JsonValue) -> list[str] | None:
    """The lines of a value that is a document: several lines, JSON, or a list or an object of some length; None of any other."""
    if isinstance(content, str):
        if content[:1] in ("{", "["):
            try:
                return json.dumps(json.loads(content), indent=2, ensure_ascii=False).splitlines()
            except ValueError:
                pass
        return content.splitlines() if "\n" in content.strip("\n") else None
    if isinstance(content, (list, dict)) and content:
        return json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True).splitlines()
    return None


def difference(attribute: AttributeChange) -> list[tuple[Sign, str]] | None:
    """The lines in which two documents differ, with some around them; None when neither value is a document."""
    if attribute.sensitive:
        return None
    before, after = document(attribute.before), document(attribute.after)
    if before is None and after is None:
        return None
    old = before if before is not None else _line(attribute.before)
    new = [UNKNOWN] if attribute.unknown else after if after is not None else _line(attribute.after)
    if len(old) + len(new) > COMPARED or not old or not new:
        return [*(("-", line) for line in old), *(("+", line) for line in new)]
    return list(_compared(old, new))


def _line(content: JsonValue) -> list[str]:
    return [] if content is None else [value(content)]


def _compared(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[Sign, str]]:
    end = 0
    for group in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(AROUND):
        if group[0][1] > end:
            yield "…", f"{group[0][1] - end} lines as before"
        end = group[-1][2]
        for kind, from_old, to_old, from_new, to_new in group:
            if kind == "equal":
                yield from ((" ", line) for line in old[from_old:to_old])
            else:
                yield from (("-", line) for line in old[from_old:to_old])
                yield from (("+", line) for line in new[from_new:to_new])
    if end < len(old):
        yield "…", f"{len(old) - end} lines as before"
