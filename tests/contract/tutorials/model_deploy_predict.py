"""Upload a model, deploy it, ask it. https://cloud.google.com/vertex-ai/docs/predictions/get-online-predictions"""

import os
import sys

from google.cloud import aiplatform

SERVER = """
import json, os
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.reply({"status": "ok"})
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.reply({"predictions": [2 * x for x in body["instances"]]})
    def reply(self, body):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())
HTTPServer(("", int(os.environ["AIP_HTTP_PORT"])), Handler).serve_forever()
"""
prefix, image = sys.argv[1:]
aiplatform.init(project=os.environ["GOOGLE_CLOUD_PROJECT"], location="europe-west4")
model = aiplatform.Model.upload(
    display_name=f"{prefix}-model",
    serving_container_image_uri=image,
    serving_container_command=["python", "-c", SERVER],
    serving_container_predict_route="/predict",
    serving_container_health_route="/health",
)
endpoint = model.deploy(machine_type="n1-standard-2")
print(endpoint.predict(instances=[1, 2, 3]).predictions)
endpoint.delete(force=True)
model.delete()
