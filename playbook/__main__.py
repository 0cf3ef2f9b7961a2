"""The command line: `playbook --help`. It imports nothing heavy before a command has been chosen."""

from __future__ import annotations

import argparse
import errno
import gc
import importlib
import signal
import sys
from types import FrameType

COMMANDS = (
    "loop",
    "run",
    "env",
    "price",
    "preflight",
    "review",
    "approve",
    "break-glass",
    "drift",
    "adopt",
    "restore",
    "release",
    "promote",
    "rollback",
    "releases",
    "sleep",
    "sweep",
    "setup",
    "doctor",
    "emulator",
)
ROOMS = {"environments", "releases", "infra", "ml", "serving", "pipelines", "playbook"}

TRANSPORTS = {"requests", "urllib3", "httpx", "httpcore"}
"""What Google's libraries let through when a connection breaks."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit code."""
    parser = argparse.ArgumentParser(prog="playbook", description="Gemini Vision and NLP on Google Cloud, on your laptop and for real.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(f"playbook.commands.{name.replace('-', '_')}").add(commands)
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _end)
    try:
        return int(chosen.run(chosen))
    except KeyboardInterrupt:
        print("\nInterrupted. Nothing is half-written; the same command goes on where it stopped.", file=sys.stderr)
        return 130
    except Exception as error:
        message = explanation(error)
        if message is None:
            raise
        print(f"\n{message}", file=sys.stderr)
        return 1


def explanation(error: Exception) -> str | None:
    """What to tell a person about `error`, or None when it is a fault of this program and the traceback is what helps.

    Every error class of our own carries a complete message: what is wrong, what would happen, what mends it. Google's say
    what was refused.
    """
    if type(error).__module__.split(".")[0] in ROOMS:
        return str(error)
    if type(error).__module__.startswith("google."):
        return (
            f"Google Cloud refused: {error}\nWhat was done before stays done. Check the login (gcloud auth application-default login) "
            "and the grants of who is logged in; the same command goes on where it stopped."
        )
    if type(error).__module__.split(".")[0] in TRANSPORTS:
        return (
            f"Google Cloud did not answer: {error}\nWhat was done before stays done. Check the network and its proxy; for the local Google "
            "Cloud read .playbook/emulator/emulator.log. The same command goes on where it stopped."
        )
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "The disk is full, so results could not be written; what was there before is unharmed. Free some space and run it again."
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}. Mend the file or its permissions and run it again."
    return None


def _end(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends us as Ctrl-C does: every context manager ends what it started."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    code = main()
    gc.freeze()  # otherwise the interpreter looks for garbage in every imported library before it ends: two seconds
    sys.exit(code)
