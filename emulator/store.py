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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]

TABLES = """
create table if not exists resources (
    service text not null, name text not null, parent text not null, kind text not null, body text not null,
    made text not null default '', title text not null default '',
    primary key (service, name)
) without rowid;
create index if not exists siblings on resources (service, parent);
create table if not exists logs (id integer primary key autoincrement, resource text not null, time real not null, line text not null);
create index if not exists log_of on logs (resource, id);
"""
NEWEST = "create index if not exists newest on resources (service, kind, made desc, name, title)"
"""What a list of thousands needs is in the index alone: which are the next fifty, and which have a text in their names."""
MADE = ("versionCreateTime", "createTime", "timeCreated", "openTime", "time", "creationTimestamp", "startTime", "insertTime")
"""Fields that say when a resource was made, in the APIs' various words; nested ones are in `_headline`."""
TITLES = ("displayName", "subject", "friendlyName")
ESCAPES = str.maketrans({"!": "!!", "%": "!%", "_": "!_"})

SIBLINGS = "indexed by siblings where service = ? and parent = ?"
"""Left to itself, SQLite would read the whole service in the order of its key, which saves it to sort."""


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


@dataclass(frozen=True)
class Headline:
    """What a list shows of a resource."""

    service: str
    kind: str
    name: str
    title: str
    made: str
    """When it was made, as its API writes it; empty where nothing says so."""


class Store:
    """The state file. Each API has its own collection, since two APIs may use one name (`projects/P/locations/L/jobs/J`)."""

    def __init__(self, path: Path) -> None:
        self._database = opened(path, TABLES)
        self._depth = 0
        self._complete()
        self._database.execute(NEWEST)

    def _complete(self) -> None:
        """Gives a state file of before the two columns that lists are ordered and searched by."""
        if "made" in {row[1] for row in self._database.execute("pragma table_info(resources)")}:
            return
        with self.transaction():
            for column in ("made", "title"):
                self._database.execute(f"alter table resources add column {column} text not null default ''")
            rows = self._database.execute("select body, service, name from resources").fetchall()
            said = [(*_headline(json.loads(body)), service, name) for body, service, name in rows]
            self._database.executemany("update resources set made = ?, title = ? where service = ? and name = ?", said)

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

    def last_lines(self, resource: str, limit: int, before: int = 1 << 62) -> list[tuple[int, float, str]]:
        """As `logs`, the newest lines alone, or the newest whose ids are below `before`."""
        rows = self._database.execute(
            "select id, time, line from logs where resource = ? and id < ? order by id desc limit ?", (resource, before, limit)
        )
        return rows.fetchall()[::-1]

    def log_names(self) -> list[tuple[str, int, float]]:
        """`(resource, lines, time of the last)` of every log, the latest first."""
        # Counted in the index alone; only the last line of each log is read.
        return self._database.execute(
            "select resource, lines, (select time from logs where id = last) from"
            " (select resource, count(*) as lines, max(id) as last from logs group by resource) order by last desc"
        ).fetchall()

    def trim(self, resource: str, keep: int) -> None:
        """Forgets all but the last `keep` lines of a log."""
        self._database.execute(
            "delete from logs where resource = ? and id <= (select id from logs where resource = ? order by id desc limit 1 offset ?)",
            (resource, resource, keep),
        )

    def services(self) -> list[tuple[str, str, int]]:
        """`(service, kind, count)` of all that is kept; what the console's first page shows."""
        return self._database.execute("select service, kind, count(*) from resources group by service, kind order by 1, 2").fetchall()

    def search(self, text: str, service: str = "", kind: str = "", first: int = 0, limit: int = 50) -> list[Headline]:
        """Resources in whose name or title `text` stands (all, where it is empty), the newest of each kind first; no body is read.

        Args:
            text: Compared without regard to case.
            service: Of this API alone.
            kind: Of this kind alone.
            first: So many are skipped.
            limit: At most so many.
        """
        like = f"%{text.translate(ESCAPES)}%" if text else ""
        wanted = {"service = ?": (service,), "kind = ?": (kind,), "(name like ? escape '!' or title like ? escape '!')": (like, like)}
        given = {clause: values for clause, values in wanted.items() if values[0]}
        where = " and ".join(given) or "true"
        values = [value for one in given.values() for value in one]
        rows = self._database.execute(
            f"select service, kind, name, title, made from resources indexed by newest where {where}"
            " order by service, kind, made desc, name limit ? offset ?",
            (*values, limit, first),
        )
        return [Headline(*row) for row in rows]

    def close(self) -> None:
        """Folds the write-ahead log into the file and closes it."""
        self._database.close()


def _headline(body: Json) -> tuple[str, str]:
    """When a resource was made, and its title."""
    made = next((body[key] for key in MADE if isinstance(body.get(key), str)), None)
    for path in (("statistics", "creationTime"), ("metadata", "genericMetadata", "createTime")):
        inner: Any = body
        for key in path:
            inner = inner.get(key) if isinstance(inner, dict) else None
        made = made or inner
    title = next((body[key] for key in TITLES if isinstance(body.get(key), str)), "")
    return made if isinstance(made, str) else "", title


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
        row = (self.service, name, parent, kind, json.dumps(body), *_headline(body))
        self._database.execute("insert or replace into resources values (?, ?, ?, ?, ?, ?, ?)", row)
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
        place = SIBLINGS if parent else "where service = ? and '' = ?"
        rows = self._database.execute(
            f"select name, body from resources {place} and (? = '' or kind = ?) order by name", (self.service, parent, kind, kind)
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

    def after(self, parent: str, name: str, limit: int, kind: str = "") -> list[tuple[str, Json]]:
        """The first `limit` of `items` whose names come after `name`."""
        rows = self._database.execute(
            f"select name, body from resources {SIBLINGS} and name > ? and (? = '' or kind = ?) order by name limit ?",
            (self.service, parent, name, kind, kind, limit),
        )
        return [(name, json.loads(body)) for name, body in rows]

    def between(self, first: str, last: str, limit: int = -1) -> list[tuple[str, Json]]:
        """`(name, resource)` of all names from `first` up to, but without, `last`, in order; with `limit`, so many at most."""
        rows = self._database.execute(
            "select name, body from resources where service = ? and name >= ? and name < ? order by name limit ?",
            (self.service, first, last, limit),
        )
        return [(name, json.loads(body)) for name, body in rows]

    def names(self, first: str, last: str, limit: int) -> list[str]:
        """The first names of those that `between` would give."""
        rows = self._database.execute(
            "select name from resources where service = ? and name >= ? and name < ? order by name limit ?",
            (self.service, first, last, limit),
        )
        return [name for (name,) in rows]

    def newest(self, kind: str, first: int = 0, limit: int = 50) -> list[tuple[str, Json]]:
        """`(name, resource)` of a page of a kind, the newest first."""
        # Which they are is in the index; only their own bodies are read.
        rows = self._database.execute(
            "select name, body from resources where service = ? and name in (select name from resources indexed by newest"
            " where service = ? and kind = ? order by made desc, name limit ? offset ?) order by made desc, name",
            (self.service, self.service, kind, limit, first),
        )
        return [(name, json.loads(body)) for name, body in rows]

    def count(self, kind: str = "", parent: str = "", below: str = "") -> int:
        """How many there are; of a kind, directly in the collection `parent`, at any depth in the collection `below`."""
        wanted = {"kind = ?": (kind,), "parent = ?": (parent,), "parent >= ? and parent < ?": (below, below and below + "0")}
        given = {clause: values for clause, values in wanted.items() if values[0]}
        where = " and ".join(["service = ?", *given])
        values = [self.service, *(value for one in given.values() for value in one)]
        found: tuple[int] = self._database.execute(f"select count(*) from resources where {where}", values).fetchone()
        return found[0]

    def remove_between(self, first: str, last: str) -> None:
        """Removes what `between` would give."""
        self._database.execute("delete from resources where service = ? and name >= ? and name < ?", (self.service, first, last))

    def list(self, parent: str = "", kind: str = "") -> list[Json]:
        """The resources directly in the collection `parent` (`projects/P/locations/L/models`), in order of their names.

        Without `parent`, all of the API; with `kind`, only those of that kind.
        """
        return [body for _, body in self.items(parent, kind)]
