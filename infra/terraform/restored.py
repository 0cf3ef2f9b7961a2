"""What a destroy only schedules for deletion, and whose name stays taken: keys, the audit logs' bucket, the federation pool.

A stack that is applied again would meet them as they were left: a key that encrypts nothing, a bucket that takes no log, a pool that
trusts nobody. So they are had back first, as long as Google still has them; the stack then adopts them.
"""

from collections.abc import Iterator

from environments import Names
from infra import github
from infra.terraform.rest import Google
from infra.terraform.step import Step, found

KMS = "https://cloudkms.googleapis.com/v1"
LOGGING = "https://logging.googleapis.com/v2"
IAM = "https://iam.googleapis.com/v1"
RESTORED = "to be restored, since it was deleted"


def steps(names: Names, google: Google) -> Iterator[Step]:
    """What of these was deleted."""
    environment = names.environment
    if environment.keys.mode == "create":
        yield _keys(names, google, names.key_ring)
    if environment.approvers:
        yield _keys(names, google, names.approval_ring)
    if environment.audit.sink.mode == "create":
        yield _restorable(google, "log bucket", f"{LOGGING}/{names.location}/buckets/{names.audit_logs}")
    if environment.federation.mode == "create":
        pool = f"{IAM}/projects/{names.project}/locations/global/workloadIdentityPools/{names.workload_identity_pool_id}"
        yield _restorable(google, "federation pool", pool)
        yield _restorable(google, "federation provider", f"{pool}/providers/{github.PROVIDER}")


def _restorable(google: Google, what: str, url: str) -> Step:
    def lacking() -> str:
        body = found(google, url) or {}
        return RESTORED if "DELETE" in str(body.get("state") or body.get("lifecycleState") or "") else ""

    def make() -> None:
        google.finished(IAM, google.call("POST", f"{url}:undelete", None, {}))

    return Step(f"{what} {url.rpartition('/')[2]}", lacking, make)


def _keys(names: Names, google: Google, name: str) -> Step:
    """The versions of our keys in a ring that are scheduled for destruction: everything is encrypted, or approved, with them."""
    ring = f"{KMS}/{names.location}/keyRings/{name}"

    def scheduled() -> list[str]:
        keys = (found(google, f"{ring}/cryptoKeys") or {}).get("cryptoKeys", [])
        versions = [v for key in keys for v in google.call("GET", f"{KMS}/{key['name']}/cryptoKeyVersions").get("cryptoKeyVersions", [])]
        return [version["name"] for version in versions if version.get("state") == "DESTROY_SCHEDULED"]

    def lacking() -> str:
        versions = scheduled()
        return f"{len(versions)} versions to be restored, since they are to be destroyed" if versions else ""

    def make() -> None:
        for version in scheduled():
            google.call("POST", f"{KMS}/{version}:restore", None, {})
            google.call("PATCH", f"{KMS}/{version}", {"updateMask": "state"}, {"state": "ENABLED"})

    return Step(f"keys of {name}", lacking, make)
