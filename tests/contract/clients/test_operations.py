"""Long-running operations, by the methods that every generated client has for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.contract.clients.place import Place


@pytest.mark.calls("aiplatform.projects.locations.endpoints.create", "aiplatform.projects.locations.endpoints.delete")
def test_an_operation_is_read_over_grpc_and_one_that_has_ended_stays_as_it_is(place: Place) -> None:
    """https://google.aip.dev/151, https://cloud.google.com/vertex-ai/docs/general/long-running-operations"""
    from google.cloud import aiplatform_v1

    client = aiplatform_v1.EndpointServiceClient(client_options={"api_endpoint": f"{place.region}-aiplatform.googleapis.com"})
    creating = client.create_endpoint(
        parent=place.location, endpoint={"display_name": place.name("operation"), "labels": dict(place.labels)}
    )
    endpoint = creating.result(timeout=300)
    try:
        asked = {"name": creating.operation.name}
        assert client.get_operation(asked).done
        client.cancel_operation(asked)
        after = client.get_operation(asked)
        assert (after.done, after.HasField("response")) == (True, True)
    finally:
        client.delete_endpoint(name=endpoint.name).result(timeout=300)
