"""What may end, what has ended, and who owns what."""

from collections.abc import Callable, Iterator, Mapping

from environments.workloads import RETIRED_ACCELERATORS
from infra.policies.policy import Breach, of, policy
from infra.policies.subject import Resource, SynthesisedStack

RETIRED = {
    "google_iap_brand": "can no longer be created, and is gone from google 8",
    "google_iap_client": "can no longer be created, and is gone from google 8",
    "google_ml_engine_model": "belongs to AI Platform, which ended on 2025-01-31",
    "google_notebooks_": "user-managed notebooks can no longer be created; use google_workbench_instance",
    "google_sourcerepo_": "Cloud Source Repositories takes no new customers since 2024-06-17; use a Cloud Build repository connection",
    "google_vertex_ai_featurestore": "Feature Store (Legacy) ends on 2027-02-17; use feature groups and views",
}
"""Beginning of a resource type → why it must not be declared."""
OWNED_BY_CODE = {
    "google_bigquery_job": "a query is an event; ml and pipelines run it",
    "google_dataflow_job": "a run is an event; pipelines start it",
    "google_dataflow_flex_template_job": "a run is an event; pipelines start it",
    "google_storage_bucket_object": "objects are data, and belong to the code that writes them",
    "google_vertex_ai_endpoint_with_model_garden_deployment": "deployments belong to serving/rollout",
    "google_vertex_ai_index_endpoint_deployed_index": "deployments belong to the code that builds the index",
}
"""Resource type → who owns what it declares, if not Terraform."""
FIELDS_OWNED_BY_CODE = {
    "google_vertex_ai_endpoint": "traffic_split",
    "google_workbench_instance": "desired_state",
}
"""Resource type → a field that people or code change while it runs."""


def prevents_destroy(resource: Resource) -> bool:
    """Whether Terraform refuses any plan that destroys the resource."""
    return resource.at("lifecycle.prevent_destroy") is True


GUARDS: Mapping[str, Callable[[Resource], bool]] = {
    "google_artifact_registry_repository": prevents_destroy,
    "google_bigquery_dataset": lambda r: prevents_destroy(r) and r.at("delete_contents_on_destroy") is not True,
    "google_bigquery_table": lambda r: r.at("deletion_protection") is True,
    "google_cloud_run_v2_service": lambda r: r.at("deletion_protection") is not False,
    "google_kms_crypto_key": prevents_destroy,
    "google_kms_key_ring": prevents_destroy,
    "google_project": lambda r: r.at("deletion_policy") == "PREVENT",
    "google_secret_manager_secret": lambda r: prevents_destroy(r) or r.at("deletion_protection") is True,
    "google_storage_bucket": lambda r: prevents_destroy(r) and r.at("force_destroy") is not True,
    "google_vertex_ai_dataset": prevents_destroy,
    "google_vertex_ai_feature_online_store": lambda r: prevents_destroy(r) and r.at("force_destroy") is not True,
    "google_vertex_ai_tensorboard": prevents_destroy,
}
"""Resource type → whether a plan that destroys what it holds is refused."""


@policy(
    "deletion-protection",
    reason="one wrong plan would lose what it holds",
    remedy="Pass data.deletion_protection of the environment to its component",
    reference="https://developer.hashicorp.com/terraform/language/meta-arguments/lifecycle#prevent_destroy",
)
def deletion_protection(stack: SynthesisedStack) -> Iterator[Breach]:
    """Where the environment protects its data, no plan can destroy what holds it."""
    if not stack.environment.data.deletion_protection:
        return
    for type_, guarded in GUARDS.items():
        for resource in stack.by_type.get(type_, ()):
            if not guarded(resource):
                yield resource, f"can be destroyed by a plan although {stack.environment.name} protects its data"


@policy(
    "retired-type",
    reason="it would stop to work, or cannot be made at all",
    remedy="Use the successor that is named",
    reference="https://cloud.google.com/terms/deprecation",
)
def retired_types(stack: SynthesisedStack) -> Iterator[Breach]:
    """No type whose service has ended or is ending."""
    for type_, resources in stack.by_type.items():
        for beginning, why in RETIRED.items():
            if type_.startswith(beginning):
                yield from ((resource, why) for resource in resources)


@of(
    "google_workbench_instance",
    "google_vertex_ai_deployment_resource_pool",
    "google_compute_instance",
    id="retired-hardware",
    reason="the machine could not start again after its first stop",
    remedy="Use NVIDIA_L4 or NVIDIA_TESLA_T4",
    reference="https://cloud.google.com/compute/docs/eol",
)
def retired_hardware(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """No accelerator that Google no longer offers."""
    blocks = [
        *resource.blocks("gce_setup.accelerator_configs"),
        *resource.blocks("dedicated_resources.machine_spec"),
        *resource.blocks("guest_accelerator"),
    ]
    for block in blocks:
        kind = str(block.get("type") or block.get("accelerator_type") or "").upper().replace("-", "_")
        if kind in RETIRED_ACCELERATORS:
            yield f"{kind} {RETIRED_ACCELERATORS[kind]}"


@policy(
    "owned-by-code",
    reason="an apply would undo what a run has done",
    remedy="Remove it here; declare only the shell that holds it",
    reference="docs/design.md, Nothing is owned twice",
)
def owned_by_code(stack: SynthesisedStack) -> Iterator[Breach]:
    """Terraform declares shells; what happens inside belongs to code."""
    for type_, owner in OWNED_BY_CODE.items():
        yield from ((resource, owner) for resource in stack.by_type.get(type_, ()))
    for type_, field in FIELDS_OWNED_BY_CODE.items():
        for resource in stack.by_type.get(type_, ()):
            if resource.at(field) is not None:
                yield resource, f"sets {field}, which changes while it runs"


@of(
    "*",
    id="ignored-changes",
    reason="what somebody changes by hand would never be seen",
    remedy="Name the one field that somebody else owns, and say who",
    reference="https://developer.hashicorp.com/terraform/language/meta-arguments/lifecycle#ignore_changes",
)
def ignored_changes(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """No resource ignores all that happens to it."""
    if resource.at("lifecycle.ignore_changes") in ("all", ["all"]):
        yield "ignores every change"


@policy(
    "google-only",
    reason="it runs a program, or makes a value, that no review sees and no plan shows",
    remedy="Write it as code of pipelines or playbook, or derive the value in environments/names.py",
    reference="https://developer.hashicorp.com/terraform/language/resources/provisioners/syntax",
)
def google_only(stack: SynthesisedStack) -> Iterator[Breach]:
    """Only resources of the google provider, and no provisioner."""
    for resource in stack.resources:
        if not resource.type.startswith("google_"):
            yield resource, f"is of type {resource.type}"
        elif "provisioner" in resource.body:
            yield resource, "runs a provisioner"


POLICIES = (deletion_protection, retired_types, retired_hardware, owned_by_code, ignored_changes, google_only)
