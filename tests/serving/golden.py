"""Golden vectors for the JavaScript preprocessing: instances of every kind, prepared by the Python one."""

from __future__ import annotations

import base64
import io
import itertools
import json
import struct
import sys
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ml.export.preprocessing import JAVASCRIPT_TOKEN, ImagePreprocessor, TextPreprocessor, tokens

ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
WIDTH, HEIGHT = 21, 13
CLASSES = ["a", "b"]
GREY, COLOUR = ImagePreprocessor(CLASSES, 9, 1), ImagePreprocessor(CLASSES, 9, 3)
WORDS = TextPreprocessor(CLASSES, ["the", "film", "the film", "straße", "i̇", "σας", "!", "好", "２", "x y", "y"], 8)
TEXTS = (
    "The film! The FILM?",
    "Straße STRASSE ẞ",
    "İstanbul I ı",
    "ΣΑΣ ΣΑΣ.",
    "你好，世界 ２０２４年 カタカナ ひらがな",
    "snake_case don't e-mail 3.14 ½ ² Ⅷ ٣",
    "🙂 👩‍💻 naïve café nai\u0308ve",
    " \u00a0\u2003x y\u200by\ufeffz ",
    "a" * 40 + " " + "word " * 40,
    "\x1cx\x85y",
)


def documents() -> Iterator[tuple[str, ImagePreprocessor]]:
    yield "grey", GREY
    yield "colour", COLOUR


def png(rng: np.random.Generator, colour: int, depth: int, interlaced: bool, transparency: bool) -> bytes:
    """A PNG of random scanlines with random filters: whatever the bytes are, it is a valid one."""
    lines = []
    for left, top, across, down in ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(WIDTH - left) // across), -(-(HEIGHT - top) // down)
        for _ in range(rows if columns > 0 else 0):
            lines += [bytes([rng.integers(5)]), rng.bytes(-(-columns * CHANNELS[colour] * depth // 8))]
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour, 0, 0, interlaced))]
    if colour == 3:
        chunks.append((b"PLTE", rng.bytes(3 << depth)))
    if transparency:
        level = int(rng.integers(1 << min(depth, 8)))
        chunks.append((b"tRNS", {0: struct.pack(">H", level), 2: struct.pack(">HHH", 1, 2, 3), 3: rng.bytes((1 << depth) - 1)}[colour]))
    content = zlib.compress(b"".join(lines))
    chunks += [(b"IDAT", content[:50]), (b"IDAT", content[50:]), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def saved(picture: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def smooth(height: int, width: int, channels: int) -> npt.NDArray[np.uint8]:
    """A picture with gradients and edges, which lossy formats change."""
    y, x, c = np.mgrid[:height, :width, :channels]
    waves = 127 + 90 * np.sin(x / 7 + c) * np.cos(y / 5 - c) + 37 * ((x // 9 + y // 11) % 2)
    return np.asarray(waves.clip(0, 255).astype(np.uint8))


def pictures() -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng(3)
    for colour, interlaced in itertools.product(DEPTHS, (False, True)):
        for depth in DEPTHS[colour]:
            for transparency in (False, True) if colour in (0, 2, 3) and depth <= 8 else (False,):
                name = f"a PNG of colour type {colour}, {depth} bits{', interlaced' * interlaced}{', with tRNS' * transparency}"
                yield name, png(rng, colour, depth, interlaced, transparency)
    photograph, grey = Image.fromarray(smooth(97, 143, 3)), Image.fromarray(smooth(40, 61, 1)[..., 0])
    for subsampling, progressive in itertools.product((0, 1, 2), (False, True)):
        name = f"a JPEG with subsampling {subsampling}{', progressive' * progressive}"
        yield name, saved(photograph, "JPEG", quality=83, subsampling=subsampling, progressive=progressive)
    yield "a grey JPEG", saved(grey, "JPEG")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for form, options in (("JPEG", {}), ("PNG", {}), ("WEBP", {"lossless": True})):
            yield f"a {form} with orientation {orientation}", saved(photograph, form, exif=exif, **options)
    veiled = Image.fromarray(np.dstack([smooth(50, 33, 3), smooth(50, 33, 1)]))
    yield "a lossy WebP", saved(photograph, "WEBP", quality=70)
    yield "a WebP with alpha", saved(veiled, "WEBP", lossless=True, exact=True)
    yield "a lossy WebP with alpha", saved(veiled, "WEBP", quality=70)
    yield "a GIF", saved(photograph.convert("P", palette=Image.Palette.ADAPTIVE), "GIF")
    yield "a grey GIF", saved(grey, "GIF")
    yield "a GIF with transparency", saved(veiled.quantize(16), "GIF", transparency=3)
    noise = Image.fromarray(rng.integers(0, 256, (150, 140), dtype=np.uint8))
    yield "a GIF whose table is full", saved(noise, "GIF", interlace=True)
    flat = saved(Image.new("P", (60, 60)), "GIF", interlace=False)
    yield "a GIF of one colour", flat
    yield "a GIF whose screen is larger than its picture", flat[:6] + struct.pack("<HH", 70, 80) + flat[10:]
    yield "a picture that is already as large as the model's", saved(Image.fromarray(smooth(9, 9, 3)), "PNG")
    yield "a picture of one pixel", saved(Image.fromarray(smooth(1, 1, 3)), "PNG")
    yield "a photograph", saved(Image.fromarray(smooth(331, 507, 3)), "PNG")
    yield "a very wide picture", saved(Image.fromarray(smooth(3, 9001, 1)[..., 0]), "PNG")


def encoded(content: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(content).decode()}


def refused() -> Iterator[tuple[str, Any, Any, str]]:
    """Name, document, instance and what the refusal says."""
    picture = png(np.random.default_rng(1), 2, 8, False, False)
    bomb = saved(Image.new("1", (8000, 8000)), "PNG")
    wide = saved(Image.new("1", (40_000, 1)), "PNG")
    for name, content, error in (
        ("a PNG that is cut short", picture[:-40], "damaged"),
        ("a PNG with damaged data", picture.replace(b"IDAT", b"IDAT\x99"), "damaged"),
        ("a JPEG that is cut short", saved(Image.fromarray(smooth(64, 64, 3)), "JPEG")[:-200], "damaged"),
        ("a GIF of six bytes", b"GIF89a", "damaged"),
        ("a WebP without data", b"RIFF\x0c\0\0\0WEBPVP8 \0\0\0\0", "damaged"),
        ("a text file", b"hello", "known format"),
        ("nothing", b"", "known format"),
        ("a picture that would unfold to gigabytes", bomb, "8000 × 8000"),
        ("a picture with an endless side", wide, "32,768 pixels along a side"),
    ):
        yield name, GREY, encoded(content), error
    instance: Any
    for name, instance, error in (
        ("what is not base64", {"b64": "%%%%"}, "not base64"),
        ("base64 without its padding", {"b64": "abc"}, "not base64"),
        ("a text in place of a picture", {"text": "a shirt"}, "sent as"),
        ("a number in place of a picture", 7, "sent as"),
        ("a list in place of a picture", [], "sent as"),
        ("nothing in place of a picture", None, "sent as"),
    ):
        yield name, GREY, instance, error
    for name, instance, error in (
        ("an empty text", "", "empty"),
        ("a text of white space", {"text": " \t\x1c\x85\u3000"}, "empty"),
        ("a picture in place of a text", {"b64": "aaaa"}, "sent as"),
        ("a number in place of a text", {"text": 7}, "sent as"),
    ):
        yield name, WORDS, instance, error


def every_letter() -> str:
    """Every character that this Python's Unicode knows, each between spaces."""
    return " ".join(chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co"))


def write(path: Path) -> None:
    """Write the golden vectors."""
    prepared = [
        {
            "name": f"{name} ({kind})",
            "document": document.document(),
            "instance": encoded(content),
            "values": document.batch([encoded(content)]).ravel().tolist(),
        }
        for name, content in pictures()
        for kind, document in documents()
    ]
    prepared += [
        {"name": repr(text[:30]), "document": WORDS.document(), "instance": text, "values": WORDS.batch([text]).ravel().tolist()}
        for text in TEXTS
    ]
    golden = {
        "token": JAVASCRIPT_TOKEN,
        "tokens": [{"text": text, "tokens": tokens(text)} for text in (*TEXTS, every_letter())],
        "prepared": prepared,
        "refused": [{"name": n, "document": d.document(), "instance": i, "error": e} for n, d, i, e in refused()],
    }
    path.write_text(json.dumps(golden), encoding="utf-8")
