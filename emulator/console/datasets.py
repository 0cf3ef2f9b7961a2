"""Vertex AI's datasets: their data items as pictures and texts, with their annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.console.markup import Child, Markup, element, join, link, moment, section, table
from emulator.console.parts import PAGE, NothingThere, Query, code, last, linked, number, pages, properties, tags
from emulator.console.previews import beginning, found, kind, preview, thumbnail, written
from emulator.engines.datasets.items import ITEMS
from emulator.engines.objects import split

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

SHOWN = 24
"""Data items on a page."""
ANNOTATIONS = 10
LETTERS = 500
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
            f"{int(one.get('dataItemCount') or 0):,}",
            tags([f"{last(key)}: {value}" for key, value in one.get("labels", {}).items()]),
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
    page = cloud.store.search(f"{name}/dataItems/", ITEMS, "DataItem", at * SHOWN, SHOWN + 1)
    figures = [_item(cloud, item.name) for item in page[:SHOWN]]
    specifications = cloud.store.of("aiplatform").between(f"{name}/annotationSpecs/", f"{name}/annotationSpecs0", PAGE)
    empty = "The dataset holds no data items. import_data() from a file of Cloud Storage fills it."
    shown = element("ul", *figures, class_="gallery") if figures else element("p", empty, class_="empty")
    return join(
        [
            properties(
                {
                    "Dataset": one.get("displayName"),
                    "Of": _schema(one),
                    "Items": f"{int(one.get('dataItemCount') or 0):,}",
                    "Annotated with": tags([str(spec.get("displayName")) for _, spec in specifications]) or None,
                    "Description": one.get("description"),
                    "Labels": tags([f"{last(key)}: {value}" for key, value in one.get("labels", {}).items()]),
                    "Created": moment(one.get("createTime", "")),
                    "Resource": link(name, "/resources", service="aiplatform", name=name),
                }
            ),
            section("Data items", shown, pages("/datasets", query, len(page) > SHOWN, len(figures), SHOWN)),
            _source(cloud, one),
        ]
    )


def _item(cloud: Cloud, name: str) -> Markup:
    """A data item as a picture or a text, over its annotations."""
    kept = cloud.store.of(ITEMS)
    one = kept.get(name) or {}
    payload = one.get("payload")
    values = payload if isinstance(payload, dict) else {}
    uri = str(values.get("gcsUri", ""))
    annotations = [_label(annotation) for _, annotation in kept.between(f"{name}/annotations/", f"{name}/annotations0", ANNOTATIONS)]
    labels = [f"{last(key)}: {value}" for key, value in one.get("labels", {}).items()]
    caption = element("figcaption", linked(uri) if uri else last(name), element("div", tags([*annotations, *labels])))
    return element("li", element("figure", _content(cloud, uri, values, annotations), caption))


def _content(cloud: Cloud, uri: str, values: Json, annotations: list[str]) -> Markup:
    if not uri:
        return element("pre", values["textContent"][:LETTERS]) if values.get("textContent") else code(values)
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
    text = written(content or b"", int(kept["size"]) > LETTERS)
    return element("p", f"{values.get('mimeType', 'Binary')}: not shown.", class_="empty") if text is None else element("pre", text)


def _label(annotation: Json) -> str:
    payload = annotation.get("payload")
    values = payload if isinstance(payload, dict) else {}
    return str(values.get("displayName") or values.get("annotationSpecId") or "annotated")


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
