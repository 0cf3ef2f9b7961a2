"""The machines on which people work."""

from collections.abc import Iterator

from infra.policies.policy import of
from infra.policies.subject import Resource, SynthesisedStack

LONGEST_IDLE_SECONDS = 24 * 3600
METADATA = "gce_setup.metadata"


def metadata(resource: Resource, key: str) -> str:
    """One value of the machine's metadata; keys hold dashes, so that they are no path."""
    return str((resource.at(METADATA) or {}).get(key, ""))


@of(
    "google_workbench_instance",
    id="workbench-shielded",
    reason="a changed boot loader would not be noticed",
    remedy="Set all three of gce_setup.shielded_instance_config, as infra/components/workbench.py does",
    reference="CIS 4.8, https://cloud.google.com/compute/shielded-vm/docs/shielded-vm",
)
def shielded(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A Workbench instance boots what was signed."""
    wanted = ("enable_secure_boot", "enable_vtpm", "enable_integrity_monitoring")
    missing = [key for key in wanted if resource.at(f"gce_setup.shielded_instance_config.{key}") is not True]
    if missing:
        yield f"lacks {', '.join(missing)}"


@of(
    "google_workbench_instance",
    id="workbench-idle-shutdown",
    reason="a machine with a GPU that nobody uses is paid for over nights and weekends",
    remedy="Pass idle_shutdown_minutes of the environment to its component",
    reference="https://cloud.google.com/vertex-ai/docs/workbench/instances/idle-shutdown",
)
def idle_shutdown(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A Workbench instance that nobody uses stops within a day."""
    seconds = metadata(resource, "idle-timeout-seconds")
    if not seconds.isdigit() or not 0 < int(seconds) <= LONGEST_IDLE_SECONDS:
        yield "never stops by itself"


@of(
    "google_workbench_instance",
    id="workbench-root",
    reason="root could read the tokens of the identity and switch the logs off",
    remedy='Set the metadata notebook-disable-root to "true", as infra/components/workbench.py does',
    reference="https://cloud.google.com/vertex-ai/docs/workbench/instances/manage-metadata",
)
def root(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """Nobody is root on a Workbench instance."""
    if metadata(resource, "notebook-disable-root") != "true":
        yield "lets people be root"


@of(
    "google_workbench_instance",
    id="workbench-proxy",
    reason="people would need another door, and no log would say who came through it",
    remedy="Leave disable_proxy_access and enable_third_party_identity off",
    reference="https://cloud.google.com/vertex-ai/docs/workbench/instances/manage-access-jupyterlab",
)
def proxy(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """People reach a Workbench instance through Google's proxy, which knows who they are."""
    if resource.at("disable_proxy_access") is True:
        yield "is not reached through Google's proxy"


@of(
    "google_workbench_instance",
    id="workbench-private",
    reason="the internet could reach it",
    remedy="Set gce_setup.disable_public_ip, as infra/components/workbench.py does",
    reference="CIS 4.9, https://cloud.google.com/vertex-ai/docs/workbench/instances/create#network",
)
def private(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A Workbench instance has no public address, and stands in our network."""
    if resource.at("gce_setup.disable_public_ip") is not True or not resource.at("gce_setup.network_interfaces.subnet"):
        yield "has a public address or stands in the default network"


@of(
    "google_workbench_instance",
    id="workbench-identity",
    reason="it would run as the default account, which the whole project shares",
    remedy='Set gce_setup.service_accounts to Names.service_account("workbench")',
    reference="CIS 4.1, https://cloud.google.com/vertex-ai/docs/workbench/instances/service-account",
)
def identity(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A Workbench instance runs as the identity of its duty."""
    if not resource.at("gce_setup.service_accounts.email"):
        yield "names no service account"


POLICIES = (shielded, idle_shutdown, root, proxy, private, identity)
