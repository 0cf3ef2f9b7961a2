"""What the cloud measures and counts by itself: how long predictions took, how runs ended; and what Cloud Scheduler, Run and Build keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pytest

from emulator.cloud import Cloud

PROJECT = "projects/acme-test"
LOCATION = f"{PROJECT}/locations/europe-west4"
Json = dict[str, Any]


class Local(Protocol):
    cloud: Cloud
    call: Callable[..., tuple[int, Any]]
    run: Callable[..., Any]


def ask(local: Local, http: str, service: str, path: str, body: Json | None = None) -> Any:
    status, answer = local.call(http, f"/{path}", body, host=f"{service}.googleapis.com")
    assert status == 200, answer
    return answer


def described(metric: str, resource: str, threshold: float, aggregation: Json) -> Json:
    """A policy that watches a metric."""
    condition = {
        "filter": f'metric.type = "{metric}" AND resource.type = "aiplatform.googleapis.com/{resource}"',
        "comparison": "COMPARISON_GT",
        "thresholdValue": threshold,
        "duration": "0s",
        "aggregations": [aggregation],
    }
    return {"displayName": metric, "combiner": "OR", "conditions": [{"displayName": "line", "conditionThreshold": condition}]}


def policy(local: Local, body: Json) -> str:
    """Creates a policy; its name."""
    return str(ask(local, "POST", "monitoring", f"v3/{PROJECT}/alertPolicies", body)["name"])


def opened(local: Local, name: str) -> list[Json]:
    found = ask(local, "GET", "monitoring", f"v3/{PROJECT}/alerts").get("alerts", [])
    return [one for one in found if one["policy"]["name"] == name]


@pytest.mark.parametrize(("slow", "expected"), [(1, 0), (10, 1)])
def test_an_incident_opens_where_one_in_twenty_predictions_is_slow_and_not_before(local: Local, slow: int, expected: int) -> None:
    endpoint = f"{LOCATION}/endpoints/47{slow}"
    aggregation = {
        "alignmentPeriod": "300s",
        "perSeriesAligner": "ALIGN_PERCENTILE_95",
        "crossSeriesReducer": "REDUCE_MAX",
        "groupByFields": ["resource.label.endpoint_id"],
    }
    name = policy(local, described("aiplatform.googleapis.com/prediction/online/prediction_latencies", "Endpoint", 500, aggregation))

    async def predictions() -> None:
        for milliseconds in [20.0] * (100 - slow) + [2000.0] * slow:
            local.cloud.traffic.count(endpoint, "1", 200, milliseconds)
        local.cloud.traffic.sample(PROJECT)

    local.run(predictions())
    found = [alert for alert in opened(local, name) if alert["resource"]["labels"] == {"endpoint_id": f"47{slow}"}]
    assert len(found) == expected
    for alert in found:
        ask(local, "DELETE", "monitoring", f"v3/{alert['policy']['name']}")


def test_log_entries_are_counted_from_the_metrics_creation_on_by_its_label(local: Local) -> None:
    def entry(pipeline: str, state: str) -> Json:
        resource = {"type": "aiplatform.googleapis.com/PipelineJob", "labels": {"location": "europe-west4"}}
        return {"logName": f"{PROJECT}/logs/events", "resource": resource, "jsonPayload": {"pipelineName": pipeline, "state": state}}

    def write(*entries: Json) -> None:
        ask(local, "POST", "logging", "v2/entries:write", {"entries": list(entries)})

    failed = 'resource.type = "aiplatform.googleapis.com/PipelineJob" AND jsonPayload.state = "FAILED"'
    by_pipeline = {"crossSeriesReducer": "REDUCE_SUM", "groupByFields": ["metric.label.pipeline"]}
    aggregation = {"alignmentPeriod": "600s", "perSeriesAligner": "ALIGN_DELTA", **by_pipeline}
    wanted = described("logging.googleapis.com/user/failed", "PipelineJob", 0, aggregation)
    status, refused = local.call("POST", f"/v3/{PROJECT}/alertPolicies", wanted, host="monitoring.googleapis.com")
    assert (status, "Create the log-based metric first" in refused["error"]["message"]) == (404, True)
    write(entry("training", "FAILED"))
    metric = {"name": "failed", "filter": failed, "labelExtractors": {"pipeline": "EXTRACT(jsonPayload.pipelineName)"}}
    ask(local, "POST", "logging", f"v2/{PROJECT}/metrics", metric)
    name = policy(local, wanted)
    write(entry("training", "SUCCEEDED"))
    assert opened(local, name) == []
    write(entry("training", "FAILED"), entry("monitoring", "FAILED"))
    assert sorted(alert["metric"]["labels"]["pipeline"] for alert in opened(local, name)) == ["monitoring", "training"]


def test_a_job_of_cloud_scheduler_needs_its_topic_and_publishes_when_it_runs(local: Local) -> None:
    jobs, topic = f"v1/{LOCATION}/jobs", f"{PROJECT}/topics/scheduled"
    job = {"name": f"{LOCATION}/jobs/nightly", "schedule": "0 5 * * *", "pubsubTarget": {"topicName": topic, "attributes": {"task": "nlp"}}}
    assert local.call("POST", f"/{jobs}", job, host="cloudscheduler.googleapis.com")[0] == 404
    ask(local, "PUT", "pubsub", f"v1/{topic}", {})
    ask(local, "PUT", "pubsub", f"v1/{PROJECT}/subscriptions/scheduled", {"topic": topic})
    assert ask(local, "POST", "cloudscheduler", jobs, job)["state"] == "ENABLED"
    assert ask(local, "POST", "cloudscheduler", f"{jobs}/nightly:pause", {})["state"] == "PAUSED"
    ask(local, "POST", "cloudscheduler", f"{jobs}/nightly:run", {})
    pulled = ask(local, "POST", "pubsub", f"v1/{PROJECT}/subscriptions/scheduled:pull", {"maxMessages": 2})
    assert [one["message"]["attributes"] for one in pulled["receivedMessages"]] == [{"task": "nlp"}]
    wrong = {**job, "name": f"{LOCATION}/jobs/wrong", "schedule": "at night"}
    assert local.call("POST", f"/{jobs}", wrong, host="cloudscheduler.googleapis.com")[0] == 400


def test_a_connection_is_complete_once_its_secret_holds_a_token(local: Local) -> None:
    connections, secret = f"v2/{LOCATION}/connections", f"{PROJECT}/secrets/github"
    version = f"{secret}/versions/latest"
    body = {"githubConfig": {"appInstallationId": "7", "authorizerCredential": {"oauthTokenSecretVersion": version}}}
    assert local.call("POST", f"/{connections}?connectionId=github", body, host="cloudbuild.googleapis.com")[0] == 404
    ask(local, "POST", "secretmanager", f"v1/{PROJECT}/secrets?secretId=github", {"replication": {"automatic": {}}})
    made = ask(local, "POST", "cloudbuild", f"{connections}?connectionId=github", body)["response"]
    assert made["installationState"]["stage"] == "PENDING_USER_OAUTH"
    ask(local, "POST", "secretmanager", f"v1/{secret}:addVersion", {"payload": {"data": "dG9rZW4="}})
    changed = ask(local, "PATCH", "cloudbuild", f"{connections}/github?updateMask=annotations", {"annotations": {"a": "b"}})["response"]
    assert changed["installationState"]["stage"] == "COMPLETE"


def test_a_trigger_has_an_id_of_its_own_and_a_name_that_is_taken_once(local: Local) -> None:
    body = {"name": "apply", "filename": "cloudbuild/apply.cloudbuild.yaml", "substitutions": {"_ENV": "dev"}}
    made = ask(local, "POST", "cloudbuild", f"v1/{LOCATION}/triggers", body)
    assert made["name"] == "apply"
    assert ask(local, "GET", "cloudbuild", f"v1/{LOCATION}/triggers/{made['id']}") == made
    assert local.call("POST", f"/v1/{LOCATION}/triggers", body, host="cloudbuild.googleapis.com")[0] == 409
    unlinked = {**body, "name": "other", "repositoryEventConfig": {"repository": f"{LOCATION}/connections/none/repositories/none"}}
    assert local.call("POST", f"/v1/{LOCATION}/triggers", unlinked, host="cloudbuild.googleapis.com")[0] == 404
    ask(local, "DELETE", "cloudbuild", f"v1/{LOCATION}/triggers/{made['id']}")


def test_a_service_of_cloud_run_needs_an_image_and_gets_an_address(local: Local) -> None:
    services = f"v2/{LOCATION}/services"
    assert local.call("POST", f"/{services}?serviceId=web", {"template": {"containers": [{}]}}, host="run.googleapis.com")[0] == 400
    body = {"template": {"containers": [{"image": "acme/web@sha256:1"}]}}
    made = ask(local, "POST", "run", f"{services}?serviceId=web", body)["response"]
    assert made["uri"].startswith("https://web-")
    again = ask(local, "PATCH", "run", f"{services}/web", body)["response"]
    assert again["latestReadyRevision"] == f"{LOCATION}/services/web/revisions/web-00002"


def test_logs_are_listed_and_go_with_all_their_entries(local: Local) -> None:
    names = [f"{PROJECT}/logs/{log}" for log in ("training", "aiplatform.googleapis.com%2Fjobs")]
    for name in names:
        ask(local, "POST", "logging", "v2/entries:write", {"logName": name, "entries": [{"textPayload": "x"}]})
    assert set(names) <= set(ask(local, "GET", "logging", f"v2/{PROJECT}/logs")["logNames"])
    for name in names:
        ask(local, "DELETE", "logging", f"v2/{name}")
        assert local.call("DELETE", f"/v2/{name}", host="logging.googleapis.com")[0] == 404
    assert not set(names) & set(ask(local, "GET", "logging", f"v2/{PROJECT}/logs")["logNames"])


def test_an_entry_without_a_log_is_refused(local: Local) -> None:
    status, answer = local.call("POST", "/v2/entries:write", {"entries": [{"textPayload": "x"}]}, host="logging.googleapis.com")
    assert (status, "has no logName" in answer["error"]["message"]) == (400, True)
