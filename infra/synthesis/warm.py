"""The one-time warm-up of jsii's cache.

jsii unpacks a package once and indexes it in the background; without the index every run parses 131 MB of JSON. A fast
run ends before the index is written, so that it would never appear: the first run waits for it (about ten seconds).
"""

import importlib
import os
import sys
import time
from pathlib import Path

from infra.synthesis.bindings import PACKAGE

INDEX = "@{framework}/provider-google/*/*/.jsii.runtime.v1.json"
LIMIT_SECONDS = 120


def cache_root() -> Path:
    """Where jsii keeps unpacked packages."""
    return Path(os.environ.get("JSII_RUNTIME_PACKAGE_CACHE_ROOT") or Path.home() / ".cache" / "aws" / "jsii" / "package-cache")


def warm() -> None:
    """Wait for the index when it is missing; without it everything works, slowly, so that a full disk is no failure."""
    root, index = cache_root(), INDEX.format(framework=importlib.import_module("cdktf").__name__)
    if os.environ.get("JSII_RUNTIME_PACKAGE_CACHE", "").lower() == "disabled" or any(root.glob(index)):
        return
    print("first run: indexing the provider bindings, once", file=sys.stderr)
    importlib.import_module(f"{PACKAGE}._jsii")
    deadline = time.monotonic() + LIMIT_SECONDS
    while not any(root.glob(index)):
        if time.monotonic() > deadline:
            print(f"the index did not appear in {root} within {LIMIT_SECONDS} s; every run will be slow. Is it writable?", file=sys.stderr)
            return
        time.sleep(0.1)
