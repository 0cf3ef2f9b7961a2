"""Writes the JSON Schemas that editors use for the YAML files of this room: `python -m infra.schemas [--check]` (`make schemas`)."""

import sys
from pathlib import Path

from pydantic import BaseModel

from environments import schemas
from infra.policies.waivers import Waivers
from infra.price.book import Book
from infra.review.report import Report
from infra.review.rules.ways import Ways
from infra.review.types import Types
from infra.terraform.standin.types import Table

FOLDER = Path(__file__).parent / "schemas"
MODELS: tuple[type[BaseModel], ...] = (Waivers, Book, Table, Report, Types, Ways)

if __name__ == "__main__":
    sys.exit(schemas.main(sys.argv[1:], FOLDER, MODELS))
