"""The first page: how much there is, what runs, and what failed last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.console.calls import failures
from emulator.console.markup import Markup, element, join, link, section
from emulator.console.parts import Query
from emulator.console.resources import kinds_table
from emulator.console.runs import runs_table

if TYPE_CHECKING:
    from emulator.cloud import Cloud

RECENT = 8
CARDS = (
    ("/runs", "Pipeline runs", "aiplatform", "PipelineJob"),
    ("/models", "Models", "aiplatform", "Model"),
    ("/endpoints", "Endpoints", "aiplatform", "Endpoint"),
    ("/datasets", "Datasets", "aiplatform", "Dataset"),
    ("/storage", "Buckets", "storage", "Bucket"),
    ("/storage", "Objects", "storage", "Object"),
    ("/bigquery", "Tables", "bigquery", "Table"),
    ("/pubsub", "Topics", "pubsub", "Topic"),
    ("/operations", "Operations", "operations", "Operation"),
)
INCIDENTS = 200
"""Among so many of the newest, the open incidents are counted."""


async def view(cloud: Cloud, query: Query) -> Markup:
    """Counts, the newest runs, the last calls that failed, and all kinds of resources."""
    kinds = cloud.store.services()
    counts = {(service, kind): count for service, kind, count in kinds}
    cards = [(path, name, counts.get((service, kind), 0)) for path, name, service, kind in CARDS]
    alerts = cloud.store.of("monitoring").newest("Alert", 0, INCIDENTS)
    cards.insert(4, ("/inbox", "Open incidents", sum(one["state"] == "OPEN" for _, one in alerts)))
    shown = [element("li", element("a", element("b", f"{count:,}"), element("span", name), href=path)) for path, name, count in cards]
    return join(
        [
            element("ul", *shown, class_="cards"),
            section("Newest runs", runs_table(cloud, {}, RECENT), element("p", link("All pipeline runs", "/runs"))),
            section("Last calls that failed", failures(cloud, RECENT), element("p", link("All calls", "/calls"))),
            section("Resources by API", kinds_table(kinds)),
        ]
    )
