"""`python -m infra.app [--env E]… [--out cdktf.out]`: every stack of every environment, synthesised in one process.

It is also the app of `cdktf.json`: the cdktf command line says in CDKTF_OUTDIR where it expects the output.
"""

import argparse
import datetime
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from environments import ConfigurationError, Environment, Names, load, load_all, organisation, tasks
from infra import synthesis
from infra.synthesis import origins
from infra.synthesis.node import NodeMissing

OUT = Path("cdktf.out")
ADOPTED = Path(__file__).parent / "adopted"
"""Import blocks that `playbook adopt` wrote, a file a stack: reviewed with the code, gone once they are applied."""
IMPORTS = "imports.tf.json"
"""Where Terraform finds them beside a stack's configuration."""

CONTEXT = {
    # Terraform addresses are then equal in every environment, so that one can be compared with another.
    "excludeStackIdFromLogicalIds": "true",
    "allowSepCharsInLogicalIds": "true",
}


def synthesise(environments: Sequence[str] = (), out: Path = OUT) -> list[str]:
    """Write `stacks/<stack id>/cdk.tf.json` of each stack, and `manifest.json`, below `out`.

    Every file is replaced atomically and nothing else is touched: Terraform's own files beside a stack survive, and so do
    stacks of other environments.

    Args:
        environments: names; none means all.
        out: the output folder.

    Returns:
        The stack ids, per environment in the order of application.

    Raises:
        ConfigurationError: when an environment's files are missing or wrong.
        NodeMissing: when there is no Node for cdktf to run on.
    """
    # All are read, also for one: what it would share with another is refused before it is planned.
    every = {environment.name: environment for environment in load_all()}
    chosen: list[Environment] = [every.get(name) or load(name) for name in environments] or list(every.values())
    # cdktf costs half a second: a wrong file is reported without it.
    synthesis.prepare()
    from cdktf import App

    from infra.stacks import NEEDS, STACKS, Stack

    with tempfile.TemporaryDirectory(prefix="synthesis-") as scratch:
        app = App(outdir=scratch, context=CONTEXT)
        organisation_, tasks_ = organisation(), tasks()
        ids = []
        with origins.recorded() as lines:
            for environment in chosen:
                names = Names(organisation_, environment)
                declared: dict[str, Stack] = {}
                for stack, declare in STACKS.items():
                    declared[stack] = declare(app, names.stack(stack), names=names, tasks=tasks_)
                    for needed in NEEDS.get(stack, ()):
                        declared[stack].add_dependency(declared[needed])
                    ids.append(names.stack(stack))
        app.synth()
        for id in ids:
            origins.write(lines, Path(scratch) / "stacks", id)
        for path in sorted(Path(scratch).rglob("*.json")):
            replace(path, out / path.relative_to(scratch))
    for id in ids:
        beside = out / "stacks" / id / IMPORTS
        if (blocks := ADOPTED / f"{id}.tf.json").exists():
            replace(blocks, beside)
        else:
            beside.unlink(missing_ok=True)
    return ids


def replace(source: Path, target: Path) -> None:
    """Copy a file over another so that a reader sees the old or the new one, never half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, new)
    os.replace(new, target)


def main(arguments: Sequence[str] | None = None) -> int:
    """Synthesise, print the stack ids, and fail on what breaks one of our policies."""
    parser = argparse.ArgumentParser(prog="python -m infra.app", description="Synthesise the stacks of all or some environments.")
    parser.add_argument("--env", action="append", default=[], metavar="E", help="environment; repeat for more; default all")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(os.environ.get("CDKTF_OUTDIR") or OUT),
        help="output folder (default: $CDKTF_OUTDIR, else cdktf.out)",
    )
    options = parser.parse_args(arguments)
    try:
        print(*synthesise(options.env, options.out), sep="\n")
        from infra.policies.review import REMEDY, breaches

        found = breaches(options.out, options.env, datetime.date.today())
    except (ConfigurationError, NodeMissing) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error}. No stack was replaced by half of one. Mend the disk or the file and run it again.", file=sys.stderr)
        return 2
    if found:
        said = f"{len(found)} policies are broken. The stacks were written, and no plan is made of them. {REMEDY}"
        print(*found, said, sep="\n", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
