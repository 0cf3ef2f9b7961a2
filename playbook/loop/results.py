"""What a run of the loop found out, for the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from environments import Names
from pipelines.runs import Run
from playbook.loop.closing import Closed, Served
from playbook.loop.ingest import Rows
from playbook.loop.predict import Answers
from playbook.loop.provision import Provisioned
from playbook.loop.record import Record


@dataclass
class Result:
    """Everything that is known so far: a run that fails is reported as far as it went."""

    names: Names
    emulated: bool
    """Whether the local Google Cloud answered."""
    record: Record
    provisioned: Provisioned | None = None
    rows: dict[str, Rows] = field(default_factory=dict)
    uploaded: dict[str, str] = field(default_factory=dict)
    """Task → `gs://` address of its rows."""
    runs: dict[str, Run] = field(default_factory=dict)
    answers: dict[str, Answers] = field(default_factory=dict)
    served: dict[str, Served] = field(default_factory=dict)
    parity: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Task → what the engines answered side by side."""
    closed: dict[str, Closed] = field(default_factory=dict)
    failure: str | None = None

    @property
    def passed(self) -> bool:
        """Whether every task's model passed its gate and answered, and its loop closed."""
        whole = bool(self.rows) and set(self.answers) == set(self.closed) == set(self.rows)
        return self.failure is None and whole and all(closed.whole for closed in self.closed.values())
