"""Safety ratings of texts: how much a sentence of MiniLM is like those of `safety.yaml`, by a head that is fitted to them.

A stand-in for Google's classifiers, to exercise the code that handles a blocked prompt, not to keep anybody safe: English
sentences only, pictures are not rated, and there is no severity. Measured on sentences that it has not seen (those of its
tests): 31 of 32 harmful ones get MEDIUM or more in their own category, 2 of 24 others do, and 4 % of movie reviews.
Nothing is rated unless a request sets a threshold: the default of current Gemini models is OFF.

https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/configure-safety-filters
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from emulator.engines.gemini.head import fit
from emulator.engines.gemini.minilm import MiniLM
from emulator.engines.gemini.refused import Refused

Json = dict[str, Any]

SENTENCES = Path(__file__).with_name("safety.yaml")
HARMLESS = "harmless"
RATED = (
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
)
LEVELS = (("NEGLIGIBLE", 0.0), ("LOW", 0.3), ("MEDIUM", 0.5), ("HIGH", 0.75))
"""Probabilities from which each level begins."""
BLOCKED_FROM = {"BLOCK_LOW_AND_ABOVE": "LOW", "BLOCK_MEDIUM_AND_ABOVE": "MEDIUM", "BLOCK_ONLY_HIGH": "HIGH"}
UNFILTERED = {"OFF", "HARM_BLOCK_THRESHOLD_UNSPECIFIED"}
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


class Rater:
    """The ratings' head. Fitting it takes about a second."""

    def __init__(self, minilm: MiniLM) -> None:
        self._minilm = minilm
        known: dict[str, list[str]] = yaml.safe_load(SENTENCES.read_text())
        texts = [(sentence, category) for category, sentences in known.items() for sentence in sentences]
        self._head = fit("text", minilm.embed([text for text, _ in texts]), [category for _, category in texts]).head

    def scores(self, sentences: Sequence[str]) -> dict[str, float]:
        """The probability of each category in the worst of the sentences."""
        if not sentences:
            return dict.fromkeys(RATED, 0.0)
        worst = self._head.probabilities(self._minilm.embed(sentences)).max(0)
        found = dict(zip(self._head.labels, worst.tolist(), strict=True))
        return {category: found[category] for category in RATED}


def thresholds(settings: Iterable[Json]) -> dict[str, str]:
    """The threshold of each category that a request has rated, from its `safetySettings`.

    Raises:
        Refused: A category is set twice, or cannot be rated.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    for setting in settings:
        category, threshold = setting.get("category", ""), setting.get("threshold", "HARM_BLOCK_THRESHOLD_UNSPECIFIED")
        if category in seen:
            raise Refused(f"{category} has two safety settings", "Give one setting a category.")
        seen.add(category)
        if setting.get("method") == "SEVERITY":
            raise Refused("the severity of harm is not rated", "Set the method PROBABILITY, or leave it out.")
        if threshold in UNFILTERED:
            continue
        if category in RATED:
            found[category] = threshold
        elif threshold != "BLOCK_NONE":
            raise Refused(
                f"{category or 'a setting without category'} is not rated", f"Set its threshold OFF; rated are {', '.join(RATED)}."
            )
    return found


def lines(text: str) -> list[str]:
    """The sentences of a text: in the mean over a long one, a short one would be lost."""
    return [sentence.strip() for sentence in SENTENCE_END.split(text) if sentence.strip()]


def ratings(scores: Mapping[str, float], wanted: Mapping[str, str]) -> list[Json]:
    """`SafetyRating`s.

    Args:
        scores: Probability of each category.
        wanted: Threshold of each category that is to be rated.
    """
    found = []
    for category, threshold in wanted.items():
        level = _level(scores[category])
        names = [name for name, _ in LEVELS]
        blocked = threshold in BLOCKED_FROM and names.index(level) >= names.index(BLOCKED_FROM[threshold])
        score = round(scores[category], 4)
        found.append({"category": category, "probability": level, "probabilityScore": score, "blocked": blocked})
    return found


def _level(score: float) -> str:
    return next(name for name, least in reversed(LEVELS) if score >= least)
