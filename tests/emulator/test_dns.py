from collections.abc import Iterator
from typing import Any

import pytest

from infra.terraform.rest import Google, Refused

ZONES = "https://dns.googleapis.com/dns/v1/projects/acme-gemini-local/managedZones"
HOST = {"name": "api.example.com.", "type": "A", "ttl": 300, "rrdatas": ["10.0.0.1"]}


@pytest.fixture
def zone(google_cloud: dict[str, Any]) -> Iterator[str]:
    google = Google()
    body = {"name": "example", "dnsName": "example.com.", "description": "", "visibility": "private"}
    assert google.call("POST", ZONES, None, body)["name"] == "example"
    yield f"{ZONES}/example"
    for record in records(f"{ZONES}/example", "A"):
        google.call("POST", f"{ZONES}/example/changes", None, {"deletions": [record]})
    google.call("DELETE", f"{ZONES}/example")


def records(zone: str, type_: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = Google().call("GET", f"{zone}/rrsets", {"type": type_})["rrsets"]
    return found


def test_a_zone_is_born_with_its_two_records(zone: str) -> None:
    assert len(records(zone, "SOA")) == len(records(zone, "NS")) == 1


def test_a_record_is_added_found_and_replaced_in_one_change(zone: str) -> None:
    google = Google()
    assert google.call("POST", f"{zone}/changes", None, {"additions": [HOST]})["status"] == "done"
    other = {**HOST, "rrdatas": ["10.0.0.2"]}
    google.call("POST", f"{zone}/changes", None, {"additions": [other], "deletions": records(zone, "A")})
    assert [record["rrdatas"] for record in records(zone, "A")] == [["10.0.0.2"]]


def test_a_change_that_does_not_fit_changes_nothing(zone: str) -> None:
    google = Google()
    google.call("POST", f"{zone}/changes", None, {"additions": [HOST]})
    with pytest.raises(Refused, match="already exists"):
        google.call("POST", f"{zone}/changes", None, {"additions": [{**HOST, "name": "new.example.com."}, HOST]})
    with pytest.raises(Refused, match="is not as the change says"):
        google.call("POST", f"{zone}/changes", None, {"deletions": [{**HOST, "rrdatas": ["10.9.9.9"]}]})
    assert [record["name"] for record in records(zone, "A")] == ["api.example.com."]


def test_a_zone_with_records_is_kept(zone: str) -> None:
    google = Google()
    google.call("POST", f"{zone}/changes", None, {"additions": [HOST]})
    with pytest.raises(Refused, match="still contains records"):
        google.call("DELETE", zone)
