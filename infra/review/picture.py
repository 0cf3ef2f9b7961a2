"""The blast radius as a drawing: what changes on the left, then what refers to it, stacks, code and people; for the page as SVG, for
Markdown as Mermaid.

Where there is more than a drawing can hold, the gravest are drawn and the number of the others stands under them; the lists beside it
hold all.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import fmean

from infra.review.report import LEVELS, BlastEdge, BlastNode, Report
from infra.review.visible import visible

GROUPS = (("change", "changes"), ("resource", "refers to it"), ("code", "code"), ("identity", "people and identities"), ("stack", "stacks"))
COLUMNS = ((0,), (1, 2, 3), (4,))
"""Groups under each other, from left to right: what a change reaches stands beside it, and the stacks beside what refers to it."""
MOST = 12
"""Nodes of a group."""
EXPLAINED = 10
"""Edges up to which Mermaid writes beside each what it is."""
SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "−", "forget": "−", "import": "←", "move": "→", "read": "?"}
WIDTHS, HEIGHT, ROW, GAP, HEADING = (330, 370, 170), 26, 32, 84, 26
LETTER = 7.3
"""Pixels of one at the size of a node's label; rather too many than too few."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What is drawn of a blast radius."""

    groups: tuple[tuple[BlastNode, ...], ...]
    """As in `GROUPS`, each from the top; one may be empty."""
    edges: tuple[BlastEdge, ...]
    alone: int
    """Changes that reach nothing else, and are not drawn."""


def drawing(report: Report) -> Drawing:
    """What fits into a drawing, placed so that few lines cross."""
    found = report.blast
    reached = {end for edge in found.edges for end in (edge.origin, edge.target)}
    known = {node.id: node for node in found.nodes if node.id in reached}
    edges = sorted({(edge.origin, edge.target): edge for edge in found.edges if {edge.origin, edge.target} <= known.keys()}.items())
    degree = Counter(end for ends, _ in edges for end in ends)
    towards: dict[str, list[str]] = defaultdict(list)
    for (origin, target), _ in edges:
        towards[target].append(origin)
    groups: list[tuple[BlastNode, ...]] = []
    instead: dict[str, str] = {}
    places: dict[str, float] = {}
    for number, (kind, _) in enumerate(GROUPS):
        nodes = [node for node in known.values() if ("identity" if node.kind == "person" else node.kind) == kind]
        nodes.sort(key=lambda node: (LEVELS.index(node.level) if node.level else len(LEVELS), -degree[node.id], node.id))
        drawn, others = nodes[:MOST], nodes[MOST:]
        if len(others) == 1:
            drawn, others = nodes, []
        drawn.sort(key=lambda node: (_middle(towards[node.id], places), LEVELS.index(node.level) if node.level else len(LEVELS), node.id))
        if others:
            more = BlastNode(id=f"more:{number}", kind=others[0].kind, label=f"and {len(others):,} more")
            drawn.append(more)
            instead |= {node.id: more.id for node in others}
        places |= {node.id: float(place) for place, node in enumerate(drawn)}
        places |= {node.id: float(len(drawn) - 1) for node in others}
        groups.append(tuple(drawn))
    kept: dict[tuple[str, str], BlastEdge] = {}
    for (origin, target), edge in edges:
        ends = instead.get(origin, origin), instead.get(target, target)
        if ends[0] != ends[1]:
            kept.setdefault(ends, BlastEdge(origin=ends[0], target=ends[1], why=edge.why))
    alone = sum(node.kind == "change" and node.id not in reached for node in found.nodes)
    return Drawing(groups=tuple(groups), edges=tuple(kept.values()), alone=alone)


def _middle(origins: Sequence[str], places: Mapping[str, float]) -> float:
    """Where what leads to a node stands."""
    return fmean([places[origin] for origin in origins if origin in places] or [0.0])


def label(text: str, letters: int) -> str:
    """A label that fits: what is left out of a longer one is in its middle, since both ends tell things apart."""
    shown = visible(text)
    if len(shown) <= letters:
        return shown
    head = (letters - 1) // 2
    return f"{shown[:head]}…{shown[len(shown) - (letters - 1 - head) :]}"


def svg(report: Report) -> str:
    """The drawing as inline SVG that takes its colours from the page; empty where nothing reaches anything."""
    found = drawing(report)
    if not found.edges:
        return ""
    columns = [[(GROUPS[group][1], found.groups[group]) for group in column if found.groups[group]] for column in COLUMNS]
    heights = [sum(HEADING + ROW * len(nodes) for _, nodes in column) for column in columns]
    height, width = max(heights) + 4, sum(WIDTHS) + GAP * (len(COLUMNS) - 1) + 4
    names: dict[str, str] = {}
    boxes: dict[str, tuple[int, float, int]] = {}
    heads: list[str] = []
    for number, column in enumerate(columns):
        x = 2 + sum(WIDTHS[:number]) + GAP * number
        y = (height - 4 - heights[number]) / 2
        for title, group in column:
            heads.append(f'<text class="head" x="{x}" y="{y + 18:.1f}">{escape(title)}</text>')
            y += HEADING
            for node in group:
                names[node.id] = f"n{len(names)}"
                boxes[node.id] = (x, y, WIDTHS[number])
                y += ROW
    nodes = {node.id: node for group in found.groups for node in group}
    edges = []
    for edge in found.edges:
        said = f"{visible(nodes[edge.origin].label)} → {visible(nodes[edge.target].label)}: {visible(edge.why)}"
        ends = f'data-from="{names[edge.origin]}" data-to="{names[edge.target]}"'
        edges.append(f'<path class="edge" {ends} d="{_curve(boxes[edge.origin], boxes[edge.target])}"><title>{escape(said)}</title></path>')
    drawn = [_node(node, names[id], boxes[id]) for id, node in nodes.items()]
    return (
        f'<svg class="blast" viewBox="0 0 {width} {height:.0f}" width="{width}" height="{height:.0f}" role="img" '
        f'aria-label="Blast radius: {len(found.groups[0])} changes and what they reach">{"".join((*heads, *edges, *drawn))}</svg>'
    )


def _curve(origin: tuple[int, float, int], target: tuple[int, float, int]) -> str:
    """From the right side of a node to the left side of one further right, or to the right side of one that is not."""
    x, y = origin[0] + origin[2], origin[1] + HEIGHT / 2
    end, end_y = target[0], target[1] + HEIGHT / 2
    if end > x:
        return f"M{x} {y:.1f}C{x + GAP / 2:.0f} {y:.1f} {end - GAP / 2:.0f} {end_y:.1f} {end} {end_y:.1f}"
    end += target[2]
    return f"M{x} {y:.1f}C{x + GAP / 2:.0f} {y:.1f} {end + GAP / 2:.0f} {end_y:.1f} {end} {end_y:.1f}"


def _node(node: BlastNode, name: str, box: tuple[int, float, int]) -> str:
    x, y, width = box
    sign = f"{SIGNS[node.action]} " if node.action else ""
    shown = label(node.label, int((width - 16) / LETTER) - len(sign))
    level = f", {node.level}" if node.level else ""
    said = f"{visible(node.label)}{f': {node.action}' if node.action else ''}{level}"
    return (
        f'<g class="node {node.level or "quiet"}" id="{name}" tabindex="0"><title>{escape(said)}</title>'
        f'<rect x="{x}" y="{y:.1f}" width="{width}" height="{HEIGHT}" rx="5"/>'
        f'<text x="{x + 9}" y="{y + 17:.1f}">{escape(sign + shown)}</text></g>'
    )


def mermaid(report: Report) -> str:
    """The drawing for Markdown; empty where nothing reaches anything."""
    found = drawing(report)
    if not found.edges:
        return ""
    nodes = [node for group in found.groups for node in group]
    names = {node.id: f"n{number}" for number, node in enumerate(nodes)}
    lines = ["flowchart LR"]
    for number, ((_, title), group) in enumerate(zip(GROUPS, found.groups, strict=True)):
        if group:
            lines.append(f'  subgraph g{number}["{title}"]')
            for node in group:
                action = f" · {node.action}" if node.action else ""
                lines.append(f'    {names[node.id]}["{_quoted(label(node.label, 48))}{action}"]')
            lines.append("  end")
    for edge in found.edges:
        why = f'|"{_quoted(label(edge.why, 40))}"|' if edge.why and len(found.edges) <= EXPLAINED else ""
        lines.append(f"  {names[edge.origin]} -->{why} {names[edge.target]}")
    for level, colour in (("block", "#c0392b"), ("sign-off", "#b7791f")):
        marked = [names[node.id] for node in nodes if node.level == level]
        if marked:
            lines += [
                f"  classDef {level.replace('-', '')} stroke:{colour},stroke-width:3px",
                f"  class {','.join(marked)} {level.replace('-', '')}",
            ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """Text inside Mermaid's quotes: whatever is no letter, digit or harmless sign is written as its number."""
    return "".join(one if one.isalnum() or one in " _-./…" else f"#{ord(one)};" for one in text)


def costs(report: Report) -> str:
    """What each stack costs a month before and after, from least to most with the expected marked, on one scale."""
    found = report.cost
    spans = [(one.stack, one.before, one.after) for one in found.stacks]
    most = max((one.high for _, before, after in spans for one in (before, after)), default=0.0)
    if most <= 0:
        return ""
    name, length, row = 170, 620, 34
    height = row * len(spans) + 4
    width = name + length + 40

    def x(amount: float) -> float:
        return name + max(amount, 0.0) / most * length

    parts = [f'<svg class="costs" viewBox="0 0 {width} {height}" role="img" aria-label="Cost of each stack before and after">']
    for number, (stack, before, after) in enumerate(spans):
        y = number * row + 4
        parts.append(f'<text class="row" x="{name - 10}" y="{y + 17}">{escape(label(stack, 24))}</text>')
        for kind, one, top in (("before", before, y + 3), ("after", after, y + 15)):
            said = f"{visible(stack)} {kind}: USD {one.expected:,.2f} expected, from {one.low:,.2f} to {one.high:,.2f} a month"
            low, expected, high = x(one.low), x(one.expected), x(one.high)
            parts.append(
                f'<g class="{kind}"><title>{escape(said)}</title>'
                f'<rect x="{low:.1f}" y="{top}" width="{max(high - low, 1):.1f}" height="8" rx="2"/>'
                f'<line x1="{expected:.1f}" x2="{expected:.1f}" y1="{top - 2}" y2="{top + 10}"/></g>'
            )
    return "".join((*parts, "</svg>"))
