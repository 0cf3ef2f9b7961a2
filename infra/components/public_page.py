"""The way from a browser to the page in the web bucket."""

import hashlib
from dataclasses import dataclass

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_google.compute_backend_bucket import ComputeBackendBucket, ComputeBackendBucketCdnPolicy
from cdktf_cdktf_provider_google.compute_global_address import ComputeGlobalAddress
from cdktf_cdktf_provider_google.compute_global_forwarding_rule import ComputeGlobalForwardingRule
from cdktf_cdktf_provider_google.compute_managed_ssl_certificate import ComputeManagedSslCertificate, ComputeManagedSslCertificateManaged
from cdktf_cdktf_provider_google.compute_ssl_policy import ComputeSslPolicy
from cdktf_cdktf_provider_google.compute_target_http_proxy import ComputeTargetHttpProxy
from cdktf_cdktf_provider_google.compute_target_https_proxy import ComputeTargetHttpsProxy
from cdktf_cdktf_provider_google.storage_bucket_iam_member import StorageBucketIamMember
from constructs import Construct

# Said outright, since the provider's default moves from the classic load balancer to this one in version 8.
SCHEME = "EXTERNAL_MANAGED"
EVERYBODY = "allUsers"
HEADERS = (
    "Strict-Transport-Security: max-age=31536000; includeSubDomains",
    "X-Content-Type-Options: nosniff",
    "Referrer-Policy: no-referrer",
)


@dataclass(frozen=True, kw_only=True)
class PublicPageProps:
    """A bucket and the host name under which anybody reads it."""

    name: str
    """Base of the names of all parts."""
    bucket: str
    domain: str


class PublicPage(Construct):
    """Creates a global external Application Load Balancer before one bucket: address, certificate, CDN, and a redirect to HTTPS.

    A load balancer reads a bucket as anybody does, so whoever asks for this lets everybody read the bucket's objects (not list them).
    The page and its models are made for that; nothing else lies there, and the bucket must not prevent public access.
    Deliberately makes no DNS record: the domain's zone belongs to the organisation, and the certificate becomes active once its record
    names the address. It caches by what each object says (`Cache-Control`), so that only `current.json` and the page are asked for anew.
    """

    def __init__(self, scope: Construct, id: str, props: PublicPageProps) -> None:
        # The largest of all bindings: a twentieth of the synthesis of an environment that has no such page.
        from cdktf_cdktf_provider_google.compute_url_map import ComputeUrlMap, ComputeUrlMapDefaultUrlRedirect

        super().__init__(scope, id)
        StorageBucketIamMember(self, "everybody", bucket=props.bucket, role="roles/storage.legacyObjectReader", member=EVERYBODY)
        address = ComputeGlobalAddress(self, "address", name=f"{props.name}-address", address_type="EXTERNAL", ip_version="IPV4")
        backend = ComputeBackendBucket(
            self,
            "backend",
            name=f"{props.name}-backend",
            bucket_name=props.bucket,
            enable_cdn=True,
            cdn_policy=ComputeBackendBucketCdnPolicy(cache_mode="USE_ORIGIN_HEADERS"),
            compression_mode="AUTOMATIC",
            custom_response_headers=list(HEADERS),
        )
        certificate = ComputeManagedSslCertificate(
            self,
            "certificate",
            # A certificate is never changed: the one of another domain takes its place, and must be there first.
            name=f"{props.name}-{hashlib.sha256(props.domain.encode()).hexdigest()[:8]}",
            managed=ComputeManagedSslCertificateManaged(domains=[props.domain]),
            lifecycle=TerraformResourceLifecycle(create_before_destroy=True),
        )
        policy = ComputeSslPolicy(self, "tls", name=f"{props.name}-tls", profile="MODERN", min_tls_version="TLS_1_2")
        pages = ComputeUrlMap(self, "pages", name=f"{props.name}-pages", default_service=backend.id)
        proxy = ComputeTargetHttpsProxy(
            self, "https", name=f"{props.name}-https", url_map=pages.id, ssl_certificates=[certificate.id], ssl_policy=policy.id
        )
        redirect = ComputeUrlMap(
            self,
            "redirect",
            name=f"{props.name}-redirect",
            default_url_redirect=ComputeUrlMapDefaultUrlRedirect(
                https_redirect=True, strip_query=False, redirect_response_code="MOVED_PERMANENTLY_DEFAULT"
            ),
        )
        plain = ComputeTargetHttpProxy(self, "http", name=f"{props.name}-http", url_map=redirect.id)
        for word, port, target in (("https", "443", proxy.id), ("http", "80", plain.id)):
            ComputeGlobalForwardingRule(
                self,
                f"{word}-rule",
                name=f"{props.name}-{word}-rule",
                load_balancing_scheme=SCHEME,
                ip_address=address.id,
                port_range=port,
                target=target,
            )
