"""Whether a model may be registered for serving. A check that ran on nothing is a failure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from environments.tasks import Gates


@dataclass(frozen=True)
class Gate:
    """The verdict, with a reason for each fault, or for passing."""

    passed: bool
    reasons: list[str]


def decide(evaluation: Mapping[str, Any], gates: Gates, declared: bool) -> Gate:
    """Judge the content of `evaluation.json`.

    Args:
        evaluation: As `ml.evaluation.classification.evaluate` writes it.
        gates: The task's thresholds, which are promised for its declared data set.
        declared: Whether that data set was used; other data must beat its own majority class instead.
    """
    rows, accuracy, majority = evaluation["rows"], evaluation["accuracy"], evaluation["majority_accuracy"]
    if not rows:
        return Gate(False, ["no test rows: nothing was measured; add rows"])
    faults = []
    lowest, highest = evaluation["above_majority"]
    if not lowest > 0:
        faults.append(
            f"accuracy {accuracy:.3f} on {rows} test rows is not better than always answering {evaluation['majority']!r} ({majority:.3f}) "
            f"beyond chance: the difference lies between {lowest:+.3f} and {highest:+.3f}; add rows or clean their labels"
        )
    if declared and rows < gates.minimum_rows:
        faults.append(f"{rows} test rows are fewer than {gates.minimum_rows}: too little is proven; ingest the whole data set")
    if declared and not accuracy >= gates.minimum_accuracy:
        faults.append(f"accuracy {accuracy:.3f} is below {gates.minimum_accuracy}; compare with the last evaluation that passed")
    if faults:
        return Gate(False, faults)
    bar = f"at least {gates.minimum_accuracy} and " if declared else ""
    return Gate(
        True, [f"accuracy {accuracy:.3f} on {rows} test rows is {bar}better than the majority class ({majority:.3f}) beyond chance"]
    )
