"""One verb over the stacks of an environment: prepared once, in the order in which they need each other, two at a time.

`runner` says what each verb does to a stack; here is what all of them share, and what each leaves behind.
"""

import datetime
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from environments import Names
from environments.clients import Clients
from infra.policies.review import REMEDY, breaches
from infra.synthesis import declared
from infra.terraform import binary, providers, state
from infra.terraform.binary import Binary
from infra.terraform.child import Children, Interrupted
from infra.terraform.errors import TerraformFailed
from infra.terraform.providers import Source
from infra.terraform.rest import Refused
from infra.terraform.stack import APPLIED, CONFIGURATION, Counts, Stack, write
from infra.terraform.standin.types import table

if TYPE_CHECKING:
    from google.cloud import storage

TOGETHER = 2
CHANGING = ("apply", "destroy")
AT_ONCE = ("plan", "review", "show", "keep", "adopt", "validate")
"""What changes no stack, so that none waits for another."""
HELD_TO_POLICIES = ("plan", "adopt", "apply")
"""A destroy takes away what breaks a policy, and is never refused for it."""
Say = Callable[[str], None]


def on_standard_error(line: str) -> None:
    """Progress lines go to standard error, so that standard output can be JSON."""
    # In one piece, since two stacks speak at a time.
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@dataclass(frozen=True)
class Result:
    """What one verb did to one stack.

    Attributes:
        stack: stack id.
        verb: what was done.
        status: `done`, `failed`, or `not started` when a stack that it needs failed.
        counts: how many resources were (for a plan: would be) added, changed, destroyed, adopted.
        seconds: wall time.
        terraform: which Terraform ran.
        provider: what answered for the google provider.
        error: what went wrong, in Terraform's own words.
    """

    stack: str
    verb: str
    status: str
    counts: Counts
    seconds: float
    terraform: str
    provider: str
    error: str = ""


@dataclass(frozen=True)
class Run:
    """What all stacks of one command share."""

    names: Names
    folder: Path
    terraform: Binary
    variables: Mapping[str, str]
    source: Source
    client: "Future[storage.Client]"
    children: Children
    say: Say
    declared: str
    """Digest of what the stacks were synthesised from."""


def run_all(
    verb: str,
    environment: str,
    stacks: Sequence[str],
    folder: Path,
    say: Say,
    work: Callable[[Stack], Counts],
    rehearsal: bool = False,
) -> list[Result]:
    """Do one verb to the stacks of an environment; a result a stack, also for one that was not started.

    Args:
        verb: what it is called in outputs and locks; the constants above say what follows from it.
        environment: its name.
        stacks: names such as `serving`; none means all.
        folder: working folders.
        say: where progress goes.
        work: the verb, for one stack under its locks.
        rehearsal: the local Google Cloud answers, whatever the environment's file says.

    Raises:
        TerraformFailed: when nothing could start.
    """
    with _prepared(environment, folder, say) as (run, needs):
        if unknown := sorted(set(stacks) - {short(run.names, id_) for id_ in needs}):
            known = ", ".join(short(run.names, id_) for id_ in needs)
            raise TerraformFailed(f"there is no stack {', '.join(unknown)} in {environment}. Nothing was changed. Use one of {known}.")
        if verb in HELD_TO_POLICIES:
            refuse_breaches(environment, run.folder)
        if verb != "validate":
            # Who is not logged in is told once, not for every stack.
            run.client.result()
        if verb in CHANGING:
            providers.refuse_stand_in(run.source, environment, providers.rehearsed(run.names.environment, rehearsal, os.environ))
        say(f"{verb} {environment} with {run.terraform.source}, {run.source.name}")
        chosen = [id_ for id_ in needs if not stacks or short(run.names, id_) in stacks]
        after = _order(verb, chosen, needs)
        results = _in_order(after, lambda id_: _one(run, verb, id_, work), run.children)
        waiting = Result("", verb, "not started", Counts(), 0.0, run.terraform.source, run.source.name)
        return [results.get(id_) or replace(waiting, stack=id_) for id_ in after]


def short(names: Names, stack_id: str) -> str:
    """Name of a stack in its environment, e.g. `serving`."""
    return stack_id.removeprefix(names.stack(""))


def _order(verb: str, chosen: Sequence[str], needs: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """Stack id → those that must be done before it."""
    if verb in AT_ONCE:
        return {id_: set() for id_ in chosen}
    if verb == "destroy":
        return {id_: {other for other in chosen if id_ in needs[other]} for id_ in reversed(chosen)}
    return {id_: set(needs[id_]) & set(chosen) for id_ in chosen}


def _in_order(after: Mapping[str, set[str]], work: Callable[[str], Result], children: Children) -> dict[str, Result]:
    """Run `work` for every key, `TOGETHER` at a time, each after those that it needs; what needs a failed one is left out."""
    results: dict[str, Result] = {}
    running: dict[Future[Result], str] = {}
    with ThreadPoolExecutor(TOGETHER) as pool:
        try:
            while True:
                complete = {id_ for id_, result in results.items() if result.status == "done"}
                ready = [id_ for id_ in after if id_ not in results and id_ not in running.values() and after[id_] <= complete]
                for id_ in ready[: TOGETHER - len(running)]:
                    running[pool.submit(work, id_)] = id_
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    results[running.pop(future)] = future.result()
        except BaseException:
            # An interrupt: Terraform finishes what it has begun and saves its state; leaving the pool waits for that.
            children.interrupt()
            raise
    return results


def _one(run: Run, verb: str, id_: str, work: Callable[[Stack], Counts]) -> Result:
    """One verb on one stack, under its locks."""
    folder = run.folder / "stacks" / id_
    started = time.monotonic()

    def say(line: str) -> None:
        run.say(f"  {id_}: {line}")

    counts, error = Counts(), ""
    try:
        with ExitStack() as held:
            descriptor = held.enter_context(state.folder_lock(folder, say))
            stack = Stack(id_, folder, run.terraform, run.variables, run.source.name, run.children, descriptor, say)
            if verb != "validate":
                held.enter_context(state.state_lock(run.client.result(), run.names, id_, verb, run.terraform.version, folder, say))
            stack.initialise()
            if verb in CHANGING:
                (folder / APPLIED).unlink(missing_ok=True)
            configuration = stack.digest()
            counts = work(stack)
            # Whoever synthesises meanwhile, for a plan of theirs, needs no lock: then it is not this that was applied.
            if verb == "apply" and stack.digest() == configuration:
                left = {"declared": run.declared, "state": states(run.client.result(), run.names).get(id_)}
                write(folder / APPLIED, json.dumps({**left, "terraform": run.terraform.source, "provider": run.source.name}))
    except TerraformFailed as failure:
        error = str(failure)
    except Interrupted:
        error = "interrupted"
    except google_errors() as failure:
        error = f"{verb} of {id_} failed beside Terraform: {failure}. What was done is in the state; run the same command again."
    result = Result(
        id_, verb, "failed" if error else "done", counts, round(time.monotonic() - started, 2), run.terraform.source, run.source.name, error
    )
    run.say(_line(result))
    return result


def _line(result: Result) -> str:
    if result.error:
        return f"✗ {result.stack}: {result.error}"
    counts = result.counts
    would = "to " if result.verb in AT_ONCE else ""
    words = [
        f"{number} {would}{word}"
        for number, word in (
            (counts.added, "add" if would else "added"),
            (counts.changed, "change" if would else "changed"),
            (counts.destroyed, "destroy" if would else "destroyed"),
            (counts.adopted, "adopt" if would else "adopted"),
        )
        if number
    ]
    nothing = "valid" if result.verb == "validate" else "no changes"
    return f"✓ {result.stack}: {', '.join(words) or nothing} ({result.seconds:.1f} s)"


@contextmanager
def _prepared(environment: str, folder: Path, say: Say) -> Iterator[tuple[Run, dict[str, list[str]]]]:
    """Synthesise, find Terraform and the provider, and start the stand-in where it is needed."""
    clients = Clients.of(environment)
    out = (folder / environment).absolute()
    variables = binary.environment(os.environ)
    with ExitStack() as held, ThreadPoolExecutor() as pool:
        # Synthesis waits for Node most of the time, so everything else that takes long is done meanwhile.
        terraform = pool.submit(binary.find, variables)
        client = pool.submit(storage_of, clients)
        source, planned_only = providers.installed(variables, Path.home()), types_in(out) - table().keys()
        ready = None if source else held.enter_context(providers.stand_in(planned_only))
        made_from, needs = declared.digest(), synthesise(environment, out)
        if ready and (more := types_in(out) - table().keys()) - planned_only:
            ready = held.enter_context(providers.stand_in(more))
        source = ready() if ready else source
        assert source is not None
        variables |= source.variables
        yield Run(clients.names, out, terraform.result(), variables, source, client, Children(), say, made_from), needs


def states(client: "storage.Client", names: Names) -> dict[str, int]:
    """Stack id → generation of its state, in one request for all stacks."""
    blobs = client.list_blobs(names.state_bucket)
    return {id_: blob.generation for blob in blobs for id_, _, name in [blob.name.partition("/")] if name == "default.tfstate"}


def storage_of(clients: Clients) -> "storage.Client":
    """The client of Cloud Storage.

    Raises:
        TerraformFailed: when nobody is logged in.
    """
    from google.auth.exceptions import DefaultCredentialsError

    try:
        return clients.storage()
    except DefaultCredentialsError as error:
        raise TerraformFailed(f"{error}\nNothing was changed. Log in: gcloud auth application-default login") from None


def synthesise(environment: str, out: Path) -> dict[str, list[str]]:
    """Write the stacks of the environment below `out`; stack id → ids of the stacks that it needs, in the order of application."""
    from infra.app import synthesise as write

    ids, made = write([environment], out), synthesised(out)
    return {id_: made[id_] for id_ in ids}


def synthesised(out: Path) -> dict[str, list[str]]:
    """Stack id → ids of the stacks that it needs, of those that were synthesised last below `out`."""
    manifest = json.loads((out / "manifest.json").read_text())["stacks"]
    return {id_: stack.get("dependencies", []) for id_, stack in manifest.items()}


def refuse_breaches(environment: str, out: Path) -> None:
    """Hold the synthesised stacks below `out` to our policies.

    Raises:
        TerraformFailed: when one is broken and not waived.
    """
    if found := breaches(out, [environment], datetime.date.today()):
        broken = "\n".join(map(str, found))
        raise TerraformFailed(f"{broken}\n{len(found)} policies are broken, so that nothing is planned. Nothing was changed. {REMEDY}")


def types_in(out: Path) -> set[str]:
    """Resource types that the synthesised stacks below `out` use."""
    found: set[str] = set()
    for path in out.glob(f"stacks/*/{CONFIGURATION}"):
        found |= json.loads(path.read_text()).get("resource", {}).keys()
    return found


def google_errors() -> tuple[type[Exception], ...]:
    """What Google's clients and our own REST calls raise; imported when an error is at hand, since the libraries cost half a second."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from requests import RequestException

    return Refused, GoogleAPIError, GoogleAuthError, RequestException


def as_json(results: Sequence[Result]) -> str:
    """The results as one JSON document."""
    return json.dumps([asdict(result) for result in results], indent=2)
