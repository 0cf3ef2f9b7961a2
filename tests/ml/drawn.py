"""Small pictures and texts that the tests of this room draw and write themselves."""

import csv
import io
import random
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("circle", "square", "bars")


def picture(shape: str, seed: int, side: int = 32, colour: bool = False, form: str = "PNG") -> bytes:
    """One encoded picture of a shape whose place and shade follow from the seed."""
    chance = random.Random(f"{shape}-{seed}")
    ground, ink = chance.randint(150, 220), chance.randint(0, 60)
    image = Image.new("RGB", (side, side), (ground, ground, ground - 60 if colour else ground))
    draw = ImageDraw.Draw(image)
    left, top = chance.randint(1, side // 4), chance.randint(1, side // 4)
    box = (left, top, left + side // 2, top + side // 2)
    if shape == "circle":
        draw.ellipse(box, fill=(ink, ink, ink))
    elif shape == "square":
        draw.rectangle(box, fill=(ink, ink, ink))
    else:
        for x in range(left, left + side // 2, 6):
            draw.line((x, 0, x, side), fill=(ink, ink, ink), width=2)
    return encoded(image, form)


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """The image as a file."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def array(pixels: object) -> bytes:
    """An array as PNG."""
    return encoded(Image.fromarray(np.asarray(pixels, np.uint8)))


def folder(root: Path, each: int, classes: tuple[str, ...] = SHAPES, colour: bool = False) -> Path:
    """A folder of one folder per class."""
    for shape in classes:
        (root / shape).mkdir(parents=True)
        for seed in range(each):
            (root / shape / f"{seed}.png").write_bytes(picture(shape, seed, colour=colour))
    return root


def table(path: Path, each: int) -> Path:
    """A CSV file of short texts in two languages' worth of opinions."""
    chance = random.Random(1)
    words = {"good": ["lovely", "great", "warm", "bright"], "bad": ["dull", "awful", "cold", "flat"]}
    things = ["film", "story", "song", "scene", "ending", "cast", "plot", "joke"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for at in range(each):
            for label, feelings in words.items():
                thing, other = chance.sample(things, 2)
                writer.writerow([f"The {thing} is {chance.choice(feelings)} and the {other} number {at} as well!", label])
    return path
