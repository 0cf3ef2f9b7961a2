"""What no stack may do, checked over the synthesised JSON: our own policies first, then checkov.

Lives here: `subject` (a synthesised stack as policies see it), `policy` (what a policy is), `rules/` (ours, a module a subject),
`formats` (Google's name formats), `enumerations` (values that the provider documents), `scanner` (checkov, in this process), `waivers`
and `waivers.yaml` (what is accepted, why, by whom and until when), `review` (all of it together), `catalogue` (docs/policies.md).
Does not live here: what the typed bindings already refuse, and the comparison of a plan with what runs.
`python -m infra.policies [--env E]… [--out FOLDER]`. Start reading: `rules/storage.py`.
"""
