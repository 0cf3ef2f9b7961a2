"""The documents name what exists: verbs, commands, modules, files."""

import importlib.util
import re
from pathlib import Path

import pytest

from playbook import ROOT
from playbook.__main__ import COMMANDS

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LISTS = ("emulator-coverage.md", "google-8.md", "policies.md")
"""Written by a command, for reading."""
USES = [path for path in DOCUMENTS if path.name not in ("design.md", *LISTS)]
"""The design also speaks of what is planned."""


def code(path: Path) -> str:
    """What stands in code blocks and between back-quotes."""
    text = path.read_text(encoding="utf-8")
    return "\n".join([*re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL), *re.findall(r"`([^`\n]+)`", text)])


@pytest.mark.parametrize("path", USES, ids=lambda path: path.name)
def test_every_command_of_a_document_exists(path: Path) -> None:
    verbs = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = code(path)
    named = re.findall(r"^make ([a-z][a-z-]*)", text, re.MULTILINE)
    assert named
    assert set(named) <= verbs
    assert set(re.findall(r"^playbook ([a-z-]+)", text, re.MULTILINE)) <= set(COMMANDS)
    for module in re.findall(r"python -m ([\w.]+)", text):
        assert importlib.util.find_spec(module), module


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_of_a_document_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_a_command_that_does_not_exist_would_be_found(tmp_path: Path) -> None:
    written = tmp_path / "page.md"
    written.write_text("```\nmake nonsense ENV=dev\n```\nand `playbook nonsense`\n")
    assert re.findall(r"^(?:make|playbook) ([a-z]+)", code(written), re.MULTILINE) == ["nonsense", "nonsense"]
