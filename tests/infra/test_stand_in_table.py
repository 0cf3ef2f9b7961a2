"""The stand-in's table against what is published: the provider's schema in the bindings, and Google's discovery documents."""

import json
import re
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from emulator.access import roles
from infra.policies.subject import SynthesisedStack
from infra.terraform.standin import schema
from infra.terraform.standin.schema import Block
from infra.terraform.standin.types import Grant, Resource, table
from infra.terraform.standin.values import has_labels, target

RESOURCES = {name: type_ for name, type_ in table().items() if isinstance(type_, Resource)}
DOCUMENTS = Path(str(metadata.distribution("google-api-python-client").locate_file("googleapiclient/discovery_cache/documents")))


@pytest.fixture(scope="session")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Block]:
    return schema.load(table(), tmp_path_factory.mktemp("schemas"))


@cache
def document(api: str) -> dict[str, Any]:
    host, _, path = api.removeprefix("https://").partition("/")
    service = host.split(".")[0].rpartition("}-")[2]
    found: dict[str, Any] = json.loads((DOCUMENTS / f"{service}.{path.rpartition('/')[2]}.json").read_text())
    return found


def methods(node: dict[str, Any]) -> list[dict[str, Any]]:
    own = list(node.get("methods", {}).values())
    return own + [method for child in node.get("resources", {}).values() for method in methods(child)]


def shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path.removeprefix("dns/").removeprefix("v1/").removeprefix("v2/").removeprefix("v3/"))


def method(api: str, verb: str, path: str) -> dict[str, Any]:
    """The published method behind a path of the table."""
    wanted = shape(
        path.replace("{key_ring}", "projects/{}/locations/{}/keyRings/{}")
        .replace("{parent}", "projects/{}")
        .replace("locations/global", "locations/{}")
    )
    for candidate in methods(document(api)):
        if candidate["httpMethod"] == verb and shape(candidate.get("flatPath", candidate["path"])) == wanted:
            return candidate
    raise AssertionError(f"{verb} {path} is in no discovery document of {api}")


def test_every_declared_type_can_be_applied(stacks: dict[str, SynthesisedStack]) -> None:
    declared = {resource.type for stack in stacks.values() for resource in stack.resources}
    assert declared <= table().keys()


def test_the_emulator_knows_every_role_that_is_granted(stacks: dict[str, SynthesisedStack]) -> None:
    granted = {str(resource.body["role"]) for stack in stacks.values() for resource in stack.resources if "role" in resource.body}
    assert len(granted) > 10
    # What Google's own agents may do is decided at Google: here they ask for nothing.
    ours = {role.removeprefix("roles/") for role in granted if role.startswith("roles/") and not role.endswith(".serviceAgent")}
    assert ours - roles.table().keys() == set()


@pytest.mark.parametrize("name", RESOURCES)
def test_the_table_names_attributes_that_the_provider_has(name: str, schemas: dict[str, Block]) -> None:
    type_, block = RESOURCES[name], schemas[name]

    def has(path: str) -> bool:
        *blocks, last = path.split(".")
        here = block
        for part in blocks:
            here = here.blocks[part].block
        return last in here.attributes or last in here.blocks

    words = re.findall(
        r"\{(\w+)\}", " ".join([type_.resource, type_.id, type_.create.path, *type_.create.query.values(), *type_.delete.values()])
    )
    named = [*type_.body, *type_.immutable, *type_.json, *type_.short, *type_.keyed, *type_.constants, *type_.outputs, *words]
    assert [path for path in named if not has(path)] == []


@pytest.mark.parametrize(
    "name", [name for name, type_ in RESOURCES.items() if type_.behaviour not in ("service", "item", "audit", "record")]
)
def test_what_is_sent_fits_googles_discovery_document(name: str, schemas: dict[str, Block]) -> None:
    type_, block = RESOURCES[name], schemas[name]
    create = method(type_.api, type_.create.method, type_.create.path)
    assert type_.create.query.keys() <= create["parameters"].keys()
    published = document(type_.api)["schemas"]
    body = published[create["request"]["$ref"]]
    if type_.create.wrap:
        assert type_.create.fields.keys() <= body["properties"].keys()
        body = published[body["properties"][type_.create.wrap]["$ref"]]

    apart = {"google_project": ("folder_id", "org_id", "billing_account")}.get(name, ())

    def fields(block: Block, body: dict[str, Any], prefix: str) -> list[str]:
        missing = []
        for attribute in block.attributes:
            where = target(type_, f"{prefix}{attribute}")
            sent = block.attributes[attribute].required or block.attributes[attribute].optional
            if (
                where
                and sent
                and attribute not in apart
                and not (attribute == "labels" and has_labels(block))
                and resolve(body, where) is None
            ):
                missing.append(f"{prefix}{attribute} → {where}")
        for inner, nested in block.blocks.items():
            where = target(type_, f"{prefix}{inner}")
            found = resolve(body, where) if where else None
            if where and found is None:
                missing.append(f"{prefix}{inner} → {where}")
            elif found is not None:
                missing += fields(nested.block, found, f"{prefix}{inner}.")
        return missing

    def resolve(body: dict[str, Any], where: str) -> dict[str, Any] | None:
        here: dict[str, Any] | None = body
        for part in where.split("."):
            here = (here or {}).get("properties", {}).get(part)
            while here and ("$ref" in here or here.get("type") == "array" or "additionalProperties" in here):
                here = published[here["$ref"]] if "$ref" in here else here.get("items") or here.get("additionalProperties")
        return here

    assert "; ".join(fields(block, body, "")) == ""


@pytest.mark.parametrize("name", [name for name, type_ in table().items() if isinstance(type_, Grant) and type_.style in ("get", "post")])
def test_policies_are_read_and_written_as_published(name: str) -> None:
    grant = table()[name]
    assert isinstance(grant, Grant)
    published = {shape(m.get("flatPath", m["path"])) for m in methods(document(grant.api))}
    path = {
        "{service_account_id}": "projects/{}/serviceAccounts/{}",
        "{crypto_key_id}": "projects/{}/locations/{}/keyRings/{}/cryptoKeys/{}",
    }
    wanted = shape(path.get(grant.resource, grant.resource))
    assert {f"{wanted}:getIamPolicy", f"{wanted}:setIamPolicy"} <= published
