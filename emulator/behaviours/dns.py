"""Cloud DNS: a zone is born with two records of its own, records are changed in batches, and a zone goes after its records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, Response, completes, on
from emulator.clock import now, number

if TYPE_CHECKING:
    from emulator.cloud import Cloud

OWN = ("SOA", "NS")
"""Types of the two records at a zone's name that are Google's."""


@completes("dns", "ManagedZone")
def zone(call: Call, cloud: Cloud, name: str, resource: Json) -> None:
    """A zone knows its name servers, and holds its two records."""
    if call.verb != "create":
        return
    if not resource.get("dnsName", "").endswith("."):
        raise Refusal(400, "INVALID_ARGUMENT", f"'{resource.get('dnsName', '')}' is no DNS name: it ends with a dot. Nothing was made.")
    resource |= {"nameServers": ["ns-gcp-private.googledomains.com."], "creationTime": now()}
    soa = "ns-gcp-private.googledomains.com. cloud-dns-hostmaster.google.com. 1 21600 3600 259200 300"
    for type_, data in (("SOA", [soa]), ("NS", resource["nameServers"])):
        _put(cloud, name, {"name": resource["dnsName"], "type": type_, "ttl": 21600, "rrdatas": data})


@on("dns", "managedZones.delete")
async def delete_zone(call: Call, cloud: Cloud) -> Json | Response:
    """A zone with records of its owner's is kept."""
    left = [row for row in _records(cloud, call.name) if row.get("type") not in OWN]
    if left:
        message = f"The resource '{call.name}' still contains records, e.g. {left[0].get('name')} {left[0].get('type')}. Delete them first."
        raise Refusal(400, "FAILED_PRECONDITION", message, reason="containerNotEmpty")
    return await cloud.resources.default(call)


@on("dns", "changes.create")
async def change(call: Call, cloud: Cloud) -> Json:
    """All of a change is done, or nothing: a deletion must name what is there, an addition what is not."""
    zone_name = call.name.removesuffix("/changes")
    cloud.resources.load(call, zone_name)
    records = {_key(row): row for row in _records(cloud, zone_name)}
    for row in call.body.get("deletions", []):
        found = records.pop(_key(row), None)
        if found is None or {**found, **row} != found:
            raise Refusal(
                404, "NOT_FOUND", f"The record {row.get('name')} {row.get('type')} is not as the change says. Nothing was changed."
            )
    for row in call.body.get("additions", []):
        if _key(row) in records:
            message = f"The record {row.get('name')} {row.get('type')} already exists. Nothing was changed."
            raise Refusal(409, "ALREADY_EXISTS", message, reason="alreadyExists")
        records[_key(row)] = row
    with cloud.store.transaction():
        for row in _records(cloud, zone_name):
            if _key(row) not in records:
                cloud.store.of("dns").delete(_path(zone_name, row))
        for row in records.values():
            _put(cloud, zone_name, row)
    done = {**call.body, "kind": "dns#change", "id": number(), "startTime": now(), "status": "done"}
    # Terraform's provider asks for it once more before it believes that it is done.
    return cloud.store.of("dns").put(f"{call.name}/{done['id']}", "Change", done)


@on("dns", "resourceRecordSets.list")
async def list_records(call: Call, cloud: Cloud) -> Json:
    """Records of a zone, by name and type where the request gives them."""
    zone_name = call.name.removesuffix("/rrsets")
    cloud.resources.load(call, zone_name)
    wanted = {key: call.one(key) for key in ("name", "type") if call.one(key)}
    rows = [row for row in _records(cloud, zone_name) if all(row[key] == value for key, value in wanted.items())]
    return {"kind": "dns#resourceRecordSetsListResponse", "rrsets": rows}


def _key(record: Json) -> tuple[str, str]:
    return record.get("name", ""), record.get("type", "")


def _path(zone_name: str, record: Json) -> str:
    return f"{zone_name}/rrsets/{record['name']}/{record['type']}"


def _records(cloud: Cloud, zone_name: str) -> list[Json]:
    return [row for _, row in cloud.store.of("dns").under(zone_name, "ResourceRecordSet")]


def _put(cloud: Cloud, zone_name: str, record: Json) -> None:
    cloud.store.of("dns").put(_path(zone_name, record), "ResourceRecordSet", {"kind": "dns#resourceRecordSet", **record})
