"""Datasets as files of JSON lines in Cloud Storage, by the schema of their annotations or by the split for a training.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/ExportDataConfig
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.clock import now, number
from emulator.engines import instances
from emulator.engines.datasets.formats import FORMATS, Format, line, schema
from emulator.engines.datasets.items import ITEMS, TOGETHER, annotations_of, select
from emulator.engines.instances import Drafts
from emulator.engines.objects import split

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]
SPLITS = ("training", "validation", "test")
SHARES = (0.8, 0.1, 0.1)
"""Vertex AI's split where none is given."""
CUSTOM = "CUSTOM_CODE_TRAINING"


def directory(dataset: Json, configuration: Json) -> str:
    """The new directory of an export, `gs://…/export-data-NAME-TIME`."""
    prefix = configuration["gcsDestination"]["outputUriPrefix"].rstrip("/")
    called = re.sub(r"[^\w.-]", "_", dataset["displayName"])
    return f"{prefix}/export-data-{called}-{re.sub(r'[-:.]', '_', now()[:23])}Z"


async def export(cloud: Cloud, dataset: Json, kind: str, configuration: Json, place: str) -> Json:
    """Writes a dataset's data items and annotations below `place`.

    Args:
        cloud: The local Google Cloud.
        dataset: The dataset.
        kind: `image` or `text`.
        configuration: `ExportDataConfig`.
        place: As `directory` gives it.

    Returns:
        `ExportDataResponse`.

    Raises:
        Refusal: The destination does not exist, or filter, split or saved query is wrong.
    """
    cloud.objects.bucket(split(place)[0])
    forms, text = _chosen(cloud, dataset, kind, configuration)
    custom = configuration.get("exportUse") == CUSTOM
    split_of = _splitter(dataset, configuration) if custom or {"fractionSplit", "filterSplit"} & configuration.keys() else None
    folder = cloud.state / "exports" / number()
    drafts, counts = Drafts(folder, {}, {}), Counter[str]()
    kept, after = cloud.store.of(ITEMS), ""
    try:
        while chunk := kept.after(f"{dataset['name']}/dataItems", after, TOGETHER):
            after = chunk[-1][0]
            for name, item in chunk:
                role = split_of(item) if split_of else "data"
                found = annotations_of(kept, name, text)
                for index, form in enumerate(forms):
                    own = [one for one in found if one["payloadSchemaUri"] == form.payload_schema]
                    if role and (own or (not found and index == 0)):
                        marks = own if form.many else own[:1]
                        drafts.append(f"{index}.{role}", [line(form, item["payload"], item.get("labels", {}), marks)])
                        counts[f"{role}DataItemsCount"] += 1
                        counts[f"{role}AnnotationsCount"] += len(marks)
            await asyncio.sleep(0)
        files = _named(drafts, forms, custom, folder)
        instances.publish(cloud, place, files)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if custom:
        stats = {f"{role}{what}": str(counts[f"{role}{what}"]) for role in SPLITS for what in ("DataItemsCount", "AnnotationsCount")}
        return {"exportedFiles": [f"{place}/{role}-*" for role in SPLITS], "dataStats": stats}
    return {"exportedFiles": [f"{place}/{name}" for name in files]}


def _named(drafts: Drafts, forms: list[Format], custom: bool, folder: Path) -> dict[str, Path]:
    """Final name → file; a directory for each format, in which its schema lies too, unless a training asks."""
    files: dict[str, Path] = {}
    for stream in drafts.rows:
        index, _, role = stream.partition(".")
        form, shards = forms[int(index)], drafts.files(stream)
        below = "" if custom else f"{form.annotation}/"
        files |= {f"{below}{role}-{number:05}-of-{len(shards):05}.jsonl": file for number, file in enumerate(shards, 1)}
        if below and f"{below}schema.yaml" not in files:
            described = folder / f"schema{index}-0"
            described.write_text(schema(form))
            files[f"{below}schema.yaml"] = described
    return files


def _chosen(cloud: Cloud, dataset: Json, kind: str, configuration: Json) -> tuple[list[Format], str]:
    """The formats to write and the filter of annotations, by what the dataset's imports were and the request asks for."""
    saved = cloud.store.of("aiplatform").list(f"{dataset['name']}/savedQueries")
    text = configuration.get("annotationsFilter", "")
    if wanted := configuration.get("savedQueryId"):
        saved = [one for one in saved if one["name"].endswith(f"/{wanted}")]
        if not saved:
            raise Refusal(404, "", f"Saved query '{wanted}' was not found in '{dataset['name']}'. Nothing was exported.")
        text = f"({text}) AND ({saved[0]['annotationFilter']})" if text.strip() else saved[0]["annotationFilter"]
    problems = {one["problemType"] for one in saved}
    forms: dict[str, Format] = {}
    for form in FORMATS.values():
        # Where both were imported, lists of labels hold single ones, too: these formats come later.
        if form.problem in problems and configuration.get("annotationSchemaUri") in (None, "", form.payload_schema):
            forms[form.payload_schema] = form
    plain = next(form for form in FORMATS.values() if form.dataset == kind)
    return list(forms.values()) or [plain], text


def _splitter(dataset: Json, configuration: Json) -> Callable[[Json], str]:
    """What tells the split of each data item, asked in the order of their names; empty for none."""
    if given := configuration.get("filterSplit"):
        tests = [(role, given[f"{role}Filter"]) for role in SPLITS]
        return lambda item: next((role for role, text in tests if text and select([item], text)), "")
    fractions = configuration.get("fractionSplit") or {}
    shares = [float(fractions.get(f"{role}Fraction", 0)) for role in SPLITS] if fractions else list(SHARES)
    if min(shares) < 0 or sum(shares) > 1 + 1e-9:
        raise Refusal(400, "", f"The fractions {shares} are not between 0 and 1 in all. Nothing was exported.")
    # What the fractions leave over is left to the service.
    shares[0] += 1 - sum(shares)
    total, seen = int(dataset.get("dataItemCount", 0)), 0
    ends = [round(shares[0] * total), round((shares[0] + shares[1]) * total)]

    def role_of(item: Json) -> str:
        # Names follow from the contents' digests: their order is as good as a drawn one, and the same in every export.
        nonlocal seen
        seen += 1
        return SPLITS[sum(seen > end for end in ends)]

    return role_of
