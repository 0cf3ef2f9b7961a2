"""Scripts: several statements, variables, conditions and loops, read into a tree.

https://cloud.google.com/bigquery/docs/reference/standard-sql/procedural-language
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlglot.dialects.bigquery import BigQuery
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from emulator.engines.bigquery.trees import invalid, not_carried

PROCEDURAL = {"DECLARE", "SET", "IF", "WHILE", "LOOP", "REPEAT", "BEGIN", "EXECUTE", "RAISE", "RETURN", "CASE", "FOR", "CALL"}
"""Words with which a statement of the procedural language begins."""
NOT_CARRIED = {"CASE": "The CASE statement", "FOR": "FOR … IN", "CALL": "CALL", "COMMIT": "A transaction", "ROLLBACK": "A transaction"}
LEAVE, AGAIN = ("BREAK", "LEAVE"), ("CONTINUE", "ITERATE")


class Words(BigQuery.Tokenizer):
    """Words alone: sqlglot's own takes the rest of some statements as one text."""

    COMMANDS: ClassVar[set[TokenType]] = set()


@dataclass(frozen=True)
class Step:
    """A statement of a script.

    `kind` is its first word; `SQL` stands for a statement that runs as a query of its own.
    """

    kind: str
    place: tuple[int, int]
    """Line and column."""
    text: str = ""
    """The SQL; the expression of SET, WHILE and UNTIL; the default of DECLARE; what EXECUTE IMMEDIATE or RAISE says."""
    names: tuple[str, ...] = ()
    """Variables that are declared or set, or take the row of EXECUTE IMMEDIATE … INTO."""
    type: str = ""
    """Of DECLARE."""
    using: tuple[str, ...] = ()
    """Expressions of EXECUTE IMMEDIATE … USING, perhaps with `AS name`."""
    branches: tuple[tuple[str, tuple[Step, ...]], ...] = ()
    """Condition and steps, of IF; an empty condition stands for ELSE."""
    body: tuple[Step, ...] = ()
    handler: tuple[Step, ...] | None = None
    """Steps of EXCEPTION WHEN ERROR THEN."""


def read(text: str) -> tuple[Step, ...] | None:
    """The steps of a script; none where `text` is a single statement of SQL.

    Raises:
        Refusal: It is no script, or speaks of what is not emulated.
    """
    try:
        tokens = Words().tokenize(text)
    except SqlglotError as error:
        raise invalid(f"Syntax error: {error}") from None
    reader = _Reader(text, tokens)
    first = reader.word()
    several = any(one.token_type == TokenType.SEMICOLON for one in tokens[:-1])
    if not several and first not in PROCEDURAL:
        return None
    steps = reader.steps(())
    if not reader.at_end():
        raise reader.unexpected()
    return steps if len(steps) != 1 or steps[0].kind != "SQL" else None


@dataclass
class _Reader:
    text: str
    tokens: Sequence[Any]
    at: int = 0

    def at_end(self) -> bool:
        return self.at >= len(self.tokens)

    def word(self, ahead: int = 0) -> str:
        place = self.at + ahead
        return str(self.tokens[place].text).upper() if place < len(self.tokens) else ""

    def unexpected(self) -> Exception:
        if self.at_end():
            return invalid("Syntax error: Unexpected end of script")
        token = self.tokens[self.at]
        return invalid(f"Syntax error: Unexpected {token.text!r} at [{token.line}:{token.col}]")

    def take(self, *words: str) -> None:
        for word in words:
            if self.word() != word:
                raise self.unexpected()
            self.at += 1

    def until(self, *ends: str) -> str:
        """The text up to one of these words, or a semicolon, outside of parentheses and CASE."""
        begun, depth = self.at, 0
        while not self.at_end():
            word, kind = self.word(), self.tokens[self.at].token_type
            quoted = kind in (TokenType.STRING, TokenType.IDENTIFIER)
            if depth == 0 and (kind == TokenType.SEMICOLON or (word in ends and not quoted)):
                break
            if not quoted:
                depth += (word in ("(", "[", "CASE")) - (word in (")", "]", "END") and depth > 0)
            self.at += 1
        if begun == self.at:
            raise self.unexpected()
        return self.text[self.tokens[begun].start : self.tokens[self.at - 1].end + 1]

    def steps(self, ends: tuple[str, ...]) -> tuple[Step, ...]:
        found: list[Step] = []
        while not self.at_end() and self.word() not in ends:
            if self.tokens[self.at].token_type == TokenType.SEMICOLON:
                self.at += 1
                continue
            found.append(self.step())
            if not self.at_end() and self.word() not in ends:
                self.take(";")
        return tuple(found)

    def step(self) -> Step:
        token, word = self.tokens[self.at], self.word()
        place = token.line, token.col - len(token.text) + 1
        if word in NOT_CARRIED or (word == "BEGIN" and self.word(1) in ("TRANSACTION", ";", "")):
            raise not_carried(f"{NOT_CARRIED.get(word, 'A transaction')} of a script")
        if word == "DECLARE":
            return self._declare(place)
        if word == "SET":
            return self._set(place)
        if word == "IF":
            return self._if(place)
        if word == "BEGIN":
            return self._block(place)
        if word in ("WHILE", "LOOP", "REPEAT"):
            return self._loop(word, place)
        if word == "EXECUTE":
            return self._execute(place)
        if word in (*LEAVE, *AGAIN, "RETURN") and self.word(1) in (";", ""):
            self.at += 1
            return Step("LEAVE" if word in LEAVE else "AGAIN" if word in AGAIN else word, place)
        if word == "RAISE":
            self.at += 1
            if self.word() == "USING":
                self.take("USING", "MESSAGE", "=")
                return Step("RAISE", place, text=self.until())
            return Step("RAISE", place)
        return Step("SQL", place, text=self.until())

    def names(self) -> tuple[str, ...]:
        found = [str(self.tokens[self.at].text)]
        self.at += 1
        while self.word() == ",":
            found.append(str(self.tokens[self.at + 1].text) if self.at + 1 < len(self.tokens) else "")
            self.at += 2
        return tuple(found)

    def _declare(self, place: tuple[int, int]) -> Step:
        self.take("DECLARE")
        names, kind, default = self.names(), "", ""
        if self.word() != "DEFAULT":
            kind = self.until("DEFAULT")
        if self.word() == "DEFAULT":
            self.at += 1
            default = self.until()
        return Step("DECLARE", place, text=default, names=names, type=kind)

    def _set(self, place: tuple[int, int]) -> Step:
        self.take("SET")
        if self.word() == "(":
            self.at += 1
            names = self.names()
            self.take(")")
        elif self.word().startswith("@"):
            raise not_carried("SET of a system variable")
        else:
            names = self.names()
        self.take("=")
        return Step("SET", place, text=self.until(), names=names)

    def _if(self, place: tuple[int, int]) -> Step:
        branches = []
        self.take("IF")
        while True:
            condition = self.until("THEN")
            self.take("THEN")
            branches.append((condition, self.steps(("ELSEIF", "ELSE", "END"))))
            if self.word() != "ELSEIF":
                break
            self.at += 1
        if self.word() == "ELSE":
            self.at += 1
            branches.append(("", self.steps(("END",))))
        self.take("END", "IF")
        return Step("IF", place, branches=tuple(branches))

    def _block(self, place: tuple[int, int]) -> Step:
        self.take("BEGIN")
        body, handler = self.steps(("END", "EXCEPTION")), None
        if self.word() == "EXCEPTION":
            self.take("EXCEPTION", "WHEN", "ERROR", "THEN")
            handler = self.steps(("END",))
        self.take("END")
        return Step("BEGIN", place, body=body, handler=handler)

    def _loop(self, word: str, place: tuple[int, int]) -> Step:
        self.at += 1
        condition = ""
        if word == "WHILE":
            condition = self.until("DO")
            self.take("DO")
        body = self.steps(("END", "UNTIL"))
        if word == "REPEAT":
            self.take("UNTIL")
            condition = self.until("END")
        self.take("END", word)
        return Step(word, place, condition, body=body)

    def _execute(self, place: tuple[int, int]) -> Step:
        """EXECUTE IMMEDIATE: what follows may be one token, which is read again."""
        begun = self.tokens[self.at]
        self.until()
        rest = self.text[begun.end + 1 : self.tokens[self.at - 1].end + 1]
        inner = _Reader(rest, Words().tokenize(rest))
        inner.take("IMMEDIATE")
        text = inner.until("INTO", "USING")
        names: tuple[str, ...] = ()
        using: tuple[str, ...] = ()
        if inner.word() == "INTO":
            inner.at += 1
            names = inner.names()
        if inner.word() == "USING":
            inner.at += 1
            given = [inner.until(",")]
            while inner.word() == ",":
                inner.at += 1
                given.append(inner.until(","))
            using = tuple(given)
        if not inner.at_end():
            raise inner.unexpected()
        return Step("EXECUTE", place, text=text, names=names, using=using)
