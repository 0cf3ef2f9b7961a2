"""From the review to the consent: keep the plans that were reviewed, and sign them, each after checking that the review is of them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from environments.clients import Clients
from infra.review.report import from_json
from infra.terraform import kept, runner, together
from infra.terraform.errors import TerraformFailed
from releases import approvals, commit, ledger
from releases.approvals import Approval
from releases.digest import Planned

REPORTS = runner.ROOT / "build" / "review"


def report_of(environment: str) -> Path:
    """Where `make diff` leaves the review of an environment."""
    return REPORTS / environment / "review.json"


def keep(
    environment: str,
    report: Path,
    stacks: Sequence[str] = (),
    folder: Path = runner.FOLDER,
    say: Callable[[str], None] = together.on_standard_error,
) -> list[together.Result]:
    """Keep the saved plans that a review is of, for whoever approves and applies them.

    Args:
        environment: its name.
        report: the review, as JSON.
        stacks: names such as `serving`; none means all.
        folder: working folders.
        say: where progress goes.

    Raises:
        TerraformFailed: when the review is not of them.
    """
    results, entry = runner.keep(
        environment, lambda planned: pinned(report, environment, planned, "Nothing was kept."), stacks, folder, say
    )
    if entry:
        say(f"kept as entry {entry.number} of the ledger of {environment}, for a day: playbook approve --env {environment} --until 8h")
    return results


def approve(
    environment: str,
    until: datetime,
    report: Path,
    stacks: Sequence[str] = (),
    folder: Path | None = None,
    say: Callable[[str], None] = together.on_standard_error,
) -> Approval:
    """Sign the plans of an environment as who is logged in.

    Args:
        environment: its name.
        until: when the approval ends.
        report: the review that the approver has read, as JSON.
        stacks: names such as `serving`; none means all.
        folder: working folders whose saved plans are approved; None takes the newest plans that were kept for that.
        say: where progress goes.

    Raises:
        TerraformFailed: when there are no plans, or the review is not of them.
        ApprovalRefused: when that person may not approve, or not this.
    """
    clients = Clients.of(environment)
    if folder is None:
        planned, makers, wanted = _kept(clients)
    else:
        planned, makers, wanted = _saved(environment, folder, say)
    chosen = {id_: plan for id_, plan in planned.items() if not stacks or id_.removeprefix(clients.names.stack("")) in stacks}
    digest = pinned(report, environment, chosen, "Nothing was signed.", wanted)
    for id_, plan in chosen.items():
        say(f"  {id_}: {plan.digest}")
    now = datetime.now(UTC).replace(microsecond=0)
    approval = approvals.approve(clients, list(chosen.values()), makers, commit.of(runner.ROOT), digest, until, now)
    ends = until.isoformat(timespec="minutes")
    say(f"{approval.by} approved {len(chosen)} plans of {environment} until {ends}. Apply them: make deploy ENV={environment}")
    return approval


def _kept(clients: Clients) -> tuple[dict[str, Planned], set[str], str]:
    """The newest plans that were kept, who made them, and the digest of their review."""
    name = clients.names.environment.name
    entry = ledger.newest(ledger.entries(clients), "plan")
    if entry is None:
        raise TerraformFailed(
            f"no plan of {name} was kept, so that there is nothing to approve. Nothing was signed. Cloud Build keeps one for each merge; "
            f"to approve what make diff ENV={name} has planned here: playbook approve --env {name} --saved"
        )
    makers = {entry.by, *(kept_["made_from"]["by"] for kept_ in entry.body["stacks"].values())}
    return kept.plans(entry), makers, str(entry.body["report"])


def _saved(environment: str, folder: Path, say: Callable[[str], None]) -> tuple[dict[str, Planned], set[str], str]:
    """The same of the plans in the working folders, whose review nobody has pinned yet."""
    results, found = runner.shown(environment, (), folder, say)
    if failed := [result.error for result in results if result.error]:
        raise TerraformFailed("\n".join(failed))
    return {id_: saved.planned for id_, saved in found.items()}, {saved.by for saved in found.values() if saved.by}, ""


def pinned(path: Path, environment: str, planned: Mapping[str, Planned], nothing: str, digest: str = "") -> str:
    """Digest of the review of these very plans.

    Args:
        path: the review, as JSON.
        environment: of the plans.
        planned: stack id → what identifies its plan.
        nothing: what was not done, where it is not the one.
        digest: that the review must have; empty where nobody has said.

    Raises:
        TerraformFailed: when there is no review, it was changed, it is of other plans, or it blocks them.
    """
    again = f"{nothing} Make it anew, and read it: make diff ENV={environment}"
    try:
        content = path.read_bytes()
        report = from_json(content)
    except FileNotFoundError:
        raise TerraformFailed(f"there is no review at {path}, so that nobody knows what would be approved. {again}") from None
    except (ValidationError, UnicodeDecodeError) as error:
        raise TerraformFailed(f"{path} is no review ({str(error).splitlines()[0]}). {again}") from None
    found = hashlib.sha256(content).hexdigest()
    if digest and found != digest:
        raise TerraformFailed(f"{path} is not the review that was kept with the plans, or was changed: its digest is {found[:12]}. {again}")
    told = {stack.id: stack.plan for stack in report.subject.stacks}
    other = sorted(id_ for id_, plan in planned.items() if told.get(id_) != plan.digest)
    if report.subject.environment != environment or report.subject.kind != "plan" or other:
        raise TerraformFailed(
            f"{path} is not the review of what would be approved: it is of {report.subject.environment or 'no environment of ours'}, and "
            f"the plans of {', '.join(other) or 'other stacks'} are others now. {again}"
        )
    if report.verdict.level == "BLOCK":
        raise TerraformFailed(
            f"the review of {environment} says BLOCK, which nobody can approve. {nothing} Mend what it names ({path}), or accept "
            "it in infra/review/accepted.yaml with a reason and an end, and plan again."
        )
    return found
