"""Experiments and lineage."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

STORE = "metadataStores/default"


def test_runs_belong_to_experiments_and_lineage_is_followed(local: Local) -> None:
    assert local.call("POST", "metadataStores?metadataStoreId=default", {})[1]["done"]
    experiment = local.call("POST", f"{STORE}/contexts?contextId=exp", {"schemaTitle": "system.Experiment"})[1]["name"]
    run = local.call("POST", f"{STORE}/contexts?contextId=exp-run", {"schemaTitle": "system.ExperimentRun"})[1]["name"]
    local.call("POST", f"{experiment}:addContextChildren", {"childContexts": [run]})
    _, found = local.call("GET", f'{STORE}/contexts?filter=parent_contexts:"{experiment}"')
    assert [context["name"] for context in found["contexts"]] == [run]

    names = {}
    for artifact in ("rows", "model", "other"):
        _, made = local.call(
            "POST", f"{STORE}/artifacts?artifactId={artifact}", {"schemaTitle": "system.Artifact", "uri": f"gs://b/{artifact}"}
        )
        names[artifact] = made["name"]
    execution = local.call("POST", f"{STORE}/executions?executionId=train", {"schemaTitle": "system.Run", "state": "COMPLETE"})[1]["name"]
    events = [{"artifact": names["rows"], "type": "INPUT"}, {"artifact": names["model"], "type": "OUTPUT"}]
    assert local.call("POST", f"{execution}:addExecutionEvents", {"events": events}) == (200, {})
    members = {"artifacts": [names["model"]], "executions": [execution]}
    assert local.call("POST", f"{run}:addContextArtifactsAndExecutions", members) == (200, {})

    _, listed = local.call("GET", f'{STORE}/artifacts?filter=in_context("{run}") AND schema_title="system.Artifact"'.replace(" ", "%20"))
    assert [one["name"] for one in listed["artifacts"]] == [names["model"]]
    for query in (f"{run}:queryContextLineageSubgraph", f"{execution}:queryExecutionInputsAndOutputs"):
        _, graph = local.call("GET", query)
        assert {one["name"] for one in graph["artifacts"]} == {names["rows"], names["model"]}
        assert {event["type"] for event in graph["events"]} == {"INPUT", "OUTPUT"}
    _, graph = local.call("GET", f"{names['model']}:queryArtifactLineageSubgraph")
    assert {one["name"] for one in graph["artifacts"]} == {names["rows"], names["model"]}
    assert local.call("POST", f"{run}:addContextArtifactsAndExecutions", {"artifacts": [f"{run}-no"]})[0] == 404


def test_what_many_clients_write_at_one_moment_is_all_there(local: Local) -> None:
    async def client(number: int) -> None:
        run = f"{local.location}/{STORE}/contexts/shared-run"
        answers = [await local.ask("POST", f"{STORE}/contexts?contextId=shared-run", {"schemaTitle": "system.ExperimentRun"})]
        answers += [await local.ask("POST", f"{STORE}/contexts?contextId=shared-{number}", {"schemaTitle": "system.Experiment"})]
        child = {"childContexts": [run]}
        answers += [await local.ask("POST", f"{STORE}/contexts/shared-{number}:addContextChildren", child)]
        _, execution = await local.ask("POST", f"{STORE}/executions?executionId=shared-{number}", {"schemaTitle": "system.Run"})
        answers += [await local.ask("POST", f"{run}:addContextArtifactsAndExecutions", {"executions": [execution["name"]]})]
        assert sorted({status for status, _ in answers}) in ([200], [200, 409]), answers

    async def together() -> None:
        await asyncio.gather(*(client(number) for number in range(40)))

    local.run(together())
    _, run = local.call("GET", f"{STORE}/contexts/shared-run")
    assert len(run["parentContexts"]) == 40
    _, listed = local.call("GET", f'{STORE}/executions?filter=in_context("{run["name"]}")')
    assert len(listed["executions"]) == 40


def test_time_series_are_read_back_whole(local: Local) -> None:
    board = local.call("POST", "tensorboards", {"displayName": "t"})[1]["response"]["name"]
    local.call("POST", f"{board}/experiments?tensorboardExperimentId=e", {})
    local.call("POST", f"{board}/experiments/e/runs?tensorboardRunId=r", {"displayName": "r"})
    series = {"displayName": "loss", "valueType": "SCALAR"}
    _, made = local.call("POST", f"{board}/experiments/e/runs/r/timeSeries", series)
    for step in ("1", "2"):
        point = {"step": step, "wallTime": "2026-01-01T00:00:00Z", "scalar": {"value": 1.5}}
        data = {"tensorboardTimeSeriesId": made["name"].rpartition("/")[2], "valueType": "SCALAR", "values": [point]}
        status, answer = local.call("POST", f"{board}/experiments/e/runs/r:write", {"tensorboardRun": "r", "timeSeriesData": [data]})
        assert status == 200, answer
    _, read = local.call("GET", f"{board}:batchRead?timeSeries={made['name']}")
    assert [point["step"] for point in read["timeSeriesData"][0]["values"]] == ["1", "2"]


def test_an_update_from_an_older_state_is_refused_in_the_words_that_the_sdk_looks_for(local: Local) -> None:
    local.call("POST", "metadataStores?metadataStoreId=default", {})
    _, context = local.call("POST", f"{STORE}/contexts?contextId=contended", {"metadata": {"a": 1}})
    path = f"{STORE}/contexts/contended?updateMask=metadata"
    assert local.call("PATCH", path, {"metadata": {"a": 2}, "etag": context["etag"]})[0] == 200
    status, answer = local.call("PATCH", path, {"metadata": {"a": 3}, "etag": context["etag"]})
    assert (status, answer["error"]["status"]) == (409, "ABORTED")
    said = re.match(r"Specified Context \`etag\`: \`(\d+)\` does not match server \`etag\`: \`(\d+)\`", answer["error"]["message"])
    assert said is not None
    assert said[1] < said[2]


@pytest.mark.long
def test_two_who_write_to_one_context_through_the_sdk_both_get_there(google_cloud: dict[str, Any]) -> None:
    from google.cloud import aiplatform
    from google.cloud.aiplatform.metadata.context import Context

    aiplatform.init(project="acme-contended", location="europe-west4")
    first = Context.create(schema_title="system.Experiment", resource_id="contended", metadata={"a": 1})
    second = Context.get("contended")
    assert second is not None
    first.update(metadata={"b": 2})
    second.update(metadata={"c": 3})
    found = Context.get("contended")
    assert found is not None
    assert found.metadata == {"a": 1, "b": 2, "c": 3}
