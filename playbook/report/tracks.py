"""The page's drawings along a line, in HTML: their text keeps its size on a telephone, where that of an SVG would shrink."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from playbook.report.markup import Html, text

LEAST_P = 1e-3
"""Where the scale of p-values ends: exchanges cannot show less."""
COLOURS = 5
NAMED = 24
"""A part of the traffic with less percent has no room for its name."""


@dataclass(frozen=True)
class Change:
    """Two models on the same rows."""

    name: str
    before: float
    after: float
    interval: tuple[float, float]
    """95 % interval of the difference."""
    said: Html | str


@dataclass(frozen=True)
class Split:
    """A state of the traffic."""

    when: str
    name: str
    shares: Mapping[str, int]
    """Version → percent."""
    said: Html | str


def p_values(tests: Sequence[str], windows: Mapping[str, Mapping[str, float]], level: float) -> str:
    """Dots on a logarithmic scale, a row a test, with the region in which a test alarms.

    Args:
        tests: their names.
        windows: window → test → p; the first is drawn hollow, the second filled.
        level: from which downwards a test alarms.
    """

    def at(p: float) -> float:
        return 100 * (1 - math.log10(max(p, LEAST_P)) / math.log10(LEAST_P))

    rows = []
    for test in tests:
        found = {name: ps[test] for name, ps in windows.items() if test in ps}
        dots = "".join(f'<i class="dot {escape(name)}" style="left:{at(p):.1f}%"></i>' for name, p in found.items())
        said = ", ".join(f"{name} {p:.2g}" for name, p in found.items())
        rows.append(_row(test, f'<i class="alarm" style="left:0;width:{at(level):.1f}%"></i>{dots}', said))
    ticks = [(at(10.0**power), f"{10.0**power:g}") for power in range(round(math.log10(LEAST_P)), 1)]
    return _drawing(rows, ticks)


def dumbbells(changes: Sequence[Change], tolerated: float) -> str:
    """Accuracy before and after, and around the difference its interval, laid off from the accuracy before.

    Args:
        changes: a row each.
        tolerated: accuracy that may be lost, marked left of the accuracy before.
    """
    ends = [value for one in changes for value in (one.before - tolerated, one.after, *_band(one))]
    low, high = max(0.0, min(ends, default=0.0)), min(1.0, max(ends, default=1.0))
    margin = max(0.06 * (high - low), 0.005)
    low, high = max(0.0, low - margin), min(1.0, high + margin)

    def at(value: float) -> float:
        return 100 * (value - low) / (high - low)

    rows = []
    for one in changes:
        left, right = (at(end) for end in _band(one))
        marks = (
            f'<i class="band {"up" if one.after >= one.before else "down"}" style="left:{left:.1f}%;width:{right - left:.1f}%"></i>'
            f'<i class="bound" style="left:{at(max(low, one.before - tolerated)):.1f}%"></i>'
            f'<i class="dot before" style="left:{at(one.before):.1f}%"></i><i class="dot after" style="left:{at(one.after):.1f}%"></i>'
        )
        rows.append(_row(one.name, marks, one.said))
    return _drawing(rows, _ticks(low, high))


def bars(values: Iterable[tuple[str, float, str]]) -> str:
    """A bar a row, on a scale from zero to the largest.

    Args:
        values: name, length and what is written beside it.
    """
    found = list(values)
    most = max((value for _, value, _ in found), default=0.0) or 1.0
    rows = [_row(name, f'<i class="length" style="width:{100 * value / most:.1f}%"></i>', said) for name, value, said in found]
    return _drawing(rows, ())


def traffic(splits: Sequence[Split]) -> str:
    """The split of the traffic, state by state from above to below; how long a state lasted is written, not drawn."""
    versions = list(dict.fromkeys(version for split in splits for version in split.shares))
    rows = []
    for split in splits:
        parts = "".join(
            f'<i class="lane{versions.index(version) % COLOURS}" style="width:{share}%" title="version {escape(version)}: {share} %">'
            f"{f'{escape(version)} · {share} %' if share >= NAMED else ''}</i>"
            for version, share in split.shares.items()
            if share
        )
        said = ", ".join(f"version {version}: {share} %" for version, share in split.shares.items() if share)
        rows.append(
            f'<div class="state"><time>{escape(split.when)}</time><b>{escape(split.name)}</b>'
            f'<div class="shares" role="img" aria-label="{escape(said)}">{parts}</div><p>{text(split.said)}</p></div>'
        )
    key = "".join(f'<span><i class="lane{at % COLOURS}"></i>version {escape(version)}</span>' for at, version in enumerate(versions))
    return f'<div class="key">{key}</div><div class="traffic">{"".join(rows)}</div>'


def histogram(edges: Sequence[float], reference: Sequence[int], window: Sequence[int], tallest: float) -> str:
    """Shares of two sets of scores, laid over each other.

    Args:
        edges: of the bins, one more than there are counts.
        reference: counts of the baseline's rows.
        window: counts of the window's rows.
        tallest: share of the rows that fills the height, so that histograms beside each other compare.
    """
    width, height = 100 / max(len(reference), 1), 100
    drawn = []
    for name, counts in (("reference", reference), ("window", window)):
        total = sum(counts) or 1
        for at, count in enumerate(counts):
            top = height * count / total / (tallest or 1)
            drawn.append(f'<rect class="{name}" x="{at * width:.2f}" y="{height - top:.2f}" width="{width:.2f}" height="{top:.2f}"/>')
    ticks = ((100 * at / 4, f"{edges[0] + (edges[-1] - edges[0]) * at / 4:.2f}") for at in range(5))
    picture = f'<svg class="histogram" viewBox="0 0 100 {height}" preserveAspectRatio="none" role="img" aria-label="Scores">'
    return f'{picture}{"".join(drawn)}</svg><div class="ticks">{_labels(ticks)}</div>'


def shares(counts: Sequence[int]) -> list[float]:
    """Of the whole."""
    total = sum(counts) or 1
    return [count / total for count in counts]


def _band(change: Change) -> tuple[float, float]:
    """The interval of the difference, as accuracy of the later model."""
    low, high = (min(1.0, max(0.0, change.before + end)) for end in change.interval)
    return low, high


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    spacing = next(step for step in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if (high - low) / step <= 5)
    first = math.ceil(low / spacing)
    values = [number * spacing for number in range(first, math.floor(high / spacing) + 1)]
    return [(100 * (value - low) / (high - low), f"{value:.3g}") for value in values]


def _row(name: str, marks: str, said: Html | str) -> str:
    return f'<div class="track"><b>{escape(name)}</b><div class="line">{marks}</div><span>{text(said)}</span></div>'


def _drawing(rows: Sequence[str], ticks: Iterable[tuple[float, str]]) -> str:
    axis = _labels(ticks)
    foot = f'<div class="track axis"><b></b><div class="ticks">{axis}</div><span></span></div>' if axis else ""
    return f'<div class="tracks">{"".join(rows)}{foot}</div>'


def _labels(ticks: Iterable[tuple[float, str]]) -> str:
    return "".join(f'<span style="left:{at:.1f}%">{escape(label)}</span>' for at, label in ticks)
