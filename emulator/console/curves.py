"""Line charts as SVG: axes, a line for each run told apart by colour, dashes and name, and the same numbers as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from emulator.console.markup import Child, Markup, element, table

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 12, 40
TICKS = 5
"""About so many marks stand on an axis."""
POINTS = 300
"""Points of a line that are drawn; of more, evenly chosen ones."""
LINES = 8
"""Lines of one chart; the table holds them all."""
DASHES = ("", "6 3", "2 3", "8 3 2 3")
ROWS = 20

Points = Sequence[tuple[float, float]]


def chart(title: str, lines: Mapping[str, Points], across: str = "step") -> Markup:
    """A chart of `lines` by their names.

    Args:
        title: What is measured.
        lines: Name → points, in order of their x.
        across: What x counts.
    """
    drawn = {name: _thinned([(x, y) for x, y in points if _is_number(y)]) for name, points in lines.items()}
    drawn = {name: points for name, points in drawn.items() if points}
    if not drawn:
        return element("p", f"{title}: no values yet.", class_="empty")
    shown = dict(list(drawn.items())[:LINES])
    left, right = _range([x for points in shown.values() for x, _ in points])
    low, high = _range([y for points in shown.values() for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        inner, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        return LEFT + inner * (x - left) / (right - left), TOP + tall * (high - y) / (high - low)

    parts: list[Child] = []
    for y in _ticks(low, high):
        _, down = place(left, y)
        parts.append(element("path", d=f"M{LEFT} {down:.1f}H{WIDTH - RIGHT}", class_="grid"))
        parts.append(element("text", _figure(y), x=str(LEFT - 8), y=f"{down + 4:.1f}", text_anchor="end"))
    for x in _ticks(left, right):
        along, _ = place(x, low)
        parts.append(element("text", _figure(x), x=f"{along:.1f}", y=str(HEIGHT - BOTTOM + 16), text_anchor="middle"))
    parts.append(element("path", d=f"M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}", class_="edge"))
    parts.append(element("text", across, x=str((LEFT + WIDTH - RIGHT) // 2), y=str(HEIGHT - 6), text_anchor="middle", class_="said"))
    for at, (name, points) in enumerate(shown.items()):
        parts.append(_line(at, name, [place(x, y) for x, y in points]))
    said = "; ".join(
        f"{name}: {len(points)} values, from {_figure(points[0][1])} to {_figure(points[-1][1])}" for name, points in shown.items()
    )
    picture = element("svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", class_="curve", role="img", aria_label=f"{title} by {across}. {said}")
    hidden = f" {len(drawn) - LINES} more lines are in the table alone." if len(drawn) > LINES else ""
    caption = element("figcaption", element("b", title), hidden, _legend(list(shown)) if len(shown) > 1 else None)
    return element("figure", caption, picture, element("details", element("summary", "As a table"), _numbers(drawn, across)))


def _line(at: int, name: str, places: Points) -> Markup:
    style = f"line line-{at % LINES}"
    if len(places) == 1:
        (x, y), *_ = places
        return element("circle", element("title", name), cx=f"{x:.1f}", cy=f"{y:.1f}", r="4", class_=style)
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    return element("path", element("title", name), d=path, class_=style, stroke_dasharray=DASHES[at % len(DASHES)])


def _legend(names: Sequence[str]) -> Markup:
    keys = [
        element("li", element("svg", _line(at, name, [(0, 5), (28, 5)]), viewBox="0 0 28 10", class_="key", aria_hidden="true"), name)
        for at, name in enumerate(names)
    ]
    return element("ul", *keys, class_="inline legend")


def _numbers(lines: Mapping[str, Points], across: str) -> Markup:
    """First, last, least and greatest of each line, then the last values of all."""
    summary = [
        [name, *map(_figure, (points[0][1], points[-1][1], min(y for _, y in points), max(y for _, y in points)))]
        for name, points in lines.items()
    ]
    by_x: dict[float, dict[str, float]] = {}
    for name, points in lines.items():
        for x, y in points:
            by_x.setdefault(x, {})[name] = y
    rows = [[_figure(x), *(_figure(row[name]) if name in row else None for name in lines)] for x, row in sorted(by_x.items())[-ROWS:]]
    heads = ["Run", "First", "Last", "Least", "Greatest"]
    return element("div", table(heads, summary, ""), table([across.capitalize(), *lines], rows, ""))


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between two, few enough to be read."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(one * power for one in (1, 2, 5, 10) if one * power >= 0.7 * rough)
    return [at * step for at in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _thinned(points: Points) -> Points:
    """At most `POINTS`, the last among them."""
    if len(points) <= POINTS:
        return points
    every = (len(points) - 1) / (POINTS - 1)
    return [points[round(at * every)] for at in range(POINTS)]


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Least and greatest, apart."""
    low, high = min(values), max(values)
    margin = abs(low) * 0.1 or 0.5
    return (low, high) if high > low else (low - margin, high + margin)


def _is_number(value: float) -> bool:
    return math.isfinite(value)


def _figure(value: float) -> str:
    return f"{value:.4g}" if abs(value) >= 1e6 or value != int(value) else f"{int(value)}"
