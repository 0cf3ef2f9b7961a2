"""What lies in Cloud Storage, shown where it is small: texts, JSON, and pictures, which the browser reads from here."""

from __future__ import annotations

import json
import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from emulator.console.markup import Markup, element, join, size
from emulator.console.parts import LONGEST, NothingThere, Query, code, last, linked
from emulator.engines.journal import key
from emulator.engines.object_resource import FILE
from emulator.engines.objects import split

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

TEXT_BYTES = 1 << 16
PICTURE_BYTES = 8 << 20
INSIDE = 5
"""Objects that are shown of an artifact that is a folder."""
PICTURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"BM": "image/bmp"}
"""First bytes → type: what an object says that it is does not count, and a drawing that may hold a script is none."""
LINES_OF_JSON = {".jsonl", ".ndjson"}


def found(cloud: Cloud, bucket: str, name: str) -> Json | None:
    """An object as it is kept."""
    kept = cloud.store.of("storage").get(key(bucket, name))
    return kept if kept and FILE in kept else None


def beginning(cloud: Cloud, kept: Json, limit: int) -> bytes | None:
    """The first bytes of an object; none where its file is gone or lies elsewhere."""
    path = (cloud.objects.folder / str(kept[FILE]["path"])).resolve()
    if not path.is_relative_to(cloud.objects.folder) or not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(limit)


def picture(cloud: Cloud, query: Query) -> tuple[bytes, str]:
    """Bytes and type of the object `object` of `bucket`, a picture."""
    bucket, name = query.get("bucket", ""), query.get("object", "")
    kept = found(cloud, bucket, name)
    content = beginning(cloud, kept, PICTURE_BYTES) if kept and int(kept["size"]) <= PICTURE_BYTES else None
    type_ = kind(content) if content else ""
    if content is None or not type_:
        raise NothingThere(f"gs://{bucket}/{name} is no picture that can be shown.")
    return content, type_


def kind(content: bytes) -> str:
    """Type of a picture by its first bytes; empty where it is none."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((type_ for start, type_ in PICTURES.items() if content.startswith(start)), "")


def thumbnail(bucket: str, name: str, text: str, class_: str = "thumbnail") -> Markup:
    """A picture that the browser asks for when it comes into sight."""
    address = f"/picture?{urlencode({'bucket': bucket, 'object': name})}"
    return element("img", src=address, alt=text, class_=class_, loading="lazy", decoding="async")


def preview(cloud: Cloud, kept: Json) -> Markup:
    """An object's content where it is small, and what it is otherwise."""
    content = beginning(cloud, kept, TEXT_BYTES)
    count = int(kept["size"])
    if content is None:
        return element("p", "Its file is gone.", class_="empty")
    if kind(content) and count <= PICTURE_BYTES:
        return thumbnail(kept["bucket"], kept["name"], f"Picture {last(kept['name'])}", "picture")
    text = written(content, count > TEXT_BYTES)
    if text is None:
        return element(
            "p",
            f"{kept.get('contentType') or mimetypes.guess_type(kept['name'])[0] or 'Binary'}, {size(count)}: not shown.",
            class_="empty",
        )
    if Path(kept["name"]).suffix not in LINES_OF_JSON and count <= TEXT_BYTES:
        try:
            return code(json.loads(text))
        except ValueError:
            pass
    cut = f"\n… {size(count - len(text.encode()))} more" if count > TEXT_BYTES or len(text) > LONGEST else ""
    return element("pre", text[:LONGEST], cut, class_="json")


def written(content: bytes, is_cut: bool) -> str | None:
    """UTF-8; the last letter of a cut text may be torn."""
    if b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        return content[: error.start].decode() if is_cut and error.start > len(content) - 4 else None


def artifact(cloud: Cloud, uri: str) -> Markup:
    """What an artifact's address leads to: one object, or the first few of a folder."""
    if not uri.startswith("gs://") or "/" not in uri.removeprefix("gs://"):
        return element("p", linked(uri))
    bucket, name = split(uri)
    kept = found(cloud, bucket, name)
    if kept:
        return preview(cloud, kept)
    first = key(bucket, name.rstrip("/") + "/")
    inside = [body for _, body in cloud.store.of("storage").between(first, first + "\U0010ffff", INSIDE) if FILE in body]
    if not inside:
        return element("p", "Nothing lies there (any more).", class_="empty")
    shown = [
        element(
            "details",
            element(
                "summary", body["name"][len(first) - len(key(bucket, "")) :], " ", element("span", size(int(body["size"])), class_="id")
            ),
            preview(cloud, body),
        )
        for body in inside
    ]
    return join(shown)
