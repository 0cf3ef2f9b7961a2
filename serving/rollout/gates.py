"""The gates of a canary: whether what was seen so far is enough to go on, enough to go back, or not enough for either.

They look for what the comparison on frozen rows cannot see: the artifact, the container and the way of a live request.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Literal

from ml.evaluation.intervals import wilson
from serving.rollout.probing import Answer

Verdict = Literal["go on", "advance", "refuse"]
Reason = Literal["", "failed-requests", "slow-answers", "worse-answers", "too-few-answers", "did-not-start"]


@dataclass(frozen=True)
class Criteria:
    """What a step of a canary must show."""

    rows_per_request: int = 16
    minimum_requests: int = 15
    """Answered by the challenger in a step, before it may advance."""
    minimum_rows: int = 100
    """Labelled rows that both models have answered, before the challenger may advance; four fifths of them where there are fewer."""
    maximum_requests: int = 800
    """Sent in a step. What is not decided by then is refused."""
    maximum_errors: float = 0.01
    """Share of failed requests that is tolerated."""
    minimum_failures: int = 2
    """One failed request is no evidence."""
    maximum_latency_ratio: float = 2.0
    """Median latency, challenger to champion in the same window."""
    latency_floor: float = 25.0
    """Milliseconds. A smaller difference is never called slow: among fast answers a ratio is noise."""
    minimum_latencies: int = 10
    """Answers of each model in a window before their latencies are compared."""
    evidence: float = 100.0
    """Betting odds against "no worse than the champion" from which the challenger is refused: at most one false alarm in so many."""


@dataclass(frozen=True)
class Figures:
    """What one deployed model did in a step."""

    deployed_model: str
    version: str
    requests: int
    failures: int
    milliseconds: float | None
    """Median of the requests that were answered; nothing where there is none."""
    accuracy: float | None
    """On the labelled rows that both models have answered."""


@dataclass(frozen=True)
class Decision:
    """What follows from the answers so far."""

    verdict: Verdict
    reason: Reason
    text: str


@dataclass
class Window:
    """The answers of one deployed model: of this step, and what is kept from the steps before."""

    deployed_model: str
    version: str
    requests: int = 0
    failures: int = 0
    milliseconds: list[float] = field(default_factory=list)
    requests_before: int = 0
    failures_before: int = 0
    milliseconds_before: list[float] = field(default_factory=list)
    """Of the last step that had any: at 100 % the champion is no longer asked."""
    right: dict[str, bool] = field(default_factory=dict)
    """Row id → whether every answer to it was right, over all steps."""

    def add(self, answer: Answer) -> None:
        """Count one request."""
        self.requests += 1
        if answer.fault:
            self.failures += 1
            return
        self.milliseconds.append(answer.milliseconds)
        for row, right in answer.right.items():
            self.right[row] = right and self.right.get(row, True)

    def next(self) -> None:
        """Begin the next step."""
        self.requests_before += self.requests
        self.failures_before += self.failures
        self.milliseconds_before = self.latencies
        self.requests, self.failures, self.milliseconds = 0, 0, []

    @property
    def latencies(self) -> list[float]:
        """Milliseconds of the answers in the newest step that had any."""
        return self.milliseconds or self.milliseconds_before

    def figures(self, common: Collection[str]) -> Figures:
        """The step's figures; `common` are the rows that both models have answered."""
        return Figures(
            self.deployed_model,
            self.version,
            self.requests,
            self.failures,
            round(median(self.milliseconds), 2) if self.milliseconds else None,
            round(sum(self.right[row] for row in common) / len(common), 4) if common else None,
        )


def judge(champion: Window, challenger: Window, probes: int, criteria: Criteria) -> Decision:
    """What follows from the answers so far; asked after each of them, so a bad challenger is gone after a few requests.

    Args:
        champion: what the champion answered.
        challenger: what the challenger answered. A failure that nobody is named for counts here: without it there was none.
        probes: labelled rows that there are to ask about.
        criteria: the bounds.
    """
    failures, requests = challenger.failures_before + challenger.failures, challenger.requests_before + challenger.requests
    # Rows that the champion cannot answer either are no fault of the challenger.
    tolerated = max(criteria.maximum_errors, champion.failures / champion.requests if champion.requests else 0.0)
    if failures >= criteria.minimum_failures and wilson(failures, requests)[0] > tolerated:
        return Decision("refuse", "failed-requests", f"{failures} of {requests} requests to the challenger failed")

    if slow := _slow(champion.latencies, challenger.latencies, criteria):
        return Decision("refuse", "slow-answers", slow)

    common = champion.right.keys() & challenger.right.keys()
    wins = sum(challenger.right[row] and not champion.right[row] for row in common)
    losses = sum(champion.right[row] and not challenger.right[row] for row in common)
    odds = against(wins, losses)
    told = f"of {len(common)} rows that both answered, {wins} are right with the challenger alone and {losses} with the champion alone"
    if odds >= criteria.evidence:
        return Decision("refuse", "worse-answers", f"{told}: odds of {odds:.3g} to 1 that it is worse")

    if challenger.requests - challenger.failures >= criteria.minimum_requests and len(common) >= min(criteria.minimum_rows, 0.8 * probes):
        return Decision("advance", "", told)
    if champion.requests + challenger.requests >= criteria.maximum_requests:
        return Decision(
            "refuse",
            "too-few-answers",
            f"after {champion.requests + challenger.requests} requests the challenger has answered {len(challenger.milliseconds)} and both "
            f"{len(common)} labelled rows, too few to let it advance",
        )
    return Decision("go on", "", told)


def _slow(champion: Sequence[float], challenger: Sequence[float], criteria: Criteria) -> str:
    """What shows that the challenger is slow, or nothing.

    Beside the ratio of the medians, even its faster answers must be slower than the champion's slower ones: a busy machine slows
    some answers of both down, a slow container all of one.
    """
    if min(len(champion), len(challenger)) < criteria.minimum_latencies:
        return ""
    _, theirs, their_slower = quantiles(champion, n=4)
    our_faster, ours, _ = quantiles(challenger, n=4)
    if our_faster <= their_slower or ours <= criteria.maximum_latency_ratio * theirs or ours - theirs <= criteria.latency_floor:
        return ""
    return f"the challenger takes {ours:.0f} ms where the champion takes {theirs:.0f} ms"


def against(wins: int, losses: int) -> float:
    """Evidence that a challenger is worse: a bet on its losses at fair odds, valid whenever one looks at it (an e-process).

    If rows on which the models differ are won at least as often as lost, the probability that this ever reaches x is at most
    1/x (Ville 1939). It is the likelihood ratio of "won with probability q", averaged over q from 0 to one half, against one half;
    with integers the integral is a sum of binomial coefficients.
    """
    differing = wins + losses
    return sum(math.comb(differing + 1, k) for k in range(wins + 1, differing + 2)) / ((differing + 1) * math.comb(differing, wins))
