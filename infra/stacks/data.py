"""Buckets, BigQuery, the image repository and empty managed datasets, and who reads and writes them."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_google.bigquery_dataset import BigqueryDataset, BigqueryDatasetDefaultEncryptionConfiguration
from cdktf_cdktf_provider_google.bigquery_dataset_iam_member import BigqueryDatasetIamMember
from constructs import Construct

from environments import Names
from environments.names import Bucket as Purpose
from environments.names import Duty
from environments.tasks import Tasks
from infra.components import warehouse
from infra.components.bucket import Bucket, BucketProps
from infra.components.image_repository import ImageRepository, ImageRepositoryProps
from infra.components.managed_dataset import ManagedDataset, ManagedDatasetProps
from infra.components.table import Column, Table, TableProps
from infra.duties import duties, promoters
from infra.stacks.base import Stack

LOG_DELIVERY = "group:cloud-storage-analytics@google.com"
"""Whom Cloud Storage writes access logs as."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """Which duties read and write a bucket, and how long it keeps what."""

    readers: tuple[Duty, ...] = ()
    writers: tuple[Duty, ...] = ()
    cool_after_days: int | None = None
    expire_after_days: int | None = None


BUCKETS: dict[Purpose, Access] = {
    # Raw rows are read when a model is trained for the first time on them, and hardly ever after a quarter.
    "raw": Access(readers=("training", "workbench", "dataflow"), writers=("pipelines",), cool_after_days=90),
    "processed": Access(writers=("pipelines", "training", "workbench", "dataflow")),
    "models": Access(readers=("serving", "workbench"), writers=("pipelines", "training")),
    # Intermediate artifacts can be made again; half a year keeps the step cache useful and the bill flat.
    "pipelines": Access(readers=("builder",), writers=("pipelines", "training", "workbench", "dataflow"), expire_after_days=180),
    "web": Access(readers=("serving",), writers=("pipelines",)),
}
"""Purpose → access. The bucket `logs` is apart: nobody but Cloud Storage writes it. So is `workbench`, which its own stack makes."""

DATASET: dict[str, tuple[Duty, ...]] = {
    "roles/bigquery.dataEditor": ("pipelines",),
    "roles/bigquery.dataViewer": ("training", "workbench"),
}

RELEASED: tuple[Purpose, ...] = ("raw", "models")
"""What the environment that takes releases on from here copies, beside images and what the release bucket holds."""

IMAGE_WRITERS: tuple[Duty, ...] = ("builder",)
IMAGE_READERS: tuple[Duty, ...] = ("pipelines", "training", "serving", "workbench", "dataflow")


class DataStack(Stack):
    """Creates what holds data, with the grants of each duty on exactly that.

    Deliberately writes no row, object or image. Public access is prevented everywhere but for the web bundle, where the
    environment gives that an address.
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, tasks: Tasks) -> None:
        super().__init__(scope, id, names=names, tasks=tasks)
        for purpose, access in BUCKETS.items():
            self._bucket(purpose, access)
        self._logs()
        self._dataset()
        ImageRepository(
            self,
            "images",
            ImageRepositoryProps(
                repository_id=names.repository,
                location=self.environment.region,
                kms_key=names.key("data"),
                deletion_protection=self.environment.data.deletion_protection,
                readers={**self._members(IMAGE_READERS), **promoters(names)},
                writers=self._members(IMAGE_WRITERS),
            ),
        )
        for task in self.tasks:
            ManagedDataset(
                self,
                f"examples-{task.name}",
                ManagedDatasetProps(
                    display_name=names.managed_dataset(task.name),
                    region=self.environment.region,
                    task=task,
                    kms_key=names.key("ml"),
                    deletion_protection=self.environment.data.deletion_protection,
                ),
            )

    def _members(self, wanted: tuple[Duty, ...]) -> dict[str, str]:
        """Duty → IAM member, for the wanted duties that exist in this environment."""
        return {duty: f"serviceAccount:{self.names.service_account(duty)}" for duty in duties(self.environment) if duty in wanted}

    def _bucket(self, purpose: Purpose, access: Access) -> None:
        data = self.environment.data
        guests = promoters(self.names) if purpose in RELEASED else {}
        Bucket(
            self,
            purpose,
            BucketProps(
                name=self.names.bucket(purpose),
                location=self.environment.data_location,
                kms_key=self.names.key("data"),
                log_bucket=self.names.bucket("logs"),
                soft_delete_days=data.soft_delete_days,
                noncurrent_version_days=data.noncurrent_version_days,
                deletion_protection=data.deletion_protection,
                # A load balancer reads as anybody does: the serving stack then grants that on the web bucket.
                public=purpose == "web" and self.environment.web.domain is not None,
                cool_after_days=access.cool_after_days,
                expire_after_days=access.expire_after_days,
                readers={**self._members(access.readers), **guests},
                writers=self._members(access.writers),
                adders={},
                viewers=guests,
            ),
        )

    def _logs(self) -> None:
        """The bucket that is told of every access to the others; of its own, the audit log knows."""
        data = self.environment.data
        Bucket(
            self,
            "logs",
            BucketProps(
                name=self.names.bucket("logs"),
                location=self.environment.data_location,
                kms_key=self.names.key("data"),
                log_bucket=None,
                soft_delete_days=data.soft_delete_days,
                noncurrent_version_days=data.noncurrent_version_days,
                deletion_protection=data.deletion_protection,
                expire_after_days=data.access_log_days,
                readers={},
                writers={},
                adders={"delivery": LOG_DELIVERY},
                viewers={},
            ),
        )

    def _dataset(self) -> None:
        protected, key = self.environment.data.deletion_protection, self.names.key("data")
        dataset = BigqueryDataset(
            self,
            "dataset",
            dataset_id=self.names.dataset,
            location=self.environment.data_location,
            description="Examples, features, predictions and the monitors' verdicts of every task",
            default_encryption_configuration=BigqueryDatasetDefaultEncryptionConfiguration(kms_key_name=key) if key else None,
            delete_contents_on_destroy=not protected,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=True) if protected else None,
        )
        for name, shared in warehouse.TABLES.items():
            Table(
                self,
                name,
                TableProps(
                    dataset_id=dataset.dataset_id,
                    table_id=name,
                    description=shared.description,
                    columns=shared.columns,
                    partitioned_by=warehouse.WRITTEN,
                    clustered_by=shared.clustered_by,
                    expire_after_days=self.environment.data.prediction_days if shared.personal else None,
                    kms_key=key,
                    deletion_protection=protected,
                    labels={},
                ),
            )
        for task in self.tasks:
            self._feature_table(dataset, "features", self.names.feature_group(task.name), task.name, warehouse.features(task.kind))
            self._feature_table(dataset, "annotations", self.names.annotation_group(task.name), task.name, warehouse.annotations(task.kind))
        for role, wanted in DATASET.items():
            for duty, member in self._members(wanted).items():
                word = role.rpartition(".")[2]
                BigqueryDatasetIamMember(self, f"dataset-{word}-{duty}", dataset_id=dataset.dataset_id, role=role, member=member)

    def _feature_table(self, dataset: BigqueryDataset, what: str, table_id: str, task: str, columns: Sequence[Column]) -> None:
        """The table behind a feature group, with the group's name."""
        Table(
            self,
            f"{what}-{task}",
            TableProps(
                dataset_id=dataset.dataset_id,
                table_id=table_id,
                description=f"{what.capitalize()} of the task {task}",
                columns=(*warehouse.KEYS, *columns),
                partitioned_by=warehouse.TIMESTAMP,
                clustered_by=[warehouse.ENTITY],
                kms_key=self.names.key("data"),
                deletion_protection=self.environment.data.deletion_protection,
                labels={"task": task},
            ),
        )
