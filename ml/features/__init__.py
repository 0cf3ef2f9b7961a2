"""Features of rows: what Feature Store keeps of every example, for training, monitoring and serving.

`build` computes them (embedding, model, label, and a text's sentiment) into a Parquet file; `table` appends them to the task's
BigQuery table, only where they have changed; `history` reads them back as they were known at a moment, for training; `examples`
keeps which row is in which split under which label.
Does not live here: the tables and feature groups (`infra/stacks/data.py`, `features.py`), the online view
(`serving/features.py`), the steps that call this (`pipelines/components/features.py`).
Start reading: `build`.
"""
