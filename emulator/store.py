"""What the local Google Cloud remembers: resources, operations, IAM policies and logs in one SQLite file.

Every write is its own transaction, so a kill loses nothing that was answered.
"""

from __future__ import annotations

import errno
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Json = dict[str, Any]

TABLES = """
create table if not exists resources (
    service text not null, name text not null, parent text not null, kind text not null, body text not null,
    primary key (service, name)
) without rowid;
create index if not exists siblings on resources (service, parent);
create table if not exists logs (id integer primary key autoincrement, resource text not null, time real not null, line text not null);
create index if not exists log_of on logs (resource, id);
"""


def is_full(error: BaseException) -> bool:
    """Whether `error` says that the disk is full."""
    return getattr(error, "errno", None) == errno.ENOSPC or (isinstance(error, sqlite3.Error) and "full" in str(error))


def full_message(state: Path) -> str:
    """What a full disk means, for a person."""
    return f"The disk that holds {state} is full. What was answered is safe. Free some space, then start again."


class Damaged(sqlite3.DatabaseError):
    """A file of the state cannot be read; the message says what mends it."""


def opened(path: Path, tables: str) -> sqlite3.Connection:
    """A file of the state with its tables, which are made where they are missing.

    Raises:
        Damaged: It is no database, or a broken one.
    """
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        database.execute("pragma journal_mode=wal")
        # After a power cut the last transactions may be missing, never torn; a killed process loses none.
        database.execute("pragma synchronous=normal")
        database.executescript(tables)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise Damaged(
            f"{path} is damaged ({error}). It was left as it is. Put a copy of it back, or end the local Google Cloud and move the file "
            "away: what it held is lost then, and what other files hold stays."
        ) from None
    return database


class Store:
    """The state file. Each API has its own collection, since two APIs may use one name (`projects/P/locations/L/jobs/J`)."""

    def __init__(self, path: Path) -> None:
        self._database = opened(path, TABLES)
        self._depth = 0

    def of(self, service: str) -> Collection:
        """The resources of one API."""
        return Collection(self._database, service)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside happen, or none. Nothing may be awaited inside."""
        self._depth += 1
        if self._depth == 1:
            self._database.execute("begin immediate")
        try:
            yield
        except BaseException:
            if self._depth == 1:
                self._database.execute("rollback")
            raise
        else:
            if self._depth == 1:
                self._database.execute("commit")
        finally:
            self._depth -= 1

    def log(self, resource: str, line: str) -> None:
        """Appends one line to the log of `resource`."""
        self._database.execute("insert into logs (resource, time, line) values (?, ?, ?)", (resource, time.time(), line))

    def logs(self, resource: str, after: int = 0, limit: int = 1000) -> list[tuple[int, float, str]]:
        """`(id, time, line)` of `resource`, oldest first, from the first id above `after`."""
        rows = self._database.execute(
            "select id, time, line from logs where resource = ? and id > ? order by id limit ?", (resource, after, limit)
        )
        return rows.fetchall()

    def last_lines(self, resource: str, limit: int) -> list[tuple[int, float, str]]:
        """As `logs`, the newest lines alone."""
        rows = self._database.execute("select id, time, line from logs where resource = ? order by id desc limit ?", (resource, limit))
        return rows.fetchall()[::-1]

    def log_names(self) -> list[tuple[str, int, float]]:
        """`(resource, lines, time of the last)` of every log, the latest first."""
        return self._database.execute("select resource, count(*), max(time) from logs group by resource order by 3 desc").fetchall()

    def trim(self, resource: str, keep: int) -> None:
        """Forgets all but the last `keep` lines of a log."""
        self._database.execute(
            "delete from logs where resource = ? and id <= (select id from logs where resource = ? order by id desc limit 1 offset ?)",
            (resource, resource, keep),
        )

    def services(self) -> list[tuple[str, str, int]]:
        """`(service, kind, count)` of all that is kept; what the console's first page shows."""
        return self._database.execute("select service, kind, count(*) from resources group by service, kind order by 1, 2").fetchall()

    def close(self) -> None:
        """Folds the write-ahead log into the file and closes it."""
        self._database.close()


class Collection:
    """The resources of one API by their name."""

    def __init__(self, database: sqlite3.Connection, service: str) -> None:
        self._database = database
        self.service = service

    def get(self, name: str) -> Json | None:
        """The resource, or none."""
        row = self._database.execute("select body from resources where service = ? and name = ?", (self.service, name)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, name: str, kind: str, body: Json) -> Json:
        """Creates or replaces the resource `name` of `kind` (`Model`, `Endpoint`, …); returns `body`."""
        parent = name.rpartition("/")[0]
        self._database.execute(
            "insert or replace into resources values (?, ?, ?, ?, ?)", (self.service, name, parent, kind, json.dumps(body))
        )
        return body

    def delete(self, name: str) -> None:
        """Removes `name` and all that lies below it."""
        self._database.execute(
            "delete from resources where service = ? and (name = ? or (name > ? and name < ?))",
            (self.service, name, name + "/", name + "0"),
        )

    def remove(self, name: str) -> None:
        """Removes `name` alone: for names in which a slash means nothing, such as those of objects."""
        self._database.execute("delete from resources where service = ? and name = ?", (self.service, name))

    def items(self, parent: str = "", kind: str = "") -> list[tuple[str, Json]]:
        """As `list`, with the names."""
        rows = self._database.execute(
            "select name, body from resources where service = ? and (? = '' or parent = ?) and (? = '' or kind = ?) order by name",
            (self.service, parent, parent, kind, kind),
        )
        return [(name, json.loads(body)) for name, body in rows]

    def under(self, name: str, kind: str = "") -> list[tuple[str, Json]]:
        """`(name, resource)` of all that lies at any depth below `name`."""
        rows = self._database.execute(
            "select name, body from resources where service = ? and name > ? and name < ? and (? = '' or kind = ?) order by name",
            (self.service, name + "/", name + "0", kind, kind),
        )
        return [(name, json.loads(body)) for name, body in rows]

    def starting(self, prefix: str, kind: str = "") -> Iterator[tuple[str, Json]]:
        """`(name, resource)` of all whose names start with `prefix`, in order."""
        rows = self._database.execute(
            "select name, body from resources where service = ? and name >= ? and name < ? and (? = '' or kind = ?) order by name",
            (self.service, prefix, prefix + "\U0010ffff", kind, kind),
        )
        for name, body in rows.fetchall():
            yield name, json.loads(body)

    def between(self, first: str, last: str) -> list[tuple[str, Json]]:
        """`(name, resource)` of all names from `first` up to, but without, `last`, in order."""
        rows = self._database.execute(
            "select name, body from resources where service = ? and name >= ? and name < ? order by name", (self.service, first, last)
        )
        return [(name, json.loads(body)) for name, body in rows]

    def names(self, first: str, last: str, kind: str, limit: int) -> list[str]:
        """The first names of a kind of those that `between` would give."""
        rows = self._database.execute(
            "select name from resources where service = ? and name >= ? and name < ? and kind = ? order by name limit ?",
            (self.service, first, last, kind, limit),
        )
        return [name for (name,) in rows]

    def remove_between(self, first: str, last: str) -> None:
        """Removes what `between` would give."""
        self._database.execute("delete from resources where service = ? and name >= ? and name < ?", (self.service, first, last))

    def list(self, parent: str = "", kind: str = "") -> list[Json]:
        """The resources directly in the collection `parent` (`projects/P/locations/L/models`), in order of their names.

        Without `parent`, all of the API; with `kind`, only those of that kind.
        """
        return [body for _, body in self.items(parent, kind)]
