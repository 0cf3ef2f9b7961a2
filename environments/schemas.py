"""Writes the JSON Schemas that editors use for the YAML files: `python -m environments.schemas` (`make schemas`).

With `--check` it writes nothing and fails when a file is not what the models say.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from environments.gemini import Catalogue
from environments.parity import Parity
from environments.schema import Environment, Organisation
from environments.tasks import Tasks

FOLDER = Path(__file__).parent / "schemas"
MODELS: tuple[type[BaseModel], ...] = (Environment, Organisation, Tasks, Catalogue, Parity)


def render(models: Sequence[type[BaseModel]] = MODELS) -> dict[str, str]:
    """File name → content of every schema."""
    return {
        f"{model.__name__.lower()}.schema.json": json.dumps(model.model_json_schema(), indent=2, sort_keys=True) + "\n" for model in models
    }


def stale(folder: Path = FOLDER, models: Sequence[type[BaseModel]] = MODELS) -> list[str]:
    """Names of the files that are missing or differ from the models."""
    return [name for name, text in render(models).items() if not (folder / name).exists() or (folder / name).read_text("utf-8") != text]


def main(arguments: list[str], folder: Path = FOLDER, models: Sequence[type[BaseModel]] = MODELS) -> int:
    """Write every schema, or with `--check` say which are stale; the exit code."""
    if "--check" in arguments:
        if found := stale(folder, models):
            where = f"{folder.parent.name}/{folder.name}"
            print(f"Stale in {where}: {', '.join(found)}. Editors would check against old rules. Run: make schemas")
        return int(bool(found))
    folder.mkdir(exist_ok=True)
    for name, content in render(models).items():
        (folder / name).write_text(content, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
