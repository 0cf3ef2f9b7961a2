"""Cloud Scheduler's jobs and the schedules of pipelines: when they run next, and how the last run went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.console.markup import Child, Markup, element, join, moment, section, state, table
from emulator.console.parts import PAGE, Query, last, linked, number, pages, resource_link

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]


async def view(cloud: Cloud, query: Query) -> Markup:
    """Jobs of Cloud Scheduler, then schedules of Vertex AI."""
    at = number(query) * PAGE
    jobs = cloud.store.of("cloudscheduler").newest("Job", at, PAGE + 1)
    schedules = cloud.store.of("aiplatform").newest("Schedule", at, PAGE + 1)
    more = max(len(jobs), len(schedules)) > PAGE
    heads = ["Name", "State", "When", "Target", "Next", "Last"]
    return join(
        [
            section(
                "Scheduler jobs",
                table(
                    heads,
                    [_job(name, one) for name, one in jobs[:PAGE]],
                    "There is no job. Terraform (google_cloud_scheduler_job) creates one.",
                ),
            ),
            section(
                "Schedules of pipelines",
                table(
                    heads,
                    [_schedule(name, one) for name, one in schedules[:PAGE]],
                    "There is no schedule. PipelineJob.create_schedule() creates one.",
                ),
            ),
            pages("/schedules", query, more, min(max(len(jobs), len(schedules)), PAGE)),
        ]
    )


def _job(name: str, one: Json) -> list[Child]:
    target = (
        one.get("pubsubTarget", {}).get("topicName")
        or one.get("httpTarget", {}).get("uri")
        or one.get("appEngineHttpTarget", {}).get("relativeUri")
    )
    status = one.get("status") or {}
    failed = element("div", str(status.get("message") or f"code {status['code']}"), class_="error") if status.get("code") else None
    return [
        join([resource_link(last(name), "cloudscheduler", "Job", name), element("div", one.get("description", ""), class_="id")]),
        state(one.get("state", "")),
        join([one.get("schedule", ""), element("div", one.get("timeZone", ""), class_="id")]),
        linked(target),
        moment(one.get("scheduleTime", "")),
        join([moment(one.get("lastAttemptTime", "")) or "never", failed]),
    ]


def _schedule(name: str, one: Json) -> list[Child]:
    response = one.get("lastScheduledRunResponse", {})
    return [
        resource_link(one.get("displayName") or last(name), "aiplatform", "Schedule", name),
        state(one.get("state", "")),
        one.get("cron", ""),
        linked(one.get("createPipelineJobRequest", {}).get("pipelineJob", {}).get("displayName") or "a pipeline"),
        moment(one.get("nextRunTime", "")),
        join(
            [
                moment(response.get("scheduledRunTime", "")) or "never",
                element("div", linked(response["runResponse"]), class_="id") if response.get("runResponse") else None,
            ]
        ),
    ]
