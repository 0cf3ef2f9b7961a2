"""The infrastructure of one environment as small states, in Python, synthesised to Terraform.

Lives here: `app` (`python -m infra.app`: every stack of every environment in one process), `stacks/` (a file a stack),
`components/` (what stacks are made of), `policies/` (what no stack may do), `terraform/` (plan, apply, state) and
`synthesis/` (why it is fast).
Does not live here: names and sizes (`environments/`), and what Terraform has no resource for: models, deployments,
traffic, runs and schedules belong to Python.
Start reading: `stacks/serving.py`, then `stacks/__init__.py`.
"""
