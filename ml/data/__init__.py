"""Any source → rows that can be trusted.

`rows` is the one table that everything else reads and writes; `sources` declares the public data sets with digest and
licence and fetches them; `folders` and `tables` read what people bring, pictures and CSV files (`files`: what a path really
is); `ingest` turns any of these into rows and lists what it had to reject; `splits` freezes which rows train, validate
and test; `joining` puts new labelled rows beside them.
Does not live here: what a model sees of a row (`ml.export.preprocessing`).
Start reading: `rows`, then `ingest`.
"""
