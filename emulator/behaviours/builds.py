"""Cloud Build: no container is built here, since the image table says what each image runs; what is pushed holds one line of text.

Connections, repositories and triggers are kept; no event of a repository reaches them.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, completes, on, short_name
from emulator.clock import now

if TYPE_CHECKING:
    from emulator.cloud import Cloud

TRIGGERS = "projects.locations.triggers"
short_name("cloudbuild", "BuildTrigger")
ADDRESS = re.compile(r"([a-z0-9-]+)-docker\.pkg\.dev/([^/]+)/([^/]+)/([^:@]+):([^:@]+)")
NOT_BUILT = "Nothing was built: the local Google Cloud runs the entry points of its image table."


@on("cloudbuild", "projects.locations.builds.create")
async def create(call: Call, cloud: Cloud) -> Json:
    """Ends at once: each image that is named in the table is pushed, substitutions filled in; all that it holds says what it is."""
    source = call.body.get("source", {}).get("storageSource")
    if source and cloud.objects.get(source["bucket"], source["object"]) is None:
        raise Refusal(404, "NOT_FOUND", f"gs://{source['bucket']}/{source['object']} does not exist, so there is no source to build.")
    values = call.body.get("substitutions", {})
    addresses = [re.sub(r"\$\{?(\w+)\}?", lambda match: _value(values, match[1]), address) for address in call.body.get("images", [])]
    for address in addresses:
        cloud.images.known(address)
    operation = cloud.resources.create(call)
    build = operation["response"]
    del build["@type"]
    images = [{"name": address, "digest": _pushed(cloud, address)} for address in addresses]
    build |= {"status": "SUCCESS", "statusDetail": NOT_BUILT, "startTime": now(), "finishTime": now(), "results": {"images": images}}
    cloud.store.of("cloudbuild").put(build["name"], "Build", build)
    return cloud.operations.done(call, build, "Build", {"build": build}, "google.devtools.cloudbuild.v1.BuildOperationMetadata")


def _value(values: Json, name: str) -> str:
    if name not in values:
        raise Refusal(400, "INVALID_ARGUMENT", f"generic::invalid_argument: key {name!r} in the template is not a valid substitution.")
    return str(values[name])


def _pushed(cloud: Cloud, address: str) -> str:
    """The digest of the image that was pushed to `REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE:TAG`."""
    match = ADDRESS.fullmatch(address)
    if match is None:
        raise Refusal(400, "INVALID_ARGUMENT", f"{address!r} is no address in Artifact Registry with a tag. Nothing was built.")
    region, project, repository, image, tag = match.groups()
    name = f"projects/{project}/locations/{region}/repositories/{repository}"
    return cloud.containers.tag(name, image, tag) or cloud.containers.make(name, image, tag, NOT_BUILT)


@completes("cloudbuild", "Connection")
def connection(call: Call, cloud: Cloud, name: str, resource: Json) -> None:
    """A connection is complete once the secret that it names holds a token."""
    version = resource.get("githubConfig", {}).get("authorizerCredential", {}).get("oauthTokenSecretVersion", "")
    secret = cloud.projects.by_id(version.partition("/versions/")[0])
    kept = cloud.store.of("secretmanager")
    if version and kept.get(secret) is None:
        raise Refusal(404, "NOT_FOUND", f"Secret {secret} does not exist, so the connection was not written. Create the secret first.")
    stage = "COMPLETE" if not version or kept.list(f"{secret}/versions") else "PENDING_USER_OAUTH"
    resource["installationState"] = {"stage": stage}


@completes("cloudbuild", "Repository")
def repository(call: Call, cloud: Cloud, name: str, resource: Json) -> None:
    """A repository hangs below its connection."""
    cloud.resources.load(call, name.partition("/repositories/")[0])


@on("cloudbuild", f"{TRIGGERS}.create")
async def create_trigger(call: Call, cloud: Cloud) -> Json:
    """A trigger is known by an id that Google chooses; its name is one of a kind too, and short."""
    trigger = dict(call.body)
    taken = {one.get("name") for one in cloud.store.of("cloudbuild").list(call.name)}
    if (given := trigger.get("name")) and given in taken:
        raise Refusal(409, "ALREADY_EXISTS", f"Trigger {given!r} already exists. Nothing was made. Choose another name.")
    linked = trigger.get("repositoryEventConfig", {}).get("repository", "")
    if linked:
        cloud.resources.load(call, cloud.projects.by_id(linked))
    name = f"{call.name}/{uuid.uuid4()}"
    trigger |= {"id": name.rpartition("/")[2], "createTime": now(), "resourceName": name}
    return cloud.resources.save(replace(call, name=name), name, trigger, "BuildTrigger")
