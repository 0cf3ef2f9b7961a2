"""The four requests behind a resource: create, read, update and delete, as the table describes them for most types.

A step that the `behaviour` of a type does not replace is the generic one; see `behaviours.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.terraform.rest import Google, Refused
from infra.terraform.standin.types import Resource

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
        kept = {name: value for name, value in (read(target) or {}).items() if name not in changed}
        return target.call("PUT", target.url, None, kept | body)
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


GENERIC = Steps()
