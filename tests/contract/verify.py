"""`python -m tests.contract.verify --env E` (`make verify`): the clients' calls on a real project, and what came of them in a file.

It prints what will be made and what that costs, asks, takes away what earlier runs have left behind, makes the calls of
`tests/contract/clients`, takes away what it made, and writes `evidence/<date>.json`. Who answers for Google's hosts is read off the
certificate that they present, never off a setting: evidence from the local Google Cloud can not be mistaken for the other.
"""

from __future__ import annotations

import argparse
import datetime
import http.client
import importlib.metadata
import os
import platform
import signal
import ssl
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from environments import ConfigurationError
from environments.clients import Clients
from infra.price.book import Book, book
from infra.price.machines import machine
from infra.terraform.rest import Google, Refused
from releases import commit
from tests.contract.clients.place import VARIABLE, Place
from tests.contract.evidence import leftovers
from tests.contract.evidence.recorder import Recorder
from tests.contract.evidence.report import Address, Evidence, write

if TYPE_CHECKING:
    from environments import Names

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "evidence"
TESTS = ROOT / "tests" / "contract" / "clients"
GOOGLE = "Google Trust Services"
PACKAGES = (
    "google-api-core", "google-api-python-client", "google-auth", "google-cloud-aiplatform", "google-cloud-bigquery",
    "google-cloud-logging", "google-cloud-monitoring", "google-cloud-pubsub", "google-cloud-storage", "google-genai",
    "google-generativeai", "grpcio", "kfp", "pyarrow", "tensorflow",
)  # fmt: skip
MACHINE_HOURS = (
    ("three deployed models, half an hour each", "n1-standard-2", 1.5),
    ("custom jobs and steps of pipelines, ten machines for six minutes", "n1-standard-4", 1.0),
)
"""What is computed on: in words, machine type, hours."""
NODE_HOURS = (
    ("an optimized online store of two nodes for an hour", "optimized-online-node-hour", 2.0),
    ("a Bigtable online store of one node for an hour", "bigtable-online-node-hour", 1.0),
)
"""In words, what the price book calls it, hours."""
FREE = "buckets, tables, topics, secrets, logs, metrics, models, datasets, experiments and some thirty calls of Gemini, each below a cent"
TIMEOUT_SECONDS = 900


class VerifyError(Exception):
    """Nothing can be verified; the message is complete and meant for people."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify, and write it down; 0 when every call passed, 1 when one did not or something was left behind, 2 when nothing was run."""
    parser = argparse.ArgumentParser(prog="python -m tests.contract.verify", description="The clients' calls on a real project.")
    parser.add_argument("--env", required=True, metavar="E", help="environment in whose project the calls are made")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--select", default="", metavar="WORDS", help="only the tests that pytest's -k selects; the file says so")
    parser.add_argument("--to", type=Path, default=FOLDER, metavar="FOLDER", help="where the file is written")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _end)
    try:
        clients = Clients.of(options.env)
        stands = commit.of(ROOT)
        prices = book()
        address = answering(clients.names)
        image = images(clients, address)
    except (ConfigurationError, commit.CommitError, VerifyError) as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(announced(clients.names, address, prices)))
    if address == "google" and not (options.yes or _agreed()):
        print("Nothing was made. Answer yes, or say it beforehand: make verify YES=1", file=sys.stderr)
        return 2
    return run(clients.names, address, image, stands, options.select, options.to)


def answering(names: Names) -> Address:
    """Who answers for Google's hosts, once it is known that they let us in.

    Raises:
        VerifyError: when there are no credentials, or they do not reach the project.
    """
    try:
        Google().call("GET", f"https://cloudresourcemanager.googleapis.com/v1/projects/{names.project}")
    except Refused as error:
        raise VerifyError(
            f"The project {names.project} is not to be reached: {error}\nNothing was made. Log in with an account that may use the project "
            f"(gcloud auth application-default login), or make it: make bootstrap ENV={names.environment.name}"
        ) from None
    return "google" if GOOGLE in issuer("storage.googleapis.com") else "local"


def issuer(host: str) -> str:
    """The organisation that vouches for `host`, as this process reaches it."""
    context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
    proxy = urlsplit(os.environ.get("HTTPS_PROXY", ""))
    connection = http.client.HTTPSConnection(proxy.hostname or host, proxy.port or 443, timeout=30, context=context)
    if proxy.hostname:
        connection.set_tunnel(host, 443)
    connection.connect()
    certificate: Any = connection.sock.getpeercert()
    connection.close()
    return str({key: value for part in certificate["issuer"] for key, value in part}.get("organizationName", ""))


def images(clients: Clients, address: Address) -> str:
    """The container image that jobs and steps run.

    Raises:
        VerifyError: when it was never built in the project.
    """
    from pipelines.images import ImagesError, built

    if address == "local":
        return clients.names.image("pipelines")
    try:
        return f"{clients.names.image('pipelines')}@{built(clients)['pipelines']}"
    except ImagesError as error:
        raise VerifyError(str(error)) from None


def announced(names: Names, address: Address, prices: Book) -> list[str]:
    """What will be made, where, and what that costs, a line each."""
    where = "Google Cloud" if address == "google" else "the local Google Cloud, where it costs nothing"
    said = [f"In {names.project} ({names.environment.region}), answered by {where}, this makes and takes away again:"]
    total = 0.0
    for words, usd in costs(names.environment.region, prices):
        said.append(f"  {usd:6.2f} USD  {words}")
        total += usd
    return [*said, f"    0.05 USD  {FREE}", f"  {total + 0.05:6.2f} USD  in all, about"]


def costs(region: str, prices: Book) -> list[tuple[str, float]]:
    """What is paid by the hour: in words, US dollars.

    Raises:
        VerifyError: when the price book lacks one of the prices.
    """

    def price(sku: str) -> float:
        found = prices.price(sku, region) or prices.price(sku, "europe-west4")
        if found is None:
            raise VerifyError(f"infra/prices.yaml has no price of {sku}, so that the costs cannot be told. Nothing was made. Add it.")
        return found.usd

    lines = []
    for words, kind, hours in MACHINE_HOURS:
        parts = machine(kind)
        assert parts is not None, f"{kind} is a machine type that the price book knows"
        hourly = parts.vcpus * price(f"{parts.family}-vcpu-hour") + parts.gib * price(f"{parts.family}-gib-hour")
        lines.append((f"{words}, on {kind}", hours * hourly * (1 + price("vertex-surcharge"))))
    return lines + [(words, hours * price(sku)) for words, sku, hours in NODE_HOURS]


def run(names: Names, address: Address, image: str, stands: commit.Commit, select: str, folder: Path) -> int:
    """Sweep, call, sweep, and write down; the exit code."""
    import pytest

    began, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    prefix = leftovers.name(began.timestamp())
    ttl = (began + datetime.timedelta(days=1)).date().isoformat()
    own = {name: names.labels[name] for name in ("environment", "team")}
    labels = {**own, "made-by": "verify", "run": prefix, "ttl": ttl}
    place = Place(project=names.project, region=names.environment.region, prefix=prefix, image=image, labels=labels)
    google, recorder = Google(), Recorder()
    for left in leftovers.delete(names, google, lambda run: leftovers.over(run, began.timestamp())):
        print(f"An earlier run left behind {left}", file=sys.stderr)
    os.environ[VARIABLE] = place.dump()
    if address == "local":
        os.environ.setdefault("GEMINI_API_KEY", "any")
    code = int(pytest.ExitCode.INTERRUPTED)
    try:
        words = [str(TESTS), "-p", "no:cacheprovider", "-o", f"timeout={TIMEOUT_SECONDS}", *(["-k", select] if select else [])]
        code = int(pytest.main(words, plugins=[recorder]))
    finally:
        # Also where this is interrupted: what was made is taken away, and what is known is written down.
        kept = leftovers.delete(names, google, lambda run: run == prefix)
        evidence = Evidence(
            address=address,
            environment=names.environment.name,
            project=names.project,
            region=names.environment.region,
            commit=stands.id,
            dirty=stands.dirty,
            started=began,
            seconds=round(time.monotonic() - clock, 1),
            complete=not recorder.selected and code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED),
            python=platform.python_version(),
            packages={package: importlib.metadata.version(package) for package in PACKAGES},
            calls=recorder.calls,
            leftovers=kept,
        )
        path = write(evidence, folder)
    for one in kept:
        print(f"Left behind: {one}", file=sys.stderr)
    failed = len({call.method for call in evidence.calls if call.outcome == "failed"})
    print(f"{len(evidence.verified)} methods passed, {failed} failed: {path}")
    return int(code != 0 or bool(kept))


def _agreed() -> bool:
    if not sys.stdin.isatty():
        return False
    return input("Go on? [yes/no] ").strip().lower() in {"y", "yes"}


def _end(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends us as Ctrl-C does, so that what was made is taken away."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
