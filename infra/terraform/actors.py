"""Who plans and applies: two identities, the pool through which GitHub becomes them, and what they may do before the first stack is there.

The foundation stack declares the same and adopts it. Only the right to the state bucket is ours alone, since no stack owns that.
"""

from collections.abc import Iterator
from typing import Any

from environments import Names
from environments.names import Duty
from infra import github
from infra.duties import BOOTSTRAPPED, DUTIES
from infra.terraform.rest import Google, Refused
from infra.terraform.standin import grants
from infra.terraform.standin.types import Grant
from infra.terraform.step import MISSING, Step, found

IAM = "https://iam.googleapis.com/v1"
PROJECT = Grant(api="https://cloudresourcemanager.googleapis.com/v1", resource="projects/{project}", style="post")
BUCKET = Grant(api="https://storage.googleapis.com/storage/v1", resource="b/{bucket}", style="storage")
LOCKS = {
    "title": "locks only",
    "description": "A plan takes the lock, and must not be able to write a state",
    "expression": "resource.name.endsWith('/default.tflock')",
}


def steps(names: Names, google: Google) -> Iterator[Step]:
    """Accounts, pool and grants."""
    for duty in BOOTSTRAPPED:
        yield _account(names, google, duty)
    federation = names.environment.federation
    if federation.mode == "create":
        pools = f"{IAM}/projects/{names.project}/locations/global/workloadIdentityPools"
        described = {"displayName": github.DISPLAY_NAME, "description": github.DESCRIPTION}
        yield _made(google, pools, "workloadIdentityPoolId", names.workload_identity_pool_id, "federation pool", described)
        trusted = {
            "displayName": github.DISPLAY_NAME,
            "attributeMapping": github.MAPPING,
            "attributeCondition": github.condition(federation.repository),
            "oidc": {"issuerUri": github.ISSUER},
        }
        providers = f"{pools}/{names.workload_identity_pool_id}/providers"
        yield _made(google, providers, "workloadIdentityPoolProviderId", github.PROVIDER, "federation provider", trusted)
    for duty in BOOTSTRAPPED:
        wanted = [{"role": role, "member": _member(names, duty)} for role in DUTIES[duty].roles]
        yield granted(google, f"roles of {names.service_account_id(duty)}", PROJECT, f"projects/{names.project}", wanted)
        account = Grant(api=IAM, resource="{service_account_id}", style="post")
        becomes = [{"role": "roles/iam.workloadIdentityUser", "member": who} for who in github.principals(names).get(duty, {}).values()]
        path = f"projects/{names.project}/serviceAccounts/{names.service_account(duty)}"
        yield granted(google, f"workflows that are {names.service_account_id(duty)}", account, path, becomes)
    states: list[dict[str, Any]] = [
        {"role": "roles/storage.objectViewer", "member": _member(names, "plan")},
        {"role": "roles/storage.objectUser", "member": _member(names, "plan"), "condition": [LOCKS]},
    ]
    yield granted(google, "states that plans read", BUCKET, f"b/{names.state_bucket}", states)


def _member(names: Names, duty: Duty) -> str:
    return f"serviceAccount:{names.service_account(duty)}"


def _account(names: Names, google: Google, duty: Duty) -> Step:
    accounts = f"{IAM}/projects/{names.project}/serviceAccounts"
    id_ = names.service_account_id(duty)
    account = {"displayName": id_, "description": DUTIES[duty].description}

    def make() -> None:
        google.call("POST", accounts, None, {"accountId": id_, "serviceAccount": account})

    return Step(f"identity {id_}", lambda: "" if found(google, f"{accounts}/{names.service_account(duty)}") else MISSING, make)


def _made(google: Google, collection: str, parameter: str, id_: str, what: str, body: dict[str, Any]) -> Step:
    def make() -> None:
        google.finished(IAM, google.call("POST", collection, {parameter: id_}, body))

    return Step(f"{what} {id_}", lambda: "" if found(google, f"{collection}/{id_}") else MISSING, make)


def granted(google: Google, what: str, grant: Grant, path: str, wanted: list[dict[str, Any]]) -> Step:
    """Grants on one resource, beside those that are there."""

    def lacking() -> str:
        try:
            policy = grants.fetch(google, grant, path)
        except Refused as error:
            if error.status not in (403, 404):
                raise
            policy = {}
        missing = [values["role"] for values in wanted if not grants.has(grant, policy, values)]
        return f"to be granted: {', '.join(dict.fromkeys(missing))}" if missing else ""

    def edit(policy: grants.Policy) -> bool:
        added = [grants.add(grant, policy, values) for values in wanted]
        return any(added)

    def make() -> None:
        grants.change(google, grant, path, edit)

    return Step(what, lacking, make)
