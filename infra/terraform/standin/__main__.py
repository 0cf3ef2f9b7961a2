"""`python -m infra.terraform.standin --socket S --cache D TYPE…`: serve Terraform until whoever started this is gone.

Prints, once it serves, what `TF_REATTACH_PROVIDERS` must hold. The end of standard input says that the starter is gone; Terraform,
interrupted at that moment, still finishes what it has begun, so the stand-in ends only after some seconds without a request. A signal
ends it at once.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
import time
from concurrent import futures
from pathlib import Path

import grpc
from tf.gen import tfplugin_pb2_grpc as rpc

from infra.terraform.standin import schema
from infra.terraform.standin.server import Servicer
from infra.terraform.standin.types import table

ADDRESSES = ("registry.terraform.io/hashicorp/google", "registry.opentofu.org/hashicorp/google")
LINGER_SECONDS = 5.0
BYTES = 64 << 20


def main() -> int:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m infra.terraform.standin", description="Stand-in for the google provider.")
    parser.add_argument("--socket", type=Path, required=True, help="unix socket to serve on")
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps the schemas read from the bindings")
    parser.add_argument("types", nargs="*", help="resource types in use beside those that can be applied")
    options = parser.parse_args()
    types = table()
    servicer = Servicer(schema.load({*types, *options.types}, options.cache), types)
    # Terraform makes ten calls at a time, and two stacks run together.
    pool = futures.ThreadPoolExecutor(24)
    server = grpc.server(pool, options=[("grpc.max_send_message_length", BYTES), ("grpc.max_receive_message_length", BYTES)])
    rpc.add_ProviderServicer_to_server(servicer, server)
    with contextlib.suppress(FileNotFoundError):
        options.socket.unlink()
    server.add_insecure_port(f"unix:{options.socket}")
    server.start()
    address = {"Network": "unix", "String": str(options.socket)}
    reattach = {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True, "Addr": address}
    print(json.dumps(dict.fromkeys(ADDRESSES, reattach)), flush=True)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=_linger, args=(servicer, ended), daemon=True).start()
    ended.wait()
    server.stop(None)
    # The starter's folder for the socket is left behind when the starter was killed.
    options.socket.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        options.socket.parent.rmdir()
    return 0


def _linger(servicer: Servicer, ended: threading.Event) -> None:
    """Wait for the end of standard input, then for Terraform to fall silent."""
    sys.stdin.read()
    time.sleep(LINGER_SECONDS)
    while servicer.idle_seconds() < LINGER_SECONDS:
        time.sleep(0.1)
    ended.set()


if __name__ == "__main__":
    sys.exit(main())
