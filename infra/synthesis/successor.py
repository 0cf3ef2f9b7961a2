"""The same stacks under `cdktn`, the community's successor of cdktf: `python -m infra.synthesis.successor [--env E]… [--out FOLDER]`.

Runs where the packages of the group `cdktn` are installed. No stack knows it: whoever imports `cdktf` is given `cdktn`.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

SUCCESSORS = {"cdktf": "cdktn", "cdktf_cdktf_provider_google": "cdktn_provider_google"}


class _Successor(Loader):
    """Puts the successor's own module under the old name, so that a class is the same one under both."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        package, *rest = module.__name__.split(".")
        sys.modules[module.__name__] = importlib.import_module(".".join((SUCCESSORS[package], *rest)))


class _Succession(MetaPathFinder):
    """Answers for the packages that have a successor, and for every module below them."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname.split(".")[0] not in SUCCESSORS:
            return None
        return ModuleSpec(fullname, _Successor(), is_package=True)


def install() -> None:
    """Make imports of cdktf and its google bindings lead to their successors from here on."""
    if not any(isinstance(finder, _Succession) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Succession())


def main(arguments: Sequence[str] | None = None) -> int:
    """Synthesise as `infra.app` does, under cdktn."""
    install()
    from infra import app

    return app.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
