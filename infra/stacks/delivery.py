"""How a commit reaches the environment: where plans, releases and the ledger are kept, the repository, what plans and applies it."""

from dataclasses import dataclass
from typing import Literal

from constructs import Construct

from environments import Names
from environments.names import Duty
from environments.tasks import Tasks
from infra.components.acting_as import ActingAs, ActingAsProps
from infra.components.build_trigger import BuildTrigger, BuildTriggerProps
from infra.components.plan_bucket import PlanBucket, PlanBucketProps
from infra.components.release_bucket import ReleaseBucket, ReleaseBucketProps
from infra.components.repository_link import RepositoryLink, RepositoryLinkProps
from infra.duties import promoters
from infra.stacks.base import Stack

Word = Literal["review", "plan", "apply"]

IGNORED = ("docs/**", "notebooks/**", "*.md")
"""What changes nothing that runs."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """What a trigger is for, when it starts its build, and as whom."""

    description: str
    pull_request: bool
    duty: Duty


BUILDS: dict[Word, Build] = {
    "review": Build(description="Plans a pull request, for its reviewers", pull_request=True, duty="plan"),
    "plan": Build(description="Plans what was merged and keeps the plans", pull_request=False, duty="plan"),
    "apply": Build(description="Applies the plans that were kept for the commit", pull_request=False, duty="apply"),
}
"""Word → build. Who plans can change nothing; who applies acts on the branch only, where a person approves if the environment says so."""


class DeliveryStack(Stack):
    """Creates the buckets of releases and of plans, and where builds deliver the link to the repository and a trigger each for review,
    plan and apply.

    Deliberately has no trigger that deploys a model: a model release is born in the environment, passes its gates there and is rolled
    out by the pipelines. Nor has it workers of its own, which google 6.50.0 would leave outside the network. The identities are the
    foundation's; here they, and the people who approve, are granted what they need on the buckets, and nothing else.
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, tasks: Tasks) -> None:
        super().__init__(scope, id, names=names, tasks=tasks)
        delivery, region = self.environment.delivery, self.environment.region
        plan, apply = (f"serviceAccount:{names.service_account(duty)}" for duty in ("plan", "apply"))
        builder = f"serviceAccount:{names.service_account('builder')}"
        approvers = {f"approver-{names.approver_key_id(person)}": f"user:{person}" for person in self.environment.approvers}
        releases = ReleaseBucket(
            self,
            "releases",
            ReleaseBucketProps(
                name=names.release_bucket,
                location=self.environment.data_location,
                kms_key=names.key("releases"),
                log_bucket=names.bucket("logs"),
                retention_days=delivery.retention_days,
                soft_delete_days=self.environment.data.soft_delete_days,
                deletion_protection=self.environment.data.deletion_protection,
                adders={"plan": plan, "builder": builder, "apply": apply, **approvers},
                readers={"plan": plan, "apply": apply, **approvers, **promoters(names)},
                viewers=promoters(names),
            ),
        )
        plans = PlanBucket(
            self,
            "plans",
            PlanBucketProps(
                name=names.plan_bucket,
                location=self.environment.data_location,
                kms_key=names.key("releases"),
                log_bucket=names.bucket("logs"),
                deletion_protection=self.environment.data.deletion_protection,
                planner=plan,
                applier=apply,
            ),
        )
        # The bootstrap has made both, since the first plan too has to be approved.
        self.add_override(
            "import",
            [
                {"to": f"{made.bucket.terraform_resource_type}.{made.bucket.friendly_unique_id}", "id": name}
                for made, name in ((releases, names.release_bucket), (plans, names.plan_bucket))
            ],
        )
        if not delivery.enabled:
            return
        link = RepositoryLink(
            self,
            "link",
            RepositoryLinkProps(
                connection=names.connection,
                region=region,
                installation=delivery.installation,
                project=names.project,
                secret=names.secret("github"),
                remote=delivery.repository,
            ),
        )
        for word, build in BUILDS.items():
            BuildTrigger(
                self,
                word,
                BuildTriggerProps(
                    name=names.name(word),
                    description=build.description,
                    region=region,
                    repository=link.repository.id,
                    branch=delivery.branch,
                    pull_request=build.pull_request,
                    file=f"cloudbuild/{word}.cloudbuild.yaml",
                    service_account=f"projects/{names.project}/serviceAccounts/{names.service_account(build.duty)}",
                    approval=delivery.approval and word == "apply",
                    substitutions={"_ENV": self.environment.name, "_RELEASES": names.release_bucket},
                    ignored=IGNORED,
                ),
            )
        # Who changes a trigger must be allowed to act as whom it runs under.
        for duty in ("plan", "apply"):
            ActingAs(self, f"apply-acts-as-{duty}", ActingAsProps(project=names.project, account=names.service_account(duty), member=apply))
