"""A place for a secret."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdktf import ITerraformDependable, TerraformResourceLifecycle
from cdktf_cdktf_provider_google.secret_manager_secret import (
    SecretManagerSecret,
    SecretManagerSecretReplication,
    SecretManagerSecretReplicationUserManaged,
    SecretManagerSecretReplicationUserManagedReplicas,
    SecretManagerSecretReplicationUserManagedReplicasCustomerManagedEncryption,
)
from cdktf_cdktf_provider_google.secret_manager_secret_iam_member import SecretManagerSecretIamMember
from constructs import Construct

DESTROYED_AFTER = "604800s"
"""A version that is destroyed by mistake can be had back for a week."""


@dataclass(frozen=True, kw_only=True)
class SecretProps:
    """A secret, where it is kept, and who reads it."""

    project: str
    secret_id: str
    location: str
    key: str | None
    """Full name of the key that encrypts its versions; None for Google's own."""
    deletion_protection: bool
    readers: Mapping[str, str]
    """Short stable word → member."""
    depends_on: Sequence[ITerraformDependable]


class Secret(Construct):
    """Creates one secret that stays in its region, and the right to read it.

    Deliberately without a version: a value that Terraform wrote would lie readable in its state. Somebody who holds the value adds it:
    `gcloud secrets versions add NAME --data-file=-`.
    """

    def __init__(self, scope: Construct, id: str, props: SecretProps) -> None:
        super().__init__(scope, id)
        encryption = SecretManagerSecretReplicationUserManagedReplicasCustomerManagedEncryption
        secret = SecretManagerSecret(
            self,
            "secret",
            project=props.project,
            secret_id=props.secret_id,
            replication=SecretManagerSecretReplication(
                user_managed=SecretManagerSecretReplicationUserManaged(
                    replicas=[
                        SecretManagerSecretReplicationUserManagedReplicas(
                            location=props.location,
                            customer_managed_encryption=encryption(kms_key_name=props.key) if props.key else None,
                        )
                    ]
                )
            ),
            version_destroy_ttl=DESTROYED_AFTER,
            deletion_protection=props.deletion_protection,
            depends_on=props.depends_on,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=True) if props.deletion_protection else None,
        )
        for word, member in props.readers.items():
            SecretManagerSecretIamMember(
                self,
                f"reader-{word}",
                project=props.project,
                secret_id=secret.secret_id,
                role="roles/secretmanager.secretAccessor",
                member=member,
            )
