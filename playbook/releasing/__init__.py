"""From what an environment has made to what another one runs: `make release`, `make promote`, `make rollback`.

Lives here: what reads registry, runs and rollouts for a release, and changes them: `build` (what is there, as a manifest), `make` (it is
released), `answered` (who signs for it), `looking` and `reviewed` (what the rules are shown), `promote` (a code release goes
on), `rollback` (and comes back), `listing` (who runs what, since when).
Does not live here: what a release is and what may refuse it (`releases/`), how a version gets the traffic (`serving/rollout`), and
infrastructure, which a release names by its commit and `make deploy` applies.
Start reading: `promote.py`.
"""

from collections.abc import Callable

from playbook import PlaybookError

Say = Callable[[str], None]


class ReleaseError(PlaybookError):
    """A release is not made or does not go on; the message is complete and meant for people."""


def about(say: Say, task: str, line: str) -> None:
    """Say a line about a task."""
    say(f"{task}: {line}")
