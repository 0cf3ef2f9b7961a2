"""The Workbench instance and the people who work on it."""

import re

from constructs import Construct

from environments import Names
from environments.tasks import Tasks
from infra.components.acting_as import ActingAs, ActingAsProps
from infra.components.workbench import GpuWorkbench, GpuWorkbenchProps
from infra.stacks.base import Stack


class WorkbenchStack(Stack):
    """Creates the instance where it is switched on, else nothing.

    A notebook submits pipelines, so that its identity may act as theirs. Deliberately gives people no role on data: what
    they see, they see as the workbench's identity, and the audit log says who used it.
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, tasks: Tasks) -> None:
        super().__init__(scope, id, names=names, tasks=tasks)
        workbench = self.environment.workbench
        if not workbench.enabled:
            return
        account = names.service_account("workbench")
        GpuWorkbench(
            self,
            "workbench",
            GpuWorkbenchProps(
                name=names.workbench_instance,
                zone=self.environment.zone,
                size=workbench,
                network=f"projects/{names.project}/global/networks/{names.network}",
                subnetwork=f"projects/{names.project}/regions/{self.environment.region}/subnetworks/{names.subnetwork}",
                service_account=account,
                owners=workbench.owners,
            ),
        )
        for owner in workbench.owners:
            word = re.sub(r"[^a-z0-9]+", "-", owner.lower())
            ActingAs(self, f"owner-{word}", ActingAsProps(project=names.project, account=account, member=f"user:{owner}"))
        ActingAs(
            self,
            "submits-pipelines",
            ActingAsProps(project=names.project, account=names.service_account("pipelines"), member=f"serviceAccount:{account}"),
        )
