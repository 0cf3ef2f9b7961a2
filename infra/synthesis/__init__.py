"""What makes synthesis take one second instead of ten, without changing its output.

Lives here: the lazy provider package in Python (`bindings`), the lazy index in Node (`lazy-index.cjs`), which Node runs
(`node`) and the one-time warm-up of jsii's cache (`warm`). Beside them, which lines declared a construct (`origins`), whether anything
would be synthesised differently (`declared`), the same stacks under cdktf's successor (`successor`), and what a provider major ahead would
change for them (`ahead`).
Does not live here: any stack. Whoever imports `cdktf` or the provider calls `prepare` first, as `infra.components` does, or imports what
does inside `prepared`, as `infra.stacks` does.
"""

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from infra.synthesis import bindings, node, warm

__all__ = ["prepare", "prepared"]


def prepare() -> None:
    """Start cdktf with both hooks; a second call does nothing.

    Raises:
        NodeMissing: when no usable Node is installed.
    """
    if "cdktf" in sys.modules:
        return
    bindings.install()
    with node.variables():
        importlib.import_module("cdktf")
    warm.warm()


@contextmanager
def prepared() -> Iterator[None]:
    """Import stacks inside: cdktf is started with both hooks, and nobody looks for garbage among classes that stay.

    Raises:
        NodeMissing: when no usable Node is installed.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        prepare()
        yield
        gc.freeze()
    finally:
        if collects:
            gc.enable()
