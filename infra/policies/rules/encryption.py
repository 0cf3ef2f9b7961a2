"""Keys: ours on whatever can take one, turned in time; and secrets that are turned too."""

from collections.abc import Iterator, Mapping

from infra.policies.policy import Breach, of, policy
from infra.policies.subject import Resource, SynthesisedStack

KEYS: Mapping[str, str] = {
    "google_artifact_registry_repository": "kms_key_name",
    "google_bigquery_dataset": "default_encryption_configuration.kms_key_name",
    "google_bigquery_table": "encryption_configuration.kms_key_name",
    "google_cloud_run_v2_job": "template.template.encryption_key",
    "google_cloud_run_v2_service": "template.encryption_key",
    "google_logging_project_bucket_config": "cmek_settings.kms_key_name",
    "google_pubsub_topic": "kms_key_name",
    "google_storage_bucket": "encryption.default_kms_key_name",
    "google_vertex_ai_dataset": "encryption_spec.kms_key_name",
    "google_vertex_ai_endpoint": "encryption_spec.kms_key_name",
    "google_vertex_ai_feature_online_store": "encryption_spec.kms_key_name",
    "google_vertex_ai_index": "encryption_spec.kms_key_name",
    "google_vertex_ai_index_endpoint": "encryption_spec.kms_key_name",
    "google_vertex_ai_tensorboard": "encryption_spec.kms_key_name",
    "google_workbench_instance": "gce_setup.boot_disk.kms_key",
}
"""Resource type → where it names its key."""
LONGEST_ROTATION_SECONDS = 90 * 86_400


@policy(
    "customer-key",
    reason="access to its content could not be withdrawn by withdrawing a key",
    remedy="Pass Names.key(purpose) to its component",
    reference="CIS 5.3 and 7.2, https://cloud.google.com/kms/docs/cmek-best-practices",
)
def customer_key(stack: SynthesisedStack) -> Iterator[Breach]:
    """What can be encrypted with a key of ours is."""
    for type_, path in KEYS.items():
        for resource in stack.by_type.get(type_, ()):
            if not resource.at(path):
                yield resource, f"names no key in {path}"


@of(
    "google_workbench_instance",
    id="data-disk-key",
    reason="the notebooks on it would lie under Google's key alone",
    remedy='Set kms_key and disk_encryption "CMEK" on every data disk',
    reference="CIS 4.7, https://cloud.google.com/vertex-ai/docs/workbench/instances/cmek",
)
def data_disk_key(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """The data disks of a Workbench instance are encrypted with a key of ours."""
    if any(not disk.get("kms_key") for disk in resource.blocks("gce_setup.data_disks")):
        yield "has a data disk without a key"


@of(
    "google_secret_manager_secret",
    id="secret-key",
    reason="access to it could not be withdrawn by withdrawing a key",
    remedy='Pass Names.key("secrets") to its replication',
    reference="https://cloud.google.com/secret-manager/docs/cmek",
)
def secret_key(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A secret is encrypted with a key of ours, in every replica."""
    copies = [*resource.blocks("replication.auto"), *resource.blocks("replication.user_managed.replicas")]
    if not copies or not all(names_a_key(copy) for copy in copies):
        yield "has a copy without a key"


def names_a_key(copy: Mapping[str, object]) -> bool:
    """Whether one replica of a secret names its key."""
    return bool(Resource(type="", id="", body=dict(copy)).at("customer_managed_encryption.kms_key_name"))


@of(
    "google_secret_manager_secret",
    id="secret-replication",
    reason="a copy could rest in any country",
    remedy="Use replication.user_managed with replicas in the environment's region",
    reference="https://cloud.google.com/secret-manager/docs/choosing-replication",
)
def secret_replication(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A secret rests where the environment says, and nowhere else."""
    allowed = {stack.environment.region, stack.environment.data_location.lower()}
    replicas = {str(replica.get("location")) for replica in resource.blocks("replication.user_managed.replicas")}
    if not replicas or not replicas <= allowed:
        yield f"is copied to {', '.join(sorted(replicas)) or 'any region'}"


@of(
    "google_secret_manager_secret",
    id="secret-rotation",
    reason="one that leaked would open the door for ever",
    remedy="Set rotation.rotation_period with a topic, or an expiry (ttl, expire_time)",
    reference="https://cloud.google.com/secret-manager/docs/rotation-recommendations",
)
def secret_rotation(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A secret is turned or ends."""
    if not any(resource.at(path) for path in ("rotation.rotation_period", "ttl", "expire_time")):
        yield "is neither turned nor ended"


@of(
    "google_kms_crypto_key",
    id="key-rotation",
    reason="a version that leaked would open everything that was ever written",
    remedy="Set rotation_period to 90 days at most",
    reference="CIS 1.10, https://cloud.google.com/kms/docs/key-rotation",
)
def key_rotation(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A key that encrypts gets a new version every 90 days at least."""
    if resource.at("purpose") not in {None, "ENCRYPT_DECRYPT"}:
        return
    period = str(resource.at("rotation_period") or "").removesuffix("s")
    if not period.isdigit() or int(period) > LONGEST_ROTATION_SECONDS:
        yield f"is turned every {period or 'never'} seconds" if period else "is never turned"


POLICIES = (customer_key, data_disk_key, secret_key, secret_replication, secret_rotation, key_rotation)
