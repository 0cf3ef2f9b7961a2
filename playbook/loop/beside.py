"""Work beside the work that is shown."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

Found = TypeVar("Found")


def beside(work: Callable[[], Found]) -> Future[Found]:
    """Do `work` beside what follows, in a thread that does not hold up the end of the command."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
