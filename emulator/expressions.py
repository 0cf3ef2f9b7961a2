"""The part of the Common Expression Language that Google's services are given here: triggers of pipeline tasks, conditions of IAM bindings.

or    = and { "||" and }
and   = test { "&&" test }
test  = sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=") sum ]
sum   = term { "+" term }
term  = "!" term | "-" term | "(" or ")" | function "(" or ")" | literal | name [ "." method "(" or ")" ]
name  = word { "." word } [ "['" key "']" ]
"""

import ast
import json
import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?:\[(?:'[^']*'|"[^"]*")\])?)
      | (?P<operator>&&|\|\||==|!=|<=|>=|<|>|!|\(|\)|-|\+)
      | (?P<number>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
    )""",
    re.VERBOSE,
)
EXACT = 2**53
"""Above it a double no longer names one integer."""


def whole(value: Any) -> Any:
    """Vertex AI prints 1.0 as 1, so that a list `[1, 2]` reaches the step as integers."""
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return int(value)
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    return value


def text(value: Any) -> str:
    """`value` inside a string."""
    return value if isinstance(value, str) else json.dumps(whole(value))


LITERALS = {"true": True, "false": False, "null": None}
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "int": lambda value: int(float(value)) if isinstance(value, str) else int(value),
    "double": float,
    "float": float,
    "bool": lambda value: value in (True, "true", "True"),
    "string": text,
    "timestamp": lambda value: datetime.fromisoformat(str(value)),
}
METHODS: dict[str, Callable[[Any, Any], bool]] = {
    "startsWith": lambda value, start: str(value).startswith(start),
    "endsWith": lambda value, end: str(value).endswith(end),
    "contains": lambda value, part: part in str(value),
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


class ExpressionError(ValueError):
    """An expression that is not in this part of the language, or names what nobody has given."""


def holds(expression: str, variables: Mapping[str, Any]) -> bool:
    """Whether `expression` is true, as `value` gives it."""
    return bool(value(expression, variables))


def value(expression: str, variables: Mapping[str, Any]) -> Any:
    """What `expression` comes to.

    Args:
        expression: A condition, a name or a literal.
        variables: Name as the expression writes it (`resource.name`, `inputs.parameter_values['n']`) → value.

    Raises:
        ExpressionError: It cannot be read, a name in it is not among the variables, or its values do not go together.
    """
    parser = _Parser(_tokens(expression), expression, variables)
    try:
        found = parser.disjunction()
    except ExpressionError:
        raise
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ExpressionError(f"condition {expression!r}: {error}") from error
    if parser.tokens:
        raise ExpressionError(f"condition {expression!r}: cannot read from {parser.tokens[0][1]!r} on")
    return found


def _tokens(expression: str) -> list[Token]:
    tokens: list[Token] = []
    position, expression = 0, expression.rstrip()
    while position < len(expression):
        match = TOKEN.match(expression, position)
        if match is None:
            raise ExpressionError(f"condition {expression!r}: cannot read {expression[position : position + 20]!r}")
        position = match.end()
        kind, found = match.lastgroup or "", match.group(match.lastgroup or 0)
        if found in LITERALS:
            tokens.append(("value", LITERALS[found]))
        elif kind in ("operator", "name"):
            tokens.append((kind, found.replace('"', "'")))
        else:
            tokens.append(("value", ast.literal_eval(found)))
    return tokens


class _Parser:
    """Recursive descent: a method a rule of the grammar above, each giving a value."""

    def __init__(self, tokens: list[Token], expression: str, variables: Mapping[str, Any]) -> None:
        self.tokens, self.expression, self.variables = tokens, expression, variables

    def accept(self, *operators: str) -> str:
        """The next token when it is one of these operators, otherwise nothing."""
        if self.tokens and self.tokens[0][0] == "operator" and self.tokens[0][1] in operators:
            return str(self.tokens.pop(0)[1])
        return ""

    def expect(self, operator_: str) -> None:
        if not self.accept(operator_):
            raise ExpressionError(f"condition {self.expression!r}: {operator_!r} is missing")

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
        left = self.sum()
        comparison = self.accept(*COMPARISONS)
        if not comparison:
            return left
        right = self.sum()
        if isinstance(left, str) != isinstance(right, str):
            # KFP's compiler types the fields of a loop item as strings, whatever they are compared with.
            left, right = text(left), text(right)
        return COMPARISONS[comparison](left, right)

    def sum(self) -> Any:
        total = self.term()
        while self.accept("+"):
            other = self.term()
            if isinstance(total, str) != isinstance(other, str):
                raise ExpressionError(f"condition {self.expression!r}: a text and something else have no sum; use string()")
            total += other
        return total

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
            raise ExpressionError(f"condition {self.expression!r} ends too early")
        kind, value = self.tokens.pop(0)
        if kind == "value":
            return value
        if kind != "name":
            raise ExpressionError(f"condition {self.expression!r}: {value!r} stands where a value should")
        if not self.accept("("):
            return self.variable(value)
        argument = self.disjunction()
        self.expect(")")
        owner, _, method = value.rpartition(".")
        if owner and method in METHODS:
            return METHODS[method](self.variable(owner), argument)
        if value not in FUNCTIONS:
            raise ExpressionError(f"condition {self.expression!r}: {value!r} is not known here")
        return FUNCTIONS[value](argument)

    def variable(self, name: str) -> Any:
        if name not in self.variables:
            raise ExpressionError(f"condition {self.expression!r}: nothing is called {name!r} here")
        return self.variables[name]
