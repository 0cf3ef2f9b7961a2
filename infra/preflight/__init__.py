"""What would stop an apply although its plan is right, read from Google before anybody approves the plan.

Lives here: `findings` (one answer: ok, blocks, or cannot be read, with its mend), `asked` (what the synthesised stacks ask of the
project), and a module a question: `apis`, `permissions`, `constraints` (organisation policies), `quotas`, `agents`. `__main__` asks them
all: `python -m infra.preflight --env E`.
Does not live here: what the stacks themselves may not do (`infra/policies`), and the plan (`infra/terraform`).
Start reading: `__main__.py`.
"""
