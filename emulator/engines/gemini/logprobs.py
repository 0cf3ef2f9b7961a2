"""Log probabilities of a label's word pieces, exact under the classifier: the chain rule over the labels that share a beginning."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Json = dict[str, Any]

MOST_ALTERNATIVES = 20
"""Google's limit of `logprobs`."""


def of_label(label: str, probabilities: Mapping[str, float], pieces: Callable[[str], Sequence[str]], alternatives: int) -> Json:
    """A `LogprobsResult`, one step for each word piece of the label.

    Args:
        label: What was answered.
        probabilities: Of every label that could have been.
        pieces: Cuts a label at its word pieces.
        alternatives: How many of the likeliest pieces to name at each step.
    """
    spelt = {one: tuple(pieces(one)) for one in probabilities}
    chosen, top = [], []
    for step, piece in enumerate(spelt[label]):
        going_on: dict[str, float] = {}
        for other, parts in spelt.items():
            if parts[:step] == spelt[label][:step]:
                following = parts[step] if step < len(parts) else ""
                going_on[following] = going_on.get(following, 0) + probabilities[other]
        whole = sum(going_on.values())
        logs = {one: math.log(max(share / whole, 1e-12)) for one, share in going_on.items()}
        chosen.append({"token": piece, "logProbability": logs[piece]})
        best = sorted(logs, key=lambda one: -logs[one])[:alternatives]
        top.append({"candidates": [{"token": one, "logProbability": logs[one]} for one in best]})
    return {"chosenCandidates": chosen, **({"topCandidates": top} if alternatives else {})}
