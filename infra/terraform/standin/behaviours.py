"""The requests of the few types whose API differs: `STEPS[behaviour]` is what `types.yaml` names."""

import hashlib
import json
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from infra.terraform.rest import Refused
from infra.terraform.standin import grants
from infra.terraform.standin.steps import GENERIC, Body, Steps, Target, create, delete, read, update
from infra.terraform.standin.types import Grant, Item
from infra.terraform.standin.values import camel

# A project's parent has two attributes for one field, its billing account is another API's, and it stays readable while it is deleted.

BILLING = "https://cloudbilling.googleapis.com/v1"


def _placed(body: Body) -> tuple[Body, str | None]:
    """The body with its parent in Google's form, and the billing account."""
    account, folder, organisation = (body.pop(name, None) for name in ("billingAccount", "folderId", "orgId"))
    if folder or organisation:
        kind, number = ("folder", folder) if folder else ("organization", organisation)
        body["parent"] = {"type": kind, "id": str(number).rpartition("/")[2]}
    return body, account


def _pay(target: Target, account: str | None) -> None:
    name = f"billingAccounts/{account}" if account else ""
    target.google.call("PUT", f"{BILLING}/projects/{target.values['project_id']}/billingInfo", None, {"billingAccountName": name})


def _create_project(target: Target, body: Body) -> Body:
    body, account = _placed(body)
    made = create(target, body)
    if account:
        _pay(target, account)
    return made


def _read_project(target: Target) -> Body | None:
    body = read(target)
    if body is None or body.get("lifecycleState", "ACTIVE") != "ACTIVE":
        return None
    parent = body.get("parent", {})
    body |= {field: parent.get("id") for field, kind in (("folderId", "folder"), ("orgId", "organization")) if parent.get("type") == kind}
    billing = target.google.call("GET", f"{BILLING}/projects/{target.values['project_id']}/billingInfo")
    return body | {"billingAccount": billing.get("billingAccountName", "").rpartition("/")[2] or None}


def _update_project(target: Target, body: Body, changed: list[str]) -> Body:
    body, account = _placed(body)
    if "billingAccount" in changed:
        _pay(target, account)
    return update(target, body, changed) if set(changed) != {"billingAccount"} else {}


def _delete_project(target: Target) -> None:
    policy = target.values.get("deletion_policy") or "PREVENT"
    if policy == "PREVENT":
        raise Refused(400, "deletion_policy is PREVENT, so the project is kept; set DELETE or ABANDON and apply first")
    if policy == "DELETE":
        delete(target)


# An API exists in every project; it is switched on and off.


def _enable(target: Target, _: Body) -> Body:
    return target.call("POST", f"{target.url}:enable", None, {})


def _read_service(target: Target) -> Body | None:
    body = read(target)
    return body if body and body.get("state") == "ENABLED" else None


def _disable(target: Target) -> None:
    if target.values.get("disable_on_destroy") is not False:
        dependents = bool(target.values.get("disable_dependent_services"))
        target.call("POST", f"{target.url}:disable", None, {"disableDependentServices": dependents})


# A bucket with objects is deleted only where force_destroy says so.


def _delete_bucket(target: Target) -> None:
    if target.values.get("force_destroy"):
        query: Body = {"versions": "true"}
        while True:
            page = target.google.call("GET", f"{target.url}/o", query)
            for item in page.get("items", []):
                target.google.call("DELETE", _object_url(target.url, item["name"]), {"generation": item["generation"]})
            if "nextPageToken" not in page:
                break
            query["pageToken"] = page["nextPageToken"]
    delete(target)


def _object_url(bucket: str, name: str) -> str:
    return f"{bucket}/o/{quote(name, safe='')}"


# An object is created by its content, which travels beside its metadata.


def _create_object(target: Target, body: Body) -> Body:
    content = target.values.get("content")
    if not isinstance(content, str):
        raise Refused(400, "the stand-in makes objects of `content` alone; set that, or use the google provider")
    described = json.dumps(body).encode()
    boundary = hashlib.sha256(described + content.encode()).hexdigest()
    parts = (("application/json", described), (body.get("contentType", "text/plain"), content.encode()))
    whole = b"".join(f"--{boundary}\r\nContent-Type: {type_}\r\n\r\n".encode() + part + b"\r\n" for type_, part in parts)
    raw = (f"multipart/related; boundary={boundary}", whole + f"--{boundary}--\r\n".encode())
    upload = target.api.replace("/storage/v1", "/upload/storage/v1")
    return target.google.call("POST", f"{upload}/b/{target.values['bucket']}/o", {"uploadType": "multipart"}, raw=raw)


def _object(target: Target) -> Target:
    """The same with a name that may stand in a path."""
    return replace(target, values=target.values | {"name": quote(target.values["name"], safe="")})


# Labels of what Compute Engine cannot change otherwise are set by a request of their own.


def _relabel(target: Target, body: Body, changed: list[str]) -> Body:
    if "labels" in changed:
        now = read(target) or {}
        labels = {"labels": body.get("labels", {}), "labelFingerprint": now.get("labelFingerprint")}
        target.call("POST", f"{target.url}/setLabels", None, labels)
    others = [name for name in changed if name != "labels"]
    return update(target, body, others) if others else {}


# A job of Cloud Scheduler is switched on or off by a request that follows each change.


def _switch(target: Target) -> None:
    target.call("POST", f"{target.url}:{'pause' if target.values.get('paused') else 'resume'}", None, {})


def _create_scheduled(target: Target, body: Body) -> Body:
    made = create(target, {**body, "name": target.expand(target.type.resource)})
    _switch(target)
    return made


def _update_scheduled(target: Target, body: Body, changed: list[str]) -> Body:
    answer = update(target, body, changed)
    _switch(target)
    return answer


# An entry of a list in another resource: the whole list is read, changed and written.

_one_writer: dict[str, threading.Lock] = defaultdict(threading.Lock)


def _change_items(target: Target, change: Callable[[list[Body]], list[Body]]) -> Body:
    item = _item(target)
    with _one_writer[target.url]:
        parent = target.google.call("GET", target.url)
        return target.call("PATCH", target.url, None, {item.of: change(parent.get(item.of, []))})


def _item(target: Target) -> Item:
    if target.type.item is None:
        raise Refused(400, "types.yaml gives the behaviour `item` to a type without an `item`")
    return target.type.item


def _others(target: Target, items: list[Body]) -> list[Body]:
    key = _item(target).key
    return [item for item in items if item.get(camel(key)) != target.values[key]]


def _create_item(target: Target, body: Body) -> Body:
    return _change_items(target, lambda items: [*_others(target, items), body])


def _read_item(target: Target) -> Body | None:
    key = _item(target).key
    parent = read(target) or {}
    return next((item for item in parent.get(_item(target).of, []) if item.get(camel(key)) == target.values[key]), None)


def _update_item(target: Target, body: Body, _: list[str]) -> Body:
    return _create_item(target, body)


def _delete_item(target: Target) -> None:
    if read(target) is not None:
        _change_items(target, lambda items: _others(target, items))


# Google never deletes a key ring; of a key, every version is destroyed.


def _keep(_: Target) -> None:
    return


def _destroy_versions(target: Target) -> None:
    page = target.google.call("GET", f"{target.url}/cryptoKeyVersions")
    for version in page.get("cryptoKeyVersions", []):
        if version.get("state") not in ("DESTROYED", "DESTROY_SCHEDULED"):
            target.google.call("POST", f"{target.api}/{version['name']}:destroy", None, {})


# What is deleted can be had back for a time, and stays readable until then.


def _read_living(target: Target) -> Body | None:
    body = read(target)
    return None if body is None or "DELETE" in str(body.get("state") or body.get("lifecycleState") or "") else body


# An audit configuration is a part of the project's IAM policy: one entry a service.

PROJECT_POLICY = Grant(api="https://cloudresourcemanager.googleapis.com/v1", resource="projects/{project}", style="post")


def _audit(target: Target, entry: Body | None) -> Body:
    service = target.values["service"]

    def edit(policy: Body) -> bool:
        others = [config for config in policy.get("auditConfigs", []) if config.get("service") != service]
        policy["auditConfigs"] = [*others, *([entry] if entry else [])]
        return True

    grants.change(target.google, PROJECT_POLICY, target.expand(target.type.resource), edit)
    return {}


def _forget_audit(target: Target) -> None:
    _audit(target, None)


def _read_audit(target: Target) -> Body | None:
    policy = grants.fetch(target.google, PROJECT_POLICY, target.expand(target.type.resource))
    entries = policy.get("auditConfigs", [])
    found = next((config for config in entries if config.get("service") == target.values["service"]), None)
    return {**found, "etag": policy.get("etag")} if found else None


# An organisation policy's switches are texts in Terraform.

SWITCHES = ("enforce", "allowAll", "denyAll")


def _each_rule(body: Body, change: Callable[[Any], Any]) -> Body:
    specs = {name: body[name] for name in ("spec", "dryRunSpec") if body.get(name)}
    for name, spec in specs.items():
        rules = [{key: change(value) if key in SWITCHES else value for key, value in rule.items()} for rule in spec.get("rules", [])]
        specs[name] = {**spec, "rules": rules}
    return {**body, **specs}


def _switched(body: Body) -> Body:
    return _each_rule(body, lambda value: value == "TRUE")


def _read_policy(target: Target) -> Body | None:
    body = read(target)
    return _each_rule(body, lambda value: str(value).upper()) if body else None


# DNS records are changed in batches, and found in a list.


def _change_records(target: Target, additions: list[Body], deletions: list[Body]) -> Body:
    change = {"additions": additions, "deletions": deletions}
    return target.google.call("POST", f"{target.url}/changes", None, change)


def _read_record(target: Target) -> Body | None:
    try:
        page = target.google.call("GET", f"{target.url}/rrsets", {name: target.values[name] for name in ("name", "type")})
    except Refused as error:
        if error.status == 404:
            return None
        raise
    return next(iter(page.get("rrsets", [])), None)


def _put_record(target: Target, body: Body) -> Body:
    old = _read_record(target)
    return _change_records(target, [body], [old] if old else [])


def _delete_record(target: Target) -> None:
    if old := _read_record(target):
        _change_records(target, [], [old])


STEPS = {
    "": GENERIC,
    "project": Steps(_create_project, _read_project, _update_project, _delete_project),
    "service": Steps(create=_enable, read=_read_service, delete=_disable),
    "bucket": replace(GENERIC, delete=_delete_bucket),
    "object": Steps(
        _create_object,
        lambda target: read(_object(target)),
        lambda target, body, changed: update(_object(target), body, changed),
        lambda target: delete(_object(target)),
    ),
    "labelled": replace(GENERIC, update=_relabel),
    "scheduled": Steps(create=_create_scheduled, update=_update_scheduled),
    "item": Steps(_create_item, _read_item, _update_item, _delete_item),
    "kept": replace(GENERIC, delete=_keep),
    "restorable": replace(GENERIC, read=_read_living),
    "audit": Steps(_audit, _read_audit, lambda target, body, _: _audit(target, body), _forget_audit),
    "policy": replace(
        GENERIC,
        create=lambda target, body: create(target, _switched(body)),
        read=_read_policy,
        update=lambda target, body, changed: update(target, _switched(body), changed),
    ),
    "record": Steps(_put_record, _read_record, lambda target, body, _: _put_record(target, body), _delete_record),
    "key": replace(GENERIC, delete=_destroy_versions),
}
