"""Artifact Registry as container clients speak to it: the registry's HTTP API at `REGION-docker.pkg.dev/v2/PROJECT/REPOSITORY/IMAGE`.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md
"""

from __future__ import annotations

import functools
import re
import uuid
from typing import TYPE_CHECKING

from emulator.access.permissions import Need
from emulator.behaviours import Behaviour, Call, Json, Refusal, Response, completes, route
from emulator.engines.containers import digest_of, digest_of_file

if TYPE_CHECKING:
    from emulator.cloud import Cloud

HOST = r"[a-z]+-[a-z]+\d+-docker\.pkg\.dev"
IMAGE = r"/v2/(?P<project>[^/]+)/(?P<repository>[^/]+)/(?P<image>.+)"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
REPOSITORY_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
"""https://cloud.google.com/artifact-registry/docs/repositories/create-repos"""
READ, WRITE = "artifactregistry.repositories.downloadArtifacts", "artifactregistry.repositories.uploadArtifacts"
VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}
CODES = {401: "UNAUTHORIZED", 403: "DENIED", 404: "NAME_UNKNOWN"}


@completes("artifactregistry", "Repository")
def named(call: Call, cloud: Cloud, name: str, repository: Json) -> None:
    """What may be the id of a repository."""
    id_ = name.rpartition("/")[2]
    if not REPOSITORY_ID.fullmatch(id_):
        message = f"{id_[:80]!r} is no id of a repository. Nothing was made. Use small letters, digits and dashes, from a letter on."
        raise Refusal(400, "INVALID_ARGUMENT", message)


class Fault(Exception):
    """A refusal in the words of the registry's API."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def _said(behaviour: Behaviour) -> Behaviour:
    """Says every refusal in the form in which container clients read it."""

    @functools.wraps(behaviour)
    async def answered(call: Call, cloud: Cloud) -> Json | Response:
        try:
            return await behaviour(call, cloud)
        except Refusal as refusal:
            fault = Fault(refusal.status, CODES.get(refusal.status, "UNSUPPORTED"), refusal.message)
        except Fault as refused:
            fault = refused
        challenge = (
            {"WWW-Authenticate": f'Bearer realm="https://{call.host}/v2/token",service="{call.host}"'} if fault.status == 401 else {}
        )
        return Response.of({"errors": [{"code": fault.code, "message": fault.message}]}, fault.status, {**VERSION, **challenge})

    return answered


@route(HOST, "GET", "/v2/")
@_said
async def version(call: Call, cloud: Cloud) -> Response:
    """Whether the API is spoken here, to those who say who they are."""
    if not call.identity:
        raise Fault(401, "UNAUTHORIZED", "Unauthenticated request.")
    return Response.of({}, headers=VERSION)


@route(HOST, "HEAD", f"{IMAGE}/manifests/(?P<reference>[^/]+)")
@route(HOST, "GET", f"{IMAGE}/manifests/(?P<reference>[^/]+)")
@_said
async def manifest(call: Call, cloud: Cloud) -> Response:
    """A manifest by its digest or by a tag."""
    repository, image, reference = _place(call, cloud, READ), call.params["image"], call.params["reference"]
    found = cloud.containers.manifest(repository, image, reference)
    if found is None:
        raise Fault(404, "MANIFEST_UNKNOWN", f"Failed to fetch {reference!r} of {image}: there is no such manifest.")
    digest, media_type, content = found
    return Response(content, 200, {**VERSION, "Docker-Content-Digest": digest, "ETag": f'"{digest}"'}, media_type)


@route(HOST, "PUT", f"{IMAGE}/manifests/(?P<reference>[^/]+)")
@_said
async def put_manifest(call: Call, cloud: Cloud) -> Response:
    """Keeps a manifest whose parts are all there; a tag moves, unless the repository's tags never do."""
    repository, image, reference = _place(call, cloud, WRITE), call.params["image"], call.params["reference"]
    digest = digest_of(call.raw)
    by_digest = DIGEST.fullmatch(reference) is not None
    if by_digest and reference != digest:
        raise Fault(400, "DIGEST_INVALID", f"The content has the digest {digest}, not {reference}. Nothing was kept.")
    try:
        lacking = cloud.containers.lacking(repository, image, call.raw)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Fault(400, "MANIFEST_INVALID", f"The manifest cannot be read: {error}. Nothing was kept.") from None
    if lacking:
        raise Fault(404, "MANIFEST_BLOB_UNKNOWN", f"The repository lacks {', '.join(lacking)}. Nothing was kept. Push them first.")
    fixed = (cloud.store.of("artifactregistry").get(repository) or {}).get("dockerConfig", {}).get("immutableTags", False)
    before = "" if by_digest else cloud.containers.tag(repository, image, reference)
    if fixed and before and before != digest:
        raise Fault(400, "TAG_INVALID", f"The tag {reference} is immutable and names {before}. It was not moved. Push under another tag.")
    media_type = call.headers.get("content-type", "application/vnd.oci.image.manifest.v1+json")
    cloud.containers.add_manifest(repository, image, call.raw, media_type, "" if by_digest else reference)
    where = f"/v2/{call.params['project']}/{call.params['repository']}/{image}/manifests/{digest}"
    return Response(b"", 201, {**VERSION, "Docker-Content-Digest": digest, "Location": where})


@route(HOST, "GET", f"{IMAGE}/tags/list")
@_said
async def tags(call: Call, cloud: Cloud) -> Json:
    """The tags of an image."""
    repository = _place(call, cloud, READ)
    return {"name": _named(call), "tags": cloud.containers.tags(repository, call.params["image"])}


@route(HOST, "HEAD", f"{IMAGE}/blobs/(?P<digest>sha256:[0-9a-f]{{64}})")
@route(HOST, "GET", f"{IMAGE}/blobs/(?P<digest>sha256:[0-9a-f]{{64}})")
@_said
async def blob(call: Call, cloud: Cloud) -> Response:
    """The content of a configuration or a layer."""
    repository, digest = _place(call, cloud, READ), call.params["digest"]
    file = cloud.containers.blob(repository, digest)
    if file is None:
        raise Fault(404, "BLOB_UNKNOWN", f"{_named(call)} has no blob {digest}.")
    return Response(file.read_bytes(), 200, {**VERSION, "Docker-Content-Digest": digest})


@route(HOST, "POST", f"{IMAGE}/blobs/uploads/?", takes_files=True)
@_said
async def begin(call: Call, cloud: Cloud) -> Response:
    """Begins an upload, or shows a blob of another repository here, where the caller may read that one."""
    repository, digest, origin = _place(call, cloud, WRITE), call.one("mount"), call.one("from")
    if digest and origin.count("/") >= 1:
        other = _repository(call, *origin.split("/")[:2])
        cloud.access.demand(call.identity, Need(READ, "artifactregistry", other), "docker.POST")
        if cloud.containers.blob(other, digest) is not None:
            cloud.containers.share_blob(repository, digest)
            return Response(b"", 201, {**VERSION, "Docker-Content-Digest": digest, "Location": f"/v2/{_named(call)}/blobs/{digest}"})
    upload = uuid.uuid4().hex
    with cloud.containers.incoming(upload).open("wb") as content:
        content.writelines(call.blocks())
    if digest := call.one("digest"):
        return _finish(call, cloud, repository, upload, digest)
    return _under_way(call, cloud, upload)


@route(HOST, "PATCH", f"{IMAGE}/blobs/uploads/(?P<upload>[0-9a-f]{{32}})", takes_files=True)
@_said
async def add(call: Call, cloud: Cloud) -> Response:
    """Takes a part of an upload."""
    _place(call, cloud, WRITE)
    _append(call, cloud, call.params["upload"])
    return _under_way(call, cloud, call.params["upload"])


@route(HOST, "PUT", f"{IMAGE}/blobs/uploads/(?P<upload>[0-9a-f]{{32}})", takes_files=True)
@_said
async def finish(call: Call, cloud: Cloud) -> Response:
    """Ends an upload, whose content must have the digest that the caller says."""
    repository = _place(call, cloud, WRITE)
    _append(call, cloud, call.params["upload"])
    return _finish(call, cloud, repository, call.params["upload"], call.one("digest"))


def _append(call: Call, cloud: Cloud, upload: str) -> None:
    file = cloud.containers.incoming(upload)
    if not file.exists():
        raise Fault(404, "BLOB_UPLOAD_UNKNOWN", "There is no such upload; it was finished, or never begun. Begin another.")
    with file.open("ab") as content:
        content.writelines(call.blocks())


def _finish(call: Call, cloud: Cloud, repository: str, upload: str, digest: str) -> Response:
    file = cloud.containers.incoming(upload)
    found = digest_of_file(file)
    if found != digest:
        file.unlink()
        raise Fault(400, "DIGEST_INVALID", f"The content has the digest {found}, not {digest}. Nothing was kept. Upload it again.")
    cloud.containers.add_blob(repository, digest, file)
    return Response(b"", 201, {**VERSION, "Docker-Content-Digest": digest, "Location": f"/v2/{_named(call)}/blobs/{digest}"})


def _under_way(call: Call, cloud: Cloud, upload: str) -> Response:
    size = cloud.containers.incoming(upload).stat().st_size
    where = f"/v2/{_named(call)}/blobs/uploads/{upload}"
    return Response(b"", 202, {**VERSION, "Location": where, "Range": f"0-{max(0, size - 1)}", "Docker-Upload-UUID": upload})


def _named(call: Call) -> str:
    return "/".join(call.params[part] for part in ("project", "repository", "image"))


def _repository(call: Call, project: str, repository: str) -> str:
    return f"projects/{project}/locations/{call.host.removesuffix('-docker.pkg.dev')}/repositories/{repository}"


def _place(call: Call, cloud: Cloud, permission: str) -> str:
    """The repository that a call is about.

    Raises:
        Refusal: The API is off, or the caller lacks the permission.
        Fault: There is no such repository of container images.
    """
    name = _repository(call, call.params["project"], call.params["repository"])
    cloud.projects.check(call.params["project"], "artifactregistry")
    cloud.access.demand(call.identity, Need(permission, "artifactregistry", name), f"docker.{call.http}")
    kept = cloud.store.of("artifactregistry").get(name)
    if kept is None or kept.get("format") != "DOCKER":
        raise Fault(404, "NAME_UNKNOWN", f'Repository "{call.params["repository"]}" not found.')
    return name
