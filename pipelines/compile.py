"""`python -m pipelines.compile --env dev --out training.yaml`: writes the specification that Vertex AI runs."""

import argparse
import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from kfp import compiler

from environments import ConfigurationError, Names, load, organisation, tasks
from pipelines import code
from pipelines.definitions import training

PURE = ("environments", "ml")
"""The rooms that the cached steps run; the others are never cached."""
COMPILING = threading.Lock()
"""KFP keeps the pipeline that it builds in a global, so that two threads would nest theirs."""


def images(names: Names, digests: Mapping[str, str]) -> dict[str, str]:
    """Addresses of the containers that the pipeline names: by digest where one is known, else the newest in the repository."""
    wanted = sorted({"pipelines", "training", *(task.image for task in tasks().tasks)})
    return {image: f"{names.image(image)}@{digests[image]}" if image in digests else names.image(image) for image in wanted}


def write(names: Names, out: Path, digests: Mapping[str, str] | None = None) -> Path:
    """Compile the training pipeline of an environment to `out`; the same code and names give the same bytes.

    Args:
        names: names of the environment.
        out: the YAML file.
        digests: image name → `sha256:…`, as `cloudbuild/images.cloudbuild.yaml` records them in `images.json`.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{os.getpid()}-{out.stem}.yaml")
    with COMPILING:
        pipeline = training.define(tasks(), images(names, digests or {}), names.environment.training, code.digest(*PURE))
        compiler.Compiler().compile(pipeline, str(partial))
    os.replace(partial, out)
    return out


def main() -> int:
    """Compile for one environment; the exit status is 2 when its configuration is wrong."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.compile", description=__doc__)
    parser.add_argument("--env", default=os.environ.get("ENV", "local"), help="environment (default: ENV, or local)")
    parser.add_argument("--out", type=Path, default=Path("build/training.yaml"), help="file to write")
    parser.add_argument("--images", type=Path, help="images.json of a build; without it the newest images are named")
    arguments = parser.parse_args()
    try:
        names = Names(organisation(), load(arguments.env))
        digests = json.loads(arguments.images.read_text(encoding="utf-8")) if arguments.images else {}
        print(write(names, arguments.out, digests))
    except (ConfigurationError, OSError, json.JSONDecodeError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
