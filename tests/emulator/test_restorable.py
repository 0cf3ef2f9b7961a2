from typing import Any

import pytest

from infra.terraform.rest import Google, Refused

POOLS = "https://iam.googleapis.com/v1/projects/acme-gemini-local/locations/global/workloadIdentityPools"
BUCKETS = "https://logging.googleapis.com/v2/projects/acme-gemini-local/locations/europe-west4/buckets"
SERVICES = "https://serviceusage.googleapis.com/v1beta1/projects/acme-gemini-local/services"
PROJECT = "https://cloudresourcemanager.googleapis.com/v1/projects/acme-gemini-local"
AUDIT = {"service": "allServices", "auditLogConfigs": [{"logType": "DATA_READ"}]}


def test_a_deleted_pool_keeps_its_name_and_can_be_had_back(google_cloud: dict[str, Any]) -> None:
    google = Google()
    pool = f"{POOLS}/kept-for-a-month"
    google.call("POST", POOLS, {"workloadIdentityPoolId": "kept-for-a-month"}, {})
    assert google.call("GET", pool)["state"] == "ACTIVE"
    google.call("DELETE", pool)
    assert google.call("GET", pool)["state"] == "DELETED"
    with pytest.raises(Refused, match="already exists"):
        google.call("POST", POOLS, {"workloadIdentityPoolId": "kept-for-a-month"}, {})
    google.call("POST", f"{pool}:undelete", None, {})
    assert google.call("GET", pool)["state"] == "ACTIVE"
    with pytest.raises(Refused, match="in state ACTIVE already"):
        google.call("POST", f"{pool}:undelete", None, {})


def test_a_deleted_log_bucket_can_be_had_back(google_cloud: dict[str, Any]) -> None:
    google = Google()
    google.call("POST", BUCKETS, {"bucketId": "audit"}, {"retentionDays": 400})
    google.call("DELETE", f"{BUCKETS}/audit")
    assert google.call("GET", f"{BUCKETS}/audit")["lifecycleState"] == "DELETE_REQUESTED"
    google.call("POST", f"{BUCKETS}/audit:undelete", None, {})
    assert google.call("GET", f"{BUCKETS}/audit")["retentionDays"] == 400


def test_a_service_agent_is_made_when_it_is_asked_for_and_is_the_same_ever_after(google_cloud: dict[str, Any]) -> None:
    google = Google()

    def ask(service: str) -> str:
        answer = google.call("POST", f"{SERVICES}/{service}.googleapis.com:generateServiceIdentity")
        return str(google.finished("https://serviceusage.googleapis.com/v1", answer)["email"])

    number = google.call("GET", PROJECT)["projectNumber"]
    assert ask("aiplatform") == ask("aiplatform") == f"service-{number}@gcp-sa-aiplatform.iam.gserviceaccount.com"
    assert ask("dataflow") == f"service-{number}@dataflow-service-producer-prod.iam.gserviceaccount.com"


def test_an_audit_configuration_survives_who_writes_grants_alone(google_cloud: dict[str, Any]) -> None:
    google = Google()
    before = google.call("POST", f"{PROJECT}:getIamPolicy", None, {})
    mask = "bindings,etag,auditConfigs"
    google.call("POST", f"{PROJECT}:setIamPolicy", None, {"policy": {**before, "auditConfigs": [AUDIT]}, "updateMask": mask})
    google.call("POST", f"{PROJECT}:setIamPolicy", None, {"policy": {"bindings": before.get("bindings", [])}})
    kept = google.call("POST", f"{PROJECT}:getIamPolicy", None, {})
    assert kept["auditConfigs"] == [AUDIT]
    google.call("POST", f"{PROJECT}:setIamPolicy", None, {"policy": {**kept, "auditConfigs": []}, "updateMask": mask})
    assert not google.call("POST", f"{PROJECT}:getIamPolicy", None, {}).get("auditConfigs")
