"""What stops an environment from costing money while nobody needs it.

Lives here: `sleep` (models undeployed and workbenches stopped, until they are wanted again) and `sweep` (what has outlived its `ttl`
label, and deployed models that serve nobody: listed, and deleted when asked to), with `found` (what is there, over Google's REST APIs)
and `__main__`: `python -m infra.saving {sleep,sweep} --env E`.
Does not live here: what an idle environment costs (`infra/price`), and the removal of what stacks declare (`infra/terraform`).
Start reading: `sleep.py`.
"""
