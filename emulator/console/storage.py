"""Cloud Storage: buckets, what lies in them folder by folder, and one object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.console.markup import Child, Markup, element, join, link, moment, section, size, table
from emulator.console.parts import PAGE, NothingThere, Query, last, linked, number, pages, properties
from emulator.console.previews import found, preview
from emulator.engines.journal import key

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

ROWS = 100
BATCH = 8
"""Objects that are read at once: of a folder that holds many, no more are."""


async def view(cloud: Cloud, query: Query) -> Markup:
    """Buckets; with `bucket` what lies in one below `prefix`; with `object` one object."""
    bucket = query.get("bucket", "")
    if not bucket:
        return _buckets(cloud, query)
    if cloud.store.of("storage").get(f"b/{bucket}") is None or "/" in bucket:
        raise NothingThere(f"There is no bucket {bucket}.")
    if name := query.get("object"):
        return _object(cloud, bucket, name)
    return _folder(cloud, bucket, query.get("prefix", ""), query.get("after", ""))


def _buckets(cloud: Cloud, query: Query) -> Markup:
    kept = cloud.store.of("storage")
    at = number(query)
    page = kept.newest("Bucket", at * PAGE, PAGE + 1)
    rows: list[list[Child]] = [
        [
            link(one["name"], "/storage", bucket=one["name"]),
            one.get("location", ""),
            one.get("storageClass", ""),
            f"{kept.count(below=f'{name}/o'):,}",
            moment(one.get("timeCreated", "")),
        ]
        for name, one in page[:PAGE]
    ]
    empty = "There is no bucket. Create one with Terraform (google_storage_bucket) or storage.Client().create_bucket()."
    return join(
        [table(["Bucket", "Location", "Class", "Objects", "Created"], rows, empty), pages("/storage", query, len(page) > PAGE, len(rows))]
    )


def _folder(cloud: Cloud, bucket: str, prefix: str, after: str) -> Markup:
    level, rest = _level(cloud, bucket, prefix, after)
    rows: list[list[Child]] = []
    for name, one in level:
        inside = name[len(prefix) :]
        if one is None:
            rows.append([link(inside, "/storage", bucket=bucket, prefix=name), "folder", None, None])
        else:
            named = link(inside, "/storage", bucket=bucket, object=name)
            rows.append([named, size(int(one["size"])), one.get("contentType", ""), moment(one.get("updated", ""))])
    empty = "Nothing lies here. What is uploaded, or written to gs:// by a run, appears here."
    newer = link("← First", "/storage", bucket=bucket, prefix=prefix) if after else None
    older = link("Next →", "/storage", bucket=bucket, prefix=prefix, after=rest) if rest else None
    return join(
        [
            _path(bucket, prefix),
            table(["Name", "Size", "Type", "Updated"], rows, empty),
            element("nav", newer, older, class_="pages", aria_label="Pages") if newer or older else None,
        ]
    )


def _level(cloud: Cloud, bucket: str, prefix: str, after: str) -> tuple[list[tuple[str, Json | None]], str]:
    """Objects and folders (with none) directly below `prefix`, from `after`, and where the next page begins."""
    kept = cloud.store.of("storage")
    root = key(bucket, "")
    start = key(bucket, prefix)
    at = max(start, root + after)
    level: list[tuple[str, Json | None]] = []
    while rows := kept.between(at, start + "\U0010ffff", BATCH):
        for name, one in rows:
            if name < at:
                continue
            if len(level) == ROWS:
                return level, at[len(root) :]
            head, slash, _ = name[len(start) :].partition("/")
            level.append((prefix + head + slash, None if slash else one))
            # The first name after all that a folder holds: `0` follows `/`.
            at = f"{start}{head}0" if slash else name + "\0"
    return level, ""


def _object(cloud: Cloud, bucket: str, name: str) -> Markup:
    one = found(cloud, bucket, name)
    if one is None and cloud.store.of("storage").between(key(bucket, f"{name}/"), key(bucket, f"{name}0"), 1):
        # An artifact's address may name a folder.
        return _folder(cloud, bucket, f"{name}/", "")
    if one is None:
        raise NothingThere(f"There is no object gs://{bucket}/{name}.")
    metadata = one.get("metadata")
    return join(
        [
            _path(bucket, name),
            properties(
                {
                    "Size": f"{size(int(one['size']))} ({int(one['size']):,} bytes)",
                    "Type": one.get("contentType"),
                    "Created": moment(one.get("timeCreated", "")),
                    "Updated": moment(one.get("updated", "")),
                    "Generation": one.get("generation"),
                    "MD5": one.get("md5Hash"),
                    "CRC32C": one.get("crc32c"),
                    "Storage class": one.get("storageClass"),
                    "Metadata": linked(metadata) if metadata else None,
                    "Resource": link("as it is kept", "/resources", service="storage", name=key(bucket, name)),
                }
            ),
            section(last(name), preview(cloud, one)),
        ]
    )


def _path(bucket: str, name: str) -> Markup:
    """Links to all the folders above."""
    *folders, leaf = name.split("/")
    steps = [link(bucket, "/storage", bucket=bucket)]
    steps += [
        link(step or "(empty)", "/storage", bucket=bucket, prefix="/".join(folders[: at + 1]) + "/") for at, step in enumerate(folders)
    ]
    return element("p", "gs://", *(piece for one in steps for piece in (one, "/")), leaf, class_="path")
