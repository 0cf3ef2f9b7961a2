"""Changes of objects, told to Pub/Sub as the notification configurations of their bucket want it.

A change and what is to be told of it are stored together. What a kill kept from being published is published at the next start: a message
may come twice, as on Google Cloud, and is never lost.
https://cloud.google.com/storage/docs/pubsub-notifications
"""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

from emulator.access.permissions import Need
from emulator.behaviours import Refusal
from emulator.clock import now, number
from emulator.store import Store

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

FINALIZE, UPDATE, DELETE, ARCHIVE = EVENTS = ("OBJECT_FINALIZE", "OBJECT_METADATA_UPDATE", "OBJECT_DELETE", "OBJECT_ARCHIVE")
CONFIGURATIONS = "notificationConfigs"
PUBLISHES = "pubsub.topics.publish"
HOST = "//pubsub.googleapis.com/"


class Changes:
    """What is to be told, until it has been published."""

    def __init__(self, store: Store) -> None:
        self._kept = store.of("storage")
        self._waiting = store.of("storage-events")
        self._cloud: Cloud | None = None

    def begin(self, cloud: Cloud) -> None:
        """From now on, what is added is published by the messages of `cloud`; so is what an earlier run left."""
        self._cloud = cloud
        self.deliver()

    def heard(self, bucket: str) -> bool:
        """Whether anybody wants to be told of a bucket's changes."""
        first = f"b/{bucket}/{CONFIGURATIONS}/"
        return bool(self._kept.names(first, first[:-1] + "0", 1))

    def add(self, event: str, resource: Json, more: dict[str, str]) -> None:
        """Notes what happened to an object, for each configuration that wants it.

        Args:
            event: One of `EVENTS`.
            resource: The object as it is now or, where it is gone, as it was.
            more: Attributes of this event alone: `overwroteGeneration`, `overwrittenByGeneration`.
        """
        bucket, name = resource["bucket"], resource["name"]
        for where, configuration in self._kept.items(f"b/{bucket}/{CONFIGURATIONS}", "Notification"):
            wanted = configuration.get("event_types") or EVENTS
            if event not in wanted or not name.startswith(configuration.get("object_name_prefix", "")):
                continue
            attributes = {
                **configuration.get("custom_attributes", {}),
                "notificationConfig": f"projects/_/buckets/{where.removeprefix('b/')}",
                "eventType": event,
                "payloadFormat": configuration["payload_format"],
                "bucketId": bucket,
                "objectId": name,
                "objectGeneration": resource["generation"],
                "eventTime": now(),
                **more,
            }
            message: Json = {"attributes": attributes}
            if configuration["payload_format"] != "NONE":
                message["data"] = base64.b64encode(json.dumps(resource).encode()).decode()
            # In order of time, within one run and from one to the next.
            self._waiting.put(f"{time.time_ns():020}-{number()}", "Event", {"topic": configuration["topic"], "message": message})

    def deliver(self) -> None:
        """Publishes what waits; what nobody can receive any more is logged and dropped."""
        if self._cloud is None:
            return
        for name, event in self._waiting.items():
            try:
                self._cloud.messages.publish(
                    checked(self._cloud, event["message"]["attributes"]["bucketId"], event["topic"]), [event["message"]]
                )
            except Refusal as refusal:
                self._cloud.log(event["message"]["attributes"]["notificationConfig"], f"Not published: {refusal.message}")
            self._waiting.remove(name)


def agent(project_number: str) -> str:
    """The identity under which Cloud Storage itself acts in a project."""
    return f"service-{project_number}@gs-project-accounts.iam.gserviceaccount.com"


def checked(cloud: Cloud, bucket: str, topic: str) -> str:
    """`projects/P/topics/T` of a configuration's topic.

    Raises:
        Refusal: It does not exist, or Cloud Storage's own identity may not publish to it.
    """
    name = cloud.projects.by_id(topic.removeprefix(HOST))
    who = agent(cloud.objects.bucket(bucket).get("projectNumber", ""))
    try:
        if cloud.store.of("pubsub").get(name) is None:
            raise Refusal(403, "", "")
        cloud.access.demand(who, Need(PUBLISHES, "pubsub", name), "storage.notifications")
    except Refusal:
        message = f"The service account '{who}' does not have permission to publish messages to the Cloud Pub/Sub topic '{HOST}{name}', or "
        raise Refusal(
            403, "", f"{message}that topic does not exist. Create the topic, and grant it roles/pubsub.publisher there."
        ) from None
    return name
