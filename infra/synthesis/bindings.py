"""The provider package, loaded lazily: its `__init__` imports all 1,470 resource modules (5 s), a stack needs a dozen."""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

PACKAGE = "cdktf_cdktf_provider_google"


class _SubmodulesOnDemand(Loader):
    """Runs nothing of the package's `__init__`; an attribute imports the submodule of that name."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        def submodule(name: str) -> ModuleType:
            try:
                return importlib.import_module(f"{PACKAGE}.{name}")
            except ModuleNotFoundError:
                raise AttributeError(f"module {PACKAGE!r} has no attribute {name!r}") from None

        module.__getattr__ = submodule  # type: ignore[method-assign]  # a module's own __getattr__, PEP 562


class _LazyProvider(MetaPathFinder):
    """Answers for the provider package alone; its submodules are found as ever."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != PACKAGE:
            return None
        found = PathFinder.find_spec(fullname)
        if found is None:
            return None
        spec = ModuleSpec(fullname, _SubmodulesOnDemand(), origin=found.origin, is_package=True)
        spec.submodule_search_locations = found.submodule_search_locations
        return spec


def install() -> None:
    """Make imports of the provider package lazy from here on."""
    if not any(isinstance(finder, _LazyProvider) for finder in sys.meta_path):
        sys.meta_path.insert(0, _LazyProvider())
