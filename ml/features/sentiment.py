"""The sentiment of a text, by the lexicon and rules of VADER.

Hutto & Gilbert, "VADER: a parsimonious rule-based model for sentiment analysis of social media text" (ICWSM 2014). It is
English only; words of other languages are not in its lexicon and count as neutral.
"""

from collections.abc import Iterable


def sentiments(texts: Iterable[str]) -> list[float]:
    """The compound score of each text, from -1 (most negative) to 1 (most positive)."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyser = SentimentIntensityAnalyzer()
    return [float(analyser.polarity_scores(text)["compound"]) for text in texts]
