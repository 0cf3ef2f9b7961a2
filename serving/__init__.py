"""What answers predictions, and what decides which model answers.

Lives here: `python/`, the prediction server of the serving container; `registry/`, versions and aliases in the Vertex AI
Model Registry; `rollout/`, which version an endpoint's traffic goes to.
Does not live here: training, preprocessing (`ml/export`, shared by training and serving) and the endpoint itself, which
Terraform declares (`infra/stacks/serving.py`). The server imports nothing of `registry/` or `rollout/`.
Start reading: `python/server.py`.
"""
