"""Lines of files that datasets are imported from and exported to, JSON Lines and CSV, as their published schemas have them.

https://cloud.google.com/vertex-ai/docs/image-data/classification/prepare-data
https://cloud.google.com/vertex-ai/docs/image-data/object-detection/prepare-data
https://cloud.google.com/vertex-ai/docs/text-data/classification/prepare-data
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from emulator.behaviours import Refusal, not_emulated
from emulator.validation import ESCAPED_SURROGATE

Json = dict[str, Any]
T = TypeVar("T")

SCHEMAS = "gs://google-cloud-aiplatform/schema/dataset"
ML_USE, SET_NAME = "aiplatform.googleapis.com/ml_use", "aiplatform.googleapis.com/annotation_set_name"
USES = {"training": "training", "train": "training", "validation": "validation", "test": "test", "unassigned": ""}
"""First cell of a line of CSV → value of the data item's label `ml_use`."""
CORNERS = 8
"""Cells of a bounding box: x and y of four corners, of which two opposite ones suffice."""


@dataclass(frozen=True)
class Format:
    """What one published schema says of a line."""

    title: str
    dataset: str
    """Kind of dataset that it is for: `image` or `text`."""
    problem: str
    """`problemType` of the saved query that an import makes."""
    field: str
    """Where a line of JSON has its annotations."""
    annotation: str
    """Name of the annotations' payload schema."""

    @property
    def many(self) -> bool:
        """Whether a line has a list of annotations."""
        return self.field.endswith("s")

    @property
    def payload_title(self) -> str:
        """Title of the annotations' payload schema."""
        return "".join(word.title() for word in self.annotation.split("_"))

    @property
    def payload_schema(self) -> str:
        """Address of the annotations' payload schema."""
        return f"{SCHEMAS}/annotation/{self.annotation}_1.0.0.yaml"


ONE, MANY, BOXES = "classificationAnnotation", "classificationAnnotations", "boundingBoxAnnotations"
FORMATS = {
    f"{SCHEMAS}/ioformat/{name}_io_format_1.0.0.yaml": form
    for name, form in {
        "image_classification_single_label": Format(
            "ImageClassificationSingleLabel", "image", "IMAGE_CLASSIFICATION_SINGLE_LABEL", ONE, "image_classification"
        ),
        "image_classification_multi_label": Format(
            "ImageClassificationMultiLabel", "image", "IMAGE_CLASSIFICATION_MULTI_LABEL", MANY, "image_classification"
        ),
        "image_bounding_box": Format("ImageBoundingBox", "image", "IMAGE_BOUNDING_BOX", BOXES, "image_bounding_box"),
        "text_classification_single_label": Format(
            "TextClassificationSingleLabel", "text", "TEXT_CLASSIFICATION_SINGLE_LABEL", ONE, "text_classification"
        ),
        "text_classification_multi_label": Format(
            "TextClassificationMultiLabel", "text", "TEXT_CLASSIFICATION_MULTI_LABEL", MANY, "text_classification"
        ),
    }.items()
}


@dataclass(frozen=True)
class Entry:
    """One line: a data item and annotations on it."""

    address: str
    """`gs://BUCKET/NAME`; empty for a text that stands in the line."""
    text: str
    labels: dict[str, str]
    annotations: tuple[tuple[Json, dict[str, str]], ...]
    """Payload, with a `displayName` for its specification, and labels."""


def format_of(uri: str, dataset: str) -> Format:
    """The format at `importSchemaUri`, for datasets of a kind.

    Raises:
        Refusal: There is none, or it is for other datasets.
    """
    form = FORMATS.get(uri)
    if form is None:
        if re.fullmatch(rf"{SCHEMAS}/ioformat/\w+_[\d.]+\.yaml", uri):
            raise not_emulated(f"Import of {uri.rpartition('/')[2]}")
        raise Refusal(400, "", f"{uri!r} is no schema of an import. Nothing was imported. Name one below {SCHEMAS}/ioformat/.")
    if form.dataset != dataset:
        raise Refusal(400, "", f"{form.title} is for {form.dataset} datasets; this one holds {dataset}. Nothing was imported.")
    return form


def entries(path: Path, name: str, form: Format) -> Iterator[tuple[int, Entry | str]]:
    """Line number and entry, or what is wrong, of each line of a file.

    Args:
        path: The file.
        name: Its name, whose ending tells CSV (`.csv`) from JSON Lines.
        form: What its lines hold.
    """
    if name.lower().endswith(".csv"):
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = csv.reader(file)
            while True:
                try:
                    cells = next(rows)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield rows.line_num, f"it is no CSV: {error}"
                    continue
                if cells:
                    yield rows.line_num, _tried(of_cells, form, cells)
    else:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, _tried(_of_line, form, line)


def _tried(read: Callable[[Format, T], Entry], form: Format, given: T) -> Entry | str:
    try:
        return read(form, given)
    except (ValueError, RecursionError) as error:
        return str(error)


def _of_line(form: Format, line: bytes) -> Entry:
    value = json.loads(line)
    if ESCAPED_SURROGATE.search(line):
        # Half a character is no text that could be kept or exported.
        json.dumps(value, ensure_ascii=False).encode()
    return of_json(form, value)


def of_json(form: Format, value: Any) -> Entry:
    """The entry of a line of JSON.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, dict):
        raise ValueError("it is no object")
    known = {f"{form.dataset}GcsUri", form.field, "dataItemResourceLabels", *(["textContent"] if form.dataset == "text" else [])}
    if unknown := sorted(value.keys() - known):
        raise ValueError(f"{form.title} has no field {unknown[0]!r}")
    address, text = value.get(f"{form.dataset}GcsUri", ""), value.get("textContent", "")
    if not isinstance(address, str) or not isinstance(text, str) or bool(address) == bool(text):
        raise ValueError(f"it needs {form.dataset}GcsUri" + (" or textContent, one of the two" if form.dataset == "text" else ""))
    given = value.get(form.field, [] if form.many else None)
    given = given if form.many else [] if given is None else [given]
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise ValueError(f"{form.field} is no {'list of objects' if form.many else 'object'}")
    annotations = tuple((_payload(form, one), _labels(one.get("annotationResourceLabels", {}))) for one in given)
    return Entry(address, text, _labels(value.get("dataItemResourceLabels", {})), annotations)


def of_cells(form: Format, cells: Sequence[str]) -> Entry:
    """The entry of a line of CSV: `[ML_USE,]CONTENT[,LABEL…]`, for boxes `[ML_USE,]CONTENT[,LABEL,X,Y,,,X,Y,,]`.

    Raises:
        ValueError: It is none.
    """
    cells = [cell.strip() for cell in cells]
    labels = {}
    if len(cells) > 1 and (cells[0].lower() in USES or not cells[0]):
        if use := USES.get(cells[0].lower(), ""):
            labels[ML_USE] = use
        cells = cells[1:]
    content, *rest = cells
    is_address = content.startswith("gs://")
    if not content or (form.dataset == "image" and not is_address):
        raise ValueError(f"{content[:80]!r} is neither a use (training, validation, test) nor an address (gs://…)")
    if form.field == BOXES:
        given = [_box(rest)] if any(rest) else []
    else:
        given = [{"displayName": label} for label in rest if label]
        if not form.many and len(given) > 1:
            raise ValueError(f"it has {len(given)} labels, {form.title} takes one")
    annotations = tuple((_payload(form, one), dict[str, str]()) for one in given)
    return Entry(content if is_address else "", "" if is_address else content, labels, annotations)


def _box(cells: Sequence[str]) -> Json:
    label, *corners = cells
    if len(corners) != CORNERS:
        raise ValueError(f"a bounding box has {CORNERS} cells after its label, some of them empty; here are {len(corners)}")
    across, down = ([float(cell) for cell in corners[first::2] if cell] for first in (0, 1))
    if len(across) < 2 or len(across) != len(down):
        raise ValueError("a bounding box needs two opposite corners")
    return {"displayName": label, "xMin": min(across), "yMin": min(down), "xMax": max(across), "yMax": max(down)}


def _payload(form: Format, given: Json) -> Json:
    name = given.get("displayName")
    if not isinstance(name, str) or not name:
        raise ValueError("an annotation has no displayName")
    if form.field != BOXES:
        return {"displayName": name}
    box = {key: given.get(key) for key in ("xMin", "yMin", "xMax", "yMax")}
    for key, value in box.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or not 0 <= value <= 1:
            raise ValueError(f"{key} of a bounding box is {value!r}, not between 0 and 1")
    if not (box["xMin"] < box["xMax"] and box["yMin"] < box["yMax"]):  # type: ignore[operator]
        raise ValueError("a bounding box has no area")
    return {"displayName": name, **box}


def _labels(given: Any) -> dict[str, str]:
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise ValueError("labels are texts by name")
    return given


def line(form: Format, payload: Json, labels: Json, annotations: Sequence[Json]) -> str:
    """The line of JSON of a data item, which `of_json` reads.

    Args:
        form: Of the line.
        payload: Of the data item.
        labels: Of the data item.
        annotations: Resources of annotations, of one schema.
    """
    content = {f"{form.dataset}GcsUri": payload["gcsUri"]} if "gcsUri" in payload else {"textContent": payload["textContent"]}
    said = []
    for annotation in annotations:
        values = {key: value for key, value in annotation["payload"].items() if key != "annotationSpecId"}
        own = {key: value for key, value in annotation.get("labels", {}).items() if not key.endswith("/payload_schema")}
        said.append({**values, **({"annotationResourceLabels": own} if own else {})})
    marks: Json = {form.field: said if form.many else said[0]} if said else {}
    return json.dumps({**content, **marks, **({"dataItemResourceLabels": labels} if labels else {})}, ensure_ascii=False)


def schema(form: Format) -> str:
    """The schema of a format's lines in YAML, as an OpenAPI schema object."""
    content = [f"{form.dataset}GcsUri", *(["textContent"] if form.dataset == "text" else [])]
    values = ["displayName", *(["xMin", "yMin", "xMax", "yMax"] if form.field == BOXES else [])]
    depth = "      " if form.many else "    "
    return "\n".join(
        [
            f"title: {form.title}",
            "type: object",
            "properties:",
            *(f"  {name}:\n    type: string" for name in content),
            f"  {form.field}:",
            *(["    type: array", "    items:"] if form.many else []),
            f"{depth}type: object",
            f"{depth}properties:",
            *(f"{depth}  {name}:\n{depth}    type: {'string' if name == 'displayName' else 'number'}" for name in values),
            f"{depth}  annotationResourceLabels:\n{depth}    type: object\n{depth}    additionalProperties:\n{depth}      type: string",
            "  dataItemResourceLabels:\n    type: object\n    additionalProperties:\n      type: string",
            "",
        ]
    )
