"""Scripts at work: steps in their order, with variables, temporary tables and functions of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from emulator.behaviours import Refusal
from emulator.engines.bigquery.declarations import standard
from emulator.engines.bigquery.dialect import parsed
from emulator.engines.bigquery.inlining import applied
from emulator.engines.bigquery.parameters import parameter_of, type_of, value_of
from emulator.engines.bigquery.scope import Scope
from emulator.engines.bigquery.scripts import Step
from emulator.engines.bigquery.trees import Tree, invalid, not_carried

if TYPE_CHECKING:
    from emulator.engines.bigquery.engine import BigQuery
    from emulator.engines.bigquery.statement import Written

Json = dict[str, Any]
Child = Callable[[str, "Written | None", Refusal | None], None]
"""Told of each statement that ran: its text, and what it did or why it failed."""

CANCELLED = 499


class _Leave(Exception):
    """BREAK."""


class _Again(Exception):
    """CONTINUE."""


class _Return(Exception):
    """RETURN."""


class Script:
    """One run of a script.

    Args:
        engine: Runs its statements.
        configuration: `JobConfigurationQuery`.
        project: Of names without one.
        job: Under which it can be interrupted.
        reader: Who asks.
        child: Told of each statement.
    """

    def __init__(self, engine: BigQuery, configuration: Json, project: str, job: str, reader: str, child: Child) -> None:
        self._engine = engine
        self._configuration = {key: value for key, value in configuration.items() if key not in ("destinationTable", "writeDisposition")}
        self._given = configuration.get("queryParameters", [])
        self._project, self._job, self._reader, self._child = project, job, reader, child
        self._variables: dict[str, Json] = {}
        self._types: dict[str, str] = {}
        self._temporary: dict[str, str] = {}
        self._functions: dict[str, Tree] = {}
        self.last: Written | None = None
        """The last statement that gave rows."""
        self.bytes = 0

    async def run(self, steps: Sequence[Step]) -> None:
        """Runs a script to its end.

        Raises:
            Refusal: A statement failed and nothing handles it.
        """
        try:
            await self._steps(steps)
        except _Return:
            pass
        except (_Leave, _Again):
            raise invalid("BREAK and CONTINUE stand in a loop.") from None
        finally:
            for name in self._temporary.values():
                self._engine.tables.kept.remove(name)
                await self._engine.tables.forget(name)

    async def _steps(self, steps: Sequence[Step]) -> None:
        for step in steps:
            await self._step(step)

    async def _step(self, step: Step) -> None:
        try:
            await getattr(self, f"_{step.kind.lower()}")(step)
        except Refusal as refusal:
            if refusal.status == CANCELLED or " at [" in refusal.message:
                raise
            message = f"{refusal.message} at [{step.place[0]}:{step.place[1]}]"
            raise Refusal(refusal.status, refusal.status_name, message, reason=refusal.reason) from None

    async def _sql(self, step: Step) -> None:
        tree = parsed(step.text)
        if isinstance(tree, exp.Create) and str(tree.args.get("kind")).upper() == "FUNCTION":
            self._define(tree)
            return
        await self._statement(step.text, tree, self._given)

    async def _statement(self, text: str, tree: Tree, parameters: list[Json]) -> Written:
        settings = {**self._configuration, "queryParameters": parameters}
        try:
            written = await self._engine.query(
                self._placed(tree), settings, self._project, self._job, self._reader, temporary=self._temporary
            )
        except Refusal as refusal:
            self._child(text, None, refusal)
            raise
        if written.statement.temporary and written.operation != "SKIP":
            self._temporary[written.statement.temporary.lower()] = written.statement.target
        if written.statement.kind.startswith("DROP"):
            self._temporary = {name: table for name, table in self._temporary.items() if table != written.statement.target}
        self.bytes += written.bytes
        self.last = written if written.destination else self.last
        self._child(text, written, None)
        return written

    async def _declare(self, step: Step) -> None:
        for name in step.names:
            if name.lower() in self._variables:
                raise invalid(f"Variable {name} is already declared")
            if not step.type and not step.text:
                raise invalid(f"Variable {name} needs a type or a default")
            value = step.text or "NULL"
            ((field, found),) = await self._values(f"CAST(({value}) AS {step.type})" if step.type else value)
            self._variables[name.lower()] = {"parameterType": type_of(field), "parameterValue": parameter_of(field, found)}
            self._types[name.lower()] = step.type or standard(field)

    async def _set(self, step: Step) -> None:
        tree = parsed(f"SELECT {step.text}").expressions[0]
        if len(step.names) == 1:
            await self._assign(step.names, [step.text])
        elif isinstance(tree, exp.Tuple):
            await self._assign(step.names, [one.sql("bigquery") for one in tree.expressions])
        elif isinstance(tree, (exp.Subquery, exp.Paren)) and isinstance(tree.this, exp.Select):
            inner = tree.this.copy()
            inner.set("kind", None)
            self._take(step.names, await self._row(inner))
        else:
            raise not_carried("This form of SET")

    async def _assign(self, names: Sequence[str], expressions: Sequence[str]) -> None:
        if len(names) != len(expressions):
            raise invalid(f"SET of {len(names)} variables has {len(expressions)} values")
        types = [self._types.get(name.lower()) for name in names]
        if None in types:
            raise invalid(f"Undeclared variable: {names[types.index(None)]}")
        casts = ", ".join(f"CAST(({one}) AS {type})" for one, type in zip(expressions, types, strict=True))
        self._take(names, await self._values(casts))

    def _take(self, names: Sequence[str], found: Sequence[tuple[Json, Any]]) -> None:
        if len(names) != len(found):
            raise invalid(f"{len(names)} variables are set to {len(found)} values")
        for name, (field, value) in zip(names, found, strict=True):
            if name.lower() not in self._variables:
                raise invalid(f"Undeclared variable: {name}")
            self._variables[name.lower()] = {"parameterType": type_of(field), "parameterValue": parameter_of(field, value)}

    async def _if(self, step: Step) -> None:
        for condition, steps in step.branches:
            if not condition or await self._true(condition):
                await self._steps(steps)
                return

    async def _begin(self, step: Step) -> None:
        outer = set(self._variables)
        try:
            await self._steps(step.body)
        except Refusal as refusal:
            if step.handler is None or refusal.status == CANCELLED:
                raise
            await self._steps(step.handler)
        for name in set(self._variables) - outer:
            del self._variables[name], self._types[name]

    async def _while(self, step: Step) -> None:
        while await self._true(step.text):
            if not await self._once(step):
                return

    async def _loop(self, step: Step) -> None:
        while await self._true("TRUE"):
            if not await self._once(step):
                return

    async def _repeat(self, step: Step) -> None:
        while await self._once(step) and not await self._true(step.text):
            pass

    async def _once(self, step: Step) -> bool:
        """Whether a loop goes on after one round."""
        try:
            await self._steps(step.body)
        except _Leave:
            return False
        except _Again:
            pass
        return True

    async def _execute(self, step: Step) -> None:
        ((_, text),) = await self._values(step.text)
        parameters = []
        for one in step.using:
            tree = parsed(f"SELECT {one}").expressions[0]
            ((field, value),) = await self._values(tree.unalias().sql("bigquery"))
            parameters.append({"name": tree.alias, "parameterType": type_of(field), "parameterValue": parameter_of(field, value)})
        if text is None:
            raise invalid("EXECUTE IMMEDIATE of NULL")
        tree = parsed(text)
        written = await self._statement(text, tree, parameters)
        if step.names:
            rows, fields = await self._engine.page(written.destination, 0, 2)
            if len(rows) > 1:
                raise invalid("EXECUTE IMMEDIATE … INTO: the query gave more than one row")
            self._take(step.names, _read(rows, fields))

    async def _raise(self, step: Step) -> None:
        ((_, message),) = await self._values(step.text) if step.text else (({}, "RAISE"),)
        raise invalid(str(message))

    async def _leave(self, step: Step) -> None:
        raise _Leave

    async def _again(self, step: Step) -> None:
        raise _Again

    async def _return(self, step: Step) -> None:
        raise _Return

    async def _true(self, condition: str) -> bool:
        ((_, value),) = await self._values(condition)
        return bool(value == "true")

    async def _values(self, expressions: str) -> list[tuple[Json, Any]]:
        return await self._row(parsed(f"SELECT {expressions}"))

    async def _row(self, tree: Tree) -> list[tuple[Json, Any]]:
        settings = {**self._configuration, "queryParameters": self._given}
        rows, fields = await self._engine.evaluated(self._placed(tree), settings, self._project, self._job, self._reader, self._temporary)
        if len(rows) > 1:
            raise invalid("Query used as a value gave more than one row")
        return _read(rows, fields)

    def _placed(self, tree: Tree) -> Tree:
        """The tree with values in the place of variables and bodies in that of functions; columns of its tables come first."""
        tree = applied(tree, self._functions)
        default = self._configuration.get("defaultDataset", {})
        catalogue = self._engine.tables.catalogue("", self._temporary)
        scope = Scope(catalogue, default.get("projectId", self._project), default.get("datasetId", ""))
        tables = [table for node in tree.find_all(exp.Table) if (table := scope.known(node)) is not None]
        columns = {one["name"].lower() for table in tables for one in table.fields}
        columns |= {one.alias.lower() for one in tree.find_all(exp.Alias, exp.TableAlias)}
        columns |= {name.name.lower() for one in tree.find_all(exp.TableAlias) for name in one.columns}
        for node in list(tree.find_all(exp.Column)):
            first, *rest = [part.name for part in node.parts]
            one = self._variables.get(first.lower())
            if one is None or first.lower() in columns:
                continue
            value = value_of(one["parameterType"], one["parameterValue"])
            for name in rest:
                value = exp.Dot(this=exp.Paren(this=value), expression=exp.to_identifier(name))
            if node is tree:
                return value
            if isinstance(node.parent, exp.Select) and node.arg_key == "expressions":
                value = exp.alias_(value, node.name)
            node.replace(value)
        return tree

    def _define(self, tree: Tree) -> None:
        """CREATE TEMP FUNCTION of an expression."""
        properties = tree.args["properties"].expressions if tree.args.get("properties") else []
        if not any(isinstance(one, exp.TemporaryProperty) for one in properties):
            raise not_carried("CREATE FUNCTION", "use CREATE TEMP FUNCTION in the script.")
        if not all(isinstance(one, (exp.TemporaryProperty, exp.ReturnsProperty)) for one in properties) or tree.expression is None:
            raise not_carried("A function in another language than SQL")
        self._functions[tree.this.this.name.lower()] = tree


def _read(rows: Sequence[str], fields: Sequence[Json]) -> list[tuple[Json, Any]]:
    """Columns and values of the first row; NULL where there is none."""
    values = [one["v"] for one in json.loads(rows[0])["f"]] if rows else [None] * len(fields)
    return list(zip(fields, values, strict=True))
