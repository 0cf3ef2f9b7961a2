"""What every stack has: its state, its provider, its labels."""

from cdktf import GcsBackend, TerraformStack
from cdktf_cdktf_provider_google.provider import GoogleProvider, GoogleProviderBatching
from constructs import Construct

from environments import Environment, Names
from environments.tasks import Tasks

TERRAFORM = ">= 1.9, < 2"


class Stack(TerraformStack):
    """One state in the environment's state bucket, under a prefix equal to the stack id.

    Creates nothing on Google Cloud by itself. Does not read anything either: no data source, no remote state.
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, tasks: Tasks) -> None:
        """Declare backend and provider.

        Args:
            scope: the app.
            id: `<environment>-<stack>`.
            names: every name of the environment.
            tasks: the machine-learning tasks.
        """
        super().__init__(scope, id)
        self.names = names
        self.environment: Environment = names.environment
        self.tasks = tasks.tasks
        self.add_override("terraform.required_version", TERRAFORM)
        GcsBackend(self, bucket=names.state_bucket, prefix=id)
        provider = GoogleProvider(
            self,
            "google",
            project=names.project,
            region=self.environment.region,
            # Calls count against this project's quota, whoever makes them: budgets and organisation policies refuse a person's otherwise.
            # The foundation can do so too, since the bootstrap has made the project that it adopts.
            user_project_override=True,
            billing_project=names.project,
            # The batcher waits three seconds for company before every grant and API.
            batching=[GoogleProviderBatching(enable_batching=False)],
            # Labels are said in environments/organisation.yaml and nowhere else.
            add_terraform_attribution_label=False,
        )
        # An override, since cdktf would write cost_centre for cost-centre in a map given to a provider.
        provider.add_override("default_labels", names.labels)
