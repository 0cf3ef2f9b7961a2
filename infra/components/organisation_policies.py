"""What nobody in the project may do, whatever their roles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_google.org_policy_policy import (
    OrgPolicyPolicy,
    OrgPolicyPolicySpec,
    OrgPolicyPolicySpecRules,
    OrgPolicyPolicySpecRulesValues,
)
from constructs import Construct

ENFORCED = (
    "ainotebooks.disableFileDownloads",
    "ainotebooks.disableRootAccess",
    "ainotebooks.restrictPublicIp",
    "compute.requireShieldedVm",
    "compute.skipDefaultNetworkCreation",
    "iam.automaticIamGrantsForDefaultServiceAccounts",
    "iam.disableServiceAccountKeyCreation",
    "iam.disableServiceAccountKeyUpload",
    "storage.uniformBucketLevelAccess",
)
"""Constraints that are on or off."""
NEVER_PUBLIC = "storage.publicAccessPrevention"
OLD_TLS = ("TLS_VERSION_1", "TLS_VERSION_1_1")
ENCRYPTED = ("artifactregistry", "pubsub", "secretmanager")
"""Services that create nothing without a key of ours. Vertex AI is not among them, since an online store and an index cannot have one;
nor are Cloud Storage and BigQuery, since the bucket of the states is older than every key and a query writes its answer without one."""


@dataclass(frozen=True, kw_only=True)
class OrganisationPoliciesProps:
    """What the list constraints allow in one project."""

    project: str
    locations: Sequence[str]
    """Where resources may be, e.g. `europe-west4` or `EU`."""
    network: str
    """Full name of the one VPC that notebooks may stand in."""
    public_page: bool
    """Whether the browser application's bucket is read by everybody."""
    key_projects: Sequence[str]
    """Projects whose keys may encrypt; none where Google's own do."""
    depends_on: Sequence[ITerraformDependable]


class OrganisationPolicies(Construct):
    """Creates one policy a constraint on the project: no key of an account, no public address, bucket or notebook, no place outside.

    Deliberately leaves notebooks their terminal, which is where people work, and does not list the services that may be used: an API
    that is not enabled cannot be, and only the apply identity enables one. Setting a policy takes a role that is granted on the
    organisation only.
    """

    def __init__(self, scope: Construct, id: str, props: OrganisationPoliciesProps) -> None:
        super().__init__(scope, id)
        # A load balancer reads a bucket as anybody does; every other bucket prevents that by itself.
        enforced = ENFORCED if props.public_page else (*ENFORCED, NEVER_PUBLIC)
        allowed: Mapping[str, Sequence[str]] = {
            "gcp.resourceLocations": [f"in:{location.lower()}-locations" for location in props.locations],
            "ainotebooks.restrictVpcNetworks": [props.network],
            "gcp.restrictCmekCryptoKeyProjects": [f"projects/{project}" for project in props.key_projects],
        }
        denied: Mapping[str, Sequence[str]] = {
            "gcp.restrictTLSVersion": OLD_TLS,
            "gcp.restrictNonCmekServices": [f"{service}.googleapis.com" for service in ENCRYPTED] if props.key_projects else (),
        }
        rules = {
            **{constraint: OrgPolicyPolicySpecRules(enforce="TRUE") for constraint in enforced},
            "compute.vmExternalIpAccess": OrgPolicyPolicySpecRules(deny_all="TRUE"),
            **{
                constraint: OrgPolicyPolicySpecRules(values=OrgPolicyPolicySpecRulesValues(allowed_values=list(values)))
                for constraint, values in allowed.items()
                if values
            },
            **{
                constraint: OrgPolicyPolicySpecRules(values=OrgPolicyPolicySpecRulesValues(denied_values=list(values)))
                for constraint, values in denied.items()
                if values
            },
        }
        for constraint, rule in rules.items():
            OrgPolicyPolicy(
                self,
                constraint.replace(".", "-"),
                parent=f"projects/{props.project}",
                name=f"projects/{props.project}/policies/{constraint}",
                spec=OrgPolicyPolicySpec(rules=[rule]),
                depends_on=props.depends_on,
            )
