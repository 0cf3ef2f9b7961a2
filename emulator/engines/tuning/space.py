"""The parameters of a study: their values, scales and conditions.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/StudySpec#ParameterSpec
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from random import Random
from typing import Any

from emulator.behaviours import Refusal

Json = dict[str, Any]
Value = float | int | str
Point = dict[str, Value]

LOG, REVERSE_LOG = "UNIT_LOG_SCALE", "UNIT_REVERSE_LOG_SCALE"
MOST_VALUES = 1000
LARGEST_INTEGER = 1 << 53
"""A parameter's value is a number of JSON, which holds no larger ones exactly."""
LARGEST_NUMBER = 1e300
CLOSEST = 1e-10
"""Discrete values that are nearer to each other are one."""
CONDITIONS = {"integer": "parentIntValues", "discrete": "parentDiscreteValues", "categorical": "parentCategoricalValues"}


@dataclass(frozen=True)
class Parameter:
    """One parameter, and those that exist only for some of its values."""

    id: str
    kind: str
    """`double`, `integer`, `discrete` or `categorical`."""
    low: float = 0.0
    high: float = 0.0
    values: Sequence[Value] = ()
    """All values in order; empty for a double."""
    scale: str = ""
    children: tuple[tuple[tuple[Value, ...], Parameter], ...] = ()
    """Values of this parameter → a parameter that is active for them."""

    def draw(self, random: Random) -> Value:
        """A value, each as likely as any other on the parameter's scale."""
        if self.kind == "double":
            return self.at(random.random())
        if self.kind == "integer" and self.scale in (LOG, REVERSE_LOG):
            return round(self.at(random.random()))
        return self.values[random.randrange(len(self.values))]

    def at(self, position: float) -> float:
        """The number at `position` (0 to 1) on the scale."""
        low, high = self.low, self.high
        if self.scale == LOG:
            return min(max(math.exp(math.log(low) + position * self._width()), low), high)
        if self.scale == REVERSE_LOG:
            return min(max(low + (high - math.exp(math.log(high) - position * self._width())), low), high)
        return min(low + position * (high - low), high)

    def position(self, value: Value) -> float:
        """Where a number stands on the scale, 0 to 1: the inverse of `at`."""
        low, high, number = self.low, self.high, float(value)
        if high == low:
            return 0.5
        if self.scale == LOG:
            return (math.log(number) - math.log(low)) / self._width()
        if self.scale == REVERSE_LOG:
            # Beside a large `high`, a small `low` is lost in the sum.
            return 1 - (math.log(max(low + (high - number), low)) - math.log(low)) / self._width()
        return (number - low) / (high - low)

    def _width(self) -> float:
        return math.log(self.high) - math.log(self.low)

    def active(self, value: Value | None) -> list[Parameter]:
        """The parameters that exist beside this value."""
        return [child for wanted, child in self.children if value is not None and any(_same(value, one) for one in wanted)]

    def ids(self) -> set[str]:
        """Ids of the parameter and of those below it."""
        return {self.id}.union(*(child.ids() for _, child in self.children))


def walk(parameters: Sequence[Parameter], choose: Callable[[Parameter], Value]) -> Point:
    """A point: the value that `choose` gives to each parameter that exists beside those chosen before."""
    point: Point = {}
    waiting = list(parameters)
    while waiting:
        parameter = waiting.pop(0)
        point[parameter.id] = choose(parameter)
        waiting += parameter.active(point[parameter.id])
    return point


def grid(parameters: Sequence[Parameter]) -> Iterator[Point]:
    """Every point of a space without doubles."""
    if not parameters:
        yield {}
        return
    first, *rest = parameters
    for value in first.values:
        for point in grid([*rest, *first.active(value)]):
            yield {first.id: value, **point}


def coordinates(parameters: Sequence[Parameter], point: Point) -> list[float]:
    """A point as numbers from 0 to 1: a number is its place on its scale, a category one for its value; what is absent lies amid."""
    found: list[float] = []
    for parameter in parameters:
        value = point.get(parameter.id)
        if parameter.kind == "categorical":
            found += [float(value == one) for one in parameter.values]
        else:
            found.append(0.5 if value is None else parameter.position(value))
        active = parameter.active(value)
        for _, child in parameter.children:
            found += coordinates([child], point if child in active else {})
    return found


def read(specs: list[Json]) -> list[Parameter]:
    """The parameters of a StudySpec.

    Raises:
        Refusal: They contradict themselves; the message says where.
    """
    parameters = [_read(spec) for spec in specs]
    if not parameters:
        raise _refused("The study has no parameters")
    for one, other in combinations(parameters, 2):
        if shared := one.ids() & other.ids():
            raise _refused(f"The parameter {min(shared)!r} is there twice")
    return parameters


def _read(spec: Json) -> Parameter:
    name = spec["parameterId"]
    kinds = [kind for kind in ("double", "integer", "discrete", "categorical") if f"{kind}ValueSpec" in spec]
    if len(kinds) != 1 or not name or any(letter.isspace() for letter in name):
        raise _refused(f"The parameter {name!r} needs a name without spaces and one of the specifications of values")
    kind, given, scale = kinds[0], spec[f"{kinds[0]}ValueSpec"], spec.get("scaleType", "")
    scale = "" if scale == "SCALE_TYPE_UNSPECIFIED" else scale
    if "defaultValue" in given:
        raise _refused(f"The parameter {name!r} has a defaultValue, which only Vizier's studies may have")
    values: Sequence[Value] = ()
    low = high = 0.0
    if kind in ("double", "integer"):
        low, high = float(given.get("minValue", 0)), float(given.get("maxValue", 0))
        if not low <= high or max(-low, high) > (LARGEST_INTEGER if kind == "integer" else LARGEST_NUMBER):
            raise _refused(f"The parameter {name!r} goes from {low:g} to {high:g}")
        values = range(int(low), int(high) + 1) if kind == "integer" else ()
    else:
        values = tuple(given.get("values", []))
        if not 0 < len(values) <= MOST_VALUES or len(set(values)) < len(values):
            raise _refused(f"The parameter {name!r} needs 1 to {MOST_VALUES} different values")
    if kind == "discrete":
        numbers = [float(value) for value in values]
        if not all(abs(number) <= LARGEST_NUMBER for number in numbers) or any(b - a < CLOSEST for a, b in pairwise(numbers)):
            raise _refused(f"The values of the parameter {name!r} do not increase")
        low, high = numbers[0], numbers[-1]
    if kind == "categorical" and scale:
        raise _refused(f"The parameter {name!r} has categories, which have no scale")
    if scale in (LOG, REVERSE_LOG) and low <= 0:
        raise _refused(f"The parameter {name!r} begins at {low:g}, which has no logarithm")
    parameter = Parameter(name, kind, low, high, values, scale)
    children = tuple(_child(parameter, one) for one in spec.get("conditionalParameterSpecs", []))
    for (wanted, one), (others, other) in combinations(children, 2):
        if one.ids() & other.ids() and any(_same(a, b) for a in wanted for b in others):
            raise _refused(f"Below {name!r}, {min(one.ids() & other.ids())!r} is there twice for one value")
    if any(name in child.ids() for _, child in children):
        raise _refused(f"The parameter {name!r} depends on itself")
    return Parameter(name, kind, low, high, values, scale, children)


def _child(parent: Parameter, spec: Json) -> tuple[tuple[Value, ...], Parameter]:
    """A conditional parameter, and the values of its parent for which it exists."""
    conditions = [key for key in CONDITIONS.values() if key in spec]
    if conditions != [CONDITIONS.get(parent.kind)]:
        raise _refused(f"A parameter below {parent.id!r} needs {CONDITIONS.get(parent.kind, 'no DOUBLE above it')}")
    given = spec[conditions[0]].get("values", [])
    wanted: tuple[Value, ...] = tuple(int(value) if parent.kind == "integer" else value for value in given)
    low, high = parent.low, parent.high
    for value in wanted:
        if not (low <= float(value) <= high if parent.kind == "integer" else any(_same(value, one) for one in parent.values)):
            raise _refused(f"{value!r} is no value of {parent.id!r}, on which a parameter depends")
    if not wanted:
        raise _refused(f"A parameter below {parent.id!r} depends on no value")
    return wanted, _read(spec["parameterSpec"])


def _same(one: Value, other: Value) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return abs(one - other) < CLOSEST


def _refused(problem: str) -> Refusal:
    return Refusal(400, "INVALID_ARGUMENT", f"{problem}. Nothing was tried. Correct studySpec.parameters.")
