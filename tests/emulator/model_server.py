"""A model server of the smallest kind; it answers with the variables that it was given."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer(200 if self.path == os.environ["AIP_HEALTH_ROUTE"] else 404, {})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != os.environ["AIP_PREDICT_ROUTE"]:
            self.answer(404, {"error": self.path})
        elif "crash" in request["instances"]:
            os._exit(3)
        elif "bad" in request["instances"]:
            self.answer(400, {"error": f"instance {request['instances'].index('bad')} is bad"})
        else:
            variables = {name: value for name, value in os.environ.items() if name.startswith("AIP_") or name == "WHO"}
            self.answer(200, {"predictions": [{"instance": instance, **variables} for instance in request["instances"]]})

    def answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


if os.environ.get("CRASH"):
    sys.exit("there is no model file")
ThreadingHTTPServer(("127.0.0.1", int(os.environ["AIP_HTTP_PORT"])), Handler).serve_forever()
