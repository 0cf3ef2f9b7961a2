"""Letting a person act as the identity that applies, until a time: a conditional grant that ends by itself, told to the ledger first."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from environments import Names
from environments.clients import Clients
from infra.terraform.errors import TerraformFailed
from infra.terraform.rest import Google, Refused
from infra.terraform.standin import grants
from infra.terraform.standin.types import Grant
from releases import breakglass, ledger
from releases.breakglass import BreakGlassRefused

ROLE = "roles/iam.serviceAccountTokenCreator"
ACCOUNT = Grant(api="https://iam.googleapis.com/v1", resource="{service_account_id}", style="post")


def open_(environment: str, reason: str, hours: float, google: Google, say: Callable[[str], None]) -> None:
    """Let who is logged in act as the apply identity for some hours.

    Raises:
        BreakGlassRefused: when there is no reason, or it would be too long.
        TerraformFailed: when Google refuses the grant.
    """
    breakglass.refuse_opening(reason, hours)
    clients = Clients.of(environment)
    now = datetime.now(UTC).replace(microsecond=0)
    until = now + timedelta(hours=hours)
    person = clients.principal()
    # First the ledger: a grant that it does not know would be worse than an entry without one.
    ledger.append(clients, "break-glass", {"reason": reason.strip(), "until": until.isoformat(), "role": ROLE}, now)
    account, wanted = _account(clients.names), _grant(person, until)
    try:
        grants.change(google, ACCOUNT, account, lambda policy: grants.add(ACCOUNT, policy, wanted))
    except Refused as error:
        raise TerraformFailed(
            f"Google does not let {person} change who acts as {account}: {error}. Nothing was granted; the ledger keeps that it was asked "
            "for. Ask somebody who holds roles/iam.serviceAccountAdmin there."
        ) from None
    e_mail = clients.names.service_account("apply")
    say(f"{person} may act as {e_mail} until {until.isoformat(timespec='minutes')}, and everybody on call is told.")
    say(f"gcloud auth application-default login --impersonate-service-account={e_mail}")
    say(f"Afterwards: playbook drift --env {environment}, and another approver: playbook break-glass --env {environment} --close")


def close(environment: str, google: Google, say: Callable[[str], None]) -> None:
    """Close what is open, as who is logged in, and take away every such grant, also one that was made by hand.

    Raises:
        BreakGlassRefused: when nothing is open, or it may not be closed by this person or yet.
    """
    clients = Clients.of(environment)
    entries, person = ledger.entries(clients), clients.principal()
    found = breakglass.opened(entries)
    if not found:
        raise BreakGlassRefused(f"nothing is open in {environment}, so that there is nothing to close.")
    for one in found:
        breakglass.refuse_closing(entries, one, person, clients.names.environment)
    left = _take_away(google, _account(clients.names))
    for one in found:
        ledger.append(clients, "break-glass-closed", {"opened": one.number})
        say(f"closed: {one.by} since {one.since.isoformat(timespec='minutes')}, {one.reason}")
    if left:
        say(f"ask somebody who holds roles/iam.serviceAccountAdmin to remove what has ended by itself: {left}")


def _account(names: Names) -> str:
    return f"projects/{names.project}/serviceAccounts/{names.service_account('apply')}"


def _grant(person: str, until: datetime) -> dict[str, Any]:
    kind = "serviceAccount" if person.endswith(".gserviceaccount.com") else "user"
    ends = f'request.time < timestamp("{until.strftime("%Y-%m-%dT%H:%M:%SZ")}")'
    condition = {"title": breakglass.TITLE, "description": "Past the approvals, until it is closed", "expression": ends}
    return {"role": ROLE, "member": f"{kind}:{person}", "condition": [condition]}


def _take_away(google: Google, account: str) -> str:
    """Remove the grants; why not, where Google refuses: they end by themselves."""

    def edit(policy: grants.Policy) -> bool:
        kept = [it for it in policy.get("bindings", []) if it.get("condition", {}).get("title") != breakglass.TITLE]
        changed = bool(kept != policy.get("bindings", []))
        policy["bindings"] = kept
        return changed

    try:
        grants.change(google, ACCOUNT, account, edit)
    except Refused as error:
        if error.status != 403:
            raise
        return str(error)
    return ""
