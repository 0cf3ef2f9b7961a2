"""Cloud Build: no container is built here, since the image table says what each image runs; the images get their digests."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, on
from emulator.clock import now

if TYPE_CHECKING:
    from emulator.cloud import Cloud

NOT_BUILT = "Nothing was built: the local Google Cloud runs the entry points of its image table."


@on("cloudbuild", "projects.locations.builds.create")
async def create(call: Call, cloud: Cloud) -> Json:
    """Ends at once: each image that is named in the table gets the digest of its address, substitutions filled in."""
    source = call.body.get("source", {}).get("storageSource")
    if source and cloud.objects.get(source["bucket"], source["object"]) is None:
        raise Refusal(404, "NOT_FOUND", f"gs://{source['bucket']}/{source['object']} does not exist, so there is no source to build.")
    values = call.body.get("substitutions", {})
    addresses = [re.sub(r"\$\{?(\w+)\}?", lambda match: _value(values, match[1]), address) for address in call.body.get("images", [])]
    for address in addresses:
        cloud.images.get(address)
    operation = cloud.resources.create(call)
    build = operation["response"]
    del build["@type"]
    images = [{"name": address, "digest": f"sha256:{hashlib.sha256(address.encode()).hexdigest()}"} for address in addresses]
    build |= {"status": "SUCCESS", "statusDetail": NOT_BUILT, "startTime": now(), "finishTime": now(), "results": {"images": images}}
    cloud.store.of("cloudbuild").put(build["name"], "Build", build)
    return cloud.operations.done(call, build, "Build", {"build": build}, "google.devtools.cloudbuild.v1.BuildOperationMetadata")


def _value(values: Json, name: str) -> str:
    if name not in values:
        raise Refusal(400, "INVALID_ARGUMENT", f"generic::invalid_argument: key {name!r} in the template is not a valid substitution.")
    return str(values[name])
