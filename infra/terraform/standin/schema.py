"""The google provider's schema, read at run time from the installed bindings: nothing of the provider is copied here.

The bindings carry their JavaScript in one archive, a file per resource. A file's synthesis functions give the types; whether an attribute
is required, optional or computed stands only in the comments of its TypeScript source, which the file carries as a source map.
Reading the archive takes about a second, so what was read is kept on disk per bindings version.
"""

import base64
import hashlib
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

BINDINGS = "cdktf-cdktf-provider-google"
PROVIDER = "provider"
SCALARS = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}

_ENTRY = re.compile(
    r'^\s{8,16}(\w+): \{\s*\n\s*value: .*?,?\n\s*isBlock: (true|false),\n\s*type: "(\w+)",\n\s*storageClassType: "(\w+)",', re.MULTILINE
)
_STRUCT = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
_SOURCE_MAP = "//# sourceMappingURL=data:application/json;base64,"
_CLASS = re.compile(r"^export class (\w+) ")
_FLAGS = re.compile(r"\s+// (\w+) - computed: (\w+), optional: (\w+), required: (\w+)")
_MEMBER = re.compile(r'= new (?:cdktf\.)?(\w+)\(this, "(\w+)"(?:, (true|false))?\)')
_GETTER = re.compile(r"this\.get(\w+)Attribute\('(\w+)'\)")


@dataclass(frozen=True)
class Attribute:
    """One attribute: its Terraform type (`"string"`, `["map", "string"]`, …) and who sets it."""

    type: Any
    required: bool
    optional: bool
    computed: bool


@dataclass(frozen=True)
class Block:
    """Attributes and nested blocks of a resource."""

    attributes: dict[str, Attribute]
    blocks: dict[str, "Nested"]


@dataclass(frozen=True)
class Nested:
    """A nested block: `list`, `set` or `single` (timeouts); `one` when at most one may stand, `required` when one must."""

    nesting: str
    one: bool
    required: bool
    block: Block


def bindings_version() -> str:
    """Version of the installed bindings."""
    return metadata.version(BINDINGS)


def load(types: Iterable[str], cache: Path) -> dict[str, Block]:
    """Schemas of the provider itself (key `provider`) and of the resource `types` that the bindings know.

    Args:
        types: resource types such as `google_storage_bucket`; unknown ones are absent from the answer.
        cache: folder that keeps what was read, one file per version of the bindings and of this reader.
    """
    wanted = {PROVIDER, *types}
    reader = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    kept = cache / f"google-{bindings_version()}-{reader}.json"
    known: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    if missing := wanted - known.keys():
        known |= dict.fromkeys(missing) | _read(missing)
        cache.mkdir(parents=True, exist_ok=True)
        fresh = kept.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(known))
        os.replace(fresh, kept)
    return {name: _block(known[name]) for name in wanted if known[name] is not None}


def _block(plain: dict[str, Any]) -> Block:
    return Block(
        {name: Attribute(*value) for name, value in plain["attributes"].items()},
        {name: Nested(nesting, one, required, _block(inner)) for name, (nesting, one, required, inner) in plain["blocks"].items()},
    )


def _read(types: set[str]) -> dict[str, Any]:
    """Parse the wanted files of the installed bindings."""
    return _parsed(Path(str(metadata.distribution(BINDINGS).locate_file(f"{BINDINGS.replace('-', '_')}/_jsii"))), types)


def read_archive(package: Path, types: set[str]) -> dict[str, Block]:
    """Schemas of resource types in the folder of any bindings' archive, also of bindings that are not installed here."""
    return {type_: _block(plain) for type_, plain in _parsed(package, types).items()}


def _parsed(package: Path, types: set[str]) -> dict[str, Any]:
    """Parse the wanted files of a bindings' archive, in one pass over it."""
    folders = {type_.removeprefix("google_").replace("_", "-"): type_ for type_ in types}
    found: dict[str, dict[str, str]] = {}
    with tarfile.open(next(package.glob("*.tgz"))) as archive:
        for member in archive:
            folder, _, file = member.name.removeprefix("package/lib/").partition("/")
            # Newer bindings put the structs of a large resource into files of their own, below its folder.
            if folder in folders and (file == "index.js" or file.startswith("index-structs/structs")) and file.endswith(".js"):
                content = archive.extractfile(member)
                if content is not None:
                    found.setdefault(folders[folder], {})[file] = content.read().decode()
    # `index.js` comes last: its class is the resource.
    return {
        type_: parse(*(files[name] for name in sorted(files, key=lambda name: (name == "index.js", name))))
        for type_, files in found.items()
    }


def parse(*sources: str) -> dict[str, Any]:
    """The generated JavaScript of a resource as plain data: `{"attributes": {name: [type, required, optional, computed]}, "blocks": …}`."""
    halves = [source.partition(_SOURCE_MAP) for source in sources]
    javascript = "\n".join(half[0] for half in halves)
    typescript = "\n".join(json.loads(base64.b64decode(half[2]))["sourcesContent"][0] for half in halves)
    structs = {match[1]: match[2] for match in _STRUCT.finditer(javascript)}
    flags: dict[str, dict[str, tuple[bool, bool, bool]]] = {}
    members: dict[str, dict[str, tuple[str, str | None]]] = {}
    getters: dict[str, dict[str, str]] = {}
    owner = ""
    for line in typescript.split("\n"):
        if match := _CLASS.match(line):
            owner = match[1]
        elif match := _FLAGS.match(line):
            computed, optional, required = (word == "true" for word in match.groups()[1:])
            flags.setdefault(owner, {})[match[1]] = (required, optional, computed)
        elif match := _MEMBER.search(line):
            members.setdefault(owner, {})[match[2]] = (match[1], match[3])
        elif match := _GETTER.search(line):
            getters.setdefault(owner, {})[match[2]] = match[1]

    def output_type(owner: str, name: str) -> Any:
        """Type of what only Google sets: read from the getter, since it is in no synthesis function."""
        if name in members.get(owner, {}):
            made_of, wraps_set = members[owner][name]
            if made_of.endswith("Map"):
                return ["map", SCALARS.get(made_of.removesuffix("Map").lower(), "string")]
            element = f"{made_of.removesuffix('List')}OutputReference" if made_of.endswith("List") else made_of
            fields = {field: output_type(element, field) for field in flags.get(element, {})}
            return ["set" if wraps_set == "true" else "list", ["object", fields]]
        getter = getters.get(owner, {}).get(name, "String")
        return ["list", "string"] if getter == "List" else {"Number": "number", "Boolean": "bool"}.get(getter, "string")

    def block(body: str, owner: str) -> dict[str, Any]:
        attributes: dict[str, Any] = {}
        blocks: dict[str, Any] = {}
        own = flags.get(owner, {})
        for name, is_block, kind, stored in _ENTRY.findall(body):
            base = stored.removesuffix("List") if kind in ("list", "set") else stored
            inner = structs.get(base[:1].lower() + base[1:]) if is_block == "true" else None
            if inner is not None:
                made_of, _ = members.get(owner, {}).get(name, ("", None))
                nesting = {"list": "list", "set": "set"}.get(kind, "single")
                one, required = made_of.endswith("OutputReference"), own.get(name, (False,))[0]
                blocks[name] = [nesting, one, required, block(inner, f"{base}OutputReference")]
            else:
                attributes[name] = [_attribute_type(kind, stored), *own.get(name, (False, True, False))]
        for name, (required, optional, computed) in own.items():
            if name not in attributes and name not in blocks and computed:
                attributes[name] = [output_type(owner, name), required, optional, computed]
        return {"attributes": attributes, "blocks": blocks}

    synthesis = javascript[javascript.rfind("    synthesizeHclAttributes() {") :]
    root = block(synthesis[: synthesis.find("\n    }\n")], owner)
    root["attributes"].setdefault("id", ["string", False, True, True])
    return root


def _attribute_type(kind: str, stored: str) -> Any:
    """Terraform's type of an attribute from the generator's words for it, e.g. `set` of `stringList`."""
    if kind == "simple":
        return SCALARS.get(stored, "dynamic")
    match = re.fullmatch(r"(string|number|boolean|any)(List|Set|Map)?(List)?", stored)
    if not match:
        return "dynamic"
    element: Any = SCALARS[match[1]]
    if match[3]:
        element = [(match[2] or "List").lower(), element]
    return [kind, element]


def map_values(block: Block, values: dict[str, Any], leaf: Callable[[Attribute, Any], Any]) -> dict[str, Any]:
    """`values` made complete for `block`: `leaf` for every attribute, the same for every nested block, absent ones empty."""
    complete: dict[str, Any] = {name: leaf(attribute, values.get(name)) for name, attribute in block.attributes.items()}
    for name, nested in block.blocks.items():
        inner = values.get(name)
        if nested.nesting == "single":
            complete[name] = map_values(nested.block, inner, leaf) if isinstance(inner, dict) else inner
        else:
            complete[name] = [map_values(nested.block, item, leaf) if isinstance(item, dict) else item for item in inner or []]
    return complete
