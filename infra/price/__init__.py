"""What an idle environment costs: nobody works, no request comes, no pipeline runs.

Lives here: `book` (the hand-written price book `infra/prices.yaml` and its age), `quantities` (what a declared resource uses in a
month, least – expected – most), `machines` (what a machine type consists of), `idle` (book and quantities multiplied, per stack) and
`__main__` (`python -m infra.price --env E`).
Does not live here: prices by request, and what a training run or a Gemini call costs; that follows from use, not from a plan.
Start reading: `idle.py`.
"""
