"""The requests behind create, read, update and delete: the generic ones, and those of the few types whose API differs.

`STEPS[behaviour]` is what `types.yaml` names; a step that a behaviour does not replace is the generic one.
"""

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from infra.terraform.rest import Google, Refused
from infra.terraform.standin.types import Item, Resource
from infra.terraform.standin.values import camel

Body = dict[str, Any]
Values = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """The resource that a step works on.

    Attributes:
        google: the session.
        type: entry of the table.
        values: Terraform's values, with the provider's project and region filled in.
    """

    google: Google
    type: Resource
    values: Values

    def expand(self, template: str) -> str:
        """`template` with {words} replaced by values; booleans in JSON's spelling.

        Raises:
            Refused: when a value is missing.
        """
        try:
            words = {
                name: str(value).lower() if isinstance(value, bool) else value for name, value in self.values.items() if value is not None
            }
            return template.format_map(words)
        except KeyError as missing:
            raise Refused(
                400, f"{missing.args[0]!r} is neither set on the resource nor on the provider, so {template} cannot be addressed; set it"
            ) from None

    @property
    def api(self) -> str:
        """Address of the API."""
        return self.expand(self.type.api)

    @property
    def url(self) -> str:
        """Address of the resource."""
        return f"{self.api}/{self.expand(self.type.resource)}"

    def call(self, method: str, url: str, query: Body | None = None, body: Any = None) -> Body:
        """One request, and its operation waited for."""
        return self.google.finished(self.api, self.google.call(method, url, query, body))


def create(target: Target, body: Body) -> Body:
    """Send the creating request."""
    how = target.type.create
    if how.wrap:
        body = {how.wrap: body}
    body |= {name: target.expand(template) for name, template in how.fields.items()}
    query = {name: target.expand(template) for name, template in how.query.items()}
    return target.call(how.method, f"{target.api}/{target.expand(how.path)}", query, body)


def read(target: Target) -> Body | None:
    """The resource as Google has it; None when it is gone."""
    try:
        return target.google.call("GET", target.url)
    except Refused as error:
        if error.status == 404:
            return None
        raise


def update(target: Target, body: Body, changed: list[str]) -> Body:
    """Send what changed: `changed` are fields of the body, absent from it when they were taken away."""
    how = target.type.update
    if how is None:
        raise Refused(400, "this type has no change in place")
    if how.method == "PUT":
        return target.call("PUT", target.url, None, (read(target) or {}) | body)
    sent: Body = {name: body.get(name) for name in changed}
    if how.mask:
        sent = {name: value for name, value in sent.items() if value is not None}
    if how.carry:
        now = read(target) or {}
        sent |= {name: now[name] for name in how.carry if name in now}
    mask = ",".join(changed)
    if how.mask == "body":
        return target.call(how.method, target.url, None, {how.wrap: _named(target, sent), "updateMask": mask})
    return target.call(how.method, target.url, {"updateMask": mask} if how.mask else None, sent)


def _named(target: Target, body: Body) -> Body:
    """Where the mask stands in the body, the resource inside it carries its own name."""
    return {"name": target.expand(target.type.resource), **body}


def delete(target: Target) -> None:
    """Send the deleting request; a resource that is gone already is no error."""
    stated = {name: target.values.get(template.strip("{}")) for name, template in target.type.delete.items()}
    query = {name: str(value).lower() for name, value in stated.items() if value is not None}
    try:
        target.call("DELETE", target.url, query)
    except Refused as error:
        if error.status != 404:
            raise


@dataclass(frozen=True)
class Steps:
    """The four requests of a type."""

    create: Callable[[Target, Body], Body] = create
    read: Callable[[Target], Body | None] = read
    update: Callable[[Target, Body, list[str]], Body] = update
    delete: Callable[[Target], None] = delete


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


GENERIC = Steps()
STEPS = {
    "": GENERIC,
    "project": Steps(_create_project, _read_project, _update_project, _delete_project),
    "service": Steps(create=_enable, read=_read_service, delete=_disable),
    "bucket": replace(GENERIC, delete=_delete_bucket),
    "item": Steps(_create_item, _read_item, _update_item, _delete_item),
    "kept": replace(GENERIC, delete=_keep),
    "key": replace(GENERIC, delete=_destroy_versions),
}
