"""The project and what holds for everything in it: APIs, identities, keys, approvers, audit logs, a budget, policies, secrets."""

from collections.abc import Sequence

from cdktf import TerraformResource
from cdktf_cdktf_provider_google.project import Project
from cdktf_cdktf_provider_google.project_iam_member import ProjectIamMember
from cdktf_cdktf_provider_google.project_service import ProjectService
from constructs import Construct

from environments import Names
from environments.names import Agent, Duty
from environments.schema import KeyPurpose
from environments.tasks import Tasks
from infra import github, services
from infra.components.acting_as import ActingAs, ActingAsProps
from infra.components.approvers import Approvers, ApproversProps
from infra.components.audit_logs import AuditLogs, AuditLogsProps
from infra.components.budget import Budget, BudgetProps
from infra.components.federation import FederatedAccess, FederatedAccessProps, Federation, FederationProps
from infra.components.identity import Identity, IdentityProps
from infra.components.keys import Keys, KeysProps, KeyUsers, KeyUsersProps
from infra.components.organisation_policies import OrganisationPolicies, OrganisationPoliciesProps
from infra.components.secret import Secret, SecretProps
from infra.duties import BOOTSTRAPPED, DUTIES, duties
from infra.stacks.base import Stack

ATTACHED: tuple[Duty, ...] = ("builder", "pipelines", "serving", "workbench")
"""Identities that Terraform attaches to what it makes: a trigger, a schedule, a service, a machine."""

SECRET_READERS: tuple[Agent, ...] = ("cloudbuild",)


class FoundationStack(Stack):
    """Creates (or uses) the project, its APIs, identities with their project roles, keys, the approvers' too, audit logs, budget, policies
    and secrets.

    What must exist before Terraform can run at all, `make bootstrap` makes and this stack adopts: the project, the plan and apply
    identities, the pool through which GitHub becomes them, and the keys with which people approve plans. Deliberately creates no bucket
    for its own state, no default network, no key of an account, and no value of a secret. An API is never disabled on destroy, since
    somebody else's work in a used project may need it; Google's service agents are made by the bootstrap, since the provider has no
    resource for them, and get their roles here.
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, tasks: Tasks) -> None:
        super().__init__(scope, id, names=names, tasks=tasks)
        self._adopted: list[dict[str, str]] = []
        self._protected = self.environment.data.deletion_protection
        self._project = self._create_project() if self.environment.project.mode == "create" else names.project
        self._apis = {
            api: ProjectService(self, f"api-{api}", project=self._project, service=f"{api}.googleapis.com", disable_on_destroy=False)
            for api in services.apis(self.environment)
        }
        identities = {duty: self._identity(duty) for duty in duties(self.environment)}
        self._agents()
        self._apply_attaches(identities)
        self._federation(identities)
        users = self._keys()
        self._approvers(identities)
        self._secrets(users)
        self._audit_logs()
        self._budget()
        self._organisation_policies()
        self.add_override("import", self._adopted)

    def _create_project(self) -> str:
        """The created project's id, as a reference that orders everything after it."""
        declared = self.environment.project
        project = Project(
            self,
            "project",
            name=declared.id,
            project_id=declared.id,
            folder_id=declared.folder,
            billing_account=declared.billing_account,
            auto_create_network=False,
            # It holds the state bucket: a destroy lets go of it, and never takes Terraform's own state away.
            deletion_policy="PREVENT" if self._protected else "ABANDON",
        )
        self._adopt(project, f"projects/{declared.id}")
        return project.project_id

    def _adopt(self, resource: TerraformResource, id_: str) -> None:
        """Import what the bootstrap made."""
        # An override, since cdktf's own import_from starts a terraform at every synthesis to ask for its version.
        self._adopted.append({"to": f"{resource.terraform_resource_type}.{resource.friendly_unique_id}", "id": id_})

    def _identity(self, duty: Duty) -> Identity:
        work = DUTIES[duty]
        identity = Identity(
            self,
            duty,
            IdentityProps(
                project=self._project,
                account_id=self.names.service_account_id(duty),
                description=work.description,
                project_roles=work.roles,
                depends_on=[self._apis["iam"]],
            ),
        )
        if duty in BOOTSTRAPPED:
            self._adopt(identity.account, f"projects/{self.names.project}/serviceAccounts/{self.names.service_account(duty)}")
        return identity

    def _agents(self) -> None:
        for agent in services.agents(self.environment):
            if role := services.AGENT_ROLES.get(agent):
                ProjectIamMember(
                    self,
                    f"agent-{agent}",
                    project=self._project,
                    role=role,
                    member=f"serviceAccount:{self.names.service_agent(agent)}",
                    depends_on=[self._apis[agent]],
                )

    def _apply_attaches(self, identities: dict[Duty, Identity]) -> None:
        for duty in ATTACHED:
            if duty in identities:
                ActingAs(
                    self,
                    f"apply-attaches-{duty}",
                    ActingAsProps(
                        project=self.names.project, account=identities[duty].account.email, member=identities["apply"].account.member
                    ),
                )

    def _federation(self, identities: dict[Duty, Identity]) -> None:
        """Who outside may plan and apply; in a used pool, our grants only."""
        federation, names = self.environment.federation, self.names
        pool: list[TerraformResource] = []
        if federation.mode == "create":
            ours = Federation(
                self,
                "github",
                FederationProps(
                    project=self._project,
                    pool_id=names.workload_identity_pool_id,
                    repository=federation.repository,
                    depends_on=[self._apis["iam"], self._apis["sts"]],
                ),
            )
            place = f"projects/{names.project}/locations/global/workloadIdentityPools/{names.workload_identity_pool_id}"
            self._adopt(ours.pool, place)
            self._adopt(ours.provider, f"{place}/providers/{github.PROVIDER}")
            pool = [ours.pool]
        for duty, principals in github.principals(names).items():
            FederatedAccess(
                self,
                f"github-{duty}",
                FederatedAccessProps(account=identities[duty].account.name, principals=principals, depends_on=pool),
            )

    def _keys(self) -> dict[KeyPurpose, KeyUsers]:
        """Our keys, or somebody else's, and the service agents that use them."""
        keys, names = self.environment.keys, self.names
        if keys.mode == "none":
            return {}
        users = services.key_users(self.environment)
        ids = {purpose: names.key(purpose) or "" for purpose in users}
        if keys.mode == "create":
            ours = Keys(
                self,
                "keys",
                KeysProps(
                    project=self._project,
                    location=self.environment.region,
                    ring=names.key_ring,
                    purposes=list(users),
                    rotation_days=keys.rotation_days,
                    deletion_protection=self._protected,
                    depends_on=[self._apis["cloudkms"]],
                ),
            )
            ids = {purpose: key.id for purpose, key in ours.keys.items()}
        return {
            purpose: KeyUsers(self, f"{purpose}-key", KeyUsersProps(key=ids[purpose], members=self._members(agents)))
            for purpose, agents in users.items()
        }

    def _approvers(self, identities: dict[Duty, Identity]) -> None:
        """The bootstrap has made ring and keys, since the first plan too has to be approved."""
        people, names = self.environment.approvers, self.names
        if not people:
            return
        ours = Approvers(
            self,
            "approvers",
            ApproversProps(
                project=self._project,
                location=self.environment.region,
                ring=names.approval_ring,
                people={names.approver_key_id(person): person for person in people},
                verifiers={duty: identities[duty].account.member for duty in BOOTSTRAPPED},
                deletion_protection=self._protected,
                depends_on=[self._apis["cloudkms"]],
            ),
        )
        self._adopt(ours.ring, f"{names.location}/keyRings/{names.approval_ring}")
        for person in people:
            self._adopt(ours.keys[names.approver_key_id(person)], names.approver_key(person))

    def _members(self, agents: Sequence[Agent]) -> dict[str, str]:
        return {agent: f"serviceAccount:{self.names.service_agent(agent)}" for agent in agents}

    def _secrets(self, users: dict[KeyPurpose, KeyUsers]) -> None:
        for purpose in self.names.SECRETS:
            Secret(
                self,
                f"{purpose}-secret",
                SecretProps(
                    project=self._project,
                    secret_id=self.names.secret(purpose),
                    location=self.environment.region,
                    key=self.names.key("secrets"),
                    deletion_protection=self._protected,
                    readers=self._members(SECRET_READERS),
                    # Secret Manager tries the key at once.
                    depends_on=[self._apis["secretmanager"], *(users["secrets"].grants if users else [])],
                ),
            )

    def _audit_logs(self) -> None:
        audit = self.environment.audit
        AuditLogs(
            self,
            "audit-logs",
            AuditLogsProps(
                project=self._project,
                location=self.environment.region,
                data_access=audit.data_access,
                retention_days=audit.sink.retention_days if audit.sink.mode == "create" else None,
                name=self.names.audit_logs,
                deletion_protection=self._protected,
                depends_on=[self._apis["logging"]],
            ),
        )

    def _budget(self) -> None:
        budget, account = self.environment.budget, self.environment.project.billing_account
        if budget is None or account is None:
            return
        Budget(
            self,
            "budget",
            BudgetProps(
                name=self.names.budget,
                project=self._project,
                project_number=self.names.project_number,
                billing_account=account,
                monthly=budget.monthly,
                currency=budget.currency,
                email=self.environment.monitoring.alert_email,
                labels=self.names.labels,
                depends_on=[self._apis["billingbudgets"], self._apis["monitoring"]],
            ),
        )

    def _organisation_policies(self) -> None:
        if self.environment.organisation_policies.mode == "use":
            return
        key = self.names.key("data")
        OrganisationPolicies(
            self,
            "organisation-policies",
            OrganisationPoliciesProps(
                project=self._project,
                locations=list(dict.fromkeys((self.environment.region, self.environment.data_location))),
                network=self.names.network_resource,
                public_page=self.environment.web.domain is not None,
                key_projects=[key.split("/")[1]] if key else [],
                depends_on=[self._apis["orgpolicy"]],
            ),
        )
