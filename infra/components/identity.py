"""A service account and the roles that its duty needs on the project."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_google.project_iam_member import ProjectIamMember
from cdktf_cdktf_provider_google.service_account import ServiceAccount
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class IdentityProps:
    """What an identity is and may do."""

    project: str
    account_id: str
    description: str
    project_roles: Sequence[str]
    depends_on: Sequence[ITerraformDependable]


class Identity(Construct):
    """Creates one service account and one project grant a role.

    Deliberately creates no key (work is done by attached or impersonated identities) and no grant on a single bucket,
    dataset or topic: the stack that owns the resource grants on it.
    """

    def __init__(self, scope: Construct, id: str, props: IdentityProps) -> None:
        super().__init__(scope, id)
        self.account = ServiceAccount(
            self,
            "account",
            project=props.project,
            account_id=props.account_id,
            display_name=props.account_id,
            description=props.description,
            depends_on=props.depends_on,
        )
        for role in props.project_roles:
            ProjectIamMember(
                self, role.removeprefix("roles/").replace(".", "-"), project=props.project, role=role, member=self.account.member
            )
