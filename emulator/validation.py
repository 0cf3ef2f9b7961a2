"""Requests are held to the schemas of their API: unknown or mistyped fields, missing ones, and those that only the server may write."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from typing import Any

from emulator.behaviours import Refusal
from emulator.discovery import Document, Method
from emulator.enums import enum_name

Json = dict[str, Any]
Violation = tuple[str, str]

STANDARD_PARAMETERS = {
    "$.xgafv", "$alt", "access_token", "alt", "callback", "fields", "key", "oauth_token", "prettyPrint", "quotaUser", "requestId",
    "uploadType", "upload_id", "upload_protocol", "userIp", "userProject",
}  # fmt: skip

SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a pair that stands alone: no text, although JSON can write it."""
ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

UNDESCRIBED = {
    # Terraform's provider makes a dataset without it, though the document requires it.
    ("aiplatform", "metadata"),
    ("aiplatform", "systemInstruction.parts"),
    ("bigquery", "access.datasetId"),
    # Python's client sends the number of a FLOAT64 parameter as it is.
    ("bigquery", "queryParameters.parameterValue.value"),
    ("bigquery", "queryParameters.parameterValue.arrayValues.value"),
    ("bigquery", "configuration.query.queryParameters.parameterValue.value"),
    ("bigquery", "configuration.query.queryParameters.parameterValue.arrayValues.value"),
    ("bigquery", "queryParameters.parameterValue.structValues.*.value"),
    ("bigquery", "configuration.query.queryParameters.parameterValue.structValues.*.value"),
    ("compute", "nats.initialNatIps"),
    # Entries may leave these to the request: https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/write
    ("logging", "entries.logName"),
    ("logging", "entries.resource"),
}
"""Where Google's own clients do not keep to the documents, and Google answers all the same: `(service, path)`; `*` is any key."""
UNDESCRIBED_PARAMETERS = {"bigquery": {"projection"}}
"""The same for query parameters: service → names."""


INTEGERS = {
    "int32": (-(1 << 31), (1 << 31) - 1),
    "uint32": (0, (1 << 32) - 1),
    "int64": (-(1 << 63), (1 << 63) - 1),
    "uint64": (0, (1 << 64) - 1),
}
FORMATS = {
    "int64": re.compile(r"-?[0-9]{1,19}"),
    "uint64": re.compile(r"[0-9]{1,20}"),
    "google-duration": re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?s"),
    "google-datetime": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:]{8}(\.[0-9]{1,9})?([Zz]|[+-][0-9:]{5})"),
}
"""Strings that stand for something else."""
BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
COUNTS = {"pageSize", "maxResults"}
"""Integers that no API lets be negative, although their type would."""


def camel(name: str) -> str:
    """`repository_id` → `repositoryId`, as JSON accepts both spellings of a field."""
    return re.sub(r"_(\w)", lambda match: match.group(1).upper(), name)


def parsed(raw: bytes) -> Json:
    """A request's JSON; `{}` where there is none.

    Raises:
        Refusal: It is no JSON, no object, or no text.
    """
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw, parse_constant=_no_number)
        if ESCAPED_SURROGATE.search(raw):
            json.dumps(value, ensure_ascii=False).encode()
    except ValueError as error:
        raise Refusal(400, "INVALID_ARGUMENT", f"Invalid JSON payload received. {error}") from None
    if not isinstance(value, dict):
        raise Refusal(400, "INVALID_ARGUMENT", "Invalid JSON payload received. The body must be an object.")
    return value


def _no_number(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON value")


def query(method: Method, given: dict[str, list[str]]) -> dict[str, list[str]]:
    """Query parameters under their documented names.

    Raises:
        Refusal: One is unknown, or no integer where it should be one.
    """
    fields = method.document.schemas.get(method.request, {}).get("properties", {})
    known = {}
    for name, values in given.items():
        spelled = name if name in method.parameters else camel(name)
        # A nested field of the request's message may be given as `a.b`.
        root = spelled.partition(".")[0]
        parameters = {parameter.partition(".")[0] for parameter in method.parameters}
        known_here = parameters | method.document.parameters | STANDARD_PARAMETERS | UNDESCRIBED_PARAMETERS.get(method.document.name, set())
        if not ({root, spelled} & known_here or root in fields):
            raise refused(
                [(name, f"Unknown name \"{name}\": Cannot bind query parameter. Field '{name}' could not be found in request message.")]
            )
        known[spelled] = values
    violations = [found for name, values in known.items() for value in values for found in _integer(method, name, value)]
    if violations:
        raise refused(violations)
    return known


def _integer(method: Method, name: str, value: str) -> list[Violation]:
    """What is wrong with a query parameter that should be an integer; an empty one is as good as absent."""
    form = method.parameters.get(name, {}).get("format", "")
    if form not in INTEGERS or not value:
        return []
    least, most = INTEGERS[form]
    if not re.fullmatch(r"-?[0-9]{1,20}", value) or not least <= int(value) <= most:
        return [(name, f"Invalid value at '{name}' (TYPE_{form.upper()}), \"{value:.80}\"")]
    return [(name, f"Invalid value at '{name}': {value} is negative.")] if name in COUNTS and int(value) < 0 else []


def body(method: Method, given: Json, *, partial: bool) -> Json:
    """The body in camelCase, held to its schema, without what only the server writes.

    Args:
        method: Whose body it is.
        given: As it was sent.
        partial: Required fields may be missing, as in an update.

    Raises:
        Refusal: It does not fit; the message names each field.
    """
    described = method.document
    value, violations = _conform(described, described.schemas[method.request], given, "", partial)
    if not partial:
        bound = {name.partition(".")[0] for name in method.parameters}
        violations += _missing(described, method.request, value, "", bound)
    violations = [violation for violation in violations if not _let_through(described, re.sub(r"\[\d+\]", "", violation[0]))]
    if violations:
        raise refused(violations)
    return dict(value)


def of_schema(described: Document, name: str, given: Any, path: str) -> Json:
    """What was sent where the document allows anything, in camelCase and held to the schema `name`.

    Args:
        described: Has the schema.
        name: The schema's.
        given: As it was sent.
        path: Field in which it was sent.

    Raises:
        Refusal: It does not fit; the message names each field.
    """
    value, violations = _conform(described, described.schemas[name], given, path, False)
    if violations := violations + _missing(described, name, value, path, set()):
        raise refused(violations)
    return dict(value)


def _let_through(described: Document, path: str) -> bool:
    return any(service == described.name and fnmatchcase(path, known) for service, known in UNDESCRIBED)


def refused(violations: list[Violation]) -> Refusal:
    """The refusal of a request that does not fit its schema."""
    detail = {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{"field": path, "description": text} for path, text in violations],
    }
    text = "\n".join(text for _, text in violations)
    return Refusal(400, "INVALID_ARGUMENT", f"Invalid JSON payload received. {text}", details=(detail,))


def _conform(described: Document, schema: Json, value: Any, path: str, partial: bool) -> tuple[Any, list[Violation]]:
    """`value` in its form on the wire, and what is wrong with it."""
    if "$ref" in schema:
        schema = described.schemas[schema["$ref"]]
    kind = schema.get("type", "any")
    if value is None or kind == "any":
        return value, []
    if kind == "object" and isinstance(value, dict):
        return _object(described, schema, value, path, partial)
    if kind == "array" and isinstance(value, list):
        results = [_conform(described, schema["items"], item, f"{path}[{index}]", partial) for index, item in enumerate(value)]
        violations = [violation for _, found in results for violation in found]
        if None in value and ("$ref" in schema["items"] or schema["items"].get("type", "any") != "any"):
            # A field may be null, which clears it; an element may not.
            violations.append((path, f"Invalid value at '{path}': a list holds no null."))
        return [item for item, _ in results], violations
    return _scalar(described, schema, kind, value, path)


def _object(described: Document, schema: Json, value: Json, path: str, partial: bool) -> tuple[Json, list[Violation]]:
    properties, additional = schema.get("properties", {}), schema.get("additionalProperties")
    result: Json = {}
    violations: list[Violation] = []
    for given, item in value.items():
        name = given if given in properties else camel(given) if camel(given) in properties else given
        inner = properties.get(name) or additional
        where = f"{path}.{name}" if path else name
        if inner is None:
            known = path or schema.get("id", "")
            violations.append((where, f"Unknown name \"{given}\" at '{known}': Cannot find field."))
            # What is let through by UNDESCRIBED arrives as it was sent.
            result[name] = item
            continue
        item, found = _conform(described, inner, item, where, partial)
        violations += found
        # In an update, null clears a field.
        if (item is not None or partial) and inner.get("mark") != "output":
            result[name] = item
    return result, violations


def _scalar(described: Document, schema: Json, kind: str, value: Any, path: str) -> tuple[Any, list[Violation]]:
    wrong = [(path, f"Invalid value at '{path}' (TYPE_{kind.upper()}), {value!r}")]
    if kind == "string":
        choices = schema.get("enum")
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            if choices:
                value = enum_name(described.name, described.version, tuple(choices), value)
            elif schema.get("format") in ("int64", "uint64"):
                value = str(value)
        if not isinstance(value, str):
            return value, wrong
        if choices and value and value not in choices:
            return value, [(path, f"Invalid value at '{path}' (TYPE_ENUM), \"{value}\"")]
        form = schema.get("format", "")
        if form in FORMATS and not FORMATS[form].fullmatch(value):
            return value, [(path, f"Invalid value at '{path}' ({form}), \"{value:.80}\"")]
        if form == "byte":
            plain = _base64(value)
            return plain, [] if BASE64.fullmatch(plain) else [(path, f"Invalid value at '{path}' (TYPE_BYTES), \"{value:.80}\"")]
        return value, []
    if kind in ("integer", "number"):
        if isinstance(value, str):
            if kind == "number" and value in ("NaN", "Infinity", "-Infinity"):
                return value, []
            try:
                value = int(value) if re.fullmatch(r"-?\d+", value) else float(value)
            except ValueError:
                return value, wrong
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        if kind == "integer" and fits and (isinstance(value, int) or value.is_integer()):
            value = int(value)
        elif kind == "integer":
            fits = False
        return value, [] if fits else wrong
    if kind == "boolean":
        if value in ("true", "false"):
            value = value == "true"
        return value, [] if isinstance(value, bool) else wrong
    return value, wrong


def _missing(described: Document, ref: str, value: Any, path: str, bound: set[str]) -> list[Violation]:
    """Required fields that are absent; not those whose empty value (zero, false, no labels) is left out on the wire."""
    violations: list[Violation] = []
    if not isinstance(value, dict):
        # Its type is refused already.
        return violations
    for name, schema in described.schemas[ref].get("properties", {}).items():
        where = f"{path}.{name}" if path else name
        item = value.get(name)
        if schema.get("mark") == "required" and not path and name in bound:
            continue
        if item is None:
            may_be_empty = schema.get("type") in ("integer", "number", "boolean") or "additionalProperties" in schema
            wanted = schema.get("mark") == "required" and not may_be_empty
            if wanted:
                violations.append((where, f"Required field '{where}' is not set."))
        elif "$ref" in schema:
            violations += _missing(described, schema["$ref"], item, where, set())
        elif schema.get("type") == "array" and "$ref" in schema["items"] and isinstance(item, list):
            for index, element in enumerate(item):
                violations += _missing(described, schema["items"]["$ref"], element, f"{where}[{index}]", set())
    return violations


def _base64(text: str) -> str:
    """Bytes in the one spelling that is read everywhere: clients may write them for URLs, and leave out the padding."""
    plain = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    return plain + "=" * (-len(plain) % 4)
