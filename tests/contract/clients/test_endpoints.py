"""Endpoints and deployed models, by Vertex AI's SDK.

On Google Cloud each deployment starts a machine and takes minutes; all that is asked of one is asked in one test.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.clients.served_model import MACHINE, upload

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls
ENDPOINTS = "aiplatform.projects.locations.endpoints"


@calls(
    f"{ENDPOINTS}.create", f"{ENDPOINTS}.deployModel", f"{ENDPOINTS}.predict", f"{ENDPOINTS}.rawPredict", f"{ENDPOINTS}.patch",
    f"{ENDPOINTS}.undeployModel", f"{ENDPOINTS}.delete", f"{ENDPOINTS}.list", f"{ENDPOINTS}.get", f"{ENDPOINTS}.streamRawPredict",
)  # fmt: skip
@pytest.mark.timeout(7200)
def test_models_share_an_endpoint_and_answer_by_its_traffic_split(vertex: Any, place: Place, bucket: Any) -> None:
    """`"0"` in a traffic split stands for the model that is being deployed; a split adds up to 100.

    A raw prediction carries any body, and names in its headers who answered.

    https://cloud.google.com/vertex-ai/docs/general/deployment, https://cloud.google.com/vertex-ai/docs/predictions/get-online-predictions
    """
    from google.api_core import exceptions

    bucket.blob("endpoints/artifact/weights").upload_from_string("weights")
    first = upload(vertex, place, 2.0)
    second = upload(vertex, place, 3.0, parent_model=first.resource_name, is_default_version=False)
    endpoint = vertex.Endpoint.create(display_name=place.name("shared"), labels=dict(place.labels))
    try:
        endpoint.deploy(first, deployed_model_display_name="first", machine_type=MACHINE, traffic_percentage=100)
        [deployed] = endpoint.list_models()
        answer = endpoint.predict(instances=[{"x": 1}, {"x": 2}], parameters={"scale": 10})
        assert [one["y"] for one in answer.predictions] == [20.0, 40.0]
        assert (answer.deployed_model_id, answer.model_version_id, answer.model_resource_name) == (deployed.id, "1", first.resource_name)
        [copy] = [one["storage"] for one in answer.predictions[:1]]
        assert (copy.startswith("gs://"), copy.startswith(place.uri(""))) == (True, False), "Vertex AI serves a copy of its own"

        endpoint.deploy(second, deployed_model_display_name="second", machine_type=MACHINE, traffic_percentage=20)
        ids = {one.display_name: one.id for one in endpoint.list_models()}
        assert endpoint.traffic_split == {ids["first"]: 80, ids["second"]: 20}
        endpoint.update(traffic_split={ids["second"]: 100})
        raw = endpoint.raw_predict(b'{"instances": [{"x": 5}]}', {"Content-Type": "application/json"})
        assert (raw.json()["predictions"][0]["y"], raw.headers["X-Vertex-AI-Deployed-Model-Id"]) == (15.0, ids["second"])
        streamed = endpoint.stream_raw_predict(b'{"instances": [{"x": 5}]}', {"Content-Type": "application/json"})
        assert b"15.0" in b"".join(line.encode() if isinstance(line, str) else line for line in streamed)
        assert asyncio.run(endpoint.predict_async(instances=[{"x": 1}])).predictions[0]["y"] == 3.0
        with pytest.raises(exceptions.InvalidArgument, match="no object"):
            endpoint.predict(instances=["x"])
        with pytest.raises(exceptions.InvalidArgument):
            endpoint.update(traffic_split={ids["first"]: 50, ids["second"]: 20})
        with pytest.raises(exceptions.FailedPrecondition):
            endpoint.delete()
        endpoint.undeploy(ids["first"])
        assert [found.name for found in vertex.Endpoint.list(filter=f'display_name="{place.name("shared")}"')] == [endpoint.name]
    finally:
        endpoint.delete(force=True)
        first.delete()
    assert vertex.Endpoint.list(filter=f'display_name="{place.name("shared")}"') == []


@calls(f"{ENDPOINTS}.create", f"{ENDPOINTS}.deployModel", f"{ENDPOINTS}.predict", f"{ENDPOINTS}.rawPredict")
@pytest.mark.timeout(7200)
def test_a_dedicated_endpoint_answers_at_a_host_of_its_own(vertex: Any, place: Place, bucket: Any) -> None:
    """https://cloud.google.com/vertex-ai/docs/predictions/choose-endpoint-type"""
    from google.api_core import exceptions
    from google.cloud import aiplatform_v1

    bucket.blob("endpoints/artifact/weights").upload_from_string("weights")
    model = upload(vertex, place, 2.0)
    endpoint = vertex.Endpoint.create(display_name=place.name("own"), dedicated_endpoint_enabled=True, labels=dict(place.labels))
    try:
        endpoint.deploy(model, machine_type=MACHINE, traffic_percentage=100)
        assert endpoint.dedicated_endpoint_dns.endswith(".prediction.vertexai.goog")
        assert endpoint.predict(instances=[{"x": 4}], use_dedicated_endpoint=True).predictions[0]["y"] == 8.0
        raw = endpoint.raw_predict(b'{"instances": [{"x": 4}]}', {"Content-Type": "application/json"}, use_dedicated_endpoint=True)
        assert raw.json()["predictions"][0]["y"] == 8.0
        region = aiplatform_v1.PredictionServiceClient(client_options={"api_endpoint": f"{place.region}-aiplatform.googleapis.com"})
        with pytest.raises((exceptions.FailedPrecondition, exceptions.InvalidArgument)):
            region.predict(endpoint=endpoint.resource_name, instances=[{"x": 4}])
    finally:
        endpoint.delete(force=True)
        model.delete()


@calls(f"{ENDPOINTS}.mutateDeployedModel", "aiplatform.projects.locations.deploymentResourcePools.create")
@pytest.mark.timeout(7200)
def test_a_deployed_model_is_given_more_replicas(vertex: Any, place: Place, bucket: Any) -> None:
    """https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints/mutateDeployedModel"""
    from google.cloud import aiplatform_v1

    bucket.blob("endpoints/artifact/weights").upload_from_string("weights")
    options = {"api_endpoint": f"{place.region}-aiplatform.googleapis.com"}
    pools = aiplatform_v1.DeploymentResourcePoolServiceClient(client_options=options)
    pool = {"dedicated_resources": {"machine_spec": {"machine_type": MACHINE}, "min_replica_count": 1}}
    made = pools.create_deployment_resource_pool(
        parent=place.location, deployment_resource_pool=pool, deployment_resource_pool_id=place.name("pool")
    ).result(timeout=3600)
    pools.delete_deployment_resource_pool(name=made.name).result(timeout=3600)
    model = upload(vertex, place, 2.0)
    endpoint = vertex.Endpoint.create(display_name=place.name("mutated"), labels=dict(place.labels))
    try:
        endpoint.deploy(model, machine_type=MACHINE, traffic_percentage=100, max_replica_count=1)
        [deployed] = endpoint.list_models()
        client = aiplatform_v1.EndpointServiceClient(client_options=options)
        change = {"id": deployed.id, "dedicated_resources": {"min_replica_count": 1, "max_replica_count": 2}}
        client.mutate_deployed_model(
            endpoint=endpoint.resource_name, deployed_model=change, update_mask={"paths": ["dedicated_resources.max_replica_count"]}
        ).result(timeout=3600)
        [changed] = client.get_endpoint(name=endpoint.resource_name).deployed_models
        assert changed.dedicated_resources.max_replica_count == 2
        assert endpoint.predict(instances=[{"x": 1}]).predictions[0]["y"] == 2.0
    finally:
        endpoint.delete(force=True)
        model.delete()
