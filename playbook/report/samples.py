"""Frozen rows with what the endpoint said about them: pictures as small inline images, texts as quotations."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

from playbook.loop.predict import Answer

THUMBNAIL = 160
"""Longest side, in pixels: the page stays small, whatever a user's photographs measure."""
WORDS = 240
"""Characters of a text that are shown."""


def samples(answers: Sequence[Answer]) -> str:
    """The answers side by side."""
    words = any(isinstance(answer.content, str) for answer in answers)
    return f'<div class="samples{" words" if words else ""}">{"".join(map(_sample, answers))}</div>'


def _sample(answer: Answer) -> str:
    if isinstance(answer.content, str):
        text = answer.content if len(answer.content) <= WORDS else answer.content[: WORDS - 1] + "…"
        shown = f"<q>{escape(text)}</q>"
    else:
        shown = f'<img alt="a row of class {escape(answer.truth)}" src="{thumbnail(answer.content)}">'
    said = f"{escape(answer.label)} <span class=soft>{answer.confidence:.0%}</span>"
    truth = "" if answer.right else f"<br><span class=bad>truth: {escape(answer.truth)}</span>"
    return f'<div class="sample{"" if answer.right else " miss"}">{shown}{said}{truth}</div>'


def thumbnail(picture: bytes) -> str:
    """A data address of the picture, no larger than `THUMBNAIL` on its longest side."""
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as image:
        small = image.convert("RGB")
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    small.save(buffer, "PNG" if max(small.size) < 64 else "JPEG", quality=85)
    kind = "png" if max(small.size) < 64 else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
