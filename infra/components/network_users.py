"""Who may put machines into a subnetwork that somebody else keeps."""

from collections.abc import Mapping
from dataclasses import dataclass

from cdktf_cdktf_provider_google.compute_subnetwork_iam_member import ComputeSubnetworkIamMember
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class NetworkUsersProps:
    """A subnetwork and the members that use it."""

    project: str
    """The one that owns the subnetwork, such as the host project of a Shared VPC."""
    region: str
    subnetwork: str
    members: Mapping[str, str]
    """Short stable word → member."""


class NetworkUsers(Construct):
    """Creates the right to use one subnetwork, a grant a member.

    Deliberately not on the whole host project, where other teams' subnetworks are.
    """

    def __init__(self, scope: Construct, id: str, props: NetworkUsersProps) -> None:
        super().__init__(scope, id)
        for word, member in props.members.items():
            ComputeSubnetworkIamMember(
                self,
                word,
                project=props.project,
                region=props.region,
                subnetwork=props.subnetwork,
                role="roles/compute.networkUser",
                member=member,
            )
