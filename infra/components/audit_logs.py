"""Who did what in the project, and how long that is known."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf import ITerraformDependable, TerraformResourceLifecycle
from cdktf_cdktf_provider_google.logging_project_bucket_config import LoggingProjectBucketConfig
from cdktf_cdktf_provider_google.logging_project_sink import LoggingProjectSink
from cdktf_cdktf_provider_google.project_iam_audit_config import ProjectIamAuditConfig, ProjectIamAuditConfigAuditLogConfig
from constructs import Construct

DATA_ACCESS = ("ADMIN_READ", "DATA_READ", "DATA_WRITE")
AUDIT_LOGS = " OR ".join(
    f'log_id("cloudaudit.googleapis.com/{log}")' for log in ("activity", "data_access", "system_event", "policy", "access_transparency")
)


@dataclass(frozen=True, kw_only=True)
class AuditLogsProps:
    """What is logged, and where it is kept."""

    project: str
    location: str
    data_access: bool
    retention_days: int | None
    """Days in a log bucket of our own; None where the organisation's sink takes the logs away."""
    name: str
    """Of that bucket and of the sink that fills it."""
    deletion_protection: bool
    depends_on: Sequence[ITerraformDependable]


class AuditLogs(Construct):
    """Creates the audit configuration for every service and, where no sink above the project takes the logs, a log bucket and its sink.

    Deliberately exempts nobody and excludes nothing. The bucket's retention is locked where the environment protects its data: nobody,
    also no owner, can then shorten it. Other logs keep Google's default of 30 days.
    """

    def __init__(self, scope: Construct, id: str, props: AuditLogsProps) -> None:
        super().__init__(scope, id)
        if props.data_access:
            ProjectIamAuditConfig(
                self,
                "data-access",
                project=props.project,
                service="allServices",
                audit_log_config=[ProjectIamAuditConfigAuditLogConfig(log_type=type_) for type_ in DATA_ACCESS],
                depends_on=props.depends_on,
            )
        if props.retention_days is None:
            return
        bucket = LoggingProjectBucketConfig(
            self,
            "bucket",
            project=props.project,
            location=props.location,
            bucket_id=props.name,
            description="Cloud Audit Logs",
            retention_days=props.retention_days,
            locked=props.deletion_protection,
            depends_on=props.depends_on,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=True) if props.deletion_protection else None,
        )
        LoggingProjectSink(
            self,
            "sink",
            project=props.project,
            name=props.name,
            description="Cloud Audit Logs",
            destination=f"logging.googleapis.com/{bucket.id}",
            filter=AUDIT_LOGS,
            unique_writer_identity=True,
        )
