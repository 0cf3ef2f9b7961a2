"""Managed datasets: what is imported is there once, what cannot be read is told, what is exported can be imported again."""

from __future__ import annotations

import itertools
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from emulator.engines.datasets import items
from emulator.engines.datasets.formats import FORMATS, SCHEMAS, of_cells, of_json

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

PNG = b"\x89PNG\r\n\x1a\n"
ML_USE, SET = "aiplatform.googleapis.com/ml_use", "aiplatform.googleapis.com/annotation_set_name"
SINGLE, MULTI, BOXES = (
    f"{SCHEMAS}/ioformat/image_{name}_io_format_1.0.0.yaml"
    for name in ("classification_single_label", "classification_multi_label", "bounding_box")
)
TEXTS = f"{SCHEMAS}/ioformat/text_classification_single_label_io_format_1.0.0.yaml"
count = itertools.count()


def dataset(local: Local, kind: str = "image", **fields: Any) -> str:
    body = {"displayName": "flowers", "metadataSchemaUri": f"{SCHEMAS}/metadata/{kind}_1.0.0.yaml", "metadata": None, **fields}
    status, operation = local.call("POST", "datasets", body)
    assert status == 200, operation
    return str(operation["response"]["name"])


def picture(local: Local, name: str, content: bytes = b"") -> str:
    local.cloud.objects.put(local.bucket, f"pictures/{name}", content or PNG + name.encode())
    return f"gs://{local.bucket}/pictures/{name}"


def written(local: Local, content: str, ending: str = "jsonl") -> str:
    name = f"imports/{next(count)}.{ending}"
    local.cloud.objects.put(local.bucket, name, content.encode())
    return f"gs://{local.bucket}/{name}"


def lines(*values: Any) -> str:
    return "".join(f"{json.dumps(value)}\n" for value in values)


def ended(local: Local, operation: dict[str, Any]) -> dict[str, Any]:
    while not operation["done"]:
        operation = local.call("GET", operation["name"])[1]
    return operation


def imported(local: Local, name: str, uri: str, schema: str, **labels: Any) -> dict[str, Any]:
    configuration = {"gcsSource": {"uris": [uri]}, "importSchemaUri": schema, **labels}
    status, operation = local.call("POST", f"{name}:import", {"importConfigs": [configuration]})
    assert status == 200, operation
    return ended(local, operation)


def labelled(uri: str, label: str, use: str = "") -> dict[str, Any]:
    marks = {"dataItemResourceLabels": {ML_USE: use}} if use else {}
    return {"imageGcsUri": uri, "classificationAnnotation": {"displayName": label}, **marks}


def views(local: Local, name: str, query: str = "") -> list[dict[str, Any]]:
    status, answer = local.call("GET", f"{name}:searchDataItems?{query}")
    assert status == 200, answer
    return list(answer.get("dataItemViews", []))


def test_an_import_makes_data_items_annotations_and_their_specifications(local: Local) -> None:
    name = dataset(local)
    one, two = picture(local, "one.png"), picture(local, "two.png")
    uri = written(local, lines(labelled(one, "daisy", "test"), labelled(two, "rose"), labelled(two, "rose")))
    operation = imported(local, name, uri, SINGLE, dataItemLabels={"team": "a"}, annotationLabels={SET: "mine"})
    assert operation["response"] == {"@type": "type.googleapis.com/google.cloud.aiplatform.v1.ImportDataResponse"}, operation
    assert "partialFailures" not in operation["metadata"]["genericMetadata"]
    found = local.call("GET", name)[1]
    assert found["dataItemCount"] == "2"
    assert found["labels"] == {"aiplatform.googleapis.com/dataset_metadata_schema": "IMAGE"}
    (query,) = found["savedQueries"]
    assert (query["displayName"], query["problemType"], query["annotationSpecCount"]) == ("mine", "IMAGE_CLASSIFICATION_SINGLE_LABEL", 2)
    assert local.call("GET", f"{name}/savedQueries")[1]["savedQueries"] == [query]
    kept = {item["payload"]["gcsUri"]: item for item in local.call("GET", f"{name}/dataItems")[1]["dataItems"]}
    assert kept.keys() == {one, two}
    assert kept[one]["labels"] == {"team": "a", ML_USE: "test"}
    assert kept[one]["payload"]["mimeType"] == "image/png"
    (annotation,) = local.call("GET", f"{kept[two]['name']}/annotations")[1]["annotations"]
    assert annotation["payload"]["displayName"] == "rose"
    assert annotation["payloadSchemaUri"] == f"{SCHEMAS}/annotation/image_classification_1.0.0.yaml"
    assert annotation["labels"] == {SET: "mine", "aiplatform.googleapis.com/payload_schema": "ImageClassification"}
    specification = f"{name}/annotationSpecs/{annotation['payload']['annotationSpecId']}"
    assert local.call("GET", specification)[1]["displayName"] == "rose"


def test_the_same_content_is_one_data_item_wherever_it_lies_and_however_often_it_comes(local: Local) -> None:
    name = dataset(local)
    copies = [picture(local, f"copy-{number}.png", PNG + b"same") for number in range(2)]
    first = lines(labelled(copies[0], "daisy", "test"))
    for content in (first, first, lines({"imageGcsUri": copies[1], "dataItemResourceLabels": {"seen": "twice"}})):
        imported(local, name, written(local, content), SINGLE)
    (view,) = views(local, name)
    assert view["dataItem"]["labels"] == {ML_USE: "test", "seen": "twice"}
    assert len(view["annotations"]) == 1
    assert local.call("GET", name)[1]["dataItemCount"] == "1"


def test_lines_that_cannot_be_read_are_told_and_the_others_are_imported(local: Local) -> None:
    name = dataset(local)
    text = picture(local, "text.png", b"no image")
    bad = [
        "no json\n",
        lines({"imageGcsUri": f"gs://{local.bucket}/none.png"}, labelled(text, "x"), {"imageUri": "gs://a/b"}, {"imageGcsUri": 3}),
        lines({"imageGcsUri": "gs://a/b", "classificationAnnotation": {}}),
        lines(labelled(picture(local, "half.png"), "\ud800")),
    ]
    uri = written(local, lines(labelled(picture(local, "good.png"), "daisy")) + "".join(bad))
    failures = imported(local, name, uri, SINGLE)["metadata"]["genericMetadata"]["partialFailures"]
    assert [failure["message"].partition(": ")[0] for failure in failures] == [f"{uri}, line {number}" for number in range(2, 9)]
    assert {failure["code"] for failure in failures} == {3}
    assert ["no file" in failures[1]["message"], "no image" in failures[2]["message"]] == [True, True]
    assert local.call("GET", name)[1]["dataItemCount"] == "1"
    many = imported(local, name, written(local, "no json\n" * 30), SINGLE)
    assert len(many["metadata"]["genericMetadata"]["partialFailures"]) == 20
    assert (many["error"]["code"], "Nothing was imported" in many["error"]["message"]) == (3, True)
    missing = imported(local, name, f"gs://{local.bucket}/none.jsonl", SINGLE)
    assert "there is no such file" in missing["error"]["message"]


@pytest.mark.parametrize(
    ("schema", "cells", "address", "text", "labels", "payloads"),
    [
        (SINGLE, ["gs://b/1.png"], "gs://b/1.png", "", {}, []),
        (SINGLE, ["TRAIN", "gs://b/1.png", "daisy"], "gs://b/1.png", "", {ML_USE: "training"}, [{"displayName": "daisy"}]),
        (MULTI, ["", "gs://b/1.png", "a", "b"], "gs://b/1.png", "", {}, [{"displayName": "a"}, {"displayName": "b"}]),
        (TEXTS, ["test", "a, text", "x"], "", "a, text", {ML_USE: "test"}, [{"displayName": "x"}]),
        (
            BOXES,
            ["validation", "gs://b/1.png", "cat", "0.1", "0.2", "", "", "0.5", "0.6", "", ""],
            "gs://b/1.png",
            "",
            {ML_USE: "validation"},
            [{"displayName": "cat", "xMin": 0.1, "yMin": 0.2, "xMax": 0.5, "yMax": 0.6}],
        ),
    ],
)
def test_lines_of_csv_are_read_as_documented(schema: str, cells: list[str], address: str, text: str, labels: Any, payloads: Any) -> None:
    entry = of_cells(FORMATS[schema], cells)
    assert (entry.address, entry.text, entry.labels) == (address, text, labels)
    assert [payload for payload, _ in entry.annotations] == payloads


@pytest.mark.parametrize(
    ("schema", "cells"),
    [
        (SINGLE, ["sometimes", "gs://b/1.png"]),
        (SINGLE, ["gs://b/1.png", "a", "b"]),
        (BOXES, ["gs://b/1.png", "cat", "0.1", "0.2"]),
        (BOXES, ["gs://b/1.png", "cat", "0.1", "0.2", "", "", "", "", "", ""]),
        (BOXES, ["gs://b/1.png", "cat", "0.1", "0.2", "", "", "1.5", "0.6", "", ""]),
    ],
)
def test_lines_of_csv_that_say_something_else_are_refused(schema: str, cells: list[str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        of_cells(FORMATS[schema], cells)


@pytest.mark.parametrize("box", [{"xMin": 0.5, "xMax": 0.1}, {"xMin": -1}, {"yMax": "1"}, {"yMin": None}])
def test_a_box_that_is_none_is_refused(box: Any) -> None:
    whole = {"displayName": "cat", "xMin": 0.1, "yMin": 0.1, "xMax": 0.9, "yMax": 0.9, **box}
    with pytest.raises(ValueError, match="bounding box"):
        of_json(FORMATS[BOXES], {"imageGcsUri": "gs://a/b", "boundingBoxAnnotations": [whole]})


def exported(local: Local, name: str, **configuration: Any) -> dict[str, Any]:
    body = {"exportConfig": {"gcsDestination": {"outputUriPrefix": f"gs://{local.bucket}/out"}, **configuration}}
    status, operation = local.call("POST", f"{name}:export", body)
    assert status == 200, operation
    return ended(local, operation)


def read(local: Local, uri: str) -> str:
    return local.cloud.objects.read(local.bucket, uri.removeprefix(f"gs://{local.bucket}/")).decode()


@pytest.mark.parametrize(
    ("kind", "schema", "content"),
    [
        ("image", BOXES, '{"displayName": "cat", "xMin": 0.1, "yMin": 0.2, "xMax": 0.5, "yMax": 0.75}'),
        ("image", MULTI, '{"displayName": "daisy", "annotationResourceLabels": {"by": "me"}}'),
        ("text", TEXTS, '{"displayName": "positive"}'),
    ],
)
def test_what_is_exported_can_be_imported_and_says_the_same(local: Local, kind: str, schema: str, content: str) -> None:
    form, name = FORMATS[schema], dataset(local, kind)
    marks = [json.loads(content)] if form.many else json.loads(content)
    where = {"textContent": "good — very"} if kind == "text" else {"imageGcsUri": picture(local, f"{form.title}.png")}
    given = {**where, form.field: marks, "dataItemResourceLabels": {ML_USE: "test"}}
    imported(local, name, written(local, lines(given)), schema)
    operation = exported(local, name)
    files = operation["response"]["exportedFiles"]
    assert operation["metadata"]["gcsOutputDirectory"].startswith(f"gs://{local.bucket}/out/export-data-flowers-")
    assert sorted(file.removeprefix(operation["metadata"]["gcsOutputDirectory"]) for file in files) == [
        f"{form.annotation}/data-00001-of-00001.jsonl",
        f"{form.annotation}/schema.yaml",
    ]
    (data,) = (file for file in files if file.endswith(".jsonl"))
    assert [json.loads(line) for line in read(local, data).splitlines()] == [given]
    again = dataset(local, kind)
    assert "partialFailures" not in imported(local, again, data, schema)["metadata"]["genericMetadata"]
    (before,), (after,) = (views(local, one) for one in (name, again))
    assert after["dataItem"]["payload"] == before["dataItem"]["payload"]
    assert after["annotations"][0]["payload"] == before["annotations"][0]["payload"]


def test_splits_are_as_large_as_their_fractions_and_filters_choose(local: Local) -> None:
    name = dataset(local, "text")
    uses = {number: ("test" if number < 3 else "training") for number in range(20)}
    rows = [{"textContent": f"text {number}", "dataItemResourceLabels": {ML_USE: use}} for number, use in uses.items()]
    marked = [{**row, "classificationAnnotation": {"displayName": "x"}} for row in rows[:5]]
    imported(local, name, written(local, lines(*marked, *rows[5:])), TEXTS)
    fractions = {"trainingFraction": 0.5, "validationFraction": 0.25, "testFraction": 0.25}
    response = exported(local, name, fractionSplit=fractions, exportUse="CUSTOM_CODE_TRAINING")["response"]
    stats = response["dataStats"]
    assert [int(stats[f"{split}DataItemsCount"]) for split in ("training", "validation", "test")] == [10, 5, 5]
    assert sum(int(stats[f"{split}AnnotationsCount"]) for split in ("training", "validation", "test")) == 5
    assert [uri.rpartition("/")[2] for uri in response["exportedFiles"]] == ["training-*", "validation-*", "test-*"]
    filters = {f"{split}Filter": f"labels.{ML_USE}={split}" for split in ("training", "validation", "test")}
    files = exported(local, name, filterSplit=filters)["response"]["exportedFiles"]
    found = {file.rpartition("/")[2].partition("-")[0]: read(local, file).count("\n") for file in files if file.endswith(".jsonl")}
    assert found == {"training": 17, "test": 3}
    wrong = exported(local, name, fractionSplit={"trainingFraction": 0.9, "testFraction": 0.9})
    assert "fractions" in wrong["error"]["message"]


def test_data_items_are_found_by_label_annotation_and_page(local: Local) -> None:
    name = dataset(local, "text")
    rows = [{"textContent": f"text {number}", "classificationAnnotation": {"displayName": "ab"[number % 2]}} for number in range(6)]
    imported(local, name, written(local, lines(*rows, {"textContent": "bare"})), TEXTS, annotationLabels={SET: "mine"})
    specifications = {
        one["payload"]["displayName"]: one["payload"]["annotationSpecId"] for view in views(local, name) for one in view["annotations"]
    }
    assert len(views(local, name)) == 7
    assert len(views(local, name, f"dataItemFilter=has_annotation({specifications['a']})")) == 3
    assert [view["dataItem"]["payload"] for view in views(local, name, "dataItemFilter=labeled=false")] == [{"textContent": "bare"}]
    found = views(local, name, f"annotationsFilter=annotation_spec_id={specifications['b']}")
    assert sum(len(view["annotations"]) for view in found) == 3
    query = local.call("GET", name)[1]["savedQueries"][0]["name"]
    assert sum(len(view["annotations"]) for view in views(local, name, f"savedQuery={query}&annotationsLimit=1")) == 6
    seen, token = [], ""
    while True:
        page = local.call("GET", f"{name}/dataItems?pageSize=3&pageToken={token}")[1]
        seen += [item["name"] for item in page["dataItems"]]
        if not (token := page.get("nextPageToken", "")):
            break
    assert (len(seen), len(set(seen))) == (7, 7)
    assert local.call("GET", f"{name}/dataItems?pageToken=x")[0] == 400
    assert local.call("GET", f"{name}/dataItems/1/annotations")[0] == 404


def test_a_dataset_is_deleted_with_all_that_it_holds(local: Local) -> None:
    name = dataset(local, "text")
    imported(local, name, written(local, lines({"textContent": "x", "classificationAnnotation": {"displayName": "l"}})), TEXTS)
    assert local.call("DELETE", name)[0] == 200
    assert local.cloud.store.of(items.ITEMS).under(name) == []
    assert local.call("GET", name)[0] == 404


def test_what_an_import_has_written_is_counted_after_a_restart(local: Local) -> None:
    name = dataset(local, "text")
    uri = written(local, lines(*({"textContent": f"text {number}"} for number in range(3000))))
    configuration = {"gcsSource": {"uris": [uri]}, "importSchemaUri": TEXTS}

    async def cut_off() -> None:
        importing = items.Importing(local.cloud, name)
        work = importing.run([items.Import(FORMATS[TEXTS], (uri,), {}, {})])
        # As far as the first pause, which comes after the first transaction.
        work.send(None)
        work.close()

    local.run(cut_off())
    local.restart()
    counted = int(local.call("GET", name)[1]["dataItemCount"])
    assert 0 < counted < 3000
    assert counted == len(local.cloud.store.of(items.ITEMS).items(f"{name}/dataItems"))
    ended(local, local.call("POST", f"{name}:import", {"importConfigs": [configuration]})[1])
    assert local.call("GET", name)[1]["dataItemCount"] == "3000"


@pytest.mark.long
def test_a_hundred_thousand_lines_do_not_take_minutes(local: Local) -> None:
    name = dataset(local, "text")
    rows = ({"textContent": f"text {number}", "classificationAnnotation": {"displayName": "ab"[number % 2]}} for number in range(100_000))
    uri = written(local, lines(*rows))
    begun = time.monotonic()
    assert "error" not in imported(local, name, uri, TEXTS)
    assert len(views(local, name, "pageSize=100")) == 100
    assert time.monotonic() - begun < 120
    assert local.call("GET", name)[1]["dataItemCount"] == "100000"


@pytest.mark.parametrize(
    "metadata",
    [
        {"inputConfig": {"gcsSource": {"uri": ["gs://acme-test-bucket/rows.csv"]}}},
        {"inputConfig": {"bigquerySource": {"uri": "bq://acme-test.d.t"}}},
    ],
)
def test_a_tabular_dataset_points_to_its_table(local: Local, metadata: Any) -> None:
    name = dataset(local, "tabular", metadata=metadata)
    assert local.call("GET", name)[1]["metadata"] == metadata
    body = {"importConfigs": [{"gcsSource": {"uris": ["gs://a/b"]}, "importSchemaUri": TEXTS}]}
    status, answer = local.call("POST", f"{name}:import", body)
    assert (status, "stays where it is" in answer["error"]["message"]) == (400, True)
    export = {"exportConfig": {"gcsDestination": {"outputUriPrefix": f"gs://{local.bucket}/out"}}}
    assert local.call("POST", f"{name}:export", export)[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        {"metadataSchemaUri": "gs://elsewhere/image.yaml"},
        {"metadataSchemaUri": f"{SCHEMAS}/metadata/tabular_1.0.0.yaml", "metadata": {"inputConfig": {}}},
        {"metadataSchemaUri": f"{SCHEMAS}/metadata/tabular_1.0.0.yaml", "metadata": {"inputConfig": {"gcsSource": {"uri": ["/x"]}}}},
        {"metadataSchemaUri": f"{SCHEMAS}/metadata/tabular_1.0.0.yaml", "metadata": {"inputConfig": {"bigquerySource": {"uri": "x"}}}},
        {"metadataSchemaUri": f"{SCHEMAS}/metadata/image_1.0.0.yaml", "metadata": [1]},
    ],
)
def test_what_is_no_dataset_is_refused(local: Local, body: Any) -> None:
    status, answer = local.call("POST", "datasets", {"displayName": "d", "metadata": {}, **body})
    assert status == 400, answer


@pytest.mark.parametrize(
    ("schema", "uris", "said"),
    [
        (TEXTS, ["gs://acme-test-bucket/x"], "is for text datasets"),
        ("gs://elsewhere/x.yaml", ["gs://acme-test-bucket/x"], "no schema of an import"),
        (f"{SCHEMAS}/ioformat/image_segmentation_io_format_1.0.0.yaml", ["gs://acme-test-bucket/x"], "not emulated"),
        (SINGLE, ["https://x"], "not an address"),
        (SINGLE, [], "names no files"),
    ],
)
def test_an_import_that_cannot_be_done_is_refused(local: Local, schema: str, uris: list[str], said: str) -> None:
    body = {"importConfigs": [{"gcsSource": {"uris": uris}, "importSchemaUri": schema}]}
    status, answer = local.call("POST", f"{dataset(local)}:import", body)
    assert (status, said in answer["error"]["message"]) == (400, True), answer


def test_a_version_that_would_hold_nothing_is_not_made(local: Local) -> None:
    status, answer = local.call("POST", f"{dataset(local)}/datasetVersions", {"displayName": "v"})
    assert (status, "not emulated" in answer["error"]["message"]) == (400, True)
