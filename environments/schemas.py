"""Writes the JSON Schemas that editors use for the YAML files: `python -m environments.schemas` (`make schemas`).

With `--check` it writes nothing and fails when a file is not what the models say.
"""

import ast
import inspect
import itertools
import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from environments.gemini import Catalogue
from environments.parity import Parity
from environments.schema import Environment, Organisation, Strict
from environments.tasks import Tasks

FOLDER = Path(__file__).parent / "schemas"
MODELS: tuple[type[BaseModel], ...] = (Environment, Organisation, Tasks, Catalogue, Parity)


def render(models: Sequence[type[BaseModel]] = MODELS) -> dict[str, str]:
    """File name → content of every schema."""
    return {
        f"{(model.model_config.get('title') or model.__name__).lower()}.schema.json": json.dumps(described(model), indent=2, sort_keys=True)
        + "\n"
        for model in models
    }


def described(model: type[BaseModel]) -> dict[str, Any]:
    """A model's JSON Schema, in which the docstring below an attribute is its description.

    Pydantic would do it as well, but reads the source of every model whenever one is imported, which each pipeline step would pay for.
    """
    schema = model.model_json_schema()
    # Another room may have a model of the same name: the nearer one is meant.
    known = sorted(_descendants(Strict), key=lambda found: found.__module__ == model.__module__)
    classes = {found.__name__: found for found in (*known, model)}
    definitions = {model.__name__: schema, **schema.get("$defs", {})}
    for name in definitions.keys() & classes.keys():
        for attribute, text in _docstrings(classes[name]).items():
            definitions[name]["properties"][attribute].setdefault("description", text)
    return schema


def _descendants(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for child in model.__subclasses__():
        yield child
        yield from _descendants(child)


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    [declared] = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(declared, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(after.value.value)
        for field, after in itertools.pairwise(declared.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(after.value.value, str)
    }


def stale(folder: Path = FOLDER, models: Sequence[type[BaseModel]] = MODELS) -> list[str]:
    """Names of the files that are missing or differ from the models."""
    return [name for name, text in render(models).items() if not (folder / name).exists() or (folder / name).read_text("utf-8") != text]


def main(arguments: list[str], folder: Path = FOLDER, models: Sequence[type[BaseModel]] = MODELS) -> int:
    """Write every schema, or with `--check` say which are stale; the exit code."""
    if "--check" in arguments:
        if found := stale(folder, models):
            where = f"{folder.parent.name}/{folder.name}"
            print(f"Stale in {where}: {', '.join(found)}. Editors would check against old rules. Run: make schemas")
        return int(bool(found))
    folder.mkdir(exist_ok=True)
    for name, content in render(models).items():
        (folder / name).write_text(content, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
