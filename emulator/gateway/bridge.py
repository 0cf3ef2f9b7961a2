"""gRPC → REST, for every service whose client library is installed.

The library's `transports/grpc.py` tells the message types of a method, its `transports/rest_base.py` the HTTP rule; libraries without REST
(Monitoring, Logging) have theirs in `RULES`. The emulator behind only ever sees REST.

Usage: `python -m emulator.gateway.bridge GRPC_SOCKET REST_SOCKET`; prints `ready`, ends with its standard input.
"""

from __future__ import annotations

import http.client
import importlib
import json
import re
import socket
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import grpc
from google.api_core import path_template, rest_helpers
from google.iam.v1 import iam_policy_pb2, policy_pb2
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2, json_format
from google.rpc import status_pb2

THREADS = 64
PULL_SECONDS = 0.05
IMPORTING = threading.Lock()
"""Two threads that import one library at a time meet it half imported."""
METHOD = re.compile(
    r'\.(?P<shape>unary_unary|unary_stream)\(\s*"/(?P<service>[\w.]+)/(?P<method>\w+)",\s*'
    r"request_serializer=(?P<request>[\w.]+?)\.(?:serialize|SerializeToString),\s*"
    r"response_deserializer=(?P<response>[\w.]+?)\.(?:deserialize|FromString)"
)
HOST = re.compile(r'host: str = "([\w.-]+)"')
SHARED = ("google.longrunning.", "google.iam.v1.", "google.cloud.location.")
STATUS = {code.name: code for code in grpc.StatusCode}
LONGRUNNING = "longrunning.googleapis.com"
"""The emulator answers for operations of all APIs at this host, since a gRPC call does not say which API it means."""

# Monitoring and Logging have no REST transport: method → verb, path, body.
RULES: dict[str, tuple[str, str, str]] = {
    "WriteLogEntries": ("post", "/v2/entries:write", "*"),
    "ListLogEntries": ("post", "/v2/entries:list", "*"),
    "ListLogs": ("get", "/v2/{parent=projects/*}/logs", ""),
    "DeleteLog": ("delete", "/v2/{log_name=projects/*/logs/*}", ""),
    "CreateSink": ("post", "/v2/{parent=projects/*}/sinks", "sink"),
    "ListSinks": ("get", "/v2/{parent=projects/*}/sinks", ""),
    "GetSink": ("get", "/v2/{sink_name=projects/*/sinks/*}", ""),
    "UpdateSink": ("put", "/v2/{sink_name=projects/*/sinks/*}", "sink"),
    "DeleteSink": ("delete", "/v2/{sink_name=projects/*/sinks/*}", ""),
    "CreateLogMetric": ("post", "/v2/{parent=projects/*}/metrics", "metric"),
    "ListLogMetrics": ("get", "/v2/{parent=projects/*}/metrics", ""),
    "GetLogMetric": ("get", "/v2/{metric_name=projects/*/metrics/*}", ""),
    "UpdateLogMetric": ("put", "/v2/{metric_name=projects/*/metrics/*}", "metric"),
    "DeleteLogMetric": ("delete", "/v2/{metric_name=projects/*/metrics/*}", ""),
    "CreateTimeSeries": ("post", "/v3/{name=projects/*}/timeSeries", "*"),
    "ListTimeSeries": ("get", "/v3/{name=projects/*}/timeSeries", ""),
    "CreateMetricDescriptor": ("post", "/v3/{name=projects/*}/metricDescriptors", "metric_descriptor"),
    "ListMetricDescriptors": ("get", "/v3/{name=projects/*}/metricDescriptors", ""),
    "GetMetricDescriptor": ("get", "/v3/{name=projects/*/metricDescriptors/**}", ""),
    "DeleteMetricDescriptor": ("delete", "/v3/{name=projects/*/metricDescriptors/**}", ""),
    "CreateAlertPolicy": ("post", "/v3/{name=projects/*}/alertPolicies", "alert_policy"),
    "ListAlertPolicies": ("get", "/v3/{name=projects/*}/alertPolicies", ""),
    "GetAlertPolicy": ("get", "/v3/{name=projects/*/alertPolicies/*}", ""),
    "DeleteAlertPolicy": ("delete", "/v3/{name=projects/*/alertPolicies/*}", ""),
    "UpdateAlertPolicy": ("patch", "/v3/{alert_policy.name=projects/*/alertPolicies/*}", "alert_policy"),
    "CreateNotificationChannel": ("post", "/v3/{name=projects/*}/notificationChannels", "notification_channel"),
    "ListNotificationChannels": ("get", "/v3/{name=projects/*}/notificationChannels", ""),
    "GetNotificationChannel": ("get", "/v3/{name=projects/*/notificationChannels/*}", ""),
    "UpdateNotificationChannel": (
        "patch",
        "/v3/{notification_channel.name=projects/*/notificationChannels/*}",
        "notification_channel",
    ),
    "DeleteNotificationChannel": ("delete", "/v3/{name=projects/*/notificationChannels/*}", ""),
}
POLICIES = dict.fromkeys(("topics", "subscriptions", "snapshots", "schemas"), "pubsub.googleapis.com")
"""Collection → host of the API that holds policies of its resources: `google.iam.v1.IAMPolicy` is one service for all APIs."""
CREDENTIALS = {"authorization", "x-goog-api-key"}
"""Metadata of a call that says who calls."""


@dataclass(frozen=True)
class Method:
    """A gRPC method of an installed library."""

    module: str
    """`google.….transports`, where its transports are."""
    name: str
    shape: str
    request: str
    response: str
    host: str


class Refused(Exception):
    """The emulator's refusal, as it goes back over gRPC."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        try:
            error = json.loads(body)["error"]
        except (ValueError, KeyError, TypeError):
            error = {"message": body[:500].decode(errors="replace"), "status": "UNKNOWN"}
        self.code = STATUS.get(error.get("status", ""), grpc.StatusCode.UNKNOWN)
        self.message = str(error.get("message", ""))
        self.details = error.get("details", [])


class Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket; opened again by itself after the emulator has closed it."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Opens the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


class Rest:
    """The way back to the emulator: one connection per thread."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._local = threading.local()

    def __call__(self, verb: str, host: str, path: str, body: Any = None, metadata: dict[str, str] | None = None) -> Any:
        """The JSON answer to a request.

        Raises:
            Refused: The emulator refused it.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {"Host": host, "Content-Type": "application/json", **(metadata or {})}
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = Connection(self._path)
        try:
            connection.request(verb.upper(), path, data, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._local.connection = None
            problem = {"status": "UNAVAILABLE", "message": f"The local Google Cloud broke the connection: {error!r}. Ask again."}
            raise Refused(503, json.dumps({"error": problem}).encode()) from error
        if answer.status >= 400:
            raise Refused(answer.status, content)
        return json.loads(content or b"{}")


@lru_cache(maxsize=1)
def index() -> dict[tuple[str, str], Method]:
    """Every method of every installed library, read off the text of its transports: importing one library costs seconds."""
    root = Path(sysconfig.get_path("purelib"))
    found = {}
    for file in root.glob("google/**/transports/grpc.py"):
        text = file.read_text()
        module = ".".join(file.parent.relative_to(root).parts)
        host = HOST.search(text)
        for match in METHOD.finditer(text):
            if host and not match["service"].startswith(SHARED):
                method = Method(module, match["method"], match["shape"], match["request"], match["response"], host.group(1))
                found[match["service"], match["method"]] = method
    return found


@cache
def types(method: Method) -> tuple[Any, Any]:
    """Message types of request and response."""
    with IMPORTING:
        transport = importlib.import_module(f"{method.module}.grpc")

    def resolve(dotted: str) -> Any:
        value: Any = transport
        for part in dotted.split("."):
            value = getattr(value, part)
        return value

    return resolve(method.request), resolve(method.response)


@cache
def rules(method: Method) -> list[dict[str, str]]:
    """HTTP rules of a method, in the form of `google.api_core.path_template`."""
    try:
        with IMPORTING:
            base = importlib.import_module(f"{method.module}.rest_base")
    except ModuleNotFoundError:
        if method.name not in RULES:
            problem = {"status": "INVALID_ARGUMENT", "message": f"{method.name} of {method.host} is not emulated over gRPC."}
            raise Refused(400, json.dumps({"error": problem}).encode()) from None
        verb, uri, body = RULES[method.name]
        return [{"method": verb, "uri": uri, **({"body": body} if body else {})}]
    transport = next(value for name, value in vars(base).items() if re.fullmatch(r"_Base\w+RestTransport", name))
    options: list[dict[str, str]] = getattr(transport, f"_Base{method.name}")._get_http_options()
    return options


def message(kind: Any, data: bytes) -> Any:
    """A protobuf message from bytes; the types of proto-plus wrap one."""
    return kind.pb(kind.deserialize(data)) if hasattr(kind, "pb") else kind.FromString(data)


def parsed(kind: Any, value: Any) -> bytes:
    """JSON as the bytes of a protobuf message."""
    target = kind.pb(kind()) if hasattr(kind, "pb") else kind()
    try:
        json_format.ParseDict(value, target, ignore_unknown_fields=True)
    except json_format.ParseError:
        _import_types_of(value)
        target.Clear()
        json_format.ParseDict(value, target, ignore_unknown_fields=True)
    return bytes(target.SerializeToString())


def _import_types_of(value: Any) -> None:
    """Loads the libraries that the types in an operation's `Any` come from: the operation may have been made over REST."""
    for name in re.findall(r"type\.googleapis\.com/([\w.]+)\.\w+", json.dumps(value)):
        for (service, _), method in index().items():
            if service.startswith(f"{name}."):
                types(method)
                break


def transcoded(method: Method, request: Any) -> tuple[str, str, Any]:
    """Verb, path with query, and body of a request."""
    found = path_template.transcode(rules(method), request)
    body = json_format.MessageToDict(found["body"]) if found.get("body") is not None else None
    query = rest_helpers.flatten_query_params(json_format.MessageToDict(found["query_params"]), strict=True)
    path = quote(found["uri"], safe="/:@$!*'(),;~%")
    return found["method"], f"{path}?{urlencode(query)}" if query else path, body


class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers every method."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def service(self, details: Any) -> Any:
        """The handler of one call; none means unimplemented."""
        service, name = details.method.lstrip("/").split("/")
        metadata = {key: value for key, value in details.invocation_metadata if key in CREDENTIALS}
        if service == "google.longrunning.Operations":
            return grpc.unary_unary_rpc_method_handler(_guarded(lambda data, _: self._operation(name, data, metadata)))
        if service == "google.iam.v1.IAMPolicy":
            return grpc.unary_unary_rpc_method_handler(_guarded(lambda data, _: self._policy(name, data, metadata)))
        if (service, name) == ("google.pubsub.v1.Subscriber", "StreamingPull"):
            return grpc.stream_stream_rpc_method_handler(self._streaming_pull)
        method = index().get((service, name))
        if method is None:
            return None
        if method.shape == "unary_stream":
            return grpc.unary_stream_rpc_method_handler(_guarded_stream(lambda data: self._many(method, data, metadata)))
        return grpc.unary_unary_rpc_method_handler(_guarded(lambda data, _: self._one(method, data, metadata)))

    def _one(self, method: Method, data: bytes, metadata: dict[str, str]) -> bytes:
        request, response = types(method)
        verb, path, body = transcoded(method, message(request, data))
        return parsed(response, self._rest(verb, method.host, path, body, metadata))

    def _many(self, method: Method, data: bytes, metadata: dict[str, str]) -> Iterator[bytes]:
        request, response = types(method)
        verb, path, body = transcoded(method, message(request, data))
        for value in self._rest(verb, method.host, path, body, metadata):
            yield parsed(response, value)

    def _operation(self, name: str, data: bytes, metadata: dict[str, str]) -> bytes:
        if name == "ListOperations":
            listed = operations_pb2.ListOperationsRequest.FromString(data)
            answer = self._rest("get", LONGRUNNING, f"/v1/{quote(listed.name)}/operations", None, metadata)
            return parsed(operations_pb2.ListOperationsResponse, answer)
        kind = {"GetOperation": "GetOperationRequest", "WaitOperation": "WaitOperationRequest", "CancelOperation": "CancelOperationRequest"}
        request = getattr(operations_pb2, kind.get(name, "DeleteOperationRequest")).FromString(data)
        path = f"/v1/{quote(request.name)}"
        if name in ("GetOperation", "WaitOperation"):
            return parsed(operations_pb2.Operation, self._rest("get", LONGRUNNING, path, None, metadata))
        self._rest(
            *(("post", LONGRUNNING, f"{path}:cancel") if name == "CancelOperation" else ("delete", LONGRUNNING, path)), None, metadata
        )
        return bytes(empty_pb2.Empty().SerializeToString())

    def _policy(self, name: str, data: bytes, metadata: dict[str, str]) -> bytes:
        response = iam_policy_pb2.TestIamPermissionsResponse if name == "TestIamPermissions" else policy_pb2.Policy
        request = getattr(iam_policy_pb2, f"{name}Request").FromString(data)
        host = POLICIES.get(request.resource.split("/")[-2] if "/" in request.resource else "")
        if host is None:
            problem = {"status": "INVALID_ARGUMENT", "message": f"{name} of {request.resource} is not emulated over gRPC."}
            raise Refused(400, json.dumps({"error": problem}).encode())
        path = f"/v1/{quote(request.resource)}:{name[0].lower()}{name[1:]}"
        if name == "GetIamPolicy":
            version = request.options.requested_policy_version
            path += f"?options.requestedPolicyVersion={version}" if version else ""
            return parsed(response, self._rest("get", host, path, None, metadata))
        body = json_format.MessageToDict(request)
        body.pop("resource", None)
        return parsed(response, self._rest("post", host, path, body, metadata))

    def _streaming_pull(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        """Pub/Sub's subscriber: what it acknowledges comes in on the same stream on which messages go out."""
        from google.pubsub_v1.types import StreamingPullRequest, StreamingPullResponse

        first = message(StreamingPullRequest, next(requests))
        host, path = "pubsub.googleapis.com", f"/v1/{first.subscription}"

        def acknowledge() -> None:
            for data in requests:
                request = message(StreamingPullRequest, data)
                if request.ack_ids:
                    self._rest("post", host, f"{path}:acknowledge", {"ackIds": list(request.ack_ids)})
                for ack_id, seconds in zip(request.modify_deadline_ack_ids, request.modify_deadline_seconds, strict=True):
                    self._rest("post", host, f"{path}:modifyAckDeadline", {"ackIds": [ack_id], "ackDeadlineSeconds": seconds})

        def guarded() -> None:
            try:
                acknowledge()
            except (grpc.RpcError, OSError, Refused, ValueError):
                context.cancel()

        threading.Thread(target=guarded, daemon=True).start()
        while context.is_active():
            try:
                pulled = self._rest("post", host, f"{path}:pull", {"maxMessages": 100})
            except Refused as refused:
                _abort(context, refused)
            if (received := pulled.get("receivedMessages")) and context.is_active():
                yield parsed(StreamingPullResponse, pulled)
            elif received:
                # The subscriber left meanwhile: others need not wait for the deadline.
                back = [one["ackId"] for one in received]
                self._rest("post", host, f"{path}:modifyAckDeadline", {"ackIds": back, "ackDeadlineSeconds": 0})
            else:
                time.sleep(PULL_SECONDS)


def _abort(context: Any, refused: Refused) -> None:
    details = status_pb2.Status(code=refused.code.value[0], message=refused.message)
    for detail in refused.details:
        json_format.ParseDict(detail, details.details.add(), ignore_unknown_fields=True)
    context.set_trailing_metadata((("grpc-status-details-bin", details.SerializeToString()),))
    context.abort(refused.code, refused.message)


def _guarded(work: Callable[[bytes, Any], bytes]) -> Callable[[bytes, Any], bytes]:
    def run(data: bytes, context: Any) -> bytes:
        try:
            return work(data, context)
        except Refused as refused:
            _abort(context, refused)
            raise

    return run


def _guarded_stream(work: Callable[[bytes], Iterator[bytes]]) -> Callable[[bytes, Any], Iterator[bytes]]:
    def run(data: bytes, context: Any) -> Iterator[bytes]:
        try:
            yield from work(data)
        except Refused as refused:
            _abort(context, refused)

    return run


def main() -> None:
    """Serves until standard input ends."""
    _, address, rest = sys.argv
    # Detail messages of errors travel as `Any`: their types must be known to be packed.
    importlib.import_module("google.rpc.error_details_pb2")
    limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(THREADS), handlers=(Handler(Rest(rest)),), options=limits)
    server.add_insecure_port(f"unix:{address}")
    server.start()
    print("ready", flush=True)
    sys.stdin.buffer.read()
    server.stop(None)


if __name__ == "__main__":
    main()
