"""`python -m pipelines.compile --env dev --out training.yaml`: writes the specification that Vertex AI runs."""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml
from kfp import compiler

from environments import ConfigurationError, Names, load, organisation, tasks
from pipelines import images
from pipelines.definitions import monitoring, retraining, training

DEFINITIONS = {training.NAME: training, retraining.NAME: retraining, monitoring.NAME: monitoring}
COMPILING = threading.Lock()
"""KFP keeps the pipeline that it builds in a global, so that two threads would nest theirs."""


def addresses(names: Names, digests: Mapping[str, str] | None) -> dict[str, str]:
    """Addresses of the containers that the pipeline names: by the digests of a build, before there is one by the tags it will give."""
    tails = {image: f":{tag}" for image, tag in images.tags().items()} if digests is None else {i: f"@{d}" for i, d in digests.items()}
    wanted = sorted({"pipelines", "training", *(task.image for task in tasks().tasks)})
    return {image: names.image(image) + tails[image] for image in wanted}


def write(names: Names, out: Path, digests: Mapping[str, str] | None = None, definition: ModuleType = training) -> Path:
    """Compile a pipeline for an environment to `out`; the same code and names give the same bytes.

    Args:
        names: names of the environment.
        out: the YAML file.
        digests: image name → `sha256:…`, as `pipelines.images` records them.
        definition: module of `pipelines.definitions`.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{os.getpid()}-{out.stem}.yaml")
    with COMPILING:
        pipeline = definition.define(tasks(), addresses(names, digests), names.environment.training)
        compiler.Compiler().compile(pipeline, str(partial))
    os.replace(partial, out)
    return out


def compiled(names: Names, digests: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Pipeline → its specification for an environment, as Vertex AI is given it.

    Args:
        names: names of the environment.
        digests: image name → `sha256:…`.
    """
    with tempfile.TemporaryDirectory(prefix="compiled-") as folder:
        written = {name: write(names, Path(folder, f"{name}.yaml"), digests, definition) for name, definition in DEFINITIONS.items()}
        # A second document, where there is one, is for other platforms.
        return {name: next(yaml.safe_load_all(path.read_text(encoding="utf-8"))) for name, path in written.items()}


def canonical(specification: Mapping[str, Any]) -> bytes:
    """The same bytes for a specification that was compiled, and for the same read back from a run, where numbers are all floats."""
    return json.dumps(_plain(specification), sort_keys=True, separators=(",", ":")).encode()


def digest(specification: Mapping[str, Any]) -> str:
    """SHA-256 of a specification."""
    return hashlib.sha256(canonical(specification)).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def main() -> int:
    """Compile for one environment; the exit status is 2 when its configuration is wrong."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.compile", description=__doc__)
    parser.add_argument("--env", default=os.environ.get("ENV", "local"), help="environment (default: ENV, or local)")
    parser.add_argument("--pipeline", choices=sorted(DEFINITIONS), default=training.NAME, help="which one (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="file to write (default: build/<pipeline>.yaml)")
    parser.add_argument("--images", type=Path, help="images.json of a build; without it images are named by their tags")
    arguments = parser.parse_args()
    try:
        names = Names(organisation(), load(arguments.env))
        digests = json.loads(arguments.images.read_text(encoding="utf-8")) if arguments.images else None
        print(write(names, arguments.out or Path("build", f"{arguments.pipeline}.yaml"), digests, DEFINITIONS[arguments.pipeline]))
    except (ConfigurationError, OSError, json.JSONDecodeError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
