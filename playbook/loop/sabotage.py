"""Challengers that must never serve: the loop feeds them to the same gates as any other, and reports what stopped them.

Nothing in the product knows of them: one is wrong data, as a broken join upstream would deliver it, the other is an artifact that
was changed after it had been measured.
"""

from __future__ import annotations

import json
from pathlib import Path

from environments.clients import Clients
from serving.registry import artifact, versions

TRAINING_ROWS = 4000
"""Of the sabotaged rows; enough to learn from, had they anything to teach."""
SEED = 1


def mislabelled(rows: Path, out: Path) -> Path:
    """Raw rows with all frozen test rows as they are, and some others whose labels are shuffled.

    Args:
        rows: raw rows, as they were uploaded.
        out: file to write.
    """
    import numpy as np
    import pyarrow as pa

    from ml.data.rows import read, write
    from ml.data.splits import by_digest

    table = read(rows, columns=["id", "content", "label"]).sort_by("id")
    frozen = np.array([by_digest(key) == "test" for key in table["id"].to_pylist()])
    draw, others = np.random.default_rng(SEED), np.flatnonzero(~frozen)
    kept = np.sort(np.concatenate([np.flatnonzero(frozen), draw.permutation(others)[:TRAINING_ROWS]]))
    labels = np.array(table["label"].to_pylist(), object)[kept]
    training = np.flatnonzero(~frozen[kept])
    labels[training] = labels[draw.permutation(training)]
    write(table.take(pa.array(kept)).set_column(2, "label", pa.array(labels.tolist(), pa.string())), out)
    return out


def permuted(clients: Clients, task: str, version: str, scratch: Path) -> str:
    """Register a copy of a version whose classes stand in another order, under the verdict of the original; its version id.

    Args:
        clients: clients of the environment.
        task: name of the task.
        version: a version that has passed its gate.
        scratch: folder for the copy.
    """
    from google.cloud.storage import Blob

    original = versions.find(clients, task, version)
    if original is None:
        raise LookupError(f"{clients.names.model(task)}@{version} does not exist, so there is nothing to copy. Train first.")
    scratch.mkdir(parents=True, exist_ok=True)
    for name in artifact.SERVED:
        Blob.from_uri(f"{original.uri}/{name}", client=clients.storage()).download_to_filename(str(scratch / name))
    described = scratch / "preprocessing.json"
    content = json.loads(described.read_text(encoding="utf-8"))
    described.write_text(json.dumps({**content, "classes": [*content["classes"][1:], content["classes"][0]]}), encoding="utf-8")
    copy = versions.register(clients, task, scratch, original.container_spec.image_uri)
    versions.label(clients, task, copy.version, {"gate": original.labels.get("gate", "passed")})
    return copy.version
