"""Every change of an object's content: files and store change together, also where a kill comes in between.

What is about to happen is stored first. Each of its steps can be done twice, so what was begun is finished at the next start.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emulator.behaviours import Refusal
from emulator.engines.changes import Changes
from emulator.engines.generations import Generations
from emulator.store import Store

Json = dict[str, Any]

SESSIONS = "uploads"
"""Content that arrives in parts is known here by the name of its file among what comes in."""


class Journal:
    """Changes that have begun.

    Args:
        folder: Of the objects; all paths are relative to it.
        store: Holds the objects' metadata.
        older: Holds what is no longer live.
        changes: Is told what happened.
    """

    def __init__(self, folder: Path, store: Store, older: Generations, changes: Changes) -> None:
        self._folder, self._store, self._older, self._changes = folder, store, older, changes
        self._kept, self._begun, self._sessions = store.of("storage"), store.of("storage-journal"), store.of(SESSIONS)
        for identifier, change in self._begun.items():
            self._finish(identifier, change)

    def apply(
        self,
        bucket: str,
        name: str,
        *,
        live: Json | None = None,
        older: Json | None = None,
        move: Sequence[str] = (),
        gone: Sequence[str] = (),
        events: Sequence[Any] = (),
        session: str = "",
    ) -> None:
        """Makes a change.

        Args:
            bucket: Of the object.
            name: Of the object.
            live: What is live from now on.
            older: What is kept of the generation before, its content linked already.
            move: From where to where a file is moved.
            gone: Files that go, with the folders that they leave empty.
            events: Arguments of `Changes.add`.
            session: The upload that ends with this.

        Raises:
            Refusal: A process writes at the same place at the same moment.
        """
        identifier = uuid.uuid4().hex
        told = events if self._changes.heard(bucket) else ()
        change = {
            "bucket": bucket,
            "name": name,
            "live": live,
            "older": older,
            "move": move,
            "gone": gone,
            "events": told,
            "session": session,
        }
        if move or gone:
            self._begun.put(identifier, "Change", change)
        if not self._finish(identifier, change):
            where = f"gs://{bucket}/{name}"
            raise Refusal(409, "ABORTED", f"{where} was not written: a process made a file or a folder there at that moment. Try again.")
        if older:
            self._older.trim(bucket, name)
        if told:
            self._changes.deliver()

    def _finish(self, identifier: str, change: Json) -> bool:
        """Whether it could be done."""
        try:
            self._move(change)
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            self._begun.remove(identifier)
            return False
        address = key(change["bucket"], change["name"])
        with self._store.transaction():
            if change["live"]:
                self._kept.put(address, "Object", change["live"])
            else:
                self._kept.remove(address)
            if change["older"]:
                self._older.put(change["older"])
            for event, resource, more in change["events"]:
                self._changes.add(event, resource, more)
            if change["session"]:
                session = self._sessions.get(change["session"]) or {}
                self._sessions.put(change["session"], "Upload", {**session, "finished": True})
            self._begun.remove(identifier)
        return True

    def _move(self, change: Json) -> None:
        if change["move"]:
            source, target = (self._folder / part for part in change["move"])
            if source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(source, target)
        for part in change["gone"]:
            path = self._folder / part
            path.unlink(missing_ok=True)
            for parent in path.parents:
                if parent == self._folder / change["bucket"] or not parent.is_dir() or any(parent.iterdir()):
                    break
                parent.rmdir()


def key(bucket: str, name: str) -> str:
    """An object's name in the store."""
    return f"b/{bucket}/o/{name}"
