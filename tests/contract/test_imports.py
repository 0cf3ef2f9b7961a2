"""The import table of the design: a room imports only what the table allows."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {"environments", "releases", "infra", "ml", "serving", "pipelines", "emulator", "playbook"}
MAY_IMPORT = {
    "environments": set(),
    "releases": {"environments"},
    "infra": {"environments", "releases"},
    "ml": {"environments"},
    "serving": {"ml", "environments", "releases"},
    "pipelines": {"ml", "serving", "environments", "releases"},
    "emulator": set(),
    "playbook": ROOMS - {"emulator"},
}
SERVERS_STAY_APART_FROM = {"serving.registry", "serving.rollout", "serving.batch", "serving.desk"}


def imports(source: str) -> Iterator[str]:
    """Every absolute module name that the source imports, also inside functions and by `from x import y`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def violations(room: str, source: str) -> list[str]:
    """Imports of `source`, a file of `room`, that the table forbids."""
    allowed = MAY_IMPORT[room] | {room}
    return [name for name in imports(source) if name.split(".")[0] in ROOMS - allowed]


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_only_what_the_table_allows(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files, f"{room} has no Python file: the check would have run on nothing"
    found = {str(path.relative_to(ROOT)): bad for path in files if (bad := violations(room, path.read_text(encoding="utf-8")))}
    assert found == {}


def test_the_servers_import_nothing_of_the_control_plane() -> None:
    files = sorted((ROOT / "serving" / "python").rglob("*.py"))
    assert files
    for path in files:
        assert not {
            name for name in imports(path.read_text(encoding="utf-8")) if ".".join(name.split(".")[:2]) in SERVERS_STAY_APART_FROM
        }, path


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("environments", "import ml.data"),
        ("ml", "def f():\n    from serving.registry import upload"),
        ("emulator", "from environments import Names"),
        ("playbook", "import emulator.store"),
        ("infra", "from pipelines import submit"),
    ],
)
def test_a_forbidden_import_is_found(room: str, source: str) -> None:
    assert violations(room, source)


def test_every_top_level_package_has_a_row() -> None:
    apart = {"tests", "bench", "notebooks", "docs", "cloudbuild", "build"}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - apart
    assert packages == ROOMS


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_every_folder_of_a_room_has_a_map(room: str) -> None:
    folders = sorted({path.parent for path in (ROOT / room).rglob("*.py")})
    bare = [
        str(folder.relative_to(ROOT))
        for folder in folders
        if not ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    ]
    assert bare == []
