"""What managed datasets hold: import, search and export, by Vertex AI's SDK."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

DATASETS = "aiplatform.projects.locations.datasets"


@pytest.mark.calls(f"{DATASETS}.create", f"{DATASETS}.import", f"{DATASETS}.export", f"{DATASETS}.dataItems.list")
@pytest.mark.timeout(3600)
def test_pictures_are_imported_with_their_labels_and_exported(vertex: Any, place: Place, bucket: Any) -> None:
    """https://cloud.google.com/vertex-ai/docs/image-data/classification/prepare-data"""
    from google.cloud import aiplatform_v1
    from PIL import Image

    rows = []
    for number, colour in enumerate(["red", "blue", "red"]):
        file = io.BytesIO()
        Image.new("RGB", (32 + number, 32), colour).save(file, "PNG")
        bucket.blob(f"items/{number}.png").upload_from_string(file.getvalue(), content_type="image/png")
        rows.append(f"{place.uri(f'items/{number}.png')},{colour}")
    bucket.blob("items/rows.csv").upload_from_string("\n".join(rows))
    dataset = vertex.ImageDataset.create(
        display_name=place.name("items"),
        gcs_source=place.uri("items/rows.csv"),
        import_schema_uri=vertex.schema.dataset.ioformat.image.single_label_classification,
        labels=dict(place.labels),
    )
    try:
        client = aiplatform_v1.DatasetServiceClient(client_options={"api_endpoint": f"{place.region}-aiplatform.googleapis.com"})
        assert len(list(client.list_data_items(parent=dataset.resource_name))) == 3
        dataset.export_data(output_dir=place.uri("items/exported"))
        lines = [
            json.loads(line)
            for blob in bucket.list_blobs(prefix="items/exported/")
            if blob.name.endswith(".jsonl")
            for line in blob.download_as_text().splitlines()
        ]
        assert sorted((line["imageGcsUri"].rpartition("/")[2], line["classificationAnnotation"]["displayName"]) for line in lines) == [
            ("0.png", "red"), ("1.png", "blue"), ("2.png", "red"),
        ]  # fmt: skip
    finally:
        dataset.delete()


@pytest.mark.calls(f"{DATASETS}.searchDataItems", f"{DATASETS}.dataItems.annotations.list")
@pytest.mark.timeout(3600)
def test_texts_are_searched_with_their_annotations(vertex: Any, place: Place, bucket: Any) -> None:
    """https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.datasets/searchDataItems"""
    from google.cloud import aiplatform_v1

    for number, text in enumerate(("It rains.", "She sings.")):
        bucket.blob(f"items/{number}.txt").upload_from_string(text, content_type="text/plain")
    rows = [f"{place.uri(f'items/{number}.txt')},{label}" for number, label in enumerate(("weather", "music"))]
    bucket.blob("items/texts.csv").upload_from_string("\n".join(rows))
    dataset = vertex.TextDataset.create(
        display_name=place.name("texts"),
        gcs_source=place.uri("items/texts.csv"),
        import_schema_uri=vertex.schema.dataset.ioformat.text.single_label_classification,
        labels=dict(place.labels),
    )
    try:
        client = aiplatform_v1.DatasetServiceClient(client_options={"api_endpoint": f"{place.region}-aiplatform.googleapis.com"})
        items = list(client.list_data_items(parent=dataset.resource_name))
        assert [len(list(client.list_annotations(parent=item.name))) for item in items] == [1, 1]
        assert len(list(client.search_data_items({"dataset": dataset.resource_name}))) == 2
    finally:
        dataset.delete()
