"""What exists under our names before Terraform does is adopted: shown as imports, reviewed, never replaced."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from environments import Names, tasks
from environments.clients import Clients
from environments.names import Duty
from infra import app
from infra.terraform import adopt, apply, bootstrap, plan
from infra.terraform.adoption import imported, replaced
from infra.terraform.rest import Google, Refused
from infra.terraform.together import Result
from tests.conftest import running_emulator

STACKS = ["foundation", "data", "serving"]
ACCOUNT: Duty = "training"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Names]:
    """A local Google Cloud on which somebody has made things by hand; the names of its environment."""
    with running_emulator(tmp_path_factory.mktemp("google-cloud")) as described, pytest.MonkeyPatch.context() as patch:
        for variable, value in described["environment"].items():
            patch.setenv(variable, value)
        bootstrap("local")
        names = Clients.of("local").names
        by_hand(names)
        yield names


def by_hand(names: Names) -> None:
    """A bucket, a dataset, an account and an endpoint, as somebody makes them who has not read the stacks."""
    google, project, region = Google(), names.project, names.environment.region
    place = names.environment.data_location
    google.call(
        "POST", "https://storage.googleapis.com/storage/v1/b", {"project": project}, {"name": names.bucket("raw"), "location": place}
    )
    dataset = {"datasetReference": {"datasetId": names.dataset, "projectId": project}, "location": place}
    google.call("POST", f"https://bigquery.googleapis.com/bigquery/v2/projects/{project}/datasets", None, dataset)
    accounts = f"https://iam.googleapis.com/v1/projects/{project}/serviceAccounts"
    google.call("POST", accounts, None, {"accountId": names.service_account_id(ACCOUNT)})
    vertex = f"https://{region}-aiplatform.googleapis.com/v1"
    endpoint: dict[str, Any] = {"displayName": "by hand", "dedicatedEndpointEnabled": True}
    if key := names.key("ml"):
        endpoint["encryptionSpec"] = {"kmsKeyName": key}
    endpoint_id = {"endpointId": names.endpoint_id(tasks().tasks[0].name)}
    google.finished(vertex, google.call("POST", f"{vertex}/{names.location}/endpoints", endpoint_id, endpoint))


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the blocks are written, in place of the checkout."""
    monkeypatch.setattr(app, "ADOPTED", tmp_path / "adopted")
    return tmp_path / "adopted"


def done(results: list[Result]) -> list[Result]:
    assert [result.error for result in results if result.error] == []
    return results


@pytest.mark.long
def test_what_exists_is_imported_without_replacement_and_the_blocks_go_when_it_is_done(cloud: Names, adopted: Path, tmp_path: Path) -> None:
    folder = tmp_path / "terraform"
    found = {result.stack: result.counts for result in done(adopt("local", STACKS, folder, lambda _: None))}
    assert all(counts.destroyed == 0 for counts in found.values())
    written = {path.name: [block["id"] for block in json.loads(path.read_text())["import"]] for path in adopted.iterdir()}
    assert written["local-data.tf.json"] == [f"projects/{cloud.project}/datasets/{cloud.dataset}", cloud.bucket("raw")]
    assert written["local-serving.tf.json"] == [cloud.endpoint(tasks().tasks[0].name)]
    assert any(id_.endswith(f"serviceAccounts/{cloud.service_account(ACCOUNT)}") for id_ in written["local-foundation.tf.json"])
    assert (found["local-data"].adopted, found["local-serving"].adopted) == (2, 1)

    # A reviewer, in another checkout, sees the same.
    said: list[str] = []
    planned = {result.stack: result.counts for result in done(plan("local", STACKS, tmp_path / "elsewhere", said.append))}
    assert planned == found
    assert len([line for line in said if "google_" in line and "adopted" in line]) == sum(counts.adopted for counts in found.values())
    assert not [line for line in said if "REPLACED" in line]

    applied = {result.stack: result.counts.adopted for result in done(apply("local", STACKS, folder))}
    assert applied == {stack: counts.adopted for stack, counts in found.items()}
    done(adopt("local", STACKS, folder, said.append))
    assert list(adopted.iterdir()) == []
    assert len([line for line in said if "its state knows all that it declares" in line]) == len(STACKS)
    assert all(result.counts.nothing for result in done(apply("local", STACKS, folder)))


@pytest.mark.long
def test_an_import_that_would_replace_what_exists_is_refused_and_says_what_forces_it(
    google_cloud: dict[str, Any], adopted: Path, tmp_path: Path
) -> None:
    bootstrap("dev")
    names = Clients.of("dev").names
    elsewhere = {"name": names.bucket("processed"), "location": "US"}
    Google().call("POST", "https://storage.googleapis.com/storage/v1/b", {"project": names.project}, elsewhere)
    (refused,) = adopt("dev", ["data"], tmp_path / "terraform", lambda _: None, rehearsal=True)
    assert refused.status == "failed"
    assert "would replace what exists" in refused.error
    assert "forced by location" in refused.error
    bucket = Clients.of("dev").storage().get_bucket(names.bucket("processed"))
    assert bucket.location == "US"
    bucket.delete()
    # Its block stays behind, and says what takes it away.
    (stopped,) = plan("dev", ["data"], tmp_path / "terraform", lambda _: None, rehearsal=True)
    assert "playbook adopt --env dev" in stopped.error
    (again,) = done(adopt("dev", ["data"], tmp_path / "terraform", lambda _: None, rehearsal=True))
    assert again.counts.nothing
    assert list(adopted.iterdir()) == []


@pytest.mark.long
def test_where_nothing_exists_nothing_is_written(google_cloud: dict[str, Any], adopted: Path, tmp_path: Path) -> None:
    said: list[str] = []
    (result,) = done(adopt("prod", ["network"], tmp_path / "terraform", said.append, rehearsal=True))
    assert result.counts.nothing
    assert any("nothing that it would create exists" in line for line in said)
    assert not adopted.exists()


def test_a_replaced_import_is_told_from_an_update() -> None:
    def change(*actions: str) -> dict[str, Any]:
        return {"actions": list(actions), "importing": {"id": "i"}, "replace_paths": [["location"]]}

    changes = [{"address": "a.updated", "change": change("update")}, {"address": "a.replaced", "change": change("delete", "create")}]
    assert replaced({"resource_changes": changes}) == {"a.replaced": ["location"]}
    before, after = {"labels": {}, "name": "n"}, {"labels": {"team": "t"}, "name": "n"}
    updated = {"address": "a.updated", "change": {**change("update"), "before": before, "after": after}}
    assert imported({"resource_changes": [updated, changes[1]]}) == {"a.updated": ["labels"]}


def test_the_words_for_an_api_that_is_off_are_googles(google_cloud: dict[str, Any]) -> None:
    google, project = Google(), "acme-gemini-api-is-off"
    created = "https://cloudresourcemanager.googleapis.com/v1/projects"
    google.call("POST", created, None, {"projectId": project, "parent": {"type": "folder", "id": "100000000001"}})
    with pytest.raises(Refused) as refused:
        google.call("GET", f"https://pubsub.googleapis.com/v1/projects/{project}/topics/t")
    assert refused.value.api_is_off
    with pytest.raises(Refused) as missing:
        google.call("GET", f"https://storage.googleapis.com/storage/v1/b/{project}")
    assert not missing.value.api_is_off
