"""What a provider major ahead would change for our stacks: `python -m infra.synthesis.ahead BINDINGS [--check]`.

BINDINGS is the folder of an installed `cdktn_provider_google` of that major. Both packages carry a file a resource, from which the
stand-in provider reads schemas already; here two schemas of every type that a stack declares are compared, and the result is
`docs/google-8.md`. It runs nothing of the newer package, so that the two need not be installed together.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environments import ConfigurationError
from infra.synthesis.node import NodeMissing
from infra.terraform.standin import schema
from infra.terraform.standin.schema import Attribute, Block

FILE = Path(__file__).parents[2] / "docs" / "google-8.md"
REGENERATE = "python -m infra.synthesis.ahead BINDINGS"
PACKAGE = "cdktn_provider_google"
META = {"id", "timeouts"}


@dataclass(kw_only=True)
class Change:
    """What becomes of one resource type."""

    gone: list[str] = field(default_factory=list)
    """Attributes that the newer provider does not know, or that only Google sets there."""
    required: list[str] = field(default_factory=list)
    """Attributes that must be set, and need not be now."""
    retyped: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    """Attributes that can be set, and cannot be now."""

    @property
    def breaks(self) -> bool:
        """Whether code may have to change."""
        return bool(self.gone or self.required or self.retyped)


def attributes(block: Block, prefix: str = "") -> Iterator[tuple[str, Attribute]]:
    """Dotted path → attribute, of a block and of all below it; a block itself is an attribute of type `block`."""
    for name, attribute in block.attributes.items():
        if name not in META:
            yield f"{prefix}{name}", attribute
    for name, nested in block.blocks.items():
        if name not in META:
            yield f"{prefix}{name}", Attribute("block", nested.required, not nested.required, False)
            yield from attributes(nested.block, f"{prefix}{name}.")


def settable(block: Block) -> dict[str, Attribute]:
    """The attributes that a stack can set."""
    return {path: attribute for path, attribute in attributes(block) if attribute.required or attribute.optional}


def compare(now: Block, then: Block) -> Change:
    """What changes from one schema of a type to the other."""
    old, new = settable(now), settable(then)
    return Change(
        gone=outermost(old.keys() - new.keys()),
        required=sorted(path for path, attribute in new.items() if attribute.required and not needed(old, path) and within(old, path)),
        retyped=sorted(path for path in old.keys() & new.keys() if old[path].type != new[path].type),
        new=outermost(new.keys() - old.keys()),
    )


def needed(known: Mapping[str, Attribute], path: str) -> bool:
    """Whether an attribute is required already."""
    return path in known and known[path].required


def within(known: Mapping[str, Attribute], path: str) -> bool:
    """Whether the block that an attribute stands in is there already; in a new block everything is new."""
    return "." not in path or path.rpartition(".")[0] in known


def outermost(paths: set[str]) -> list[str]:
    """Without what stands in a block that is listed itself."""
    return sorted(path for path in paths if not any(path.startswith(f"{other}.") for other in paths))


def declared(out: Path) -> dict[str, set[str]]:
    """Resource type → dotted paths of the attributes that some stack below a folder sets."""
    found: dict[str, set[str]] = {}
    for path in sorted(out.glob("stacks/*/cdk.tf.json")):
        for type_, resources in json.loads(path.read_text(encoding="utf-8")).get("resource", {}).items():
            for body in resources.values():
                found.setdefault(type_, set()).update(paths({key: value for key, value in body.items() if key != "//"}))
    return found


def paths(value: Any, prefix: str = "") -> Iterator[str]:
    """Dotted paths of everything in a value, through lists."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, Mapping):
            for key, inner in item.items():
                yield f"{prefix}{key}"
                yield from paths(inner, f"{prefix}{key}.")


def render(changes: Mapping[str, Change | None], used: Mapping[str, set[str]], versions: tuple[str, str]) -> str:
    """The document; None as a change means that the type is gone."""
    broken = {type_: change for type_, change in changes.items() if change is None or change.breaks}
    gone = [type_ for type_, change in changes.items() if change is None]
    touched = [f"`{type_}.{path}`" for type_, change in sorted(changes.items()) if change for path in touching(change, used[type_])]
    moves = "each needs a `removed` block and an import of its successor" if gone else "none, since every address stays what it is"
    lines = [
        "# What google 8 would change",
        "",
        f"Written by `{REGENERATE}`; a test compares. From the bindings {versions[0]}, which we deploy, to {versions[1]},",
        f"for the {len(changes)} resource types that a stack declares. What our stacks set stands in bold.",
        "Defaults are in no binding: read the guides https://github.com/hashicorp/terraform-provider-google/tree/main/website/docs/guides",
        "(`version_7_upgrade`, `version_8_upgrade`) beside this list.",
        "",
        f"* Types that are gone: {listed(gone)}. State moves: {moves}.",
        f"* Types with attributes that are gone, newly required or of another type: {len(broken) - len(gone)}.",
        f"* Of these our stacks set, or would have to: {', '.join(touched) or 'nothing'}.",
        f"* Types that can be given a key only then, so that a waiver can end: {listed(keyed(changes))}.",
        "",
        "| type | gone | newly required | other type | new |",
        "|---|---|---|---|---|",
    ]
    for type_, change in sorted(changes.items()):
        cells = ["**the type itself**", "", "", ""] if change is None else [cell(change.gone, used[type_]), *map(cell, rest(change))]
        lines.append(f"| `{type_}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def touching(change: Change, used: set[str]) -> list[str]:
    """Attributes whose change our stacks would notice: they set it, or set the block that would have to hold it."""
    set_ = {path for path in (*change.gone, *change.retyped) if path in used}
    return sorted(set_ | {path for path in change.required if "." not in path or path.rpartition(".")[0] in used})


def listed(names: Sequence[str]) -> str:
    """Names as words of a sentence."""
    return ", ".join(f"`{name}`" for name in names) or "none"


def rest(change: Change) -> tuple[list[str], list[str], list[str]]:
    """The columns after the first."""
    return change.required, change.retyped, change.new


def cell(paths: Sequence[str], used: set[str] | None = None) -> str:
    """Paths as one cell; those that our stacks set in bold."""
    return ", ".join(f"**`{path}`**" if used and path in used else f"`{path}`" for path in paths)


def keyed(changes: Mapping[str, Change | None]) -> list[str]:
    """Types that can be given a key only then."""
    return sorted(type_ for type_, change in changes.items() if change and "encryption_spec" in change.new)


def document(bindings: Path, out: Path) -> str:
    """The document for the stacks below `out` and the newer bindings in a folder."""
    used = declared(out)
    with tempfile.TemporaryDirectory() as scratch:
        now = schema.load(used, Path(scratch))
    then = schema.read_archive(bindings / "_jsii", set(used))
    changes = {type_: compare(now[type_], then[type_]) if type_ in then else None for type_ in sorted(used) if type_ in now}
    return render(changes, used, (schema.bindings_version(), version(bindings)))


def version(bindings: Path) -> str:
    """Version of an installed package, from the folder that pip leaves beside it."""
    [found] = bindings.parent.glob(f"{bindings.name}-*.dist-info")
    return found.name.removeprefix(f"{bindings.name}-").removesuffix(".dist-info")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the document, or say that it is stale; 0, or 1 when it is, or 2 when nothing could be compared."""
    parser = argparse.ArgumentParser(prog="python -m infra.synthesis.ahead", description=__doc__)
    parser.add_argument("bindings", type=Path, help=f"folder of the installed {PACKAGE} of google 8")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when docs/google-8.md is stale")
    options = parser.parse_args(arguments)
    if not (options.bindings / "_jsii").is_dir():
        parser.error(
            f"{options.bindings} holds no bindings, so nothing would be compared. Install them: pip install --no-deps --target FOLDER "
            f"-r requirements-google8.lock, and name FOLDER/{PACKAGE}"
        )
    from infra import app

    try:
        with tempfile.TemporaryDirectory() as scratch:
            app.synthesise(out=Path(scratch))
            text = document(options.bindings, Path(scratch))
    except (ConfigurationError, NodeMissing) as error:
        print(error, file=sys.stderr)
        return 2
    if options.check:
        stale = not FILE.exists() or FILE.read_text(encoding="utf-8") != text
        if stale:
            print(f"{FILE.name} is stale. Run: {REGENERATE}", file=sys.stderr)
        return int(stale)
    FILE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
