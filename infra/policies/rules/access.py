"""Who may do what: members, roles, federation, and no secret that opens a door by itself."""

import re
from collections.abc import Iterator

from infra.policies.policy import of
from infra.policies.subject import Resource, SynthesisedStack

PUBLIC = {"allUsers", "allAuthenticatedUsers"}
BASIC_ROLES = {"roles/owner", "roles/editor", "roles/viewer"}
ADMINISTRATION = {
    "roles/iam.securityAdmin",
    "roles/iam.serviceAccountAdmin",
    "roles/iam.serviceAccountKeyAdmin",
    "roles/iam.serviceAccountTokenCreator",
    "roles/iam.serviceAccountUser",
    "roles/iam.workloadIdentityUser",
    "roles/resourcemanager.projectIamAdmin",
}
DEFAULT_ACCOUNT = re.compile(r"serviceAccount:([0-9$].*-compute@developer|.*@appspot)\.gserviceaccount\.com$")
POOL = re.compile(r"principalSet://iam\.googleapis\.com/.*/workloadIdentityPools/[^/]+/(\*|attribute\.repository_owner\b.*)$")
REPOSITORY = re.compile(r"(assertion|attribute)\.repository_id\s*==\s*['\"]\d+['\"]")
REF = re.compile(r"(assertion|attribute)\.(ref|environment|sub)\s*(==\s*['\"]|\.matches\(|\.startsWith\(|in\s*\[)")


def members(resource: Resource) -> set[str]:
    """Everybody that a grant names."""
    return {str(member) for member in (resource.at("member"), *(resource.at("members") or [])) if member}


@of(
    "*_iam_member",
    "*_iam_binding",
    "google_*_access*",
    id="public-member",
    reason="anyone could use it",
    remedy="Grant it to a service account or a group",
    reference="CIS 5.1 and 7.1, https://cloud.google.com/iam/docs/overview#all-users",
)
def public_member(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """Nothing is granted to everybody."""
    if found := members(resource) & PUBLIC or {resource.at("special_group"), resource.at("iam_member")} & PUBLIC:
        yield f"is granted to {', '.join(map(str, sorted(found, key=str)))}"


@of(
    "*_iam_member",
    "*_iam_binding",
    id="basic-role",
    reason="a basic role reaches every service of the project, also those of tomorrow",
    remedy="Grant the role of the one service on the one resource",
    reference="CIS 1.5, https://cloud.google.com/iam/docs/roles-overview#basic",
)
def basic_role(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """No basic role anywhere."""
    if resource.at("role") in BASIC_ROLES:
        yield f"grants {resource.at('role')}"


@of(
    "google_project_iam_*",
    "google_folder_iam_*",
    "google_organization_iam_*",
    id="identity-administration",
    reason="its holder could become any identity below it",
    remedy="Grant it on one service account, as infra/components/acting_as.py does",
    reference="CIS 1.6, https://cloud.google.com/iam/docs/service-account-permissions",
)
def identity_administration(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """No power over identities on a whole project."""
    if resource.at("role") in ADMINISTRATION:
        yield f"grants {resource.at('role')} on all that lies below"


@of(
    "*_iam_binding",
    "*_iam_policy",
    id="authoritative-grant",
    reason="it removes, on every apply, whatever else was granted there, service agents included",
    remedy="Use the type that ends in _iam_member",
    reference="https://cloud.google.com/iam/docs/granting-changing-revoking-access#concepts",
)
def authoritative_grant(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A grant adds one member and takes nobody's away."""
    yield "owns all the members of a role"


@of(
    "*_iam_member",
    "*_iam_binding",
    id="default-account",
    reason="whatever runs without an identity of its own runs as this one",
    remedy="Grant it to the service account of a duty (Names.service_account)",
    reference="CIS 4.1, https://cloud.google.com/iam/docs/service-account-types#default",
)
def default_account(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """Google's default service accounts hold no role."""
    for member in sorted(members(resource)):
        if DEFAULT_ACCOUNT.match(member):
            yield f"is granted to {member}"


@of(
    "*_iam_member",
    "*_iam_binding",
    id="person-with-a-role",
    reason="it would outlast the person's task, and nobody would miss it in a review of the duties",
    remedy="Let the person act as the identity of a duty, or grant it to a group",
    reference="https://cloud.google.com/iam/docs/using-iam-securely#least_privilege",
)
def person_with_a_role(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """People hold no role but that of acting as a duty's identity."""
    people = sorted(member for member in members(resource) if member.startswith("user:"))
    if people and not (resource.type.startswith("google_service_account_iam") and resource.at("role") == "roles/iam.serviceAccountUser"):
        yield f"grants {resource.at('role')} to {', '.join(people)}"


@of(
    "google_service_account_key",
    "google_storage_hmac_key",
    "google_apikeys_key",
    id="no-key",
    reason="it would lie readable in the state and never expire",
    remedy="Attach or impersonate the service account",
    reference="CIS 1.4, https://cloud.google.com/iam/docs/best-practices-for-managing-service-account-keys",
)
def no_key(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """No long-lived key is made."""
    yield "is a long-lived key"


@of(
    "google_secret_manager_secret_version",
    "google_secret_manager_regional_secret_version",
    id="secret-value",
    reason="whoever reads the state reads the secret",
    remedy="Declare the secret alone and add its version with gcloud secrets versions add",
    reference="https://cloud.google.com/secret-manager/docs/add-secret-version",
)
def secret_value(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A secret's value never passes through state."""
    yield "puts a secret's value into the state"


@of(
    "google_iam_workload_identity_pool_provider",
    id="federation-condition",
    reason="any repository, or any branch of it, could become our identity",
    remedy="Compare assertion.repository_id (names are given away when a repository is deleted) and assertion.ref in attribute_condition",
    reference="https://cloud.google.com/iam/docs/workload-identity-federation-with-deployment-pipelines#conditions",
)
def federation_condition(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A federated token is accepted from one repository, by its number, and from named refs."""
    condition = str(resource.at("attribute_condition") or "")
    if not REPOSITORY.search(condition):
        yield "accepts tokens without comparing the number of the repository"
    if not REF.search(condition):
        yield "accepts tokens of every ref"


@of(
    "google_service_account_iam_*",
    id="federation-member",
    reason="every workload that the pool accepts could become this identity",
    remedy="Name one subject or attribute: principalSet://…/attribute.NAME/VALUE",
    reference="https://cloud.google.com/iam/docs/principal-identifiers",
)
def federation_member(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """No identity is lent to a whole federation pool."""
    for member in sorted(members(resource)):
        if POOL.match(member):
            yield f"is lent to {member}"


POLICIES = (
    public_member,
    basic_role,
    identity_administration,
    authoritative_grant,
    default_account,
    person_with_a_role,
    no_key,
    secret_value,
    federation_condition,
    federation_member,
)
