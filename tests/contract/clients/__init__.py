"""Calls of Google's own clients, as their users write them, held to what Google documents that they answer.

A file is a client area. No call names an address, a transport or credentials, and nothing is mocked, so that the same tests run on a
real project (`make verify ENV=dev`) and on the local Google Cloud (`make test`). `place` says where: a project, and the names in it that
belong to one run. Each test says where its answer is documented, and in its marker `calls` which methods of the APIs it makes; where
the local Google Cloud answers, its log (`served`) is held against that.

Left out, since their packages are not among those of this repository: Beam and Dataflow, DVC, gcsfs and with it pandas' own `gs://`,
BigQuery's read and write sessions and data frames (`google-cloud-bigquery-storage`, `db-dtypes`), the typed libraries of Secret Manager,
Cloud Scheduler, Cloud KMS, Artifact Registry and Cloud Build (called by `google-api-python-client` in `test_services`), and Node's
libraries other than Cloud Storage's.
Left out, since the local Google Cloud refuses it: the evaluation service (`evaluateInstances`), vector search, monitoring jobs of models,
and Gemini's Live API; `test_refused` holds that each is refused at once, by name.

Start reading: `place.py`, then `test_storage.py`.
"""
