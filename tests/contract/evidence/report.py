"""The form of the file in which a run of `make verify` is written down."""

import datetime
import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from environments.fields import Strict

Address = Literal["google", "local"]
Outcome = Literal["passed", "failed", "skipped"]


class Call(Strict):
    """One method of an API, as one test called it."""

    method: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(\.[A-Za-z]+)+$")]
    """Its API and its id in the discovery document: `pubsub.projects.topics.publish`."""
    test: str
    outcome: Outcome
    seconds: Annotated[float, Field(ge=0)]
    """That the whole test took."""
    message: str = ""
    """Why it failed or was left out."""

    @model_validator(mode="after")
    def _what_did_not_pass_says_why(self) -> Self:
        if self.outcome != "passed" and not self.message:
            raise ValueError(f"{self.method} has {self.outcome} and gives no reason")
        return self


class Evidence(Strict):
    """One run."""

    address: Address
    """Who answered: Google Cloud, or the local one."""
    environment: str
    project: str
    region: str
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
    dirty: bool
    """Whether files differed from the commit."""
    started: AwareDatetime
    seconds: Annotated[float, Field(ge=0)]
    complete: bool
    """Whether every test was run: nothing was selected, and nothing interrupted it."""
    python: str
    packages: dict[str, str]
    """Name → version of the client libraries."""
    calls: list[Call]
    leftovers: list[str] = []
    """What the run had made and could not take away."""

    @property
    def verified(self) -> set[str]:
        """Methods that passed in every test that called them."""
        faulty = {call.method for call in self.calls if call.outcome == "failed"}
        return {call.method for call in self.calls if call.outcome == "passed"} - faulty


def write(evidence: Evidence, folder: Path) -> Path:
    """The new file `<date>.json`, or `<date>-2.json` beside it where a run of that day is written down already."""
    folder.mkdir(parents=True, exist_ok=True)
    day = evidence.started.astimezone(datetime.UTC).date().isoformat()
    names = (f"{day}.json", *(f"{day}-{number}.json" for number in range(2, 1000)))
    path = next(folder / name for name in names if not (folder / name).exists())
    beside = path.with_suffix(".json.new")
    beside.write_text(evidence.model_dump_json(indent=2) + "\n", encoding="utf-8")
    os.replace(beside, path)
    return path
