"""What really runs behind the APIs; behaviours are thin calls into these, and nothing here knows HTTP.

* `objects` – Cloud Storage's objects as files on disk.
* `pipelines/` – the pipeline engine over compiled specifications; `metadata` – lineage of what it runs.
* `registry` – the artifacts of registered models.
* `jobs` – custom jobs; `serving` – deployed models: both are processes with the variables that Vertex AI sets.
* `gemini/` – small models on this machine that answer for Gemini.
"""
