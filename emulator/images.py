"""The image table: which container image of ours is which entry point."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.behaviours import Refusal


@dataclass(frozen=True)
class Images:
    """`cloudbuild/images.yaml`, as far as running the images goes."""

    entry_points: dict[str, tuple[str, ...]]
    preload: tuple[str, ...] = ()
    """Modules that the warm launcher imports before the first step: those of all images."""

    @classmethod
    def read(cls, path: Path) -> Images:
        """Reads the table.

        Raises:
            ValueError: The file is not such a table; the message says why.
        """
        import yaml

        table: Any = yaml.safe_load(path.read_text())
        try:
            entry_points = {str(name): tuple(map(str, image["entry_point"])) for name, image in table["images"].items()}
            preload = dict.fromkeys(str(module) for image in table["images"].values() for module in image.get("preload", ()))
            return cls(entry_points, tuple(preload))
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path} is not a table of images, `images: {{NAME: {{entry_point: [...]}}}}`: {error!r}") from error

    def entry_point(self, uri: str) -> tuple[str, ...]:
        """The command of the image at `uri`, which is known by the last part of its path, tag and digest off.

        Raises:
            Refusal: Nobody here can run that image.
        """
        name = uri.partition("@")[0].rpartition("/")[2].partition(":")[0]
        if name not in self.entry_points:
            known = ", ".join(sorted(self.entry_points))
            raise Refusal(
                400, "INVALID_ARGUMENT", f"Image {uri!r} is not emulated: images.yaml knows {known}. Add it there, or use one of them."
            )
        return self.entry_points[name]
