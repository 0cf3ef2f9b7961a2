"""What a client sends → what the model sees. numpy and Pillow only, so that a server starts in a tenth of a second.

`preprocessing.json` holds all that was decided from the training rows, the class labels included. It has two readers,
this module and its JavaScript counterpart, which give the same numbers: resize weights are multiples of 1/16384, so that
sums of their products with bytes fit a double exactly, whatever the order of the additions.
"""

import base64
import binascii
import functools
import io
import itertools
import json
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

VERSION = 1
MAX_PIXELS = 50_000_000
"""A picture that claims more is refused before it is decoded: a few kilobytes can unfold to gigabytes."""
WEIGHT_STEPS = 16384
PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2
"""Token ids: nothing, a word outside the vocabulary, the vocabulary's first entry."""

# Runs of letters and numbers of any script, each Chinese or Japanese character on its own (they have no spaces), and the
# two marks that carry feeling. The patterns match the same text, each in its language (JavaScript: flags `gu`).
PYTHON_TOKEN = r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+|[!?]"
JAVASCRIPT_TOKEN = r"[\u3040-\u30ff\u3400-\u9fff]|(?:(?![\u3040-\u30ff\u3400-\u9fff])[\p{L}\p{N}])+|[!?]"

Pixels = npt.NDArray[np.uint8]

MAX_SIDE = 32_768
"""A picture of one row and millions of columns passes the limit on pixels, but its resize would hold gigabytes."""
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""What is decoded: Pillow would also hand EPS to Ghostscript, which runs what the file says."""


class InstanceError(ValueError):
    """An instance is not what the model takes; the message can be sent back to the client."""


class Preprocessor:
    """Reads `preprocessing.json` and prepares instances; which kind, the file says."""

    classes: list[str]

    @staticmethod
    def load(path: Path) -> "ImagePreprocessor | TextPreprocessor":
        """The preprocessor that was exported with a model.

        Raises:
            ValueError: when the file was written by another version or for a kind that is not known here.
        """
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content.get("version") != VERSION:
            raise ValueError(
                f"{path} has version {content.get('version')}, this code reads {VERSION}: predictions would silently differ from those "
                "that were evaluated. Export the model again, or serve it with the image that it was registered with."
            )
        if content["kind"] == "image_classification":
            return ImagePreprocessor(content["classes"], content["size"], content["channels"])
        if content["kind"] == "text_classification":
            return TextPreprocessor(content["classes"], content["vocabulary"], content["length"], content["token"]["python"])
        raise ValueError(
            f"{path} is for {content['kind']!r}, which this code cannot prepare. Serve it with the image it was registered with."
        )


@dataclass(frozen=True)
class ImagePreprocessor(Preprocessor):
    """Encoded pictures → (batch, size, size, channels) float32 in [0, 1]."""

    classes: list[str]
    size: int
    channels: int
    """1 for grey, 3 for colour."""

    def document(self) -> dict[str, Any]:
        """The content of `preprocessing.json`."""
        return {
            "version": VERSION,
            "kind": "image_classification",
            "classes": self.classes,
            "size": self.size,
            "channels": self.channels,
            "weight_steps": WEIGHT_STEPS,
        }

    def batch(self, instances: Sequence[Any]) -> npt.NDArray[np.float32]:
        """Prepare instances, each `{"b64": "…"}` or the encoded bytes themselves.

        Raises:
            InstanceError: for the first one that is not a picture.
        """
        if not instances:
            return np.zeros((0, self.size, self.size, self.channels), np.float32)
        return scaled(np.stack([self.pixels(_encoded(instance)) for instance in instances]))

    def pixels(self, encoded: bytes) -> Pixels:
        """One encoded picture as (size, size, channels) bytes, before scaling."""
        return resize(_with_channels(decode(encoded), self.channels), self.size)


@dataclass(frozen=True)
class TextPreprocessor(Preprocessor):
    """Texts → (batch, 2 × length) int32: the ids of the words, then of the pairs of neighbouring words."""

    classes: list[str]
    vocabulary: list[str]
    """Words, and pairs of words joined by a space; their ids begin at `FIRST_WORD`."""
    length: int
    """Words after this many are not seen."""
    token: str = PYTHON_TOKEN

    def document(self) -> dict[str, Any]:
        """The content of `preprocessing.json`."""
        return {
            "version": VERSION,
            "kind": "text_classification",
            "classes": self.classes,
            "token": {"python": self.token, "javascript": JAVASCRIPT_TOKEN},
            "length": self.length,
            "vocabulary": self.vocabulary,
        }

    def batch(self, instances: Sequence[Any]) -> npt.NDArray[np.int32]:
        """Prepare instances, each `{"text": "…"}` or the text itself.

        Raises:
            InstanceError: for the first one that is not a text.
        """
        ids = np.full((len(instances), 2 * self.length), PADDING, np.int32)
        for row, instance in enumerate(instances):
            words = tokens(_text(instance), self.token)[: self.length]
            ids[row, : len(words)] = [self._ids.get(word, UNKNOWN) for word in words]
            # A pair that is not in the vocabulary says nothing beyond its words, so it stays padding.
            ids[row, self.length : self.length + max(len(words) - 1, 0)] = [self._ids.get(pair, PADDING) for pair in pairs(words)]
        return ids

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        return {entry: at for at, entry in enumerate(self.vocabulary, FIRST_WORD)}


def tokens(text: str, pattern: str = PYTHON_TOKEN) -> list[str]:
    """The words of a text, in lower case."""
    return re.findall(pattern, text.lower())


def pairs(words: Sequence[str]) -> list[str]:
    """Pairs of neighbouring words."""
    return [f"{first} {second}" for first, second in itertools.pairwise(words)]


def scaled(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Bytes → float32 in [0, 1]."""
    return pixels.astype(np.float32) / np.float32(255)


def decode(encoded: bytes) -> Pixels:
    """An encoded picture as (height, width, 1 or 3) bytes, upright; transparency falls on white, sixteen bits become eight.

    Raises:
        InstanceError: when the bytes are not a picture, are cut short or claim more than `MAX_PIXELS`.
    """
    try:
        with warnings.catch_warnings():
            # Damaged metadata is no reason to refuse a picture; size is checked below, by our own limit.
            warnings.simplefilter("ignore")
            picture: Image.Image = Image.open(io.BytesIO(encoded), formats=FORMATS)
            if max(picture.size) > MAX_SIDE:
                raise InstanceError(f"a picture of {picture.width} × {picture.height}; at most {MAX_SIDE:,} pixels along a side are taken")
            if picture.width * picture.height > MAX_PIXELS:
                raise InstanceError(f"a picture of {picture.width} × {picture.height}; at most {MAX_PIXELS:,} pixels are taken")
            picture = ImageOps.exif_transpose(picture)
            return _bytes_of(picture)
    except InstanceError:
        raise
    except Image.DecompressionBombError:
        raise InstanceError(f"a picture that claims far more than the {MAX_PIXELS:,} pixels that are taken") from None
    except UnidentifiedImageError:
        raise InstanceError("not a picture in a known format (PNG, JPEG, WebP, GIF, BMP, TIFF)") from None
    # Decoders raise almost anything on damaged bytes: struct.error, SyntaxError, zlib.error, IndexError, …
    except Exception as error:
        raise InstanceError(f"a damaged picture ({error})") from None


def resize(pixels: Pixels, size: int) -> Pixels:
    """(height, width, channels) → (size, size, channels), bilinear with half-pixel centres.

    A picture that shrinks is averaged over the triangle that a source pixel spans (no aliasing). Rounded half up.
    """
    height, width, channels = pixels.shape
    if (height, width) == (size, size):
        return pixels
    rows = np.empty((size, width, channels), np.float64)
    # Row by row: a photograph is never held as floating-point numbers whole.
    for at, (start, weights) in enumerate(_weights(height, size)):
        rows[at] = np.tensordot(weights, pixels[start : start + len(weights)], 1)
    result = np.empty((size, size, channels), np.float64)
    for at, (start, weights) in enumerate(_weights(width, size)):
        result[:, at] = np.tensordot(rows[:, start : start + len(weights)], weights, (1, 0))
    return np.floor(result + 0.5).clip(0, 255).astype(np.uint8)


@functools.lru_cache(maxsize=64)
def _weights(source: int, target: int) -> list[tuple[int, npt.NDArray[np.float64]]]:
    """For each target pixel along one axis: the first source pixel and the weights from there."""
    scale = source / target
    reach = max(scale, 1.0)
    taps = []
    for at in range(target):
        centre = (at + 0.5) * scale
        start, stop = max(math.floor(centre - reach), 0), min(math.ceil(centre + reach), source)
        weights = np.maximum(1 - np.abs(np.arange(start, stop) + 0.5 - centre) / reach, 0)
        taps.append((start, np.floor(weights / weights.sum() * WEIGHT_STEPS + 0.5) / WEIGHT_STEPS))
    return taps


def _bytes_of(picture: Image.Image) -> Pixels:
    if picture.mode in ("1", "L") and "transparency" not in picture.info:
        return np.asarray(picture.convert("L"))[..., None]
    if picture.mode.startswith("I"):
        # PNG and TIFF keep sixteen bits in these modes; 65535 / 255 = 257.
        eight: Pixels = (np.asarray(picture).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8)
        return eight[..., None]
    if picture.mode == "F":
        levels: Pixels = (np.nan_to_num(np.asarray(picture)).clip(0, 1) * 255 + 0.5).astype(np.uint8)
        return levels[..., None]
    if picture.has_transparency_data:
        layers = np.asarray(picture.convert("RGBA")).astype(np.int32)
        colour, alpha = layers[..., :3], layers[..., 3:]
        on_white: Pixels = ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
        return on_white
    return np.asarray(picture.convert("RGB"))


def _with_channels(pixels: Pixels, channels: int) -> Pixels:
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    # ITU-R 601 luma in integers.
    luma = (pixels @ np.array([19595, 38470, 7471], np.int64) + 32768) >> 16
    return luma.astype(np.uint8)[..., None]


def _encoded(instance: Any) -> bytes:
    if isinstance(instance, bytes):
        return instance
    if not isinstance(instance, dict) or not isinstance(instance.get("b64"), str):
        raise InstanceError('a picture is sent as {"b64": "<the encoded file in base64>"}')
    try:
        return base64.b64decode(instance["b64"], validate=True)
    except (binascii.Error, ValueError):
        raise InstanceError("b64 is not base64") from None


def _text(instance: Any) -> str:
    text = instance.get("text") if isinstance(instance, dict) else instance
    if not isinstance(text, str):
        raise InstanceError('a text is sent as {"text": "…"} or as a plain string')
    if not text.strip():
        raise InstanceError("the text is empty")
    return text
