"""Publish a message and pull it. https://cloud.google.com/pubsub/docs/publish-receive-messages-client-library"""

import os
import sys

from google.cloud import pubsub_v1

project = os.environ["GOOGLE_CLOUD_PROJECT"]
publisher, subscriber = pubsub_v1.PublisherClient(), pubsub_v1.SubscriberClient()
topic = publisher.topic_path(project, f"{sys.argv[1]}-topic")
subscription = subscriber.subscription_path(project, f"{sys.argv[1]}-sub")
publisher.create_topic(request={"name": topic})
with subscriber:
    subscriber.create_subscription(request={"name": subscription, "topic": topic})
    publisher.publish(topic, b"Message number 1", origin="python-sample").result()
    response = subscriber.pull(request={"subscription": subscription, "max_messages": 3})
    for received in response.received_messages:
        print(received.message.data.decode(), received.message.attributes["origin"])
    subscriber.acknowledge(request={"subscription": subscription, "ack_ids": [one.ack_id for one in response.received_messages]})
    subscriber.delete_subscription(request={"subscription": subscription})
publisher.delete_topic(request={"topic": topic})
