"""The response schema: which labels it allows, and the answer written in its shape.

Read are `responseSchema` (Google's subset of OpenAPI, types in capitals) and `responseJsonSchema` (JSON Schema, with
references). Exactly one field with an enum is the label; beside it a number for the confidence and the number of the input can be filled.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.engines.gemini.refused import Refused

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """The label of one input."""

    label: str
    probabilities: Mapping[str, float]
    """Of every label that could have been answered."""
    number: int | None
    """The number that the prompt gave to the input."""

    @property
    def confidence(self) -> float:
        """Probability of the label."""
        return self.probabilities[self.label]


CONFIDENCE = re.compile(r"confidence|probability|score|certainty", re.IGNORECASE)
NUMBER = re.compile(r"row|number|index|item|id|position|example|image|picture|text", re.IGNORECASE)
ONE_ENUM = (
    "Give a response schema with one string enum (the labels) and, if wanted, a number 'confidence'; arrays of these label several inputs."
)


def plain(schema: Schema) -> Schema:
    """The schema with references resolved, types in lower case, `const` as an enum and nullable alternatives taken off.

    Raises:
        Refused: when it refers to itself or to something that is not there.
    """
    return _plain(schema, {**schema.get("$defs", {}), **schema.get("definitions", {}), **schema.get("defs", {})}, ())


def _plain(schema: Any, definitions: Mapping[str, Any], within: tuple[str, ...]) -> Schema:
    if not isinstance(schema, Mapping):
        raise Refused(f"the response schema holds {schema!r} where a schema belongs", ONE_ENUM)
    reference = schema.get("$ref") or schema.get("ref")
    if isinstance(reference, str):
        name = reference.rsplit("/", 1)[-1]
        if name in within or name not in definitions:
            raise Refused(f"the response schema's reference {reference!r} is circular or leads nowhere", ONE_ENUM)
        return _plain(definitions[name], definitions, (*within, name))
    alternatives = [one for one in schema.get("anyOf", schema.get("oneOf", [])) if str(one.get("type", "")).lower() != "null"]
    if len(alternatives) == 1:
        return _plain({**{k: v for k, v in schema.items() if k not in ("anyOf", "oneOf")}, **alternatives[0]}, definitions, within)
    if alternatives:
        raise Refused("the response schema has alternatives (anyOf)", ONE_ENUM)
    result = dict(schema)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    result["type"] = str(kind).lower() if kind else "object" if "properties" in schema else "array" if "items" in schema else "string"
    if "const" in schema:
        result["enum"] = [schema["const"]]
    if "items" in schema:
        result["items"] = _plain(schema["items"], definitions, within)
    if "properties" in schema:
        result["properties"] = {name: _plain(one, definitions, within) for name, one in schema["properties"].items()}
    return result


def labels(schema: Schema) -> tuple[str, ...]:
    """The labels of the one enum in `schema`.

    Raises:
        Refused: when there is no enum, more than one, or one that is not of two or more strings.
    """
    enums = list(_enums(schema))
    if not enums:
        raise Refused("the response schema has no enum, so that its fields would have to be written or extracted freely", ONE_ENUM)
    if len(enums) > 1:
        raise Refused(f"the response schema has {len(enums)} enums", ONE_ENUM)
    found = enums[0]
    if len(set(found)) < 2 or not all(isinstance(label, str) for label in found):
        raise Refused(f"the enum {found!r} does not name two or more string labels", ONE_ENUM)
    return tuple(dict.fromkeys(found))


def _enums(schema: Schema) -> Iterator[list[Any]]:
    if "enum" in schema:
        yield list(schema["enum"])
    for one in schema.get("properties", {}).values():
        yield from _enums(one)
    if "items" in schema:
        yield from _enums(schema["items"])


def takes_many(schema: Schema) -> bool:
    """Whether the schema has room for the labels of several inputs."""
    return schema["type"] == "array" or any(takes_many(field) for field in schema.get("properties", {}).values() if any(_enums(field)))


def fill(schema: Schema, answers: Sequence[Answer]) -> Any:
    """The answer in the shape of `schema`: a value that `json.dumps` takes.

    Raises:
        Refused: when the schema has room for another number of answers, or requires a field that nothing can fill.
    """
    if "enum" in schema:
        if len(answers) != 1:
            raise Refused(
                f"there are {len(answers)} inputs to label but the response schema has room for one answer",
                "Make the response schema an array of it, or ask for one input at a time.",
            )
        return answers[0].label
    if schema["type"] == "array":
        least, most = int(schema.get("minItems", 0)), int(schema.get("maxItems", len(answers)))
        if not least <= len(answers) <= most:
            raise Refused(
                f"there are {len(answers)} inputs to label but the response schema's array takes {least} to {most} items",
                "Give the array as many items as there are inputs.",
            )
        return [fill(schema["items"], [answer]) for answer in answers]
    properties: Mapping[str, Schema] = schema.get("properties", {})
    required = set(schema.get("required", ()))
    filled: dict[str, Any] = {}
    for name in [*schema.get("propertyOrdering", ()), *properties]:
        field = properties.get(name)
        if field is None or name in filled:
            continue
        if any(_enums(field)):
            filled[name] = fill(field, answers)
        elif field["type"] == "number" and CONFIDENCE.search(name) and len(answers) == 1:
            filled[name] = _between(round(answers[0].confidence, 4), field)
        elif field["type"] == "integer" and NUMBER.search(name) and len(answers) == 1 and answers[0].number is not None:
            filled[name] = answers[0].number
        elif name in required:
            raise Refused(
                f"the response schema requires the field {name!r}, which is neither the label, its confidence nor the number of an input",
                f"{ONE_ENUM} Inputs are numbered by 'Row 1: ', 'Row 2: ' before them.",
            )
    return filled


def _between(confidence: float, field: Schema) -> float:
    """A share, or a percentage where the schema's maximum says so."""
    return round(confidence * 100, 2) if float(field.get("maximum", 1)) == 100 else confidence


def read(schema: Schema, answer: Any) -> list[tuple[str, int | None]]:
    """The labels, with the numbers of their inputs, in an example's answer in the shape of `schema` (empty when it has another)."""
    if "enum" in schema:
        return [(answer, None)] if isinstance(answer, str) else []
    if schema["type"] == "array" and isinstance(answer, list):
        return [labelled for one in answer for labelled in read(schema["items"], one)]
    if not isinstance(answer, dict):
        return []
    fields = [(name, field, answer[name]) for name, field in schema.get("properties", {}).items() if name in answer]
    number = next((value for name, field, value in fields if field["type"] == "integer" and NUMBER.search(name)), None)
    found = [labelled for _, field, value in fields for labelled in read(field, value)]
    return [(label, number if inner is None else inner) for label, inner in found]
