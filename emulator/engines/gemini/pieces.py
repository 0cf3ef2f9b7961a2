"""A prompt's parts → pieces: pictures, texts to label, labels, and the prose around them.

Texts and labels are known by their keys (`Text: …`, `Label: …`), by `text => label` lines, and a label also by being
one of those that are allowed.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from emulator.engines.gemini.refused import Refused

Part = Mapping[str, Any]
Content = str | bytes
"""What is labelled: a text, or an encoded picture."""


@dataclass(frozen=True)
class Piece:
    """One piece of a prompt; `keyed` is a text that stands after a key."""

    kind: Literal["picture", "keyed", "label", "prose"]
    content: Content
    number: int | None = None
    """The number that the prompt gives to an input (`Row 3: …`)."""


PICTURES = {"image/png", "image/jpeg", "image/jpg", "image/webp"}
TEXT_PART = {"text", "thought", "thoughtSignature", "partMetadata"}
TEXT_KEYS = "text|input|review|document|article|passage|message|tweet|e-?mail|content|sentence|snippet|headline|utterance|comment|query"
LABEL_KEYS = "label|sentiment|category|class|answer|output|intent|topic"
KEY = re.compile(
    rf"^[ \t]*(?:(?:{TEXT_KEYS}|row|item|example|image|picture|photo)[ \t]*#?(?P<number>\d+)|(?P<text>{TEXT_KEYS})|(?P<label>{LABEL_KEYS}))"
    r"[ \t]*:[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
ARROW = re.compile(r"^[-*\d. )]*[\"“']?(?P<text>.+?)[\"”']?\s*(?:=>|->|→)\s*[\"“']?(?P<label>[^\n\"”']{1,60}?)[\"”']?\s*$", re.MULTILINE)
LISTS = (
    re.compile(
        r"(?:one of|labels|categories|classes|choose (?:from|between)|options)\b[^:\n]{0,40}[:=]\s*\[?(?P<names>[^\n.\]]+)", re.IGNORECASE
    ),
    re.compile(r"(?:classify|label|categori[sz]e)[^\n]{0,80}?\b(?:as|into)\s+(?P<names>[\w'’, -]{1,200}? or [\w'’-]+)", re.IGNORECASE),
)


def pieces(parts: Sequence[Part], files: Mapping[str, bytes], labels: Mapping[str, str]) -> Iterator[Piece]:
    """The pieces of one turn.

    Args:
        parts: Parts of a Content message.
        files: Content of the files that parts refer to, by address.
        labels: Allowed labels, from lower case to their spelling; empty while they are unknown.

    Raises:
        Refused: when a part is neither text nor a picture.
    """
    number = None
    for part in parts:
        content = picture(part, files)
        text = part.get("text", "").strip()
        if content is not None:
            yield Piece("picture", content, number)
            number = None
        elif (key := KEY.fullmatch(text)) and key["number"]:
            number = int(key["number"])
        elif text and not part.get("thought"):
            yield from _of_text(text, labels)


def parts_of(turn: Mapping[str, Any]) -> list[Part]:
    """The parts of a content; the instruction's may be a single one.

    Raises:
        Refused: They are none.
    """
    parts = turn.get("parts") or []
    parts = [parts] if isinstance(parts, Mapping) else parts
    if not isinstance(parts, list) or not all(isinstance(part, Mapping) and isinstance(part.get("text", ""), str) for part in parts):
        raise Refused("the parts of a content are no list of parts", "Send a list of objects, each with text or a picture.")
    return parts


def picture(part: Part, files: Mapping[str, bytes]) -> bytes | None:
    """The picture in a part; None for a text.

    Raises:
        Refused: for any other part.
    """
    media = part.get("inlineData") or part.get("fileData")
    if media is None:
        if set(part) <= TEXT_PART:
            return None
        raise Refused(f"a part with {sorted(set(part) - TEXT_PART)} is neither text nor a picture", "Send text and pictures only.")
    mime_type = str(media.get("mimeType", ""))
    if mime_type not in PICTURES:
        raise Refused(f"input of type {mime_type or 'unknown'} cannot be read", "Send text and pictures (PNG, JPEG or WebP) only.")
    if "inlineData" not in part:
        return files[media.get("fileUri", "")]
    try:
        # The JSON form of protocol buffers allows both alphabets, and google-genai uses the URL-safe one.
        return base64.b64decode(str(media.get("data", "")).translate(str.maketrans("-_", "+/")), validate=True)
    except ValueError:
        raise Refused("the data of a picture is not base64", "Encode the file's bytes as base64.") from None


def listed(text: str) -> tuple[str, ...]:
    """The labels that `text` lists: 'one of: a, b, c' or 'classify as a or b'; empty when it lists none."""
    instruction = "\n".join(line for line in text.split("\n") if not KEY.match(line))
    for pattern in LISTS:
        for found in pattern.finditer(instruction):
            names = [name.strip(" \"'`*[](){}") for name in re.split(r"\s*(?:,|\||/|;|\bor\b|\band\b)\s*", found["names"])]
            names = [name for name in names if 0 < len(name) <= 40]
            if len(set(names)) >= 2:
                return tuple(dict.fromkeys(names))
    return ()


def _of_text(text: str, labels: Mapping[str, str]) -> Iterator[Piece]:
    if text.lower() in labels:
        yield Piece("label", text)
        return
    keys = list(KEY.finditer(text))
    if keys and keys[0]["number"] and keys[0].start() == 0:
        # A numbered text may hold lines that look like keys; only further numbers and true labels end it.
        keys = [key for key in keys if key["number"] or (key["label"] and text[key.end() :].partition("\n")[0].strip().lower() in labels)]
    arrows = list(ARROW.finditer(text)) if not keys and re.search("=>|->|→", text) else []
    # An arrow may also stand in a text: it points at a label where the label is allowed or, while none is known, where many do.
    arrows = [arrow for arrow in arrows if arrow["label"].strip().lower() in labels or (not labels and len(arrows) > 1)]
    if arrows:
        yield from _of_arrows(text, arrows)
        return
    head = text[: keys[0].start()].strip() if keys else text
    if head:
        yield Piece("prose", head)
    for at, key in enumerate(keys):
        value = text[key.end() : keys[at + 1].start() if at + 1 < len(keys) else len(text)].strip()
        first, _, rest = value.partition("\n")
        if not key["label"] and value:
            yield Piece("keyed", value, int(key["number"]) if key["number"] else None)
        elif value and "," in first and first.lower() not in labels:
            yield Piece("prose", value)  # 'Answer: positive, negative or neutral' instructs.
        elif value:
            yield Piece("label", first.strip(" \t\"'`*."))
            if rest.strip():
                yield Piece("prose", rest.strip())


def _of_arrows(text: str, arrows: Sequence[re.Match[str]]) -> Iterator[Piece]:
    """`text => label` lines, and a last line without an arrow as what is to be labelled."""
    for arrow in arrows:
        yield Piece("keyed", arrow["text"].strip())
        yield Piece("label", arrow["label"].strip())
    rest = re.sub(r"\s*(?:=>|->|→)\s*$", "", text[arrows[-1].end() :]).strip()
    if rest:
        yield Piece("keyed", rest)


INSTRUCTION = re.compile(
    r"\b(?:classify|label|categori[sz]e|tag|determine|decide|assign|identify|sentiment|choose|answer)\b", re.IGNORECASE
)
PAYLOADS = (
    re.compile(r"```(?:\w*\n)?(?P<payload>.+?)```", re.DOTALL),
    re.compile(r"<(?P<tag>\w+)>(?P<payload>.+?)</(?P=tag)>", re.DOTALL),
    re.compile(r"[\"“](?P<payload>.{8,}?)[\"”]\s*$", re.DOTALL),
    re.compile(r"\n\s*\n(?P<payload>.+)$", re.DOTALL),
    re.compile(r":\s+(?P<payload>.{8,})$", re.DOTALL),
)


def payload(prose: str) -> str:
    """The text that an instruction in the same part is about; all of `prose` where nothing before it instructs."""
    for pattern in PAYLOADS:
        found = pattern.search(prose)
        if found and INSTRUCTION.search(prose[: found.start()]):
            return found["payload"].strip()
    return prose
