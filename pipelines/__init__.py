"""What runs on Vertex AI Pipelines.

Lives here: `components/`, one KFP component a step, each a thin call into `ml`, `serving` or a Google client;
`definitions/`, the pipelines made of them; `images` (built, or found again by digest), `compile` (to the specification that is
released), `submit` (one run of it), `runs` (a finished run read back), `listening` (acts on messages until it is stopped) and `code`
(the digest of our own source);
`monitoring/` judges a task's traffic and raises the alert; `retraining/` starts a retraining for each event of that kind.
Does not live here: what a step computes; that is `ml`, runnable without a pipeline.
Start reading: `definitions/training.py`.
"""
