"""How a workflow on GitHub becomes one of our identities, without a key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_google.iam_workload_identity_pool import IamWorkloadIdentityPool
from cdktf_cdktf_provider_google.iam_workload_identity_pool_provider import (
    IamWorkloadIdentityPoolProvider,
    IamWorkloadIdentityPoolProviderOidc,
)
from cdktf_cdktf_provider_google.service_account_iam_member import ServiceAccountIamMember
from constructs import Construct

from environments.schema import Repository
from infra import github


@dataclass(frozen=True, kw_only=True)
class FederationProps:
    """A pool for one repository."""

    project: str
    pool_id: str
    repository: Repository
    depends_on: Sequence[ITerraformDependable]


class Federation(Construct):
    """Creates a workload identity pool and its one provider, which trusts the tokens of one repository.

    Deliberately trusts a repository's number and not its name, which somebody else can take when it is given up, and only the branch
    from which plans are applied and pull requests. Grants nothing; `FederatedAccess` does, also to a pool that is not ours.
    """

    def __init__(self, scope: Construct, id: str, props: FederationProps) -> None:
        super().__init__(scope, id)
        self.pool = IamWorkloadIdentityPool(
            self,
            "pool",
            project=props.project,
            workload_identity_pool_id=props.pool_id,
            display_name=github.DISPLAY_NAME,
            description=github.DESCRIPTION,
            depends_on=props.depends_on,
        )
        self.provider = IamWorkloadIdentityPoolProvider(
            self,
            "provider",
            project=props.project,
            workload_identity_pool_id=self.pool.workload_identity_pool_id,
            workload_identity_pool_provider_id=github.PROVIDER,
            display_name=github.DISPLAY_NAME,
            attribute_mapping=github.MAPPING,
            attribute_condition=github.condition(props.repository),
            oidc=IamWorkloadIdentityPoolProviderOidc(issuer_uri=github.ISSUER),
        )


@dataclass(frozen=True, kw_only=True)
class FederatedAccessProps:
    """An account and the workflows that may be it."""

    account: str
    """`projects/P/serviceAccounts/E-MAIL`."""
    principals: Mapping[str, str]
    """Short stable word → `principalSet://…`."""
    depends_on: Sequence[ITerraformDependable]


class FederatedAccess(Construct):
    """Creates the right of federated workflows to be one service account.

    Deliberately never of the whole pool: a set of principals names the repository, and for what changes things its branch too.
    """

    def __init__(self, scope: Construct, id: str, props: FederatedAccessProps) -> None:
        super().__init__(scope, id)
        for word, member in props.principals.items():
            ServiceAccountIamMember(
                self,
                word,
                service_account_id=props.account,
                role="roles/iam.workloadIdentityUser",
                member=member,
                depends_on=props.depends_on,
            )
