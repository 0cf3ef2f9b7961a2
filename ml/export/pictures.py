"""Encoded pictures → bytes of one size, by arithmetic that every implementation repeats exactly.

Resize weights are multiples of 1/16384, so that sums of their products with bytes fit a double exactly, whatever the order
of the additions. A picture is worked on in bands of rows: beside what Pillow decoded, a band is all that is held in a wider
type than bytes.
"""

import functools
import io
import math
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

MAX_PIXELS = 50_000_000
"""A picture that claims more is refused before it is decoded: a few kilobytes can unfold to gigabytes."""
MAX_SIDE = 32_768
"""A picture of one row and millions of columns passes the limit on pixels, but its resize would hold gigabytes."""
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""What is decoded: Pillow would also hand EPS to Ghostscript, which runs what the file says."""
BAND_PIXELS = 1_000_000
WEIGHT_STEPS = 16384
LUMA = (19595, 38470, 7471)
"""ITU-R 601 in 65536ths."""

Pixels = npt.NDArray[np.uint8]

UPRIGHT: dict[object, Callable[[Pixels], Pixels]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels.swapaxes(0, 1)[:, ::-1],
    7: lambda pixels: pixels.swapaxes(0, 1)[::-1, ::-1],
    8: lambda pixels: pixels.swapaxes(0, 1)[::-1],
}
"""Exif orientation → the view of the stored rows that stands upright; 1 and what is not defined already do."""


class InstanceError(ValueError):
    """An instance is not what the model takes; the message can be sent back to the client."""


def decode(encoded: bytes) -> Pixels:
    """An encoded picture as (height, width, 1 or 3) bytes, upright; transparency falls on white, sixteen bits become eight.

    Raises:
        InstanceError: when the bytes are not a picture, are cut short or claim more than `MAX_PIXELS`.
    """
    try:
        with warnings.catch_warnings():
            # Damaged metadata is no reason to refuse a picture; size is checked below, by our own limit.
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(encoded), formats=FORMATS)
            if max(picture.size) > MAX_SIDE:
                raise InstanceError(f"a picture of {picture.width} × {picture.height}; at most {MAX_SIDE:,} pixels along a side are taken")
            if picture.width * picture.height > MAX_PIXELS:
                raise InstanceError(f"a picture of {picture.width} × {picture.height}; at most {MAX_PIXELS:,} pixels are taken")
            picture.load()
            pixels = _bytes_of(picture)
            orientation = picture.getexif().get(ExifTags.Base.Orientation)
            return UPRIGHT[orientation](pixels) if orientation in UPRIGHT else pixels
    except InstanceError:
        raise
    except Image.DecompressionBombError:
        raise InstanceError(f"a picture that claims far more than the {MAX_PIXELS:,} pixels that are taken") from None
    except UnidentifiedImageError:
        raise InstanceError("not a picture in a known format (PNG, JPEG, WebP, GIF, BMP, TIFF)") from None
    # Decoders raise almost anything on damaged bytes: struct.error, SyntaxError, zlib.error, IndexError, …
    except Exception as error:
        raise InstanceError(f"a damaged picture ({error})") from None


def with_channels(pixels: Pixels, channels: int) -> Pixels:
    """Grey repeated to three channels, or colour reduced to its luma."""
    height, width, given = pixels.shape
    if given == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    grey = np.empty((height, width, 1), np.uint8)
    for top, bottom in _bands(height, width):
        red, green, blue = np.moveaxis(pixels[top:bottom].astype(np.uint32), 2, 0)
        grey[top:bottom, :, 0] = (red * LUMA[0] + green * LUMA[1] + blue * LUMA[2] + 32768) >> 16
    return grey


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
    """(height, width, 1 or 3), as the rows are stored."""
    channels, converted = _conversion(picture)
    if picture.width * picture.height <= BAND_PIXELS:
        return converted(picture)
    pixels = np.empty((picture.height, picture.width, channels), np.uint8)
    for top, bottom in _bands(picture.height, picture.width):
        pixels[top:bottom] = converted(picture.crop((0, top, picture.width, bottom)))
    return pixels


def _conversion(picture: Image.Image) -> tuple[int, Callable[[Image.Image], Pixels]]:
    """How many channels a picture of this mode becomes, and how its rows do."""
    if picture.mode in ("1", "L") and "transparency" not in picture.info:
        return 1, lambda rows: np.asarray(rows.convert("L"))[..., None]
    if picture.mode.startswith("I"):
        # PNG and TIFF keep sixteen bits in these modes; 65535 / 255 = 257.
        return 1, lambda rows: (np.asarray(rows).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8)[..., None]
    if picture.mode == "F":
        return 1, lambda rows: (np.nan_to_num(np.asarray(rows)).clip(0, 1) * 255 + 0.5).astype(np.uint8)[..., None]
    if picture.has_transparency_data:
        return 3, _on_white
    return 3, lambda rows: np.asarray(rows.convert("RGB"))


def _on_white(rows: Image.Image) -> Pixels:
    layers = np.asarray(rows.convert("RGBA")).astype(np.uint16)
    colour, alpha = layers[..., :3], layers[..., 3:]
    # At most 255 × 255 + 127, which sixteen bits hold.
    on_white: Pixels = ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return on_white


def _bands(height: int, width: int) -> Iterator[tuple[int, int]]:
    """The first row and the row after the last of each band."""
    rows = max(BAND_PIXELS // width, 1)
    for top in range(0, height, rows):
        yield top, min(top + rows, height)
