"""The people who approve plans: a signing key each, which nobody else can use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdktf import ITerraformDependable, TerraformResourceLifecycle
from cdktf_cdktf_provider_google.kms_crypto_key import KmsCryptoKey, KmsCryptoKeyVersionTemplate
from cdktf_cdktf_provider_google.kms_crypto_key_iam_member import KmsCryptoKeyIamMember
from cdktf_cdktf_provider_google.kms_key_ring import KmsKeyRing
from constructs import Construct

from releases.signing import ALGORITHM


@dataclass(frozen=True, kw_only=True)
class ApproversProps:
    """A ring, and who signs with a key in it."""

    project: str
    location: str
    ring: str
    people: Mapping[str, str]
    """Id of a key → e-mail of the one person who signs with it."""
    verifiers: Mapping[str, str]
    """Short stable word → member that verifies signatures."""
    deletion_protection: bool
    depends_on: Sequence[ITerraformDependable]


class Approvers(Construct):
    """Creates a key ring and, for each person, one key that signs and the right of that person alone to sign with it.

    So a signature says who gave it, without asking anybody who they are. Deliberately creates no rotation, which Google has for keys that
    encrypt only: whoever lost a login has the version disabled, and gets a second one.
    """

    def __init__(self, scope: Construct, id: str, props: ApproversProps) -> None:
        super().__init__(scope, id)
        lifecycle = TerraformResourceLifecycle(prevent_destroy=True) if props.deletion_protection else None
        self.ring = KmsKeyRing(
            self,
            "ring",
            project=props.project,
            name=props.ring,
            location=props.location,
            depends_on=props.depends_on,
            lifecycle=lifecycle,
        )
        self.keys: dict[str, KmsCryptoKey] = {}
        for key_id, person in props.people.items():
            key = self.keys[key_id] = KmsCryptoKey(
                self,
                key_id,
                name=key_id,
                key_ring=self.ring.id,
                purpose="ASYMMETRIC_SIGN",
                version_template=KmsCryptoKeyVersionTemplate(algorithm=ALGORITHM, protection_level="SOFTWARE"),
                lifecycle=lifecycle,
            )
            for word, role, member in (
                ("signer", "roles/cloudkms.signerVerifier", f"user:{person}"),
                *((verifier, "roles/cloudkms.publicKeyViewer", member) for verifier, member in props.verifiers.items()),
            ):
                KmsCryptoKeyIamMember(self, f"{key_id}-{word}", crypto_key_id=key.id, role=role, member=member)
