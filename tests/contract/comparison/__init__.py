"""Pipelines that two engines run: KFP's own (`kfp.local`), and that of the local Google Cloud by `aiplatform.PipelineJob`.

* `cases` – the pipelines, the outputs that KFP's documentation promises, and what `kfp.local` cannot do.
* `reference` – runs a compiled pipeline by `kfp.local`, in a process of its own, since that changes its process and holds no two threads.
Start reading: `cases.py`; `tests/contract/test_kfp_local.py` compares.
"""
