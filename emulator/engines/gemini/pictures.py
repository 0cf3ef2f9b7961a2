"""Picture → feature vector in numpy: gradients (HOG) for shape, a thumbnail for brightness and colour.

Dalal and Triggs, "Histograms of oriented gradients for human detection" (2005), on a picture brought to one size. No
backbone: on Fashion-MNIST a small ImageNet network is at most three points better, and its licence is not stated.
"""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from emulator.engines.gemini.minilm import Floats, normalised

SIDE = 48
CELL = 6
ORIENTATIONS = 9
THUMBNAIL = 12
SHAPE_WEIGHT = 0.75
"""Share of the HOG block in the squared length of the vector; the rest is the thumbnail's."""

FORMATS = ("PNG", "JPEG", "WEBP")
"""What Gemini reads and Pillow can: HEIC and HEIF are not read here."""
MOST_PIXELS = 64_000_000
"""A picture is decoded at its full size: more would let a small file take gigabytes."""
UNREADABLE = (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning)
"""What Pillow raises over broken, unknown and absurdly large files."""


class UnreadablePicture(Exception):
    """The bytes are not a picture that can be decoded."""


def features(content: bytes) -> Floats:
    """The unit feature vector of one encoded picture of any size and colour mode.

    Raises:
        UnreadablePicture: when the bytes cannot be decoded.
    """
    pixels = np.asarray(_decode(content).resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / 255  # (side, side, 3)
    thumbnail = pixels.reshape(THUMBNAIL, SIDE // THUMBNAIL, THUMBNAIL, SIDE // THUMBNAIL, 3).mean((1, 3)) - 0.5
    shape = normalised(_gradients(pixels.mean(-1)).ravel())
    colour = normalised(thumbnail.ravel())
    return np.concatenate([shape * np.float32(np.sqrt(SHAPE_WEIGHT)), colour * np.float32(np.sqrt(1 - SHAPE_WEIGHT))])


def _decode(content: bytes) -> Image.Image:
    """An upright RGB picture; transparency falls on white, other depths than eight bits are scaled to them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            file = Image.open(io.BytesIO(content), formats=FORMATS)
            file.draft("RGB", (4 * SIDE, 4 * SIDE))
            if file.width * file.height > MOST_PIXELS:
                raise UnreadablePicture(f"it has {file.width} × {file.height} pixels; the local Gemini reads {MOST_PIXELS} at most")
            picture = ImageOps.exif_transpose(file)
            picture.load()
    except UNREADABLE as error:
        raise UnreadablePicture(str(error)) from None
    if picture.mode.startswith("I"):
        values = np.asarray(picture, np.float32)
        values = (values - values.min()) / max(float(np.ptp(values)), 1e-9) * 255
        return Image.fromarray(values.astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        ground = Image.new("RGBA", picture.size, "white")
        ground.alpha_composite(picture.convert("RGBA"))
        return ground.convert("RGB")
    return picture.convert("RGB")


def _gradients(grey: Floats) -> Floats:
    """HOG of a square grey picture (side, side): overlapping blocks of 2×2 cells, each of unit length."""
    dy, dx = np.gradient(grey)
    strength = np.hypot(dx, dy)
    angle = np.mod(np.arctan2(dy, dx), np.pi) / np.pi * ORIENTATIONS
    lower = np.floor(angle).astype(int)
    share = angle - lower
    cells = SIDE // CELL
    row, column = np.indices(grey.shape) // CELL
    histogram = np.zeros((cells, cells, ORIENTATIONS), np.float32)
    # Each pixel votes for its two nearest orientations, so that a small turn changes the vector a little.
    np.add.at(histogram, (row, column, lower % ORIENTATIONS), strength * (1 - share))
    np.add.at(histogram, (row, column, (lower + 1) % ORIENTATIONS), strength * share)
    blocks = np.concatenate([histogram[:-1, :-1], histogram[:-1, 1:], histogram[1:, :-1], histogram[1:, 1:]], -1)
    # The constant keeps the noise of a flat block from counting as much as an edge.
    unit: Floats = blocks / np.sqrt(np.square(blocks).sum(-1, keepdims=True) + np.float32(0.01))
    return unit
