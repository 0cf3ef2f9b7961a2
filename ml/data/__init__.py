"""Any source → rows that can be trusted.

`rows` is the one table that everything else reads and writes; `sources` declares the public data sets with digest and
licence and fetches them; `ingest` turns one of them, a folder of pictures or a CSV file into rows and lists what it had
to reject; `splits` freezes which rows train, validate and test.
Does not live here: what a model sees of a row (`ml.export.preprocessing`).
Start reading: `rows`, then `ingest`.
"""
