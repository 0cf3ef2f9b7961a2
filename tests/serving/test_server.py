"""The prediction contract over HTTP: routes, limits, and errors that tell the caller what to mend and nothing else."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
import pytest

from ml.export.pictures import InstanceError
from serving.python.server import BODY_LIMIT, INLINE_LIMIT, INSTANCES_LIMIT, application
from serving.python.settings import ServingError, Settings

SETTINGS = Settings(port=8080, health_route="/health", predict_route="/v1/predict", storage_uri="unused")


class Lengths:
    """A predictor for the HTTP side of the contract: the label of a text is its length."""

    def predict(self, instances: Sequence[Any]) -> list[dict[str, Any]]:
        for position, instance in enumerate(instances):
            if not isinstance(instance, str):
                raise InstanceError(f"instance {position}: not a text")
            if instance == "crash":
                raise OSError("/models/secret-path is gone")
        return [{"label": str(len(instance)), "confidence": 1.0, "scores": {str(len(instance)): 1.0}} for instance in instances]


def ask(talk: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]) -> httpx.Response:
    """One conversation with the server."""

    async def conversation() -> httpx.Response:
        transport = httpx.ASGITransport(application(SETTINGS, Lengths()), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await talk(client)

    return asyncio.run(conversation())


def post(content: bytes) -> httpx.Response:
    return ask(lambda client: client.post("/v1/predict", content=content))


def test_predictions_come_in_the_order_of_the_instances() -> None:
    answer = post(b'{"instances": ["a", "abc"]}')
    assert answer.status_code == 200
    assert [prediction["label"] for prediction in answer.json()["predictions"]] == ["1", "3"]


def test_a_body_too_large_for_the_event_loop_is_answered_from_a_thread() -> None:
    answer = post(json.dumps({"instances": ["x" * (INLINE_LIMIT + 1)]}).encode())
    assert answer.json()["predictions"][0]["label"] == str(INLINE_LIMIT + 1)


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        (b"instances", 400, "the body is not JSON"),
        (b"\xff\xfe", 400, "the body is not JSON"),
        (b'["a"]', 400, "holds no instances"),
        (b'{"instances": []}', 400, "holds no instances"),
        (b'{"instances": "a"}', 400, "holds no instances"),
        (b'{"instances": ["a", 7]}', 400, "instance 1: not a text"),
        (b"[" * 100_000, 400, "the body is not JSON"),
        (json.dumps({"instances": ["a"] * (INSTANCES_LIMIT + 1)}).encode(), 400, f"send at most {INSTANCES_LIMIT}"),
        (b" " * (BODY_LIMIT + 1), 413, f"larger than {BODY_LIMIT} bytes"),
    ],
)
def test_a_bad_request_is_refused_with_what_mends_it(content: bytes, status: int, says: str) -> None:
    answer = post(content)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert says in answer.json()["error"]


def test_a_body_of_unstated_length_is_cut_off_at_the_limit() -> None:
    async def endless() -> Any:
        for _ in range(BODY_LIMIT // 2**20 + 2):
            yield b" " * 2**20

    assert ask(lambda client: client.post("/v1/predict", content=endless())).status_code == 413


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/predict", 405), ("POST", "/v1/other", 404)])
def test_other_routes_and_methods_are_refused_as_json(method: str, path: str, status: int) -> None:
    answer = ask(lambda client: client.request(method, path))
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}


def test_an_inner_error_is_logged_and_tells_the_caller_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    answer = post(b'{"instances": ["crash"]}')
    assert answer.status_code == 500
    assert answer.json() == {"error": "internal error"}
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["severity"] == "ERROR"
    assert "secret-path" in json.loads(line)["message"]


def test_each_request_is_one_log_line_with_status_and_latency_and_health_probes_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    ask(lambda client: client.get("/health"))
    post(b'{"instances": ["a"]}')
    [line] = capsys.readouterr().out.splitlines()
    request = json.loads(line)["httpRequest"]
    assert (request["requestMethod"], request["requestUrl"], request["status"]) == ("POST", "/v1/predict", 200)
    assert float(request["latency"].removesuffix("s")) >= 0


def test_settings_are_vertex_ais_variables() -> None:
    settings = Settings.of({"AIP_HTTP_PORT": "7080", "AIP_HEALTH_ROUTE": "/h", "AIP_PREDICT_ROUTE": "/p", "AIP_STORAGE_URI": "gs://b/m"})
    assert settings == Settings(7080, "/h", "/p", "gs://b/m")


@pytest.mark.parametrize("wrong", [{}, {"AIP_STORAGE_URI": "gs://b/m", "AIP_HTTP_PORT": "http"}])
def test_a_server_without_a_model_or_a_port_does_not_start(wrong: dict[str, str]) -> None:
    with pytest.raises(ServingError, match=r"Set it to"):
        Settings.of(wrong)
