"""Artifact Registry's repositories of pipeline templates, as KFP's client speaks to them at `REGION-kfp.pkg.dev/PROJECT/REPOSITORY`.

https://cloud.google.com/vertex-ai/docs/pipelines/create-pipeline-template
"""

from __future__ import annotations

import re
from email.parser import BytesParser
from typing import TYPE_CHECKING

from emulator.access.permissions import Need
from emulator.behaviours import Call, Json, Refusal, Response, on, route
from emulator.clock import now
from emulator.engines.containers import digest_of

if TYPE_CHECKING:
    from emulator.cloud import Cloud

HOST = r"[a-z]+-[a-z]+\d+-kfp\.pkg\.dev"
REPOSITORY = r"/(?P<project>[^/]+)/(?P<repository>[^/]+)"
READ, WRITE = "artifactregistry.repositories.downloadArtifacts", "artifactregistry.repositories.uploadArtifacts"
VERSIONS = "projects.locations.repositories.packages.versions"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{3,127}")
TAG = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")


@route(HOST, "POST", f"{REPOSITORY}/?")
async def upload_template(call: Call, cloud: Cloud) -> Response:
    """Keeps a compiled pipeline as a version of the package that has the pipeline's name; answers PACKAGE/VERSION."""
    repository = _place(call, cloud, WRITE)
    content, tags = _form(call)
    package = f"{repository}/packages/{_pipeline(content)}"
    version = f"{package}/versions/{digest_of(content)}"
    wrong = [tag for tag in tags if not TAG.fullmatch(tag)]
    if wrong:
        raise Refusal(400, "INVALID_ARGUMENT", f"{wrong[0]!r} is no tag: use small letters, digits, dots and dashes. Nothing was kept.")
    file = cloud.containers.incoming()
    file.write_bytes(content)
    kept = cloud.store.of("artifactregistry")
    with cloud.store.transaction():
        cloud.containers.add_blob(repository, digest_of(content), file)
        made = {"createTime": now(), "updateTime": now()}
        kept.put(package, "Package", {"name": package, **made, **_times(kept.get(package))})
        kept.put(version, "Version", {"name": version, **made, **_times(kept.get(version))})
        for tag in tags:
            name = f"{package}/tags/{tag}"
            kept.put(name, "Tag", {"name": name, "version": version})
    return Response("/".join(version.split("/")[-3::2]).encode(), content_type="text/plain")


@route(HOST, "GET", f"{REPOSITORY}/(?P<package>[^/]+)/(?P<reference>[^/]+)")
async def download_template(call: Call, cloud: Cloud) -> Response:
    """The compiled pipeline, by a version or by a tag."""
    repository, package, reference = _place(call, cloud, READ), call.params["package"], call.params["reference"]
    kept = cloud.store.of("artifactregistry")
    tagged = kept.get(f"{repository}/packages/{package}/tags/{reference}") or {}
    version = kept.get(tagged.get("version", f"{repository}/packages/{package}/versions/{reference}"))
    file = cloud.containers.blob(repository, version["name"].rpartition("/")[2]) if version else None
    if file is None:
        raise Refusal(404, "NOT_FOUND", f"The repository has no {package}/{reference}: upload it, or name another version or tag.")
    return Response(file.read_bytes(), content_type="application/yaml")


@on("artifactregistry", f"{VERSIONS}.delete")
async def delete_version(call: Call, cloud: Cloud) -> Json | Response:
    """A version that tags name is deleted with them, where that is asked for."""
    kept = cloud.store.of("artifactregistry")
    tags = [name for name, tag in kept.items(f"{call.name.rpartition('/versions/')[0]}/tags") if tag.get("version") == call.name]
    if tags and call.one("force").lower() != "true":
        named = ", ".join(name.rpartition("/")[2] for name in tags)
        raise Refusal(400, "FAILED_PRECONDITION", f"'{call.name}' is tagged {named}. Delete the tags first, or set force.")
    for name in tags:
        kept.delete(name)
    return await cloud.resources.default(call)


def _times(kept: Json | None) -> Json:
    return {"createTime": kept["createTime"]} if kept else {}


def _form(call: Call) -> tuple[bytes, list[str]]:
    """The file `content` and the tags of a form."""
    head = f"Content-Type: {call.headers.get('content-type', '')}\r\n\r\n".encode("latin-1", "replace")
    found: dict[str, bytes] = {}
    for part in BytesParser().parsebytes(head + call.raw).walk():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            found[name] = payload
    if "content" not in found:
        raise Refusal(400, "INVALID_ARGUMENT", "The form has no file 'content', so there is no template to keep. Send the compiled YAML.")
    return found["content"], [tag.strip() for tag in found.get("tags", b"").decode(errors="replace").split(",") if tag.strip()]


def _pipeline(content: bytes) -> str:
    """The name in a compiled pipeline."""
    import yaml

    try:
        name = next(iter(yaml.safe_load_all(content)))["pipelineInfo"]["name"]
    except (yaml.YAMLError, ValueError, TypeError, KeyError, StopIteration, RecursionError) as error:
        message = f"The content is no compiled pipeline ({type(error).__name__}). Nothing was kept. Compile it with kfp.compiler."
        raise Refusal(400, "INVALID_ARGUMENT", message) from None
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Refusal(
            400, "INVALID_ARGUMENT", f"The pipeline's name {str(name)[:80]!r} is no package: 4 to 128 small letters, digits, dashes."
        )
    return name


def _place(call: Call, cloud: Cloud, permission: str) -> str:
    """The repository that a call is about.

    Raises:
        Refusal: It does not exist, the API is off, or the caller lacks the permission.
    """
    location = call.host.removesuffix("-kfp.pkg.dev")
    name = f"projects/{call.params['project']}/locations/{location}/repositories/{call.params['repository']}"
    cloud.projects.check(call.params["project"], "artifactregistry")
    cloud.access.demand(call.identity, Need(permission, "artifactregistry", name), f"kfp.{call.http}")
    kept = cloud.store.of("artifactregistry").get(name)
    if kept is None or kept.get("format") != "KFP":
        raise Refusal(404, "NOT_FOUND", f"There is no repository of pipeline templates {name!r}: create one whose format is KFP.")
    return name
