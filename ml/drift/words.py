"""What a text model sees of a text, as numbers that can be compared: ids of words, how many, and how many it does not know."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.export.preprocessing import FIRST_WORD, PADDING, UNKNOWN, TextPreprocessor, tokens

SHOWN = 10

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Word:
    """A word that has become more frequent."""

    word: str
    reference: float
    """Its share of all words, then."""
    window: float
    """And now."""


def ids(preprocessor: TextPreprocessor, texts: Sequence[str]) -> Ids:
    """(rows, length) the vocabulary's number of each word. They name words of the vocabulary only, so they can be kept."""
    return preprocessor.batch(texts)[:, : preprocessor.length]


def properties(numbers: Ids) -> Floats:
    """(rows, 2) the share of words outside the vocabulary, and how many words there are."""
    length = (numbers != PADDING).sum(1)
    unknown = (numbers == UNKNOWN).sum(1)
    return np.stack([unknown / np.maximum(length, 1), length], axis=1).astype(np.float32)


def counts(numbers: Ids) -> tuple[Floats, Ids]:
    """(rows, words) how often each word occurs, and (words,) the words that occur at least twice, which one row cannot decide."""
    words, total = np.unique(numbers[numbers != PADDING], return_counts=True)
    words = words[total > 1]
    # A word that is left out goes to a last column, which falls off.
    column = np.full(int(numbers.max(initial=0)) + 1, len(words))
    column[words] = np.arange(len(words))
    counted = np.zeros((len(numbers), len(words) + 1), np.float32)
    rows = np.broadcast_to(np.arange(len(numbers))[:, None], numbers.shape)
    np.add.at(counted, (rows, column[numbers]), 1)
    return counted[:, :-1], words


def risen(preprocessor: TextPreprocessor, counted: Floats, words: Ids, window: npt.NDArray[np.bool_]) -> list[Word]:
    """The words of the vocabulary that add most to the divergence between the rows of the window and the others."""
    then, now = (part.sum(0) / max(part.sum(), 1) for part in (counted[~window], counted[window]))
    middle = (then + now) / 2
    part = np.where(now > then, now * np.log2(np.where(now > 0, now / np.maximum(middle, 1e-12), 1)), 0)
    part[words < FIRST_WORD] = 0
    order = [at for at in np.argsort(-part, kind="stable")[:SHOWN] if part[at] > 0]
    return [Word(preprocessor.vocabulary[words[at] - FIRST_WORD], round(float(then[at]), 5), round(float(now[at]), 5)) for at in order]


def strangers(preprocessor: TextPreprocessor, texts: Sequence[str]) -> dict[str, int]:
    """The most frequent words outside the vocabulary, and in how many texts they occur."""
    known = set(preprocessor.vocabulary)
    found = Counter(word for text in texts for word in set(tokens(text, preprocessor.token)) if word not in known)
    return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0]))[:SHOWN])
