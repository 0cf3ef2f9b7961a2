"""Data items, annotations and what they are annotated with: imported in transactions of many, read page by page.

A data item is named by its content, an annotation by what it says: whatever is imported twice is there once, also after a kill.
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.datasets/import
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator import filters
from emulator.behaviours import Refusal
from emulator.clock import etag, now
from emulator.engines import instances
from emulator.engines.datasets.formats import SET_NAME, Entry, Format, entries
from emulator.engines.objects import split

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.store import Collection

Json = dict[str, Any]

ITEMS = "dataset-items"
"""Data items and annotations have a collection of their own: there may be hundreds of thousands of them."""
LINES, TOGETHER = 1000, 500
"""Lines that are imported in one transaction, which others wait for; and rows that are looked at in one piece."""
MOST_FAILURES = 20
"""Partial failures that an operation tells, by its definition."""
LARGEST_BYTES = {"image": 30 << 20, "text": 10 << 20}
IMAGES = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
    b"\0\0\1\0": "image/vnd.microsoft.icon",
}
"""What an image of a kind that can be imported begins with → its type."""
HEAD_BYTES = 16


@dataclass(frozen=True)
class Import:
    """One of the `importConfigs`."""

    form: Format
    uris: tuple[str, ...]
    item_labels: dict[str, str]
    annotation_labels: dict[str, str]


class Importing:
    """An import into a dataset.

    Args:
        cloud: The local Google Cloud.
        dataset: The dataset's name.
    """

    def __init__(self, cloud: Cloud, dataset: str) -> None:
        self._cloud, self._dataset = cloud, dataset
        self._kept, self._items = cloud.store.of("aiplatform"), cloud.store.of(ITEMS)
        self._specifications: dict[str, str] = {}
        self._queries: dict[str, Json] = {}
        self._marks: set[str] = set()
        self.failures: list[Json] = []
        """What could not be read, as `google.rpc.Status`; the first of them."""
        self.failed = 0

    async def run(self, imports: list[Import]) -> int:
        """Imports; how many lines were read.

        Raises:
            Refusal: The dataset was deleted meanwhile.
        """
        read = 0
        for one in imports:
            lines = self._lines(one)
            while chunk := list(itertools.islice(lines, LINES)):
                with self._cloud.store.transaction():
                    read += self._write(one, chunk)
                await asyncio.sleep(0)
        return read

    def _lines(self, one: Import) -> Iterator[tuple[str, Entry | str]]:
        for uri in one.uris:
            found = instances.matching(self._cloud, uri)
            if not found:
                yield uri, "there is no such file"
            for file in found:
                path = self._cloud.objects.path(file["bucket"], file["name"])
                for number, entry in entries(path, file["name"], one.form):
                    yield f"gs://{file['bucket']}/{file['name']}, line {number}", entry

    def _write(self, one: Import, chunk: list[tuple[str, Entry | str]]) -> int:
        dataset = self._kept.get(self._dataset)
        if dataset is None:
            raise Refusal(404, "NOT_FOUND", f"Dataset '{self._dataset}' was deleted while data was imported into it.")
        added, read = 0, 0
        for where, entry in chunk:
            try:
                if isinstance(entry, str):
                    raise ValueError(entry)
                added += self._add(one, entry)
                read += 1
            except (ValueError, Refusal) as error:
                self.failed += 1
                if len(self.failures) < MOST_FAILURES:
                    self.failures.append({"code": 3, "message": f"{where}: {error}"})
        count = str(int(dataset.get("dataItemCount", 0)) + added)
        self._kept.put(self._dataset, "Dataset", {**dataset, "dataItemCount": count, "updateTime": now()})
        for name, query in self._queries.items():
            self._kept.put(name, "SavedQuery", query)
        return read

    def _add(self, one: Import, entry: Entry) -> bool:
        """Adds a data item with its annotations; whether it is new."""
        payload, content = self._content(one.form.dataset, entry)
        name = f"{self._dataset}/dataItems/{_id(content)}"
        known = self._items.get(name)
        labels = {**(known or {}).get("labels", {}), **one.item_labels, **entry.labels}
        if known is None or known.get("labels", {}) != labels:
            stamp = now()
            item = known or {"name": name, "createTime": stamp, "payload": payload}
            self._items.put(name, "DataItem", {**item, "labels": labels, "updateTime": stamp, "etag": etag()})
        for said, own in entry.annotations:
            self._annotate(one.form, name, said, {**one.annotation_labels, **own})
        return known is None

    def _content(self, kind: str, entry: Entry) -> tuple[Json, str]:
        """Payload and digest of what an entry points to, or holds.

        Raises:
            ValueError: There is nothing, or nothing of the kind.
        """
        if entry.text:
            digest = hashlib.md5(entry.text.encode(), usedforsecurity=False).digest()
            return {"textContent": entry.text}, base64.b64encode(digest).decode()
        bucket, name = split(entry.address)
        found = self._cloud.objects.get(bucket, name)
        if found is None:
            raise ValueError(f"there is no file {entry.address}")
        if int(found["size"]) > LARGEST_BYTES[kind]:
            raise ValueError(f"{entry.address} has {found['size']} bytes, more than {LARGEST_BYTES[kind]}")
        payload = {"gcsUri": entry.address}
        if kind == "image":
            head = self._cloud.objects.read(bucket, name, 0, HEAD_BYTES - 1)
            type_ = next((type_ for start, type_ in IMAGES.items() if head.startswith(start)), "")
            if not type_:
                raise ValueError(f"{entry.address} is no image: it is neither {', '.join(IMAGES.values())}")
            payload["mimeType"] = type_
        return payload, str(found["md5Hash"])

    def _annotate(self, form: Format, item: str, said: Json, labels: dict[str, str]) -> None:
        specification = self._specification(said["displayName"])
        payload = {"annotationSpecId": specification, **said}
        labels = {**labels, "aiplatform.googleapis.com/payload_schema": form.payload_title}
        identity = json.dumps([form.payload_schema, payload, labels], sort_keys=True)
        name, stamp = f"{item}/annotations/{_id(identity)}", now()
        if self._items.get(name) is None:
            annotation = {"name": name, "payloadSchemaUri": form.payload_schema, "payload": payload, "labels": labels}
            self._items.put(name, "Annotation", {**annotation, "createTime": stamp, "updateTime": stamp, "etag": etag()})
        self._note(form, labels.get(SET_NAME, ""), specification)

    def _specification(self, name: str) -> str:
        """Id of the specification of a label, which is made if need be."""
        if name not in self._specifications:
            id_, stamp = _id(name), now()
            place = f"{self._dataset}/annotationSpecs/{id_}"
            if self._kept.get(place) is None:
                specification = {"name": place, "displayName": name, "createTime": stamp, "updateTime": stamp, "etag": etag()}
                self._kept.put(place, "AnnotationSpec", specification)
            self._specifications[name] = id_
        return self._specifications[name]

    def _note(self, form: Format, set_name: str, specification: str) -> None:
        """Keeps the saved query of the annotations of one problem and set, and which specifications they have."""
        name = f"{self._dataset}/savedQueries/{_id(f'{form.problem} {set_name}')}"
        if name not in self._queries:
            stamp = now()
            made = {
                "name": name,
                "displayName": set_name or form.problem.lower(),
                "problemType": form.problem,
                "annotationFilter": annotation_filter(form, set_name),
                "createTime": stamp,
            }
            self._queries[name] = {**made, **(self._kept.get(name) or {}), "updateTime": stamp, "etag": etag()}
        mark = f"{name}/annotationSpecs/{specification}"
        if mark in self._marks:
            return
        self._marks.add(mark)
        if self._items.get(mark) is None:
            self._items.put(mark, "Mark", {})
            self._queries[name]["annotationSpecCount"] = self._queries[name].get("annotationSpecCount", 0) + 1


def annotation_filter(form: Format, set_name: str) -> str:
    """The filter that lets the annotations of a saved query through."""
    escaped = set_name.replace("\\", "\\\\").replace('"', '\\"')
    named = f' AND labels.{SET_NAME}="{escaped}"' if set_name else f" AND NOT labels.{SET_NAME}:*"
    return f'labels.aiplatform.googleapis.com/payload_schema="{form.payload_title}"{named}'


def _id(identity: str) -> str:
    """A number of 18 digits that follows from what it names."""
    return str(10**17 + int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8]) % (9 * 10**17))


def select(rows: list[Json], text: str, functions: filters.Functions | None = None) -> list[Json]:
    """The data items or annotations that a filter lets through, which may name labels with dots and an `annotation_spec_id`."""
    if not text.strip():
        return rows
    shown = [{**row, **_nested(row), "_row": row} for row in rows]
    return [one["_row"] for one in filters.select(shown, text, functions)]


def _nested(row: Json) -> Json:
    labels: Json = {}
    for key, value in row.get("labels", {}).items():
        place, *rest = key.split(".")
        inside = labels
        for part in rest:
            inside, place = inside.setdefault(place, {}), part
        inside[place] = value
    specification = row.get("payload", {}).get("annotationSpecId")
    return {"labels": labels, "annotationSpecId": specification, "dataItemId": row["name"].rpartition("/")[2]}


def annotations_of(kept: Collection, item: str, text: str = "") -> list[Json]:
    """The annotations on a data item that a filter lets through."""
    return select(kept.list(f"{item}/annotations"), text)
