"""Hyperparameter tuning jobs: trials are custom jobs, and what they report decides which parameters are tried next.

* `space` – the parameters: what values they have, on which scales, under which conditions.
* `bayesian` – the next point by Gaussian processes; `study` – the algorithms and the goal; `reports` – metrics that trials wrote.
* `engine` – the job: so many trials at a time, until all are done or too many have failed. Start here.
"""
