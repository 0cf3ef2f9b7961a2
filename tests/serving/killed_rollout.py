"""Does a rollout in processes that are killed, each right after the change that it is told, until one comes through.

The processes are forks of this one, which has imported everything and opened no connection.
"""

import importlib
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from environments.clients import Clients
from serving.rollout import promotion
from serving.rollout.gates import Criteria
from serving.rollout.probing import Probe


def attempt(order: dict[str, str], probe: list[Probe], killed_at: str) -> None:
    """Release or roll back; killed by itself when a line of the report holds `killed_at`."""

    def report(line: str) -> None:
        print(line, flush=True)
        if killed_at and killed_at in line:
            os.kill(os.getpid(), signal.SIGKILL)

    def web(version: str) -> None:
        partial = Path(order["web"] + ".partial")
        partial.write_text(version)
        partial.replace(order["web"])

    clients = Clients.of("local")
    criteria = Criteria(minimum_requests=3, minimum_rows=20)
    if order["do"] == "release":
        done = promotion.release(clients, order["task"], order["version"], probe, web, criteria=criteria, report=report)
    else:
        done = promotion.rollback(clients, order["task"], "Complaints!", web, report)
    print(json.dumps(asdict(done)), flush=True)


if __name__ == "__main__":
    importlib.import_module("google.cloud.aiplatform")
    importlib.import_module("google.cloud.aiplatform_v1.types")
    given = json.loads(sys.stdin.read())
    rows = [Probe(**row) for row in given["probe"]]
    for point in [*given["killed_at"], ""]:
        child = os.fork()
        if not child:
            attempt(given, rows, point)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) is not bool(point):
            sys.exit(f"the run that was to be killed at {point!r} ended with {status}")
