"""Push subscriptions: messages as HTTP requests, acknowledged by the answer's status.

https://cloud.google.com/pubsub/docs/push
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from emulator import identity

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

ACKNOWLEDGES = {102, 200, 201, 202, 204}
WINDOW = 16
"""Messages that are out at one time."""
IDLE_SECONDS = 3600.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 60.0
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Pushes:
    """One task for each push subscription."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._kept = cloud.store.of("pubsub")
        self._messages = cloud.messages
        self._tasks: dict[str, asyncio.Task[None]] = {}
        cloud.at_end(self._close)

    async def _close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def settle(self, name: str) -> None:
        """Begins, changes or ends the pushing of a subscription, as its resource now says."""
        if (task := self._tasks.pop(name, None)) is not None:
            task.cancel()
        if endpoint_of(self._kept.get(name)):
            self._tasks[name] = asyncio.ensure_future(self._serve(name))

    async def _serve(self, name: str) -> None:
        pause = 0.0
        while (subscription := self._kept.get(name)) is not None and (endpoint := endpoint_of(subscription)):
            if urlsplit(endpoint).hostname not in LOOPBACK:
                self._cloud.log(name, f"{endpoint} is not on this machine, and a local run reaches nothing else: its messages wait.")
                return
            received = self._messages.pull(name, subscription, WINDOW)
            if not received:
                await self._messages.arrival(name, IDLE_SECONDS)
                continue
            delivered = await asyncio.gather(*(self._deliver(name, subscription, one) for one in received))
            pause = 0.0 if all(delivered) else min(max(2 * pause, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause)

    async def _deliver(self, name: str, subscription: Json, received: Json) -> bool:
        config = subscription["pushConfig"]
        body, headers = request(name, config, received)
        try:
            status = await asyncio.wait_for(
                send("POST", config["pushEndpoint"], body, headers, subscription.get("ackDeadlineSeconds") or 10), 600
            )
        except (OSError, TimeoutError) as error:
            self._cloud.log(name, f"{config['pushEndpoint']} did not answer: {error}")
            status = 0
        if status in ACKNOWLEDGES:
            self._messages.acknowledge(name, subscription, [received["ackId"]])
            return True
        if status:
            self._cloud.log(
                name, f"{config['pushEndpoint']} answered {status}: message {received['message']['messageId']} is pushed again."
            )
        self._messages.extend(name, subscription, [received["ackId"]], 0)
        return False


def endpoint_of(subscription: Json | None) -> str:
    """Where a subscription pushes to; empty for one that is pulled."""
    return str((subscription or {}).get("pushConfig", {}).get("pushEndpoint", ""))


def request(name: str, config: Json, received: Json) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a push: wrapped as Pub/Sub does, or bare where the subscription says so."""
    message = received["message"]
    headers = {"Content-Type": "application/json"}
    if oidc := config.get("oidcToken"):
        audience = oidc.get("audience") or config["pushEndpoint"]
        headers["Authorization"] = f"Bearer {identity.identity_token(oidc['serviceAccountEmail'], audience, int(time.time()))}"
    if "noWrapper" in config:
        if config["noWrapper"].get("writeMetadata"):
            headers |= {"x-goog-pubsub-subscription-name": name, "x-goog-pubsub-message-id": message["messageId"]}
            headers |= {f"x-goog-pubsub-attribute-{key}": value for key, value in message.get("attributes", {}).items()}
        return base64.b64decode(message.get("data", "")), {**headers, "Content-Type": "application/octet-stream"}
    # Both spellings, as Pub/Sub sends them.
    both = {**message, "message_id": message["messageId"], "publish_time": message["publishTime"]}
    attempt = {"deliveryAttempt": received["deliveryAttempt"]} if "deliveryAttempt" in received else {}
    return json.dumps({"message": both, "subscription": name, **attempt}).encode(), headers


async def send(http: str, address: str, body: bytes, headers: dict[str, str], timeout: float) -> int:
    """Sends a request to this machine and returns the status of its answer.

    Raises:
        OSError: None came within `timeout` seconds.
    """
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[int] = loop.create_future()

    def settle(status: int, error: OSError | None) -> None:
        if answered.done():
            return
        if error is None:
            answered.set_result(status)
        else:
            answered.set_exception(error)

    def work() -> None:
        try:
            outcome: tuple[int, OSError | None] = (_request(http, address, body, headers, timeout), None)
        except OSError as error:
            outcome = (0, error)
        with contextlib.suppress(RuntimeError):  # The emulator has ended meanwhile.
            loop.call_soon_threadsafe(settle, *outcome)

    # A thread of a pool would keep the emulator from ending until a slow server has answered.
    threading.Thread(target=work, daemon=True).start()
    return await answered


def _request(http: str, address: str, body: bytes, headers: dict[str, str], timeout: float) -> int:
    import urllib3

    try:
        with urllib3.PoolManager(retries=False, timeout=timeout) as pool:
            return int(pool.request(http, address, body=body, headers=headers, redirect=False).status)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise OSError(str(error)) from error
