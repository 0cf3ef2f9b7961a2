"""Pipeline templates in Artifact Registry, by KFP's own client and Vertex AI's SDK."""

from pathlib import Path
from typing import Any

import pytest

from tests.contract.clients.place import Place

REPOSITORIES = "artifactregistry.projects.locations.repositories"


@pytest.mark.calls(f"{REPOSITORIES}.create", "aiplatform.projects.locations.pipelineJobs.create")
@pytest.mark.timeout(1200)
def test_a_template_is_uploaded_tagged_and_run_by_its_address(vertex: Any, place: Place, tmp_path: Path) -> None:
    """https://cloud.google.com/vertex-ai/docs/pipelines/create-pipeline-template"""
    from googleapiclient import discovery
    from kfp import compiler, dsl
    from kfp.registry import RegistryClient

    @dsl.component(base_image=place.image, install_kfp_package=False)
    def add(a: int) -> int:
        return a + 1

    @dsl.pipeline(name=place.name("template"))
    def template(a: int = 1) -> int:
        return add(a=a).output

    compiler.Compiler().compile(template, str(tmp_path / "template.yaml"))
    locations = discovery.build("artifactregistry", "v1").projects().locations()
    body = {"format": "KFP", "labels": dict(place.labels)}
    operation = locations.repositories().create(parent=place.location, repositoryId=place.name("templates"), body=body).execute()
    while not operation.get("done"):
        operation = locations.operations().get(name=operation["name"]).execute()
    host = f"https://{place.region}-kfp.pkg.dev/{place.project}/{place.name('templates')}"
    try:
        registry = RegistryClient(host=host)
        package, version = registry.upload_pipeline(str(tmp_path / "template.yaml"), tags=["v1", "latest"])
        assert (package, registry.get_tag(package, "v1")["version"].endswith(version)) == (place.name("template"), True)
        job = vertex.PipelineJob(
            display_name=place.name("from-template"), template_path=f"{host}/{package}/v1", pipeline_root=place.uri("pipelines"),
            parameter_values={"a": 4}, labels=dict(place.labels),
        )  # fmt: skip
        job.submit()
        job.wait()
        [task] = [task for task in job.task_details if task.task_name == "add"]
        assert task.execution.metadata["output:Output"] == 5
        job.delete()
    finally:
        locations.repositories().delete(name=f"{place.location}/repositories/{place.name('templates')}").execute()
