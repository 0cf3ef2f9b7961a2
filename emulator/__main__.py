"""Starts the local Google Cloud and runs it until it is ended.

    python -m emulator --state .playbook/emulator --images cloudbuild/images.yaml

When it accepts requests it writes `STATE/emulator.json`: process id, port, and the environment that leads a process to it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

from emulator import behaviours
from emulator.access.policies import ACCESS
from emulator.cloud import Cloud
from emulator.dispatch import FAULTS, REQUESTS
from emulator.gateway.authority import Authority
from emulator.gateway.proxy import DENIED, Proxy
from emulator.identity import ensure_key
from emulator.images import Images
from emulator.recording import Recording
from emulator.store import Damaged, full_message, is_full

CERTIFICATE_VARIABLES = (
    "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "HTTPLIB2_CA_CERTS",
)  # fmt: skip
ENFORCE = "EMULATOR_ENFORCES_IAM"
FAULT = 2
LEAST_FREE_BYTES = 1 << 17
LOG_LINES = 10_000
"""What is kept of the logs of requests from one start to the next."""


class Fault(Exception):
    """Why the emulator cannot run, for a person."""


def main() -> int:
    """Runs until SIGTERM or SIGINT; 0 after a clean end, 2 where it cannot run."""
    parser = argparse.ArgumentParser(prog="python -m emulator", description="The local Google Cloud.")
    parser.add_argument("--state", type=Path, required=True, help="folder that holds all of its state")
    parser.add_argument("--images", type=Path, help="which image is which entry point, e.g. cloudbuild/images.yaml (none is known)")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (a free one)")
    enforced = os.environ.get(ENFORCE, "0") not in ("", "0")
    parser.add_argument("--enforce", action="store_true", default=enforced, help=f"refuse calls without permission (or {ENFORCE}=1)")
    parser.add_argument("--record", type=Path, help="file that every request and its answer are added to")
    arguments = parser.parse_args()
    try:
        with _owned(arguments.state):
            return asyncio.run(_run(arguments))
    except Fault as fault:
        print(f"emulator: {fault}", file=sys.stderr)
    except (OSError, sqlite3.Error) as error:
        print(f"emulator: {explained(error, arguments.state)}", file=sys.stderr)
    return FAULT


def explained(error: OSError | sqlite3.Error, state: Path) -> str:
    """What a fault of the machine means and what mends it."""
    # SQLite says "disk I/O error" where the disk has no room for its index of the write-ahead log.
    if is_full(error) or (state.is_dir() and shutil.disk_usage(state).free < LEAST_FREE_BYTES):
        return full_message(state)
    if isinstance(error, Damaged):
        return str(error)
    return f"{error}. State is in {state}; check that the folder can be written, or give another by --state."


@contextlib.contextmanager
def _owned(state: Path) -> Iterator[None]:
    """Holds the state folder for this process alone."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (state / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Fault(
                f"{state} belongs to an emulator that runs already (process {lock.read().strip() or 'unknown'}). Two on one state would "
                f"destroy it. Use the one that runs ({state / 'emulator.json'} says how), end it, or give another folder by --state."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


async def _run(arguments: argparse.Namespace) -> int:
    state = arguments.state.resolve()
    try:
        table = Images.read(arguments.images) if arguments.images else Images({})
    except ValueError as error:
        raise Fault(str(error)) from error
    listener = _listen(arguments.port)
    port = listener.getsockname()[1]
    authority = Authority(state)
    ensure_key(state / "key.json")
    environment = variables(port, authority.certificate, state / "key.json")
    cloud = Cloud(state, environment, table, arguments.enforce)
    recording = Recording(arguments.record) if arguments.record else None
    proxy = Proxy(cloud, authority, listener, recording)
    card = state / "emulator.json"
    serving: asyncio.Task[None] | None = None
    try:
        await _start(cloud)
        serving = asyncio.ensure_future(proxy.serve())
        serving.add_done_callback(
            lambda ended: None if ended.cancelled() else cloud.stop(f"Accepts no connections any more: {ended.exception()}")
        )
        console = f"http://127.0.0.1:{port}/"
        described = {"pid": os.getpid(), "port": port, "console": console, "ca": str(authority.certificate), "environment": environment}
        beside = card.with_name("emulator.json.new")
        beside.write_text(json.dumps(described, indent=2))
        os.replace(beside, card)
        print(f"The local Google Cloud is ready: {console} (state in {state}). Ctrl-C ends it.", flush=True)
        fault = await cloud.stopped()
    finally:
        card.unlink(missing_ok=True)
        if serving is not None:
            serving.cancel()
        listener.close()
        await proxy.close()
        await cloud.close()
        if recording is not None:
            recording.close()
    if fault:
        raise Fault(fault)
    return 0


async def _start(cloud: Cloud) -> None:
    """Signals, behaviours, and what a kill left half done."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, cloud.stop, "")
    behaviours.load()
    for log in (REQUESTS, FAULTS, DENIED, ACCESS):
        cloud.store.trim(log, LOG_LINES)
    for start in behaviours.STARTS:
        await start(cloud)


def variables(port: int, certificate: Path, key: Path) -> dict[str, str]:
    """The environment that leads a process to this emulator."""
    address = f"http://127.0.0.1:{port}"
    proxied = json.dumps({"session_kwargs": {"trust_env": True}})
    return {
        "HTTPS_PROXY": address,
        "https_proxy": address,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        **dict.fromkeys(CERTIFICATE_VARIABLES, str(certificate)),
        "GOOGLE_APPLICATION_CREDENTIALS": str(key),
        "NO_GCE_CHECK": "true",
        "FSSPEC_GCS": proxied,
        "FSSPEC_GS": proxied,
    }


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Fault(f"Port {port} is in use on 127.0.0.1. Leave --port out to take a free one, or end what listens there.") from error
        raise Fault(f"Port {port} cannot be used on 127.0.0.1: {error.strerror}. Leave --port out to take a free one.") from error
    except OverflowError as error:
        raise Fault(f"{port} is no port: ports go from 0 to 65535. Leave --port out to take a free one.") from error
    listener.listen(256)
    listener.setblocking(False)
    return listener


if __name__ == "__main__":
    sys.exit(main())
