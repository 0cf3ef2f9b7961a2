"""Where environments may differ, and why (`parity.yaml`): every other difference is a mistake and fails a check."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from environments.schema import Environment, Strict


class Difference(Strict):
    """One path in which environments may differ."""

    path: Annotated[str, StringConstraints(pattern=r"^[a-z_]+(\.[a-z_]+)*$")]
    """Dotted path in the environment file; everything below it may differ too."""
    reason: Annotated[str, StringConstraints(min_length=10)]


class Parity(Strict):
    """The content of `parity.yaml`."""

    differences: Annotated[list[Difference], Field(min_length=1)]

    def allows(self, path: str) -> bool:
        """Whether `path` or a parent of it is listed."""
        return self.reason(path) is not None

    def reason(self, path: str) -> str | None:
        """Why environments may differ in `path`; None where they may not."""
        return next((d.reason for d in self.differences if path == d.path or path.startswith(d.path + ".")), None)

    def violations(self, environments: Iterable[Environment]) -> list[str]:
        """Paths whose values differ between environments without being listed, sorted."""
        flat = [flatten(environment.model_dump(mode="json")) for environment in environments]
        paths = sorted(set().union(*flat))
        return [p for p in paths if len({repr(f.get(p)) for f in flat}) > 1 and not self.allows(p)]


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted paths of the leaves of a nested mapping."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            leaves |= flatten(value, path + ".")
        else:
            leaves[path] = value
    return leaves
