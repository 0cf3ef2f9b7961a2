"""The synthesised stacks, once for the session."""

from pathlib import Path

import pytest

from infra.app import synthesise
from infra.policies.subject import SynthesisedStack, read


@pytest.fixture(scope="session")
def synthesised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder with every stack of every environment."""
    out = tmp_path_factory.mktemp("synthesised")
    synthesise(out=out)
    return out


@pytest.fixture(scope="session")
def stacks(synthesised: Path) -> dict[str, SynthesisedStack]:
    """Stack id → synthesised stack."""
    return {stack.id: stack for stack in read(synthesised, [])}
