"""Model Registry, by Vertex AI's SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls
MODELS = "aiplatform.projects.locations.models"


def upload(vertex: Any, place: Place, name: str, **options: Any) -> Any:
    return vertex.Model.upload(
        display_name=place.name(name),
        artifact_uri=place.uri("models/artifact"),
        serving_container_image_uri=place.image,
        serving_container_predict_route="/predict",
        serving_container_health_route="/health",
        serving_container_ports=[8080],
        labels=dict(place.labels),
        **options,
    )


@pytest.fixture(autouse=True)
def artifact(bucket: Any) -> None:
    """What Vertex AI copies when a model is uploaded."""
    bucket.blob("models/artifact/weights").upload_from_string("weights")


@calls(f"{MODELS}.upload", f"{MODELS}.get", f"{MODELS}.listVersions", f"{MODELS}.mergeVersionAliases", f"{MODELS}.deleteVersion")
def test_versions_are_numbered_and_aliases_move_between_them(vertex: Any, place: Place) -> None:
    """The first version is default; an alias names one version of a model, `default` cannot be taken away but only given to another.

    https://cloud.google.com/vertex-ai/docs/model-registry/model-alias
    """
    first = upload(vertex, place, "versions", model_id=place.name("versions"), version_aliases=["champion"])
    try:
        second = upload(
            vertex, place, "versions", parent_model=first.resource_name, is_default_version=False, version_aliases=["challenger"]
        )
        assert (first.version_id, first.name, second.version_id, second.resource_name) == (
            "1", place.name("versions"), "2", first.resource_name,
        )  # fmt: skip
        assert sorted(first.version_aliases) == ["champion", "default"]
        registry = vertex.models.ModelRegistry(first.resource_name)
        assert sorted((version.version_id, *sorted(version.version_aliases)) for version in registry.list_versions()) == [
            ("1", "champion", "default"), ("2", "challenger"),
        ]  # fmt: skip
        registry.add_version_aliases(["champion"], version="2")
        registry.remove_version_aliases(["challenger"], version="2")
        assert vertex.Model(f"{first.resource_name}@champion").version_id == "2"
        assert vertex.Model(first.resource_name).version_id == "1"
        assert registry.get_version_info("1").version_aliases == ["default"]
        registry.delete_version("2")
        assert [version.version_id for version in registry.list_versions()] == ["1"]
    finally:
        vertex.Model(first.resource_name).delete()


@calls(f"{MODELS}.list", f"{MODELS}.patch", f"{MODELS}.delete")
def test_models_are_found_by_name_and_label(vertex: Any, place: Place) -> None:
    """https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.models/list"""
    from google.api_core import exceptions

    model = upload(vertex, place, "found")
    try:
        model.update(description="a model", labels={**place.labels, "task": place.name("task")})
        for expression in (f'display_name="{place.name("found")}"', f'labels.task="{place.name("task")}"'):
            assert [found.resource_name for found in vertex.Model.list(filter=expression)] == [model.resource_name]
        found = vertex.Model(model.resource_name)
        assert (found.description, found.container_spec.predict_route, found.uri) == ("a model", "/predict", place.uri("models/artifact"))
    finally:
        model.delete()
    with pytest.raises(exceptions.NotFound):
        vertex.Model(model.resource_name)


@calls(f"{MODELS}.evaluations.import", f"{MODELS}.evaluations.list", f"{MODELS}.evaluations.get")
def test_an_evaluation_is_kept_with_its_model(vertex: Any, place: Place) -> None:
    """`import` answers the resource, without an operation.

    https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.models.evaluations/import
    """
    from google.cloud import aiplatform_v1

    model = upload(vertex, place, "evaluated")
    try:
        client = aiplatform_v1.ModelServiceClient(client_options={"api_endpoint": f"{place.region}-aiplatform.googleapis.com"})
        evaluation = aiplatform_v1.ModelEvaluation(
            display_name="test split",
            metrics_schema_uri="gs://google-cloud-aiplatform/schema/modelevaluation/classification_metrics_1.0.0.yaml",
            metrics={"auPrc": 0.75},
        )
        imported = client.import_model_evaluation(parent=model.resource_name, model_evaluation=evaluation)
        [found] = model.list_model_evaluations()
        assert (found.resource_name.split("/")[-1], dict(found.metrics)) == (imported.name.split("/")[-1], {"auPrc": 0.75})
        assert client.get_model_evaluation(name=imported.name).display_name == "test split"
    finally:
        model.delete()


@calls(f"{MODELS}.upload")
def test_a_model_of_a_region_is_not_that_of_another(vertex: Any, place: Place) -> None:
    """A model that nobody uploaded is not found; an upload below a model that is not there is not, either.

    https://cloud.google.com/vertex-ai/docs/model-registry/versioning
    """
    from google.api_core import exceptions

    with pytest.raises(exceptions.NotFound):
        vertex.Model(f"{place.location}/models/{place.name('none')}")
    with pytest.raises((exceptions.NotFound, exceptions.InvalidArgument)):
        upload(vertex, place, "orphan", parent_model=f"{place.location}/models/{place.name('none')}")
