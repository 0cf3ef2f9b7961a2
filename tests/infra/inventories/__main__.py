"""Write every inventory anew: `python -m tests.infra.inventories`."""

import tempfile
from pathlib import Path

from infra.app import synthesise
from infra.policies.subject import read
from tests.infra.inventories import FOLDER, render

with tempfile.TemporaryDirectory() as out:
    synthesise(out=Path(out))
    written = render({stack.id: stack for stack in read(Path(out), [])})
for stale in FOLDER.glob("*.yaml"):
    stale.unlink()
for name, content in written.items():
    (FOLDER / name).write_text(content, encoding="utf-8")
