"""Writes the JSON Schema of evidence: `python -m tests.contract.evidence [--check]`."""

import sys
from pathlib import Path

from environments import schemas
from tests.contract.evidence.report import Evidence

FOLDER = Path(__file__).parent / "schemas"
MODELS = (Evidence,)

if __name__ == "__main__":
    sys.exit(schemas.main(sys.argv[1:], FOLDER, MODELS))
