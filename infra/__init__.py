"""The infrastructure of one environment as small states, in Python, synthesised to Terraform.

Lives here: `app` (`python -m infra.app`: every stack of every environment in one process), `stacks/` (a file a stack),
`components/` (what stacks are made of), `duties`, `services` and `github` (who works here: our identities, Google's agents, workflows
from outside), `watched` (what people are told about), `policies/` (what no stack may do), `terraform/` (plan, apply, state),
`review/` (what a plan would do, for whoever has to agree), `preflight/` (what would stop an apply although its plan is right), `price/`
over `prices.yaml` (what an idle environment costs),
`saving/` (what stops it from costing), `adopted/` (import blocks, while something is being adopted), `schemas` with `schemas/` (what
editors know of our YAML files) and `synthesis/` (why it is fast).
Does not live here: names and sizes (`environments/`), and what Terraform has no resource for: models, deployments,
traffic, runs and schedules belong to Python.
Start reading: `stacks/serving.py`, then `stacks/__init__.py`.
"""
