"""What runs by itself: Cloud Run, Cloud Build, Cloud Scheduler, and the images that they and notebooks start from."""

import re
from collections.abc import Iterator

from infra.policies.policy import Breach, of, policy
from infra.policies.subject import Resource, SynthesisedStack

DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
CONTENT = re.compile(r"[0-9a-f]{40}")
"""A tag of ours: the digest of what goes into an image (`pipelines.images`)."""
IMAGES = {
    "google_cloud_run_v2_job": "template.template.containers",
    "google_cloud_run_v2_service": "template.containers",
}
"""Resource type → its containers."""


@policy(
    "image-by-digest",
    reason="another image could run tomorrow than was reviewed today",
    remedy="Name the image by digest (@sha256:…), or the exact version of a machine image instead of its family",
    reference="https://cloud.google.com/artifact-registry/docs/docker/pull-images#digest",
)
def image_by_digest(stack: SynthesisedStack) -> Iterator[Breach]:
    """What runs is named by digest or exact version, never by a tag or a family that moves."""
    for type_, path in IMAGES.items():
        for resource in stack.by_type.get(type_, ()):
            for container in resource.blocks(path):
                if moves(image := str(container.get("image") or "")):
                    yield resource, f"runs {image or 'no image'}"
    for resource in stack.by_type.get("google_workbench_instance", ()):
        if family := resource.at("gce_setup.vm_image.family"):
            yield resource, f"starts from the newest of the family {family}"
        for container in resource.blocks("gce_setup.container_image"):
            repository, tag = str(container.get("repository")), str(container.get("tag"))
            # In our own registry a tag never moves, and it is the digest of what the image was built from.
            if not (repository.startswith(f"{stack.names.image_repository}/") and CONTENT.fullmatch(tag)):
                yield resource, f"starts {repository}:{tag}"


def moves(image: str) -> bool:
    """Whether an image's name may mean another image tomorrow."""
    return not image.startswith("${") and not DIGEST.search(image)


@of(
    "google_cloud_run_v2_service",
    id="run-ingress",
    reason="the internet could reach it beside the load balancer, its certificate and its logs",
    remedy='Set ingress to "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER" or "INGRESS_TRAFFIC_INTERNAL_ONLY", and leave invoker_iam_disabled off',
    reference="https://cloud.google.com/run/docs/securing/ingress",
)
def run_ingress(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A service is reached from inside or through the load balancer."""
    if resource.at("ingress") not in {"INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER", "INGRESS_TRAFFIC_INTERNAL_ONLY"}:
        yield f"takes {resource.at('ingress') or 'all traffic'}"
    if resource.at("invoker_iam_disabled") is True:
        yield "asks no caller who it is"


@of(
    "google_cloud_run_v2_service",
    id="run-instances",
    reason="a flood of requests would be a flood of cost",
    remedy="Set template.scaling.max_instance_count",
    reference="https://cloud.google.com/run/docs/configuring/max-instances",
)
def run_instances(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A service grows to a limit."""
    if not resource.at("template.scaling.max_instance_count"):
        yield "has no upper limit of instances"


@policy(
    "own-identity",
    reason="it would run as the default account, which the whole project shares",
    remedy="Set its service account to that of a duty (Names.service_account)",
    reference="CIS 4.1, https://cloud.google.com/iam/docs/service-account-types#default",
)
def own_identity(stack: SynthesisedStack) -> Iterator[Breach]:
    """Whatever runs by itself runs as the identity of a duty."""
    identities = {
        "google_cloud_run_v2_job": "template.template.service_account",
        "google_cloud_run_v2_service": "template.service_account",
        "google_cloudbuild_trigger": "service_account",
        "google_compute_instance": "service_account.email",
    }
    for type_, path in identities.items():
        yield from ((resource, "names no service account") for resource in stack.by_type.get(type_, ()) if not resource.at(path))


@of(
    "google_cloud_scheduler_job",
    id="scheduled-call",
    reason="whoever finds the address could start it, or the call would be refused",
    remedy="Set oauth_token or oidc_token with the service account of a duty",
    reference="https://cloud.google.com/scheduler/docs/http-target-auth",
)
def scheduled_call(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A schedule calls as somebody."""
    if resource.blocks("http_target") and not any(
        resource.at(f"http_target.{kind}.service_account_email") for kind in ("oauth_token", "oidc_token")
    ):
        yield "calls without an identity"


@of(
    "google_cloudbuild_trigger",
    id="build-approval",
    reason="whoever may push could change what is protected",
    remedy="Set approval_config.approval_required to true",
    reference="https://cloud.google.com/build/docs/automating-builds/approve-builds",
)
def build_approval(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """In a protected environment no build starts without an approval."""
    # A plan changes nothing: it runs as the identity that can only read, and must run before there is anything to approve.
    plans = stack.names.service_account_id("plan") in str(resource.at("service_account"))
    if stack.environment.protected and not plans and resource.at("approval_config.approval_required") is not True:
        yield "starts without an approval"


@of(
    "google_cloudbuild_worker_pool",
    id="private-build",
    reason="a build could send what it sees anywhere",
    remedy="Set worker_config.no_external_ip to true and give the pool a network",
    reference="https://cloud.google.com/build/docs/private-pools/private-pools-overview",
)
def private_build(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """Builds run on machines without a public address."""
    if resource.at("worker_config.no_external_ip") is not True:
        yield "has public addresses"


POLICIES = (image_by_digest, run_ingress, run_instances, own_identity, scheduled_call, build_approval, private_build)
