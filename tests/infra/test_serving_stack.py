"""The serving stack: endpoints that only the rollout fills, and a page that is public only where somebody gave it an address."""

from pathlib import Path
from typing import Any

import pytest

from environments import ConfigurationError, Names, load, loading, organisation, tasks
from environments.schema import Environment, NoKeys
from infra.components.public_page import EVERYBODY, SCHEME
from infra.policies.subject import SynthesisedStack
from tests.environments.test_configuration import Edit, edited
from tests.infra.test_stacks import declared

__all__ = ["edited"]

ENVIRONMENTS = ("dev", "local", "prod", "staging")


def serving(environment: Environment, out: Path) -> SynthesisedStack:
    """The serving stack of an environment that has no file."""
    [found] = [stack for stack in declared(Names(organisation(), environment), out) if stack.id.endswith("-serving")]
    return found


def changed(name: str, section: str, **values: Any) -> Environment:
    environment = load(name)
    return environment.model_copy(update={section: getattr(environment, section).model_copy(update=values)})


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_endpoint_has_a_host_and_a_key_of_its_own_and_logs_every_request(
    stacks: dict[str, SynthesisedStack], environment: str
) -> None:
    stack = stacks[f"{environment}-serving"]
    endpoints = {endpoint.at("name"): endpoint for endpoint in stack.by_type["google_vertex_ai_endpoint"]}
    assert endpoints.keys() == {stack.names.endpoint_id(task.name) for task in tasks().tasks}
    for endpoint in endpoints.values():
        assert endpoint.at("dedicated_endpoint_enabled") is True
        assert endpoint.at("encryption_spec.kms_key_name") == stack.names.key("ml")
        assert endpoint.at("predict_request_response_logging_config.sampling_rate") == 1
        assert endpoint.at("lifecycle.ignore_changes") == ["traffic_split"]


def test_private_endpoints_are_reached_from_the_listed_projects_only(tmp_path: Path) -> None:
    stack = serving(changed("dev", "serving", endpoints="private", consumers=["acme-shop-dev"]), tmp_path)
    for endpoint in stack.by_type["google_vertex_ai_endpoint"]:
        assert endpoint.at("private_service_connect_config.project_allowlist") == ["acme-shop-dev"]
        assert endpoint.at("dedicated_endpoint_enabled") is None


def test_a_shared_endpoint_says_nothing_of_its_host(tmp_path: Path) -> None:
    stack = serving(changed("dev", "serving", endpoints="shared"), tmp_path)
    for endpoint in stack.by_type["google_vertex_ai_endpoint"]:
        assert endpoint.at("dedicated_endpoint_enabled") is None
        assert endpoint.at("private_service_connect_config") is None


def test_a_pool_runs_the_replicas_of_the_environment(tmp_path: Path) -> None:
    environment = changed("prod", "serving", resource_pool=True).model_copy(update={"keys": NoKeys(mode="none")})
    [pool] = serving(environment, tmp_path).by_type["google_vertex_ai_deployment_resource_pool"]
    assert pool.at("name") == Names(organisation(), environment).resource_pool
    assert pool.at("dedicated_resources.machine_spec.machine_type") == environment.serving.machine_type
    assert pool.at("dedicated_resources.min_replica_count") == environment.serving.min_replicas
    assert pool.at("dedicated_resources.max_replica_count") == environment.serving.max_replicas


def test_a_pool_beside_keys_is_refused(edited: Edit) -> None:
    with pytest.raises(ConfigurationError, match=r"same key only.*resource_pool: false"):
        loading.load("dev", edited("dev.yaml", "resource_pool: false", "resource_pool: true"))


@pytest.mark.parametrize(
    ("old", "new"),
    [("endpoints: dedicated", "endpoints: private"), ("endpoints: dedicated", "endpoints: dedicated\n  consumers: [acme-shop-dev]")],
)
def test_consumers_and_private_endpoints_belong_together(edited: Edit, old: str, new: str) -> None:
    with pytest.raises(ConfigurationError, match="private endpoints without one are reached by nobody"):
        loading.load("dev", edited("dev.yaml", old, new))


def test_no_environment_pays_for_a_pool(stacks: dict[str, SynthesisedStack]) -> None:
    assert not [id_ for id_, stack in stacks.items() if "google_vertex_ai_deployment_resource_pool" in stack.by_type]


def test_a_page_without_an_address_costs_nothing_and_stays_private(stacks: dict[str, SynthesisedStack]) -> None:
    assert not [resource for resource in stacks["dev-serving"].resources if resource.type.startswith("google_compute_")]
    assert "google_storage_bucket_iam_member" not in stacks["dev-serving"].by_type
    names = stacks["dev-data"].names
    [web] = [one for one in stacks["dev-data"].by_type["google_storage_bucket"] if one.at("name") == names.bucket("web")]
    assert web.at("public_access_prevention") == "enforced"


@pytest.mark.parametrize("environment", ["local", "prod", "staging"])
def test_of_a_published_page_everybody_reads_the_web_bucket_and_nothing_else(stacks: dict[str, SynthesisedStack], environment: str) -> None:
    names = stacks[f"{environment}-serving"].names
    granted = [
        resource
        for stack in stacks.values()
        for resource in stack.resources
        if stack.names.environment.name == environment and resource.at("member") == EVERYBODY
    ]
    # A reader of objects who cannot list them.
    assert [(grant.at("bucket"), grant.at("role")) for grant in granted] == [(names.bucket("web"), "roles/storage.legacyObjectReader")]
    open_ = [b for b in stacks[f"{environment}-data"].by_type["google_storage_bucket"] if b.at("public_access_prevention") != "enforced"]
    assert [bucket.at("name") for bucket in open_] == [names.bucket("web")]


def test_a_published_page_answers_over_https_alone_and_says_its_load_balancer(stacks: dict[str, SynthesisedStack]) -> None:
    stack = stacks["prod-serving"]
    rules = {rule.at("port_range"): rule for rule in stack.by_type["google_compute_global_forwarding_rule"]}
    assert {rule.at("load_balancing_scheme") for rule in rules.values()} == {SCHEME}
    assert "compute_target_https_proxy" in rules["443"].at("target")
    assert "compute_target_http_proxy" in rules["80"].at("target")
    [plain] = stack.by_type["google_compute_target_http_proxy"]
    redirects = {
        f"${{google_compute_url_map.{one.id}.id}}"
        for one in stack.by_type["google_compute_url_map"]
        if one.at("default_url_redirect.https_redirect")
    }
    assert {plain.at("url_map")} == redirects
    [certificate] = stack.by_type["google_compute_managed_ssl_certificate"]
    assert certificate.at("managed.domains") == [stack.environment.web.domain]
    [backend] = stack.by_type["google_compute_backend_bucket"]
    assert backend.at("enable_cdn") is True


def test_the_rollout_owns_what_the_server_runs(stacks: dict[str, SynthesisedStack]) -> None:
    [server] = stacks["local-serving"].by_type["google_cloud_run_v2_service"]
    assert server.at("template.service_account") == stacks["local-serving"].names.service_account("serving")
    assert "template[0].containers[0].image" in server.at("lifecycle.ignore_changes")
    assert server.at("template.scaling.min_instance_count") == 0
