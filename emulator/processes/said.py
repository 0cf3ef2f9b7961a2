"""What a process printed last, for who asks why it ended."""

from __future__ import annotations

SILENCE = "it printed nothing"
TRACEBACK = "Traceback (most recent call last):"


class Said:
    """The last line that tells something: of a Python traceback, the exception itself.

    An exception may go on for lines: one of gRPC ends with its details and a lone bracket. A document that ends tells nothing either:
    KFP's executor prints its input before it begins.
    """

    def __init__(self) -> None:
        self.last = SILENCE
        self._raised = False

    def add(self, line: str) -> None:
        """Take the next line."""
        if not line.strip() or (self._raised and (not line[0].isalnum() or line.rstrip().endswith("{"))):
            return
        self._raised = line.startswith(TRACEBACK) or (self._raised and self.last == TRACEBACK)
        self.last = SILENCE if line == "}" else line.strip()
