"""The one client factory: project and region are said here once, and retries and timeouts where a library has none of its own.

Nothing here knows an address. Imports are inside the methods, since each library costs seconds that most callers never need.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from environments.loading import load, organisation
from environments.names import Names

if TYPE_CHECKING:
    from google import genai
    from google.cloud import storage

TIMEOUT_SECONDS = 60
ATTEMPTS = 5


@dataclass(frozen=True)
class Clients:
    """Clients of Google Cloud for one environment."""

    names: Names

    @classmethod
    def of(cls, environment: str) -> Clients:
        """Clients for the environment of that name."""
        return cls(Names(organisation(), load(environment)))

    def storage(self) -> storage.Client:
        """Cloud Storage."""
        from google.cloud import storage

        return storage.Client(project=self.names.project)

    def vertex(self) -> ModuleType:
        """`google.cloud.aiplatform`, initialised for this environment's project, region and staging bucket."""
        aiplatform = importlib.import_module("google.cloud.aiplatform")
        aiplatform.init(
            project=self.names.project,
            location=self.names.environment.region,
            staging_bucket=self.names.uri("pipelines"),
        )
        return aiplatform

    def gemini(self) -> genai.Client:
        """Gemini on Vertex AI, with retries (the library has none unless they are asked for)."""
        from google import genai
        from google.genai import types

        return genai.Client(
            vertexai=True,
            project=self.names.project,
            location=self.names.environment.gemini_location,
            http_options=types.HttpOptions(timeout=TIMEOUT_SECONDS * 1000, retry_options=types.HttpRetryOptions(attempts=ATTEMPTS)),
        )
