"""What really runs behind the APIs; behaviours are thin calls into these, and nothing here knows HTTP.

* `objects` – Cloud Storage's objects as files on disk; `generations` – older ones, where a bucket keeps versions.
* `pipelines/` – the pipeline engine over compiled specifications; `metadata` – lineage of what it runs.
* `registry` – the artifacts of registered models.
* `jobs` – custom jobs, with `replicas`, `packages` and `joblog`; `tuning/` – hyperparameter tuning jobs, whose trials are custom jobs;
  `background` – the states of what goes on.
* `serving` – deployed models, as jobs processes with the variables that Vertex AI sets.
* `bigquery/` – tables and their rows on DuckDB; `requests` – logged predictions on their way there.
* `messages` – what is published and not yet acknowledged; `push` – push subscriptions.
* `features/` – feature views: what is synchronised out of BigQuery, and what is read and searched there.
* `metrics` – time series; `alerts` – policies, incidents, with `notifications`; `traffic` – answers of deployed models, counted.
* `entries` – log entries, counted by log-based metrics.
* `gemini/` – small models on this machine that answer for Gemini.
"""
