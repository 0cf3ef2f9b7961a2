"""One object of a gibibyte, written and read by Google's client: how fast, and how much memory that takes of the server."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from pathlib import Path

from bench.emulator.cloud import PROJECT, REGION, megabytes, running

SIZE = 1 << 30
BLOCK = 1 << 20
TARGETS = {"upload_growth_mb": 64, "download_growth_mb": 64}
"""Of the most memory that the server ever took: flat, whatever the size."""


def measure() -> dict[str, float]:
    """MB a second, and by how many MB the most memory that the server ever took has grown."""
    from google.cloud import storage

    with tempfile.TemporaryDirectory() as folder, running(Path(folder, "state")) as process:
        source, target = Path(folder, "source"), Path(folder, "target")
        block = os.urandom(BLOCK)
        with source.open("wb") as file:
            file.writelines(block for _ in range(SIZE // BLOCK))
        bucket = storage.Client(project=PROJECT).create_bucket(f"{PROJECT}-bench", location=REGION)
        blob = bucket.blob("large")
        # Everything that small objects take has been taken.
        bucket.blob("small").upload_from_string(block)
        bucket.blob("small").download_as_bytes()
        before = megabytes(process.pid, "VmHWM")
        begun = time.perf_counter()
        # In one request.
        blob.chunk_size = None
        blob.upload_from_filename(str(source), timeout=600)
        uploaded, after_upload = time.perf_counter() - begun, megabytes(process.pid, "VmHWM")
        begun = time.perf_counter()
        blob.download_to_filename(str(target), timeout=600)
        downloaded, after = time.perf_counter() - begun, megabytes(process.pid, "VmHWM")
        if _digest(source) != _digest(target):
            raise SystemExit("The object came back changed. Nothing was measured.")
    return {
        "upload_mb_per_second": round(SIZE / 1e6 / uploaded, 1),
        "download_mb_per_second": round(SIZE / 1e6 / downloaded, 1),
        "upload_growth_mb": round(after_upload - before, 1),
        "download_growth_mb": round(after - after_upload, 1),
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
