"""Where each construct was written, so that a broken policy names a line and not only an address.

jsii constructs live in Node, whose stack traces end at the kernel; the lines that matter are Python's, and are taken when a
construct is made.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FILE = "origins.json"
"""Beside each `cdk.tf.json`: construct path → lines. Not a part of it, since a line that moves must not change a plan's digest."""
ROOT = Path(__file__).parents[2]
DECLARING = (f"{ROOT / 'infra' / 'components'}/", f"{ROOT / 'infra' / 'stacks'}/")


@contextmanager
def recorded() -> Iterator[dict[str, list[str]]]:
    """Note the lines of every construct that is made inside; construct path → `file:line`, innermost first."""
    import jsii

    create = jsii.create
    paths: dict[int, str] = {}
    found: dict[str, list[str]] = {}

    def recording(klass: type[Any], obj: Any, args: list[Any] | None = None) -> Any:
        match args:
            case [scope, str(id_), *_] if hasattr(type(scope), "node"):
                # The app has no entry: it is the root, whose own id is empty.
                parent = paths.get(id(scope))
                path = f"{parent}/{id_}" if parent else id_
                paths[id(obj)] = path
                found[path] = lines()
        return create(klass, obj, args)

    jsii.create = recording
    try:
        yield found
    finally:
        jsii.create = create


def lines() -> list[str]:
    """Our lines on the stack of calls, innermost first."""
    found: list[str] = []
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(DECLARING):
            found.append(f"{file[len(str(ROOT)) + 1 :]}:{frame.f_lineno}")
        frame = frame.f_back  # type: ignore[assignment]
    return found


def write(found: Mapping[str, Sequence[str]], stacks: Path, id_: str) -> None:
    """Put the lines of one stack's constructs beside its configuration."""
    own = {path: lines for path, lines in found.items() if path.startswith(f"{id_}/")}
    (stacks / id_ / FILE).write_text(json.dumps(own, indent=1), encoding="utf-8")


def read(file: Path) -> Mapping[str, Sequence[str]]:
    """What `write` wrote; empty where the stack was made by something else."""
    found: dict[str, list[str]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found
