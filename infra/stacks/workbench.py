"""The Workbench instances and the people who work on them."""

import re
from pathlib import Path

from constructs import Construct

from environments import Names
from environments.schema import Instance
from environments.tasks import Tasks
from infra.components.acting_as import ActingAs, ActingAsProps
from infra.components.bucket import Bucket, BucketProps
from infra.components.script import Script, ScriptProps
from infra.components.workbench import Workbench, WorkbenchProps
from infra.stacks.base import Stack

START = Path(__file__).parents[2] / "cloudbuild" / "workbench.sh"
IMAGE = "workbench-javascript"
"""The container of a JavaScript instance, by its name in `cloudbuild/images.yaml`."""


class WorkbenchStack(Stack):
    """Creates the environment's instances and the bucket of their start-up script; nothing where there are none.

    A notebook submits pipelines, so that its identity may act as theirs. Deliberately gives people no role on data: what
    they see, they see as the workbench's identity, and the audit log says who used it. The script's bucket is one that no
    identity writes to, since what lies there runs as root when a machine starts.
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, tasks: Tasks) -> None:
        super().__init__(scope, id, names=names, tasks=tasks)
        workbench = self.environment.workbench
        if not workbench.enabled:
            return
        account = names.service_account("workbench")
        script = Script(self, "start", ScriptProps(bucket=self._scripts(account), file=START))
        for key, instance in workbench.instances.items():
            Workbench(
                self,
                key,
                WorkbenchProps(
                    name=names.workbench_instance(key),
                    zone=self.environment.zone,
                    instance=instance,
                    container=names.image(IMAGE) if instance.kind == "javascript" else None,
                    network=names.network_resource,
                    subnetwork=names.subnetwork_resource,
                    service_account=account,
                    kms_key=names.key("workbench"),
                    metadata=self._metadata(instance, script.uri),
                    owners=instance.owners,
                ),
            )
        for owner in sorted({owner for instance in workbench.instances.values() for owner in instance.owners}):
            word = re.sub(r"[^a-z0-9]+", "-", owner.lower())
            ActingAs(self, f"owner-{word}", ActingAsProps(project=names.project, account=account, member=f"user:{owner}"))
        ActingAs(
            self,
            "submits-pipelines",
            ActingAsProps(project=names.project, account=names.service_account("pipelines"), member=f"serviceAccount:{account}"),
        )

    def _metadata(self, instance: Instance, script: str) -> dict[str, str]:
        """What the start-up script reads on the machine; see there."""
        workbench = self.environment.workbench
        return {
            "post-startup-script": script,
            # Once more after an upgrade of the image, which leaves the home folder and nothing else.
            "post-startup-script-behavior": "run_once",
            "playbook-repository": workbench.repository,
            "playbook-revision": workbench.revision,
            "playbook-environment": self.environment.name,
            "playbook-kind": instance.kind,
            "playbook-node": "true" if instance.node else "false",
        }

    def _scripts(self, account: str) -> str:
        """The bucket of the script, which machines read and Terraform alone writes."""
        data = self.environment.data
        return Bucket(
            self,
            "scripts",
            BucketProps(
                name=self.names.bucket("workbench"),
                location=self.environment.data_location,
                kms_key=self.names.key("data"),
                log_bucket=self.names.bucket("logs"),
                soft_delete_days=data.soft_delete_days,
                noncurrent_version_days=data.noncurrent_version_days,
                deletion_protection=data.deletion_protection,
                # A plan compares the script that is there with the one that is declared.
                readers={
                    "workbench": f"serviceAccount:{account}",
                    "plan": f"serviceAccount:{self.names.service_account('plan')}",
                },
                writers={},
                adders={},
                viewers={},
            ),
        ).name
