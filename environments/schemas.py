"""Writes the JSON Schemas that editors use for the YAML files: `python -m environments.schemas` (`make schemas`)."""

import json
from pathlib import Path

from pydantic import BaseModel

from environments.gemini import Catalogue
from environments.parity import Parity
from environments.schema import Environment, Organisation
from environments.tasks import Tasks

FOLDER = Path(__file__).parent / "schemas"
MODELS: tuple[type[BaseModel], ...] = (Environment, Organisation, Tasks, Catalogue, Parity)


def render() -> dict[str, str]:
    """File name → content of every schema."""
    return {
        f"{model.__name__.lower()}.schema.json": json.dumps(model.model_json_schema(), indent=2, sort_keys=True) + "\n" for model in MODELS
    }


def main() -> None:
    """Write every schema."""
    FOLDER.mkdir(exist_ok=True)
    for name, content in render().items():
        (FOLDER / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
