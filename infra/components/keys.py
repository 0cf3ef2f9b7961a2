"""Customer-managed encryption keys, and who encrypts with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdktf import ITerraformDependable, TerraformResourceLifecycle
from cdktf_cdktf_provider_google.kms_crypto_key import KmsCryptoKey
from cdktf_cdktf_provider_google.kms_crypto_key_iam_member import KmsCryptoKeyIamMember
from cdktf_cdktf_provider_google.kms_key_ring import KmsKeyRing
from constructs import Construct

from environments.schema import KeyPurpose

SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, kw_only=True)
class KeysProps:
    """A ring and its keys."""

    project: str
    location: str
    ring: str
    purposes: Sequence[KeyPurpose]
    """One key a purpose, named by it."""
    rotation_days: int
    deletion_protection: bool
    depends_on: Sequence[ITerraformDependable]


class Keys(Construct):
    """Creates a key ring and one rotating key a purpose.

    Neither can ever be deleted: a destroy schedules the versions of a key for destruction, and a bootstrap within a month takes that
    back. Deliberately grants nothing; `KeyUsers` does, also on keys that are not ours.
    """

    def __init__(self, scope: Construct, id: str, props: KeysProps) -> None:
        super().__init__(scope, id)
        # Without its key everything that it encrypts is lost, so that the keys are as protected as the data.
        lifecycle = TerraformResourceLifecycle(prevent_destroy=True) if props.deletion_protection else None
        ring = KmsKeyRing(
            self,
            "ring",
            project=props.project,
            name=props.ring,
            location=props.location,
            depends_on=props.depends_on,
            lifecycle=lifecycle,
        )
        self.keys: dict[KeyPurpose, KmsCryptoKey] = {
            purpose: KmsCryptoKey(
                self,
                purpose,
                name=purpose,
                key_ring=ring.id,
                purpose="ENCRYPT_DECRYPT",
                rotation_period=f"{props.rotation_days * SECONDS_PER_DAY}s",
                lifecycle=lifecycle,
            )
            for purpose in props.purposes
        }


@dataclass(frozen=True, kw_only=True)
class KeyUsersProps:
    """A key and the members that use it."""

    key: str
    """Full resource name."""
    members: Mapping[str, str]
    """Short stable word → member."""


class KeyUsers(Construct):
    """Creates the right to encrypt and decrypt with one key, a grant a member.

    Deliberately no right to manage the key, and no grant to people: Google's service agents encrypt on behalf of who may use the
    resource itself.
    """

    def __init__(self, scope: Construct, id: str, props: KeyUsersProps) -> None:
        super().__init__(scope, id)
        self.grants = [
            KmsCryptoKeyIamMember(self, word, crypto_key_id=props.key, role="roles/cloudkms.cryptoKeyEncrypterDecrypter", member=member)
            for word, member in props.members.items()
        ]
