"""Writes the JSON Schemas of what this room keeps in buckets: `python -m releases.schemas [--check]` (`make schemas`)."""

import sys
from pathlib import Path

from pydantic import BaseModel

from environments import schemas
from releases.manifest import CodeRelease, ModelRelease

FOLDER = Path(__file__).parent / "schemas"
MODELS: tuple[type[BaseModel], ...] = (CodeRelease, ModelRelease)

if __name__ == "__main__":
    sys.exit(schemas.main(sys.argv[1:], FOLDER, MODELS))
