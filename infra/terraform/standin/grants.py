"""`google_*_iam_member`: one member of one role, by reading, changing and writing the resource's IAM policy."""

import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from infra.terraform.rest import Google, Refused
from infra.terraform.standin.types import Grant

Policy = dict[str, Any]
ATTEMPTS = 8

DATASET_ROLES = {"roles/bigquery.dataViewer": "READER", "roles/bigquery.dataEditor": "WRITER", "roles/bigquery.dataOwner": "OWNER"}
"""BigQuery stores these roles by their older names."""
DATASET_MEMBERS = {"user": "userByEmail", "serviceAccount": "userByEmail", "group": "groupByEmail", "domain": "domain"}

_one_writer: dict[str, threading.Lock] = defaultdict(threading.Lock)


def create(google: Google, grant: Grant, path: str, values: dict[str, Any]) -> None:
    """Add the member to the role."""
    change(google, grant, path, lambda policy: add(grant, policy, values))


def delete(google: Google, grant: Grant, path: str, values: dict[str, Any]) -> None:
    """Take the member out of the role; a resource that is gone has no grants."""
    try:
        change(google, grant, path, lambda policy: _remove(grant, policy, values))
    except Refused as error:
        if error.status != 404:
            raise


def read(google: Google, grant: Grant, path: str, values: dict[str, Any]) -> dict[str, Any] | None:
    """The grant as it is now, or None when the member does not hold the role."""
    try:
        policy = fetch(google, grant, path)
    except Refused as error:
        if error.status == 404:
            return None
        raise
    return {"etag": policy.get("etag")} if has(grant, policy, values) else None


def change(google: Google, grant: Grant, path: str, edit: Callable[[Policy], bool]) -> None:
    """Read, change, write; again when somebody else wrote in between (409 or 412, by the policy's etag).

    Args:
        google: the session.
        grant: how the policy is read and written.
        path: what it is the policy of.
        edit: changes the policy in place, and says whether it had to.
    """
    for attempt in range(ATTEMPTS):
        with _one_writer[f"{grant.api}/{path}"]:
            policy = fetch(google, grant, path)
            if not edit(policy):
                return
            try:
                _write(google, grant, path, policy)
            except Refused as error:
                if error.status not in (409, 412) or attempt == ATTEMPTS - 1:
                    raise
            else:
                return


def fetch(google: Google, grant: Grant, path: str) -> Policy:
    """The policy as it is now."""
    url = f"{grant.api}/{path}"
    match grant.style:
        case "storage":
            return google.call("GET", f"{url}/iam", {"optionsRequestedPolicyVersion": 3})
        case "dataset":
            return google.call("GET", url)
        case "compute":
            return google.call("GET", f"{url}/getIamPolicy", {"optionsRequestedPolicyVersion": 3})
        case "get":
            return google.call("GET", f"{url}:getIamPolicy", {"options.requestedPolicyVersion": 3})
        case _:
            # The IAM API takes the version in the query, Resource Manager in the body.
            by_query = "serviceAccounts" in path
            return google.call(
                "POST",
                f"{url}:getIamPolicy",
                {"options.requestedPolicyVersion": 3} if by_query else None,
                None if by_query else {"options": {"requestedPolicyVersion": 3}},
            )


def _write(google: Google, grant: Grant, path: str, policy: Policy) -> None:
    url = f"{grant.api}/{path}"
    if grant.style == "dataset":
        google.call("PATCH", url, None, {"access": policy.get("access", []), "etag": policy.get("etag")})
        return
    policy["version"] = 3
    if grant.style == "storage":
        google.call("PUT", f"{url}/iam", None, policy)
    elif grant.style == "compute":
        google.call("POST", f"{url}/setIamPolicy", None, {"policy": policy})
    else:
        # Without the mask Resource Manager leaves the audit configuration as it is.
        mask = {"updateMask": "bindings,etag,auditConfigs"} if "auditConfigs" in policy else {}
        google.call("POST", f"{url}:setIamPolicy", None, {"policy": policy, **mask})


def _condition(values: dict[str, Any]) -> dict[str, Any] | None:
    stated = values.get("condition") or []
    return {key: value for key, value in stated[0].items() if value is not None} if stated else None


def _entry(values: dict[str, Any]) -> dict[str, Any]:
    """The grant as an entry of a dataset's access list."""
    kind, _, who = str(values["member"]).partition(":")
    role = DATASET_ROLES.get(values["role"], values["role"])
    if kind not in DATASET_MEMBERS:
        return {"role": role, "iamMember": values["member"]}
    return {"role": role, DATASET_MEMBERS[kind]: who}


def _is(access: dict[str, Any], entry: dict[str, Any]) -> bool:
    role = access.get("role")
    return all(({**access, "role": DATASET_ROLES.get(str(role), role)}).get(key) == value for key, value in entry.items())


def _binding(policy: Policy, values: dict[str, Any]) -> dict[str, Any] | None:
    """The binding of exactly this role and condition."""
    condition = _condition(values)
    return next(
        (b for b in policy.get("bindings", []) if b.get("role") == values["role"] and (b.get("condition") or None) == condition), None
    )


def has(grant: Grant, policy: Policy, values: dict[str, Any]) -> bool:
    """Whether the policy holds the grant."""
    if grant.style == "dataset":
        return any(_is(access, _entry(values)) for access in policy.get("access", []))
    binding = _binding(policy, values)
    return binding is not None and values["member"] in binding.get("members", [])


def add(grant: Grant, policy: Policy, values: dict[str, Any]) -> bool:
    """Put the grant into the policy; whether it had to change."""
    if has(grant, policy, values):
        return False
    if grant.style == "dataset":
        policy.setdefault("access", []).append(_entry(values))
    elif binding := _binding(policy, values):
        binding.setdefault("members", []).append(values["member"])
    else:
        condition = _condition(values)
        policy.setdefault("bindings", []).append(
            {"role": values["role"], "members": [values["member"]], **({"condition": condition} if condition else {})}
        )
    return True


def _remove(grant: Grant, policy: Policy, values: dict[str, Any]) -> bool:
    if not has(grant, policy, values):
        return False
    if grant.style == "dataset":
        policy["access"] = [access for access in policy["access"] if not _is(access, _entry(values))]
        return True
    if binding := _binding(policy, values):
        binding["members"].remove(values["member"])
        policy["bindings"] = [b for b in policy["bindings"] if b.get("members")]
    return True
