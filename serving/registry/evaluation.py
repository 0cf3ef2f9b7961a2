"""Imports a version's measurements into the registry, in Vertex AI's own schema for classification."""

from collections.abc import Mapping
from typing import Any

from environments.clients import Clients
from serving.registry.versions import Version

SCHEMA = "gs://google-cloud-aiplatform/schema/modelevaluation/classification_metrics_1.0.0.yaml"


def import_evaluation(clients: Clients, version: Version, evaluation: Mapping[str, Any]) -> str:
    """Resource name of the version's evaluation, imported unless one with the same content is there.

    Args:
        clients: clients of the environment.
        version: the version that was measured.
        evaluation: content of `evaluation.json`.
    """
    from google.cloud.aiplatform_v1.types import ModelEvaluation

    # The SDK lists evaluations but has no call to import one; its own client of the service has.
    service = clients.vertex().Model(version.model, version=version.version).api_client
    name = f"frozen-rows-{version.digest[:12]}"
    for known in service.list_model_evaluations(parent=version.name):
        if known.display_name == name:
            return str(known.name)
    return str(
        service.import_model_evaluation(
            parent=version.name,
            model_evaluation=ModelEvaluation(display_name=name, metrics_schema_uri=SCHEMA, metrics=_metrics(evaluation)),
        ).name
    )


def _metrics(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """`evaluation` in Google's words: at threshold 0 every row is predicted, so micro recall and precision are the accuracy."""
    accuracy = evaluation["accuracy"]
    everything = {"confidenceThreshold": 0.0, "recall": accuracy, "precision": accuracy, "f1ScoreMacro": evaluation["macro_f1"]}
    return {
        "confidenceMetrics": [everything],
        "confusionMatrix": {
            "annotationSpecs": [{"id": str(index), "displayName": name} for index, name in enumerate(evaluation["classes"])],
            "rows": [list(row) for row in evaluation["confusion"]],
        },
    }
