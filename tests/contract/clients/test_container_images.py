"""Container images in Artifact Registry, by the registry's HTTP API as `docker push` and `docker pull` speak it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.clients.place import Place


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.mark.calls("artifactregistry.projects.locations.repositories.create", "artifactregistry.projects.locations.repositories.delete")
def test_an_image_is_pushed_in_parts_and_pulled_by_its_tag(place: Place) -> None:
    """https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md"""
    import google.auth
    from google.auth.transport.requests import AuthorizedSession
    from googleapiclient import discovery

    repositories = discovery.build("artifactregistry", "v1").projects().locations().repositories()
    repository = place.name("images")
    repositories.create(parent=place.location, repositoryId=repository, body={"format": "DOCKER"}).execute()
    session = AuthorizedSession(google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])[0])
    host = f"https://{place.region}-docker.pkg.dev"
    image = f"{host}/v2/{place.project}/{repository}/tool"
    try:
        assert session.get(f"{host}/v2/").status_code == 200
        layer, configuration = b"a layer" * 1000, json.dumps({"architecture": "amd64", "os": "linux"}).encode()
        for content in (layer, configuration):
            begun = session.post(f"{image}/blobs/uploads/")
            assert begun.status_code == 202
            added = session.patch(host + begun.headers["Location"], data=content, headers={"Content-Type": "application/octet-stream"})
            assert (added.status_code, added.headers["Range"]) == (202, f"0-{len(content) - 1}")
            assert session.put(host + added.headers["Location"], params={"digest": digest(content)}).status_code == 201
        described: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest(configuration),
                "size": len(configuration),
            },
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(layer), "size": len(layer)}],
        }
        headers = {"Content-Type": described["mediaType"]}
        assert session.put(f"{image}/manifests/v1", data=json.dumps(described).encode(), headers=headers).status_code == 201
        assert session.get(f"{image}/tags/list").json()["tags"] == ["v1"]
        pulled = session.get(f"{image}/manifests/v1", headers={"Accept": described["mediaType"]}).json()
        assert session.get(f"{image}/blobs/{pulled['layers'][0]['digest']}").content == layer
    finally:
        repositories.delete(name=f"{place.location}/repositories/{repository}").execute()
