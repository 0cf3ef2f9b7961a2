"""The permissions that a BigQuery job needs on data, beside the one to run a job: they depend on what it reads and writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from emulator.access.permissions import Need
from emulator.behaviours import Json
from emulator.engines.bigquery.names import name_of

if TYPE_CHECKING:
    from emulator.engines.bigquery.statement import Statement


def of_statement(statement: Statement, configuration: Json) -> Iterator[Need]:
    """What a query needs: its tables are read, its target or its destination is written."""
    for table in statement.tables.values():
        # The tables of a script, which nobody else can name, are its own.
        if "/datasets/_results/" not in table.name:
            yield _on("getData", table.name)
    if "/datasets/_results/" in statement.target:
        return
    if statement.kind.endswith("_SCHEMA"):
        verb = "delete" if statement.kind.startswith("DROP") else "create"
        yield Need(
            f"bigquery.datasets.{verb}", "bigquery", statement.target if verb == "delete" else statement.target.partition("/datasets")[0]
        )
    elif statement.kind.startswith("CREATE"):
        yield _on("create", statement.target)
    elif statement.kind.startswith("DROP"):
        yield _on("delete", statement.target)
    elif statement.kind.startswith("ALTER"):
        yield _on("update", statement.target)
    elif statement.target:
        yield _on("updateData", statement.target)
    if destination := configuration.get("destinationTable"):
        yield _on("updateData", name_of(destination))


def of_job(configuration: Json) -> Iterator[Need]:
    """What a load, an extract or a copy needs."""
    load, extract, copy = (configuration.get(kind, {}) for kind in ("load", "extract", "copy"))
    for uri in load.get("sourceUris", []):
        yield _of_object("get", uri)
    for uri in extract.get("destinationUris", []):
        yield _of_object("create", uri)
    if source := extract.get("sourceTable"):
        yield _on("export", name_of(source))
    for source in copy.get("sourceTables") or ([copy["sourceTable"]] if copy.get("sourceTable") else []):
        yield _on("getData", name_of(source))
    if destination := load.get("destinationTable") or copy.get("destinationTable"):
        yield _on("updateData", name_of(destination))


def _on(verb: str, table: str) -> Need:
    return Need(f"bigquery.tables.{verb}", "bigquery", table)


def _of_object(verb: str, uri: str) -> Need:
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    return Need(f"storage.objects.{verb}", "storage", f"b/{bucket}/o/{name}")
