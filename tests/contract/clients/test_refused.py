"""What the local Google Cloud does not do is refused at once and by name: nothing is pretended, and no client waits for minutes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.clients.place import VARIABLE

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls
pytestmark = pytest.mark.skipif(VARIABLE in os.environ, reason="Google Cloud does it, and is asked for it nowhere here")
PATIENCE_SECONDS = 10


@contextmanager
def refused() -> Iterator[None]:
    """What is called inside is refused as not emulated, and not after a dozen of retries."""
    from google.api_core import exceptions

    began = time.monotonic()
    with pytest.raises((exceptions.InvalidArgument, exceptions.NotFound, exceptions.BadRequest), match=r"not emulated|Method not found"):
        yield
    assert time.monotonic() - began < PATIENCE_SECONDS


@pytest.fixture
def made(place: Place) -> Callable[[Any], Any]:
    """A client of Vertex AI by its class."""
    return lambda kind: kind(client_options={"api_endpoint": f"{place.region}-aiplatform.googleapis.com"})


@calls("aiplatform.projects.locations.evaluateInstances")
def test_the_evaluation_service(place: Place, made: Callable[[Any], Any]) -> None:
    """https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/evaluation"""
    from google.cloud import aiplatform_v1

    instance = {"prediction": "a", "reference": "a"}
    asked = {"location": place.location, "exact_match_input": {"metric_spec": {}, "instances": [instance]}}
    with refused():
        made(aiplatform_v1.EvaluationServiceClient).evaluate_instances(asked)


@calls("aiplatform.projects.locations.modelDeploymentMonitoringJobs.create")
def test_monitoring_of_deployed_models(place: Place, made: Callable[[Any], Any]) -> None:
    """https://cloud.google.com/vertex-ai/docs/model-monitoring/using-model-monitoring"""
    from google.cloud import aiplatform_v1

    job = {
        "display_name": place.name("monitor"), "endpoint": f"{place.location}/endpoints/1",
        "logging_sampling_strategy": {"random_sample_config": {"sample_rate": 0.5}},
        "model_deployment_monitoring_objective_configs": [{"deployed_model_id": "1"}],
        "model_deployment_monitoring_schedule_config": {"monitor_interval": {"seconds": 3600}},
    }  # fmt: skip
    with refused():
        made(aiplatform_v1.JobServiceClient).create_model_deployment_monitoring_job(
            parent=place.location, model_deployment_monitoring_job=job
        )


@calls("aiplatform.projects.locations.indexEndpoints.deployIndex")
def test_vector_search(place: Place, made: Callable[[Any], Any]) -> None:
    """https://cloud.google.com/vertex-ai/docs/vector-search/overview"""
    from google.cloud import aiplatform_v1

    client = made(aiplatform_v1.IndexEndpointServiceClient)
    endpoint = client.create_index_endpoint(parent=place.location, index_endpoint={"display_name": place.name("index")}).result()
    try:
        with refused():
            client.deploy_index(index_endpoint=endpoint.name, deployed_index={"id": "one", "index": f"{place.location}/indexes/1"})
    finally:
        client.delete_index_endpoint(name=endpoint.name).result()


@calls("pubsub.projects.subscriptions.create")
def test_subscriptions_that_write_into_bigquery(place: Place) -> None:
    """https://cloud.google.com/pubsub/docs/bigquery"""
    from google.cloud import pubsub_v1

    publisher, subscriber = pubsub_v1.PublisherClient(), pubsub_v1.SubscriberClient()
    topic = f"projects/{place.project}/topics/{place.name('refused')}"
    publisher.create_topic(name=topic)
    try:
        with refused():
            subscriber.create_subscription(
                request={
                    "name": topic.replace("/topics/", "/subscriptions/"),
                    "topic": topic,
                    "bigquery_config": {"table": f"{place.project}.d.t"},
                }
            )
    finally:
        publisher.delete_topic(topic=topic)
