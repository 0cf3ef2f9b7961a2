"""A local Google Cloud as a process of its own, to which this process is led."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT, REGION = "acme-gemini-local", "europe-west4"
BOOT_SECONDS = 60


@contextlib.contextmanager
def running(state: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Starts it on `state`, waits until it accepts requests, and ends it."""
    command = [sys.executable, "-m", "emulator", "--state", str(state), "--images", str(ROOT / "cloudbuild/images.yaml")]
    (state / "emulator.json").unlink(missing_ok=True)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + BOOT_SECONDS
            while not (state / "emulator.json").exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(
                        "The local Google Cloud did not start. Nothing was measured. Run `playbook emulator start` to see why."
                    )
                time.sleep(0.01)
            os.environ |= json.loads((state / "emulator.json").read_text())["environment"] | {"GOOGLE_CLOUD_PROJECT": PROJECT}
            yield process
        finally:
            process.terminate()


def megabytes(process: int, field: str) -> float:
    """`VmRSS` (now) or `VmHWM` (the most until now) of a process, in MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1000
