"""The ledger: one can add to it, and whoever changes it otherwise is found out."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from environments.clients import Clients
from releases import ledger
from releases.ledger import FIRST, LedgerError, verified, written

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def chain(length: int) -> dict[str, bytes]:
    """Objects of a ledger in order."""
    contents, previous = {}, FIRST
    for number in range(1, length + 1):
        content = written(number=number, kind="plan", at=AT, by="planner@example.com", previous=previous, body={"n": number})
        contents[f"{number:06}.json"] = content
        previous = sha256(content).hexdigest()
    return contents


def test_what_is_appended_is_read_back_in_order_and_in_the_callers_name(clients: Clients) -> None:
    first = ledger.append(clients, "plan", {"stacks": ["local-data"]})
    second = ledger.append(clients, "apply", {"stacks": []}, at=AT)
    assert ledger.entries(clients) == [first, second]
    assert (first.number, second.number, second.at) == (1, 2, AT)
    assert first.by == clients.principal()
    assert ledger.newest(ledger.entries(clients), "plan") == first
    assert ledger.newest(ledger.entries(clients), "release", "promotion") is None


def test_an_environment_without_a_release_bucket_has_an_empty_ledger(clients: Clients) -> None:
    assert ledger.entries(Clients.of("prod")) == []


def test_of_many_who_write_at_once_nobody_is_lost(clients: Clients) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: ledger.append(clients, "drift", {"n": n}), range(8)))
    found = ledger.entries(clients)
    assert [entry.number for entry in found] == list(range(1, 9))
    assert sorted(entry.body["n"] for entry in found) == list(range(8))


def test_a_whole_chain_is_taken() -> None:
    assert [entry.body["n"] for entry in verified(chain(3))] == [1, 2, 3]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_edited_entry_is_found_also_the_newest(number: int) -> None:
    contents = chain(3)
    name = f"{number:06}.json"
    contents[name] = contents[name].replace(b"planner@", b"somebody@")
    with pytest.raises(LedgerError, match=f"{name} was changed"):
        list(verified(contents))


def test_an_entry_that_was_rewritten_with_a_seal_of_its_own_breaks_the_next() -> None:
    contents = chain(3)
    said = json.loads(contents["000001.json"])
    contents["000002.json"] = written(number=2, kind="apply", at=AT, by="x@example.com", previous=said["seal"], body={})
    with pytest.raises(LedgerError, match=r"000002.json does not follow"):
        list(verified(contents))
    contents = chain(3)
    contents["000001.json"] = written(number=1, kind="apply", at=AT, by="x@example.com", previous=FIRST, body={})
    with pytest.raises(LedgerError, match=r"000002.json does not follow"):
        list(verified(contents))


def test_a_missing_entry_is_found() -> None:
    contents = chain(3)
    del contents["000002.json"]
    with pytest.raises(LedgerError, match=r"000002.json is missing, and 000003.json comes"):
        list(verified(contents))


def test_entries_in_each_others_place_are_found() -> None:
    contents = chain(3)
    contents["000001.json"], contents["000002.json"] = contents["000002.json"], contents["000001.json"]
    with pytest.raises(LedgerError, match=r"000001.json does not follow"):
        list(verified(contents))


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"seal": "0"}', b"\xff"])
def test_what_is_no_entry_is_said(content: bytes) -> None:
    with pytest.raises(LedgerError, match=r"000001.json"):
        list(verified({"000001.json": content}))


def test_a_tampered_object_stops_whoever_reads_and_whoever_writes(clients: Clients) -> None:
    ledger.append(clients, "plan", {})
    blob = clients.storage().bucket(clients.names.release_bucket).blob("ledger/local/000001.json")
    blob.upload_from_string(blob.download_as_bytes().replace(b'"plan"', b'"drift"'))
    with pytest.raises(LedgerError, match="Nothing that the ledger says can be relied on"):
        ledger.entries(clients)
    with pytest.raises(LedgerError, match=r"gs://acme-gemini-local-releases/ledger/local/000001.json was changed"):
        ledger.append(clients, "plan", {})


def test_a_removed_object_stops_whoever_writes(clients: Clients) -> None:
    for number in range(3):
        ledger.append(clients, "plan", {"n": number})
    clients.storage().bucket(clients.names.release_bucket).blob("ledger/local/000002.json").delete()
    with pytest.raises(LedgerError, match=r"000003.json is number 3 of 2: an entry is missing"):
        ledger.append(clients, "plan", {})
