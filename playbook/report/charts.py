"""The page's drawings, as inline SVG that takes its colours from the page: no script, no external asset."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from playbook.loop.record import Step

WIDTH = 960
LABEL = 190
ROW = 22
CHARACTER = 5.6
"""Pixels of one at the size of a bar's name; rather too many than too few."""
TOUCHING = 0.05
"""Seconds that two steps of a row may overlap: clocks of two processes."""
TICKS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600)
NUMBERED = 12
"""Up to so many classes a confusion matrix shows its numbers."""
LABELLED = 40
"""Up to so many classes it shows their names."""


def timeline(steps: Sequence[Step], wall: float) -> str:
    """A Gantt chart of `steps` over `wall` seconds, a lane for each part of the loop, in the order in which they began.

    A step called `vision retrained · train` belongs to the lane `vision retrained`, which has the colour of `vision`. Steps of a
    lane that overlap get rows of their own. A name is written where there is room; each bar says its own to whoever points at it.
    """
    lanes = _lanes(steps)
    colours = list(dict.fromkeys(lane.split()[0] for lane in lanes))
    scale = (WIDTH - LABEL - 60) / max(wall, 0.001)
    height = ROW * sum(map(len, lanes.values())) + 26
    spacing = next((tick for tick in TICKS if wall / tick <= 10), TICKS[-1])
    parts = [f'<svg class="timeline" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Timeline of the run">']
    for number in range(int(wall / spacing) + 1):
        x = LABEL + number * spacing * scale
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - 20}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{height - 6}">{number * spacing:g} s</text>')
    y = 0
    for lane, rows in lanes.items():
        parts.append(f'<text class="row" x="{LABEL - 10}" y="{y + 15}">{escape(lane)}</text>')
        for row in rows:
            ends = [*(LABEL + step.started * scale for step in row[1:]), float(WIDTH)]
            kind = f"bar lane{colours.index(lane.split()[0]) % 5}"
            for step, end in zip(row, ends, strict=True):
                parts.append(_bar(step, kind, LABEL + step.started * scale, y, max(step.seconds * scale, 2), end))
            y += ROW
    return "".join((*parts, "</svg>"))


def _lanes(steps: Sequence[Step]) -> dict[str, list[list[Step]]]:
    """Lane → rows of steps that do not overlap."""
    lanes: dict[str, list[list[Step]]] = {}
    for step in sorted(steps, key=lambda step: (step.started, step.started + step.seconds)):
        rows = lanes.setdefault(step.name.split(" · ")[0], [])
        free = next((row for row in rows if row[-1].started + row[-1].seconds <= step.started + TOUCHING), None)
        if free is None:
            rows.append([step])
        else:
            free.append(step)
    return lanes


def _bar(step: Step, kind: str, x: float, y: int, length: float, end: float) -> str:
    """A step from `x` on; `end` is where the next of its row begins."""
    name = step.name.split(" · ")[-1]
    said = f"{name} {step.seconds:.1f}" if step.status in ("done", "failed") else name
    width = len(said) * CHARACTER + 8
    label = ""
    if width <= length:
        label = f'<text class="inside" x="{x + 4:.1f}" y="{y + 15}">{escape(said)}</text>'
    elif x + length + width <= end:
        label = f'<text class="seconds" x="{x + length + 4:.1f}" y="{y + 15}">{escape(said)}</text>'
    return (
        f"<g><title>{escape(step.name)}: {step.seconds:.1f} s, {step.status}. {escape(step.detail)}</title>"
        f'<rect class="{kind} {step.status}" x="{x:.1f}" y="{y + 3}" width="{length:.1f}" height="{ROW - 6}" rx="2"/>{label}</g>'
    )


def scale(accuracy: float, interval: tuple[float, float] | None, marks: Sequence[tuple[str, float]]) -> str:
    """Accuracy on a scale from 0 to 1, with its confidence interval and named marks (gate, majority class).

    Marks are labelled above and below the scale in turn, so that close ones stay legible.
    """

    def x(value: float) -> float:
        return 10 + value * (WIDTH / 2 - 20)

    parts = [
        f'<svg class="scale" viewBox="0 0 {WIDTH // 2} 78" role="img" aria-label="Accuracy {accuracy:.3f}">',
        f'<line class="axis" x1="{x(0)}" x2="{x(1)}" y1="38" y2="38"/>',
        f'<line class="value" x1="{x(0)}" x2="{x(accuracy):.1f}" y1="38" y2="38"/>',
    ]
    if interval:
        low, high = map(x, interval)
        parts.append(f'<rect class="interval" x="{low:.1f}" width="{high - low:.1f}" y="32" height="12" rx="3"/>')
    for number, (name, value) in enumerate(sorted(marks, key=lambda mark: mark[1])):
        anchor = "end" if value > 0.8 else "start" if value < 0.2 else ""
        parts.append(f'<line class="mark" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="28" y2="48"/>')
        parts.append(f'<text class="tick {anchor}" x="{x(value):.1f}" y="{20 if number % 2 else 64}">{escape(name)} {value:.3f}</text>')
    parts.append(f'<circle class="dot" cx="{x(accuracy):.1f}" cy="38" r="6"/></svg>')
    return "".join(parts)


def confusion(classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> str:
    """Rows are the truth, columns the prediction; a cell is shaded by its share of the row.

    Args:
        classes: names, in the order of the matrix.
        matrix: counts, `(classes, classes)`.
    """
    count = len(classes)
    cell = 34 if count <= NUMBERED else max(6, min(16, 480 // count))
    named = count <= LABELLED
    size = min(11, cell) if named else 0
    margin = min(150, max(len(name) for name in classes) * size * 0.62 + 8) if named else 4
    side = margin + count * cell
    whole = f"{side + 2:.0f}"
    parts = [f'<svg class="confusion" viewBox="0 0 {whole} {whole}" style="max-width:{whole}px" role="img" aria-label="Confusion matrix">']
    for row, (name, counts) in enumerate(zip(classes, matrix, strict=True)):
        total = sum(counts)
        y = margin + row * cell
        if named:
            label = escape(name if len(name) <= 24 else name[:23] + "…")
            middle = y + cell / 2 + size * 0.35
            parts.append(f'<text class="class" font-size="{size}" x="{margin - 5:.0f}" y="{middle:.1f}" text-anchor="end">{label}</text>')
            parts.append(
                f'<text class="class" font-size="{size}" transform="translate({middle:.1f} {margin - 5:.0f}) rotate(-90)">{label}</text>'
            )
        for column, number in enumerate(counts):
            share = number / total if total else 0.0
            x = margin + column * cell
            kind = "right" if row == column else "wrong"
            parts.append(
                f'<rect class="{kind}" x="{x:.0f}" y="{y:.0f}" width="{cell - 1}" height="{cell - 1}" fill-opacity="{share:.3f}">'
                f"<title>{escape(name)} taken for {escape(classes[column])}: {number} of {total}</title></rect>"
            )
            if count <= NUMBERED and number:
                strong = " strong" if share > 0.55 else ""
                parts.append(f'<text class="count{strong}" x="{x + cell / 2 - 0.5:.1f}" y="{y + cell / 2 + 4:.1f}">{number}</text>')
    return "".join((*parts, "</svg>"))
