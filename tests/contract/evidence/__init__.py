"""What `make verify` writes down: which calls were made where, of which commit, and how each ended.

* `report` – the form of the file, `evidence/<date>.json`; `schemas/` – the same as JSON Schema (`make schemas`).
* `recorder` – the pytest plugin that collects the calls.
* `leftovers` – what a run has made and did not take away.
Start reading: `report.py`; what runs it all is `tests.contract.verify`.
"""
