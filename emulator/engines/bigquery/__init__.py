"""BigQuery on DuckDB: one database file for all projects, and GoogleSQL translated by sqlglot.

* `engine` – what jobs do. Start here. `tables` – what is kept of the tables; `warehouse` – the file and its threads.
* `types`, `rows` – BigQuery's types in DuckDB's, and values as REST carries them.
* `dialect`, `functions` – GoogleSQL into DuckDB's SQL: what differs in meaning is corrected, what is not known to agree is refused.
* `names`, `sizes` – how tables are called and how large BigQuery would say they are.
* `statements` – queries, DML and DDL over the tables of a catalogue; `parameters` and `declarations` – what stands in them.
* `loading` – files into tables, tables into files.
"""
