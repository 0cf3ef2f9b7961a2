"""Which methods of Google's APIs the local Google Cloud has served, as its own log of requests says."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

LOG = "requests"
ROUTES = (
    (re.compile(r"(POST|PUT) \S+/upload/storage/v1/b/[^/]+/o"), "storage.objects.insert"),
    (re.compile(r"(GET|HEAD) storage\.googleapis\.com/(?!storage/|batch)[^/]+/.+"), "storage.objects.get"),
    (re.compile(r"(POST|PUT) storage\.googleapis\.com/(?!storage/|batch)[^/]+/.+"), "storage.objects.insert"),
    (re.compile(r"(POST|PUT) \S+/upload/bigquery/v2/projects/[^/]+/jobs"), "bigquery.jobs.insert"),
    (re.compile(r"POST \S+\.prediction\.vertexai\.goog/\S+:(\w+)"), r"aiplatform.projects.locations.endpoints.\1"),
    (re.compile(r"POST generativelanguage\.googleapis\.com/\S+:(\w+)"), r"generativelanguage.models.\1"),
    (re.compile(r"GET generativelanguage\.googleapis\.com/v1(?:beta)?/models"), "generativelanguage.models.list"),
    (re.compile(r"POST \S+/token"), "oauth2.token"),
)
"""Requests that no discovery document describes, and the method that each makes."""


class Served:
    """The log of a local Google Cloud, read from where it stood when this was made.

    Args:
        database: its state.
    """

    def __init__(self, database: Path) -> None:
        self._database = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        [self._after] = self._database.execute("select coalesce(max(id), 0) from logs").fetchone()

    def methods(self) -> set[str]:
        """Methods that were called since, as `pubsub.projects.topics.publish`."""
        lines = self._database.execute("select line from logs where resource = ? and id > ?", (LOG, self._after)).fetchall()
        return {method(line) for [line] in lines}

    def close(self) -> None:
        """Closes the log."""
        self._database.close()


def method(line: str) -> str:
    """The method that a line of the log tells of."""
    said = json.loads(line)
    for request, name in ROUTES:
        if match := request.match(f"{said['http']} {said['address']}"):
            return match.expand(name)
    return str(said["method"])
