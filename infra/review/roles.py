"""How strong a role is, from 1 (uses a service, reads no data) to 5 (may give itself everything)."""

import re
from collections.abc import Mapping

OWNS = 5
ADMINISTERS = 4
WRITES = 3
READS = 2
USES = 1
UNKNOWN_ROLE = 3
"""A custom role, until somebody reads its permissions."""
WORDS = {OWNS: "may give itself everything", ADMINISTERS: "administers", WRITES: "writes", READS: "reads", USES: "uses"}

EXACT: Mapping[str, int] = {
    "roles/owner": OWNS,
    "roles/editor": ADMINISTERS,
    "roles/viewer": READS,
    "roles/browser": USES,
    "owner": OWNS,
    "writer": WRITES,
    "reader": READS,
    "roles/accesscontextmanager.policyAdmin": OWNS,
    "roles/aiplatform.user": WRITES,
    "roles/artifactregistry.writer": WRITES,
    "roles/bigquery.jobUser": USES,
    "roles/bigquery.user": READS,
    "roles/billing.user": USES,
    "roles/cloudbuild.builds.builder": ADMINISTERS,
    "roles/cloudbuild.builds.editor": ADMINISTERS,
    "roles/cloudfunctions.developer": ADMINISTERS,
    "roles/cloudkms.cryptoKeyDecrypter": READS,
    "roles/cloudkms.cryptoKeyEncrypter": USES,
    "roles/cloudkms.cryptoKeyEncrypterDecrypter": READS,
    "roles/cloudkms.signerVerifier": WRITES,
    "roles/compute.networkUser": USES,
    "roles/dataflow.worker": WRITES,
    "roles/deploymentmanager.editor": OWNS,
    "roles/iam.organizationRoleAdmin": OWNS,
    "roles/iam.roleAdmin": OWNS,
    "roles/iam.securityAdmin": OWNS,
    "roles/iam.securityReviewer": READS,
    "roles/iam.serviceAccountAdmin": OWNS,
    "roles/iam.serviceAccountKeyAdmin": OWNS,
    "roles/iam.serviceAccountOpenIdTokenCreator": WRITES,
    "roles/iam.serviceAccountTokenCreator": ADMINISTERS,
    "roles/iam.serviceAccountUser": WRITES,
    "roles/iam.workloadIdentityPoolAdmin": OWNS,
    "roles/iam.workloadIdentityUser": ADMINISTERS,
    "roles/logging.configWriter": ADMINISTERS,
    "roles/logging.logWriter": USES,
    "roles/monitoring.metricWriter": USES,
    "roles/notebooks.runner": WRITES,
    "roles/orgpolicy.policyAdmin": OWNS,
    "roles/pubsub.publisher": WRITES,
    "roles/pubsub.subscriber": READS,
    "roles/resourcemanager.folderAdmin": OWNS,
    "roles/resourcemanager.folderIamAdmin": OWNS,
    "roles/resourcemanager.organizationAdmin": OWNS,
    "roles/resourcemanager.projectIamAdmin": OWNS,
    "roles/resourcemanager.projectDeleter": ADMINISTERS,
    "roles/run.developer": ADMINISTERS,
    "roles/run.invoker": USES,
    "roles/secretmanager.secretAccessor": READS,
    "roles/secretmanager.secretVersionAdder": WRITES,
    "roles/secretmanager.secretVersionManager": WRITES,
    "roles/serviceusage.serviceUsageConsumer": USES,
    "roles/storage.legacyBucketOwner": ADMINISTERS,
    "roles/storage.legacyBucketReader": USES,
    "roles/storage.legacyBucketWriter": WRITES,
    "roles/storage.legacyObjectOwner": ADMINISTERS,
    "roles/storage.legacyObjectReader": READS,
    "roles/storage.objectCreator": WRITES,
    "roles/storage.objectUser": WRITES,
}
"""Roles whose name alone would mislead."""
NAMED: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(r"(serviceAgent|ServiceAgent)$"), ADMINISTERS),
    (re.compile(r"(admin|Admin|superAdmin|[oO]wner)$"), ADMINISTERS),
    (re.compile(r"(metadataViewer|jobUser|[iI]nvoker|[cC]onsumer|[aA]gent|[lL]ister)$"), USES),
    (re.compile(r"([vV]iewer|[rR]eader|[aA]ccessor|[sS]ubscriber|[rR]eviewer|[aA]uditor|[bB]rowser)$"), READS),
    (
        re.compile(
            r"([eE]ditor|[wW]riter|[cC]reator|[uU]ser|[pP]ublisher|[dD]eveloper|[oO]perator|[mM]anager|[rR]unner|[wW]orker|[dD]eployer)$"
        ),
        WRITES,
    ),
)
"""How Google ends the name of a role → its strength; the first that fits."""
STRONG_PERMISSIONS = re.compile(
    r"(setIamPolicy|iam\.roles\.(create|update)|iam\.serviceAccounts\.(actAs|getAccessToken|signBlob|signJwt|implicitDelegation)"
    r"|iam\.serviceAccountKeys\.create|orgpolicy\.policy\.set|deploymentmanager\.deployments\.(create|update))$"
)
READING = re.compile(r"\.(get|list|getIamPolicy|search\w*|query|export|read\w*|fetch\w*|lookup|view)$")
IMPERSONATING = {
    "roles/iam.serviceAccountKeyAdmin",
    "roles/iam.serviceAccountOpenIdTokenCreator",
    "roles/iam.serviceAccountTokenCreator",
    "roles/iam.serviceAccountUser",
    "roles/iam.workloadIdentityUser",
}
"""Roles with which one becomes somebody else."""


def strength(role: str) -> int:
    """How strong a role is."""
    if (known := EXACT.get(role) or EXACT.get(role.lower())) is not None:
        return known
    if not role.startswith("roles/"):
        return UNKNOWN_ROLE
    return next((found for pattern, found in NAMED if pattern.search(role)), UNKNOWN_ROLE)


def of_permissions(permissions: set[str]) -> int:
    """How strong a custom role of these permissions is."""
    if any(STRONG_PERMISSIONS.search(permission) for permission in permissions):
        return OWNS
    if any(not READING.search(permission) for permission in permissions):
        return WRITES
    return READS if permissions else USES


def administers(role: str) -> bool:
    """Whether a role is one that a reviewer always wants to hear of."""
    return strength(role) >= ADMINISTERS and role not in IMPERSONATING and not role.lower().endswith("serviceagent")
