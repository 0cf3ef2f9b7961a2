"""Writes requests and how they were answered into a file, a line of JSON each, for whoever wants to replay them."""

from __future__ import annotations

import json
from pathlib import Path

from emulator.behaviours import Response
from emulator.dispatch import Request


class Recording:
    """The file that requests are written into."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def add(self, request: Request, response: Response) -> None:
        """Writes one exchange; a body that is no JSON is written as text, and one that is no text is left out."""
        line = {
            "http": request.http,
            "host": request.host,
            "path": request.path,
            "query": request.query,
            "agent": request.headers.get("user-agent", ""),
            "type": request.headers.get("content-type", ""),
            "body": _content(request.body),
            "status": response.status,
            "answer": _content(response.body) if isinstance(response.body, bytes) else None,
        }
        self._file.write(json.dumps(line) + "\n")
        # Whoever reads the file while the emulator runs finds every request that was answered.
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _content(content: bytes) -> object:
    try:
        return json.loads(content) if content else None
    except ValueError:
        pass
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
