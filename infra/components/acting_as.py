"""Who may act as a service account: the grant that lets a pipeline deploy, or a person open a notebook, under it."""

from dataclasses import dataclass

from cdktf_cdktf_provider_google.service_account_iam_member import ServiceAccountIamMember
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class ActingAsProps:
    """One member and the account it may act as."""

    project: str
    account: str
    """E-mail of the service account that is acted as."""
    member: str
    """`serviceAccount:…` or `user:…`."""


class ActingAs(Construct):
    """Creates one `roles/iam.serviceAccountUser` grant on one account.

    Deliberately not on the project (that would open every identity), and never the token creator role.
    """

    def __init__(self, scope: Construct, id: str, props: ActingAsProps) -> None:
        super().__init__(scope, id)
        ServiceAccountIamMember(
            self,
            "user",
            service_account_id=f"projects/{props.project}/serviceAccounts/{props.account}",
            role="roles/iam.serviceAccountUser",
            member=props.member,
        )
