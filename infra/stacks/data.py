"""Buckets, the BigQuery dataset, the image repository, and who reads and writes them."""

from dataclasses import dataclass

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_google.bigquery_dataset import BigqueryDataset
from cdktf_cdktf_provider_google.bigquery_dataset_iam_member import BigqueryDatasetIamMember
from constructs import Construct

from environments import Names
from environments.names import Bucket as Purpose
from environments.names import Duty
from environments.tasks import Tasks
from infra.components.bucket import Bucket, BucketProps
from infra.components.feature_table import FeatureTable, FeatureTableProps
from infra.components.image_repository import ImageRepository, ImageRepositoryProps
from infra.stacks.base import Stack
from infra.stacks.foundation import duties


@dataclass(frozen=True, kw_only=True)
class Access:
    """Which duties read and write a bucket."""

    readers: tuple[Duty, ...] = ()
    writers: tuple[Duty, ...] = ()
    expire_after_days: int | None = None


BUCKETS: dict[Purpose, Access] = {
    "raw": Access(readers=("training", "workbench"), writers=("pipelines",)),
    "processed": Access(writers=("pipelines", "training", "workbench")),
    "models": Access(readers=("serving", "workbench"), writers=("pipelines", "training")),
    # Intermediate artifacts can be made again; half a year keeps the step cache useful and the bill flat.
    "pipelines": Access(readers=("builder",), writers=("pipelines", "training", "workbench"), expire_after_days=180),
    "web": Access(readers=("serving",), writers=("pipelines",)),
}

DATASET: dict[str, tuple[Duty, ...]] = {
    "roles/bigquery.dataEditor": ("pipelines",),
    "roles/bigquery.dataViewer": ("training", "serving", "workbench"),
}

IMAGE_WRITERS: tuple[Duty, ...] = ("builder",)
IMAGE_READERS: tuple[Duty, ...] = ("pipelines", "training", "serving")


class DataStack(Stack):
    """Creates what holds data, with the grants of each duty on exactly that.

    Deliberately writes no row, object or image. Public access is prevented everywhere, also for the web bundle: a load
    balancer or the serving identity reads it.
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, tasks: Tasks) -> None:
        super().__init__(scope, id, names=names, tasks=tasks)
        for purpose, access in BUCKETS.items():
            self._bucket(purpose, access)
        self._dataset()
        ImageRepository(
            self,
            "images",
            ImageRepositoryProps(
                repository_id=names.repository,
                location=self.environment.region,
                deletion_protection=self.environment.data.deletion_protection,
                readers=self._members(IMAGE_READERS),
                writers=self._members(IMAGE_WRITERS),
            ),
        )

    def _members(self, wanted: tuple[Duty, ...]) -> dict[str, str]:
        """Duty → IAM member, for the wanted duties that exist in this environment."""
        return {duty: f"serviceAccount:{self.names.service_account(duty)}" for duty in duties(self.environment) if duty in wanted}

    def _bucket(self, purpose: Purpose, access: Access) -> None:
        data = self.environment.data
        Bucket(
            self,
            purpose,
            BucketProps(
                name=self.names.bucket(purpose),
                location=self.environment.data_location,
                soft_delete_days=data.soft_delete_days,
                noncurrent_version_days=data.noncurrent_version_days,
                deletion_protection=data.deletion_protection,
                expire_after_days=access.expire_after_days,
                readers=self._members(access.readers),
                writers=self._members(access.writers),
            ),
        )

    def _dataset(self) -> None:
        protected = self.environment.data.deletion_protection
        dataset = BigqueryDataset(
            self,
            "dataset",
            dataset_id=self.names.dataset,
            location=self.environment.data_location,
            description="Features of every task",
            delete_contents_on_destroy=not protected,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=True) if protected else None,
        )
        for task in self.tasks:
            FeatureTable(
                self,
                f"features-{task.name}",
                FeatureTableProps(
                    dataset_id=dataset.dataset_id,
                    table_id=self.names.feature_group(task.name),
                    task=task,
                    deletion_protection=protected,
                ),
            )
        for role, wanted in DATASET.items():
            for duty, member in self._members(wanted).items():
                word = role.rpartition(".")[2]
                BigqueryDatasetIamMember(self, f"dataset-{word}-{duty}", dataset_id=dataset.dataset_id, role=role, member=member)
