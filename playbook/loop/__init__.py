"""From infrastructure to a served model, in one command on real data: `make loop [DATA=path] [ENV=local]`.

Lives here: the order of the steps (`run`; `closing` for the second half), which data each task learns from (`sources`), the steps that
the loop takes as a user of the other rooms (`provision`, `ingest`, `training`, `predict`; `node`, `parity`, `watching`, `retraining`,
`sabotage`), what goes on beside them (`beside`), what a rerun need not do again (`memory`), and what the terminal and the report show
(`record`, `results`).
Does not live here: anything that a team would need without the loop.
Start reading: `run.py`.
"""
