"""The image table: which container image of ours is which entry point, and what its processes have imported before they start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from emulator.behaviours import Refusal

PREBUILT = re.compile(
    r"(?:(?:us|europe|asia)-docker\.pkg\.dev/vertex-ai(?:-restricted)?|gcr\.io/cloud-aiplatform)/training/([a-z-]+)-(?:cpu|gpu|tpu|xla)\..+"
)
"""Google's own images for training: https://cloud.google.com/vertex-ai/docs/training/pre-built-containers."""
FRAMEWORKS = {"tf": "tensorflow", "pytorch": "torch", "scikit-learn": "sklearn", "sklearn": "sklearn", "xgboost": "xgboost"}
"""Part of such an image's name → the module that it is for."""


@dataclass(frozen=True)
class Image:
    """One image, as far as running it goes."""

    entry_point: tuple[str, ...]
    """Empty for an image that only Google runs."""
    preload: tuple[str, ...] = ()
    """Modules that the image's warm launcher imports before the first step."""
    folder: str = ""
    """Where the modules lie that the image holds besides installed ones; empty for none."""


@dataclass(frozen=True)
class Images:
    """`cloudbuild/images.yaml`."""

    by_name: dict[str, Image]

    @classmethod
    def read(cls, path: Path) -> Images:
        """Reads the table.

        Raises:
            ValueError: The file is not such a table; or cannot be read; the message says why.
        """
        import yaml

        try:
            table: Any = yaml.safe_load(path.read_text())
            root = path.resolve().parent.parent
            return cls(
                {
                    str(name): Image(
                        () if "runs_in" in image else tuple(_near(str(word), root) for word in image["entry_point"]),
                        tuple(map(str, image.get("preload", ()))),
                        str(root),
                    )
                    for name, image in table["images"].items()
                }
            )
        except (OSError, yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path} is not a table of images, `images: {{NAME: {{entry_point: [...]}}}}`: {error!r}") from error

    def get(self, uri: str) -> Image:
        """The image at `uri`, to be run.

        Raises:
            Refusal: Nobody here can run that image.
        """
        image = self.known(uri)
        if not image.entry_point:
            raise Refusal(400, "INVALID_ARGUMENT", f"Image {uri!r} is not emulated: what it starts is in its base, which is not here.")
        return image

    def known(self, uri: str) -> Image:
        """The image at `uri`, which is known by the last part of its path, tag and digest off; or one of Google's for training.

        Raises:
            Refusal: It is not in the table.
        """
        if match := PREBUILT.fullmatch(uri):
            return _prebuilt(uri, match[1])
        name = uri.partition("@")[0].rpartition("/")[2].partition(":")[0]
        if name not in self.by_name:
            known = ", ".join(sorted(self.by_name))
            message = f"Image {uri!r} is not emulated: images.yaml knows {known}. Add it there, or use one of them."
            raise Refusal(400, "INVALID_ARGUMENT", message)
        return self.by_name[name]


def _prebuilt(uri: str, framework: str) -> Image:
    """The Python of this machine in place of an image of Google's, whatever the version, where it has the framework.

    Raises:
        Refusal: It has not.
    """
    module = FRAMEWORKS.get(framework)
    if module is None or find_spec(module) is None:
        problem = f"Image {uri!r} is not emulated: this machine has no {module or framework}. Nothing was run."
        raise Refusal(400, "INVALID_ARGUMENT", f"{problem} Install it beside the emulator, or use an image of images.yaml.")
    return Image(("python",))


def _near(word: str, root: Path) -> str:
    """A path of an entry point, which is relative to the repository, where a process with another working directory finds it."""
    return str(root / word) if "/" in word else word
