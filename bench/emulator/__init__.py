"""What the local Google Cloud costs: `python -m bench.emulator`; prints JSON, exit code 1 when a target is missed.

`protocol` measures its start, its memory and single calls, `storage` a large object, `pipelines` many runs and one that a kill cuts
off, `bigquery` rows and statements. `cloud` runs one for them. Each part runs alone by its name: `python -m bench.emulator storage`.
"""
