"""Between the fork and the user's code: what makes the copy of the launcher a process of its own."""

import atexit
import ctypes
import os
import resource
import runpy
import signal
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import NoReturn

from emulator.processes.command import Command

PR_SET_PDEATHSIG = 1


def become(command: Command, output: int, launcher: int) -> NoReturn:
    """Be the process of `command`, its output going to the descriptor `output`; never returns."""
    code = 1
    try:
        isolate(command, output, launcher)
        run(command)
        code = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        finish()
        os._exit(code & 0xFF)


def isolate(command: Command, output: int, launcher: int) -> None:
    """Own session and process group, default signals, own folder, environment and descriptors; dies with the launcher."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != launcher:
        os._exit(1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, 4096)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    os.makedirs(command.folder, exist_ok=True)
    os.chdir(command.folder)
    os.environ.update(command.environment)
    os.environ["TMPDIR"] = command.folder
    tempfile.tempdir = None
    sys.path[0] = command.folder
    if "numpy.random" in sys.modules:
        # Every fork starts with the same generator state otherwise; the standard library reseeds itself.
        sys.modules["numpy.random"].seed(None)


def run(command: Command) -> None:
    """The user's code."""
    if command.mount:
        # Artifacts at gs:// are read and written as files below the mount point, /gcs/ on Vertex AI. KFP keeps its place
        # in this module constant; the engine's tests hold it to that.
        from kfp.dsl.types import artifact_types

        artifact_types._GCS_LOCAL_MOUNT_PREFIX = command.mount.rstrip("/") + "/"
    if command.form == "program":
        try:
            os.execvpe(command.arguments[0], command.arguments, os.environ)
        except OSError as error:
            print(f"{command.arguments[0]} cannot be started: {error}", file=sys.stderr)
            sys.exit(127)
    if command.form == "module":
        sys.argv = list(command.arguments)
        runpy.run_module(command.arguments[0], run_name="__main__", alter_sys=True)
        return
    from kfp.dsl import executor_main

    program = Path(command.folder, "ephemeral_component.py")
    program.write_text(command.source, encoding="utf-8")
    os.environ["_KFP_RUNTIME"] = "true"
    sys.argv = ["executor_main", "--component_module_path", str(program), *command.arguments]
    executor_main.executor_main()


def finish() -> None:
    """What the interpreter does at its end and `os._exit` would leave out: wait for threads, run exit handlers, flush."""
    try:
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
