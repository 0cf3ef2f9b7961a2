"""The served artifact of a model version: a folder in the models bucket that is named by the digest of what is served."""

import hashlib
from pathlib import Path

from environments.clients import Clients

SERVED = ("model.tflite", "preprocessing.json")
"""The files that decide what a version answers; the rest of the folder (checkpoint, SavedModel) is kept for conversion."""
CONVERTED = ("preprocessing.json", "web.json")
"""The same for a folder that `ml.export.tfjs` wrote: `web.json` holds the digests of all its files."""


def digest(folder: Path) -> str:
    """SHA-256 over the served files: checkpoints carry time stamps, so a whole folder never has the same digest twice."""
    total = hashlib.sha256()
    for name in served(folder):
        total.update(f"{name} {hashlib.sha256((folder / name).read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def served(folder: Path) -> tuple[str, ...]:
    """Which of a folder's files are served, by Python or by Node."""
    return CONVERTED if (folder / "web.json").is_file() else SERVED


def publish(clients: Clients, task: str, folder: Path) -> str:
    """Copy a model folder to `gs://<models bucket>/<task>/<digest>` and return that address.

    The files that are served go last, so a folder that holds them is complete; a copy that was cut off is simply done again.
    """
    prefix = f"{task}/{digest(folder)}"
    bucket = clients.storage().bucket(clients.names.bucket("models"))
    last = served(folder)
    files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: (path.name in last, path))
    for path in files:
        bucket.blob(f"{prefix}/{path.relative_to(folder).as_posix()}").upload_from_filename(str(path))
    return clients.names.uri("models", *prefix.split("/"))
