"""What a rerun need not do again: small JSON files, each about one version of one task."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments.clients import Clients
from playbook import PlaybookError


class Forgotten(PlaybookError):
    """What is to be remembered belongs to a version that is not there any more."""


@dataclass(frozen=True)
class Page:
    """One file."""

    path: Path

    def read(self) -> Any:
        """Its content; nothing when it was not written yet."""
        return json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else None

    def write(self, content: Any) -> None:
        """Keep the content, atomically."""
        from ml.data.rows import write_json

        write_json(content, self.path)


@dataclass(frozen=True)
class Memory:
    """The files of one environment."""

    clients: Clients
    folder: Path

    def page(self, what: str, task: str, version: str) -> Page:
        """The file about `what` of a version.

        Its name has the time at which the version was made, too: a project that was made anew counts from 1 again, and has none of
        the traffic and runs that the file tells of.

        Raises:
            Forgotten: when the version is not registered.
        """
        from serving.registry import versions

        found = versions.find(self.clients, task, version)
        if found is None:
            raise Forgotten(f"version {version} of {task} is not registered any more, so its loop cannot go on. Run the loop again.")
        return Page(self.folder / task / f"{what}-{found.version_id}-{found.version_create_time:%Y%m%d%H%M%S}.json")
