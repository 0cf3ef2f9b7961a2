"""Parts that several views share: properties, logs, pages of lists, links to where a resource is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from emulator.console.markup import Child, Markup, clock_exact, element, join, link, table

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]
Query = Mapping[str, str]

LINES = 300
PAGE = 50
"""Rows of a list; the rest is on the next page."""
LONGEST = 20_000
"""Letters of a text that is shown whole."""
VIEWS = {
    ("aiplatform", "PipelineJob"): "/runs",
    ("aiplatform", "CustomJob"): "/jobs",
    ("aiplatform", "HyperparameterTuningJob"): "/jobs",
    ("aiplatform", "TrainingPipeline"): "/jobs",
    ("aiplatform", "BatchPredictionJob"): "/jobs",
    ("aiplatform", "TuningJob"): "/jobs",
    ("aiplatform", "Schedule"): "/jobs",
    ("aiplatform", "Model"): "/models",
    ("aiplatform", "Endpoint"): "/endpoints",
    ("aiplatform", "Dataset"): "/datasets",
    ("aiplatform", "FeatureView"): "/features",
    ("aiplatform", "FeatureGroup"): "/features",
    ("aiplatform", "Context"): "/experiments",
    ("aiplatform", "TensorboardExperiment"): "/experiments",
    ("aiplatform", "Artifact"): "/lineage",
    ("bigquery", "Table"): "/bigquery",
    ("bigquery", "Dataset"): "/bigquery",
    ("bigquery", "Job"): "/bigquery",
    ("pubsub", "Topic"): "/pubsub",
    ("pubsub", "Subscription"): "/pubsub",
    ("notifications", "Notification"): "/inbox",
}
"""Kinds that have a page of their own, which `name` chooses."""
COLLECTIONS = {
    "pipelineJobs": "/runs",
    "customJobs": "/jobs",
    "hyperparameterTuningJobs": "/jobs",
    "trainingPipelines": "/jobs",
    "batchPredictionJobs": "/jobs",
    "tuningJobs": "/jobs",
    "schedules": "/jobs",
    "models": "/models",
    "endpoints": "/endpoints",
    "featureViews": "/features",
    "featureGroups": "/features",
    "contexts": "/experiments",
    "artifacts": "/lineage",
    "topics": "/pubsub",
    "subscriptions": "/pubsub",
}
"""The same by the collection in a resource name."""


class NothingThere(Exception):
    """What a page was asked to show does not exist."""


def last(name: str) -> str:
    """The last part of a resource name."""
    return name.rpartition("/")[2]


def properties(values: Mapping[str, Child]) -> Markup:
    """Names and values; what has no value is left out."""
    shown = {name: value for name, value in values.items() if value not in (None, "")}
    return element("dl", *(element("div", element("dt", name), element("dd", value)) for name, value in shown.items()))


def resource_link(text: Child, service: str, kind: str, name: str) -> Markup:
    """A link to where a resource is shown: the page of its kind, or the resource as it is kept."""
    if service == "storage" and kind == "Bucket":
        return link(text, "/storage", bucket=last(name))
    if service == "storage" and kind == "Object":
        bucket, _, inside = name.removeprefix("b/").partition("/o/")
        return link(text, "/storage", bucket=bucket, object=inside)
    if view := VIEWS.get((service, kind)):
        return link(text, view, name=name)
    return link(text, "/resources", service=service, name=name)


def linked(value: Any) -> Child:
    """A value of a resource; addresses and resource names lead to their pages."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)) or value is None:
        return value
    if not isinstance(value, str):
        return element("pre", pretty(value))
    path, query = _address(value)
    return element("span", link(value, path, **query), class_="address") if path else value


def figure(value: Any) -> Child:
    """A parameter or a metric: a number to six digits."""
    return f"{value:.6g}" if isinstance(value, float) else linked(value)


def _address(value: str) -> tuple[str, dict[str, str]]:
    """Page and parameters that show what a value names; an empty page where there is none."""
    if value.startswith("gs://"):
        bucket, _, name = value.removeprefix("gs://").partition("/")
        return "/storage", {"bucket": bucket, "object" if name and not name.endswith("/") else "prefix": name}
    if value.startswith("bq://") and value.count(".") == 2:
        project, dataset, name = value.removeprefix("bq://").split(".")
        return "/bigquery", {"name": f"projects/{project}/datasets/{dataset}/tables/{name}"}
    parts = value.split("/")
    if parts[0] == "projects" and len(parts) >= 4 and parts[-2] in COLLECTIONS:
        return COLLECTIONS[parts[-2]], {"name": value}
    return "", {}


def pretty(value: Any) -> str:
    """JSON for people, cut where it is long."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… {len(text) - LONGEST} more characters"


def code(value: Any) -> Markup:
    """JSON in a box."""
    return element("pre", pretty(value), class_="json")


def scalars(resource: Json, known: Sequence[str]) -> dict[str, Child]:
    """The fields of a resource that are one value each, but for the `known` ones."""
    return {words(key): linked(value) for key, value in resource.items() if key not in known and isinstance(value, (str, int, float, bool))}


def words(name: str) -> str:
    """`createTime` → Create time."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return spaced[:1].upper() + spaced[1:]


def log_of(cloud: Cloud, resource: str, start: str = "") -> Markup:
    """The last lines of a resource's log; with `start`, those that begin so, without it."""
    rows = cloud.store.last_lines(resource, LINES if not start else 20 * LINES)
    shown = [(time, line.removeprefix(start)) for _, time, line in rows if line.startswith(start)][-LINES:]
    return table(
        ["Time", "Line"],
        [[clock_exact(time), element("pre", line)] for time, line in shown],
        "Nothing has been logged. What its processes write appears here.",
    )


def number(query: Query, key: str = "page") -> int:
    """The page that is asked for, from 0."""
    text = query.get(key, "")
    return min(int(text), 10**9) if text.isdecimal() and len(text) < 12 else 0


def pages(path: str, query: Query, more: bool, shown: int, size: int = PAGE) -> Markup | None:
    """Links to the newer and the older rows of a list; nothing where all are on this page."""
    at = number(query)
    if not at and not more:
        return None
    first = at * size

    def step(text: str, to: int, rel: str) -> Markup:
        given = urlencode({**{key: value for key, value in query.items() if key != "page"}, "page": str(to)})
        return element("a", text, href=f"{path}?{given}", rel=rel)

    where = f"{first + 1}–{first + shown}" if shown else f"nothing after {first}"
    links = [step("← Newer", at - 1, "prev") if at else None, element("span", where), step("Older →", at + 1, "next") if more else None]
    return element("nav", *links, class_="pages", aria_label="Pages")


def field(label: str, control: Markup, identifier: str) -> Markup:
    """A control of a form under its label."""
    return element("p", element("label", label, for_=identifier), control, class_="field")


def choice(name: str, label: str, options: Mapping[str, str], chosen: str) -> Markup:
    """A list to choose from."""
    shown = [element("option", text, value=value or "-", selected="selected" if value == chosen else "") for value, text in options.items()]
    return field(label, element("select", *shown, id=name, name=name), name)


def search_form(path: str, query: Query, kept: Sequence[str] = (), label: str = "Name or display name contains") -> Markup:
    """Free text over a list; `kept` parameters stay as they are."""
    hidden = [element("input", type="hidden", name=key, value=query[key]) for key in kept if query.get(key)]
    text = element("input", type="search", name="text", id="text", value=query.get("text", ""), autocomplete="off", maxlength="200")
    return element(
        "form", *hidden, field(label, text, "text"), element("button", "Search"), action=path, method="get", class_="row", role="search"
    )


def tags(values: Sequence[str]) -> Markup:
    """Short names in frames: aliases, labels."""
    return join(element("span", value, class_="tag") for value in values)
