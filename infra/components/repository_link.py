"""Cloud Build's way to the repository."""

from dataclasses import dataclass

from cdktf_cdktf_provider_google.cloudbuildv2_connection import (
    Cloudbuildv2Connection,
    Cloudbuildv2ConnectionGithubConfig,
    Cloudbuildv2ConnectionGithubConfigAuthorizerCredential,
)
from cdktf_cdktf_provider_google.cloudbuildv2_repository import Cloudbuildv2Repository
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class RepositoryLinkProps:
    """A repository on GitHub, and the token that opens it."""

    connection: str
    region: str
    installation: int
    """Number of the installation of Cloud Build's GitHub application."""
    project: str
    secret: str
    """Id of the secret that holds the token."""
    remote: str
    """`https://github.com/OWNER/NAME.git`."""


class RepositoryLink(Construct):
    """Creates a 2nd-generation connection and the link to one repository.

    Deliberately holds no token: a person puts it into the secret once (`gcloud secrets versions add`), before this is applied, and it
    never passes through Terraform's state. Who declares the secret lets Cloud Build's service agent read it.
    """

    def __init__(self, scope: Construct, id: str, props: RepositoryLinkProps) -> None:
        super().__init__(scope, id)
        connection = Cloudbuildv2Connection(
            self,
            "connection",
            name=props.connection,
            location=props.region,
            github_config=Cloudbuildv2ConnectionGithubConfig(
                app_installation_id=props.installation,
                authorizer_credential=Cloudbuildv2ConnectionGithubConfigAuthorizerCredential(
                    oauth_token_secret_version=f"projects/{props.project}/secrets/{props.secret}/versions/latest"
                ),
            ),
        )
        name = props.remote.removeprefix("https://github.com/").removesuffix(".git").replace("/", "-")
        self.repository = Cloudbuildv2Repository(
            self, "repository", name=name, location=props.region, parent_connection=connection.name, remote_uri=props.remote
        )
