"""Vertex AI: what serves is private, bounded in cost, and changed by the rollout alone."""

from collections.abc import Iterator

from infra.policies.policy import of
from infra.policies.subject import Resource, SynthesisedStack


@of(
    "google_vertex_ai_feature_online_store",
    id="online-store-private",
    reason="features of people could be asked for from the internet",
    remedy="Set dedicated_serving_endpoint.private_service_connect_config.enable_private_service_connect, or use a Bigtable store",
    reference="https://cloud.google.com/vertex-ai/docs/featurestore/latest/create-onlinestore",
)
def online_store_private(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """An optimised online store has no public endpoint."""
    private = resource.at("dedicated_serving_endpoint.private_service_connect_config.enable_private_service_connect")
    # A Bigtable store has no endpoint of its own; an optimised one has a public one unless it is told otherwise.
    if "bigtable" not in resource.body and private is not True:
        yield "has a public endpoint"


@of(
    "google_vertex_ai_feature_online_store",
    id="online-store-nodes",
    reason="load, or a fault of a client, would buy nodes without end",
    remedy="Set bigtable.auto_scaling with max_node_count",
    reference="https://cloud.google.com/vertex-ai/docs/featurestore/latest/online-serving-types",
)
def online_store_nodes(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A Bigtable online store grows to a limit."""
    if "bigtable" in resource.body and not resource.at("bigtable.auto_scaling.max_node_count"):
        yield "has no upper limit of nodes"


@of(
    "google_vertex_ai_deployment_resource_pool",
    id="pool-limits",
    reason="a missing upper limit is a bill without end, a missing replica is an outage while one restarts",
    remedy="Pass serving.min_replicas and serving.max_replicas of the environment",
    reference="https://cloud.google.com/vertex-ai/docs/predictions/model-co-hosting",
)
def pool_limits(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A pool of machines has the replicas that the environment says, and no more."""
    serving = stack.environment.serving
    least, most = resource.at("dedicated_resources.min_replica_count"), resource.at("dedicated_resources.max_replica_count")
    if not isinstance(least, int) or least < serving.min_replicas:
        yield f"keeps {least or 0} replicas where {stack.environment.name} promises {serving.min_replicas}"
    if not isinstance(most, int) or most > serving.max_replicas:
        yield f"grows to {most or 'any number of'} replicas where {stack.environment.name} pays for {serving.max_replicas}"


@of(
    "google_vertex_ai_endpoint",
    id="traffic-is-the-rollouts",
    reason="an apply would send all traffic back to nobody in the middle of a canary",
    remedy='Set lifecycle.ignore_changes to ["traffic_split"], as infra/components/endpoint.py does',
    reference="https://cloud.google.com/vertex-ai/docs/predictions/deploy-model-api",
)
def traffic_is_the_rollouts(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """The rollout owns the traffic of an endpoint, Terraform does not."""
    ignored = resource.at("lifecycle.ignore_changes") or []
    if resource.at("traffic_split") or "traffic_split" not in ignored:
        yield "owns its traffic split"


@of(
    "google_vertex_ai_endpoint",
    id="request-log",
    reason="drift could not be measured, and a wrong answer could not be explained",
    remedy="Set predict_request_response_logging_config, as infra/components/endpoint.py does",
    reference="https://cloud.google.com/vertex-ai/docs/predictions/online-prediction-logging",
)
def request_log(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """An endpoint logs its requests and answers."""
    if resource.at("predict_request_response_logging_config.enabled") is not True:
        yield "does not log its requests"


@of(
    "google_vertex_ai_index_endpoint",
    id="index-endpoint-private",
    reason="embeddings of people could be asked for from the internet",
    remedy="Set private_service_connect_config and leave public_endpoint_enabled off",
    reference="https://cloud.google.com/vertex-ai/docs/vector-search/setup/vpc",
)
def index_endpoint_private(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A vector index is served inside the network."""
    if resource.at("public_endpoint_enabled") is True:
        yield "has a public endpoint"


POLICIES = (online_store_private, online_store_nodes, pool_limits, traffic_is_the_rollouts, request_log, index_endpoint_private)
