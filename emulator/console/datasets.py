"""Vertex AI's datasets: their data items as pictures and texts, with their annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.console.markup import Child, Markup, element, join, link, moment, section, table
from emulator.console.parts import PAGE, NothingThere, Query, code, last, linked, number, pages, properties, tags
from emulator.console.previews import beginning, found, kind, preview, thumbnail
from emulator.engines.objects import split

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

ITEMS = 24
ANNOTATIONS = 10
LETTERS = 500
ADDRESSES = ("imageGcsUri", "textGcsUri", "videoGcsUri", "gcsUri", "uri")
SCHEMAS = {
    "image": "pictures",
    "text": "texts",
    "tabular": "tables",
    "video": "videos",
    "time_series": "time series",
    "multimodal": "multimodal",
}


async def view(cloud: Cloud, query: Query) -> Markup:
    """All datasets, newest first, or with `name` one of them."""
    kept = cloud.store.of("aiplatform")
    if name := query.get("name"):
        one = kept.get(name)
        if one is None or "/datasets/" not in name:
            raise NothingThere(f"There is no dataset {name}.")
        return _dataset(cloud, query, name, one)
    at = number(query)
    page = kept.newest("Dataset", at * PAGE, PAGE + 1)
    rows: list[list[Child]] = [
        [
            link(one.get("displayName") or last(name), "/datasets", name=name),
            _schema(one),
            f"{kept.count(parent=f'{name}/dataItems'):,}",
            tags([f"{key}: {value}" for key, value in one.get("labels", {}).items()]),
            moment(one.get("createTime", "")),
        ]
        for name, one in page[:PAGE]
    ]
    empty = "There is no dataset. Terraform (google_vertex_ai_dataset) or ImageDataset.create() makes one; import_data() fills it."
    return join(
        [table(["Dataset", "Of", "Items", "Labels", "Created"], rows, empty), pages("/datasets", query, len(page) > PAGE, len(rows))]
    )


def _schema(one: Json) -> str:
    file = last(str(one.get("metadataSchemaUri", "")))
    return next((said for start, said in SCHEMAS.items() if file.startswith(start)), file)


def _dataset(cloud: Cloud, query: Query, name: str, one: Json) -> Markup:
    at = number(query)
    page = cloud.store.search(f"{name}/dataItems/", "aiplatform", "DataItem", at * ITEMS, ITEMS + 1)
    figures = [_item(cloud, item.name) for item in page[:ITEMS]]
    empty = "The dataset holds no data items. import_data() from a file of Cloud Storage fills it."
    shown = element("ul", *figures, class_="gallery") if figures else element("p", empty, class_="empty")
    return join(
        [
            properties(
                {
                    "Dataset": one.get("displayName"),
                    "Of": _schema(one),
                    "Items": f"{cloud.store.of('aiplatform').count(parent=f'{name}/dataItems'):,}",
                    "Description": one.get("description"),
                    "Labels": tags([f"{key}: {value}" for key, value in one.get("labels", {}).items()]),
                    "Created": moment(one.get("createTime", "")),
                    "Resource": link(name, "/resources", service="aiplatform", name=name),
                }
            ),
            section("Data items", shown, pages("/datasets", query, len(page) > ITEMS, len(figures), ITEMS)),
            _source(cloud, one),
        ]
    )


def _item(cloud: Cloud, name: str) -> Markup:
    """A data item as a picture or a text, over its annotations."""
    kept = cloud.store.of("aiplatform")
    one = kept.get(name) or {}
    payload = one.get("payload")
    values = payload if isinstance(payload, dict) else {}
    uri = next((str(values[key]) for key in ADDRESSES if values.get(key)), "")
    annotations = [_label(annotation) for _, annotation in kept.between(f"{name}/annotations/", f"{name}/annotations0", ANNOTATIONS)]
    labels = [f"{last(key)}: {value}" for key, value in one.get("labels", {}).items()]
    caption = element("figcaption", linked(uri) if uri else last(name), element("div", tags([*annotations, *labels])))
    return element("li", element("figure", _content(cloud, uri, values, annotations), caption))


def _content(cloud: Cloud, uri: str, values: Json, annotations: list[str]) -> Markup:
    text = next((str(values[key]) for key in ("textContent", "content", "text") if values.get(key)), "")
    if not uri:
        return element("pre", text[:LETTERS]) if text else code(values)
    try:
        bucket, name = split(uri)
    except Refusal:
        return element("p", uri, class_="empty")
    kept = found(cloud, bucket, name)
    if kept is None:
        return element("p", "There is no such object (any more).", class_="empty")
    content = beginning(cloud, kept, LETTERS)
    if content and kind(content):
        return thumbnail(bucket, name, f"{last(name)}{': ' if annotations else ''}{', '.join(annotations)}")
    return element("pre", (content or b"").decode("utf-8", "replace"))


def _label(annotation: Json) -> str:
    payload = annotation.get("payload")
    values = payload if isinstance(payload, dict) else {}
    return str(values.get("displayName") or values.get("sentiment") or values.get("annotationSpecId") or values.get("label") or "annotated")


def _source(cloud: Cloud, one: Json) -> Markup | None:
    """Where a dataset of tables lies: the first file is shown."""
    config = one.get("metadata", {}).get("inputConfig", {}) if isinstance(one.get("metadata"), dict) else {}
    files = config.get("gcsSource", {}).get("uri", [])
    tables = config.get("bigquerySource", {}).get("uri", "")
    if not files and not tables:
        return None
    addresses = [*(files if isinstance(files, list) else [files]), *([tables] if tables else [])]
    first = next((kept for uri in addresses if str(uri).startswith("gs://") and (kept := found(cloud, *split(uri)))), None)
    return section("Source", *(element("p", linked(uri)) for uri in addresses[:PAGE]), preview(cloud, first) if first else None)
