"""What is switched and inherited, and not made: organisation policies in effect, and Workbench instances that start and stop."""

from typing import Any

import pytest

from infra.terraform.rest import Google, Refused

ORGPOLICY = "https://orgpolicy.googleapis.com/v2"
NOTEBOOKS = "https://notebooks.googleapis.com/v2"
CONSTRAINT = "iam.disableServiceAccountKeyCreation"
FOLDER = "100000000077"


@pytest.fixture
def google(google_cloud: dict[str, Any]) -> Google:
    return Google()


def in_effect(google: Google, project: str) -> list[dict[str, Any]]:
    """The rules in effect on a project."""
    policy = google.call("GET", f"{ORGPOLICY}/projects/{project}/policies/{CONSTRAINT}:getEffectivePolicy")
    return list(policy["spec"]["rules"])


def set_policy(google: Google, place: str, **spec: Any) -> None:
    google.call("POST", f"{ORGPOLICY}/{place}/policies", None, {"name": f"{place}/policies/{CONSTRAINT}", "spec": spec})


def test_a_project_is_ruled_by_its_own_policy_else_by_what_lies_above_it(google: Google) -> None:
    project = "acme-gemini-inherits"
    created = {"projectId": project, "parent": {"type": "folder", "id": FOLDER}}
    google.call("POST", "https://cloudresourcemanager.googleapis.com/v1/projects", None, created)
    google.call("POST", f"https://serviceusage.googleapis.com/v1/projects/{project}/services/orgpolicy.googleapis.com:enable", None, {})
    assert in_effect(google, project) == []
    set_policy(google, f"folders/{FOLDER}", rules=[{"enforce": True}])
    assert in_effect(google, project) == [{"enforce": True}]
    set_policy(google, f"projects/{project}", rules=[{"enforce": False}])
    assert in_effect(google, project) == [{"enforce": False}]
    name = f"projects/{project}/policies/{CONSTRAINT}"
    google.call("PATCH", f"{ORGPOLICY}/{name}", None, {"name": name, "spec": {"rules": [{"enforce": False}], "inheritFromParent": True}})
    assert in_effect(google, project) == [{"enforce": False}, {"enforce": True}]


def test_an_instance_is_stopped_and_started_and_one_that_is_not_there_is_neither(google: Google) -> None:
    instances = f"{NOTEBOOKS}/projects/acme-gemini-local/locations/europe-west4-a/instances"
    google.finished(NOTEBOOKS, google.call("POST", instances, {"instanceId": "switched"}, {"gceSetup": {"machineType": "e2-standard-4"}}))
    for verb, state in (("stop", "STOPPED"), ("start", "ACTIVE")):
        google.finished(NOTEBOOKS, google.call("POST", f"{instances}/switched:{verb}", None, {}))
        assert google.call("GET", f"{instances}/switched")["state"] == state
    with pytest.raises(Refused, match="not found"):
        google.call("POST", f"{instances}/nothing:stop", None, {})
