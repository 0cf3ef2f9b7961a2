"""Versions of keys in Cloud KMS, by Google's generic client."""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

KEYS = "cloudkms.projects.locations.keyRings.cryptoKeys"


@pytest.mark.calls(
    f"{KEYS}.cryptoKeyVersions.create", f"{KEYS}.updatePrimaryVersion", f"{KEYS}.cryptoKeyVersions.destroy",
    f"{KEYS}.cryptoKeyVersions.restore",
)  # fmt: skip
def test_a_key_is_rotated_by_hand_and_a_destroyed_version_can_be_had_back(place: Place) -> None:
    """What an older version encrypted is decrypted as long as it is enabled; a restored one is disabled.

    https://cloud.google.com/kms/docs/rotate-key, https://cloud.google.com/kms/docs/destroy-restore
    """
    from googleapiclient import discovery
    from googleapiclient.errors import HttpError

    rings = discovery.build("cloudkms", "v1").projects().locations().keyRings()
    keys, versions = rings.cryptoKeys(), rings.cryptoKeys().cryptoKeyVersions()
    ring, key = f"{place.location}/keyRings/verify", f"{place.location}/keyRings/verify/cryptoKeys/verify-rotated"
    for creating in (
        rings.create(parent=place.location, keyRingId="verify", body={}),
        keys.create(parent=ring, cryptoKeyId="verify-rotated", body={"purpose": "ENCRYPT_DECRYPT"}),
    ):
        # Neither can be deleted, so an earlier run has left them.
        with contextlib.suppress(HttpError):
            creating.execute()
    older = keys.encrypt(name=key, body={"plaintext": base64.b64encode(b"secret").decode()}).execute()
    new = versions.create(parent=key, body={}).execute()["name"]
    assert keys.updatePrimaryVersion(name=key, body={"cryptoKeyVersionId": new.rpartition("/")[2]}).execute()["primary"]["name"] == new
    opened = keys.decrypt(name=key, body={"ciphertext": older["ciphertext"]}).execute()
    assert (base64.b64decode(opened["plaintext"]), opened.get("usedPrimary", False)) == (b"secret", False)
    assert versions.destroy(name=older["name"], body={}).execute()["state"] == "DESTROY_SCHEDULED"
    with pytest.raises(HttpError) as caught:
        keys.decrypt(name=key, body={"ciphertext": older["ciphertext"]}).execute()
    assert caught.value.status_code == 400
    assert versions.restore(name=older["name"], body={}).execute()["state"] == "DISABLED"
    versions.patch(name=older["name"], updateMask="state", body={"state": "ENABLED"}).execute()
    assert "plaintext" in keys.decrypt(name=key, body={"ciphertext": older["ciphertext"]}).execute()
