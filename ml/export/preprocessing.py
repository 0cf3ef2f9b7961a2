"""What a client sends → what the model sees. numpy and Pillow only, so that a server starts in a tenth of a second.

`preprocessing.json` holds all that was decided from the training rows, the class labels included. This module is one
implementation of the contract in `ml/export/__init__.py`; `golden.json` holds every implementation to the same numbers.
"""

import base64
import binascii
import functools
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.export.pictures import WEIGHT_STEPS, InstanceError, Pixels, decode, resize, with_channels

VERSION = 1
PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2
"""Token ids: nothing, a word outside the vocabulary, the vocabulary's first entry."""

# Runs of letters and numbers of any script, each Chinese or Japanese character on its own (they have no spaces), and the
# two marks that carry feeling. The patterns match the same text, each in its language (JavaScript: flags `gu`).
PYTHON_TOKEN = r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+|[!?]"
JAVASCRIPT_TOKEN = r"[\u3040-\u30ff\u3400-\u9fff]|(?:(?![\u3040-\u30ff\u3400-\u9fff])[\p{L}\p{N}])+|[!?]"


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

    def content(self, instance: Any) -> bytes:
        """The encoded picture of an instance; raises `InstanceError` when it holds none."""
        return _encoded(instance)

    def pixels(self, encoded: bytes) -> Pixels:
        """One encoded picture as (size, size, channels) bytes, before scaling."""
        return resize(with_channels(decode(encoded), self.channels), self.size)


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

    def content(self, instance: Any) -> str:
        """The text of an instance; raises `InstanceError` when it holds none."""
        return _text(instance)

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
