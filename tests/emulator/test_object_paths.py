"""What a client names stays inside the state folder, whatever it is called."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.emulator.conftest import Local


def test_an_object_that_is_named_as_a_bucket_leads_nowhere(local: "Local") -> None:
    host, named = "storage.googleapis.com", "..%2F..%2F..%2Foutside"
    assert local.call("POST", "/storage/v1/b?project=acme-test", {"name": "paths-of-objects"}, host=host)[0] == 200
    assert local.call("POST", f"/upload/storage/v1/b/paths-of-objects/o?uploadType=media&name={named}", host=host)[0] == 200
    fake = f"paths-of-objects%2Fo%2F{named}"
    assert local.call("POST", f"/upload/storage/v1/b/{fake}/o?uploadType=media&name=file", host=host)[0] == 404


def test_a_resource_id_is_never_a_relative_path(local: "Local") -> None:
    groups = "/v1/projects/acme-test/locations/europe-west4/featureGroups?featureGroupId=.."
    status, answer = local.call("POST", groups, {"bigQuery": {"bigQuerySource": {"inputUri": "bq://acme-test.ml.rows"}}})
    assert status == 400
    assert "relative path" in answer["error"]["message"]
