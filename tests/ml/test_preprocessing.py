"""What a client sends becomes what the model sees, by arithmetic that JavaScript repeats exactly."""

import base64
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.export import pictures
from ml.export.pictures import InstanceError, decode, resize, with_channels
from ml.export.preprocessing import FIRST_WORD, ImagePreprocessor, Preprocessor, TextPreprocessor, tokens
from tests.ml import drawn


def test_resizing_is_bilinear_with_half_pixel_centres() -> None:
    # Twice as large: the centres lie a quarter between the source's, the edges repeat; 25 and 75 are the golden values.
    grown = resize(np.array([[0, 100]] * 2, np.uint8)[..., None], 4)
    assert grown[0, :, 0].tolist() == [0, 25, 75, 100]
    # Half as large: each pixel spans four, weighted 1 3 3 1.
    shrunk = resize(np.array([[0, 0, 80, 80]] * 4, np.uint8)[..., None], 2)
    assert shrunk[0, :, 0].tolist() == [11, 69]


def test_resizing_agrees_with_pillow_within_one_level() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (67, 41, 3), np.uint8)
    theirs = np.asarray(Image.fromarray(pixels).resize((28, 28), Image.Resampling.BILINEAR))
    assert np.abs(resize(pixels, 28).astype(int) - theirs).max() <= 1


def test_a_white_picture_stays_white_at_any_size() -> None:
    for height, width in ((1, 1), (3, 1000), (97, 31)):
        assert (resize(np.full((height, width, 3), 255, np.uint8), 28) == 255).all()


def test_a_turned_photograph_is_seen_upright() -> None:
    image = Image.new("L", (4, 2))
    image.putpixel((0, 0), 255)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode(drawn.encoded(image, "PNG", exif=exif))
    assert turned.shape[:2] == (4, 2)
    assert turned[0, 1, 0] == 255


def test_transparency_falls_on_white_and_sixteen_bits_become_eight() -> None:
    assert (decode(drawn.encoded(Image.new("RGBA", (2, 2), (0, 0, 0, 0)))) == 255).all()
    assert (decode(drawn.encoded(Image.fromarray(np.full((2, 2), 65535, np.uint16)))) == 255).all()


def test_colour_becomes_grey_by_integer_luma() -> None:
    red = drawn.encoded(Image.new("RGB", (4, 4), (255, 0, 0)))
    assert (ImagePreprocessor(["a", "b"], 4, 1).pixels(red) == 76).all()
    assert ImagePreprocessor(["a", "b"], 4, 3).pixels(drawn.encoded(Image.new("L", (4, 4), 9))).tolist() == [[[9] * 3] * 4] * 4


def test_instances_of_the_serving_contract_give_a_batch() -> None:
    picture = drawn.picture("circle", 1)
    batch = ImagePreprocessor(["a", "b"], 28, 1).batch([{"b64": base64.b64encode(picture).decode()}, picture])
    assert batch.shape == (2, 28, 28, 1)
    assert batch.dtype == np.float32
    assert 0 <= batch.min() < batch.max() <= 1
    assert (batch[0] == batch[1]).all()


@pytest.mark.parametrize(
    ("instance", "complaint"),
    [("text", "b64"), ({"b64": 3}, "b64"), ({"b64": "?"}, "not base64"), ({"b64": "AAAA"}, "known format"), (None, "b64")],
)
def test_what_is_not_a_picture_is_refused(instance: object, complaint: str) -> None:
    with pytest.raises(InstanceError, match=complaint):
        ImagePreprocessor(["a", "b"], 28, 1).batch([instance])


def test_words_and_pairs_are_numbered_side_by_side() -> None:
    preprocessor = TextPreprocessor(["a", "b"], ["good", "not", "not good"], 4)
    batch = preprocessor.batch(["NOT good, zebra", {"text": "good"}])
    assert batch.tolist() == [[FIRST_WORD + 1, FIRST_WORD, 1, 0, FIRST_WORD + 2, 0, 0, 0], [FIRST_WORD, 0, 0, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize("instance", [3, {"text": None}, {"b64": "AAAA"}, "", {"text": "  "}])
def test_what_is_not_a_text_is_refused(instance: object) -> None:
    with pytest.raises(InstanceError):
        TextPreprocessor(["a", "b"], ["good"], 4).batch([instance])


def test_tokens_are_words_of_any_script() -> None:
    assert tokens("L'été n'est PAS fini! 東京は2024年") == ["l", "été", "n", "est", "pas", "fini", "!", "東", "京", "は", "2024", "年"]


def test_a_written_preprocessor_is_read_back_and_other_versions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "preprocessing.json"
    for preprocessor in (ImagePreprocessor(["a", "b"], 28, 1), TextPreprocessor(["a", "b"], ["good"], 4)):
        path.write_text(json.dumps(preprocessor.document()))
        assert Preprocessor.load(path) == preprocessor
    path.write_text(json.dumps({**ImagePreprocessor(["a", "b"], 28, 1).document(), "version": 99}))
    with pytest.raises(ValueError, match="version 99"):
        Preprocessor.load(path)


def test_a_server_loads_neither_tensorflow_nor_pyarrow() -> None:
    code = "import sys, ml.export.preprocessing; sys.exit(bool({'tensorflow', 'keras', 'pyarrow', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_picture_of_one_endless_row_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(InstanceError, match="along a side"):
        decode(drawn.encoded(Image.new("L", (32_769, 1))))


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(InstanceError, match="at most 50,000,000 pixels"):
        decode(drawn.encoded(Image.new("1", (10_000, 5_001))))


MODES = ("L", "1", "P", "LA", "RGB", "RGBA", "CMYK", "F")


@pytest.mark.parametrize("mode", MODES)
def test_bands_give_the_same_picture(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = Image.fromarray(np.random.default_rng(3).integers(0, 256, (37, 21, 4), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    encoded = drawn.encoded(noise.convert("RGB").convert(mode) if mode in ("CMYK", "F") else noise.convert(mode), "TIFF", exif=exif)
    whole = decode(encoded)
    monkeypatch.setattr(pictures, "BAND_PIXELS", 50)
    assert (decode(encoded) == whole).all()
    assert (with_channels(decode(encoded), 1) == with_channels(whole, 1)).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB"])
def test_a_large_picture_is_held_as_bytes_only(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "BAND_PIXELS", 50_000)
    encoded = drawn.encoded(Image.new("RGBA", (1500, 1000), (9, 99, 199, 77)).convert(mode))
    tracemalloc.start()
    ImagePreprocessor(["a", "b"], 28, 1).pixels(encoded)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Three bytes of colour and one of grey for each pixel, a band, and the rows of one weight; Pillow's own buffer is not traced.
    assert peak < 6 * 1500 * 1000
