"""The loop: provision and ingest side by side, train, evaluate, register, gate and deploy in pipelines, predict, report."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from environments import Names, load, organisation, tasks
from playbook import address
from playbook.loop.ingest import Rows, ingest, upload
from playbook.loop.predict import ask
from playbook.loop.provision import provision
from playbook.loop.record import Record
from playbook.loop.results import Result
from playbook.loop.sources import choose
from playbook.report import page

if TYPE_CHECKING:
    from environments.clients import Clients

HEAVY = ("google.cloud.aiplatform", "google.cloud.storage", "kfp", "ml.data.ingest", "ml.data.splits")
"""What the loop imports in any case: seconds that pass while the local Google Cloud starts and Terraform plans."""

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
            _models(result, ingested.result())
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


def _models(result: Result, rows: list[Rows]) -> None:
    """Train, deploy and ask the model of every task, `AT_ONCE` at a time."""
    from environments.clients import Clients

    clients, turn = Clients(result.names), threading.BoundedSemaphore(AT_ONCE)
    result.rows = {found.source.task.name: found for found in rows}
    models = [beside(partial(_model, result, clients, task, turn)) for task in result.rows]
    failures = [error for model in models if (error := model.exception()) is not None]
    if failures:
        raise failures[0]


def _model(result: Result, clients: Clients, task: str, turn: threading.BoundedSemaphore) -> None:
    from playbook.loop.training import train

    with turn:
        rows, record = result.rows[task], result.record
        result.uploaded[task] = upload(clients, rows, record)
        run = result.runs[task] = train(clients, task, result.uploaded[task], bool(rows.dataset["declared"]), record)
        if "deploy" in run.documents:
            result.answers[task] = ask(clients, rows, run.documents["ingest"]["digest"], record)


def beside(work: Callable[[], Found]) -> Future[Found]:
    """Do `work` beside what follows, in a thread that does not hold up the end of the command."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _last_words(result: Result, written: Path) -> str:
    if result.failure:
        return f"\nReport, as far as the run went: {written}"
    verdict = "Every model passed its gate, is deployed and answers" if result.passed else "Not every model passed its gate"
    look = "make emulator, then open the console that it names" if result.emulated else "open the project in the Google Cloud console"
    return f"\n{verdict} ({result.record.elapsed:.1f} s).\nReport: {written}\nLook around in what was built: {look}."
