"""Rows that come without a job.

https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/insertAll
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from emulator.behaviours import Refusal
from emulator.engines.bigquery import rows
from emulator.engines.bigquery.catalogue import Table
from emulator.engines.bigquery.names import spoken
from emulator.engines.bigquery.partitions import TIME
from emulator.engines.bigquery.types import quoted
from emulator.engines.bigquery.warehouse import Connection

Json = dict[str, Any]

SENT_SECONDS = 60.0


class Sent:
    """The ids of the rows of the last minute: an insert whose answer was lost is sent again."""

    def __init__(self) -> None:
        self._moments: dict[tuple[str, str], float] = {}

    def before(self, table: str, insert_id: str) -> bool:
        """Whether a row with this id was inserted within the last minute."""
        return bool(insert_id) and self._moments.get((table, insert_id), 0.0) > time.monotonic() - SENT_SECONDS

    def note(self, table: str, insert_ids: Iterable[str]) -> None:
        """Remembers the ids of rows that were inserted."""
        moment = time.monotonic()
        old = itertools.takewhile(lambda item: item[1] < moment - SENT_SECONDS, self._moments.items())
        for key in [key for key, _ in old]:
            del self._moments[key]
        self._moments |= {(table, insert_id): moment for insert_id in insert_ids}


def insert(connection: Connection, table: Table, given: Sequence[Json], partition: str) -> None:
    """Adds rows that `rows.accepted` let through; what a row does not say takes its column's default.

    Args:
        connection: In whose transaction they are written.
        table: Where they go.
        given: The rows.
        partition: Of a table that is partitioned by when rows come, the one that takes them; by default that of now.

    Raises:
        Refusal: The table has no such partition.
    """
    moment = ""
    if partition:
        if table.partitioning is None or not table.partitioning.hidden:
            message = f"{spoken(table.name)} is not partitioned by when rows come: insert without the partition {partition}."
            raise Refusal(400, "INVALID_ARGUMENT", message, reason="invalid")
        moment = table.partitioning.start_of(partition)
    by_default = {one["name"] for one in table.fields if "defaultValueExpression" in one}
    groups: dict[frozenset[str], list[Json]] = {}
    for row in given:
        groups.setdefault(frozenset(by_default - row.keys()), []).append(row)
    shape = json.dumps([rows.structure(table.fields)])
    for missing, some in groups.items():
        said = [one for one in table.fields if one["name"] not in missing]
        names = [quoted(one["name"]) for one in said] + ([quoted(TIME)] if moment else [])
        values = [rows.taken(one, f"r.{quoted(one['name'])}") for one in said] + ([moment] if moment else [])
        read = f"SELECT {', '.join(values)} FROM (SELECT unnest(from_json(?, ?)) AS r)"
        connection.execute(f"INSERT INTO {quoted(table.storage)} ({', '.join(names)}) {read}", [json.dumps(some), shape])
