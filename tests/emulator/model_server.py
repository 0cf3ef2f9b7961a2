"""A model server of the smallest kind; it answers with the variables that it was given, or with what FORMULA makes of an instance."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def wait(pipe: str) -> None:
    """Waits until somebody has written into a named pipe."""
    with open(pipe) as waited:
        waited.read()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer(200 if self.path == os.environ["AIP_HEALTH_ROUTE"] else 404, {})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != os.environ["AIP_PREDICT_ROUTE"]:
            self.answer(404, {"error": self.path})
        elif "parts" in request:
            self.stream(request["parts"], request["between"])
        elif "FORMULA" in os.environ:
            predictions = [eval(os.environ["FORMULA"], {}, instance) for instance in request["instances"]]
            self.answer(200, {"predictions": predictions})
        elif "crash" in request["instances"]:
            os._exit(3)
        elif "bad" in request["instances"]:
            self.answer(400, {"error": f"instance {request['instances'].index('bad')} is bad"})
        else:
            if "between" in request:
                wait(request["between"])
            variables = {name: value for name, value in os.environ.items() if name.startswith("AIP_") or name == "WHO"}
            self.answer(200, {"predictions": [{"instance": instance, **variables} for instance in request["instances"]]})

    def stream(self, parts: list[str], between: str) -> None:
        """Answers in parts, and goes on after each when somebody writes into the pipe `between`."""
        self.protocol_version = "HTTP/1.1"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        for part in [*parts, ""]:
            self.wfile.write(f"{len(part):x}\r\n{part}\r\n".encode())
            if part:
                wait(between)

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
