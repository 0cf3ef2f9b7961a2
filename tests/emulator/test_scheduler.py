"""Cloud Scheduler: jobs fire by their schedule, against the local cloud and this machine alone, and are tried again as they say."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import queue
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator import identity
from emulator.clock import read, written
from emulator.engines import executions
from tests.conftest import running_emulator

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

PROJECT = "projects/acme-test"
HOST = "cloudscheduler.googleapis.com"
NEVER = "0 0 29 2 *"
numbers = itertools.count()


def made(local: Local, **fields: Any) -> str:
    """Name of a new job."""
    name = f"{local.location}/jobs/job-{next(numbers)}"
    status, answer = local.call("POST", f"{local.location}/jobs", {"name": name, "schedule": NEVER, **fields}, host=HOST)
    assert status == 200, answer
    return name


def job_of(local: Local, name: str) -> dict[str, Any]:
    status, job = local.call("GET", name, host=HOST)
    assert status == 200, job
    return dict(job)


def subscribed(local: Local) -> tuple[str, str]:
    number = next(numbers)
    topic, subscription = f"{PROJECT}/topics/clock-{number}", f"{PROJECT}/subscriptions/clock-{number}"
    local.call("PUT", topic, {}, host="pubsub.googleapis.com")
    local.call("PUT", subscription, {"topic": topic}, host="pubsub.googleapis.com")
    return topic, subscription


def received(local: Local, subscription: str) -> list[dict[str, str]]:
    body = {"maxMessages": 100, "returnImmediately": True}
    _, answer = local.call("POST", f"{subscription}:pull", body, host="pubsub.googleapis.com")
    return [one["message"]["attributes"] for one in answer.get("receivedMessages", [])]


def fire(local: Local, name: str, late: float = 0.0) -> datetime:
    """The clock stands at the job's next time."""
    moment = read(job_of(local, name)["scheduleTime"]) + timedelta(seconds=late)
    local.run(local.cloud.clockwork.fire(moment))
    return moment


def test_a_job_publishes_when_its_schedule_says_and_not_before(local: Local) -> None:
    topic, subscription = subscribed(local)
    name = made(local, pubsubTarget={"topicName": topic, "attributes": {"n": "1"}}, schedule="30 4 1 1 *", timeZone="Europe/Berlin")
    due = read(job_of(local, name)["scheduleTime"])
    assert (due.month, due.day, due.hour, due.minute) == (1, 1, 3, 30)
    local.run(local.cloud.clockwork.fire(due - timedelta(seconds=1)))
    assert received(local, subscription) == []
    fire(local, name)
    assert received(local, subscription) == [{"n": "1"}]
    job = job_of(local, name)
    assert (job["status"], job["lastAttemptTime"]) == ({}, written(due))
    assert read(job["scheduleTime"]).year == due.year + 1


def test_executions_that_were_overtaken_become_one(local: Local) -> None:
    topic, subscription = subscribed(local)
    name = made(local, pubsubTarget={"topicName": topic, "attributes": {"n": "1"}}, schedule="0 0 * * *")
    moment = fire(local, name, late=10 * 86_400)
    assert len(received(local, subscription)) == 1
    assert read(job_of(local, name)["scheduleTime"]) > moment


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"schedule": "61 * * * *"}, "minute '61'"),
        ({"schedule": "every now"}, "is read as"),
        ({"timeZone": "Mars/Olympus"}, "no time zone"),
        ({"httpTarget": {"uri": "ftp://127.0.0.1"}}, "http:// or https://"),
        ({"httpTarget": {"uri": "http://127.0.0.1", "httpMethod": "GET", "body": "YQ=="}}, "only for PATCH, POST, PUT"),
        ({"attemptDeadline": "5s"}, "15 to 1800 seconds"),
        ({"retryConfig": {"retryCount": 6}}, "0 to 5"),
        ({"pubsubTarget": {"topicName": "projects/p/topics/t", "data": "YQ=="}}, "exactly one target"),
    ],
)
def test_a_job_that_could_not_run_is_refused_and_changes_nothing(local: Local, fields: dict[str, Any], problem: str) -> None:
    right = {"schedule": NEVER, "httpTarget": {"uri": "http://127.0.0.1:9/"}}
    name = made(local, **right)
    before = job_of(local, name)
    for http, path, body in (
        ("POST", f"{local.location}/jobs", {"name": f"{local.location}/jobs/wrong", **right, **fields}),
        ("PATCH", f"{name}?updateMask={','.join(fields)}", fields),
    ):
        status, answer = local.call(http, path, body, host=HOST)
        assert (status, problem in answer["error"]["message"]) == (400, True), answer
    assert job_of(local, name) == before
    assert local.call("GET", f"{local.location}/jobs/wrong", host=HOST)[0] == 404


def test_a_call_of_a_google_api_is_answered_here_as_the_jobs_identity(local: Local) -> None:
    account = "caller@acme-test.iam.gserviceaccount.com"
    uri = f"https://pubsub.googleapis.com/v1/{PROJECT}/topics/by-clock"
    name = made(local, httpTarget={"uri": uri, "httpMethod": "PUT", "oauthToken": {"serviceAccountEmail": account}})
    fire(local, name)
    assert job_of(local, name)["status"] == {}
    assert local.call("GET", f"{PROJECT}/topics/by-clock", host="pubsub.googleapis.com")[0] == 200
    assert any(account in line and "pubsub.topics.create" in line for _, _, line in local.cloud.store.logs("access"))
    fire(local, name)
    assert job_of(local, name)["status"]["code"] == 6


def test_a_call_of_any_other_host_is_a_failed_attempt(local: Local) -> None:
    name = made(local, httpTarget={"uri": "https://example.com/hook"})
    fire(local, name)
    status = job_of(local, name)["status"]
    assert (status["code"], "reaches nothing else" in status["message"]) == (14, True)
    body = {"resourceNames": [PROJECT], "filter": f'severity=ERROR AND resource.labels.job_id="{name.rpartition("/")[2]}"'}
    _, found = local.call("POST", "/v2/entries:list", body, host="logging.googleapis.com")
    assert [entry["jsonPayload"]["status"] for entry in found["entries"]] == ["UNAVAILABLE"]


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[int], queue.Queue[tuple[str, bytes, str]]]]:
    """Address of an HTTP server, the statuses that it will answer, and what it was sent."""
    statuses: list[int] = []
    sent: queue.Queue[tuple[str, bytes, str]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            sent.put((self.path, self.rfile.read(int(self.headers["Content-Length"])), self.headers.get("Authorization", "")))
            self.send_response(statuses.pop(0) if statuses else 204)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", statuses, sent
        server.shutdown()


def test_a_server_on_this_machine_is_called_and_called_again_until_it_accepts(local: Local, receiver: Any) -> None:
    address, statuses, sent = receiver
    statuses += [500, 503]
    account = "caller@acme-test.iam.gserviceaccount.com"
    target = {"uri": address, "httpMethod": "PUT", "body": "aGVsbG8=", "oidcToken": {"serviceAccountEmail": account}}
    name = made(local, httpTarget=target, retryConfig={"retryCount": 3, "minBackoffDuration": "20s"})
    tried = [fire(local, name) for _ in range(3)]
    calls = [sent.get_nowait() for _ in range(3)]
    assert {call[:2] for call in calls} == {("/hook", b"hello")}
    assert (identity.caller(calls[0][2]), identity.claims(calls[0][2])["aud"]) == (account, address)
    assert [round((later - earlier).total_seconds()) for earlier, later in itertools.pairwise(tried)] == [20, 40]
    job = job_of(local, name)
    assert job["status"] == {}
    # The execution has succeeded: the next is by the schedule again.
    assert (read(job["scheduleTime"]) - tried[-1]).days > 300


def test_an_execution_whose_retries_are_used_up_waits_for_the_schedule(local: Local) -> None:
    name = made(local, httpTarget={"uri": "http://127.0.0.1:9/"}, retryConfig={"retryCount": 1})
    first = fire(local, name)
    second = fire(local, name)
    assert (second - first).total_seconds() < 10
    assert (read(job_of(local, name)["scheduleTime"]) - second).days > 300


def test_pauses_between_retries_double_and_then_grow_evenly_up_to_the_limit() -> None:
    # The example of https://cloud.google.com/scheduler/docs/configuring/retry-jobs#max-doublings
    config = {"minBackoffDuration": "10s", "maxBackoffDuration": "300s", "maxDoublings": 3}
    assert [executions.backoff(config, retry) for retry in range(1, 10)] == [10, 20, 40, 80, 160, 240, 300, 300, 300]


@pytest.mark.parametrize(
    ("config", "tries", "elapsed", "again"),
    [
        ({}, 1, 0.0, False),
        ({"retryCount": 2}, 2, 1e6, True),
        ({"retryCount": 2}, 3, 0.0, False),
        ({"maxRetryDuration": "60s"}, 9, 59.0, True),
        ({"maxRetryDuration": "60s"}, 1, 61.0, False),
        ({"retryCount": 2, "maxRetryDuration": "60s"}, 2, 61.0, True),
        ({"retryCount": 2, "maxRetryDuration": "60s"}, 3, 59.0, True),
        ({"retryCount": 2, "maxRetryDuration": "60s"}, 3, 61.0, False),
    ],
)
def test_an_execution_is_tried_again_until_both_limits_are_reached(config: Any, tries: int, elapsed: float, again: bool) -> None:
    assert executions.tries_again(config, tries, elapsed) is again


def test_a_paused_job_does_not_fire_and_a_resumed_one_makes_up_for_nothing(local: Local) -> None:
    topic, subscription = subscribed(local)
    name = made(local, pubsubTarget={"topicName": topic, "attributes": {"n": "1"}})
    due = read(job_of(local, name)["scheduleTime"])
    local.call("POST", f"{name}:pause", host=HOST)
    assert "scheduleTime" not in job_of(local, name)
    local.run(local.cloud.clockwork.fire(due))
    local.call("POST", f"{name}:resume", host=HOST)
    assert received(local, subscription) == []
    assert job_of(local, name)["scheduleTime"] == written(due)


def test_what_was_due_while_the_cloud_was_stopped_is_skipped_with_the_reason(local: Local) -> None:
    topic, subscription = subscribed(local)
    name = made(local, pubsubTarget={"topicName": topic, "attributes": {"n": "1"}}, schedule="0 * * * *")
    missed = written(datetime.now(UTC) - timedelta(hours=5))
    local.cloud.store.of("cloudscheduler").put(name, "Job", {**job_of(local, name), "scheduleTime": missed})
    local.restart()
    assert "was stopped then" in local.cloud.store.last_lines(name, 1)[0][2]
    assert received(local, subscription) == []
    assert read(job_of(local, name)["scheduleTime"]) > datetime.now(UTC)


def test_an_attempt_that_a_stop_cut_off_is_told_and_tried_again_as_the_job_says(local: Local) -> None:
    slow = made(local, httpTarget={"uri": "http://127.0.0.1:9/"}, retryConfig={"retryCount": 1})
    once = made(local, httpTarget={"uri": "http://127.0.0.1:9/"})
    for name in (slow, once):
        # As a kill leaves it: the attempt was written down, its end was not.
        local.cloud.store.of(executions.ATTEMPTS).put(name, "Attempt", {"tries": 1, "first": written(datetime.now(UTC)), "out": True})
    local.restart()
    jobs = [job_of(local, name) for name in (slow, once)]
    assert [job["status"] for job in jobs] == [{"code": 14, "message": executions.CUT_OFF}] * 2
    days = [(read(job["scheduleTime"]) - datetime.now(UTC)).days for job in jobs]
    assert (days[0] < 1, days[1] > 50) == (True, True)


def test_a_job_that_is_asked_to_run_twice_at_once_runs_twice(local: Local) -> None:
    topic, subscription = subscribed(local)
    name = made(local, pubsubTarget={"topicName": topic, "attributes": {"n": "1"}})

    async def both() -> list[tuple[int, Any]]:
        return await asyncio.gather(*(local.ask("POST", f"{name}:run", host=HOST) for _ in range(2)))

    assert [status for status, _ in local.run(both())] == [200, 200]
    assert len(received(local, subscription)) == 2


@pytest.mark.parametrize("end", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_an_attempt_that_an_end_cut_off_is_told_and_made_again_by_the_clock(tmp_path: Path, end: signal.Signals) -> None:
    arrived: queue.Queue[str] = queue.Queue()
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            arrived.put(self.path)
            released.wait(60)
            with contextlib.suppress(OSError):
                self.send_response(204)
                self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    def asked(described: dict[str, Any], http: str, path: str, body: Any = None) -> dict[str, Any]:
        from urllib3 import ProxyManager

        # Trust and way of a client: nothing but what the environment says.
        with ProxyManager(described["environment"]["HTTPS_PROXY"], ca_certs=described["ca"], timeout=20) as proxy:
            headers = {"Authorization": f"Bearer {identity.access_token(identity.E_MAIL)}"}
            answer = proxy.request(http, f"https://{HOST}/v1/{path}", json=body or {}, headers=headers)
        assert answer.status == 200, answer.data
        return dict(answer.json())

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        location = f"{PROJECT}/locations/europe-west4"
        name, retry = f"{location}/jobs/cut", {"retryCount": 1, "minBackoffDuration": "2s"}
        job = {"name": name, "schedule": NEVER, "httpTarget": {"uri": f"http://127.0.0.1:{server.server_port}/"}, "retryConfig": retry}
        with running_emulator(tmp_path) as described:
            asked(described, "POST", f"{location}/jobs", job)
            asked(described, "POST", f"{name}:run")
            arrived.get(timeout=10)
            os.kill(described["pid"], end)
        released.set()
        with running_emulator(tmp_path) as described:
            assert asked(described, "GET", name)["status"] == {"code": 14, "message": executions.CUT_OFF}
            arrived.get(timeout=10)
            deadline = datetime.now(UTC) + timedelta(seconds=10)
            while asked(described, "GET", name)["status"]:
                assert datetime.now(UTC) < deadline
            assert (read(asked(described, "GET", name)["scheduleTime"]) - datetime.now(UTC)).days > 50
        server.shutdown()
    assert arrived.empty()
