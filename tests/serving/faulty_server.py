"""The prediction server with a fault, as a container whose image was built wrongly: `slow` or `failing`, named by the first argument."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from serving.python import __main__ as server
from serving.python.model import Model

answer = Model.predict


def slow(model: Model, instances: Sequence[Any]) -> list[dict[str, Any]]:
    time.sleep(0.3)
    return answer(model, instances)


def failing(model: Model, instances: Sequence[Any]) -> list[dict[str, Any]]:
    raise RuntimeError("the weights are gone")


if __name__ == "__main__":
    setattr(Model, "predict", {"slow": slow, "failing": failing}[sys.argv.pop(1)])  # noqa: B010 - mypy allows no assignment to a method
    sys.exit(server.main())
