"""One project for all calls of this folder: the local Google Cloud, or what `tests.contract.verify` has chosen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PROJECT
from tests.contract.clients.place import VARIABLE, Place
from tests.contract.clients.served import Served

REGION = "europe-west4"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "calls(*methods): methods of Google's APIs, by their ids in the discovery documents, that a test calls"
    )


@pytest.fixture(scope="session")
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """The place, with a bucket in it."""
    if chosen := os.environ.get(VARIABLE):
        found = Place.parse(chosen)
    else:
        request.getfixturevalue("google_cloud")
        image = f"{REGION}-docker.pkg.dev/{PROJECT}/images/pipelines"
        found = Place(project=PROJECT, region=REGION, prefix="verify-here", image=image, labels={"made-by": "verify"})
    from google.cloud import storage

    bucket = storage.Client(project=found.project).bucket(found.bucket)
    bucket.labels = dict(found.labels)
    bucket.create(location=found.region)
    yield found
    bucket.delete(force=True)


@pytest.fixture
def bucket(place: Place) -> Any:
    """The run's bucket."""
    from google.cloud import storage

    return storage.Client().bucket(place.bucket)


@pytest.fixture(scope="session")
def vertex(place: Place) -> Any:
    """Vertex AI's SDK, led to the place as its users do it."""
    from google.cloud import aiplatform

    aiplatform.init(project=place.project, location=place.region, staging_bucket=f"gs://{place.bucket}")
    return aiplatform


@pytest.fixture(autouse=True)
def log(request: pytest.FixtureRequest, place: Place) -> Iterator[Served | None]:
    """The log of the local Google Cloud from here on; none where another cloud answers, which does not tell."""
    if VARIABLE in os.environ:
        yield None
        return
    served = Served(Path(request.getfixturevalue("google_cloud")["ca"]).parent / "state.db")
    yield served
    served.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A test makes the calls that its marker names: a marker that were wrong would count as evidence for calls that nobody made."""
    assert isinstance(item, pytest.Function)
    methods = {method for marker in item.iter_markers("calls") for method in marker.args}
    assert methods, f"{item.name} names no calls: mark it with pytest.mark.calls"
    yield
    log = item.funcargs["log"]
    if isinstance(log, Served):
        missing = methods - log.methods()
        assert not missing, f"The marker of {item.name} names calls that it does not make: {', '.join(sorted(missing))}"
