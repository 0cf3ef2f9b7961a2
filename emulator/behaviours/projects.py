"""Projects and what hangs on them: Resource Manager, Service Usage, Cloud Billing."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from emulator.access.policies import POLICIES
from emulator.behaviours import Call, Json, Refusal, Response, on, refuses, route
from emulator.operations import GLANCE_SECONDS
from emulator.projects import ENABLED_AT_BIRTH, project_number
from emulator.quotas import of_vertex

if TYPE_CHECKING:
    from emulator.cloud import Cloud

PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
AGENTS = {"compute": "compute-system", "dataflow": "dataflow-service-producer-prod", "run": "serverless-robot-prod"}
"""Services whose agent's domain is not `gcp-sa-SERVICE`."""
PROBE = "00000000000"
"""Terraform's provider asks for a service of this project and must be refused: an answer makes it panic."""


def _v1(project: Json) -> Json:
    """A project as version 1 of Resource Manager shows it."""
    state = {"ACTIVE": "ACTIVE", "DELETE_REQUESTED": "DELETE_REQUESTED"}[project["state"]]
    shown: Json = {key: project[key] for key in ("projectId", "projectNumber", "createTime", "labels", "parent") if key in project}
    return {**shown, "name": project.get("displayName", project["projectId"]), "lifecycleState": state}


def _v3(project: Json) -> Json:
    """A project as version 3 shows it."""
    shown: Json = {key: project[key] for key in ("projectId", "state", "createTime", "labels") if key in project}
    parent = project.get("parent", {"type": "organization", "id": "0"})
    owner = f"{parent['type']}s/{parent['id']}"
    return {
        **shown,
        "name": f"projects/{project['projectNumber']}",
        "displayName": project.get("displayName", project["projectId"]),
        "parent": owner,
    }


def _shown(call: Call, project: Json) -> Json:
    return _v1(project) if call.version == "v1" else _v3(project)


def _parent(call: Call) -> Json:
    """The field `parent` as version 1 writes it, where the request has one: version 3 writes `folders/1`."""
    parent = call.body.get("parent")
    if not parent:
        return {}
    if isinstance(parent, str):
        kind, _, number = parent.partition("/")
        parent = {"type": kind.removesuffix("s"), "id": number}
    if parent.get("type") not in ("organization", "folder") or not parent.get("id"):
        raise Refusal(400, "INVALID_ARGUMENT", "The parent of a project is organizations/NUMBER or folders/NUMBER. Nothing was changed.")
    return {"parent": parent}


@on("cloudresourcemanager", "projects.create")
async def create(call: Call, cloud: Cloud) -> Json:
    """Project ids are taken for ever, in the whole world."""
    project = call.body.get("projectId", "")
    if not PROJECT.fullmatch(project):
        message = f"'{project[:80]}' is no project id: 6 to 30 lower-case letters, digits and hyphens, a letter first. Nothing was made."
        raise Refusal(400, "INVALID_ARGUMENT", message)
    if cloud.projects.existing(project) is not None:
        raise Refusal(409, "ALREADY_EXISTS", f"Requested entity already exists: project '{project}'. Choose another id.")
    display = call.body.get("displayName" if call.version == "v3" else "name", project)
    fields = {"displayName": display, "labels": call.body.get("labels", {}), **_parent(call)}
    kept = cloud.projects.keep(project, fields)
    for service in ENABLED_AT_BIRTH:
        cloud.projects.switch(project, f"{service}.googleapis.com", "ENABLED")
    return cloud.operations.done(call, _shown(call, kept), "Project")


@on("cloudresourcemanager", "projects.get")
async def get(call: Call, cloud: Cloud) -> Json:
    """The project, by id or number."""
    return _shown(call, cloud.projects.get(call.project))


@on("cloudresourcemanager", "projects.list", "projects.search")
async def listed(call: Call, cloud: Cloud) -> Json:
    """All projects that were ever named here."""
    return {"projects": [_shown(call, project) for project in cloud.store.of("cloudresourcemanager").list("projects", "Project")]}


@on("cloudresourcemanager", "projects.update", "projects.patch")
async def update(call: Call, cloud: Cloud) -> Json:
    """Name, labels and parent can be changed."""
    kept = cloud.projects.get(call.project)
    display = call.body.get("displayName" if call.version == "v3" else "name")
    changed: Json = {**kept, **({"labels": call.body["labels"]} if "labels" in call.body else {}), **_parent(call)}
    changed = cloud.projects.keep(call.project, {**changed, **({"displayName": display} if display else {})})
    return _v1(changed) if call.version == "v1" else cloud.operations.done(call, _v3(changed), "Project")


refuses(
    "cloudresourcemanager",
    "projects.delete",
    "projects.undelete",
    because="The local Google Cloud deletes no project. Delete what is in it, or begin with an empty state folder.",
)


@on("serviceusage", "services.get", "services.enable", "services.disable")
async def service(call: Call, cloud: Cloud) -> Json:
    """One service of a project."""
    if call.project == PROBE:
        raise Refusal(403, "", f"Permission denied on resource project {PROBE}.")
    name = call.name.rpartition("/")[2]
    if call.verb == "get":
        return cloud.projects.service(call.project, name)
    switched = cloud.projects.switch(call.project, name, "ENABLED" if call.verb == "enable" else "DISABLED")
    result = "EnableServiceResponse" if call.verb == "enable" else "DisableServiceResponse"
    return cloud.operations.done(call, {"service": switched}, f"google.api.serviceusage.v1.{result}")


@on("serviceusage", "services.batchEnable")
async def batch_enable(call: Call, cloud: Cloud) -> Json:
    """Several services at once."""
    services = call.body.get("serviceIds", [])
    switched = [cloud.projects.switch(call.project, service, "ENABLED") for service in services]
    return cloud.operations.done(call, {"services": switched}, "google.api.serviceusage.v1.BatchEnableServicesResponse")


@on("serviceusage", "services.batchGet")
async def batch_get(call: Call, cloud: Cloud) -> Json:
    """Several services, by `names=projects/P/services/S`."""
    return {"services": [cloud.projects.service(call.project, name.rpartition("/")[2]) for name in call.query.get("names", [])]}


@on("serviceusage", "services.list")
async def list_services(call: Call, cloud: Cloud) -> Json:
    """The services that were switched; with the filter `state:ENABLED`, those that are enabled."""
    rows = cloud.projects.services(call.project)
    wanted = call.one("filter").partition(":")[2]
    return {"services": [row for row in rows if not wanted or row["state"] == wanted]}


@on("serviceusage", "services.consumerQuotaMetrics.list")
async def quota_metrics(call: Call, cloud: Cloud) -> Json:
    """The limits of an API, as far as they are known here."""
    service = call.name.removesuffix("/consumerQuotaMetrics")
    return {"metrics": of_vertex(service) if service.endswith("/aiplatform.googleapis.com") else []}


@on("serviceusage", "services.generateServiceIdentity")
async def service_agent(call: Call, cloud: Cloud) -> Json:
    """The identity under which a service works in the project; made once, and the same ever after."""
    service = call.name.rpartition("/")[2].removesuffix(".googleapis.com")
    number = cloud.projects.get(call.project)["projectNumber"]
    email = f"service-{number}@{AGENTS.get(service, f'gcp-sa-{service}')}.iam.gserviceaccount.com"
    identity = {"email": email, "uniqueId": project_number(email)}
    return cloud.operations.done(call, identity, "google.api.serviceusage.v1beta1.ServiceIdentity")


@on("cloudresourcemanager", "projects.setIamPolicy")
async def set_policy(call: Call, cloud: Cloud) -> Json | Response:
    """The audit configuration stays as it is unless the mask names it."""
    if "auditConfigs" in call.body.get("updateMask", ""):
        return await cloud.resources.default(call)
    kept = cloud.store.of(POLICIES).get(f"{call.service}/{call.name}") or {}
    policy = {key: value for key, value in call.body.get("policy", {}).items() if key != "auditConfigs"}
    if "auditConfigs" in kept:
        policy["auditConfigs"] = kept["auditConfigs"]
    return await cloud.resources.default(replace(call, body={**call.body, "policy": policy}))


@on("cloudbilling", "projects.getBillingInfo", "projects.updateBillingInfo")
async def billing(call: Call, cloud: Cloud) -> Json:
    """Billing of a project: always there, empty until it is set."""
    name = f"projects/{call.project}/billingInfo"
    kept = cloud.store.of("cloudbilling")
    info = kept.get(name) or {}
    if call.verb == "updateBillingInfo":
        info = kept.put(name, "ProjectBillingInfo", {"billingAccountName": call.body.get("billingAccountName", "")})
    account = info.get("billingAccountName", "")
    return {"name": name, "projectId": call.project, "billingAccountName": account, "billingEnabled": bool(account)}


@route(r"longrunning\.googleapis\.com", "GET", r"/v1/(?P<name>.+)")
async def operation(call: Call, cloud: Cloud) -> Json:
    """An operation of any API: this is how the gRPC bridge reads them."""
    name = call.params["name"]
    if name.endswith("/operations"):
        return {"operations": cloud.operations.list(name)}
    return await cloud.operations.get(name, GLANCE_SECONDS)


@route(r"longrunning\.googleapis\.com", "POST", r"/v1/(?P<name>.+):cancel")
async def cancel_operation(call: Call, cloud: Cloud) -> Json:
    """Cancels an operation of any API."""
    cloud.operations.cancel(call.params["name"])
    return {}
