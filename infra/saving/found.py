"""What is there in the project that carries the environment's labels, kind by kind, over Google's REST APIs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from environments import Names
from infra.terraform.rest import Google, Refused

ALIASES_OF_FILES = "sha256-"
"""Aliases that only say which files a version has; they keep no version in service."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of resource that can be listed, that carries labels and that can be deleted by its name.

    Attributes:
        name: for people.
        api: address of the API with its version; {region} is filled in.
        collection: path of the list; {project}, {region} and {zone} are filled in.
        items: the list's field.
        path: path of one resource below `api`, from its fields.
        query: of the list.
        delete: query of the deleting request; never one that takes data along.
    """

    name: str
    api: str
    collection: str
    items: str
    path: str = "{name}"
    query: Mapping[str, str] = field(default_factory=dict)
    delete: Mapping[str, str] = field(default_factory=dict)


VERTEX = "https://{region}-aiplatform.googleapis.com/v1"
PLACE = "projects/{project}/locations/{region}"

KINDS = (
    Kind(name="endpoint", api=VERTEX, collection=f"{PLACE}/endpoints", items="endpoints"),
    Kind(name="model", api=VERTEX, collection=f"{PLACE}/models", items="models"),
    Kind(name="pipeline run", api=VERTEX, collection=f"{PLACE}/pipelineJobs", items="pipelineJobs"),
    Kind(name="training job", api=VERTEX, collection=f"{PLACE}/customJobs", items="customJobs"),
    Kind(name="batch prediction", api=VERTEX, collection=f"{PLACE}/batchPredictionJobs", items="batchPredictionJobs"),
    Kind(name="TensorBoard", api=VERTEX, collection=f"{PLACE}/tensorboards", items="tensorboards"),
    Kind(name="managed data set", api=VERTEX, collection=f"{PLACE}/datasets", items="datasets"),
    Kind(name="online store", api=VERTEX, collection=f"{PLACE}/featureOnlineStores", items="featureOnlineStores"),
    Kind(
        name="workbench",
        api="https://notebooks.googleapis.com/v2",
        collection="projects/{project}/locations/{zone}/instances",
        items="instances",
    ),
    Kind(
        name="bucket",
        api="https://storage.googleapis.com/storage/v1",
        collection="b",
        items="items",
        path="b/{name}",
        query={"project": "{project}"},
    ),
    Kind(
        name="BigQuery dataset",
        api="https://bigquery.googleapis.com/bigquery/v2",
        collection="projects/{project}/datasets",
        items="datasets",
        path="projects/{project}/datasets/{dataset}",
    ),
    Kind(name="topic", api="https://pubsub.googleapis.com/v1", collection="projects/{project}/topics", items="topics"),
    Kind(name="subscription", api="https://pubsub.googleapis.com/v1", collection="projects/{project}/subscriptions", items="subscriptions"),
    Kind(name="secret", api="https://secretmanager.googleapis.com/v1", collection="projects/{project}/secrets", items="secrets"),
    Kind(name="service", api="https://run.googleapis.com/v2", collection=f"{PLACE}/services", items="services"),
)


@dataclass(frozen=True, kw_only=True)
class Found:
    """One resource that is there."""

    kind: Kind
    name: str
    """Path below the API's address."""
    url: str
    body: Mapping[str, Any]

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return dict(self.body.get("labels", {}))

    @property
    def short(self) -> str:
        """Its name without the project, which Google writes now as id, now as number."""
        return without_project(self.name)


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A model that is deployed to an endpoint and serves nobody."""

    endpoint: str
    id: str
    reason: str


def without_project(name: str) -> str:
    """`locations/L/endpoints/1` of `projects/P/locations/L/endpoints/1`."""
    return re.sub(r"^projects/[^/]+/", "", name)


def ours(names: Names, google: Google, kinds: tuple[Kind, ...] = KINDS) -> Iterator[Found]:
    """Every resource of these kinds that carries the environment's and the team's label. An API that is off has none.

    Raises:
        Refused: when Google does not show a kind.
    """
    mine = {name: names.labels[name] for name in ("environment", "team")}
    return (found for found in everything(names, google, kinds) if mine.items() <= found.labels.items())


def everything(names: Names, google: Google, kinds: tuple[Kind, ...] = KINDS) -> Iterator[Found]:
    """Every resource of these kinds in the project, whosever it is.

    Raises:
        Refused: when Google does not show a kind.
    """
    for kind in kinds:
        for body in _listed(kind, names, google):
            fields = {**_places(names), "dataset": body.get("datasetReference", {}).get("datasetId", ""), "name": body.get("name", "")}
            name = kind.path.format_map(fields)
            yield Found(kind=kind, name=name, url=f"{kind.api.format_map(fields)}/{name}", body=body)


def _places(names: Names) -> dict[str, str]:
    return {"project": names.project, "region": names.environment.region, "zone": names.environment.zone}


def _listed(kind: Kind, names: Names, google: Google) -> Iterator[dict[str, Any]]:
    places = _places(names)
    url = f"{kind.api.format_map(places)}/{kind.collection.format_map(places)}"
    query = {name: value.format_map(places) for name, value in kind.query.items()}
    while True:
        try:
            page = google.call("GET", url, query)
        except Refused as error:
            if error.api_is_off:
                return
            raise
        yield from page.get(kind.items, [])
        if not (token := page.get("nextPageToken")):
            return
        query = {**query, "pageToken": token}


def orphans(endpoint: Found, google: Google) -> Iterator[Deployed]:
    """Deployed models of an endpoint that serve nobody: their version is gone, or has neither traffic nor an alias.

    They are found among the deployed models and not by the traffic split, which names those with traffic only.

    Raises:
        Refused: when Google does not show a version.
    """
    api = endpoint.url.removesuffix(endpoint.name)
    split = endpoint.body.get("trafficSplit", {})
    for deployed in endpoint.body.get("deployedModels", []):
        version = f"{deployed['model'].partition('@')[0]}@{deployed.get('modelVersionId', '')}".rstrip("@")
        try:
            model = google.call("GET", f"{api}{version}")
        except Refused as error:
            if error.status != 404:
                raise
            yield Deployed(endpoint=endpoint.name, id=deployed["id"], reason=f"its version {version} is gone from the registry")
            continue
        aliases = [alias for alias in model.get("versionAliases", []) if not alias.startswith(ALIASES_OF_FILES)]
        if not split.get(deployed["id"]) and not aliases:
            yield Deployed(endpoint=endpoint.name, id=deployed["id"], reason=f"no traffic, and {version} has no alias")
