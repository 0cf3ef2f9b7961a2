"""The empty Vertex AI dataset of a task, for people who label or look at its examples in the console."""

from dataclasses import dataclass

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_google.vertex_ai_dataset import VertexAiDataset, VertexAiDatasetEncryptionSpec
from constructs import Construct

from environments.tasks import Kind, Task

SCHEMAS: dict[Kind, str] = {
    "image_classification": "gs://google-cloud-aiplatform/schema/dataset/metadata/image_1.0.0.yaml",
    "text_classification": "gs://google-cloud-aiplatform/schema/dataset/metadata/text_1.0.0.yaml",
}
"""What Google calls a dataset of pictures, and one of texts."""


@dataclass(frozen=True, kw_only=True)
class ManagedDatasetProps:
    """A dataset of one task."""

    display_name: str
    region: str
    task: Task
    kms_key: str | None
    deletion_protection: bool


class ManagedDataset(Construct):
    """Creates one dataset of the task's kind, without any item.

    Deliberately imports nothing: examples are rows in buckets, versioned by their digest, and that is what models learn from.
    Google numbers datasets itself, so that this one is found by its display name.
    """

    def __init__(self, scope: Construct, id: str, props: ManagedDatasetProps) -> None:
        super().__init__(scope, id)
        VertexAiDataset(
            self,
            "dataset",
            display_name=props.display_name,
            metadata_schema_uri=SCHEMAS[props.task.kind],
            region=props.region,
            encryption_spec=VertexAiDatasetEncryptionSpec(kms_key_name=props.kms_key) if props.kms_key else None,
            labels={"task": props.task.name},
            lifecycle=TerraformResourceLifecycle(prevent_destroy=True) if props.deletion_protection else None,
        )
