"""From infrastructure to a served model, in one command on real data: `make loop [DATA=path] [ENV=local]`.

Lives here: the order of the steps (`run`), which data each task learns from (`sources`), the steps that the loop takes as a user
of the other rooms (`provision`, `ingest`, `training`, `predict`) and the record that the terminal and the report show (`record`).
Does not live here: anything that a team would need without the loop.
Start reading: `run.py`.
"""
