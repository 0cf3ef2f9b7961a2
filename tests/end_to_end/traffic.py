"""Looks at an endpoint all the time, through whatever local Google Cloud runs on a state folder."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from environments import Names, load, organisation

EVERY_SECONDS = 0.02


class Traffic:
    """What an endpoint has shown."""

    def __init__(self) -> None:
        self.shares: tuple[int, ...] = ()
        """Percent of each deployed model that has traffic, as seen last, the smallest first."""
        self.seen: list[tuple[int, ...]] = []
        """The different shares, one after the other."""
        self.faults: list[Any] = []
        """Endpoints as they must never be."""

    def add(self, endpoint: dict[str, Any]) -> None:
        """Keep what the endpoint shows."""
        split = {key: share for key, share in endpoint.get("trafficSplit", {}).items() if share}
        listed = {one["id"] for one in endpoint.get("deployedModels", [])}
        if not split.keys() <= listed or sum(split.values()) != (100 if listed else 0):
            self.faults.append(endpoint)
        self.shares = tuple(sorted(split.values()))
        if not self.seen or self.seen[-1] != self.shares:
            self.seen.append(self.shares)


@contextmanager
def watched(state: Path, task: str) -> Iterator[Traffic]:
    """The traffic of a task while the block runs, whether the loop on `state` is up, down or just being killed."""
    names, traffic, ended = Names(organisation(), load("local")), Traffic(), threading.Event()
    address = f"https://{names.environment.region}-aiplatform.googleapis.com/v1/{names.endpoint(task)}"

    def look() -> None:
        while not ended.wait(EVERY_SECONDS):
            try:
                variables = json.loads((state / "emulator" / "emulator.json").read_text(encoding="utf-8"))["environment"]
                with requests.Session() as session:
                    session.trust_env = False
                    session.proxies, session.verify = {"https": variables["HTTPS_PROXY"]}, variables["SSL_CERT_FILE"]
                    while not ended.wait(EVERY_SECONDS):
                        answer = session.get(address, headers={"Authorization": "Bearer ya29.local-watcher"}, timeout=10)
                        if answer.ok:  # else it is not there yet
                            traffic.add(answer.json())
            except (OSError, ValueError):  # nobody is there, or was just killed
                traffic.shares = ()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield traffic
    finally:
        ended.set()
        thread.join()
    assert not traffic.faults, traffic.faults[0]
    assert traffic.seen, "nobody has seen the endpoint"
