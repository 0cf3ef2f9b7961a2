"""Contents and their checksums, as Cloud KMS and Secret Manager exchange them: https://cloud.google.com/kms/docs/data-integrity-guidelines."""

from __future__ import annotations

import base64
import re
from typing import Any

from emulator.behaviours import Refusal

Json = dict[str, Any]


def received(fields: Json, key: str, limit: int) -> tuple[bytes, bool]:
    """The content of a field, and whether the sender gave its checksum, which is held against it.

    Args:
        fields: A request's body.
        key: `plaintext`, whose checksum is in `plaintextCrc32c`.
        limit: Bytes that it may have.

    Raises:
        Refusal: The content is too large, or its checksum is another.
    """
    content = base64.b64decode(fields.get(key, ""))
    name = re.sub(r"([A-Z])", r"_\1", key).lower()
    if len(content) > limit:
        raise Refusal(400, "INVALID_ARGUMENT", f"The field {name} has {len(content)} bytes, and at most {limit} are taken.")
    claimed = fields.get(f"{key}Crc32c")
    if claimed is not None and str(claimed) != checksum(content):
        raise Refusal(400, "INVALID_ARGUMENT", f"The checksum in field {name}_crc32c did not match the data in field {name}.")
    return content, claimed is not None


def sent(key: str, content: bytes) -> Json:
    """A field of an answer, with its checksum."""
    return {key: base64.b64encode(content).decode(), f"{key}Crc32c": checksum(content)}


def checksum(content: bytes) -> str:
    """The CRC32C of `content`, as an int64 is written."""
    import google_crc32c

    return str(google_crc32c.value(content))
