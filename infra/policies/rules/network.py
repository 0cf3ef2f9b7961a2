"""What can be reached from outside, and how."""

from collections.abc import Iterator

from infra.policies.policy import of
from infra.policies.subject import Resource, SynthesisedStack

EVERYWHERE = {"0.0.0.0/0", "::/0"}


@of(
    "google_compute_firewall",
    id="open-firewall",
    reason="the internet could reach the machines behind it",
    remedy="Name the source ranges, tags or accounts; people come through Identity-Aware Proxy (35.235.240.0/20)",
    reference="CIS 3.6 and 3.7, https://cloud.google.com/firewall/docs/firewalls",
)
def open_firewall(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """No rule lets everybody in."""
    if resource.at("direction") == "EGRESS" or not resource.blocks("allow") or resource.at("disabled") is True:
        return
    ranges = set(resource.at("source_ranges") or [])
    if ranges & EVERYWHERE or not (ranges or resource.at("source_tags") or resource.at("source_service_accounts")):
        yield f"lets in {', '.join(sorted(ranges & EVERYWHERE)) or 'everybody'}"


@of(
    "google_compute_network",
    id="automatic-subnetworks",
    reason="it opens a range in every region of the world, which nobody reviews",
    remedy="Set auto_create_subnetworks to false and declare the subnetwork",
    reference="CIS 3.1, https://cloud.google.com/vpc/docs/vpc#auto-mode-considerations",
)
def automatic_subnetworks(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """Every range of a network is declared."""
    if resource.at("auto_create_subnetworks") is not False:
        yield "makes its subnetworks by itself"


@of(
    "google_compute_instance",
    "google_compute_instance_template",
    "google_compute_address",
    id="public-address",
    reason="the internet could reach it",
    remedy="Leave access_config away, and let it out through Cloud NAT",
    reference="CIS 4.9, https://cloud.google.com/compute/docs/ip-addresses",
)
def public_address(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """No machine has a public address."""
    if resource.type == "google_compute_address":
        if resource.at("address_type") != "INTERNAL":
            yield "is a public address"
    elif any("access_config" in interface for interface in resource.blocks("network_interface")):
        yield "has a public address"


@of(
    "google_compute_*forwarding_rule",
    "google_compute_*backend_service",
    id="load-balancing-scheme",
    reason="the default changes with the provider's major version, and changing it replaces the load balancer",
    remedy='Say load_balancing_scheme, "EXTERNAL_MANAGED" for what the internet may see',
    reference="https://github.com/hashicorp/terraform-provider-google/blob/main/website/docs/guides/version_8_upgrade.html.markdown",
)
def load_balancing_scheme(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A load balancer says which kind it is."""
    target = str(resource.at("target") or "")
    # An endpoint of Private Service Connect is a forwarding rule without a scheme.
    if not resource.at("load_balancing_scheme") and "serviceAttachments" not in target and "apis" not in target and target != "vpc-sc":
        yield "leaves load_balancing_scheme to the provider"


@of(
    "google_compute_*target_http_proxy",
    id="plain-http",
    reason="what people send could be read and changed on the way",
    remedy="Use a target_https_proxy, and an url map that only redirects for this one",
    reference="https://cloud.google.com/load-balancing/docs/https/setting-up-global-http-https-redirect",
)
def plain_http(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """Plain HTTP does nothing but redirect."""
    map_ = str(resource.at("url_map") or "")
    targets = [other for other in stack.by_type.get("google_compute_url_map", ()) if other.id in map_]
    if not targets or not all(target.at("default_url_redirect.https_redirect") is True for target in targets):
        yield "answers over plain HTTP"


@of(
    "google_compute_ssl_policy",
    id="tls-version",
    reason="old versions of TLS can be broken",
    remedy='Set min_tls_version to "TLS_1_2" and profile to "MODERN" or "RESTRICTED"',
    reference="CIS 3.9, https://cloud.google.com/load-balancing/docs/ssl-policies-concepts",
)
def tls_version(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """TLS 1.2 at least, with ciphers that hold."""
    if resource.at("min_tls_version") not in {"TLS_1_2", "TLS_1_3"} or resource.at("profile") not in {"MODERN", "RESTRICTED"}:
        yield f"accepts {resource.at('min_tls_version') or 'TLS_1_0'} with {resource.at('profile') or 'COMPATIBLE'} ciphers"


@of(
    "google_access_context_manager_service_perimeter",
    id="perimeter-services",
    reason="data could leave through the service that is missing",
    remedy="List aiplatform, notebooks, storage, bigquery and artifactregistry in status.restricted_services",
    reference="https://cloud.google.com/vertex-ai/docs/general/vpc-service-controls",
)
def perimeter_services(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A perimeter encloses every service that holds data or models."""
    held = set(resource.at("status.restricted_services") or [])
    needed = {f"{api}.googleapis.com" for api in ("aiplatform", "notebooks", "storage", "bigquery", "artifactregistry")}
    if missing := sorted(needed - held):
        yield f"leaves out {', '.join(missing)}"


POLICIES = (open_firewall, automatic_subnetworks, public_address, load_balancing_scheme, plain_http, tls_version, perimeter_services)
