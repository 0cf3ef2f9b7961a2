"""A model that multiplies by its weight, and the smallest server that Vertex AI can ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

MACHINE = "n1-standard-2"
SERVER = """
import json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, {})
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if any(not isinstance(one, dict) for one in asked["instances"]):
            return self.answer(400, {"error": "an instance is no object"})
        weight, storage = float(os.environ["WEIGHT"]) * asked.get("parameters", {}).get("scale", 1), os.environ["AIP_STORAGE_URI"]
        self.answer(200, {"predictions": [{"y": weight * one["x"], "storage": storage} for one in asked["instances"]]})
    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
ThreadingHTTPServer(("", int(os.environ["AIP_HTTP_PORT"])), Handler).serve_forever()
"""


def upload(vertex: Any, place: Place, weight: float, **options: Any) -> Any:
    """A model in the registry; its artifact, `endpoints/artifact` in the bucket, is there already."""
    return vertex.Model.upload(
        display_name=place.name("served"),
        artifact_uri=place.uri("endpoints/artifact"),
        serving_container_image_uri=place.image,
        serving_container_command=["python", "-c", SERVER],
        serving_container_environment_variables={"WEIGHT": str(weight)},
        serving_container_predict_route="/predict",
        serving_container_health_route="/health",
        serving_container_ports=[8080],
        labels=dict(place.labels),
        **options,
    )
