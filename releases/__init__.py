"""What may go where: release manifests, approvals and signatures, the append-only ledger, promotion rules.

Lives here: everything that decides whether a reviewed plan or release may enter an environment. Of plans: `digest` (what identifies one),
`commit`, `approvals` with `signing` (who consents), `breakglass`. Of both: `ledger`. Of releases: `manifest` (what one is), `rules` (what
refuses it), `running` (what an environment runs), `images` and `objects` (copies by digest), `schemas`.
Does not live here: the plan and its review (`infra/review`), the rollout of a model behind an endpoint (`serving/rollout`).
"""
