"""What the stacks are synthesised from, as one digest: where it is the same, so is every `cdk.tf.json`."""

import hashlib
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("cloudbuild", "environments", "infra")
"""Code, settings, and the files that stacks take in as they are."""
PACKAGES = ("cdktf", "cdktf-cdktf-provider-google", "constructs")


def digest() -> str:
    """The digest of every file and package that has a say in what is synthesised."""
    total = hashlib.sha256("\n".join(f"{package} {version(package)}" for package in PACKAGES).encode())
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            total.update(f"\n{path.relative_to(ROOT).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}".encode())
    return total.hexdigest()
