"""The review of what plans would do: verdict, losses, access, exposure, policies, cost, blast radius, promotion, the rest, sign-off.

Lives here: `report` (the review as data, and its findings' fixed vocabulary), `plan` (what `terraform show -json` says, redacted),
`secrets` (what nobody may read), `change` (one resource before and after, as rules see it), `rules/` (a module a question) over `types`
(what is lost with a type, and how it comes back) and `roles` (how strong one is), `accepted` (what may go on with a sign-off), `verdict`,
and `review`, which joins them; whose plans they are: `foreign` (any file), `ours` (an environment; `base` is another commit of it) and
`drift`; what a plan alone does not tell: `policies`, `cost` (from `spending`), `blast` (from `surroundings`, and from `named` and `uses`,
which tie resources to the code that asks for their names) and `promotion`; how it is read: `markdown` (of `gfm` and `diffs`, in as many
`parts` as a host needs), `page` (of `chapters` and `markup`) and `picture`, which are pure functions of the report and share `glance`
(the first screen), `values` and `visible`; `written` puts them into a folder.
Does not live here: who planned and where the plans lie (`infra/terraform`), who agreed (`releases/`), and the command
(`playbook/commands/review.py`). Start reading: `report.py`, then `review.py`.
"""
