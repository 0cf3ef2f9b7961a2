"""Any source → rows in the raw bucket, addressed by their digest; done again only when the data or the code changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments.clients import Clients
from playbook import STATE
from playbook.loop.record import Record
from playbook.loop.sources import Source

SPLIT = "split"


@dataclass(frozen=True)
class Rows:
    """The rows of one task, on this machine."""

    source: Source
    folder: Path
    dataset: dict[str, Any]
    """Content of `dataset.json`: rows, rejected, classes, digest."""

    @property
    def splits_digest(self) -> str:
        """Digest of the rows with their splits, as frozen on this machine."""
        return str(json.loads((self.folder / SPLIT / "splits.json").read_text(encoding="utf-8"))["digest"])

    @property
    def split_table(self) -> Path:
        """The rows with their splits."""
        return self.folder / SPLIT / "rows.parquet"

    def frozen(self) -> list[dict[str, Any]]:
        """The test rows: id, content, label."""
        from ml.data.rows import read

        rows: list[dict[str, Any]] = read(self.split_table, split="test").to_pylist()
        return rows

    @property
    def rejected(self) -> list[dict[str, Any]]:
        """What could not be read, each with the reason."""
        lines = (self.folder / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line]


def ingest(source: Source, record: Record, work: Path) -> Rows:
    """Turn a source into rows below `work`."""
    from ml.data.ingest import ingest as read
    from ml.data.splits import split
    from pipelines import code

    with record.step(f"{source.task.name} · ingest source") as outcome:
        folder = work / source.task.name / f"{source.key}-{code.digest('ml')[:16]}"
        # `splits.json` is what is written last, so a folder that holds it is whole.
        if (folder / SPLIT / "splits.json").exists():
            outcome.status = "cached"
        else:
            read(source.place, source.task.kind, folder, STATE / "data")
            split(folder / "rows.parquet", folder / SPLIT)
        rows = Rows(source, folder, json.loads((folder / "dataset.json").read_text(encoding="utf-8")))
        outcome.detail = (
            f"{rows.dataset['rows']:,} rows, {len(rows.dataset['classes'])} classes, {rows.dataset['rejected']:,} rejected"
            f" · {source.place if source.own else rows.dataset['dataset']}"
        )
    return rows


def upload(clients: Clients, rows: Rows, record: Record) -> str:
    """Put the rows into the raw bucket unless they are there; their `gs://` address."""
    from google.api_core.exceptions import PreconditionFailed

    task, digest = rows.source.task.name, str(rows.dataset["digest"])
    with record.step(f"{task} · upload") as outcome:
        blob = clients.storage().bucket(clients.names.bucket("raw")).blob(f"{task}/{digest}/rows.parquet")
        outcome.detail = f"gs://{blob.bucket.name}/{task}/{digest[:12]}…"
        try:
            if blob.exists():
                outcome.status = "cached"
            else:
                blob.upload_from_filename(str(rows.folder / "rows.parquet"), if_generation_match=0)
        except PreconditionFailed:  # another run of the loop was faster
            outcome.status = "cached"
    return clients.names.uri("raw", task, digest, "rows.parquet")
