"""BigQuery on DuckDB: one database file for all projects, and GoogleSQL translated by sqlglot.

* `jobs` – from a request to a job's end; `transfers` – loads, extracts and copies. `engine` – what they do to tables. Start there.
* `tables` – what is kept of the tables; `warehouse` – the file and its threads; `catalogue` – what statements can name.
* `types`, `rows`, `names`, `sizes` – BigQuery's types in DuckDB's, values as REST carries them, what tables are called, how large they are.
* `prepare` – from a text to a `statement`: `scope` finds its names, `information` tells INFORMATION_SCHEMA, `parameters` and
  `declarations` – what stands in it; `dml` and `definitions` – what changes rows and tables; `ddl` – what definitions do.
* `dialect` – GoogleSQL into DuckDB's SQL: what differs in meaning is corrected, what is not known to agree is refused. `trees`, `kinds` –
  what all corrections share, and the types that some depend on; `numbers`, `texts`, `moments`, `arrays` – the corrections;
  `functions`, `natives` – what DuckDB is taught.
* `scripts` – read; `running` – run, with functions in place by `inlining`.
* `filling` – rows into tables, all or none; `partitions` – which part of a table; `streaming` – rows without a job; `loading`,
  `extracting`, `avro`, `avro_writing` – files.
"""
