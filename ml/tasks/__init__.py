"""The machine-learning tasks, a module each: the table of contents of `ml/`.

A task module binds its preparation and its recipe to three functions, which the steps of the pipeline and `ml.train` call:
`preprocess(rows, labels, out)` writes arrays and `preprocessing.json`; `train(prepared, out, *, limit, epochs, start, report)`
writes `model.keras` and `history.json` and returns the metrics; `export(model, prepared, out)` writes every format that is served.
`KIND` is what it learns from. Its entry in `environments/tasks.yaml` carries the same name and kind; a test compares the two.
Its network names the last hidden layer `ml.export.embedding.EMBEDDING`: its vectors become features of every row.
"""

import importlib
from pathlib import Path
from types import ModuleType

from ml.data.rows import DataError


def module(name: str) -> ModuleType:
    """The module of the task `name`.

    Raises:
        DataError: when there is none.
    """
    known = names()
    if name not in known:
        raise DataError(
            f"there is no task {name!r}. Nothing was done. Use one of {', '.join(known)}, or add ml/tasks/{name}.py and its entry in "
            "environments/tasks.yaml."
        )
    return importlib.import_module(f"ml.tasks.{name}")


def names() -> list[str]:
    """Names of all tasks that have a module, sorted."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__")
