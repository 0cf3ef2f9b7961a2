"""The generic rule: what a request must be, and what Google's semantics forbid."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol
from urllib.parse import quote

import pytest

from emulator import discovery, dispatch, filters
from emulator.behaviours import Refusal
from emulator.enums import enum_name


class Cloud(Protocol):
    location: str
    cloud: Any
    call: Callable[..., tuple[int, Any]]
    ask: Callable[..., Coroutine[Any, Any, tuple[int, Any]]]
    run: Callable[[Coroutine[Any, Any, Any]], Any]
    restart: Callable[[], None]


def message(answer: Any) -> str:
    return str(answer["error"]["message"])


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"displayNam": "x"}, 'Unknown name "displayNam"'),
        ({"displayName": {"a": 1}}, "Invalid value at 'displayName'"),
        ({"labels": {"a": "b"}}, "Required field 'displayName' is not set"),
        ({"displayName": "x", "encryptionSpec": {}}, "Required field 'encryptionSpec.kmsKeyName' is not set"),
    ],
)
def test_a_body_that_does_not_fit_its_schema_is_refused(local: Cloud, body: dict[str, Any], problem: str) -> None:
    status, answer = local.call("POST", "endpoints", body)
    assert status == 400
    assert answer["error"]["status"] == "INVALID_ARGUMENT"
    assert problem in message(answer)


def test_both_spellings_of_a_field_are_accepted(local: Cloud) -> None:
    status, operation = local.call("POST", "endpoints?endpoint_id=1111111111", {"display_name": "snake"})
    assert (status, operation["response"]["displayName"]) == (200, "snake")


def test_what_only_the_server_writes_is_not_taken_from_a_request(local: Cloud) -> None:
    local.call("POST", "endpoints?endpointId=2222222222", {"displayName": "x", "createTime": "1970-01-01T00:00:00Z"})
    _, endpoint = local.call("GET", "endpoints/2222222222")
    assert not endpoint["createTime"].startswith("1970")


def test_an_unknown_method_is_not_found_and_an_unknown_parameter_is_refused(local: Cloud) -> None:
    assert local.call("GET", "nonsense")[0] == 404
    assert local.call("GET", "endpoints?colour=red")[0] == 400


@pytest.mark.parametrize("value", ["abc", "-1", "99999999999999999999", "1.5", "١"])
def test_a_query_parameter_that_should_be_an_integer_is_held_to_that(local: Cloud, value: str) -> None:
    assert local.call("GET", f"endpoints?pageSize={quote(value)}")[0] == 400
    assert local.call("GET", f"/storage/v1/b?project=acme-test&maxResults={quote(value)}", host="storage.googleapis.com")[0] == 400
    assert local.call("GET", f"endpoints?pageSize=1&pageToken={quote(value)}")[0] == 400


def test_what_is_no_text_or_no_json_is_refused(local: Cloud) -> None:
    upload = {"host": "storage.googleapis.com"}
    assert local.call("POST", "/upload/storage/v1/b/any/o?uploadType=resumable", {"name": "\ud800"}, **upload)[0] == 400
    assert local.call("POST", "endpoints", {"displayName": "\ud800"})[0] == 400
    assert local.call("POST", "endpoints", {"labels": {"a": float("nan")}})[0] == 400
    deep: dict[str, Any] = {}
    for _ in range(400):
        deep = {"a": deep}
    assert local.call("POST", "pipelineJobs", {"pipelineSpec": deep, "displayName": "d"})[0] == 400


def test_a_method_that_is_not_emulated_says_so(local: Cloud) -> None:
    status, answer = local.call("POST", f"/v1/{local.location}:corroborateContent")
    assert status == 400
    assert "not emulated" in message(answer)


def test_a_name_that_is_taken_is_refused(local: Cloud) -> None:
    body = {"bigQuery": {"bigQuerySource": {"inputUri": "bq://p.d.t"}, "entityIdColumns": ["id"]}}
    assert local.call("POST", "featureGroups?featureGroupId=taken", body)[0] == 200
    status, answer = local.call("POST", "featureGroups?featureGroupId=taken", body)
    assert (status, answer["error"]["status"]) == (409, "ALREADY_EXISTS")


def test_what_still_holds_resources_is_not_deleted_without_force(local: Cloud) -> None:
    body = {"bigQuery": {"bigQuerySource": {"inputUri": "bq://p.d.t"}, "entityIdColumns": ["id"]}}
    local.call("POST", "featureGroups?featureGroupId=full", body)
    local.call("POST", "featureGroups/full/features?featureId=age", {})
    status, answer = local.call("DELETE", "featureGroups/full")
    assert (status, answer["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert local.call("DELETE", "featureGroups/full?force=true")[0] == 200
    assert local.call("GET", "featureGroups/full/features/age")[0] == 404


def test_an_update_writes_the_fields_of_its_mask_and_no_others(local: Cloud) -> None:
    local.call("POST", "endpoints?endpointId=3333333333", {"displayName": "before", "description": "kept"})
    local.call("PATCH", "endpoints/3333333333?updateMask=displayName", {"displayName": "after", "description": "dropped"})
    _, endpoint = local.call("GET", "endpoints/3333333333")
    assert (endpoint["displayName"], endpoint["description"]) == ("after", "kept")
    status, answer = local.call("PATCH", "endpoints/3333333333?updateMask=colour", {"displayName": "after"})
    assert status == 400
    assert "colour" in message(answer)


def test_an_immutable_field_cannot_be_changed(local: Cloud) -> None:
    host, ring = "cloudkms.googleapis.com", f"/v1/{local.location}/keyRings"
    local.call("POST", f"{ring}?keyRingId=ring", {}, host=host)
    local.call("POST", f"{ring}/ring/cryptoKeys?cryptoKeyId=key", {"destroyScheduledDuration": "86400s"}, host=host)
    change = {"destroyScheduledDuration": "172800s"}
    status, answer = local.call("PATCH", f"{ring}/ring/cryptoKeys/key?updateMask=destroyScheduledDuration", change, host=host)
    assert status == 400
    assert "immutable" in message(answer)


def test_an_api_that_is_not_enabled_is_refused_once_services_are_managed(local: Cloud) -> None:
    topics = "/v1/projects/acme-managed/topics"
    assert local.call("GET", topics, host="pubsub.googleapis.com")[0] == 200
    services = "/v1/projects/acme-managed/services"
    local.call("POST", f"{services}/storage.googleapis.com:enable", host="serviceusage.googleapis.com")
    status, answer = local.call("GET", topics, host="pubsub.googleapis.com")
    assert status == 403
    assert answer["error"]["details"][0]["reason"] == "SERVICE_DISABLED"
    local.call("POST", f"{services}/pubsub.googleapis.com:enable", host="serviceusage.googleapis.com")
    assert local.call("GET", topics, host="pubsub.googleapis.com")[0] == 200


def test_the_providers_probe_is_refused(local: Cloud) -> None:
    probe = "/v1/projects/00000000000/services/serviceusage.googleapis.com"
    assert local.call("GET", probe, host="serviceusage.googleapis.com")[0] == 403


def test_a_policy_is_not_written_over_a_newer_one(local: Cloud) -> None:
    host, account = "iam.googleapis.com", "/v1/projects/acme-test/serviceAccounts"
    local.call("POST", account, {"accountId": "trainer"}, host=host)
    name = f"{account}/trainer@acme-test.iam.gserviceaccount.com"
    _, policy = local.call("POST", f"{name}:getIamPolicy", host=host)
    policy["bindings"] = [{"role": "roles/iam.serviceAccountUser", "members": ["user:a@example.com"]}]
    assert local.call("POST", f"{name}:setIamPolicy", {"policy": policy}, host=host)[0] == 200
    status, answer = local.call("POST", f"{name}:setIamPolicy", {"policy": policy}, host=host)
    assert (status, answer["error"]["status"]) == (409, "ABORTED")


def test_of_two_writers_who_read_the_same_state_one_wins(local: Cloud) -> None:
    local.call("POST", "endpoints?endpointId=4444444444", {"displayName": "contended"})
    _, read = local.call("GET", "endpoints/4444444444")

    async def both() -> list[tuple[int, Any]]:
        path = "endpoints/4444444444?updateMask=displayName"
        return await asyncio.gather(
            *(local.ask("PATCH", path, {"displayName": name, "etag": read["etag"]}) for name in ("first", "second"))
        )

    (won, endpoint), (lost, answer) = local.run(both())
    assert (won, lost, answer["error"]["status"]) == (200, 409, "ABORTED")
    assert local.call("GET", "endpoints/4444444444")[1]["displayName"] == endpoint["displayName"] == "first"
    # Whoever names no etag overwrites, as before.
    assert local.call("PATCH", "endpoints/4444444444?updateMask=displayName", {"displayName": "blind"})[0] == 200


def test_what_was_changed_meanwhile_is_not_deleted(local: Cloud) -> None:
    host, secrets = "secretmanager.googleapis.com", "/v1/projects/acme-test/secrets"
    _, secret = local.call("POST", f"{secrets}?secretId=contended", {"replication": {"automatic": {}}}, host=host)
    _, changed = local.call("PATCH", f"{secrets}/contended?updateMask=labels", {"labels": {"a": "b"}}, host=host)
    status, answer = local.call("DELETE", f"{secrets}/contended?etag={quote(secret['etag'])}", host=host)
    assert (status, answer["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert local.call("DELETE", f"{secrets}/contended?etag={quote(changed['etag'])}", host=host)[0] == 200


def test_labels_are_not_set_over_newer_ones(local: Cloud) -> None:
    host, base = "compute.googleapis.com", "/compute/v1/projects/acme-labels/global/addresses"
    local.call("POST", base, {"name": "front"}, host=host)
    _, address = local.call("GET", f"{base}/front", host=host)
    body = {"labels": {"a": "b"}, "labelFingerprint": address["labelFingerprint"]}
    assert local.call("POST", f"{base}/front/setLabels", body, host=host)[0] == 200
    status, answer = local.call("POST", f"{base}/front/setLabels", body, host=host)
    assert (status, answer["error"]["errors"][0]["reason"]) == (412, "conditionNotMet")


def test_a_header_may_name_the_state_that_is_changed(local: Cloud) -> None:
    path = "endpoints/5555555555"
    local.call("POST", "endpoints?endpointId=5555555555", {"displayName": "x"})
    etag = local.call("GET", path)[1]["etag"]

    def patched(matched: str) -> int:
        request = dispatch.Request(
            "PATCH", "europe-west4-aiplatform.googleapis.com", f"/v1/{local.location}/{path}", "updateMask=displayName",
            {"if-match": matched}, json.dumps({"displayName": "y"}).encode(),
        )  # fmt: skip
        return int(local.run(dispatch.answer(request, local.cloud)).status)

    assert [patched(f'"{etag}"'), patched(f'"{etag}"'), patched("*")] == [200, 412, 200]


NETWORKS = "/compute/v1/projects/acme-repeated/global/networks"
REQUEST = "11111111-2222-4333-8444-555555555555"


def test_a_write_that_comes_again_under_its_id_is_done_once(local: Cloud) -> None:
    host, body = "compute.googleapis.com", {"name": "once", "autoCreateSubnetworks": False}

    async def both() -> list[tuple[int, Any]]:
        return await asyncio.gather(*(local.ask("POST", f"{NETWORKS}?requestId={REQUEST}", body, host=host) for _ in range(2)))

    first, second = local.run(both())
    assert (first[0], first) == (200, second)
    local.restart()
    assert local.call("POST", f"{NETWORKS}?requestId={REQUEST}", body, host=host) == first
    assert [network["name"] for network in local.call("GET", NETWORKS, host=host)[1]["items"]] == ["once"]
    status, answer = local.call("POST", f"{NETWORKS}?requestId={REQUEST}", {"name": "other"}, host=host)
    assert (status, "was used for another request" in message(answer)) == (400, True)
    assert local.call("POST", NETWORKS, body, host=host)[0] == 409


def test_a_write_that_failed_may_be_tried_again_under_its_id(local: Cloud) -> None:
    host, again = "compute.googleapis.com", REQUEST.replace("1", "2")
    path = f"{NETWORKS}?requestId={again}"
    local.call("POST", NETWORKS, {"name": "taken"}, host=host)
    assert local.call("POST", path, {"name": "taken"}, host=host)[0] == 409
    local.call("DELETE", f"{NETWORKS}/taken", host=host)
    assert local.call("POST", path, {"name": "taken"}, host=host)[0] == 200


@pytest.mark.parametrize("identifier", ["7", "00000000-0000-0000-0000-000000000000", REQUEST[:-1]])
def test_an_id_of_a_write_that_is_no_uuid_is_refused(local: Cloud, identifier: str) -> None:
    status, answer = local.call("POST", f"{NETWORKS}?requestId={identifier}", {"name": "never"}, host="compute.googleapis.com")
    assert (status, "requestId" in message(answer)) == (400, True)


def test_an_id_of_a_write_is_forgotten_after_its_window(local: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    host, path = "compute.googleapis.com", f"{NETWORKS}?requestId={REQUEST.replace('1', '3')}"
    assert local.call("POST", path, {"name": "old"}, host=host)[0] == 200
    then = time.time() + 3601
    monkeypatch.setattr(time, "time", lambda: then)
    assert local.call("POST", path, {"name": "old"}, host=host)[0] == 409


def test_a_trial_answers_as_the_write_would_and_writes_nothing(local: Cloud) -> None:
    host, services = "run.googleapis.com", f"/v2/{local.location}/services"
    body = {"template": {"containers": [{"image": "shell"}]}}
    status, operation = local.call("POST", f"{services}?serviceId=trial&validateOnly=true", body, host=host)
    assert (status, operation["response"]["name"]) == (200, f"{local.location}/services/trial")
    assert local.call("GET", f"{services}/trial", host=host)[0] == 404
    assert local.call("GET", f"/v2/{operation['name']}", host=host)[0] == 404
    assert local.call("POST", f"{services}?serviceId=trial&validateOnly=true", {"template": {}}, host=host)[0] == 400
    assert local.call("POST", f"{services}?serviceId=trial", body, host=host)[0] == 200
    assert local.call("POST", f"{services}?serviceId=trial&validateOnly=true", body, host=host)[0] == 409
    local.call("DELETE", f"{services}/trial?validateOnly=true", host=host)
    assert local.call("GET", f"{services}/trial", host=host)[0] == 200


def test_what_may_be_missing_is_made_by_an_update_and_gone_by_a_delete(local: Cloud) -> None:
    local.call("POST", "metadataStores?metadataStoreId=default")
    artifact = "metadataStores/default/artifacts/table"
    assert local.call("PATCH", f"{artifact}?updateMask=displayName", {"displayName": "rows"})[0] == 404
    status, made = local.call("PATCH", f"{artifact}?updateMask=displayName&allowMissing=true", {"displayName": "rows"})
    assert (status, made["name"], made["displayName"]) == (200, f"{local.location}/{artifact}", "rows")
    assert local.call("GET", artifact)[1]["createTime"] == made["createTime"]
    host, missing = "eventarc.googleapis.com", f"/v1/{local.location}/triggers/none"
    assert local.call("DELETE", missing, host=host)[0] == 404
    assert local.call("DELETE", f"{missing}?allowMissing=true", host=host)[1]["done"] is True


def test_a_service_account_is_known_by_e_mail_number_and_without_its_project(local: Cloud) -> None:
    host = "iam.googleapis.com"
    _, account = local.call("POST", "/v1/projects/acme-test/serviceAccounts", {"accountId": "server"}, host=host)
    for name in (f"acme-test/serviceAccounts/{account['uniqueId']}", f"-/serviceAccounts/{account['email']}"):
        assert local.call("GET", f"/v1/projects/{name}", host=host)[1]["name"] == account["name"]


def test_a_project_is_one_by_id_and_by_number(local: Cloud) -> None:
    host = "cloudresourcemanager.googleapis.com"
    _, project = local.call("GET", "/v3/projects/acme-test", host=host)
    assert local.call("GET", f"/v3/{project['name']}", host=host)[1]["projectId"] == "acme-test"


def test_a_network_that_is_in_use_is_not_deleted(local: Cloud) -> None:
    host, networks = "compute.googleapis.com", "/compute/v1/projects/acme-test/global/networks"
    local.call("POST", networks, {"name": "vpc", "autoCreateSubnetworks": False}, host=host)
    subnet = {"name": "subnet", "ipCidrRange": "10.0.0.0/24", "network": "projects/acme-test/global/networks/vpc"}
    subnets = "/compute/v1/projects/acme-test/regions/europe-west4/subnetworks"
    _, operation = local.call("POST", subnets, subnet, host=host)
    assert (operation["status"], operation["kind"]) == ("DONE", "compute#operation")
    status, answer = local.call("DELETE", f"{networks}/vpc", host=host)
    assert status == 400
    assert "already being used" in message(answer)
    local.call("DELETE", f"{subnets}/subnet", host=host)
    assert local.call("DELETE", f"{networks}/vpc", host=host)[0] == 200


def test_what_another_resource_refers_to_is_not_deleted(local: Cloud) -> None:
    host, base = "compute.googleapis.com", "/compute/v1/projects/acme-test"
    local.call("POST", f"{base}/global/backendBuckets", {"name": "site", "bucketName": "acme-site"}, host=host)
    backend = f"https://www.googleapis.com{base}/global/backendBuckets/site"
    local.call("POST", f"{base}/global/urlMaps", {"name": "map", "defaultService": backend}, host=host)
    status, answer = local.call("DELETE", f"{base}/global/backendBuckets/site", host=host)
    assert (status, answer["error"]["errors"][0]["reason"]) == (400, "resourceInUseByAnotherResource")
    local.call("DELETE", f"{base}/global/urlMaps/map", host=host)
    assert local.call("DELETE", f"{base}/global/backendBuckets/site", host=host)[0] == 200


def test_a_field_that_has_a_method_of_its_own_is_set_by_it(local: Cloud) -> None:
    host, base = "compute.googleapis.com", "/compute/v1/projects/acme-test"
    local.call("POST", f"{base}/global/targetHttpsProxies", {"name": "proxy", "urlMap": "a"}, host=host)
    # An older method, whose path has no `global` in it.
    assert local.call("POST", f"{base}/targetHttpsProxies/proxy/setUrlMap", {"urlMap": "b"}, host=host)[0] == 200
    assert local.call("GET", f"{base}/global/targetHttpsProxies/proxy", host=host)[1]["urlMap"] == "b"


def test_a_key_is_never_deleted_with_what_it_has_encrypted(local: Cloud) -> None:
    host, rings = "cloudkms.googleapis.com", f"/v1/{local.location}/keyRings"
    local.call("POST", f"{rings}?keyRingId=kept", {}, host=host)
    local.call("POST", f"{rings}/kept/cryptoKeys?cryptoKeyId=key", {}, host=host)
    for name in ("kept", "kept/cryptoKeys/key", "kept/cryptoKeys/key/cryptoKeyVersions/1"):
        assert local.call("DELETE", f"{rings}/{name}", host=host)[0] == 400
        assert local.call("GET", f"{rings}/{name}", host=host)[0] == 200


def test_one_network_more_than_the_quota_is_refused(local: Cloud) -> None:
    host, base = "compute.googleapis.com", "/compute/v1/projects/acme-crowded"
    made = [local.call("POST", f"{base}/global/networks", {"name": f"network-{number}"}, host=host) for number in range(6)]
    assert [status for status, _ in made] == [200] * 5 + [403]
    error = made[-1][1]["error"]
    assert (error["message"], error["errors"][0]["reason"]) == ("Quota 'NETWORKS' exceeded.  Limit: 5.0 globally.", "quotaExceeded")
    quotas = {quota["metric"]: quota for quota in local.call("GET", base, host=host)[1]["quotas"]}
    assert quotas["NETWORKS"] == {"metric": "NETWORKS", "limit": 5.0, "usage": 5.0}


@pytest.mark.parametrize(("accelerator", "count"), [("NVIDIA_TESLA_T4", 3), ("NVIDIA_H100_80GB", 1)])
def test_more_accelerators_than_the_region_grants_are_refused(local: Cloud, accelerator: str, count: int) -> None:
    machine = {"machineType": "n1-standard-4", "acceleratorType": accelerator, "acceleratorCount": count}
    pool = {"machineSpec": machine, "replicaCount": "1", "containerSpec": {"imageUri": "shell"}}
    status, answer = local.call("POST", "customJobs", {"displayName": "job", "jobSpec": {"workerPoolSpecs": [pool]}})
    assert (status, answer["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert "aiplatform.googleapis.com/custom_model_training_nvidia_" in message(answer)


def test_a_dataset_with_tables_is_not_deleted(local: Cloud) -> None:
    host, datasets = "bigquery.googleapis.com", "/bigquery/v2/projects/acme-test/datasets"
    local.call("POST", datasets, {"datasetReference": {"projectId": "acme-test", "datasetId": "ml"}}, host=host)
    table = {"tableReference": {"projectId": "acme-test", "datasetId": "ml", "tableId": "examples"}}
    assert local.call("POST", f"{datasets}/ml/tables", table, host=host)[1]["id"] == "acme-test:ml.examples"
    assert local.call("DELETE", f"{datasets}/ml", host=host)[0] == 400
    assert local.call("DELETE", f"{datasets}/ml?deleteContents=true", host=host)[0] == 204


def test_a_list_is_filtered_ordered_and_paged(local: Cloud) -> None:
    for number in range(3):
        local.call("POST", "tensorboards", {"displayName": f"board-{number}", "labels": {"team": "a" if number else "b"}})
    _, page = local.call("GET", "tensorboards?filter=labels.team%3Da&orderBy=displayName%20desc&pageSize=1")
    assert [board["displayName"] for board in page["tensorboards"]] == ["board-2"]
    _, rest = local.call("GET", f"tensorboards?filter=labels.team%3Da&orderBy=displayName%20desc&pageToken={page['nextPageToken']}")
    assert [board["displayName"] for board in rest["tensorboards"]] == ["board-1"]


def test_a_page_is_never_larger_than_the_limit(local: Cloud) -> None:
    parent = "projects/acme-test/locations/us-central1/tensorboards"
    with local.cloud.store.transaction():
        for number in range(1001):
            local.cloud.store.of("aiplatform").put(f"{parent}/{number}", "Tensorboard", {"name": f"{parent}/{number}"})
    for size in ("", "pageSize=100000"):
        _, page = local.call("GET", f"{parent}?{size}")
        assert (len(page["tensorboards"]), page["nextPageToken"]) == (1000, "1000")
    _, rest = local.call("GET", f"{parent}?pageToken={page['nextPageToken']}")
    assert (len(rest["tensorboards"]), "nextPageToken" in rest) == (1, False)


def test_an_order_has_several_keys_and_numbers_are_no_text(local: Cloud) -> None:
    rows = [{"n": "9", "t": "b"}, {"n": "10", "t": "b"}, {"n": "10", "t": "a"}, {"t": "c"}]
    properties = {"n": {"type": "string", "format": "int64"}, "t": {"type": "string"}}

    def order(text: str) -> list[str]:
        return [row.get("n", "") + row["t"] for row in filters.ordered(rows, text, properties)]

    assert order("n") == ["c", "9b", "10b", "10a"]
    assert order("n desc, t") == ["10a", "10b", "9b", "c"]
    assert order("t desc, n asc") == ["c", "9b", "10b", "10a"]
    assert [row["x"] for row in filters.ordered([{"x": {"y": 10}}, {"x": {"y": 9.5}}], "x.y", {})] == [{"y": 9.5}, {"y": 10}]


@pytest.mark.parametrize("order", ["colour", "displayName sideways", "displayName,,createTime", "display-name", "displayName desc desc"])
def test_an_order_that_is_none_is_refused(local: Cloud, order: str) -> None:
    status, answer = local.call("GET", f"tensorboards?orderBy={quote(order)}")
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('display_name="a"', ["a"]),
        ("NOT labels.team=x", ["b"]),
        ("displayName=a OR displayName=b", ["a", "b"]),
        ("labels:team AND score>0.5", ["a"]),
        ('marks."example.com/team"="y"', ["b"]),
        ('(score >= 0.1 AND displayName != "a")', ["b"]),
    ],
)
def test_filters_read_as_google_writes_them(text: str, wanted: list[str]) -> None:
    rows = [
        {"displayName": "a", "labels": {"team": "x"}, "score": 0.9},
        {"displayName": "b", "score": 0.1, "marks": {"example.com/team": "y"}},
    ]
    assert [row["displayName"] for row in filters.select(rows, text)] == wanted


def test_severities_are_compared_by_their_order() -> None:
    rows = [{"severity": severity} for severity in ("DEBUG", "INFO", "WARNING", "ERROR", "ALERT")]
    assert [row["severity"] for row in filters.select(rows, "severity>=ERROR")] == ["ERROR", "ALERT"]
    assert [row["severity"] for row in filters.select(rows, "severity<info")] == ["DEBUG"]


@pytest.mark.parametrize("text", ["in_orbit(x)", "a =", "((a=b)"])
def test_a_filter_that_is_not_understood_is_refused_and_not_ignored(text: str) -> None:
    with pytest.raises(Refusal, match="not emulated"):
        filters.select([], text)


def test_the_number_of_an_enum_is_read_from_the_client_library_and_not_from_its_place_in_a_list() -> None:
    document = discovery.document("aiplatform", "v1")
    assert document is not None
    choices = tuple(document.schemas["GoogleCloudAiplatformV1Feature"]["properties"]["valueType"]["enum"])
    assert enum_name("aiplatform", "v1", choices, 3) == "DOUBLE"
    assert enum_name("aiplatform", "v1", choices, 13) == "BYTES"
    assert enum_name("aiplatform", "v1", choices, 99) == 99


def test_paths_lead_to_the_most_literal_method() -> None:
    found = discovery.find("logging", "POST", "v2/projects/p/sinks")
    assert found is not None
    assert found[0].id == "projects.sinks.create"
    found = discovery.find("serviceusage", "POST", "v1/projects/p/services/storage.googleapis.com:enable")
    assert found is not None
    assert found[0].id == "services.enable"
