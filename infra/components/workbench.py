"""The machine on which people explore: a Workbench instance with a GPU and no address of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_google.workbench_instance import (
    WorkbenchInstance,
    WorkbenchInstanceGceSetup,
    WorkbenchInstanceGceSetupAcceleratorConfigs,
    WorkbenchInstanceGceSetupBootDisk,
    WorkbenchInstanceGceSetupNetworkInterfaces,
    WorkbenchInstanceGceSetupServiceAccounts,
    WorkbenchInstanceGceSetupShieldedInstanceConfig,
    WorkbenchInstanceGceSetupVmImage,
)
from constructs import Construct

from environments.schema import Workbench

IMAGE_PROJECT = "cloud-notebooks-managed"
IMAGE_FAMILY = "workbench-instances"


@dataclass(frozen=True, kw_only=True)
class GpuWorkbenchProps:
    """An instance, its size, and where it stands."""

    name: str
    zone: str
    size: Workbench
    network: str
    """`projects/P/global/networks/N`."""
    subnetwork: str
    """`projects/P/regions/R/subnetworks/S`."""
    service_account: str
    owners: Sequence[str]
    """E-mails of the people who work on it."""


class GpuWorkbench(Construct):
    """Creates one Workbench instance: shielded, without public address, without root, shut down when idle.

    Deliberately declares no state (people start and stop it), no data disk and no start-up script: what a person needs is
    in the repository's lock file, not on a machine.
    """

    def __init__(self, scope: Construct, id: str, props: GpuWorkbenchProps) -> None:
        super().__init__(scope, id)
        size = props.size
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
                vm_image=WorkbenchInstanceGceSetupVmImage(project=IMAGE_PROJECT, family=IMAGE_FAMILY),
                boot_disk=WorkbenchInstanceGceSetupBootDisk(
                    disk_size_gb=str(size.boot_disk_gb), disk_type="PD_BALANCED", disk_encryption="GMEK"
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
                },
            ),
            # Workbench upgrades its image in place; a newer image in the family must not replace the machine and its disk.
            lifecycle=TerraformResourceLifecycle(ignore_changes=["gce_setup[0].vm_image"]),
        )
