"""A machine on which people explore: a Workbench instance with no address of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_google.workbench_instance import (
    WorkbenchInstance,
    WorkbenchInstanceGceSetup,
    WorkbenchInstanceGceSetupAcceleratorConfigs,
    WorkbenchInstanceGceSetupBootDisk,
    WorkbenchInstanceGceSetupContainerImage,
    WorkbenchInstanceGceSetupDataDisks,
    WorkbenchInstanceGceSetupNetworkInterfaces,
    WorkbenchInstanceGceSetupServiceAccounts,
    WorkbenchInstanceGceSetupShieldedInstanceConfig,
    WorkbenchInstanceGceSetupVmImage,
)
from constructs import Construct

from environments.schema import Instance

IMAGE_PROJECT = "cloud-notebooks-managed"
DISK = "PD_BALANCED"


@dataclass(frozen=True, kw_only=True)
class WorkbenchProps:
    """An instance, its software, and where it stands."""

    name: str
    zone: str
    instance: Instance
    container: str | None
    """Address of the container image without its tag; None for a machine image."""
    network: str
    """`projects/P/global/networks/N`."""
    subnetwork: str
    """`projects/P/regions/R/subnetworks/S`."""
    service_account: str
    kms_key: str | None
    """Full name of the key that encrypts both disks; another one replaces the instance."""
    metadata: Mapping[str, str]
    """What the machine is told beside the settings of this component, such as its start-up script."""
    owners: Sequence[str]
    """E-mails of the people who work on it."""


class Workbench(Construct):
    """Creates one Workbench instance: shielded, without public address, root or downloads, shut down when idle.

    Deliberately declares no state (people start and stop it) and installs nothing: the image, or the start-up script that the
    metadata names, does.
    """

    def __init__(self, scope: Construct, id: str, props: WorkbenchProps) -> None:
        super().__init__(scope, id)
        size, key = props.instance, props.kms_key
        encryption = "CMEK" if key else "GMEK"
        WorkbenchInstance(
            self,
            "instance",
            name=props.name,
            location=props.zone,
            # Google takes one owner or none. With more than one, whoever may act as the service account may work.
            instance_owners=list(props.owners) if len(props.owners) == 1 else None,
            gce_setup=WorkbenchInstanceGceSetup(
                machine_type=size.machine_type,
                accelerator_configs=[
                    WorkbenchInstanceGceSetupAcceleratorConfigs(type=size.accelerator.type, core_count=str(size.accelerator.count))
                ]
                if size.accelerator
                else None,
                vm_image=None if props.container else WorkbenchInstanceGceSetupVmImage(project=IMAGE_PROJECT, name=size.image),
                container_image=WorkbenchInstanceGceSetupContainerImage(repository=props.container, tag=size.image)
                if props.container
                else None,
                boot_disk=WorkbenchInstanceGceSetupBootDisk(
                    disk_size_gb=str(size.boot_disk_gb), disk_type=DISK, disk_encryption=encryption, kms_key=key
                ),
                data_disks=WorkbenchInstanceGceSetupDataDisks(
                    disk_size_gb=str(size.data_disk_gb), disk_type=DISK, disk_encryption=encryption, kms_key=key
                ),
                shielded_instance_config=WorkbenchInstanceGceSetupShieldedInstanceConfig(
                    enable_secure_boot=True, enable_vtpm=True, enable_integrity_monitoring=True
                ),
                disable_public_ip=True,
                network_interfaces=[WorkbenchInstanceGceSetupNetworkInterfaces(network=props.network, subnet=props.subnetwork)],
                service_accounts=[WorkbenchInstanceGceSetupServiceAccounts(email=props.service_account)],
                metadata={
                    "idle-timeout-seconds": str(size.idle_shutdown_minutes * 60),
                    "notebook-disable-root": "true",
                    "notebook-disable-downloads": "true",
                    **props.metadata,
                },
            ),
            # Workbench upgrades its image in place; a newer image must not replace the machine and its home folder.
            lifecycle=TerraformResourceLifecycle(ignore_changes=["gce_setup[0].vm_image"]),
        )
