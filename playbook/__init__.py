"""What joins the rooms: the command line, the way to Google Cloud, set-up, the loop and its report.

Lives here: `__main__` (the command line; a module a command in `commands/`), `address` (the one module that knows who answers
for Google's hosts), `children` (processes that never outlive us), `setup/` (what `make` needs, done by itself), `loop/` (from
infrastructure to a served model in one command) and `report/` (its page).
Does not live here: anything that a team would need without the command line; that belongs to the other rooms.
Start reading: `address.py`, then `loop/__init__.py`.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".playbook"
"""What this checkout keeps between runs: packages' stamps, providers, data sets, the local Google Cloud. Ignored by git."""
BUILD = ROOT / "build"
"""What commands produce for people. Ignored by git."""


class PlaybookError(Exception):
    """A command cannot go on; the message is complete and meant for people."""
