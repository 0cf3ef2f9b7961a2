"""Shifts for rehearsals: a share of a window's rows, changed the way traffic changes.

Pictures: sensor noise, a tilted camera, a lamp, another background, lost focus, flat light. Texts: another domain's sentences in
place of ours, or typing errors. The same seed changes the same rows in the same way.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from ml.data.rows import DataError
from ml.export.pictures import decode

Levels = npt.NDArray[np.float64]
"""(height, width, channels) between 0 and 255, or beyond before they are cut."""

NOISE = 0.25
TILT_DEGREES = (20, 40)
LIGHT = 0.3
FLAT = 0.4
BLUR_SHARE = 0.04
"""Radius, as a share of the shorter side."""
TYPING_ERRORS = 0.15
"""Of the letters."""


@dataclass(frozen=True)
class Row:
    """A row of a window whose truth is known."""

    content: bytes | str
    label: str
    changed: bool = False


def _noise(levels: Levels, chance: np.random.Generator) -> Levels:
    noisy: Levels = levels + chance.normal(0, NOISE * 255, levels.shape)
    return noisy


def _rotation(levels: Levels, chance: np.random.Generator) -> Levels:
    degrees = chance.uniform(*TILT_DEGREES) * chance.choice([-1, 1])
    return _by_pillow(levels, lambda picture: picture.rotate(degrees, Image.Resampling.BILINEAR))


def _brightness(levels: Levels, chance: np.random.Generator) -> Levels:
    return levels + LIGHT * 255


def _contrast(levels: Levels, chance: np.random.Generator) -> Levels:
    middle: Levels = 127.5 + (levels - 127.5) * FLAT
    return middle


def _inversion(levels: Levels, chance: np.random.Generator) -> Levels:
    return 255 - levels


def _blur(levels: Levels, chance: np.random.Generator) -> Levels:
    return _by_pillow(levels, lambda picture: picture.filter(ImageFilter.GaussianBlur(BLUR_SHARE * min(levels.shape[:2]))))


PICTURES: dict[str, Callable[[Levels, np.random.Generator], Levels]] = {
    "noise": _noise,
    "rotation": _rotation,
    "brightness": _brightness,
    "contrast": _contrast,
    "inversion": _inversion,
    "blur": _blur,
}


def pictures(rows: Sequence[Row], corruption: str, share: float, seed: int) -> list[Row]:
    """Corrupt a share of the rows; labels stay, since a noisy coat is a coat.

    Args:
        rows: encoded pictures, of any size.
        corruption: a key of `PICTURES`.
        share: of the rows, between 0 and 1.
        seed: decides which rows and how.

    Raises:
        DataError: when there is no such corruption.
    """
    if corruption not in PICTURES:
        raise DataError(f"there is no corruption {corruption!r}. Nothing was changed. Use one of {', '.join(PICTURES)}.")
    chance = np.random.default_rng(seed)
    changed = _chosen(len(rows), share, chance)
    return [
        Row(_encoded(PICTURES[corruption](decode(_bytes(row)).astype(np.float64), chance)), row.label, True) if at in changed else row
        for at, row in enumerate(rows)
    ]


def another_domain(rows: Sequence[Row], other: Sequence[Row], share: float, seed: int) -> list[Row]:
    """Put rows of another domain, with their labels, in the place of a share of ours.

    Raises:
        DataError: when the other domain holds fewer rows than are wanted: repeated rows say nothing new.
    """
    chance = np.random.default_rng(seed)
    changed = _chosen(len(rows), share, chance)
    if len(other) < len(changed):
        raise DataError(
            f"{len(other)} rows of the other domain cannot take the place of {len(changed)}. Nothing was changed. "
            "Lower the share, or give more."
        )
    drawn = dict(zip(sorted(changed), chance.choice(len(other), len(changed), replace=False), strict=True))
    return [Row(other[drawn[at]].content, other[drawn[at]].label, True) if at in drawn else row for at, row in enumerate(rows)]


def typing_errors(rows: Sequence[Row], share: float, seed: int) -> list[Row]:
    """Exchange, drop and double letters in a share of the texts."""
    chance = np.random.default_rng(seed)
    changed = _chosen(len(rows), share, chance)
    return [Row(_mistyped(str(row.content), chance), row.label, True) if at in changed else row for at, row in enumerate(rows)]


def _mistyped(text: str, chance: np.random.Generator) -> str:
    letters = list(text)
    at = 0
    while at < len(letters) - 1:
        if letters[at].isalpha() and chance.random() < TYPING_ERRORS:
            slip = chance.integers(3)
            if slip == 0:
                letters[at], letters[at + 1] = letters[at + 1], letters[at]
            elif slip == 1:
                del letters[at]
            else:
                letters.insert(at, letters[at])
            at += 1
        at += 1
    return "".join(letters)


def _chosen(rows: int, share: float, chance: np.random.Generator) -> set[int]:
    return {int(at) for at in chance.choice(rows, round(share * rows), replace=False)}


def _bytes(row: Row) -> bytes:
    if isinstance(row.content, str):
        raise DataError("a text cannot be corrupted as a picture. Nothing was changed. Use another_domain or typing_errors.")
    return row.content


def _by_pillow(levels: Levels, change: Callable[[Image.Image], Image.Image]) -> Levels:
    """Channel by channel, since Pillow has no name for most numbers of channels."""
    planes = [change(Image.fromarray(levels[..., at].astype(np.uint8))) for at in range(levels.shape[2])]
    return np.stack([np.asarray(plane) for plane in planes], axis=2).astype(np.float64)


def _encoded(levels: Levels) -> bytes:
    pixels = levels.round().clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
