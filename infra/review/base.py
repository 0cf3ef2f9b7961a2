"""The stacks of an environment as another commit declares them: synthesised from its own files, beside the working tree."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from environments import ConfigurationError, Environment, loading
from infra.policies import subject
from infra.policies.subject import SynthesisedStack

ROOT = Path(__file__).parents[2]


class BaseUnreadable(Exception):
    """There is nothing to compare with; the message is complete and meant for people."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """An environment at another commit."""

    commit: str
    stacks: tuple[SynthesisedStack, ...]
    environment: Environment | None
    """None when its file does not fit what the code of today reads."""


def synthesised(reference: str, environment: str) -> Base:
    """What the commit declares.

    Raises:
        BaseUnreadable: when git does not know the commit, or its code does not synthesise.
    """
    commit = _git("rev-parse", "--verify", f"{reference}^{{commit}}").decode().strip()
    with _checkout(commit) as folder:
        out = folder / "cdktf.out"
        command = [sys.executable, "-m", "infra.app", "--env", environment, "--out", str(out)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        # 1 says that a policy is broken there, which is what the comparison is for.
        if done.returncode not in (0, 1) or not (out / "stacks").is_dir():
            raise BaseUnreadable(
                f"{reference} ({commit[:12]}) does not synthesise {environment}, so that nothing can be compared with it:\n"
                f"{done.stderr.strip()[-2000:]}\nName another base, or leave --base away: then the state is what it is compared with."
            )
        stacks = subject.read(out, [environment])
        try:
            before: Environment | None = loading.load(environment, folder / "environments")
        except ConfigurationError:
            before = None
    return Base(commit=commit, stacks=tuple(stacks), environment=before)


@contextmanager
def _checkout(commit: str) -> Iterator[Path]:
    """The files of a commit in a folder of their own; the repository and its working tree are left alone."""
    with tempfile.TemporaryDirectory(prefix="base-") as scratch:
        with tempfile.TemporaryDirectory(prefix="index-") as aside:
            index = str(Path(aside) / "index")
            _git("read-tree", commit, index=index)
            _git("checkout-index", "--all", f"--prefix={scratch}/", index=index)
        # Node's modules are no part of a commit.
        if (ROOT / "node_modules").is_dir():
            (Path(scratch) / "node_modules").symlink_to(ROOT / "node_modules")
        yield Path(scratch)


def _git(*arguments: str, index: str = "") -> bytes:
    """What git says; with an index of one's own, so that that of the working tree stays as it is."""
    environment = {**os.environ, **({"GIT_INDEX_FILE": index} if index else {})}
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], env=environment, capture_output=True, check=False)
    except FileNotFoundError:
        raise BaseUnreadable("there is no git on the path, so that no base can be read. Install it, or leave --base away.") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise BaseUnreadable(f"git does not know that base: {said}. Name a commit, a tag or a branch that is fetched here.")
    return done.stdout
