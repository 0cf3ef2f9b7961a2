"""The loop: provision and ingest side by side, train, evaluate, register, gate and deploy in pipelines, predict, report."""

from __future__ import annotations

import importlib
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from environments import Names, load, organisation, tasks
from playbook import BUILD, STATE, address
from playbook.loop.ingest import Rows, ingest, upload
from playbook.loop.predict import ask
from playbook.loop.provision import provision
from playbook.loop.record import Record
from playbook.loop.results import Result
from playbook.loop.sources import choose
from playbook.report import page

REPORT = BUILD / "loop"
HEAVY = ("google.cloud.aiplatform", "google.cloud.storage", "kfp", "ml.data.ingest", "ml.data.splits")
"""What the loop imports in any case: seconds that pass while the local Google Cloud starts and Terraform plans."""

Found = TypeVar("Found")


def loop(environment: str, emulator: bool, data: Path | None) -> int:
    """Run the loop and write its report; 0 when every model passed its gate and answered.

    Raises:
        ConfigurationError, DataError, and what the rooms raise: each complete and meant for people. The report is written
            also then, as far as the run went.
    """
    configuration = load(environment)
    sources = choose(tasks().tasks, data)
    record = Record()
    result = Result(Names(organisation(), configuration), address.emulated(configuration, emulator), record)
    ingested = beside(lambda: [ingest(source, record, STATE / "loop" / environment) for source in sources])
    imported = beside(lambda: [importlib.import_module(name) for name in HEAVY])
    try:
        with address.reached(environment, emulator) as variables:
            os.environ.update(variables)
            result.provisioned = provision(environment, record)
            imported.result()
            logging.getLogger("google.cloud.aiplatform").setLevel(logging.WARNING)  # its progress is ours to show
            _models(result, ingested.result())
    except BaseException as error:
        result.failure = (str(error) or "interrupted").strip()
        raise
    finally:
        written = page.write(result, REPORT)
        record.say(_last_words(result, written))
    return 0 if result.passed else 1


def _models(result: Result, rows: list[Rows]) -> None:
    from environments.clients import Clients
    from playbook.loop.training import Submission, train

    record, clients = result.record, Clients(result.names)
    result.rows = {found.source.task.name: found for found in rows}
    result.uploaded = {task: upload(clients, found, record) for task, found in result.rows.items()}
    submissions = [Submission(task, uri, bool(result.rows[task].dataset["declared"])) for task, uri in result.uploaded.items()]
    result.runs = train(clients, submissions, record)
    for task, run in result.runs.items():
        if "deploy" in run.documents:
            result.answers[task] = ask(clients, result.rows[task], run.documents["ingest"]["digest"], record)


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
    verdict = "every model passed its gate, is deployed and answers" if result.passed else "not every model is deployed and answers"
    look = "make emulator, then open the console that it names" if result.emulated else "open the project in the Google Cloud console"
    return (
        f"\n{verdict[0].upper()}{verdict[1:]} ({result.record.elapsed:.1f} s).\nReport: {written}\nLook around in what was built: {look}."
    )
