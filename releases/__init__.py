"""What may go where: release manifests, approvals and signatures, the append-only ledger, promotion rules.

Lives here: everything that decides whether a reviewed release may enter an environment.
Does not live here: the plan and its review (`infra/review`), the rollout of a model behind an endpoint (`serving/rollout`).
"""
