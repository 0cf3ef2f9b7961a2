"""IAM: a service account is known by its e-mail, also by its number and under `projects/-`."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from emulator.access.policies import POLICIES
from emulator.behaviours import Call, Json, Refusal, Response, completes, on
from emulator.clock import number
from emulator.engines import entries

if TYPE_CHECKING:
    from emulator.cloud import Cloud


@completes("iam", "ServiceAccount")
def service_account(call: Call, cloud: Cloud, name: str, account: Json) -> None:
    """The e-mail is made of account id and project; the resource is stored under it."""
    if call.verb != "create":
        return
    account["email"] = f"{name.rpartition('/')[2]}@{call.project}.iam.gserviceaccount.com"
    account["name"] = f"projects/{call.project}/serviceAccounts/{account['email']}"
    account["uniqueId"] = account.get("uniqueId") or number()
    account["oauth2ClientId"] = account["uniqueId"]


@on(
    "iam",
    "projects.serviceAccounts.get",
    "projects.serviceAccounts.patch",
    "projects.serviceAccounts.delete",
    "projects.serviceAccounts.getIamPolicy",
    "projects.serviceAccounts.testIamPermissions",
)
async def known_by_any_name(call: Call, cloud: Cloud) -> Json | Response:
    """The generic rule under the account's proper name."""
    return await cloud.resources.default(replace(call, name=proper(call, cloud)))


@on("iam", "projects.serviceAccounts.setIamPolicy")
async def set_policy(call: Call, cloud: Cloud) -> Json | Response:
    """The generic rule, which the audit log of the project tells with what it changed."""
    name, policies = proper(call, cloud), cloud.store.of(POLICIES)
    place = f"{call.service}/{name}"
    before = policies.get(place) or {}
    answer = await cloud.resources.default(replace(call, name=name))
    entries.write(cloud, [_audited(call, cloud.resources.load(call, name), _deltas(before, policies.get(place) or {}))])
    return answer


def _audited(call: Call, account: Json, deltas: list[Json]) -> Json:
    """The entry for a policy of a service account (https://cloud.google.com/iam/docs/audit-logging/examples-service-accounts)."""
    resource = f"projects/-/serviceAccounts/{account['uniqueId']}"
    return {
        "logName": f"projects/{account['projectId']}/logs/cloudaudit.googleapis.com%2Factivity",
        "severity": "NOTICE",
        "resource": {
            "type": "service_account",
            "labels": {"email_id": account["email"], "project_id": account["projectId"], "unique_id": account["uniqueId"]},
        },
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "serviceName": "iam.googleapis.com",
            "methodName": "google.iam.admin.v1.SetIAMPolicy",
            "resourceName": resource,
            "authenticationInfo": {"principalEmail": call.identity},
            "authorizationInfo": [{"resource": resource, "permission": "iam.serviceAccounts.setIamPolicy", "granted": True}],
            "serviceData": {
                "@type": "type.googleapis.com/google.iam.v1.logging.AuditData",
                "policyDelta": {"bindingDeltas": deltas} if deltas else {},
            },
        },
    }


def _deltas(before: Json, after: Json) -> list[Json]:
    """Which grants a policy lost and gained, one for each role, member and condition."""
    lost, gained = _grants(before), _grants(after)
    changes = [("REMOVE", grant) for grant in lost if grant not in gained] + [("ADD", grant) for grant in gained if grant not in lost]
    return [{"action": action, **grant} for action, grant in changes]


def _grants(policy: Json) -> list[Json]:
    return [
        {"role": binding["role"], "member": member, **({"condition": binding["condition"]} if "condition" in binding else {})}
        for binding in policy.get("bindings", [])
        for member in binding.get("members", [])
    ]


@on("iam", "projects.serviceAccounts.enable", "projects.serviceAccounts.disable")
async def switch(call: Call, cloud: Cloud) -> Json:
    """A disabled account keeps its grants."""
    name = proper(call, cloud)
    account = cloud.resources.load(call, name)
    cloud.store.of("iam").put(name, "ServiceAccount", {**account, "disabled": call.verb == "disable"})
    return {}


@on("iam", "projects.serviceAccounts.keys.create")
async def create_key(call: Call, cloud: Cloud) -> Json:
    """A key; its private half is the one that this emulator accepts for all."""
    account = cloud.resources.load(call, proper(replace(call, name=call.name.removesuffix("/keys")), cloud))
    key = json.loads((cloud.state / "key.json").read_text())
    key |= {"client_email": account["email"], "project_id": account["projectId"]}
    name = f"{account['name']}/keys/{number()}"
    kept = {"name": name, "keyAlgorithm": "KEY_ALG_RSA_2048", "keyType": "USER_MANAGED", "privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE"}
    cloud.store.of("iam").put(name, "ServiceAccountKey", kept)
    return {**kept, "privateKeyData": base64.b64encode(json.dumps(key).encode()).decode()}


def proper(call: Call, cloud: Cloud) -> str:
    """`projects/P/serviceAccounts/E-MAIL` of the account that the call names in whatever way."""
    parts = call.name.split("/")
    account = parts[3]
    if parts[1] != "-" and "@" in account:
        return call.name
    for row in cloud.store.of("iam").list("" if parts[1] == "-" else f"projects/{parts[1]}/serviceAccounts", "ServiceAccount"):
        if account in (row["email"], row["uniqueId"]):
            return str(row["name"])
    raise Refusal(404, "NOT_FOUND", f"Unknown service account: {account}.")
