"""Golden vectors of the preprocessing contract: `python -m ml.export.golden` writes `golden.json` beside this module.

With `--check` it writes nothing and fails when this implementation gives other numbers than the file. Every implementation
is held to the same file: `pictures` (a PNG in base64; `decoded`, its upright bytes row by row in base64; `preprocessing`,
the document; `expected`, the bytes after the resize, row by row), `texts` (document, and a list of text and token ids) and
`refused` (instances that must be). The contract itself stands in `ml/export/__init__.py`.
"""

import base64
import hashlib
import json
import struct
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml.export.pictures import decode
from ml.export.preprocessing import ImagePreprocessor, TextPreprocessor

FILE = Path(__file__).with_name("golden.json")
GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6
"""PNG's colour types."""
SAMPLES = {GREY: 1, COLOUR: 3, PALETTE: 1, GREY_ALPHA: 2, COLOUR_ALPHA: 4}
CLASSES = ["no", "yes"]

TEXTS = (
    "good",
    "Not GOOD, not bad!",
    "The film was good; the story was not good at all, it was far too long",
    "zebra good",
    "…",
    "don't\tsnake_case\nend?!",
    "L'ÉTÉ n'est pas fini",
    "ΣΊΣΥΦΟΣ İstanbul straße STRASSE",
    "東京は2024年",
    "½ Ⅷ ٣ film2",
    "cafe\u0301 हिन्दी 👍 good",
    "\ufeffgood\u00a0film",
)
VOCABULARY = [
    "not",
    "good",
    "film",
    "not good",
    "the",
    "été",
    "σίσυφος",
    "東",
    "は",
    "2024",
    "!",
    "?",
    "the film",
    "?!",
    "? !",
    "cafe",
]


def render() -> dict[str, Any]:
    """The content of `golden.json`."""
    text = TextPreprocessor(CLASSES, VOCABULARY, 6)
    return {
        "pictures": [_picture(name, content, size, channels) for name, content, size, channels in _pictures()],
        "texts": {
            "preprocessing": text.document(),
            "instances": [{"text": sentence, "expected": text.batch([sentence])[0].tolist()} for sentence in TEXTS],
        },
        "refused": {
            "image_classification": [{"b64": ""}, {"b64": "AAAA"}, {"b64": "?"}, {"b64": 3}, {"text": "good"}, "AAAA", None],
            "text_classification": ["", " \t\n", {"text": ""}, {"text": None}, {"b64": "AAAA"}, 3, None],
        },
    }


def main(arguments: Sequence[str], file: Path = FILE) -> int:
    """Write the file, or with `--check` compare; the exit code."""
    content = json.dumps(render(), indent=1, ensure_ascii=True) + "\n"
    if "--check" not in arguments:
        file.write_text(content, encoding="utf-8")
        return 0
    if file.is_file() and file.read_text(encoding="utf-8") == content:
        return 0
    print(
        f"{file.name} says other numbers than ml/export: deployed models would be fed otherwise than they were evaluated. Mend the "
        "code; or, when the contract is meant to change, raise VERSION in ml/export/preprocessing.py and run: python -m ml.export.golden",
        file=sys.stderr,
    )
    return 1


def _picture(name: str, content: bytes, size: int, channels: int) -> dict[str, Any]:
    preprocessor = ImagePreprocessor(CLASSES, size, channels)
    upright = decode(content)
    height, width, given = upright.shape
    return {
        "name": name,
        "png": base64.b64encode(content).decode(),
        "decoded": {"height": height, "width": width, "channels": given, "bytes": base64.b64encode(upright.tobytes()).decode()},
        "preprocessing": preprocessor.document(),
        "expected": preprocessor.pixels(content).ravel().tolist(),
    }


def _pictures() -> list[tuple[str, bytes, int, int]]:
    """Name, file, size and channels."""
    ramp = b"".join(bytes([level, 255 - level, level * 7 % 256]) for level in range(16))
    turned = b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)
    return [
        ("one grey pixel, grown", _png(1, 1, GREY), 3, 1),
        ("one colour pixel, seen as grey", _png(1, 1, COLOUR), 2, 1),
        ("grey, the size as it is", _png(5, 5, GREY), 5, 1),
        ("grey, grown by a half", _png(4, 4, GREY), 6, 1),
        ("grey, halved", _png(8, 8, GREY), 4, 1),
        ("grey, wide, seen as colour", _png(23, 7, GREY), 5, 3),
        ("grey of one bit", _png(9, 6, GREY, depth=1), 4, 1),
        ("grey of four bits", _png(9, 6, GREY, depth=4), 4, 1),
        ("grey of sixteen bits", _png(6, 7, GREY, depth=16), 4, 1),
        ("grey with one transparent level", _png(6, 6, GREY, depth=4, tRNS=b"\0\x07"), 4, 1),
        ("grey and alpha", _png(7, 5, GREY_ALPHA), 4, 1),
        ("grey and alpha of sixteen bits", _png(7, 5, GREY_ALPHA, depth=16), 4, 1),
        ("colour, tall", _png(11, 29, COLOUR), 6, 3),
        ("colour, seen as grey", _png(11, 29, COLOUR), 6, 1),
        ("colour, one axis grows, the other shrinks", _png(3, 17, COLOUR), 7, 3),
        ("colour of sixteen bits", _png(6, 5, COLOUR, depth=16), 4, 3),
        ("colour and alpha", _png(9, 8, COLOUR_ALPHA), 5, 3),
        ("colour and alpha, seen as grey", _png(9, 8, COLOUR_ALPHA), 5, 1),
        ("palette of sixteen colours", _png(9, 6, PALETTE, depth=4, PLTE=ramp), 4, 3),
        ("palette with transparent entries", _png(9, 6, PALETTE, depth=4, PLTE=ramp, tRNS=bytes(range(0, 256, 32))), 4, 3),
        ("colour, stored on its side", _png(8, 5, COLOUR, eXIf=turned), 4, 3),
        ("colour, much reduced", _png(64, 48, COLOUR), 3, 3),
    ]


def _png(width: int, height: int, kind: int, depth: int = 8, **chunks: bytes) -> bytes:
    """A PNG file of noise, stored and not compressed, so that every zlib writes the same bytes."""
    length = -(-width * SAMPLES[kind] * depth // 8)
    noise = hashlib.shake_128(f"{width} {height} {kind} {depth}".encode()).digest(length * height)
    # Each row begins with the number of its filter: none.
    rows = b"".join(b"\0" + noise[at : at + length] for at in range(0, len(noise), length))
    stored = b"x\x01\x01" + struct.pack("<HH", len(rows), len(rows) ^ 0xFFFF) + rows + struct.pack(">I", zlib.adler32(rows))
    body = {"IHDR": struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0), **chunks, "IDAT": stored, "IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + (name.encode() + content) + struct.pack(">I", zlib.crc32(name.encode() + content))
        for name, content in body.items()
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
