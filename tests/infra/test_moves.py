"""A rename never destroys: an address that is gone is moved or removed, on purpose."""

import copy
from typing import Any

import yaml

from infra.policies.subject import SynthesisedStack
from tests.infra.addresses import FILE, RELEASE, addresses, astray, lost


def changed(stacks: dict[str, SynthesisedStack], **blocks: Any) -> dict[str, SynthesisedStack]:
    """The stacks after somebody has renamed the construct of a bucket, in every environment."""
    found = dict(stacks)
    for id_, stack in stacks.items():
        if id_.endswith("-data"):
            document = copy.deepcopy(stack.document)
            buckets = document["resource"]["google_storage_bucket"]
            buckets["renamed"] = buckets.pop(min(buckets))
            found[id_] = SynthesisedStack(id=id_, names=stack.names, document={**document, **blocks})
    return found


def test_every_released_address_is_still_there_or_moved_or_removed(stacks: dict[str, SynthesisedStack]) -> None:
    released = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert sum(map(len, released.values())) > 50, "the check would have run on nothing"
    gone = lost(released, stacks)
    assert not gone, (
        f"{', '.join(gone)}: Terraform would destroy and create them. Give the construct move_from_id, or the stack a removed block; "
        f"if no state holds them yet, run: {RELEASE}"
    )
    assert astray(stacks) == []


def test_a_renamed_construct_is_found(stacks: dict[str, SynthesisedStack]) -> None:
    old = f"google_storage_bucket.{min(stacks['dev-data'].document['resource']['google_storage_bucket'])}"
    released = addresses(stacks)
    assert lost(released, changed(stacks)) == [f"data: {old}"]
    assert lost(released, changed(stacks, moved=[{"from": old, "to": "google_storage_bucket.renamed"}])) == []
    assert lost(released, changed(stacks, removed=[{"from": old, "lifecycle": {"destroy": False}}])) == []


def test_a_move_to_nowhere_is_found(stacks: dict[str, SynthesisedStack]) -> None:
    assert astray(changed(stacks, moved=[{"from": "a.b", "to": "google_storage_bucket.nowhere"}])) == [
        "data: google_storage_bucket.nowhere"
    ]


def test_a_switch_that_is_off_somewhere_is_no_rename(stacks: dict[str, SynthesisedStack]) -> None:
    assert any("google_workbench_instance" in address for address in addresses(stacks)["workbench"])
    assert not stacks["prod-workbench"].by_type.get("google_workbench_instance")
    assert lost(addresses(stacks), stacks) == []
