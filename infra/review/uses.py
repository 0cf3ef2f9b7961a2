"""Which code uses which name: read from the source as syntax trees, since this room imports none of the others.

A use is `names.bucket("raw")` in a function; who reaches that function, calling and importing, is what runs it: a pipeline, a server, a
command. A name that is made of others (`names.staging` lies in a bucket) uses them too, as `environments/names.py` itself says.
"""

import ast
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from environments import names as names_module

ROOT = Path(__file__).parents[2]
ROOMS = ("ml", "pipelines", "serving", "playbook")
PATTERN = ("name", "identifier")
"""Members of `Names` that are the pattern of all others and name nothing themselves."""
ANY = ""
"""The argument of a name where the code does not say it as a literal, or where there is none."""
Definition = tuple[str, str]
"""A module, and a function or class in it; `*` is the module's own level."""


@dataclass(frozen=True, kw_only=True, order=True)
class Name:
    """A member of `Names` and its first argument, e.g. `bucket` and `raw`."""

    member: str
    argument: str = ANY

    def __str__(self) -> str:
        return f'{self.member}("{self.argument}")' if self.argument else self.member

    def meets(self, other: "Name") -> bool:
        """Whether the two may be the same name: an argument that is not known may be any."""
        return self.member == other.member and (self.argument == other.argument or ANY in (self.argument, other.argument))


@dataclass(frozen=True, kw_only=True, order=True)
class Use:
    """One place in the code that uses a name."""

    source: str
    """`file:line`."""
    room: str
    within: Definition
    name: Name


@dataclass(frozen=True, kw_only=True)
class Code:
    """What the rooms use, and who gets there."""

    uses: tuple[Use, ...]
    runners: Mapping[Definition, tuple[str, ...]]
    """Function → what runs it, e.g. `pipeline training`, `server serving.python`, `command playbook sleep`."""

    def of(self, name: Name) -> list[Use]:
        """The places that use a name, or one that is made of it."""
        wider = made_of(name)
        return [use for use in self.uses if any(use.name.meets(one) for one in wider)]


@dataclass
class _Module:
    """A module as far as names are concerned."""

    name: str
    imports: dict[str, Definition] = field(default_factory=dict)
    """Local name → where it comes from; a module stands for itself as `(module, "*")`."""
    calls: dict[str, set[Definition]] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    runs: bool = False
    """It has a `__main__` of its own."""


@functools.cache
def code(root: Path = ROOT, rooms: Sequence[str] = ROOMS) -> Code:
    """The uses of names in the rooms below `root`."""
    modules = {module.name: module for room in rooms for path in sorted((root / room).rglob("*.py")) for module in [_read(root, path)]}
    runners: dict[Definition, set[str]] = {}
    for start, label in _starts(modules):
        for reached in _reach(start, modules):
            runners.setdefault(reached, set()).add(label)
    return Code(
        uses=tuple(sorted(use for module in modules.values() for use in module.uses)),
        runners={definition: tuple(sorted(found)) for definition, found in runners.items()},
    )


def _read(root: Path, path: Path) -> _Module:
    """The imports, calls and uses of names of one file."""
    file = path.relative_to(root)
    parts = file.with_suffix("").parts
    module = _Module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    tree = ast.parse(path.read_text(encoding="utf-8"))
    statements = [(statement, list(ast.walk(statement))) for statement in tree.body if not _is_about(statement, "TYPE_CHECKING")]
    for _, nodes in statements:
        module.imports |= _imports(nodes)
    for statement, nodes in statements:
        own = statement.name if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else "*"
        module.runs |= _is_about(statement, "__main__")
        imports = module.imports | _imports(nodes)
        targets = module.calls.setdefault(own, set())
        for node in nodes:
            if isinstance(node, ast.Name):
                targets.add(imports.get(node.id, (module.name, node.id)))
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imports:
                targets.add((_dotted(imports[node.value.id]), node.attr))
        for node, name in _named(nodes):
            module.uses.append(Use(source=f"{file.as_posix()}:{node.lineno}", room=file.parts[0], within=(module.name, own), name=name))
    return module


def _is_about(statement: ast.stmt, word: str) -> bool:
    """Whether a statement is an `if` over TYPE_CHECKING, which only a type checker reads, or over `__main__`."""
    return isinstance(statement, ast.If) and word in ast.unparse(statement.test)


def _imports(nodes: Iterable[ast.AST]) -> dict[str, Definition]:
    """Local name → what is imported under it."""
    found: dict[str, Definition] = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.asname or alias.name.partition(".")[0]: (alias.name, "*") for alias in node.names}
    return found


def _dotted(definition: Definition) -> str:
    """The module that a local name stands for, if it stands for one."""
    module, name = definition
    return module if name == "*" else f"{module}.{name}"


def _named(nodes: Sequence[ast.AST]) -> Iterator[tuple[ast.Attribute, Name]]:
    """Every `names.member` and `names.member(argument)` among the nodes, however the names are reached."""
    arguments = {id(node.func): node.args[0] for node in nodes if isinstance(node, ast.Call) and node.args}
    for node in nodes:
        if not isinstance(node, ast.Attribute) or node.attr not in members() or node.attr in PATTERN:
            continue
        owner = node.value
        if (isinstance(owner, ast.Name) and owner.id == "names") or (isinstance(owner, ast.Attribute) and owner.attr == "names"):
            given = arguments.get(id(node))
            yield node, Name(member=node.attr, argument=str(given.value) if isinstance(given, ast.Constant) else ANY)


def _starts(modules: Mapping[str, _Module]) -> Iterator[tuple[list[Definition], str]]:
    """Where something begins to run: a pipeline's definition, a command, a module that is started by its name."""
    for name, module in modules.items():
        everything = [(name, own) for own in module.calls]
        if name.startswith("pipelines.definitions.") and "define" in module.calls:
            yield everything, f"pipeline {name.rpartition('.')[2]}"
        elif name.startswith("playbook.commands."):
            yield everything, f"command playbook {name.rpartition('.')[2]}"
        elif name.endswith(".__main__"):
            started = name.removesuffix(".__main__")
            yield everything, f"{'server' if started == 'serving.python' else 'command python -m'} {started}"
        elif module.runs:
            yield everything, f"command python -m {name}"


def _reach(start: Iterable[Definition], modules: Mapping[str, _Module]) -> set[Definition]:
    """Every definition of ours that is reached from some."""
    seen: set[Definition] = set()
    waiting = list(start)
    while waiting:
        definition = waiting.pop()
        if definition in seen:
            continue
        seen.add(definition)
        module, name = definition
        if module not in modules:
            continue
        found = modules[module]
        if name in found.calls:
            waiting += found.calls[name]
            # What a module does on its own level is done by whoever needs anything of it.
            waiting.append((module, "*"))
        elif name in found.imports:
            waiting.append(found.imports[name])
        elif f"{module}.{name}" in modules:
            waiting.append((f"{module}.{name}", "*"))
    return seen


@functools.cache
def members() -> Mapping[str, tuple[tuple[str, str | None], ...]]:
    """Member of `Names` → the members that it is made of, each with the argument that it gives them; None: its own first one."""
    tree = ast.parse(Path(names_module.__file__).read_text(encoding="utf-8"))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Names").body
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")}
    return {name: tuple(_made_of(function, functions)) for name, function in functions.items()}


def _made_of(function: ast.FunctionDef, functions: Mapping[str, ast.FunctionDef]) -> Iterator[tuple[str, str | None]]:
    parameters = [argument.arg for argument in function.args.args[1:]]
    arguments = {id(node.func): node.args[0] for node in ast.walk(function) if isinstance(node, ast.Call) and node.args}
    for node in ast.walk(function):
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"):
            continue
        if node.attr not in functions or node.attr in (*PATTERN, "project", "location"):
            continue
        match arguments.get(id(node)):
            case ast.Constant(value=str(literal)):
                yield node.attr, literal
            case ast.Name(id=parameter) if parameter in parameters[:1]:
                yield node.attr, None
            case _:
                yield node.attr, ANY


@functools.cache
def made_of(name: Name) -> tuple[Name, ...]:
    """The name, and every name that is made of it: of `bucket("pipelines")` also `staging`, and `uri("pipelines")`."""
    found = {name}
    waiting = [name]
    while waiting:
        part = waiting.pop()
        for member, parts in members().items():
            for inner, given in parts:
                if inner != part.member:
                    continue
                whole = None
                if given is None:
                    whole = Name(member=member, argument=part.argument)
                elif ANY in (given, part.argument) or given == part.argument:
                    whole = Name(member=member)
                if whole and whole not in found:
                    found.add(whole)
                    waiting.append(whole)
    return tuple(sorted(found))
