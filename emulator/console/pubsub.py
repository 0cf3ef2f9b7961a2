"""Pub/Sub: topics, and subscriptions with what waits in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.console.markup import Child, Markup, clock, element, join, link, section, table
from emulator.console.parts import PAGE, NothingThere, Query, code, last, linked, number, pages, properties, resource_link

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

HEADS = ["Subscription", "Topic", "Delivery", "Backlog", "Oldest message"]


async def view(cloud: Cloud, query: Query) -> Markup:
    """All topics and subscriptions, or with `name` one of them."""
    kept = cloud.store.of("pubsub")
    if name := query.get("name"):
        one = kept.get(name)
        if one is None:
            raise NothingThere(f"There is no topic or subscription {name}.")
        return _topic(cloud, name, one) if "/topics/" in name else _subscription(cloud, name, one)
    at = number(query) * PAGE
    topics, subscriptions = kept.newest("Topic", at, PAGE + 1), kept.newest("Subscription", at, PAGE + 1)
    rows: list[list[Child]] = [
        [
            resource_link(last(name), "pubsub", "Topic", name),
            one.get("messageRetentionDuration", ""),
            link("Send a message …", "/send", topic=name),
        ]
        for name, one in topics[:PAGE]
    ]
    more = max(len(topics), len(subscriptions)) > PAGE
    return join(
        [
            section(
                "Topics",
                table(
                    ["Topic", "Retention", "Action"],
                    rows,
                    "There is no topic. Terraform (google_pubsub_topic) or PublisherClient().create_topic() creates one.",
                ),
            ),
            section(
                "Subscriptions",
                table(HEADS, _rows(cloud, subscriptions[:PAGE]), "There is no subscription, so what is published is kept for nobody."),
            ),
            pages("/pubsub", query, more, min(max(len(topics), len(subscriptions)), PAGE)),
        ]
    )


def _rows(cloud: Cloud, found: list[tuple[str, Json]]) -> list[list[Child]]:
    waiting = cloud.messages.counts() if found else {}
    rows: list[list[Child]] = []
    for name, one in found:
        count, oldest = waiting.get(name, (0, 0.0))
        push = one.get("pushConfig", {}).get("pushEndpoint")
        rows.append(
            [
                resource_link(last(name), "pubsub", "Subscription", name),
                linked(one.get("topic", "")),
                f"pushed to {push}" if push else "pulled",
                f"{count:,}",
                clock(oldest) if count else None,
            ]
        )
    return rows


def _topic(cloud: Cloud, name: str, one: Json) -> Markup:
    found = [row for row in cloud.store.of("pubsub").newest("Subscription", 0, 10 * PAGE) if row[1].get("topic") == name]
    return join(
        [
            properties({"Topic": name, "Retention": one.get("messageRetentionDuration"), "Key": one.get("kmsKeyName")}),
            element("p", link("Send a message …", "/send", topic=name)),
            section(
                "Subscriptions",
                table(HEADS, _rows(cloud, found), "Nobody subscribes: what is published is lost. Create a subscription first."),
            ),
            section("Topic", code(one)),
        ]
    )


def _subscription(cloud: Cloud, name: str, one: Json) -> Markup:
    dead = one.get("deadLetterPolicy", {})
    return join(
        [
            table(HEADS, _rows(cloud, [(name, one)]), ""),
            properties(
                {
                    "Deadline": f"{one.get('ackDeadlineSeconds', 10)} s",
                    "Retention": one.get("messageRetentionDuration"),
                    "Filter": one.get("filter"),
                    "Dead letters": linked(dead.get("deadLetterTopic")),
                    "After": f"{dead['maxDeliveryAttempts']} attempts" if dead.get("maxDeliveryAttempts") else None,
                }
            ),
            section("Subscription", code(one)),
        ]
    )
