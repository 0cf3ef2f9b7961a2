"""Reads a GenerateContent request into a classification: labels, labelled examples, and the inputs to label.

Examples are taken where prompts carry them: user turns answered by model turns, an input followed (or preceded) by its
label within a turn, and texts with labels in the system instruction. What is asked follows from this structure and the
response schema, never from a word inside the text that is to be labelled.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from emulator.engines.gemini import schema as schemas
from emulator.engines.gemini.pieces import Content, Part, Piece, listed, parts_of, payload, pieces
from emulator.engines.gemini.refused import Refused

Body = Mapping[str, Any]
Example = tuple[Content, str]

GIVE_LABELS = (
    "Name the labels: as a string enum in the response schema, as 'one of: a, b, c' in the prompt, or by labelled examples. "
    "For free text ask Gemini itself."
)

MOST_STOPS = 5
RANGES = {"temperature": (0.0, 2.0), "topP": (0.0, 1.0), "logprobs": (0.0, 20.0)}
"""What Google accepts. Of these the answer depends on `logprobs` alone: the likeliest label is answered, whatever the temperature."""


@dataclass(frozen=True)
class Prompt:
    """A classification that was asked for."""

    labels: tuple[str, ...]
    examples: tuple[Example, ...]
    queries: tuple[Piece, ...]
    schema: schemas.Schema | None
    """The shape of the answer; None: the bare label."""
    quoted: bool
    """Whether the answer is JSON (otherwise the bare label)."""


def file_uris(body: Body) -> list[str]:
    """Addresses of the files that a request refers to, so that whoever owns storage can read them first."""
    return [
        part["fileData"].get("fileUri", "") for turn in body.get("contents", []) for part in turn.get("parts", []) if "fileData" in part
    ]


def read(body: Body, files: Mapping[str, bytes], tuned: Sequence[str] = ()) -> Prompt:
    """The classification that `body` asks for.

    Args:
        body: A GenerateContent request, its keys in camelCase.
        files: Content of every address in `file_uris(body)`.
        tuned: The labels that the model was tuned to; empty for a base model, which has them from the request.

    Raises:
        Refused: when it asks for something else, or its examples cannot be told from its inputs.
    """
    config = body.get("generationConfig", {})
    _refuse_what_is_not_here(body, config)
    turns = [(turn.get("role") or "user", parts_of(turn)) for turn in body.get("contents", [])]
    if not turns or turns[-1][0] != "user":
        raise Refused("the conversation does not end with the user", "Let the last turn be the user's, with the input to label.")
    if strangers := {role for role, _ in turns} - {"user", "model"}:
        raise Refused(f"turns of {sorted(strangers)} cannot be read", "Use the roles 'user' and 'model'.")

    schema, quoted = _shape(config, bool(tuned))
    system = parts_of(body.get("systemInstruction") or {})
    asked = [part["text"] for parts in (system, *(parts for role, parts in turns if role == "user")) for part in parts if "text" in part]
    labels = schemas.labels(schema) if schema else tuple(tuned) or listed("\n".join(asked))
    # A tuned model's request has no labels in it: what looks like one belongs to the text.
    spelling = {} if tuned else {label.lower(): label for label in labels}

    examples, queries = _read_turns(turns, files, spelling, schema)
    if tuned and examples:
        raise Refused("a tuned model labels by what it was tuned to, not by examples", "Leave the examples out, or ask the base model.")
    examples = [] if tuned else _labelled_texts(system, spelling) + examples
    if not labels:
        labels = tuple(sorted({label for _, label in examples}))
        spelling = {label.lower(): label for label in labels}
    if len(labels) < 2:
        raise Refused("it does not write free text, and no labels to choose from were found", GIVE_LABELS)
    if not queries:
        raise Refused("no input to label follows the examples", "Put the text or picture to label last, without a label.")
    if unknown := sorted({label for _, label in examples if label.lower() not in spelling}):
        raise Refused(f"examples carry labels that are not allowed: {', '.join(unknown)[:200]}", f"Allowed are {', '.join(labels)[:500]}.")
    return Prompt(
        labels=labels,
        examples=tuple((content, spelling[label.lower()]) for content, label in examples),
        queries=tuple(queries),
        schema=schema,
        quoted=quoted,
    )


def _refuse_what_is_not_here(body: Body, config: Mapping[str, Any]) -> None:
    if body.get("tools"):
        raise Refused("there are no tools (function calling, search, code execution) on this machine", "Leave 'tools' out.")
    if body.get("cachedContent"):
        raise Refused("a context cache is not read here", "Send the content itself.")
    if int(config.get("candidateCount", 1)) != 1:
        raise Refused("the answer is deterministic, so that further candidates would be copies", "Leave 'candidateCount' out.")
    if int(config.get("maxOutputTokens", 1)) < 1:
        raise Refused("an answer has at least one token", "Let 'maxOutputTokens' be positive, or leave it out.")
    if set(config.get("responseModalities", ())) - {"TEXT"}:
        raise Refused("pictures and speech are not generated", "Leave 'responseModalities' out.")
    if int(config.get("logprobs", 0)) and not config.get("responseLogprobs"):
        raise Refused("'logprobs' was given without 'responseLogprobs'", "Set 'responseLogprobs', or leave 'logprobs' out.")
    if len(config.get("stopSequences", ())) > MOST_STOPS:
        raise Refused(f"there are {len(config['stopSequences'])} stop sequences", f"Give {MOST_STOPS} at most.")
    for field, (least, most) in RANGES.items():
        if not least <= float(config.get(field, least)) <= most:
            raise Refused(f"'{field}' is {config[field]}, outside {least:g} to {most:g}", f"Mend '{field}', or leave it out.")


def _shape(config: Mapping[str, Any], tuned: bool) -> tuple[schemas.Schema | None, bool]:
    """The response schema, and whether the answer is JSON. A tuned model knows the shape of its answers without one."""
    mime_type = config.get("responseMimeType") or "text/plain"
    given = config.get("responseSchema") or config.get("responseJsonSchema")
    if not given:
        if mime_type != "text/plain" and not (tuned and mime_type == "application/json"):
            raise Refused(f"{mime_type} without a response schema leaves the shape of the answer open", schemas.ONE_ENUM)
        return None, mime_type == "application/json"
    schema = schemas.plain(given)
    if mime_type not in ("application/json", "text/x.enum"):
        raise Refused(f"a response schema does not go with {mime_type}", "Set responseMimeType to application/json.")
    if mime_type == "text/x.enum" and "enum" not in schema:
        raise Refused("text/x.enum is for one bare label, and the response schema has another shape", "Ask for application/json.")
    return schema, mime_type == "application/json"


def _read_turns(
    turns: Sequence[tuple[str, Sequence[Part]]], files: Mapping[str, bytes], spelling: Mapping[str, str], schema: schemas.Schema | None
) -> tuple[list[Example], list[Piece]]:
    """Labelled examples, and the inputs that no label and no model turn belongs to."""
    read = [(role, list(pieces(parts, files, spelling)), parts) for role, parts in turns]
    present = {piece.kind for role, found, _ in read if role == "user" for piece in found}
    # Pictures are the inputs where there are any, else texts after a key, else the prose itself.
    kind = next((one for one in ("picture", "keyed") if one in present), "prose")
    examples: list[Example] = []
    waiting: list[Piece] = []
    for role, found, parts in read:
        if role == "user":
            waiting += found
            continue
        labelled, left = _pair(_inputs(waiting, kind))
        answer = "".join(part.get("text", "") for part in parts if not part.get("thought")).strip()
        examples += [*labelled, *_answered(left, answers_in(answer, schema))]
        waiting = []
    if kind == "picture" and not spelling and not examples:
        waiting = _captions_as_labels(waiting)
    if kind == "prose" and schema is not None and schemas.takes_many(schema) and sum(piece.kind == "prose" for piece in waiting) > 1:
        raise Refused("several texts without a key cannot be told from instructions", "Begin each text to label with 'Text: '.")
    labelled, left = _pair(_inputs(waiting, kind))
    return examples + labelled, left


def _answered(inputs: Sequence[Piece], answers: Sequence[tuple[str, int | None]]) -> list[Example]:
    """Examples of a model turn's answers: by number where both sides have numbers, else in order."""
    numbered = {number: label for label, number in answers}
    if len(answers) == len(inputs) == len(numbered) and all(piece.number in numbered for piece in inputs):
        return [(piece.content, numbered[piece.number]) for piece in inputs]
    if len(answers) != len(inputs):
        raise Refused(
            f"a model turn gives {len(answers)} labels to {len(inputs)} inputs",
            "Answer every example with its label, in the shape of the response schema.",
        )
    return [(piece.content, label) for piece, (label, _) in zip(inputs, answers, strict=True)]


def _inputs(found: Sequence[Piece], kind: str) -> list[Piece]:
    """The inputs and labels among the pieces; of prose, what stands before a label or last is an input, the rest instructs."""
    if kind != "prose":
        return [piece for piece in found if piece.kind in (kind, "label")]
    kept = []
    for at, piece in enumerate(found):
        if piece.kind == "label":
            kept.append(piece)
        elif at + 1 == len(found) or found[at + 1].kind == "label":
            kept.append(Piece("prose", payload(str(piece.content))))
    return kept


def _pair(stream: Sequence[Piece]) -> tuple[list[Example], list[Piece]]:
    """Pairs each label with the input beside it: the one before, or, where the stream begins with a label, the one after."""
    forwards = not stream or stream[0].kind != "label"
    examples: list[Example] = []
    left: list[Piece] = []
    previous = "label"
    for piece in stream if forwards else stream[::-1]:
        if piece.kind != "label":
            left.append(piece)
        elif previous == "label":
            raise Refused(f"the label {piece.content!r} has no text or picture beside it", "Let every example be one input and its label.")
        else:
            examples.append((left.pop().content, str(piece.content)))
        previous = piece.kind
    return (examples, left) if forwards else (examples[::-1], left[::-1])


def _captions_as_labels(found: Sequence[Piece]) -> list[Piece]:
    """Short prose right after a picture is its label, except after the last picture, where it may be the question."""
    last = max(at for at, piece in enumerate(found) if piece.kind == "picture")
    return [
        Piece("label", piece.content)
        if 0 < at < last and piece.kind == "prose" and found[at - 1].kind == "picture" and len(piece.content) <= 60
        else piece
        for at, piece in enumerate(found)
    ]


def _labelled_texts(system: Sequence[Part], spelling: Mapping[str, str]) -> list[Example]:
    """Examples in the system instruction: a text after a key with its label right behind."""
    found = [piece for piece in pieces(system, {}, spelling) if piece.kind != "picture"]
    return [(text.content, str(label.content)) for text, label in pairwise(found) if (text.kind, label.kind) == ("keyed", "label")]


def answers_in(text: str, schema: schemas.Schema | None) -> list[tuple[str, int | None]]:
    """The labels in a model turn, with the numbers of their inputs: JSON in the shape of the schema, or the bare label."""
    try:
        value = json.loads(re.sub(r"^```\w*\n|\n?```$", "", text))
    except ValueError:
        return [(text, None)]
    if schema is not None and (found := schemas.read(schema, value)):
        return found
    return [(value if isinstance(value, str) else text, None)]
