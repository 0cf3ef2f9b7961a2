"""The loop: provision and ingest side by side, train to a served model in pipelines, predict, close the loop, report."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from environments import Names, load, organisation, tasks
from playbook import address
from playbook.loop import parity
from playbook.loop.beside import beside
from playbook.loop.closing import Closed, Served, close, shared_out
from playbook.loop.ingest import Rows, ingest, upload
from playbook.loop.memory import Memory
from playbook.loop.predict import ask
from playbook.loop.provision import provision
from playbook.loop.record import Record
from playbook.loop.results import Result
from playbook.loop.retraining import Consumer
from playbook.loop.sources import choose
from playbook.report import page

if TYPE_CHECKING:
    from environments.clients import Clients

HEAVY = ("google.cloud.aiplatform", "google.cloud.storage", "kfp", "ml.data.ingest", "ml.data.splits")
"""What the loop imports in any case: seconds that pass while the local Google Cloud starts and Terraform plans."""

PAGE = Path(__file__).parents[2] / "serving" / "web" / "dist"
AT_ONCE = 2
"""Tasks that train at a time: two fill the cores of a laptop."""

Found = TypeVar("Found")


def loop(environment: str, emulator: bool, data: Sequence[Path], state: Path, out: Path) -> int:
    """Run the loop and write its report; 0 when every model passed its gate and answered.

    Args:
        environment: name of the environment.
        emulator: let the local Google Cloud answer, whatever the environment says.
        data: a user's own data, each for the task of its kind.
        state: folder that keeps what a rerun goes on from.
        out: folder of the report.

    Raises:
        ConfigurationError, DataError, and what the rooms raise: each complete and meant for people. The report is written
            also then, as far as the run went.
    """
    configuration = load(environment)
    sources = choose(tasks().tasks, data)
    record = Record()
    result = Result(Names(organisation(), configuration), address.emulated(configuration, emulator), record)
    ingested = beside(lambda: [ingest(source, record, state / "loop" / environment) for source in sources])
    imported = beside(_import)
    try:
        with address.reached(environment, emulator, state / "emulator") as variables:
            os.environ.update(variables)
            beside(partial(_connect, result.names, imported))
            result.provisioned = provision(
                environment, state / ("rehearsal" if emulator else "terraform"), record, rehearsal=result.emulated
            )
            imported.result()
            _images(result)
            logging.disable(logging.INFO)  # the libraries' own progress; ours says the same in a line
            _settled(result)
            _models(result, ingested.result(), state / "loop" / environment)
    except BaseException as error:
        result.failure = (str(error) or "interrupted").strip()
        raise
    finally:
        written = page.write(result, out)
        record.say(_last_words(result, written))
    return 0 if result.passed else 1


def _import() -> None:
    """Import what the loop needs in any case. Collecting garbage among a million objects that stay would take a third of it."""
    gc.disable()
    try:
        for name in HEAVY:
            importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def _connect(names: Names, imported: Future[Any]) -> None:
    """Open the first connection while Terraform plans. What it answers does not matter: the project may be empty yet."""
    imported.result()
    from environments.clients import Clients

    Clients(names).vertex().Endpoint.list()


def _images(result: Result) -> None:
    """Have the containers of this source built, unless they were."""
    from environments.clients import Clients
    from pipelines import images

    with result.record.step("images") as outcome:
        digests, new = images.build(Clients(result.names))
        outcome.status = "done" if new else "cached"
        outcome.detail = f"{len(digests)} images of source {images.source()[:12]}" + ("" if new else ", which were built before")


def _settled(result: Result) -> None:
    """Let retrainings end that an earlier loop has left at work: they move the traffic that this one begins with."""
    from environments.clients import Clients
    from pipelines import runs
    from pipelines.definitions import retraining

    vertex, names = Clients(result.names).vertex(), {result.names.name(f"{retraining.NAME}-{task.name}") for task in tasks().tasks}
    unended = 'state="PIPELINE_STATE_RUNNING" OR state="PIPELINE_STATE_PENDING"'
    if left := [job for job in vertex.PipelineJob.list(filter=unended) if job.display_name in names]:
        with result.record.step("earlier retrainings") as outcome:
            runs.wait(left)
            outcome.detail = f"{len(left)} of an earlier loop ended: {', '.join(runs.state(job).lower() for job in left)}"


def _page(clients: Clients) -> None:
    """Publish the web page; what it shows follows the endpoint."""
    from serving.rollout import web

    web.publish_page(clients, PAGE)


def _models(result: Result, rows: list[Rows], memory: Path) -> None:
    """Take the model of every task through the loop, `AT_ONCE` at a time, and compare the engines once all of them answer."""
    from environments.clients import Clients

    clients, turn = Clients(result.names), threading.BoundedSemaphore(AT_ONCE)
    result.rows = {found.source.task.name: found for found in rows}
    kept, page = Memory(clients, memory), beside(partial(_page, clients))
    consumer = Consumer(clients, result.rows)
    try:
        answering = {task: threading.Event() for task in result.rows}
        models = [beside(partial(_model, result, clients, task, turn, consumer, kept, answering)) for task in result.rows]
        for answered in answering.values():
            answered.wait()
        page.result()
        if result.served:
            result.parity = parity.compare(list(result.served.values()), kept, result.record)
        # Not before: a retraining moves the page, and the engines are compared on what the endpoint has answered.
        consumer.start()
        failures = [error for model in models if (error := model.exception()) is not None]
    finally:
        consumer.close()
    if failures:
        raise failures[0]


def _model(
    result: Result,
    clients: Clients,
    task: str,
    turn: threading.BoundedSemaphore,
    consumer: Consumer,
    memory: Memory,
    answering: dict[str, threading.Event],
) -> None:
    from playbook.loop.training import train
    from serving.rollout import deployment

    try:
        with turn:
            rows, record = result.rows[task], result.record
            result.uploaded[task] = upload(clients, rows, record)
            run = result.runs[task] = train(clients, task, result.uploaded[task], bool(rows.dataset["declared"]), record)
            if "deploy" not in run.documents:
                return
            # A loop that was killed in a canary has left a challenger with a share of the traffic, whose answers would count as this one's.
            deployment.deploy(clients, task, str(run.documents["deploy"]["version"]))
            answers = result.answers[task] = ask(clients, rows, run.documents["ingest"]["digest"], record)
            version = clients.vertex().Model(clients.names.model(task), version=answers.model_version)
            served = result.served[task] = Served(
                clients, rows, result.uploaded[task], str(run.documents["register"]["version"]), answers, f"{version.uri}/web"
            )
    finally:
        answering[task].set()
    # A task that closes waits for the engines to be compared, and these for every task to answer: first all of them must have had a turn.
    for answered in answering.values():
        answered.wait()
    with turn:
        result.closed[task] = Closed(shared_out(list(result.rows))[task])
        close(served, consumer, memory, record, result.closed[task])


def _last_words(result: Result, written: Path) -> str:
    if result.failure:
        return f"\nReport, as far as the run went: {written}"
    verdict = "Every model passed its gate and answers, and its loop closed" if result.passed else "Not every loop closed"
    look = "make emulator, then open the console that it names" if result.emulated else "open the project in the Google Cloud console"
    return f"\n{verdict} ({result.record.elapsed:.1f} s).\nReport: {written}\nLook around in what was built: {look}."
