"""SavedModel → TensorFlow.js: a graph model in three sizes, for the Node server and the browser.

    python -m ml.export.tfjs MODEL OUT

`web.json` lists every file with its digest, so that a reader can refuse a file that is not the one that was converted.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import json
import os
import shutil
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ml.data.rows import replacing, write_json
from ml.export.formats import ExportError

VERSION = 1
EXACT = "float32"
REDUCED = {"float16": {"float16": "*"}, "int8": {"uint8": "*"}}
"""Variant → how the converter stores weights. `int8` is the common name of the converter's eight-bit affine steps; both smaller
variants are computed with in float32, so they save download and not time."""
VARIANTS = (EXACT, *REDUCED)
ABSENT = ("tensorflow_decision_forests", "tensorflow_hub", "jax", "jax.experimental", "jax.experimental.jax2tf")
"""What the converter imports for inputs other than a SavedModel; the first breaks beside TensorFlow 2.21."""


def convert(model_folder: Path, out: Path) -> dict[str, Any]:
    """Write `<variant>/model.json` with its weights, `preprocessing.json` and `web.json` into `out`.

    Args:
        model_folder: Folder with `saved_model/` and `preprocessing.json`, as `ml.tasks.<task>.export` writes it.
        out: Folder that is made, or replaced whole.

    Returns:
        The content of `web.json`: `version`, `kind`, `files` {`preprocessing.json`: digest} and, for each of `variants`, its
        `bytes` and `files` {name: digest}. Digests are SHA-256 in hexadecimal.

    Raises:
        ExportError: when the folder holds no such model, or TensorFlow.js has no counterpart of one of its operations.
    """
    preprocessing, saved_model = model_folder / "preprocessing.json", model_folder / "saved_model"
    for path in (preprocessing, saved_model / "saved_model.pb"):
        if not path.is_file():
            raise ExportError(f"{path} does not exist, so there is nothing to convert. Export the model first (ml.tasks.<task>.export).")
    with replacing(out) as partial:
        partial.mkdir()
        shutil.copyfile(preprocessing, partial / preprocessing.name)
        with _converter() as converter:
            try:
                converter.convert_tf_saved_model(str(saved_model), str(partial / EXACT))
            except ValueError as error:
                raise ExportError(
                    f"{saved_model} cannot become a TensorFlow.js model: {error}. Nothing was written. Replace the layer that needs "
                    "this operation (no recurrence, no attention, no exact GELU), train and export again."
                ) from error
            for name, quantisation in REDUCED.items():
                _reduce(partial / EXACT, partial / name, quantisation)
        for name in VARIANTS:
            _order(partial / name / "model.json")
        content = {
            "version": VERSION,
            "kind": json.loads(preprocessing.read_text(encoding="utf-8"))["kind"],
            "files": {preprocessing.name: digest(partial / preprocessing.name)},
            "variants": {name: _described(partial / name) for name in VARIANTS},
        }
        # Last, so that a folder that holds it is complete.
        write_json(content, partial / "web.json")
    return content


def _reduce(exact: Path, out: Path, quantisation: Mapping[str, str]) -> None:
    """Write a converted model with its weights stored in fewer bits; its graph is the same."""
    from tensorflowjs import read_weights, write_weights

    model = json.loads((exact / "model.json").read_text(encoding="utf-8"))
    groups = read_weights.read_weights(model["weightsManifest"], str(exact))
    out.mkdir()
    manifest = write_weights.write_weights(groups, str(out), write_manifest=False, quantization_dtype_map=quantisation)
    (out / "model.json").write_text(json.dumps({**model, "weightsManifest": manifest}), encoding="utf-8")


def _order(path: Path) -> None:
    """Sort the keys, which the converter leaves in the order of a hash table: equal models are to have equal digests."""
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")), sort_keys=True), encoding="utf-8")


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _described(folder: Path) -> dict[str, Any]:
    files = sorted(folder.iterdir())
    return {"bytes": sum(path.stat().st_size for path in files), "files": {path.name: digest(path) for path in files}}


@contextlib.contextmanager
def _converter() -> Iterator[Any]:
    """The converter's module, with empty modules in place of those that it imports and a SavedModel never needs."""
    # TensorFlow itself looks for jax, so it comes first.
    importlib.import_module("tensorflow")
    stand_ins = {name: types.ModuleType(name) for name in ABSENT if name not in sys.modules}
    for name, module in stand_ins.items():
        module.__path__ = []
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules.get(parent) or stand_ins[parent], child, module)
    if "jax.experimental.jax2tf" in stand_ins:
        for attribute in ("convert", "PolyShape", "DisabledSafetyCheck"):
            setattr(stand_ins["jax.experimental.jax2tf"], attribute, object)
    sys.modules.update(stand_ins)
    try:
        yield importlib.import_module("tensorflowjs.converters.tf_saved_model_conversion_v2")
    finally:
        for name in stand_ins:
            del sys.modules[name]


def main() -> int:
    """Convert one model; the exit status is 0 when it can be served."""
    parser = argparse.ArgumentParser(prog="python -m ml.export.tfjs", description="Convert an exported model to TensorFlow.js.")
    parser.add_argument("model", type=Path, help="folder with saved_model/ and preprocessing.json")
    parser.add_argument("out", type=Path, help="folder to write")
    given = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        content = convert(given.model, given.out)
    except ExportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(", ".join(f"{name} {variant['bytes']:,} bytes" for name, variant in content["variants"].items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
