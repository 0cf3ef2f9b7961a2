"""The verbs over the stacks of an environment: what each does to one stack, and what is told of it afterwards."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from environments import load, load_all, tasks
from environments.clients import Clients
from infra import app
from infra.synthesis import declared
from infra.terraform import approved, binary, endpoints, existing, groundwork, kept, providers
from infra.terraform.errors import TerraformFailed
from infra.terraform.rest import Google, Refused
from infra.terraform.stack import APPLIED, Counts, Origin, Stack
from infra.terraform.together import Result, Say, google_errors, on_standard_error, run_all, short, states, storage_of, synthesised
from releases import commit, ledger
from releases.digest import Planned
from releases.ledger import Entry, LedgerError

if TYPE_CHECKING:
    pass

FOLDER = providers.STATE / "terraform"
ROOT = providers.STATE.parent


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

    return run_all("validate", environment, stacks, folder, say, work)


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
    return run_all(verb, environment, stacks, folder, say, lambda stack: stack.plan(say_changes=True, origin=origin))


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

    results = run_all("show", environment, stacks, folder, say, work)
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

    results = run_all("keep", environment, stacks, folder, say, work)
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
            return run_all("apply", environment, stacks, folder, say, lambda stack: approved.apply(gate, stack), rehearsal)

    def work(stack: Stack) -> Counts:
        counts = stack.planned() if protected else stack.plan()
        return counts if counts.nothing else stack.apply(adopt=not protected)

    results = run_all("apply", environment, stacks, folder, say, work, rehearsal)
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
    ids = [id_ for id_ in synthesised(out) if not stacks or short(clients.names, id_) in stacks]
    source = providers.installed(binary.environment(os.environ), Path.home())
    # Another provider may do something else with the same configuration.
    same = {"declared": declared.digest(), "provider": source.name if source else providers.stand_in_name()}
    if not ids or any(id_ not in last or not same.items() <= last[id_].items() for id_ in ids):
        return None
    now = states(storage_of(clients), clients.names)
    if any(last[id_]["state"] is None or now.get(id_) != last[id_]["state"] for id_ in ids):
        return None
    return [Result(id_, "apply", "done", Counts(), 0.0, last[id_]["terraform"], last[id_]["provider"]) for id_ in ids]


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
    return run_all("adopt", environment, stacks, folder, say, lambda stack: existing.adopt(stack, names, google, app.ADOPTED))


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

    results = run_all("destroy", environment, stacks, folder, say, work, rehearsal)
    if not stacks and all(result.status == "done" for result in results):
        say(f"kept: the project {names.project}, its enabled APIs, its keys, and gs://{names.state_bucket} with the history of every state")
    return results


def _bootstrap_rehearsal(environment: str, say: Say, rehearsal: bool) -> None:
    """The local Google Cloud starts empty, and nobody pays for a state bucket there."""
    if providers.rehearsed(load(environment), rehearsal, os.environ) and bootstrap(environment, lambda _: None):
        say(f"{environment} starts empty on this local Google Cloud: its state bucket was made")
