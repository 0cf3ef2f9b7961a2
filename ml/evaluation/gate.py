"""Whether a model may serve, and whether a challenger may follow the champion. A check that ran on nothing is a failure."""

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


def non_inferior(comparison: Mapping[str, Any], gates: Gates) -> Gate:
    """Judge the content of `comparison.json`: a challenger may not lose more than the task tolerates.

    It holds on all rows and on the frozen ones alone. Without the second, a challenger that learned from wrongly labelled new
    rows would win on their like what it lost on everything else.

    Args:
        comparison: As `ml.evaluation.comparison.compare` writes it.
        gates: The task's thresholds.
    """
    faults = [fault for part in ("frozen", "all") if (fault := _inferior(part, comparison[part], gates.maximum_loss))]
    if faults:
        return Gate(False, faults)
    whole = comparison["all"]
    low, high = whole["interval"]
    return Gate(
        True,
        [
            f"{whole['verdict']} than the champion on {whole['rows']} rows: accuracy {whole['challenger_accuracy']:.3f} against "
            f"{whole['champion_accuracy']:.3f}, the difference between {low:+.3f} and {high:+.3f}"
        ],
    )


def every(*gates: Gate) -> Gate:
    """Passed when each is; the reasons of those that refuse, or of all."""
    refused = [gate for gate in gates if not gate.passed]
    return Gate(not refused, [reason for gate in refused or gates for reason in gate.reasons])


def _inferior(part: str, compared: Mapping[str, Any], tolerated: float) -> str:
    """What speaks against the challenger on these rows, or nothing."""
    rows, (low, high) = compared["rows"], compared["interval"]
    where = f"{rows} {part} rows" if part != "all" else f"all {rows} rows"
    if not rows:
        return f"no {part} test rows: the models were not compared; add rows"
    if compared["verdict"] in ("better", "not worse"):
        return ""
    figures = f"the difference to the champion lies between {low:+.3f} and {high:+.3f}, and at most {tolerated} may be lost"
    if compared["verdict"] == "worse":
        chance = "p < 0.001" if compared["p"] < 0.001 else f"p = {compared['p']:.3f}"
        return f"worse on {where} ({chance}): {figures}; look at the labels of the new rows"
    return f"{where} are not enough to tell: {figures}; label more rows"
