"""What the first plan needs to be approved: the buckets of plans and of releases with the ledger, and a signing key for each approver.

The foundation and delivery stacks declare the same and adopt it; how the buckets are encrypted and for how long they keep what, they add.
"""

from collections.abc import Iterator
from typing import Any

from environments import Names
from infra.terraform.actors import granted
from infra.terraform.rest import Google
from infra.terraform.standin.types import Grant
from infra.terraform.step import MISSING, Step, found
from releases.signing import ALGORITHM

STORAGE = "https://storage.googleapis.com/storage/v1"
KMS = "https://cloudkms.googleapis.com/v1"
BUCKET = Grant(api=STORAGE, resource="b/{bucket}", style="storage")
KEY = Grant(api=KMS, resource="{crypto_key_id}", style="get")
PRIVATE = {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"}
NOTHING_KEPT = {"retentionDurationSeconds": "0"}


def steps(names: Names, google: Google) -> Iterator[Step]:
    """Buckets, keys and who uses them."""
    people = names.environment.approvers
    plan, apply = (f"serviceAccount:{names.service_account(duty)}" for duty in ("plan", "apply"))
    persons = [f"user:{person}" for person in people]
    yield _bucket(names, google, names.release_bucket, {})
    yield _bucket(names, google, names.plan_bucket, {"softDeletePolicy": NOTHING_KEPT})
    may = [*_grants("roles/storage.objectCreator", plan, apply, *persons), *_grants("roles/storage.objectViewer", plan, apply, *persons)]
    yield granted(google, "who reads and adds to the ledger", BUCKET, f"b/{names.release_bucket}", may)
    may = [*_grants("roles/storage.objectCreator", plan), *_grants("roles/storage.objectUser", apply)]
    yield granted(google, "who keeps and takes plans", BUCKET, f"b/{names.plan_bucket}", may)
    if not people:
        return
    rings = f"{KMS}/{names.location}/keyRings"
    yield _made(google, f"{rings}/{names.approval_ring}", f"ring {names.approval_ring}", rings, {"keyRingId": names.approval_ring}, {})
    for person in people:
        id_, key = names.approver_key_id(person), names.approver_key(person)
        version = {"algorithm": ALGORITHM, "protectionLevel": "SOFTWARE"}
        signs = {"purpose": "ASYMMETRIC_SIGN", "versionTemplate": version, "labels": names.labels}
        keys = f"{rings}/{names.approval_ring}/cryptoKeys"
        yield _made(google, f"{KMS}/{key}", f"signing key of {person}", keys, {"cryptoKeyId": id_}, signs)
        may = [*_grants("roles/cloudkms.signerVerifier", f"user:{person}"), *_grants("roles/cloudkms.publicKeyViewer", plan, apply)]
        yield granted(google, f"who signs as {person}, and who verifies", KEY, key, may)


def _grants(role: str, *members: str) -> list[dict[str, Any]]:
    return [{"role": role, "member": member} for member in members]


def _bucket(names: Names, google: Google, bucket: str, settings: dict[str, Any]) -> Step:
    body = {
        "name": bucket,
        "location": names.environment.data_location.upper(),
        "labels": names.labels,
        "iamConfiguration": PRIVATE,
        **settings,
    }
    return _made(google, f"{STORAGE}/b/{bucket}", f"bucket gs://{bucket}", f"{STORAGE}/b", {"project": names.project}, body)


def _made(google: Google, url: str, what: str, collection: str, query: dict[str, str], body: dict[str, Any]) -> Step:
    def make() -> None:
        google.call("POST", collection, query, body)

    return Step(what, lambda: "" if found(google, url) else MISSING, make)
