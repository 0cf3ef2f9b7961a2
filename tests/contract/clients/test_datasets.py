"""Managed datasets, by Vertex AI's SDK. Import and export are in a file of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls
DATASETS = "aiplatform.projects.locations.datasets"


@calls(f"{DATASETS}.create", f"{DATASETS}.list", f"{DATASETS}.patch", f"{DATASETS}.delete")
@pytest.mark.parametrize("kind", ["ImageDataset", "TextDataset", "TabularDataset"])
def test_a_dataset_is_of_a_kind_and_is_found_by_it(vertex: Any, place: Place, bucket: Any, kind: str) -> None:
    """A class of the SDK lists the datasets of its metadata schema alone.

    https://cloud.google.com/vertex-ai/docs/training/using-managed-datasets
    """
    from google.api_core import exceptions

    bucket.blob("datasets/rows.csv").upload_from_string("id,kind\n1,a\n")
    source = {"gcs_source": place.uri("datasets/rows.csv")} if kind == "TabularDataset" else {}
    name = place.name(kind.lower())
    dataset = getattr(vertex, kind).create(display_name=name, labels=dict(place.labels), **source)
    try:
        found = {one: [made.name for made in getattr(vertex, one).list(filter=f'display_name="{name}"')] for one in KINDS}
        assert found == {one: [dataset.name] if one == kind else [] for one in KINDS}
        dataset.update(display_name=f"{name}-2", labels={"task": "vision"})
        changed = getattr(vertex, kind)(dataset.resource_name)
        assert (changed.display_name, changed.labels["task"]) == (f"{name}-2", "vision")
        if kind == "TabularDataset":
            assert sorted(changed.column_names) == ["id", "kind"]
    finally:
        dataset.delete()
    with pytest.raises(exceptions.NotFound):
        getattr(vertex, kind)(dataset.resource_name)


KINDS = ("ImageDataset", "TextDataset", "TabularDataset")
