"""Values that the provider documents as the only possible ones; the bindings accept any string, Google does not.

They are read from the docstrings of the installed bindings (`Possible values: ["A", "B"]`), so that they are always those
of the pinned provider.
"""

import functools
import importlib.util
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.synthesis.bindings import PACKAGE

CLASS = re.compile(r"^class (\w+)", re.MULTILINE)
PARAMETER = re.compile(r"^\s+:param (\w+): .*?Possible values: \[([^\]]*)\]", re.MULTILINE)


@functools.cache
def documented(type_: str) -> Mapping[str, Mapping[str, frozenset[str]]]:
    """Binding class → attribute → its possible values, for one resource type; empty when the bindings do not know the type."""
    package = importlib.util.find_spec(PACKAGE)
    module = type_.removeprefix("google_")
    folders = (package.submodule_search_locations or []) if package else []
    source = next((path for folder in folders if (path := Path(folder) / module / "__init__.py").is_file()), None)
    if source is None:
        return {}
    _, *parts = CLASS.split(source.read_text(encoding="utf-8"))
    return {
        name: {attribute: frozenset(re.findall(r'"([^"]+)"', values)) for attribute, values in PARAMETER.findall(body)}
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    }


def camel(name: str) -> str:
    """`gce_setup` → `GceSetup`, as the bindings name the class of a block."""
    return "".join(part.capitalize() for part in name.split("_"))


def values(type_: str, body: Mapping[str, Any]) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Path, value and possible values of every attribute of a resource that has a documented list; an empty value means none."""
    known = documented(type_)

    def walk(block: Mapping[str, Any], class_: str, path: str) -> Iterator[tuple[str, str, frozenset[str]]]:
        for attribute, value in block.items():
            here = f"{path}{attribute}"
            if isinstance(value, str) and value and (allowed := known.get(class_, {}).get(attribute)):
                yield here, value, allowed
            for nested in value if isinstance(value, list) else [value]:
                if isinstance(nested, Mapping):
                    yield from walk(nested, class_ + camel(attribute), f"{here}.")

    yield from walk(body, camel(type_.removeprefix("google_")), "")
