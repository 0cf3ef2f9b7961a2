"""What a monitor publishes when a task's traffic has shifted."""

from collections.abc import Mapping
from dataclasses import dataclass

from environments import tasks


class EventError(Exception):
    """A message is no event; the message is complete and meant for people."""


@dataclass(frozen=True)
class Event:
    """One alert."""

    id: str
    """Digest of task, window and baseline: the same alert has the same id, however often it is published or delivered."""
    task: str

    @classmethod
    def of(cls, attributes: Mapping[str, str]) -> "Event":
        """The event in a message's attributes.

        Raises:
            EventError: when an attribute is missing, or there is no such task.
        """
        known = [task.name for task in tasks().tasks]
        missing = [name for name in ("event_id", "task") if not attributes.get(name)]
        if missing or attributes["task"] not in known:
            fault = f"lacks {' and '.join(missing)}" if missing else f"is for none of the tasks {', '.join(known)}"
            raise EventError(
                f"the message with the attributes {dict(attributes)} {fault}. No retraining was started. Mend whoever published it."
            )
        return cls(attributes["event_id"], attributes["task"])
