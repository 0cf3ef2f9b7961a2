"""The verbs over all stacks of an environment: in dependency order, two independent ones at a time."""

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
from typing import TYPE_CHECKING, Any

from environments import Names, load, load_all, tasks
from environments.clients import Clients
from infra import app
from infra.policies.review import REMEDY, breaches
from infra.synthesis import declared
from infra.terraform import approved, binary, endpoints, existing, groundwork, kept, providers, state
from infra.terraform.binary import Binary
from infra.terraform.child import Children, Interrupted
from infra.terraform.errors import TerraformFailed
from infra.terraform.providers import Source
from infra.terraform.rest import Google, Refused
from infra.terraform.stack import APPLIED, CONFIGURATION, Counts, Origin, Stack, write
from infra.terraform.standin.types import table
from releases import commit, ledger
from releases.digest import Planned
from releases.ledger import Entry, LedgerError

if TYPE_CHECKING:
    from google.cloud import storage

FOLDER = providers.STATE / "terraform"
ROOT = providers.STATE.parent
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
class Saved:
    """A saved plan.

    Attributes:
        document: what `terraform show -json` says of it; it holds secrets.
        planned: what identifies it.
        by: e-mail of who made it; empty where nobody has to know.
        folder: the stack's working folder, with the configuration that it was made from.
    """

    document: dict[str, Any]
    planned: Planned
    by: str
    folder: Path


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


def bootstrap(environment: str, say: Say = on_standard_error) -> bool:
    """Make what must exist before any stack, where it is lacking; true when the state bucket was made now.

    Raises:
        TerraformFailed: when Google refuses.
    """
    load_all()  # refuses what this environment would share with another, before anything is made
    names = Clients.of(environment).names
    try:
        return groundwork.lay(names, Google(), say)
    except Refused as error:
        raise TerraformFailed(
            f"the groundwork of {environment} cannot be laid: {error}. What was made is kept; no stack can be planned without the rest. "
            f"Check that Google is reached and that you may do to {names.project} what is said above; to create a project, that you may "
            f"in the folder and with the billing account of environments/{environment}.yaml. Then run it again."
        ) from None


def validate(environment: str, stacks: Sequence[str] = (), folder: Path = FOLDER, say: Say = on_standard_error) -> list[Result]:
    """`terraform validate` of each stack."""

    def work(stack: Stack) -> Counts:
        stack.validate()
        return Counts()

    return _run("validate", environment, stacks, folder, say, work)


def plan(
    environment: str, stacks: Sequence[str] = (), folder: Path = FOLDER, say: Say = on_standard_error, rehearsal: bool = False
) -> list[Result]:
    """Save a plan of each stack in its working folder.

    Args:
        environment: its name.
        stacks: names such as `serving`; none means all.
        folder: working folders.
        say: where progress goes.
        rehearsal: the local Google Cloud answers, whatever the environment's file says; the state bucket is made there first.
    """
    return _plan("plan", environment, stacks, folder, say, rehearsal)


def plan_for_review(
    environment: str, stacks: Sequence[str] = (), folder: Path = FOLDER, say: Say = on_standard_error, rehearsal: bool = False
) -> list[Result]:
    """The same also where a policy is broken: that is what the review has to tell, and an apply refuses it all the same."""
    return _plan("review", environment, stacks, folder, say, rehearsal)


def _plan(verb: str, environment: str, stacks: Sequence[str], folder: Path, say: Say, rehearsal: bool) -> list[Result]:
    _bootstrap_rehearsal(environment, say, rehearsal)
    clients, origin = Clients.of(environment), Origin()
    if clients.names.environment.protected:
        origin = Origin(commit=commit.of(ROOT).id, by=clients.principal())
    return _run(verb, environment, stacks, folder, say, lambda stack: stack.plan(say_changes=True, origin=origin))


def shown(
    environment: str, stacks: Sequence[str] = (), folder: Path = FOLDER, say: Say = on_standard_error
) -> tuple[list[Result], dict[str, Saved]]:
    """Read the saved plan of each stack; what cannot be read is a failed result.

    Args:
        environment: its name.
        stacks: names such as `serving`; none means all.
        folder: working folders, in which `plan` left the plans.
        say: where progress goes.
    """
    found: dict[str, Saved] = {}

    def work(stack: Stack) -> Counts:
        counts, shown_ = stack.planned(), stack.shown()
        found[stack.id] = Saved(shown_, stack.identity(shown_), str(stack.made_from().get("by", "")), stack.folder)
        return counts

    results = _run("show", environment, stacks, folder, say, work)
    return results, found


def keep(
    environment: str,
    judged: Callable[[Mapping[str, Planned]], str],
    stacks: Sequence[str] = (),
    folder: Path = FOLDER,
    say: Say = on_standard_error,
) -> tuple[list[Result], Entry | None]:
    """Put the saved plan of each stack where whoever applies it finds it, and tell the ledger; nothing is kept when one is lacking.

    Args:
        environment: its name.
        judged: gives the digest of the review of these plans, or raises.
        stacks: names such as `serving`; none means all.
        folder: working folders.
        say: where progress goes.
    """
    found: dict[str, kept.Plan] = {}

    def work(stack: Stack) -> Counts:
        counts = stack.planned()
        found[stack.id] = kept.read(stack)
        return counts

    results = _run("keep", environment, stacks, folder, say, work)
    if any(result.status != "done" for result in results):
        return results, None
    report = judged({id_: plan.identity for id_, plan in found.items()})
    return results, kept.keep(Clients.of(environment), found, report)


def apply(
    environment: str, stacks: Sequence[str] = (), folder: Path = FOLDER, say: Say = on_standard_error, rehearsal: bool = False
) -> list[Result]:
    """Plan each stack and apply that very plan; in a protected environment, apply the plan that was approved before.

    Args:
        environment: its name.
        stacks: names such as `serving`; none means all.
        folder: working folders.
        say: where progress goes.
        rehearsal: the local Google Cloud answers, whatever the environment's file says; there the provider stand-in may change things, and
            a plan of a protected environment needs an approval only where plans were kept for one.

    Raises:
        TerraformFailed: when the stand-in would change something at Google's address.
        LedgerError: when the ledger of a protected environment is broken.
    """
    clients = Clients.of(environment)
    protected = clients.names.environment.protected
    if protected:
        entries = ledger.entries(clients)
        alone = providers.rehearsed(clients.names.environment, rehearsal, os.environ)
        if not alone or any(entry.kind in ("plan", "approval") for entry in entries):
            gate = approved.Gate(clients=clients, commit=commit.of(ROOT), entries=entries)
            return _run("apply", environment, stacks, folder, say, lambda stack: approved.apply(gate, stack), rehearsal)

    def work(stack: Stack) -> Counts:
        counts = stack.planned() if protected else stack.plan()
        return counts if counts.nothing else stack.apply(adopt=not protected)

    results = _run("apply", environment, stacks, folder, say, work, rehearsal)
    _written_down(clients, results, say)
    return results


def _written_down(clients: Clients, results: Sequence[Result], say: Say) -> None:
    """Tell the ledger what was applied without an approval; where it cannot be told, what was applied stays applied."""
    changed = {result.stack: asdict(result.counts) for result in results if not result.counts.nothing}
    if not changed:
        return
    try:
        ledger.append(clients, "apply", {"approval": None, "outcome": "done", "stacks": changed})
    except LedgerError as error:
        say(f"the ledger of {clients.names.environment.name} is broken: {error}")
    except google_errors() as error:
        say(f"the ledger of {clients.names.environment.name} was not told: {error}")


def settled(environment: str, stacks: Sequence[str] = (), folder: Path = FOLDER) -> list[Result] | None:
    """What the last apply in this folder did to stacks whose declaration, state and provider are still the same; None otherwise.

    It spares a plan where only our own changes count. What somebody has changed by hand on Google Cloud, a plan finds and this does not.

    Raises:
        TerraformFailed: when nobody is logged in.
    """
    clients, out = Clients.of(environment), (folder / environment).absolute()
    last = {path.parent.name: json.loads(path.read_text()) for path in out.glob(f"stacks/*/{APPLIED}")}
    if not last:
        return None
    ids = [id_ for id_ in _synthesised(out) if not stacks or _short(clients.names, id_) in stacks]
    source = providers.installed(binary.environment(os.environ), Path.home())
    # Another provider may do something else with the same configuration.
    same = {"declared": declared.digest(), "provider": source.name if source else providers.stand_in_name()}
    if not ids or any(id_ not in last or not same.items() <= last[id_].items() for id_ in ids):
        return None
    states = _states(_storage(clients), clients.names)
    if any(last[id_]["state"] is None or states.get(id_) != last[id_]["state"] for id_ in ids):
        return None
    return [Result(id_, "apply", "done", Counts(), 0.0, last[id_]["terraform"], last[id_]["provider"]) for id_ in ids]


def _states(client: "storage.Client", names: Names) -> dict[str, int]:
    """Stack id → generation of its state, in one request for all stacks."""
    blobs = client.list_blobs(names.state_bucket)
    return {id_: blob.generation for blob in blobs for id_, _, name in [blob.name.partition("/")] if name == "default.tfstate"}


def adopt(
    environment: str, stacks: Sequence[str] = (), folder: Path = FOLDER, say: Say = on_standard_error, rehearsal: bool = False
) -> list[Result]:
    """Write import blocks for what exists already under the names of what each stack would create, and plan them.

    Args:
        environment: its name.
        stacks: names such as `data`; none means all.
        folder: working folders.
        say: where progress goes.
        rehearsal: as for `plan`.
    """
    _bootstrap_rehearsal(environment, say, rehearsal)
    names, google = Clients.of(environment).names, Google()
    return _run("adopt", environment, stacks, folder, say, lambda stack: existing.adopt(stack, names, google, app.ADOPTED))


def destroy(
    environment: str, stacks: Sequence[str] = (), folder: Path = FOLDER, say: Say = on_standard_error, rehearsal: bool = False
) -> list[Result]:
    """Destroy each stack, last one first; key rings and keys stay, as Google never deletes them.

    Args:
        environment: its name.
        stacks: names such as `serving`; none means all.
        folder: working folders.
        say: where progress goes.
        rehearsal: as for `plan` and `apply`.

    Raises:
        TerraformFailed: when the environment is protected, or the stand-in would change something at Google's address.
    """
    names = Clients.of(environment).names
    if names.environment.protected:
        raise TerraformFailed(
            f"{environment} is protected, so it is not destroyed. Everything would be lost. "
            f"Whoever means it sets protected: false in environments/{environment}.yaml, and that change is reviewed."
        )

    _bootstrap_rehearsal(environment, say, rehearsal)

    def work(stack: Stack) -> Counts:
        counts = stack.plan(destroy=True)
        if counts.nothing:
            return counts
        if stack.id == names.stack("serving"):
            endpoints.undeploy(Google(), names.environment.region, [names.endpoint(task.name) for task in tasks().tasks], stack.say)
        return stack.apply(adopt=False)

    results = _run("destroy", environment, stacks, folder, say, work, rehearsal)
    if not stacks and all(result.status == "done" for result in results):
        say(f"kept: the project {names.project}, its enabled APIs, its keys, and gs://{names.state_bucket} with the history of every state")
    return results


def _bootstrap_rehearsal(environment: str, say: Say, rehearsal: bool) -> None:
    """The local Google Cloud starts empty, and nobody pays for a state bucket there."""
    if providers.rehearsed(load(environment), rehearsal, os.environ) and bootstrap(environment, lambda _: None):
        say(f"{environment} starts empty on this local Google Cloud: its state bucket was made")


def _run(
    verb: str,
    environment: str,
    stacks: Sequence[str],
    folder: Path,
    say: Say,
    work: Callable[[Stack], Counts],
    rehearsal: bool = False,
) -> list[Result]:
    with _prepared(environment, folder, say) as (run, needs):
        if unknown := sorted(set(stacks) - {_short(run.names, id_) for id_ in needs}):
            known = ", ".join(_short(run.names, id_) for id_ in needs)
            raise TerraformFailed(f"there is no stack {', '.join(unknown)} in {environment}. Nothing was changed. Use one of {known}.")
        if verb in HELD_TO_POLICIES:
            refuse_breaches(environment, run.folder)
        if verb != "validate":
            # Who is not logged in is told once, not for every stack.
            run.client.result()
        if verb in CHANGING:
            providers.refuse_stand_in(run.source, environment, providers.rehearsed(run.names.environment, rehearsal, os.environ))
        say(f"{verb} {environment} with {run.terraform.source}, {run.source.name}")
        chosen = [id_ for id_ in needs if not stacks or _short(run.names, id_) in stacks]
        after = _order(verb, chosen, needs)
        results = _in_order(after, lambda id_: _one(run, verb, id_, work), run.children)
        waiting = Result("", verb, "not started", Counts(), 0.0, run.terraform.source, run.source.name)
        return [results.get(id_) or replace(waiting, stack=id_) for id_ in after]


def _short(names: Names, stack_id: str) -> str:
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
                left = {"declared": run.declared, "state": _states(run.client.result(), run.names).get(id_)}
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
        client = pool.submit(_storage, clients)
        source, planned_only = providers.installed(variables, Path.home()), types_in(out) - table().keys()
        ready = None if source else held.enter_context(providers.stand_in(planned_only))
        made_from, needs = declared.digest(), synthesise(environment, out)
        if ready and (more := types_in(out) - table().keys()) - planned_only:
            ready = held.enter_context(providers.stand_in(more))
        source = ready() if ready else source
        assert source is not None
        variables |= source.variables
        yield Run(clients.names, out, terraform.result(), variables, source, client, Children(), say, made_from), needs


def google_errors() -> tuple[type[Exception], ...]:
    """What Google's clients and our own REST calls raise; imported when an error is at hand, since the libraries cost half a second."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from requests import RequestException

    return Refused, GoogleAPIError, GoogleAuthError, RequestException


def _storage(clients: Clients) -> "storage.Client":
    from google.auth.exceptions import DefaultCredentialsError

    try:
        return clients.storage()
    except DefaultCredentialsError as error:
        raise TerraformFailed(f"{error}\nNothing was changed. Log in: gcloud auth application-default login") from None


def synthesise(environment: str, out: Path) -> dict[str, list[str]]:
    """Write the stacks of the environment below `out`; stack id → ids of the stacks that it needs, in the order of application."""
    from infra.app import synthesise as write

    ids, made = write([environment], out), _synthesised(out)
    return {id_: made[id_] for id_ in ids}


def _synthesised(out: Path) -> dict[str, list[str]]:
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


def as_json(results: Sequence[Result]) -> str:
    """The results as one JSON document."""
    return json.dumps([asdict(result) for result in results], indent=2)
