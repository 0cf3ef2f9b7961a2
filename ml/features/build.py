"""Rows and a trained model → feature rows."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from ml.data.rows import kind_of, read, write, write_json
from ml.export.embedding import digest, embeddings
from ml.features.sentiment import sentiments

FILE = "features.parquet"


def build(rows: Path, exported: Path, out: Path) -> dict[str, Any]:
    """Write `features.parquet` and `features.json` into `out`.

    Columns: `entity_id` (the row's id), `embedding` (float32 list), `embedding_model` (digest), `label`, and for text
    `sentiment`. There is no time stamp: a value counts from the moment at which it can be read, which the table decides.

    Args:
        rows: Rows, of all splits.
        exported: Model folder with `embedding.tflite`.
        out: Folder to write into.

    Returns:
        The content of `features.json`: rows, kind, features (names), width (of the embedding), embedding_model.
    """
    # In the order of the ids: equal rows give equal bytes.
    table = read(rows).sort_by("id")
    kind, contents = kind_of(table), table["content"].to_pylist()
    vectors, model = embeddings(exported, contents), digest(exported)
    columns: dict[str, Any] = {
        "entity_id": table["id"],
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]).cast(pa.list_(pa.float32())),
        "embedding_model": pa.array([model] * len(table), pa.string()),
        "label": table["label"],
    }
    if kind == "text_classification":
        columns["sentiment"] = pa.array(sentiments(contents), pa.float64())
    write(pa.table(columns), out / FILE)
    described = {
        "rows": len(table),
        "kind": kind,
        "features": [name for name in columns if name != "entity_id"],
        "width": vectors.shape[1],
        "embedding_model": model,
    }
    write_json(described, out / "features.json")
    return described
