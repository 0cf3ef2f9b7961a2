"""The digest of our own source, for what is kept on this machine and must be made again when the code changes."""

import hashlib
from pathlib import Path

ROOT = Path(__file__).parent.parent
SUFFIXES = (".py", ".yaml")


def digest(*rooms: str, root: Path = ROOT) -> str:
    """SHA-256 over the source files of `rooms` and the locked packages, so that a change of either does the work again."""
    files = [path for room in rooms for path in (root / room).rglob("*") if path.suffix in SUFFIXES]
    total = hashlib.sha256()
    for path in sorted([*files, *(root / "cloudbuild").glob("requirements-*.lock")]):
        total.update(f"{path.relative_to(root).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()
