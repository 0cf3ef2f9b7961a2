"""The part of the Common Expression Language that KFP's compiler writes into `triggerPolicy.condition`.

or    = and { "||" and }
and   = test { "&&" test }
test  = term [ ("==" | "!=" | "<" | "<=" | ">" | ">=") term ]
term  = "!" term | "-" term | "(" or ")" | function "(" or ")" | literal | inputs.parameter_values['name']
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from emulator.engines.pipelines.values import text

TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | inputs\.parameter_values\[(?P<parameter>'[^']*'|"[^"]*")\]
      | (?P<operator>&&|\|\||==|!=|<=|>=|<|>|!|\(|\)|-)
      | (?P<number>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
      | (?P<word>[A-Za-z_]\w*)
    )""",
    re.VERBOSE,
)
LITERALS = {"true": True, "false": False, "null": None}
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "int": lambda value: int(float(value)) if isinstance(value, str) else int(value),
    "double": float,
    "float": float,
    "bool": lambda value: value in (True, "true", "True"),
    "string": text,
}
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
Token = tuple[str, Any]


class ConditionError(ValueError):
    """A condition that is not in this part of the language."""


def holds(condition: str, parameters: Mapping[str, Any]) -> bool:
    """Whether `condition` is true of the task's input parameters.

    Raises:
        ConditionError: when it cannot be read or names a parameter that the task does not have.
    """
    parser = _Parser(_tokens(condition, parameters), condition)
    value = parser.disjunction()
    if parser.tokens:
        raise ConditionError(f"condition {condition!r}: cannot read from {parser.tokens[0][1]!r} on")
    return bool(value)


def _tokens(condition: str, parameters: Mapping[str, Any]) -> list[Token]:
    tokens: list[Token] = []
    position, condition = 0, condition.rstrip()
    while position < len(condition):
        match = TOKEN.match(condition, position)
        if match is None:
            raise ConditionError(f"condition {condition!r}: cannot read {condition[position : position + 20]!r}")
        position = match.end()
        found = match.group(match.lastgroup or 0)
        if match.lastgroup == "operator":
            tokens.append(("operator", found))
        elif match.lastgroup == "word" and found not in LITERALS:
            tokens.append(("function", found))
        elif match.lastgroup == "word":
            tokens.append(("value", LITERALS[found]))
        elif match.lastgroup == "parameter":
            if found[1:-1] not in parameters:
                raise ConditionError(f"condition {condition!r}: the task has no parameter {found[1:-1]!r}")
            tokens.append(("value", parameters[found[1:-1]]))
        else:
            tokens.append(("value", ast.literal_eval(found)))
    return tokens


class _Parser:
    """Recursive descent: a method a rule of the grammar above, each giving a value."""

    def __init__(self, tokens: list[Token], condition: str) -> None:
        self.tokens = tokens
        self.condition = condition

    def accept(self, *operators: str) -> str:
        """The next token when it is one of these operators, otherwise nothing."""
        if self.tokens and self.tokens[0][0] == "operator" and self.tokens[0][1] in operators:
            return str(self.tokens.pop(0)[1])
        return ""

    def expect(self, operator_: str) -> None:
        if not self.accept(operator_):
            raise ConditionError(f"condition {self.condition!r}: {operator_!r} is missing")

    def disjunction(self) -> Any:
        value = self.conjunction()
        while self.accept("||"):
            other = self.conjunction()
            value = bool(value) or bool(other)
        return value

    def conjunction(self) -> Any:
        value = self.test()
        while self.accept("&&"):
            other = self.test()
            value = bool(value) and bool(other)
        return value

    def test(self) -> Any:
        left = self.term()
        comparison = self.accept(*COMPARISONS)
        if not comparison:
            return left
        right = self.term()
        if isinstance(left, str) != isinstance(right, str):
            # The compiler types the fields of a loop item as strings, whatever they are compared with.
            left, right = text(left), text(right)
        return COMPARISONS[comparison](left, right)

    def term(self) -> Any:
        if self.accept("!"):
            return not self.term()
        if self.accept("-"):
            return -self.term()
        if self.accept("("):
            value = self.disjunction()
            self.expect(")")
            return value
        if not self.tokens:
            raise ConditionError(f"condition {self.condition!r} ends too early")
        kind, value = self.tokens.pop(0)
        if kind == "value":
            return value
        if kind == "function" and value in FUNCTIONS:
            self.expect("(")
            argument = self.disjunction()
            self.expect(")")
            return FUNCTIONS[value](argument)
        raise ConditionError(f"condition {self.condition!r}: {value!r} is not known here")
