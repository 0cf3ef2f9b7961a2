"""A pipeline run as a graph: its steps from left to right, what each waits for, and how far it is. Drawn here, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.console.markup import MARKS, Markup, duration_text, element, join, seconds_between, state_kind, state_text

Json = dict[str, Any]

STEP_WIDTH, STEP_HEIGHT = 124, 42
COLUMN_GAP, ROW_GAP = 18, 12
PADDING, TITLE = 10, 18
MARGIN = 4
LETTERS, LETTER_WIDTH = 15, 7
"""Longer names are cut; the whole name is the step's title."""
LEGIBLE = 0.85
"""A wide graph shrinks to the page so far, and can be scrolled beyond."""
WORST_FIRST = (
    "FAILED", "CANCELLED", "CANCELLING", "RUNNING", "DRIVER_RUNNING", "PENDING", "SUCCEEDED", "SKIPPED", "NOT_TRIGGERED",
)  # fmt: skip


@dataclass(frozen=True)
class Node:
    """A step, or a group of steps (a condition, a loop, a nested pipeline) with its own graph inside."""

    name: str
    state: str
    note: str
    target: str
    """Id of the task, for the link to its row; empty where it has none yet."""
    inner: Graph | None

    @property
    def width(self) -> int:
        """In pixels."""
        if self.inner is None:
            return STEP_WIDTH
        return max(self.inner.width, LETTER_WIDTH * len(f"{self.name}  {self.short}")) + 2 * PADDING

    @property
    def said(self) -> str:
        """State and note in words."""
        return " · ".join(filter(None, (state_text(self.state) or "waiting", self.note)))

    @property
    def short(self) -> str:
        """The same as a mark and a word."""
        mark = MARKS.get(state_kind(self.state), "–" if self.state else "○")
        if self.state == "SUCCEEDED" and self.note:
            return f"{mark} {self.note}"
        if self.state == "SKIPPED":
            return f"{mark} cached"
        return f"{mark} {state_text(self.state) or 'waiting'}"

    @property
    def height(self) -> int:
        """In pixels."""
        return self.inner.height + 2 * PADDING + TITLE if self.inner else STEP_HEIGHT


@dataclass(frozen=True)
class Graph:
    """Nodes with their places, and the edges between them."""

    width: int
    height: int
    placed: Mapping[str, tuple[int, int, Node]]
    """Name → x, y, node."""
    edges: Sequence[tuple[str, str]]


def drawn(job: Json) -> Markup | None:
    """The graph of a run; none where its specification is not known."""
    spec = job.get("pipelineSpec", {})
    dag = spec.get("root", {}).get("dag", {})
    if not dag.get("tasks"):
        return None
    details: list[Json] = job.get("jobDetail", {}).get("taskDetails", [])
    known = {task["taskId"] for task in details}
    roots = [task["taskId"] for task in details if task.get("parentTaskId") not in known]
    graph = _graph(spec, dag, details, roots)
    width, height = graph.width + 2 * MARGIN, graph.height + 2 * MARGIN
    drawing = element(
        "svg",
        _content(graph, MARGIN, MARGIN),
        viewBox=f"0 0 {width} {height}",
        style=f"min-width: {width * LEGIBLE:.0f}px; max-width: {width}px",
        role="group",
        aria_label="Steps, and what each waits for",
    )
    return element("div", drawing, class_="scroll graph")


def _graph(spec: Json, dag: Json, details: Sequence[Json], parents: Sequence[str]) -> Graph:
    """The graph of one DAG, whose tasks have one of `parents` (several where a loop runs it in turns)."""
    tasks: Json = dag.get("tasks", {})
    needs = {name: _needs(task) & tasks.keys() for name, task in tasks.items()}
    nodes = {name: _node(spec, name, task, details, parents) for name, task in tasks.items()}
    columns = _columns(needs)
    widths = [max(nodes[name].width for name in column) for column in columns]
    heights = [sum(nodes[name].height for name in column) + ROW_GAP * (len(column) - 1) for column in columns]
    placed, x = {}, 0
    for column, width, height in zip(columns, widths, heights, strict=True):
        y = (max(heights) - height) // 2
        for name in column:
            placed[name] = (x, y, nodes[name])
            y += nodes[name].height + ROW_GAP
        x += width + COLUMN_GAP
    edges = [(before, name) for name in tasks for before in sorted(_reduced(name, needs))]
    return Graph(x - COLUMN_GAP, max(heights), placed, edges)


def _needs(task: Json) -> set[str]:
    """Names of the tasks that a task waits for."""
    inputs = [*task.get("inputs", {}).get("parameters", {}).values(), *task.get("inputs", {}).get("artifacts", {}).values()]
    sources = (one.get(kind, {}).get("producerTask", "") for one in inputs for kind in ("taskOutputParameter", "taskOutputArtifact"))
    return {*task.get("dependentTasks", []), *filter(None, sources)}


def _columns(needs: Mapping[str, set[str]]) -> list[list[str]]:
    """Names by their distance from the start; within a column in the order of what they wait for."""
    distance: dict[str, int] = {}
    while len(distance) < len(needs):
        ready = [name for name in needs if name not in distance and needs[name] <= distance.keys()]
        # A specification with a cycle cannot run; what is left of it stands in one last column.
        for name in ready or [name for name in needs if name not in distance]:
            distance[name] = max((distance.get(one, 0) for one in needs[name]), default=-1) + 1
    columns: list[list[str]] = []
    rows: dict[str, int] = {}
    for at in sorted(set(distance.values())):
        column = sorted(
            (name for name in needs if distance[name] == at),
            key=lambda name: (sum(rows.get(one, 0) for one in needs[name]) / (len(needs[name]) or 1), name),
        )
        rows |= {name: row for row, name in enumerate(column)}
        columns.append(column)
    return columns


def _reduced(name: str, needs: Mapping[str, set[str]]) -> set[str]:
    """What a task waits for, without what follows from the rest."""
    implied: set[str] = set()
    waiting, seen = list(needs[name]), {name}
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            implied |= needs[one]
            waiting += needs[one]
    return needs[name] - implied


def _node(spec: Json, name: str, task: Json, details: Sequence[Json], parents: Sequence[str]) -> Node:
    own = [one for one in details if one.get("taskName") == name and one.get("parentTaskId") in parents]
    component = spec.get("components", {}).get(task.get("componentRef", {}).get("name", ""), {})
    inner = None
    note = ""
    ids = [one["taskId"] for one in own]
    if "dag" in component:
        if "parameterIterator" in task or "artifactIterator" in task:
            turns = [one["taskId"] for one in details if one.get("parentTaskId") in ids]
            note = f"{len(turns)} turns" if turns else "loop"
            ids = turns
        inner = _graph(spec, component["dag"], details, ids)
    states = [str(one.get("state", "")) for one in own]
    state = next((one for one in WORST_FIRST if one in states), states[0] if states else "")
    if len(own) > 1:
        note = f"{sum(one in ('SUCCEEDED', 'SKIPPED') for one in states)} of {len(own)}"
    elif own and not note and state != "NOT_TRIGGERED":
        note = duration_text(seconds_between(own[0].get("startTime", ""), own[0].get("endTime", "")))
    return Node(name, state, note, own[0]["taskId"] if own else "", inner)


def _content(graph: Graph, x: int, y: int) -> Markup:
    """Edges first, so that a long one passes behind the steps between its ends."""
    edges = [element("path", d=_path(graph, before, after, x, y), class_="edge") for before, after in graph.edges]
    return join([*edges, *(_drawn_node(node, x + left, y + top) for left, top, node in graph.placed.values())])


def _path(graph: Graph, before: str, after: str, x: int, y: int) -> str:
    left, top, node = graph.placed[before]
    x1, y1 = x + left + node.width, y + top + node.height // 2
    left, top, node = graph.placed[after]
    x2, y2 = x + left, y + top + node.height // 2
    middle = (x1 + x2) // 2
    return f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"


def _drawn_node(node: Node, x: int, y: int) -> Markup:
    box = element("rect", x=str(x), y=str(y), width=str(node.width), height=str(node.height), rx="6")
    label, left = element("title", f"{node.name}: {node.said}"), str(x + PADDING)
    if node.inner:
        state = element("tspan", f"  {node.short}", class_="said")
        words = [element("text", node.name, state, x=left, y=str(y + TITLE), class_="name")]
    else:
        name = node.name if len(node.name) <= LETTERS else f"{node.name[: LETTERS - 1]}…"
        words = [
            element("text", name, x=left, y=str(y + 18), class_="name"),
            element("text", node.short, x=left, y=str(y + 34), class_="said"),
        ]
    shown = [label, box, *words]
    linked = element("a", *shown, href=f"#task-{node.target}") if node.target else join(shown)
    inside = _content(node.inner, x + PADDING, y + PADDING + TITLE) if node.inner else None
    return element("g", linked, inside, class_=f"{'group' if node.inner else 'step'} {state_kind(node.state)}".strip())
