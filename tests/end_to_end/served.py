"""Prints what serves a task: `python -m tests.end_to_end.served nlp`, in the environment that leads to the Google Cloud in question."""

import hashlib
import json
import sys
from typing import Any

from environments.clients import Clients
from serving.registry import versions
from serving.rollout import canary, deployment, promotion, web


def served(clients: Clients, task: str) -> dict[str, Any]:
    """Aliases, traffic, verdicts, and what the web page uses."""
    aliased = {alias: versions.find(clients, task, alias) for alias in (versions.CHAMPION, promotion.PREVIOUS)}
    endpoint = deployment.endpoint(clients, task)
    registered = clients.vertex().Model(clients.names.model(task)).versioning_registry.list_versions()
    found = [versions.find(clients, task, one.version_id) for one in registered]
    shown = web.current(clients)
    return {
        **{alias: version and version.version_id for alias, version in aliased.items()},
        "traffic": {one.model_version_id: endpoint.traffic_split.get(one.id, 0) for one in endpoint.list_models()},
        "verdicts": {one.version_id: [one.labels.get("gate"), one.labels.get(canary.REASON)] for one in found if one},
        "page": [one.version_id for one in found if one and shown and shown.models[task] == _converted(clients, one.uri)],
    }


def _converted(clients: Clients, uri: str) -> str:
    """Digest of a version's converted model; empty where it has none."""
    bucket, _, prefix = uri.removeprefix("gs://").partition("/")
    blob = clients.storage().bucket(bucket).get_blob(f"{prefix}/web/web.json")
    return hashlib.sha256(blob.download_as_bytes()).hexdigest() if blob else ""


if __name__ == "__main__":
    print(json.dumps(served(Clients.of("local"), sys.argv[1])))
