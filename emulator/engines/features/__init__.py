"""Feature Store's online side: what a sync copies out of BigQuery, and what reads and searches find in it.

* `engine` – syncs, one at a time for each view, and the table that each view answers from. Start here.
* `source` – from a view to the tables behind it, and the statement that gives the newest values of each entity.
* `online` – the file that holds a view's rows, by entity.
* `neighbours` – nearest entities, compared with every row.
"""
