"""`python -m tests.infra.addresses`: write the addresses of a release."""

import tempfile
from pathlib import Path

from infra.app import synthesise
from infra.policies.subject import read
from tests.infra.addresses import FILE, render

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        synthesise(out=Path(scratch))
        FILE.write_text(render({stack.id: stack for stack in read(Path(scratch), [])}), encoding="utf-8")
