"""Remembers what steps gave, so that the same step with the same inputs need not run again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from emulator.engines.objects import Objects
from emulator.engines.pipelines import artifacts
from emulator.engines.pipelines.tasks import Values
from emulator.store import Store

Json = dict[str, Any]


class Cache:
    """Outputs by the digest of everything that a step depends on.

    The key holds what the container runs (image, command, arguments, variables), which outputs it declares, its parameters
    and the *contents* of its input artifacts. It cannot hold the code that the step imports: name its digest in a variable.
    """

    def __init__(self, store: Store, objects: Objects) -> None:
        self._kept = store.of("pipelines.cache")
        self._resources = store.of("aiplatform")
        self._objects = objects

    def key(self, container: Json, component: Json, inputs: Values) -> str:
        """The key of a step."""
        identity = {
            "container": {part: container.get(part) for part in ("image", "command", "args", "env")},
            "outputs": component.get("outputDefinitions"),
            "parameters": inputs.parameters,
            "artifacts": {name: [self._digest(artifact) for artifact in given] for name, given in inputs.artifacts.items()},
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def get(self, key: str) -> Values | None:
        """What the step gave, if all of it still exists unchanged."""
        entry = self._kept.get(key)
        if entry is None:
            return None
        outputs = Values(**entry["outputs"])
        return outputs if self._digests(outputs) == entry["digests"] else None

    def put(self, key: str, outputs: Values) -> None:
        """Remember what the step gave."""
        self._kept.put(key, "CachedStep", {"outputs": asdict(outputs), "digests": self._digests(outputs)})

    def _digests(self, outputs: Values) -> dict[str, list[str]]:
        return {name: [self._digest(artifact) for artifact in given] for name, given in outputs.artifacts.items()}

    def _digest(self, artifact: Json) -> str:
        """Digest of an artifact's type, metadata and objects; of whether it exists, when it stands for a resource."""
        metadata = artifact.get("metadata", {})
        stored = artifacts.digests(self._objects, artifact["uri"])
        resource = metadata.get("resourceName", "")
        identity = [
            artifact.get("type"),
            metadata,
            stored or artifact["uri"],
            bool(stored),
            self._resources.get(str(resource).partition("@")[0]) is not None if resource else None,
        ]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
