"""What a version has learned from, kept beside its artifact: a retraining goes on from there."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from google.api_core.exceptions import NotFound

from environments.clients import Clients

NAME = "origin.json"


@dataclass(frozen=True)
class Origin:
    """The rows of a version."""

    rows: str
    """`gs://` address of the raw rows, of which the frozen test rows are a part."""
    declared: bool
    """Whether they are the task's declared data set, to which its gates apply."""
    labelled: Sequence[str]
    """`gs://` addresses of rows that were labelled later and joined with them."""


def write(clients: Clients, uri: str, origin: Origin) -> None:
    """Keep it in the artifact folder `uri`."""
    _blob(clients, uri).upload_from_string(json.dumps(asdict(origin)), content_type="application/json")


def read(clients: Clients, uri: str) -> Origin | None:
    """What lies in the artifact folder `uri`; nothing for an artifact that no pipeline registered."""
    try:
        content: Mapping[str, Any] = json.loads(_blob(clients, uri).download_as_bytes())
    except NotFound:
        return None
    return Origin(content["rows"], content["declared"], tuple(content["labelled"]))


def _blob(clients: Clients, uri: str) -> Any:
    from google.cloud.storage import Blob

    return Blob.from_uri(f"{uri}/{NAME}", client=clients.storage())
