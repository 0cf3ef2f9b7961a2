"""What the Makefile's verbs need, done by itself on Linux x86-64 (WSL2 too) with Python 3.11–3.13, make and a package registry.

Lives here: what this machine has (`machine`), the steps that add what is missing (`steps`, `packages`) and the report on both
(`doctor`). Standard library only: it runs before any package is there.
Does not live here: how a provider, a data set or the bindings are fetched; `infra` and `ml` know that.
Start reading: `steps.py`.
"""
