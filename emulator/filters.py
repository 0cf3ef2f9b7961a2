"""Filters (https://google.aip.dev/160) and orders of lists, as far as the clients of this playbook write them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from emulator.behaviours import Refusal, not_emulated
from emulator.validation import camel

Json = dict[str, Any]
Test = Callable[[Json], bool]
Functions = dict[str, Callable[[Json, str], bool]]

TOKEN = re.compile(
    r"""\s*(?:([()])|(!=|<=|>=|=|:|<|>)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(,|(?:[^\s(),=:<>!"']|(?<=\.)"(?:[^"\\]|\\.)*")+))"""
)
PART = re.compile(r'"((?:[^"\\]|\\.)*)"|([^."]+)')
"""Of a path: `labels."compute.googleapis.com/zone"` has two."""
ORDER = re.compile(r"([\w.]+)(?:\s+(asc|desc))?")
VALUES = ("stringValue", "numberValue", "boolValue")
SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")
"""In their order: https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#LogSeverity."""


def select(rows: list[Json], text: str, functions: Functions | None = None) -> list[Json]:
    """The rows that a filter lets through.

    Args:
        rows: Resources.
        text: The filter; an empty one lets all through.
        functions: Functions that the API's filters know, e.g. `in_context("…")`: name → test of a row and the argument.

    Raises:
        Refusal: The filter uses what is not emulated; it is never ignored in silence.
    """
    if not text.strip():
        return rows
    tokens, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            raise not_emulated(f"Filter {text!r}")
        tokens.append(match.group().strip())
        position = match.end()
    parser = _Parser(text, tokens, functions or {})
    test = parser.alternatives()
    if parser.tokens:
        raise not_emulated(f"Filter {text!r}")
    return [row for row in rows if test(row)]


def ordered(rows: list[Json], text: str, properties: Json) -> list[Json]:
    """Sorts rows by several fields, the first first; https://google.aip.dev/132#ordering.

    Args:
        rows: Resources.
        text: `create_time desc, display_name`.
        properties: Of their schema; none where it is not known.

    Raises:
        Refusal: It is no order, or names a field that they do not have.
    """
    for term in reversed([term.strip() for term in text.split(",")] if text.strip() else []):
        match = ORDER.fullmatch(term)
        path = [camel(part) for part in match[1].split(".")] if match else []
        if match is None or (properties and path[0] not in properties):
            message = f"Invalid order_by: {term[:80]!r} is no field of these resources, followed by 'desc' or nothing. Nothing was listed."
            raise Refusal(400, "INVALID_ARGUMENT", message)
        numeric = properties.get(path[0], {}).get("format") in ("int64", "uint64")
        rows = sorted(rows, key=functools.partial(_rank, path=path, numeric=numeric), reverse=match[2] == "desc")
    return rows


def _rank(row: Json, path: list[str], numeric: bool) -> tuple[int, float, str]:
    """Where a row stands in an order: without a value first, then by number, then by text."""
    value: Any = row
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return 0, 0.0, ""
    if isinstance(value, (int, float)) or (numeric and str(value).lstrip("-").isdigit()):
        return 1, float(value), ""
    return 2, 0.0, str(value)


class _Parser:
    """Recursive descent; AND binds less than OR in AIP-160, but the parentheses that clients write hide the difference."""

    def __init__(self, text: str, tokens: list[str], functions: Functions) -> None:
        self.text, self.tokens, self.functions = text, tokens, functions

    def alternatives(self) -> Test:
        tests = [self.sequence()]
        while self.tokens and self.tokens[0].upper() == "OR":
            self.tokens.pop(0)
            tests.append(self.sequence())
        return lambda row: any(test(row) for test in tests)

    def sequence(self) -> Test:
        tests = [self.term()]
        while self.tokens and self.tokens[0] != ")" and self.tokens[0].upper() != "OR":
            if self.tokens[0].upper() == "AND":
                self.tokens.pop(0)
            tests.append(self.term())
        return lambda row: all(test(row) for test in tests)

    def term(self) -> Test:
        token = self.take()
        if token.upper() == "NOT":
            inner = self.term()
            return lambda row: not inner(row)
        if token == "(":
            inner = self.alternatives()
            self.expect(")")
            return inner
        if token in self.functions and self.tokens[:1] == ["("]:
            self.take()
            function, argument = self.functions[token], _unquoted(self.take())
            self.expect(")")
            return lambda row: function(row, argument)
        if not self.tokens or self.tokens[0] not in OPERATORS:
            raise not_emulated(f"Filter {self.text!r}")
        path, operator, value = [quoted or plain for quoted, plain in PART.findall(token)], self.take(), self.take()
        if value in MATCHES and operator in ("=", "!=") and self.tokens[:1] == ["("]:
            match, arguments, wanted = MATCHES[value], self.arguments(), operator == "="
            return lambda row: match(_at(row, path), arguments) is wanted
        literal = _unquoted(value)
        return lambda row: OPERATORS[operator](_at(row, path), literal)

    def arguments(self) -> list[str]:
        """What stands between the parentheses of `one_of("a", "b")`."""
        self.expect("(")
        found = [_unquoted(self.take())]
        while self.tokens[:1] == [","]:
            self.take()
            found.append(_unquoted(self.take()))
        self.expect(")")
        return found

    def take(self) -> str:
        if not self.tokens:
            raise not_emulated(f"Filter {self.text!r}")
        return self.tokens.pop(0)

    def expect(self, token: str) -> None:
        if self.take() != token:
            raise not_emulated(f"Filter {self.text!r}")


def _unquoted(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1]) if token[:1] in ('"', "'") else token


def _at(row: Json, path: list[str]) -> Any:
    """The value at the parts of a path: `labels.env`, `display_name`, `metadata.accuracy.number_value`; below a list, that of each."""
    value: Any = row
    for part in path:
        if isinstance(value, list):
            value = [one.get(part, one.get(camel(part))) for one in value if isinstance(one, dict)]
            continue
        if camel(part) in VALUES and not isinstance(value, dict):
            continue
        if not isinstance(value, dict):
            return None
        value = value.get(part, value.get(camel(part)))
    return value


def _equal(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return str(value).lower() == wanted.lower()
    if isinstance(value, (int, float)):
        return _compare(value, wanted) == 0
    if isinstance(value, list):  # Cloud Build's tags="…": one of them
        return wanted in value
    return value is not None and str(value) == wanted


def _has(value: Any, wanted: str) -> bool:
    if wanted == "*":
        return value is not None
    if isinstance(value, (list, dict)):
        return wanted in value
    return value is not None and wanted.strip("*").lower() in str(value).lower()


def _compare(value: Any, wanted: str) -> int | None:
    if value is None:
        return None
    if value in SEVERITIES and wanted.upper() in SEVERITIES:
        value, wanted = SEVERITIES.index(value), str(SEVERITIES.index(wanted.upper()))
    try:
        left, right = float(value), float(wanted)
    except (TypeError, ValueError):
        return (str(value) > wanted) - (str(value) < wanted)
    return (left > right) - (left < right)


def _full_match(value: Any, pattern: str) -> bool:
    try:
        return re.fullmatch(pattern, str(value)) is not None
    except re.error:
        raise Refusal(400, "INVALID_ARGUMENT", f"{pattern[:200]!r} is no regular expression: nothing was selected.") from None


MATCHES: dict[str, Callable[[Any, list[str]], bool]] = {
    "one_of": lambda value, wanted: any(_equal(value, one) for one in wanted),
    "starts_with": lambda value, wanted: str(value or "").startswith(wanted[0]),
    "ends_with": lambda value, wanted: str(value or "").endswith(wanted[0]),
    "has_substring": lambda value, wanted: wanted[0] in str(value or ""),
    "monitoring.regex.full_match": lambda value, wanted: value is not None and _full_match(value, wanted[0]),
}
"""Functions that stand for a value, as Cloud Monitoring's filters have them: https://cloud.google.com/monitoring/api/v3/filters."""
OPERATORS: dict[str, Callable[[Any, str], bool]] = {
    "=": _equal,
    "!=": lambda value, wanted: not _equal(value, wanted),
    ":": _has,
    "<": lambda value, wanted: _compare(value, wanted) == -1,
    "<=": lambda value, wanted: _compare(value, wanted) in (-1, 0),
    ">": lambda value, wanted: _compare(value, wanted) == 1,
    ">=": lambda value, wanted: _compare(value, wanted) in (0, 1),
}
