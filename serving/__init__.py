"""What answers predictions, and what decides which model answers.

Lives here: `python/`, the prediction server of the serving container; `node/`, the same contract on Node, with TensorFlow.js;
`web/`, a page that predicts in the browser alone; `javascript/`, what those two share; `registry/`, versions and aliases in the
Vertex AI Model Registry; `rollout/`, which version an endpoint's traffic goes to and which models the page uses;
`features`, the online view of every row's features; `instances`, what a request holds.
Does not live here: training, preprocessing (`ml/export`, shared by training and serving) and the endpoint itself, which
Terraform declares (`infra/stacks/serving.py`). The servers import nothing of `registry/` or `rollout/`.
Start reading: `python/server.py`.
"""
