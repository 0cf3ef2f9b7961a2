"""What Vertex AI tells the container through its environment."""

from collections.abc import Mapping
from dataclasses import dataclass


class ServingError(Exception):
    """The server cannot start; the message is complete and meant for people."""


@dataclass(frozen=True)
class Settings:
    """The container contract: where to listen, which routes to answer, where the model lies."""

    port: int
    health_route: str
    predict_route: str
    storage_uri: str
    """`gs://bucket/folder`, or a plain folder."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Settings":
        """Settings from the `AIP_*` variables.

        Raises:
            ServingError: when no model is named or the port is not a number.
        """
        storage_uri = environment.get("AIP_STORAGE_URI", "")
        if not storage_uri:
            raise ServingError(
                "AIP_STORAGE_URI is not set, so there is no model to serve. "
                "Set it to a gs:// folder or a local folder with model.tflite and preprocessing.json."
            )
        port = environment.get("AIP_HTTP_PORT", "8080")
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise ServingError(f"AIP_HTTP_PORT is {port!r}, which no server can listen on. Set it to a number from 1 to 65535.")
        return cls(
            port=int(port),
            health_route=environment.get("AIP_HEALTH_ROUTE", "/health"),
            predict_route=environment.get("AIP_PREDICT_ROUTE", "/predict"),
            storage_uri=storage_uri,
        )
