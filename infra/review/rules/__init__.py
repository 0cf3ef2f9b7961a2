"""What a reviewer is told of a change, a module a question; each rule is a function from the resources of the plans to findings.

Lives here: `loss` (destroyed, replaced, forgotten), what protected and no longer does (`switches`, `retention`, `encryption`,
`watching`), `access` over `grants` (every way to say who may do what), `members` (who that is) and `doors` (access that is no grant),
`exposure` over `addresses` and `ways` with `ways.yaml`, `running` (the rest), and `world` (what the plans say together).
Does not live here: policies, which judge what is declared whether it changes or not (`infra/policies/rules`), and what a role may do
(`infra/review/roles.py`). Every rule has changes that it must find in `tests/review/risks/`. Start reading: `loss.py`, then `access.py`.
"""
