"""The commit that a checkout is at: who wrote it, and whether the working tree holds more."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


class CommitError(Exception):
    """The checkout does not say its commit; the message is complete and meant for people."""


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit and the working tree that stands on it.

    Attributes:
        id: full hash.
        author: e-mail of who wrote it.
        committer: e-mail of who put it there.
        dirty: the working tree holds what the commit does not.
    """

    id: str
    author: str
    committer: str
    dirty: bool


def of(folder: Path) -> Commit:
    """The commit of the checkout that `folder` is the root of.

    Raises:
        CommitError: when it is none, or there is no git.
    """
    # A folder that lies in somebody else's checkout has that one's commit, which says nothing about it.
    if not (folder / ".git").exists():
        raise CommitError(_nothing(folder, "it is no git checkout"))
    id_, author, committer = _git(folder, "log", "-1", "--format=%H%n%ae%n%ce").splitlines()
    return Commit(id=id_, author=author, committer=committer, dirty=bool(_git(folder, "status", "--porcelain")))


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise CommitError(_nothing(folder, "there is no git on the path")) from None
    if done.returncode:
        raise CommitError(_nothing(folder, done.stderr.strip()))
    return done.stdout


def _nothing(folder: Path, why: str) -> str:
    return (
        f"the commit of {folder} is not known ({why}), so that nobody could tell what a plan is of. Nothing was changed. "
        "Work in a clone of the repository."
    )
