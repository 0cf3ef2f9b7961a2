"""One artifact of ML Metadata: what it holds, what made it, and what was made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.console.markup import Child, Markup, element, join, link, moment, section, state, table
from emulator.console.parts import NothingThere, Query, last, linked, pretty, properties
from emulator.console.previews import artifact
from emulator.engines.metadata import Metadata

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

EXECUTIONS = 5000
"""Relations are found by reading what every execution read and wrote: of more executions than so many, none is."""


async def view(cloud: Cloud, query: Query) -> Markup:
    """The artifact `name`, and the executions and artifacts next to it."""
    name = query.get("name", "")
    one = cloud.store.of("aiplatform").get(name)
    if one is None or "/artifacts/" not in name:
        raise NothingThere(f"There is no artifact {name or '(none was named)'}.")
    metadata = one.get("metadata")
    return join(
        [
            properties(
                {
                    "Artifact": one.get("displayName") or last(name),
                    "Type": one.get("schemaTitle"),
                    "Created": moment(one.get("createTime", "")),
                    "Address": linked(one.get("uri")),
                    "Metadata": element("pre", pretty(metadata)) if metadata else None,
                    "Resource": link(name, "/resources", service="aiplatform", name=name),
                }
            ),
            *_relations(cloud, name),
            section("Content", artifact(cloud, one.get("uri", ""))),
        ]
    )


def _relations(cloud: Cloud, name: str) -> list[Markup]:
    if cloud.store.of("metadata.events").count("Events") > EXECUTIONS:
        said = f"There are more than {EXECUTIONS:,} executions, which are not searched here. Ask queryArtifactLineageSubgraph."
        return [section("Relations", element("p", said, class_="empty"))]
    near = Metadata(cloud.store).lineage(name, 1)
    executions = {one["name"]: one for one in near.get("executions", [])}
    artifacts = {one["name"]: one for one in near.get("artifacts", [])}
    events = near.get("events", [])
    made = [one["execution"] for one in events if one["artifact"] == name and one.get("type") == "OUTPUT"]
    used = [one["execution"] for one in events if one["artifact"] == name and one.get("type") != "OUTPUT"]

    def rows(chosen: list[str], way: str) -> list[list[Child]]:
        return [
            _execution(
                cloud,
                executions[one],
                [
                    artifacts[event["artifact"]]
                    for event in events
                    if event["execution"] == one and (event.get("type") == "OUTPUT") == (way == "OUTPUT") and event["artifact"] in artifacts
                ],
            )
            for one in dict.fromkeys(chosen)
            if one in executions
        ]

    return [
        section(
            "Made by",
            table(
                ["Execution", "State", "Created", "From"],
                rows(made, "INPUT"),
                "No execution says that it made it: it was imported, or written by hand.",
            ),
        ),
        section("Used by", table(["Execution", "State", "Created", "Made"], rows(used, "OUTPUT"), "No execution has read it.")),
    ]


def _execution(cloud: Cloud, one: Json, others: list[Json]) -> list[Child]:
    name = one["name"]
    return [
        _step(cloud, one, others) or link(one.get("displayName") or last(name), "/resources", service="aiplatform", name=name),
        state(one.get("state", "")),
        moment(one.get("createTime", "")),
        join(element("div", link(other.get("displayName") or last(other["name"]), "/lineage", name=other["name"])) for other in others),
    ]


def _step(cloud: Cloud, one: Json, others: list[Json]) -> Markup | None:
    """A link to the step of a pipeline run, where the addresses of what it wrote name one: `…/RUN/TASK_ID/NAME`."""
    identifier = last(one["name"])
    for other in others:
        parts = str(other.get("uri", "")).split("/")
        if len(parts) > 3 and parts[-2].endswith(f"_{identifier}"):
            run = f"{one['name'].partition('/metadataStores/')[0]}/pipelineJobs/{parts[-3]}"
            if cloud.store.of("aiplatform").get(run) is not None:
                return link(one.get("displayName") or identifier, "/runs", name=run, task=identifier)
    return None
