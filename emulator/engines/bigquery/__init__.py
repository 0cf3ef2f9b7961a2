"""BigQuery on DuckDB: one database file for all projects, and GoogleSQL translated by sqlglot.

* `warehouse` – the file, its threads, and where the rows of a table are. Start here.
* `types`, `rows` – BigQuery's types in DuckDB's, and values as REST carries them.
* `dialect`, `functions` – GoogleSQL into DuckDB's SQL: what differs in meaning is corrected, what is not known to agree is refused.
* `names`, `sizes` – how tables are called and how large BigQuery would say they are.
* `statements` – queries, DML and DDL over the tables of a catalogue.
* `loading` – files into tables, tables into files.
"""
